"""Every intent, allowed and refused: exactly one answer, and nothing that a page says is believed."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.widget.fakes import FakeUploader, InlineWorkers, Rig, failure, not_now
from vod_widget.errors import AccessDeniedError, ConnectionLostError, MissingCredentialError, RestrictionError
from vod_widget.model import Credentials, UploaderState, UploadState
from vod_widget.secret import Secret
from vod_widget.widget.assets import STATIC
from vod_widget.widget.messages import KINDS
from vod_widget.widget.policy import Policy

CANARY = "CanaryCanarySecret0123456789"

PASTED = {
    name: base64.b64encode(json.dumps(content).encode()).decode()
    for name, content in {
        "upload_auth": {
            "AccessKeyId": "STS.x",
            "AccessKeySecret": "s",
            "SecurityToken": "t",
            "Expiration": "3000",
        },
        "upload_address": {"Endpoint": "https://oss-cn-shanghai.aliyuncs.com", "Bucket": "bucket", "FileName": "a.mp4"},
    }.items()
} | {"media_id": "video-00000001"}
OFFER = {"client_id": "c1", "name": "talk.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": "video/mp4"}
KEYS = {"access_key_id": "LTAI5tExampleExample", "access_key_secret": CANARY, "security_token": "", "region": ""}
UNSTEERED = {"template_group_id": None, "workflow_id": None}
STEER = {"template_group_id": "", "workflow_id": ""}
# One message of each kind that a private page may send on a queue with one file, f000001.
HAPPY: dict[str, dict[str, Any]] = {
    "hello": {"version": 2, "locale": "en"},
    "view": {"first": 0, "count": 20, "filter": "all", "search": "", "sort": "queue", "descending": False},
    "bye": {"token": "TOKEN"},
    "start": {},
    "stop": {},
    "clear": {"which": "done"},
    "cancel": {"file_ids": ["f000001"]},
    "pause": {"file_ids": ["f000001"]},
    "resume": {"file_ids": ["f000001"]},
    "retry": {"file_ids": ["f000001"]},
    "remove": {"file_ids": ["f000001"]},
    "retry_failed": {},
    "move": {"file_ids": ["f000001"], "where": "last"},
    "place": {"file_ids": ["f000001"], "before": ""},
    "unfinished": {},
    "take_back": {},
    "list_dir": {"path": ""},
    "complete_path": {"prefix": ""},
    "add_paths": {"paths": ["nothing-here.mp4"]},
    "add_addresses": {"urls": ["ftp://nothing.example/a.mp4"]},
    "offer_files": {"files": [OFFER]},
    "reoffer_files": {"files": [OFFER]},
    "put_progress": {"file_id": "f000002", "token": "TOKEN", "put_id": 0, "sent_bytes": 5},
    "put_done": {
        "file_id": "f000002",
        "token": "TOKEN",
        "put_id": 0,
        "etag": "E",
        "crc64": "1",
        "stored_crc64": "",
    },
    "put_error": {"file_id": "f000002", "token": "TOKEN", "put_id": 0, "reason": "network"},
    "reach": {"token": "TOKEN", "slice_bytes": 4_194_304},
    "slice": {"file_id": "f000002", "token": "TOKEN", "pull_id": 0, "offset": 0},
    "slice_error": {"file_id": "f000002", "token": "TOKEN", "pull_id": 0, "reason": "gone"},
    "set_credentials": KEYS,
    "set_upload_auth": PASTED,
    "test_credentials": {},
    "forget_credentials": {},
    "list_profiles": {},
    "choose_profile": {"name": "emulator"},
    "detail": {"file_id": "f000001"},
    "set_metadata": {
        "file_id": "f000001",
        "title": "T",
        "description": "",
        "tags": ["a"],
        "cate_id": None,
        **STEER,
        "cover": None,
    },
    "edit_files": {"file_ids": ["f000001"], "description": None, "tags": ["a"], "cate_id": None, **UNSTEERED},
    "set_cover": {"file_id": "f000001", "name": "cover.jpg"},
    "thumbnail": {"file_id": "f000001"},
    "play": {"file_id": "f000001"},
    "list_categories": {},
    "asset": {"name": "chinese", "sha256": hashlib.sha256((STATIC / "chinese.json").read_bytes()).hexdigest()},
    "ping": {},
    "probe": {},
}
# What a public page is answered: nothing of the kernel's, nothing of another's files, and "ok".
IN_PUBLIC = {
    **dict.fromkeys(
        (
            *("list_dir", "complete_path", "add_paths", "add_addresses", "thumbnail", "unfinished", "take_back"),
            *("set_credentials", "set_upload_auth", "test_credentials", "forget_credentials"),
            *("list_profiles", "choose_profile", "list_categories", "move", "place"),
        ),
        "Policy",
    ),
    **dict.fromkeys(("cancel", "pause", "resume", "retry", "remove"), "Owner"),
    **dict.fromkeys(("set_metadata", "edit_files", "set_cover", "play"), "Owner"),
    "slice": "Slice.Unknown",
    **dict.fromkeys(
        (
            *("hello", "bye", "view", "ping", "probe", "reach", "asset", "detail"),
            *("start", "stop", "clear", "retry_failed", "offer_files", "reoffer_files"),
            *("slice_error", "put_progress", "put_done", "put_error"),
        ),
        "ok",
    ),
}


def prepared(policy: Policy, root: Path) -> tuple[Rig, str]:
    """A rig with a kernel file f000001, a page, and a browser file f000002 of which a slice is wanted."""
    rig = Rig(policy=policy, root=root)
    rig.uploader.credentials = Credentials("LTAI5tOfTheAuthor000", Secret("the-author-s-own-key"))
    rig.uploader.add_many(1)
    token = rig.hello()["token"]
    rig.data("offer_files", files=[{**OFFER, "name": "mine.mp4"}], token=token)
    return rig, token


def keys_of(kind: str, token: str) -> dict[str, Any]:
    return {name: token if value == "TOKEN" else value for name, value in HAPPY[kind].items()}


def buffers_of(kind: str) -> list[bytes] | None:
    return [b"12345"] if kind in ("slice", "probe", "set_cover") else None


def test_s15_the_tables_name_every_kind() -> None:
    assert set(HAPPY) == set(KINDS)
    assert set(IN_PUBLIC) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(HAPPY))
def test_a_private_page_may_do_everything(kind: str, tmp_path: Path) -> None:
    rig, token = prepared(Policy.private(), tmp_path)
    # Nobody reads yet, so nobody asked for a slice; the file is a video; the core here has no keys.
    codes = {"slice": "Slice.Unknown", "thumbnail": "Picture", "take_back": "Auth.Missing"}
    if kind in codes:
        assert rig.code(kind, buffers_of(kind), **keys_of(kind, token)) == codes[kind]
    else:
        assert rig.ask(kind, buffers_of(kind), **keys_of(kind, token))["ok"] is True


@pytest.mark.parametrize("kind", sorted(HAPPY))
def test_s15_a_public_page_may_not_reach_the_kernel_nor_what_is_not_its_own(kind: str, tmp_path: Path) -> None:
    rig, token = prepared(Policy.public(), tmp_path)
    before = len(rig.uploader.calls)
    answer = rig.ask(kind, buffers_of(kind), **keys_of(kind, token))
    code = answer.get("error", {}).get("code")
    assert ("ok" if answer.get("ok") else code) == IN_PUBLIC[kind]
    if code is not None:
        assert rig.uploader.calls[before:] == []


def test_the_panels_of_another_build_are_refused_with_the_way_out(tmp_path: Path) -> None:
    rig, _token = prepared(Policy.public(), tmp_path)
    error = rig.ask("asset", name="panels", sha256="0" * 64)["error"]
    assert error["code"] == "Version"
    assert "Restart the kernel" in error["hint"]
    right = hashlib.sha256((STATIC / "panels.js").read_bytes()).hexdigest()
    assert rig.data("asset", name="panels", sha256=right)["text"].startswith("export default SHARED=>{")


@pytest.mark.parametrize("kind", sorted(HAPPY))
@pytest.mark.parametrize("damage", ["extra", "missing", "type", "buffer"])
def test_s28_keys_must_be_exact(kind: str, damage: str, tmp_path: Path) -> None:
    rig, token = prepared(Policy.private(), tmp_path)
    before = len(rig.uploader.calls)
    keys, buffers = keys_of(kind, token), buffers_of(kind)
    if damage == "extra" or not keys:
        keys["region_override"] = "x"
    elif damage == "missing":
        keys.pop(next(iter(keys)))
    elif damage == "type":
        keys[next(iter(keys))] = {"not": "that"}
    else:
        buffers = None if buffers else [b"x"]
    assert rig.code(kind, buffers, **keys) == "Message"
    assert rig.uploader.calls[before:] == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        "hello",
        [],
        {},
        {"id": 1},
        {"kind": "ping"},
        {"id": True, "kind": "ping"},
        {"id": -1, "kind": "ping"},
        {"id": 2**60, "kind": "ping"},
        {"id": 1.5, "kind": "ping"},
        {"id": 1, "kind": ["ping"]},
        {"id": 1, "kind": "__class__"},
        {"id": 1, "kind": "close"},
        {
            "id": 1,
            "kind": "view",
            "first": -1,
            "count": 1,
            "filter": "all",
            "search": "",
            "sort": "queue",
            "descending": False,
        },
        {
            "id": 1,
            "kind": "view",
            "first": 0,
            "count": 201,
            "filter": "all",
            "search": "",
            "sort": "queue",
            "descending": False,
        },
        {
            "id": 1,
            "kind": "view",
            "first": 0,
            "count": 1,
            "filter": "Done",
            "search": "",
            "sort": "queue",
            "descending": False,
        },
        {
            "id": 1,
            "kind": "view",
            "first": math.nan,
            "count": 1,
            "filter": "all",
            "search": "",
            "sort": "queue",
            "descending": False,
        },
        {"id": 1, "kind": "cancel", "file_ids": []},
        {"id": 1, "kind": "cancel", "file_ids": "f000001"},
        {"id": 1, "kind": "offer_files", "files": [{**OFFER, "path": "/etc/passwd"}]},
        {"id": 1, "kind": "list_dir", "path": "x" * 5000},
        {"id": 1, "kind": "list_dir", "path": "\ud800"},
    ],
)
def test_s28_malformed_messages_are_refused_with_one_answer(rig: Rig, content: Any) -> None:
    [answer] = rig.say(content)
    assert answer["error"]["code"] == "Message"
    assert rig.uploader.calls == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
NEARLY_RIGHT = st.sampled_from(sorted(HAPPY)).flatmap(
    lambda kind: st.fixed_dictionaries(
        {"id": st.integers(-2, 2**54), "kind": st.just(kind)},
        optional={name: st.just(value) | ANYTHING for name, value in HAPPY[kind].items()} | {"token": ANYTHING},
    )
)


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(
    messages=st.lists(
        st.tuples(ANYTHING | NEARLY_RIGHT, st.none() | st.lists(st.binary(max_size=9), max_size=2)), max_size=8
    )
)
def test_s28_whatever_comes_leads_to_exactly_one_answer_and_no_exception(messages: list[Any], empty_root: Path) -> None:
    rig = Rig(uploader=FakeUploader(), root=empty_root)
    rig.uploader.credentials = Credentials("LTAI5tOfTheAuthor000", Secret("the-author-s-own-key"))
    rig.uploader.set_profile = lambda name: None  # type: ignore[method-assign]  # the emulator is not for random tests
    rig.uploader.add_many(1)
    for content, buffers in messages:
        rig.clock.advance(0.05)
        answers = rig.say(content, buffers)
        assert len(answers) == 1
        json.dumps(answers[0]["data"] if answers[0].get("ok") else answers[0]["error"], allow_nan=False)


def test_an_exception_of_the_core_becomes_an_answer_without_its_text(rig: Rig) -> None:
    rig.uploader.add_many(1)
    rig.uploader.fail_with = RuntimeError(f"boom {CANARY}")
    answer = rig.ask("cancel", file_ids=["f000001"])
    assert answer["error"]["code"] == "Internal"
    assert CANARY not in json.dumps(answer)


def test_an_error_of_the_core_says_code_message_and_next_step(rig: Rig) -> None:
    rig.uploader.provider = object()
    rig.uploader.fail_with = AccessDeniedError("not allowed, Signature=abcdefgh", code="Forbidden.RAM")
    error = rig.ask("start")["error"]
    assert error["code"] == "Forbidden.RAM"
    assert "RAM policy" in error["hint"]
    assert "RAM" in error["hint_zh"]
    assert "abcdefgh" not in error["message"]


def test_start_without_credentials_says_so_in_words(rig: Rig) -> None:
    error = rig.ask("start")["error"]
    assert error["code"] == "Auth.Missing"
    assert "emulator" in error["hint"]
    assert ("start_upload",) not in rig.uploader.calls


def test_a_file_that_turned_meanwhile_counts_as_unchanged(rig: Rig) -> None:
    rig.uploader.add_many(1)
    rig.uploader.fail_with = not_now()
    assert rig.data("pause", file_ids=["f000001", "unknown"]) == {"changed": 0}


def test_resume_in_a_queue_that_ended_runs_that_file_alone(rig: Rig) -> None:
    first, second = rig.uploader.add_many(2, state=UploadState.STOPPED)
    rig.uploader.provider = object()
    rig.uploader.state = UploaderState.END
    assert rig.data("resume", file_ids=[first]) == {"changed": 1}
    assert ("run_ready",) in rig.uploader.calls
    assert rig.uploader.infos[second].state == UploadState.STOPPED


def test_resume_in_a_stopped_queue_waits_for_start(rig: Rig) -> None:
    [only] = rig.uploader.add_many(1, state=UploadState.STOPPED)
    rig.uploader.provider = object()
    rig.uploader.state = UploaderState.STOP
    rig.data("resume", file_ids=[only])
    assert ("run_ready",) not in rig.uploader.calls


def test_clear_takes_what_it_names(rig: Rig) -> None:
    a, b, c, d = rig.uploader.add_many(4)
    rig.uploader.put(a, state=UploadState.SUCCESS)
    rig.uploader.put(b, **failure(ConnectionLostError("lost")))
    rig.uploader.put(c, state=UploadState.CANCELED)
    assert rig.data("clear", which="done") == {"removed": 1}
    assert rig.data("clear", which="failed") == {"removed": 2}
    assert list(rig.uploader.infos) == [d]
    assert rig.data("clear", which="all") == {"removed": 1}


def test_s18_more_than_the_allowed_messages_a_second_are_refused_but_heartbeats_pass(rig: Rig) -> None:
    codes = [rig.ask("detail", file_id="x")["error"]["code"] for _ in range(60)]
    assert codes[:40] == ["NotFound"] * 40
    assert codes[40:] == ["RateLimit"] * 20
    assert rig.data("ping") == {"seq": rig.publisher.seq(1)}
    rig.clock.advance(1.0)
    assert rig.code("detail", file_id="x") == "NotFound"


def test_a_disk_that_hangs_is_answered_by_the_deadline_and_only_once(rig: Rig) -> None:
    rig.workers.hold = True
    rig.handler.handle({"id": 9, "kind": "list_dir", "path": ""}, None)
    rig.run(7.9)
    assert rig.screen.of("answer") == []
    rig.run(0.2)
    assert [a["error"]["code"] for a in rig.screen.of("answer")] == ["Timeout"]
    rig.workers.held[0]()
    rig.run(1.0)
    assert len(rig.screen.of("answer")) == 1


def test_stop_works_while_every_disk_worker_hangs(rig: Rig) -> None:
    rig.handler._disk = disk = InlineWorkers()  # type: ignore[assignment]
    disk.full = True
    assert rig.code("list_dir", path="") == "Busy"
    assert rig.data("stop") == {}


def test_s2_keys_reach_the_core_and_nothing_else(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    data = rig.data("set_credentials", **{**KEYS, "security_token": CANARY + "token", "region": "ap-southeast-1"})
    assert data["masked_id"] == "LTAI…mple"
    given = rig.uploader.credentials
    assert given.access_key_secret.reveal() == CANARY
    assert given.security_token.reveal() == CANARY + "token"
    assert rig.uploader.region == "ap-southeast-1"
    rig.hello()
    rig.run(5)
    assert CANARY not in json.dumps(rig.screen.messages) + caplog.text + repr(vars(rig.accounts))
    assert rig.screen.of("snapshot")[-1]["summary"]["profile"]["masked_id"] == "LTAI…mple"


@pytest.mark.parametrize(
    "bad", [{"access_key_secret": ""}, {"access_key_secret": "  "}, {"access_key_id": ""}, {"region": "http://evil"}]
)
def test_s2_bad_keys_are_refused_and_not_repeated(rig: Rig, bad: dict[str, str]) -> None:
    answer = rig.ask("set_credentials", **{**KEYS, **bad})
    assert answer["error"]["code"] in ("Message", "Region", "Auth.Incomplete")
    assert CANARY not in json.dumps(answer)
    assert rig.uploader.credentials is None


def test_forgetting_keys_leaves_the_author_s_own_alone(rig: Rig) -> None:
    rig.data("set_credentials", **KEYS)
    assert rig.data("list_profiles")["current_profile"] == "session"
    assert rig.data("forget_credentials") == {"current_profile": None}
    own = Credentials("LTAI5tOfTheAuthor000", Secret("the-author-s-own-key"))
    rig.uploader.credentials = own
    rig.data("forget_credentials")
    assert rig.uploader.credentials is own


def test_profiles_say_which_one_is_used_and_mark_at_most_one(rig: Rig) -> None:
    rig.uploader.profile = "emulator"
    data = rig.data("list_profiles")
    assert data["current_profile"] == "emulator"
    assert [p["name"] for p in data["profiles"] if p["is_current"]] == ["emulator"]
    assert set(data["profiles"][0]) == {
        "name",
        "place",
        "mode",
        "masked_id",
        "region",
        "usable",
        "reason",
        "reason_zh",
        "is_current",
        "expires_at_s",
        "renews_itself",
    }


def test_a_public_page_is_told_no_path_and_no_profile(tmp_path: Path) -> None:
    rig = Rig(policy=Policy.public(), root=tmp_path)
    hello = rig.hello()
    assert (hello["roots"], hello["profiles"], hello["current_profile"]) == ([], [], None)
    assert hello["policy"] == {
        "name": "public",
        "sources": ["browser"],
        "inline_credentials": False,
        "choose_profile": False,
        "steer": False,
    }
    assert str(tmp_path) not in json.dumps(hello)


def test_the_button_for_all_failed_files_leaves_out_what_another_try_cannot_help(rig: Rig) -> None:
    rig.hello()
    rig.uploader.add_many(2, state=UploadState.FAILURE, error=ConnectionLostError("lost"))
    rig.uploader.add_many(1, state=UploadState.FAILURE, error=RestrictionError("too large"))
    assert rig.data("retry_failed") == {"changed": 2}


def test_a_page_of_another_version_is_refused(rig: Rig) -> None:
    assert rig.code("hello", version=1, locale="en") == "Version"


def test_hello_is_answered_before_its_snapshot(rig: Rig) -> None:
    rig.hello()
    rig.run(0.2)
    assert [m["kind"] for m in rig.screen.messages[:2]] == ["answer", "snapshot"]


@pytest.mark.parametrize(
    ("code", "hint", "hint_zh"),
    [("Journal.Write", "disk space", "磁盘空间"), ("Network.Lost", "by itself", "自动继续"), ("", "", "")],
)
def test_the_detail_says_what_helps_a_file_that_waits(rig: Rig, code: str, hint: str, hint_zh: str) -> None:
    [only] = rig.uploader.add_many(1, wait_s=3.0, wait_reason=code)
    detail = rig.data("detail", file_id=only)
    assert hint in detail["wait_hint"]
    assert hint_zh in detail["wait_hint_zh"]
    assert bool(detail["wait_hint"]) == bool(code)


def test_a_file_of_a_browser_has_no_path(rig: Rig) -> None:
    [only] = rig.uploader.add_many(1, source="browser", path="browser")
    assert rig.data("detail", file_id=only)["path"] == ""


def test_detail_and_metadata(rig: Rig) -> None:
    [only] = rig.uploader.add_many(1, attempts=((1, "Network.Lost", "lost; Signature=abcdefgh", 2.0),))
    detail = rig.data("detail", file_id=only)
    assert detail["attempts"] == [
        {"number": 1, "code": "Network.Lost", "message": detail["attempts"][0]["message"], "waited_s": 2.0}
    ]
    assert "abcdefgh" not in detail["attempts"][0]["message"]
    keys = {"file_id": only, "title": "New", "description": "", "tags": ["a"], "cate_id": 3, **STEER, "cover": None}
    assert rig.data("set_metadata", **keys)["row"]["title"] == "New"
    told = {
        "title": "New",
        "description": None,
        "tags": ["a"],
        "cate_id": 3,
        "template_group_id": None,
        "workflow_id": None,
    }
    assert rig.uploader.calls[-1][2] == told
    rig.uploader.put(only, state=UploadState.UPLOADING)
    assert rig.code("set_metadata", **keys) == "InvalidState"


def test_the_probe_is_answered_with_the_checksum_of_what_arrived(rig: Rig) -> None:
    assert rig.data("probe", [memoryview(b"abc")]) == {"size_bytes": 3, "crc64": "2cd8094a1a277627"}
    assert rig.code("probe", [bytes(5 * 1024 * 1024)]) == "Message"


def test_a_missing_credential_error_of_the_core_keeps_its_code(rig: Rig) -> None:
    rig.uploader.provider = object()
    rig.uploader.fail_with = MissingCredentialError("nothing was found")
    assert rig.code("start") == "Auth.Missing"
