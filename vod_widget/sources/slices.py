"""Which slices of one file a page is asked for, and what becomes of those that come, come late, or do not come.

A slice is addressed by its pull, so it may come twice, late, or in any order; one that does not come is asked for again
in smaller pieces, and one that others came before at once. Credit over all reads of the file, and the size of a slice,
are `pace.py`'s. Memory: one buffer for each read that has begun to get slices; a read that still waits for credit holds
none. Not thread-safe: the source's condition guards it, and time is passed in. Floor 2: imports floor 0 and `pace`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from vod_widget.errors import InvalidArgumentError, SourceError

from .pace import Pace

__all__ = ["Read", "Slices"]

# A server drops what is above its rate of messages and says nothing. A page reads a few slices at a time, so one comes
# before another that was asked for earlier, but hardly three.
_OVERTAKEN = 3


class Read:
    """One waiting `read`: its range, and how much of it has come."""

    __slots__ = ("buffer", "end", "error", "missing_bytes", "next", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.next = start
        self.missing_bytes = end - start
        self.buffer: bytearray | memoryview | None = None
        self.error: SourceError | None = None


@dataclass(slots=True)
class _Pull:
    """One slice that is to be asked for, or was (then it has a time)."""

    read: Read
    offset: int
    length: int
    asked_s: float | None = None
    due_s: float = 0.0
    turn: int = 0
    overtaken: int = 0


@dataclass(slots=True)
class _Cut:
    """A slice that did not come and was cut into smaller ones; it still counts while none of these has come."""

    read: Read
    offset: int
    length: int
    pieces: tuple[int, ...]


class Slices:
    """The reads of one file, and what was asked for them.

    Args:
        reach_bytes: Largest slice that the page's host is known to carry, bytes.

    Attributes:
        reads: Those that wait, in their order.
        pulls: Slices that are wanted, by the number that the page's answer repeats.
        pace: How large they are, how many fly, and how long one is waited for.
    """

    def __init__(self, reach_bytes: int) -> None:
        self.reads: deque[Read] = deque()
        self.pulls: dict[int, _Pull] = {}
        self.pace = Pace(reach_bytes)
        self._cut: dict[int, _Cut] = {}
        self._next_pull_id = 0
        self._turn = 0
        self._in_flight_bytes = 0
        self._lost_s = float("-inf")

    def end(self, read: Read) -> None:
        """Forget a read and all that was asked for it."""
        self.reads.remove(read)
        for pull_id in [n for n, pull in self.pulls.items() if pull.read is read]:
            self._forget(pull_id)
        self._cut = {n: cut for n, cut in self._cut.items() if cut.read is not read}

    def plan(self, now_s: float) -> list[tuple[int, int, int]]:
        """Decide what to ask for now, while there is credit: what was lost, then what was never asked for.

        Returns:
            Number, offset and length in bytes of each slice; they count as asked for from now on.
        """
        self._cut_what_is_overdue(now_s)
        asked: list[tuple[int, int, int]] = []
        for pull_id, pull in self.pulls.items():
            if pull.asked_s is None:
                if not self._has_credit(pull.length):
                    return asked
                asked.append(self._ask(pull_id, pull, now_s))
        for read in self.reads:
            while read.next < read.end and read.error is None:
                length = min(self.pace.slice_bytes, read.end - read.next)
                if not self._has_credit(length):
                    return asked
                if read.buffer is None and length < read.end - read.start:
                    read.buffer = bytearray(read.end - read.start)
                pull = _Pull(read, read.next, length)
                asked.append(self._ask(self._number(pull), pull, now_s))
                read.next += length
        return asked

    def due_s(self) -> list[float]:
        """Monotonic times from which on a slice counts as lost."""
        return [pull.due_s for pull in self.pulls.values() if pull.asked_s is not None]

    def find(self, pull_id: int) -> _Pull | _Cut | None:
        """Find what a slice is for; None when it came before, or is not wanted any more.

        Raises:
            InvalidArgumentError: It was never asked for ("Slice.Unknown").
        """
        if not 0 <= pull_id < self._next_pull_id:
            raise InvalidArgumentError("nobody asked for this slice", code="Slice.Unknown")
        pull = self.pulls.get(pull_id)
        if pull is not None:
            return pull
        cut = self._cut.get(pull_id)  # late, but whole while none of its pieces has come
        return cut if cut is not None and all(piece in self.pulls for piece in cut.pieces) else None

    def take(self, pull_id: int, pull: _Pull | _Cut, offset: int, data: bytes | memoryview, now_s: float) -> None:
        """Take a slice that `find` found wanted.

        Raises:
            InvalidArgumentError: It has another place or length ("Slice.Range"); the right one may still follow.
        """
        if offset != pull.offset or len(data) != pull.length:
            raise InvalidArgumentError(f"the slice must be {pull.length} bytes at {pull.offset}", code="Slice.Range")
        read = pull.read
        if pull.length == read.end - read.start:
            # The slice is all that is wanted: the message's own memory is handed on, not copied.
            read.buffer = memoryview(data)
        else:
            if read.buffer is None:
                read.buffer = bytearray(read.end - read.start)
            at = offset - read.start
            read.buffer[at : at + pull.length] = data
        read.missing_bytes -= pull.length
        if isinstance(pull, _Cut):
            for piece in self._cut.pop(pull_id).pieces:
                self._forget(piece)
            return
        if pull.asked_s is not None:
            self.pace.came(now_s - pull.asked_s, pull.length)
            # The line moves: what was asked for later is behind this one, not lost.
            for later in self.pulls.values():
                if later.asked_s is not None and later.turn > pull.turn:
                    later.due_s = max(later.due_s, now_s + self.pace.timeout_s)
            self._ask_again_what_was_overtaken(pull.turn)
        self._forget(pull_id)

    def ask_again(self) -> None:
        """Ask for everything anew that is wanted; what comes under the old numbers is still taken."""
        for pull in self.pulls.values():
            self._unask(pull)

    def renumber(self) -> None:
        """Ask for everything anew by other numbers: what an old page sent late must not be taken for a new page's."""
        self._cut.clear()
        for pull_id in list(self.pulls):
            self._number(self._forget(pull_id))

    def _has_credit(self, length: int) -> bool:
        return not self._in_flight_bytes or self._in_flight_bytes + length <= self.pace.window_bytes

    def _number(self, pull: _Pull) -> int:
        pull_id, self._next_pull_id = self._next_pull_id, self._next_pull_id + 1
        self.pulls[pull_id] = pull
        return pull_id

    def _ask(self, pull_id: int, pull: _Pull, now_s: float) -> tuple[int, int, int]:
        pull.asked_s, pull.due_s = now_s, now_s + self.pace.timeout_s
        self._turn += 1
        pull.turn = self._turn
        self._in_flight_bytes += pull.length
        return pull_id, pull.offset, pull.length

    def _cut_what_is_overdue(self, now_s: float) -> None:
        overdue = [n for n, pull in self.pulls.items() if pull.asked_s is not None and now_s >= pull.due_s]
        if not overdue:
            return
        # Slices come in the order in which they were asked for, so what was asked for before shares the fate: a socket
        # that drops is one loss, whichever read looks first.
        latest_s = max(self.pulls[n].asked_s or 0.0 for n in overdue)
        overdue = [n for n, pull in self.pulls.items() if pull.asked_s is not None and pull.asked_s <= latest_s]
        if latest_s > self._lost_s:  # else it was on its way when the last loss was noticed: the same one
            self._lost_s = now_s
            self.pace.lost(max(self.pulls[n].length for n in overdue))
        size = self.pace.slice_bytes
        for pull_id in overdue:
            pull = self.pulls[pull_id]
            self._unask(pull)
            if pull.length <= size:
                continue
            del self.pulls[pull_id]
            end = pull.offset + pull.length
            pieces = [_Pull(pull.read, at, min(size, end - at)) for at in range(pull.offset, end, size)]
            self._cut[pull_id] = _Cut(pull.read, pull.offset, pull.length, tuple(map(self._number, pieces)))

    def _ask_again_what_was_overtaken(self, turn: int) -> None:
        """Take what three later ones came before for lost, once, without waiting for its time: the line carries it."""
        for pull in self.pulls.values():
            if pull.asked_s is not None and pull.turn < turn:
                pull.overtaken += 1
                if pull.overtaken == _OVERTAKEN:
                    self._unask(pull)

    def _unask(self, pull: _Pull) -> None:
        if pull.asked_s is not None:
            pull.asked_s = None
            self._in_flight_bytes -= pull.length

    def _forget(self, pull_id: int) -> _Pull:
        pull = self.pulls.pop(pull_id)
        self._unask(pull)
        return pull
