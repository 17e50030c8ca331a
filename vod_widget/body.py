"""The bytes of one request on their way: read, summed, paced, counted.

The one loop that every byte passes, so each line of it is there for a reason: about 400 microseconds a MiB are spent
here and below, most of it copying. A call of a function costs ten times here what it costs elsewhere, since the bytes
have driven everything else out of the processor's cache. Floor 3; each body runs in the thread that sends it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar, cast

from .baton import away
from .crc64 import crc64
from .errors import SourceChangedError, SourceError
from .interfaces import Clock, ReadsInto, Source
from .model import Part
from .options import KIB, MIB
from .record import Record, Transfer
from .workers import Rate

__all__ = ["BrokenOff", "FileBody", "in_turn"]

T = TypeVar("T")

_PIECE_BYTES = 256 * KIB
_PIECE_MOST_BYTES = MIB
"""Most bytes given to the socket at once: the socket's timeout covers one piece, not a whole part (oss2's one timeout
is the total of a `sendall`), and a cancel is seen after one piece. 4 MiB pieces measured no faster than 1 MiB."""
_PIECE_LEAST_BYTES = 16 * KIB
_BUFFER_BYTES = 512 * KIB
"""What a request reads at once into a buffer of its own: little enough to be in the processor's cache still when it is
summed and sent."""
_QUICK_S, _SLOW_S = 0.02, 0.1
"""A piece is counted when the system took the whole of it: one that takes long makes progress late, and is halved."""
_LIMITED_LEAST_BYTES = 4 * KIB
_SHARES = 8
"""Pieces a second and connection under a bandwidth limit, if so many connections share it."""


class BrokenOff(BaseException):  # an order, not an error; nothing may swallow it
    """The request was broken off on purpose."""


def in_turn(record: Record, cancel: threading.Event, look: Callable[[], T]) -> T:
    """Touch the file of a record, one thread at a time, so that a dead mount holds one thread only."""
    turn = record.run.turn
    if turn is None:
        with away:  # of a page, or of another machine
            return look()
    if not turn.enter(cancel):
        raise BrokenOff
    try:
        return look()
    finally:
        turn.leave()


class FileBody:
    """A range of a source as the body of one request; sums it on its way and may be sent again.

    Args:
        source: Where the bytes come from.
        part: The range.
        fingerprint: The source as it was; it is looked at again before the last piece leaves, so that a range of a
            changed file is never completed.
        record: Whose cancel flag is obeyed.
        transfer: Where sent bytes are counted.
        rate: The bandwidth limit.
        clock: Monotonic time.

    Attributes:
        fingerprint: As given.
        cancel: Set when nobody wants it any more; the file's flag of the moment in which it was made.
        paced_s: Seconds that it waited for the bandwidth limit, since it was last begun.
    """

    def __init__(
        self,
        source: Source,
        part: Part,
        fingerprint: str,
        *,
        record: Record,
        transfer: Transfer,
        rate: Rate,
        clock: Clock,
    ) -> None:
        self.source = source
        self.part = part
        self.crc64 = 0
        self.fingerprint = fingerprint
        self.cancel = record.run.cancel
        self.paced_s = 0.0
        self._record, self._run = record, record.run
        self._transfer = transfer
        self._rate = rate
        self._clock = clock
        self._piece_bytes = _PIECE_BYTES
        # Not by isinstance: for a Protocol that takes as long as reading a small file.
        self._filler = cast("ReadsInto", source) if hasattr(source, "read_into") else None
        self._buffer: memoryview | None = None

    def __len__(self) -> int:
        return self.part.size_bytes

    def __iter__(self) -> Iterator[bytes | memoryview]:
        self._transfer.sent_bytes = 0
        self._transfer.is_out = False
        self.crc64 = 0
        self.paced_s = 0.0
        if self._filler is not None:
            self._buffer = memoryview(bytearray(min(_BUFFER_BYTES, len(self))))
        cancel, rate, transfer, run, now_s = self.cancel, self._rate, self._transfer, self._run, self._clock.monotonic_s
        position, end = self.part.start, self.part.end
        self._check()
        while position < end:
            block = self._read_block(position)
            position += len(block)
            self.crc64 = crc64(block, self.crc64)
            if position == end and in_turn(self._record, cancel, self.source.fingerprint) != self.fingerprint:
                raise SourceChangedError("the file changed while it was sent", file_name=self.source.name)
            start = 0
            while start < len(block):
                piece_bytes, per_s = self._piece_bytes, rate.per_s
                if per_s is not None:
                    piece_bytes = _limited(piece_bytes, per_s)
                piece = block[start : start + piece_bytes]
                start += len(piece)
                if per_s is not None:
                    asked_s = now_s()
                    rate.take(len(piece), cancel)
                    self.paced_s += now_s() - asked_s
                if cancel.is_set():
                    raise BrokenOff
                began_s = now_s()
                yield piece
                took_s = now_s() - began_s
                if took_s > _SLOW_S or (took_s < _QUICK_S and self._piece_bytes < _PIECE_MOST_BYTES):
                    self._measure(took_s)
                transfer.sent_bytes += len(piece)
                run.total_sent_bytes += len(piece)
                if cancel.is_set():
                    raise BrokenOff
        self._transfer.is_out = True
        self._buffer = None

    def hold(self, cut: Callable[[], None] | None) -> None:
        """Take what ends the request under way; None when it has ended."""
        self._transfer.hold(cut)

    def _read_block(self, start: int) -> memoryview:
        """Read the next block: into the one buffer where the source can, else as new bytes."""
        if self._buffer is None or self._filler is None:
            return memoryview(self._read(start, min(start + self.source.block_bytes, self.part.end)))
        block = self._buffer[: self.part.end - start]
        ready_bytes = self._filler.read_ready(start, block)
        if ready_bytes < len(block):
            self._read_by(partial(self._filler.read_into, start + ready_bytes, block[ready_bytes:]))
        return block

    def _read(self, start: int, end: int) -> bytes | memoryview:
        return self._read_by(partial(self.source.read, start, end))

    def _read_by(self, read: Callable[[], T]) -> T:
        try:
            return in_turn(self._record, self.cancel, read)
        except SourceError:
            self._check()  # a read that was woken because nobody wants its bytes any more
            raise

    def _measure(self, took_s: float) -> None:
        if took_s < _QUICK_S:
            self._piece_bytes = min(_PIECE_MOST_BYTES, 2 * self._piece_bytes)
        elif took_s > _SLOW_S:
            self._piece_bytes = max(_PIECE_LEAST_BYTES, self._piece_bytes // 2)

    def _check(self) -> None:
        if self.cancel.is_set():
            raise BrokenOff


def _limited(piece_bytes: int, per_s: float) -> int:
    """Small pieces under a limit, so that no connection of several is silent for longer than about a second."""
    return min(piece_bytes, max(_LIMITED_LEAST_BYTES, int(per_s / _SHARES)))
