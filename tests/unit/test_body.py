"""The loop that every byte passes: what it holds, how it counts, how large its pieces are."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from vod_widget.body import BrokenOff, FileBody
from vod_widget.crc64 import crc64
from vod_widget.errors import SourceChangedError
from vod_widget.model import MediaType, Part, SourceKind
from vod_widget.options import KIB, MIB
from vod_widget.record import Record, Transfer
from vod_widget.workers import Rate


class Clock:
    now = 0.0

    def now_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now


class Block(bytearray):
    """Bytes whose end can be seen."""


class Counting:
    """A source that knows how many of the blocks that it gave are alive."""

    kind = SourceKind.LOCAL
    block_bytes = MIB
    cheap_reads = True
    name = "a.mp4"
    source_id = "file:/a.mp4"

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.version = "1"
        self.alive = self.most = 0

    def fingerprint(self) -> str:
        return self.version

    def read(self, start: int, end: int) -> Any:
        block = Block((start // MIB % 251,)) * (end - start)
        block = Block(block)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(block, self._gone)
        return block

    def _gone(self) -> None:
        self.alive -= 1

    def close(self) -> None:
        pass


def _body(size: int) -> tuple[FileBody, Counting, Record, Transfer, Clock]:
    source, clock, transfer = Counting(size), Clock(), Transfer()
    record = Record("id", source, MediaType.VIDEO)
    record.get_ready()
    part = Part(1, 0, size)
    body = FileBody(source, part, "1", record=record, transfer=transfer, rate=Rate(None, clock), clock=clock)
    return body, source, record, transfer, clock


def test_memory_is_two_blocks_a_request_however_large_the_part_is() -> None:
    body, source, *_ = _body(40 * MIB)
    for piece in body:
        del piece
    assert source.most <= 2


def test_a_source_that_fills_a_buffer_is_asked_for_no_new_bytes() -> None:
    class Filling(Counting):
        def read_into(self, start: int, buffer: memoryview) -> None:
            buffer[:] = bytes((start // KIB % 251,)) * len(buffer)

    body, _, record, transfer, clock = _body(1)
    source, size = Filling(3 * MIB + 5), 3 * MIB + 5
    body = FileBody(
        source, Part(1, 0, size), "1", record=record, transfer=transfer, rate=Rate(None, clock), clock=clock
    )
    sent, buffers = b"", set()
    for piece in body:
        assert isinstance(piece, memoryview)
        sent += piece
        buffers.add(id(piece.obj))
    assert (len(sent), body.crc64) == (size, crc64(sent))
    assert (len(buffers), source.most) == (1, 0)


def test_it_sums_what_it_gave_and_may_be_sent_again() -> None:
    body, source, record, transfer, _ = _body(3 * MIB + 5)
    for _again in range(2):
        sent = b"".join(bytes(piece) for piece in body)
        assert body.crc64 == crc64(sent)
        assert transfer.sent_bytes == len(body) == len(sent) == source.size_bytes
    assert record.total_sent_bytes == 2 * len(body)


def test_a_piece_counts_when_it_was_taken_not_before() -> None:
    body, _, _, transfer, _ = _body(2 * MIB)
    pieces = iter(body)
    first = len(next(pieces))
    assert transfer.sent_bytes == 0
    next(pieces)
    assert transfer.sent_bytes == first


@pytest.mark.parametrize(("takes_s", "end_bytes"), [(0.0, MIB), (0.05, 256 * KIB), (0.5, 16 * KIB)])
def test_pieces_follow_the_time_that_they_take(takes_s: float, end_bytes: int) -> None:
    body, _, _, _, clock = _body(8 * MIB)
    sizes = []
    for piece in body:
        sizes.append(len(piece))
        clock.now += takes_s
    assert sizes[-2] == end_bytes


def test_a_cancel_is_seen_between_two_pieces() -> None:
    body, _, record, _, _ = _body(4 * MIB)
    pieces = iter(body)
    next(pieces)
    record.run.cancel.set()
    with pytest.raises(BrokenOff):
        next(pieces)


def test_the_last_block_of_a_changed_file_never_leaves() -> None:
    body, source, *_ = _body(2 * MIB)
    sent = 0
    source.version = "2"
    with pytest.raises(SourceChangedError):
        for piece in body:
            sent += len(piece)
    assert sent == MIB
