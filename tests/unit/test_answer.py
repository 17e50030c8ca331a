"""One answer of HTTP/1.1, whatever the pieces in which it arrives."""

from __future__ import annotations

import http.client
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vod_widget._answer import MAX_ANSWER_BYTES, Answer, Headers, read_answer
from vod_widget.errors import UnexpectedAnswerError


def answer(pieces: Iterable[bytes], method: str = "PUT") -> tuple[Answer, bool]:
    left = iter(pieces)
    return read_answer(lambda: next(left, b""), method, "PutObject")


@pytest.mark.parametrize(
    ("text", "content", "stays"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", False),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", b"hi", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            b"hi",
            True,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            b"hi",
            True,
        ),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=1\r\nhi\r\n3\r\n me\r\n0\r\nX: y\r\n\r\n",
            b"hi me",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", b"hi", False),
    ],
)
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 30), max_size=20))
def test_an_answer_is_the_same_however_it_is_cut(text: bytes, content: bytes, stays: bool, cuts: list[int]) -> None:
    if b"and more" in text:
        cuts = []  # what nobody asked for is seen only when it came along
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(text[start : start + cut])
        start += cut
    found, may_follow = answer(filter(None, [*pieces, text[start:]]))
    assert (found.content, may_follow) == (content, stays)


def test_head_has_a_length_and_no_body() -> None:
    found, stays = answer([b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"], "HEAD")
    assert (found.content, found.headers["content-LENGTH"], stays) == (b"", "12345", True)


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi me\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
)
def test_what_cannot_be_told_for_certain_is_refused(text: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        answer([text] if text else [])


def test_what_is_no_http_is_refused_at_once() -> None:
    def receive() -> bytes:
        assert not asked, "it waited for more"
        asked.append(1)
        return b"220 mail.example ESMTP\r\n"

    asked: list[int] = []
    with pytest.raises(http.client.BadStatusLine):
        read_answer(receive, "PUT", "PutObject")


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1048577\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["length", "chunked", "to the end"],
)
def test_a_large_answer_is_broken_off(head: bytes) -> None:
    def pieces() -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"
        for _ in range(2 * MAX_ANSWER_BYTES // 65536):
            yield b"10000\r\n" + b"x" * 65536 + b"\r\n"

    with pytest.raises(UnexpectedAnswerError, match="larger than 1048576 bytes"):
        answer(pieces())


def test_fields_are_found_in_any_case_and_joined() -> None:
    fields = Headers([("ETag", '"a"'), ("X-Two", "1"), ("x-two", "2")])
    assert (fields["etag"], fields.get("X-TWO"), fields.get("none"), len(fields)) == ('"a"', "1, 2", None, 2)
    assert '"a"' not in repr(fields)
