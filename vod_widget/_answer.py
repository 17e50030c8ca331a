"""One answer of HTTP/1.1, read within bounds.

Not by http.client and urllib3: reading a head as an e-mail, and wrapping it twice, took more of the processor than the
small calls that most requests are (measured). What cannot be told for certain is refused: a length that is no number,
lines without end. Source: RFC 9112. Base of floor 2, beside `_http`; any thread.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import UnexpectedAnswerError

__all__ = ["MAX_ANSWER_BYTES", "Answer", "Headers", "read_answer"]

MAX_ANSWER_BYTES = 1 << 20
"""The largest honest answer is ListParts: 1,000 parts of about 250 bytes."""

_HEAD_MAX_BYTES = 64 * 1024
_HEAD_MAX_FIELDS = 100
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.(\d) (\d{3})(?: .*)?", re.ASCII)
_SPACE = " \t\r\n\v\f"
_BEGIN = b"HTTP/1."
_NO_BODY = frozenset({204, 304})


class Headers(Mapping[str, str]):
    """Header fields; names in any case, those that came twice joined by a comma."""

    __slots__ = ("_fields",)
    _fields: dict[str, str]

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        mine = self._fields = {}
        for given, value in fields:
            name = given.lower()
            mine[name] = value if name not in mine else f"{mine[name]}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or the default; without the exception that Mapping takes to find out."""
        return self._fields.get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._fields)})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, read within its bounds.

    Attributes:
        status: HTTP status.
        headers: Header fields; names in any case.
        content: The body as it came, at most `MAX_ANSWER_BYTES`.
        method: HTTP method of the request.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    method: str = "POST"


class _Stream:
    """What has arrived and was not read yet."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self.held = bytearray()

    def more(self) -> bool:
        """Receive once; False when the other end has closed."""
        block = self._receive()
        self.held += block
        return bool(block)

    def until(self, end: re.Pattern[bytes], most_bytes: int) -> bytes:
        """Take what comes before the end, and drop the end."""
        start = 0
        while (found := end.search(self.held, start)) is None:
            if len(self.held) > most_bytes:
                raise http.client.LineTooLong("head")
            start = max(0, len(self.held) - 2)
            if not self.more():
                if not self.held:
                    raise http.client.RemoteDisconnected("nothing came")
                raise http.client.IncompleteRead(b"")
        taken = bytes(self.held[: found.start()])
        del self.held[: found.end()]
        return taken

    def exactly(self, count: int) -> bytes:
        """Take so many bytes."""
        while len(self.held) < count:
            if not self.more():
                raise http.client.IncompleteRead(b"")
        taken = bytes(self.held[:count])
        del self.held[:count]
        return taken


def read_answer(receive: Callable[[], bytes], method: str, what: str) -> tuple[Answer, bool]:
    """Read one answer.

    Args:
        receive: Gives some bytes, at least one, or none when the other end has closed.
        method: HTTP method of the request.
        what: The request in words.

    Returns:
        The answer, and whether another request may follow on the connection.

    Raises:
        HTTPException: It is not HTTP, or it ends too early.
        UnexpectedAnswerError: It is larger than `MAX_ANSWER_BYTES`.
    """
    stream = _Stream(receive)
    status, minor, headers = _head(stream)
    while 100 <= status < 200 and status != 101:
        status, minor, headers = _head(stream)
    options = {word.strip() for word in headers.get("connection", "").lower().split(",")}
    stays = "close" not in options and (minor >= 1 or "keep-alive" in options)
    coding = headers.get("transfer-encoding", "").lower()
    length = headers.get("content-length")
    content = b""
    if method == "HEAD" or status in _NO_BODY or status < 200:
        pass
    elif coding:
        if coding != "chunked":
            raise http.client.HTTPException("an unknown transfer coding")
        content = _chunks(stream, what, status)
    elif length is not None:
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise http.client.HTTPException("a Content-Length that is no number")
        _bound(int(length), what, status)
        content = stream.exactly(int(length))
    else:
        stays = False
        while stream.more():
            _bound(len(stream.held), what, status)
        content = bytes(stream.held)
        stream.held.clear()
    return Answer(status, headers, content, method), stays and not stream.held


def _head(stream: _Stream) -> tuple[int, int, Headers]:
    """Read a status line and the fields after it."""
    while stream.held[: len(_BEGIN)] == _BEGIN[: len(stream.held)] and len(stream.held) < len(_BEGIN) and stream.more():
        pass
    if stream.held[: len(_BEGIN)] != _BEGIN[: len(stream.held)]:
        raise http.client.BadStatusLine("not HTTP/1")  # at once: what is no head may have no end
    status_line, *lines = stream.until(_HEAD_END, _HEAD_MAX_BYTES).decode("latin-1").split("\n")
    found = _STATUS_LINE.fullmatch(status_line.rstrip(_SPACE))
    if found is None or len(lines) > _HEAD_MAX_FIELDS:
        raise http.client.BadStatusLine("not HTTP/1.1, or too many header fields")
    return int(found[2]), int(found[1]), Headers(_fields(lines))


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name and name[0] not in _SPACE:  # a folded or torn line says nothing that we read
            yield name, value.strip(_SPACE)


_LINE_END = re.compile(rb"\r?\n")


def _chunks(stream: _Stream, what: str, status: int) -> bytes:
    content = bytearray()
    while True:
        size_text = stream.until(_LINE_END, _HEAD_MAX_BYTES).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size_text):
            raise http.client.HTTPException("a chunk without a length")
        size = int(size_text, 16)
        if size == 0:
            break
        _bound(len(content) + size, what, status)
        content += stream.exactly(size)
        if stream.until(_LINE_END, 2):
            raise http.client.HTTPException("a chunk that is longer than it says")
    while stream.until(_LINE_END, _HEAD_MAX_BYTES):  # fields after the body
        pass
    return bytes(content)


def _bound(size_bytes: int, what: str, status: int) -> None:
    if size_bytes > MAX_ANSWER_BYTES:
        raise UnexpectedAnswerError(f"the answer to {what} is larger than {MAX_ANSWER_BYTES} bytes", status=status)
