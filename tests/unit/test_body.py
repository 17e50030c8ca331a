"""The loop that every byte passes: what it holds, how it counts, how large its pieces are."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest

from vod_widget.body import BrokenOff, FileBody
from vod_widget.crc64 import crc64
from vod_widget.errors import SourceChangedError
from vod_widget.model import MediaType, Part, SourceKind
from vod_widget.options import KIB, MIB
from vod_widget.record import Record, Transfer
from vod_widget.stalls import ReadTurn
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


class Filling(Counting):
    """A source that fills buffers, the first `ready_bytes` of each block from memory."""

    def __init__(self, size_bytes: int, ready_bytes: int = 0) -> None:
        super().__init__(size_bytes)
        self.ready_bytes = ready_bytes
        self.waited: list[int] = []

    def read_into(self, start: int, buffer: memoryview) -> None:
        self.waited.append(start)
        self._fill(start, buffer)

    def read_ready(self, start: int, buffer: memoryview) -> int:
        ready = buffer[: self.ready_bytes]
        self._fill(start, ready)
        return len(ready)

    @staticmethod
    def _fill(start: int, buffer: memoryview) -> None:
        buffer[:] = bytes(place // KIB % 251 for place in range(start, start + len(buffer), KIB) for _ in range(KIB))[
            : len(buffer)
        ]


def _filling(source: Filling) -> FileBody:
    _, _, record, transfer, clock = _body(1)
    part = Part(1, 0, source.size_bytes)
    return FileBody(source, part, "1", record=record, transfer=transfer, rate=Rate(None, clock), clock=clock)


@pytest.mark.parametrize(
    ("ready_bytes", "waited"),
    [(0, [0, 512 * KIB, MIB]), (100 * KIB, [100 * KIB, 612 * KIB]), (512 * KIB, [])],
    ids=["nothing", "a part", "all"],
)
def test_a_source_that_fills_a_buffer_is_asked_for_no_new_bytes(ready_bytes: int, waited: list[int]) -> None:
    source = Filling(MIB + 5, ready_bytes)
    body = _filling(source)
    sent, buffers = b"", set()
    for piece in body:
        assert isinstance(piece, memoryview)
        sent += piece
        buffers.add(id(piece.obj))
    expected = bytes(MIB + 5)
    Filling._fill(0, whole := memoryview(bytearray(expected)))
    assert (sent, body.crc64) == (bytes(whole), crc64(bytes(whole)))
    assert (len(buffers), source.most, source.waited) == (1, 0, waited)


def test_what_is_in_memory_is_read_out_of_turn() -> None:
    """While another thread hangs in a read of the same file, or only takes long."""
    source = Filling(MIB, 512 * KIB)
    body = _filling(source)
    turn = ReadTurn(body._clock, "a.mp4")
    assert turn.enter(body.cancel)
    body._run.turn = turn
    assert len(next(iter(body))) == 256 * KIB
    source.ready_bytes = 0
    body.cancel.set()
    with pytest.raises(BrokenOff):
        body._read_block(0)
    assert source.waited == []


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


def test_it_tells_how_long_a_limit_held_it_back() -> None:
    body, _, _, _, clock = _body(4 * MIB)

    class Never(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            clock.now += timeout or 0.0
            return False

    body.cancel = Never()
    body._rate.per_s = MIB
    for _ in range(2):
        began_s, took_s = clock.now, 0.0
        for _piece in body:
            clock.now += 0.01  # the socket takes its time, which the limit does not wait for a second time
            took_s += 0.01
        assert body.paced_s == pytest.approx(clock.now - began_s - took_s)
        assert body.paced_s > 2.0


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
