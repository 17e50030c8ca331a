"""The error tree: every leaf says what it is, has a code of its own and one next step."""

from __future__ import annotations

import inspect
import re

import pytest

from vod_widget import errors, retry
from vod_widget.doctor_words import fix_words
from vod_widget.errors import InvalidArgumentError, VODError

# Codes are a contract: programs compare them. A line is added for a new error and never changed.
CODES = {
    "AccessDeniedError": "Permission",
    "AlreadyExistsError": "Reference.Conflict",
    "AuthExpiredError": "Auth.Expired",
    "CallbackError": "Callback",
    "ClockSkewError": "Clock.Skew",
    "ConnectError": "Network.Connect",
    "ConnectionLostError": "Network.Lost",
    "CredentialError": "Auth",
    "EndpointRefusedError": "Endpoint.Refused",
    "IntegrityError": "Integrity",
    "InvalidArgumentError": "InvalidArgument",
    "InvalidStateError": "InvalidState",
    "JournalError": "Journal.Write",
    "KeysRefusedError": "Auth.Refused",
    "LockedError": "Locked",
    "MissingCredentialError": "Auth.Missing",
    "NoSuchUploadError": "NoSuchUpload",
    "NotFoundError": "NotFound",
    "ProfileNotFoundError": "Profile.NotFound",
    "RequestRefusedError": "Request.Refused",
    "RequestTimeoutError": "Network.Timeout",
    "RestrictionError": "Restriction",
    "RetriesExhaustedError": "Retries",
    "ServerFaultError": "Server.Fault",
    "ServiceError": "Service",
    "SourceChangedError": "Source.Changed",
    "SourceDetachedError": "Source.Detached",
    "SourceError": "Source.Read",
    "SourceNotFoundError": "Source.Missing",
    "ThrottledError": "Throttling",
    "TlsError": "Tls",
    "TransportError": "Network",
    "UnexpectedAnswerError": "Protocol",
    "UsageError": "Usage",
    "VODError": "Internal",
}


def _tree(root: type[VODError] = VODError) -> list[type[VODError]]:
    found = [root]
    for child in root.__subclasses__():
        found += _tree(child)
    return [cls for cls in dict.fromkeys(found) if cls.__module__ == errors.__name__]


TREE = _tree()
LEAVES = [cls for cls in TREE if not [c for c in cls.__subclasses__() if c in TREE]]
each = pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
each_leaf = pytest.mark.parametrize("cls", LEAVES, ids=lambda cls: cls.__name__)


def _make(cls: type[VODError]) -> VODError:
    if cls is errors.RetriesExhaustedError:
        last = errors.ConnectionLostError("the connection broke")
        return cls(last, ((1, last, 0.5), (2, last, 0.0)))
    return cls("something happened")


def test_the_tree_is_public_and_its_codes_never_change() -> None:
    assert sorted(cls.__name__ for cls in TREE) == errors.__all__
    assert {cls.__name__: cls.default_code for cls in TREE} == CODES


@each
def test_each_error_says_what_it_is_in_one_line(cls: type[VODError]) -> None:
    first = (inspect.getdoc(cls) or "").splitlines()[0]
    assert first.endswith(".")
    assert cls.__doc__ is not None
    assert f" {cls.__name__} " in f"{errors.__doc__} ", "draw it in the tree on top of errors.py"


@each_leaf
def test_each_leaf_has_a_code_of_its_own(cls: type[VODError]) -> None:
    assert "default_code" in vars(cls)
    assert re.fullmatch(r"[A-Z][A-Za-z]*(\.[A-Z][A-Za-z]*)?", cls.default_code)
    assert [c for c in TREE if c.default_code == cls.default_code] == [cls]


@each_leaf
def test_each_leaf_has_its_row_of_what_to_do_about_it(cls: type[VODError]) -> None:
    assert cls in retry.ACTIONS, "add a row to retry.ACTIONS"


@each
def test_each_text_tells_what_happened_and_the_one_next_step(cls: type[VODError]) -> None:
    error = _make(cls)
    assert error.hint.endswith(".")
    assert str(error).startswith(error.message)
    assert error.hint in str(error)
    assert f"[{error.code}]" in str(error)


@each
def test_a_file_name_stands_first(cls: type[VODError]) -> None:
    error = _make(cls)
    error.file_name = "talk.mp4"
    assert str(error).startswith("talk.mp4: ")


def test_the_clouds_own_code_and_request_id_win() -> None:
    error = errors.ThrottledError(
        "slow down", status=400, code="Throttling.User", request_id="ABC-1", retry_after_s=2.0
    )
    assert error.code == "Throttling.User"
    assert "(RequestId ABC-1)" in str(error)
    assert (error.status, error.retry_after_s) == (400, 2.0)


def test_exhausted_retries_keep_the_last_code_and_the_history() -> None:
    error = _make(errors.RetriesExhaustedError)
    assert error.code == "Network.Lost"
    assert [number for number, _, _ in error.attempts] == [1, 2]
    assert "2 attempts" in str(error)
    assert "(after 1 attempt)" in str(errors.RetriesExhaustedError(error.last, error.attempts[:1]))


@pytest.mark.parametrize("cls", [errors.AuthExpiredError, errors.ServerFaultError, errors.TransportError])
def test_a_hint_promises_only_what_is_kept(cls: type[VODError]) -> None:
    # A request that broke was sent, and none of it is kept.
    assert "what arrived so far is kept" in cls.default_hint


@pytest.mark.parametrize(
    ("cls", "also"),
    [
        (errors.InvalidArgumentError, ValueError),
        (errors.RestrictionError, ValueError),
        (errors.InvalidStateError, RuntimeError),
        (errors.SourceNotFoundError, OSError),
    ],
)
def test_usual_python_handlers_catch_them_too(cls: type[VODError], also: type[Exception]) -> None:
    with pytest.raises(also):
        raise cls("no")


def test_a_message_that_says_all_needs_no_next_step() -> None:
    error = InvalidArgumentError("the file is not in the list any more", hint="")
    assert str(error) == "the file is not in the list any more [InvalidArgument]"
    assert fix_words("error", {}, error, "zh") == ""
