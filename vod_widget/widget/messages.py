"""The schema of what a browser may say: exact keys, types and ranges for every kind of intent.

Everything that arrives here is hostile until parsed. The table below is docs/widget-protocol.md as data: a kind that
is not in it does not exist. Keys of credentials become `Secret` while they are parsed, so that no other object ever
holds them. Imports floor 0 only, no ipywidgets; pure; runs in whichever thread the kernel hands messages to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vod_widget.errors import InvalidArgumentError
from vod_widget.secret import Secret

__all__ = [
    "FILTERS",
    "KINDS",
    "MAX_VIEW_ROWS",
    "PROTOCOL_VERSION",
    "SORTS",
    "Intent",
    "message_id",
    "parse",
]

PROTOCOL_VERSION = 2
SORTS = ("queue", "name", "size", "state")
FILTERS = ("all", "uploading", "ready", "stopped", "failed", "done")
MAX_VIEW_ROWS = 200
# JavaScript counts exactly up to here.
_MAX_INT = 2**53 - 1
_MAX_PATH = 4096
_MAX_IDS = 100_000
_MAX_FILES = 10_000
# A slice is 4 MiB at most; jupyter_server closes the socket at 10 MiB. S18: 4 MiB + 64 KiB.
_MAX_BUFFER_BYTES = 4 * 1024 * 1024 + 64 * 1024

_Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """One message that passed the schema.

    Attributes:
        message_id: The number that the answer repeats.
        kind: One of `KINDS`.
        args: Its keys, checked.
        token: The page that says it, "" when it does not tell.
        buffer: The one binary buffer of `slice`, `set_cover` and `probe`, else None.
    """

    message_id: int
    kind: str
    # Not in the repr: file names of a person, and masked secrets, have no business in a log.
    args: Mapping[str, Any] = field(repr=False)
    token: str = field(default="", repr=False)
    buffer: memoryview | None = field(default=None, repr=False)


def _bad(what: str) -> InvalidArgumentError:
    return InvalidArgumentError(what, code="Message", hint="Reload the page.")


def _integer(low: int, high: int) -> _Check:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _bad(f"must be a whole number from {low} to {high}")
        return value

    return check


def _text(max_characters: int, *, empty: bool = True) -> _Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > max_characters or not (empty or value):
            raise _bad(f"must be a text of at most {max_characters} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _bad("must be a text that UTF-8 can hold") from None
        return value

    return check


def _one_of(*words: str) -> _Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise _bad(f"must be one of {', '.join(words)}")
        return value

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad("must be true or false")
    return value


def _list_of(item: _Check, max_items: int, *, min_items: int = 0) -> _Check:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not min_items <= len(value) <= max_items:
            raise _bad(f"must be a list of {min_items} to {max_items} items")
        return tuple(item(element) for element in value)

    return check


def _record(keys: Mapping[str, _Check], may_hold: Mapping[str, _Check]) -> _Check:
    def check(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict) or set(value) - set(may_hold) != set(keys):
            raise _bad(f"must hold exactly {', '.join(keys)}")
        checks = {**keys, **may_hold}
        return {name: check(value[name]) for name, check in checks.items() if name in value}

    return check


def _or_none(item: _Check) -> _Check:
    def check(value: Any) -> Any:
        return None if value is None else item(value)

    return check


def _secret(*, optional: bool) -> _Check:
    text = _text(8192, empty=optional)

    def check(value: Any) -> Secret | None:
        clean = text(value).strip()
        if not clean and not optional:
            raise _bad("is empty")
        return Secret(clean) if clean else None

    return check


def _crc64(*, optional: bool) -> _Check:
    text = _text(20, empty=optional)

    def check(value: Any) -> int | None:
        digits = text(value)
        if digits and not (digits.isascii() and digits.isdigit() and int(digits) < 2**64):
            raise _bad("must be a CRC64 in decimal digits")
        return int(digits) if digits else None

    return check


_FILE_ID = _text(128, empty=False)
_PULL_ID = _integer(0, _MAX_INT)
_OFFER = _record(
    {
        "client_id": _text(128, empty=False),
        "name": _text(4096, empty=False),
        # Negative and absurd sizes are refused by name, per file, so the schema lets them pass (F141).
        "size_bytes": _integer(-_MAX_INT, 2**63),
        "last_modified_ms": _integer(-_MAX_INT, _MAX_INT),
        "type": _text(256),
    },
    # CRC64 of the first and the last 64 KiB; a page need not look.
    may_hold={"edges": _text(16)},
)
_NOTHING: Mapping[str, _Check] = {}
_FILE_IDS: Mapping[str, _Check] = {"file_ids": _list_of(_FILE_ID, _MAX_IDS, min_items=1)}
_OFFERS: Mapping[str, _Check] = {"files": _list_of(_OFFER, _MAX_FILES, min_items=1)}

KINDS: Mapping[str, Mapping[str, _Check]] = MappingProxyType(
    {
        "hello": {"version": _integer(0, _MAX_INT), "locale": _text(64)},
        "view": {
            "first": _integer(0, _MAX_INT),
            "count": _integer(0, MAX_VIEW_ROWS),
            "filter": _one_of(*FILTERS),
            "search": _text(256),
            "sort": _one_of(*SORTS),
            "descending": _flag,
        },
        "start": _NOTHING,
        "stop": _NOTHING,
        "clear": {"which": _one_of("done", "failed", "all")},
        "cancel": _FILE_IDS,
        "pause": _FILE_IDS,
        "resume": _FILE_IDS,
        "retry": _FILE_IDS,
        "remove": _FILE_IDS,
        "retry_failed": _NOTHING,
        "move": {**_FILE_IDS, "where": _one_of("first", "up", "down", "last")},
        # Before that file; "" is the end of the list.
        "place": {**_FILE_IDS, "before": _text(128)},
        "unfinished": _NOTHING,
        "take_back": _NOTHING,
        "list_dir": {"path": _text(_MAX_PATH)},
        "complete_path": {"prefix": _text(_MAX_PATH)},
        "add_paths": {"paths": _list_of(_text(_MAX_PATH, empty=False), _MAX_FILES, min_items=1)},
        "add_addresses": {"urls": _list_of(_text(2048, empty=False), 100, min_items=1)},
        "offer_files": _OFFERS,
        "reoffer_files": _OFFERS,
        # What the page's host carries in one message; 0: no bytes at all.
        "reach": {"slice_bytes": _integer(0, 4 * 1024 * 1024)},
        "slice": {"file_id": _FILE_ID, "pull_id": _PULL_ID, "offset": _integer(0, 2**63)},
        "slice_error": {
            "file_id": _FILE_ID,
            "pull_id": _PULL_ID,
            "reason": _one_of("changed", "gone", "read"),
        },
        "put_progress": {"file_id": _FILE_ID, "put_id": _PULL_ID, "sent_bytes": _integer(0, _MAX_INT)},
        "put_done": {
            "file_id": _FILE_ID,
            "put_id": _PULL_ID,
            "etag": _text(256, empty=False),
            "crc64": _crc64(optional=False),
            "stored_crc64": _crc64(optional=True),
        },
        "put_error": {"file_id": _FILE_ID, "put_id": _PULL_ID, "reason": _one_of("network", "status", "read")},
        "set_credentials": {
            "access_key_id": _text(256, empty=False),
            "access_key_secret": _secret(optional=False),
            "security_token": _secret(optional=True),
            "region": _text(64),
        },
        "set_upload_auth": {
            "upload_auth": _secret(optional=False),
            "upload_address": _secret(optional=False),
            "media_id": _text(128, empty=False),
        },
        "test_credentials": _NOTHING,
        "forget_credentials": _NOTHING,
        "list_profiles": _NOTHING,
        "choose_profile": {"name": _text(256, empty=False)},
        "detail": {"file_id": _FILE_ID},
        "set_metadata": {
            "file_id": _FILE_ID,
            "title": _text(4096),
            "description": _text(16_384),
            "tags": _list_of(_text(1024), 256),
            "cate_id": _or_none(_integer(-_MAX_INT, _MAX_INT)),
            "template_group_id": _text(256),
            "workflow_id": _text(256),
            "cover": _or_none(_text(_MAX_PATH)),
        },
        # None leaves that field of each file as it is.
        "edit_files": {
            **_FILE_IDS,
            "description": _or_none(_text(16_384)),
            "tags": _or_none(_list_of(_text(1024), 256)),
            "cate_id": _or_none(_integer(-_MAX_INT, _MAX_INT)),
            "template_group_id": _or_none(_text(256)),
            "workflow_id": _or_none(_text(256)),
        },
        "set_cover": {"file_id": _FILE_ID, "name": _text(4096, empty=False)},
        "thumbnail": {"file_id": _FILE_ID},
        "play": {"file_id": _FILE_ID},
        "list_categories": _NOTHING,
        "asset": {"name": _one_of("panels", "chinese"), "sha256": _text(64)},
        "ping": _NOTHING,
        "bye": _NOTHING,
        "probe": _NOTHING,
    }
)
_WITH_BUFFER = frozenset({"slice", "probe", "set_cover"})
_MUST_NAME_THE_PAGE = frozenset({"bye", "reach", "slice", "slice_error", "put_progress", "put_done", "put_error"})


def message_id(content: object) -> int | None:
    """Return the number that an answer can repeat, or None when the message has no usable one."""
    value = content.get("id") if isinstance(content, dict) else None
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INT
    return value if usable else None


def parse(content: object, buffers: object) -> Intent:
    """Check one message against the schema.

    Args:
        content: What the front-end sent; anything at all.
        buffers: Its binary buffers, or None.

    Raises:
        InvalidArgumentError: It is not exactly one of the known kinds; code "Message". The text names keys, never
            values.
    """
    if not isinstance(content, dict):
        raise _bad("A message must be an object.")
    number = message_id(content)
    kind = content.get("kind")
    if number is None:
        raise _bad("A message needs an id.")
    if not isinstance(kind, str) or kind not in KINDS:
        raise _bad("There is no message of this kind.")
    checks = KINDS[kind]
    keys = {key for key in content if key not in ("id", "kind", "token")}
    if keys != set(checks) or (kind in _MUST_NAME_THE_PAGE and "token" not in content):
        raise _bad(f"{kind} takes exactly these keys: {', '.join(checks) or 'none'}.")
    args: dict[str, Any] = {}
    for name, check in checks.items():
        try:
            args[name] = check(content[name])
        except InvalidArgumentError as error:
            raise _bad(f"{kind}: {name} {error.message}.") from None
    try:
        token = _text(128)(content.get("token", ""))
    except InvalidArgumentError as error:
        raise _bad(f"{kind}: token {error.message}.") from None
    return Intent(number, kind, MappingProxyType(args), token, _buffer(kind, buffers))


def _buffer(kind: str, buffers: object) -> memoryview | None:
    given = list(buffers) if isinstance(buffers, (list, tuple)) else []
    if kind not in _WITH_BUFFER:
        if given:
            raise _bad(f"{kind} takes no binary data.")
        return None
    if len(given) != 1:
        raise _bad(f"{kind} takes one binary buffer.")
    try:
        view = memoryview(given[0]).cast("B")
    except (TypeError, ValueError):
        raise _bad(f"{kind} takes one binary buffer.") from None
    if view.nbytes > _MAX_BUFFER_BYTES:
        raise _bad(f"{kind}: the buffer is larger than {_MAX_BUFFER_BYTES} bytes.")
    return view
