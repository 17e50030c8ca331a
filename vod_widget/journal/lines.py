"""The lines of the journal: JSON with a checksum, and the state that they add up to.

    {"v":1,"kind":"checkpoint","begun_s":...,"reset":...,"data":{...},"crc":"..."}
    {"v":1,"kind":"change","after":...,"data":{...},"crc":"..."}
    {"v":1,"kind":"part","part":[number, start, end, etag, crc64],"crc":"..."}
    {"v":1,"kind":"done","key":"...","at_s":...,"entry":[inode, mtime_ns],"result":{...},"crc":"..."}
    {"v":1,"kind":"waiting","data":{...},"since_s":...,"cover":"...","crc":"..."}
    {"v":1,"kind":"gone","file_id":"...","crc":"..."}

The checksum is of the text before it, so it is checked without parsing. A change says what is new in the checkpoint,
and after which one: the loss of a whole line shows. Pure; safe in any thread.
"""

from __future__ import annotations

import functools
import json
import re
import zlib
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from vod_widget.errors import InvalidArgumentError
from vod_widget.model import Checkpoint, MediaType, Part, Waiting

VERSION = 1
# A line without its checksum is the checksummed text; this is what is cut off: ,"crc":"01234567"}
_SUFFIX_BYTES = 18
_HEAD = b'{"v":1,"kind":"'
DONE_HEAD = b'{"v":1,"kind":"done","key":"'
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_NESTED = (dict, list, tuple)
_SECRET_KEY = re.compile(r"(?i)secret|token|password|signature|access_?key|upload_?auth|credential|authorization")


def line(kind: str, body: dict[str, Any]) -> bytes:
    """Make one line with its checksum."""
    try:
        text = _encode({"v": VERSION, "kind": kind, **body})
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidArgumentError(f"the journal keeps plain JSON only: {exc}", code="Journal.Value") from exc
    return f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def parse(text: bytes) -> dict[str, Any] | None:
    """Read one line without its newline; None when it is damaged."""
    body = text[:-_SUFFIX_BYTES] + b"}"
    if text[-_SUFFIX_BYTES:] != b',"crc":"%08x"}' % zlib.crc32(body):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


_NAMES = tuple(f.name for f in fields(Checkpoint) if f.name != "parts")
_DEFAULTS = {f.name: f.default for f in fields(Checkpoint) if f.default is not MISSING}
_CHECKPOINT_TYPES: dict[str, type] = {
    "size_bytes": int,
    "part_size_bytes": int,
    "canceled": bool,
    "completed_before": bool,
    "metadata": dict,
}


def _checkpoint_of(data: Any) -> Checkpoint | None:
    """Build a checkpoint from JSON; None when a field is missing or of another type."""
    if not isinstance(data, dict):
        return None
    known = {name: data[name] for name in _NAMES if name in data}
    if any(type(value) is not _CHECKPOINT_TYPES.get(name, str) for name, value in known.items()):
        return None
    try:
        return Checkpoint(**{**known, "media_type": MediaType(known["media_type"])})
    except (TypeError, ValueError, KeyError):
        return None


def _data_of(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in _NAMES} | {"media_type": str(checkpoint.media_type)}


def _sum_of(checkpoint: Checkpoint) -> int:
    return zlib.crc32(json.dumps(_data_of(checkpoint)).encode())


def _part_of(data: Any) -> Part | None:
    if not isinstance(data, list) or len(data) != 5:
        return None
    number, start, end, etag, crc64 = data
    is_good = all(type(value) is int for value in (number, start, end)) and type(etag) is str
    if not is_good or not (crc64 is None or type(crc64) is int) or not (number >= 1 and 0 <= start <= end):
        return None
    return Part(number, start, end, etag, crc64)


@dataclass(slots=True)
class State:
    """What the lines so far say."""

    checkpoint: Checkpoint | None = None
    parts: dict[int, Part] = field(default_factory=dict)
    begun_s: float = 0.0

    def apply(self, record: dict[str, Any]) -> bool:
        """Take one line; False when it makes no sense."""
        if record.get("v") != VERSION:
            return False
        if record.get("kind") == "checkpoint":
            checkpoint = _checkpoint_of(record.get("data"))
            begun_s = record.get("begun_s")
            if checkpoint is None or not isinstance(begun_s, (int, float)):
                return False
            if record.get("reset"):
                self.parts = {}
            self.checkpoint, self.begun_s = checkpoint, float(begun_s)
            return True
        if record.get("kind") == "change":
            data = record.get("data")
            if self.checkpoint is None or not isinstance(data, dict):
                return False
            if record.get("after") != _sum_of(self.checkpoint):
                return False
            changed = _checkpoint_of({**_data_of(self.checkpoint), **data})
            if changed is None:
                return False
            self.checkpoint = changed
            return True
        part = _part_of(record.get("part")) if record.get("kind") == "part" else None
        if part is None or self.checkpoint is None:
            return False
        self.parts[part.part_number] = part
        return True

    def whole(self) -> Checkpoint | None:
        """Return the checkpoint with its parts, by number."""
        if self.checkpoint is None:
            return None
        return replace(self.checkpoint, parts=tuple(self.parts[number] for number in sorted(self.parts)))

    def lines(self) -> bytes:
        """Return the whole state as lines."""
        if self.checkpoint is None:
            return b""
        return self.checkpoint_line(is_reset=True) + b"".join(map(part_line, self.parts.values()))

    def checkpoint_line(self, *, is_reset: bool) -> bytes:
        """Return the line of the checkpoint; `is_reset`: parts before it do not count."""
        assert self.checkpoint is not None
        return line("checkpoint", {"begun_s": self.begun_s, "reset": is_reset, "data": _data_of(self.checkpoint)})

    def change_line(self, before: Checkpoint) -> bytes:
        """Return the line that says what is new since `before`: ids come one by one, and the rest is long."""
        assert self.checkpoint is not None
        old = _data_of(before)
        data = {name: value for name, value in _data_of(self.checkpoint).items() if old[name] != value}
        return line("change", {"after": _sum_of(before), "data": data})


def part_line(part: Part) -> bytes:
    """Make the line of one part."""
    return line("part", {"part": [part.part_number, part.start, part.end, part.etag, part.crc64]})


def read_lines(data: bytes) -> tuple[State, str]:
    """Read a whole entry.

    Returns:
        The state, and a verdict: "" good, "torn" (the last line is not whole; the state is good), else what is wrong.
    """
    state = State()
    *whole, tail = data.split(b"\n")
    wrong = ""
    for number, text in enumerate(whole, 1):
        record = parse(text)
        if record is not None and state.apply(record):
            continue
        if number == len(whole) and not tail and state.checkpoint is not None:
            return state, "torn"
        if not wrong:
            newer = record is not None and record.get("v") != VERSION
            wrong = f"version {record.get('v')!r}" if newer and record else f"damage in line {number}"
    if wrong:
        return state, wrong
    if not tail:
        return state, ""
    record = parse(tail)
    if record is not None and not state.apply(record):
        return state, f"version {record.get('v')!r}" if record.get("v") != VERSION else "damage in the last line"
    # A power cut can leave the length without the bytes: zeros.
    is_ours = state.checkpoint is not None or tail.startswith(_HEAD) or _HEAD.startswith(tail) or not tail.strip(b"\0")
    return state, "torn" if is_ours else "content that is not ours"


@functools.lru_cache(maxsize=256)  # the same few keys come with each file
def _sounds_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def refuse_secrets(value: Any) -> None:
    """Stop a key that sounds like a secret; the journal outlives the process and is not encrypted."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str) and _sounds_secret(key):
                raise InvalidArgumentError(f"{key!r} must not be written to the journal", code="Journal.Secret")
            if isinstance(inner, _NESTED):
                refuse_secrets(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            refuse_secrets(inner)


def waiting_line(waiting: Waiting) -> bytes:
    """Make the line of a file that waits; what is as it always is takes no room, for there may be 100,000."""
    data = {
        name: value
        for name, value in _data_of(waiting.checkpoint).items()
        if name not in _DEFAULTS or value != _DEFAULTS[name]
    }
    return line("waiting", {"data": data, "since_s": waiting.since_s, "cover": waiting.cover})


def gone_line(file_id: str) -> bytes:
    """Make the line of a file that waits no more."""
    return line("gone", {"file_id": file_id})


def read_waiting(data: bytes) -> tuple[dict[str, Waiting], int]:
    """Read a list of files that wait.

    Returns:
        The files by their ids, in order, and how many lines were damaged; a last line that is torn does not count.
    """
    found: dict[str, Waiting] = {}
    damaged = 0
    *whole, _torn = data.split(b"\n")
    for text in whole:
        record = parse(text) or {}
        checkpoint = _checkpoint_of(record.get("data")) if record.get("kind") == "waiting" else None
        since_s, cover = record.get("since_s"), record.get("cover")
        if record.get("v") != VERSION:
            damaged += 1
        elif checkpoint is not None and isinstance(since_s, (int, float)) and isinstance(cover, str):
            found[checkpoint.file_id] = Waiting(checkpoint, float(since_s), cover)
        elif record.get("kind") == "gone":
            found.pop(str(record.get("file_id")), None)
        else:
            damaged += 1
    return found, damaged
