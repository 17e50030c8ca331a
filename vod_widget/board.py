"""The parts of one file: which are stored, which wait, which comes next.

A bookkeeping of the machine; it never decides what an error means. Floor 1, pure; used under the queue's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from .crc64 import combine_all
from .model import ObjectInfo, Part
from .parts import fill_gaps, plan_next
from .progress import Ledger

__all__ = ["Board"]


class Board:
    """Parts that cover the file from its beginning, or the whole file as one object.

    A part gets its number and its range when it is first taken and keeps both; so every gap between stored parts is
    what the missing numbers covered. Sizes may differ from part to part.

    Args:
        ledger: Where accepted bytes are counted.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.single = False
        self.single_info: ObjectInfo | None = None
        self._part_size_bytes = 0
        self._is_exact = False
        self._next_number = 1
        self._next_start = 0
        self._stored_bytes = 0
        self._done: dict[int, Part] = {}
        self._waiting: deque[tuple[float, Part]] = deque()
        self._out: set[int] = set()
        self._failures: dict[int, int] = {}
        self._damages: dict[int, int] = {}

    def reset(self) -> None:
        """Forget everything."""
        self.single = False
        self.single_info = None
        self._next_number = 1
        self._next_start = 0
        self._stored_bytes = 0
        self._done.clear()
        self._waiting.clear()
        self._out.clear()
        self._failures.clear()
        self._damages.clear()

    def plan(self, part_size_bytes: int, stored: Iterable[Part], *, exact: bool = True) -> None:
        """Begin; `stored` parts, as `parts.fitting` left them, are not sent again.

        Args:
            part_size_bytes: Size of the parts.
            stored: In order of their numbers.
            exact: False when `take` may be given another size.
        """
        self.reset()
        self._part_size_bytes = part_size_bytes
        self._is_exact = exact
        self._done = {p.part_number: p for p in stored}
        self._stored_bytes = sum(p.size_bytes for p in self._done.values())
        self._waiting.extend((0.0, part) for part in fill_gaps(self._done.values()))
        if self._done:
            last = self._done[max(self._done)]
            self._next_number, self._next_start = last.part_number + 1, last.end

    def plan_single(self) -> None:
        """The whole file goes as one object."""
        self.reset()
        self.single = True
        self._is_exact = True
        self._part_size_bytes = self.ledger.total_bytes

    @property
    def done(self) -> bool:
        """Whether every byte is stored."""
        if self.single:
            return self.single_info is not None
        return self._part_size_bytes > 0 and self._stored_bytes == self.ledger.total_bytes

    @property
    def unplanned_bytes(self) -> int:
        """Bytes that no part covers yet."""
        return self.ledger.total_bytes - self._next_start

    def available(self, now_s: float) -> int:
        """How many parts could be taken now, of the size that was used last."""
        if self._part_size_bytes == 0 or self.done:
            return 0
        free = sum(1 for not_before_s, _ in self._waiting if not_before_s <= now_s)
        return free + -(-self.unplanned_bytes // self._part_size_bytes)

    def take(self, now_s: float, choose_size: Callable[[int], int] | None = None) -> Part | None:
        """Take the next part to send, or None when there is none now.

        Args:
            now_s: Monotonic time.
            choose_size: From the bytes that no part covers yet to the size of the next; not asked for exact sizes.
        """
        if self._part_size_bytes == 0 or self.done:
            return None
        for _ in range(len(self._waiting)):
            not_before_s, part = self._waiting.popleft()
            if not_before_s <= now_s:
                self._out.add(part.part_number)
                return part
            self._waiting.append((not_before_s, part))
        if choose_size is not None and not self._is_exact and self.unplanned_bytes:
            self._part_size_bytes = choose_size(self.unplanned_bytes)
        planned = plan_next(
            self.ledger.total_bytes,
            self._part_size_bytes,
            self._next_number - 1,
            self._next_start,
            may_shrink=not self._is_exact,
        )
        if planned is not None:
            self._next_number, self._next_start = planned.part_number + 1, planned.end
            self._out.add(planned.part_number)
        return planned

    def put_back(self, part: Part, *, not_before_s: float = 0.0) -> None:
        """Return a part that was not stored; it is taken again first."""
        if part.part_number not in self._out:
            return
        self._out.discard(part.part_number)
        self._waiting.append((not_before_s, replace(part, etag="", crc64=None)))

    def part_done(self, part: Part) -> bool:
        """Note a stored part; False when it was stored before."""
        self._out.discard(part.part_number)
        if part.part_number in self._done:
            return False
        self._done[part.part_number] = part
        self._stored_bytes += part.size_bytes
        self.ledger.accept(part.size_bytes)
        return True

    def object_done(self, part: Part, info: ObjectInfo, crc64: int) -> None:
        """Note that the whole object is stored."""
        self.single_info = info
        self.part_done(replace(part, etag=info.etag, crc64=crc64))

    def failed(self, part: Part) -> int:
        """Count a failure of a part; returns how many there were since the last progress."""
        count = self._failures.get(part.part_number, 0) + 1
        self._failures[part.part_number] = count
        return count

    def damaged(self, part: Part) -> int:
        """Count a damage of a part; how often it was damaged so far, whatever happens to other parts."""
        count = self._damages.get(part.part_number, 0) + 1
        self._damages[part.part_number] = count
        return count

    def progress(self) -> None:
        """Bytes were accepted: failures count from 0 again."""
        self._failures.clear()

    def retry_now(self) -> None:
        """End every wait."""
        self._waiting = deque((0.0, part) for _, part in self._waiting)

    def accepted(self) -> tuple[Part, ...]:
        """Stored parts in order."""
        return tuple(self._done[number] for number in sorted(self._done))

    def crc64(self) -> int:
        """CRC of the stored parts in order."""
        return combine_all((p.crc64 or 0, p.size_bytes) for p in self.accepted())
