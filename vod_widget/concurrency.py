"""How many requests are in flight, and how large a part is: rules that watch what the line does.

More connections help where each of them is limited by itself: by the time that an answer takes, by losses that halve
one window, by a slow start. They cost where the processor or the line is the limit. Nobody can tell which it is but by
trying, so the count grows while the goodput grows with it, and steps back when it does not.

    start       few where answers come at once (loopback, the same rack), some where they take long, more where very
    probe       let half as many again in, or twice as many where losses are the limit or it paid a moment ago
    keep        the goodput grew by more than a twentieth: probe again; or a queue stands in the line, so it is full now
    step back   it did not: return to the count before, and be slower to probe again
    be still    a queue stands in a line that is not near, the goodput still rises by itself, or little is left to send
    fall        to half when a request was throttled, by one for each that stalled, to half at most; then one more for
                each eight good parts, up to where it was

Floor 1, pure: no threads, no sockets, no clock of its own; used under the queue's lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import RequestTimeoutError, ServerFaultError, ThrottledError, VODError
from .model import LinkFacts
from .options import KIB, MIB, PART_AT_A_LIMIT_S

__all__ = ["Concurrency"]

START = 16
"""On a clean 200 Mbit/s line with 100 ms, 8, 16 and 32 connections reach the same (measured). Where it loses packets,
who begins with more has the first seconds."""
START_LONG = 32
LONG_S = 0.2
"""A round trip from which a slow start takes seconds: 32 connections fill 100 Mbit/s at 300 ms a second sooner than 16,
and bbr reaches 0.80 of the line over a whole file of 200 MiB instead of 0.73 (measured)."""
START_NEAR = 2
PAGE_LANES = 4
"""What a page sends itself goes over lines of its own, of which the kernel's say nothing, and each part waits for a
message there and back before and after. A browser opens six connections to a host; four kept it busy (measured)."""
NEAR_S = 0.005
"""An answer within 5 ms means that the other end is near: there each connection can fill the line or the processor.
Starting with one took 20 % less processor time for a large file, but half as long again for many small ones."""
MOST = 64
MOST_WITH_LOSS = 128
"""With cubic, 0.1 % loss at 100 ms and 200 Mbit/s needs 48 to 64, 0.5 % at 300 ms and 100 Mbit/s more than 100."""
MOST_WITH_BBR = 16
"""bbr does not take a loss for a full line: 4 to 16 connections fill what cubic needs 64 for (measured)."""

_GAIN = 1.05
_GAIN_NEAR = 1.2
"""Half as many again bring half as much again where each is limited by itself; at a near end the processor makes any
two windows differ by a tenth."""
_PAYS = 1.3
_RISING = 1.05
_WINDOW_S = 0.5
_WINDOW_RTTS = 5
_WINDOWS_FOR_MORE = 3
_QUEUE_RTTS, _QUEUE_MOST_S = 0.3, 0.04
"""Round trips that are longer than the least one by such a share of it, or by so much, mean that a queue stands in the
line: it is full."""
_LOSS = 0.0002
"""Losses above this, and no queue, are not those of a full line: they are what limits each connection."""
_HOLD_S = 8.0
_HOLD_MOST_S = 120.0
_GOOD_PARTS = 8
_TOO_MUCH = (ThrottledError, ServerFaultError)
"""Faults of a request that carries bytes which fewer at a time may cure."""
_FALL_S = 1.0
"""What comes within so long after it comes of one cause."""

_PART_S = 2.0
"""A part takes about so long: what a kill loses stays small, and one idle round trip is a small share of it."""
_PART_RTTS = 8
_LAST_PART_S, _LAST_PART_RTTS = 0.25, 2
"""The last parts take so long at least: on a lossy line some connections are ten times slower than the rest, and the
file ends with the slowest."""
_PART_LEAST_BYTES = 128 * KIB
_PART_MOST_BYTES = 128 * MIB
"""A request costs about a millisecond of processor; at 1 GB/s that is 1 % of a part of this size."""
_FIRST_NEAR_BYTES, _FIRST_FAR_BYTES = 64 * MIB, MIB
"""What is sent first, before any rate is known; of 4 MiB, some were still on their way when all else had arrived. At a
near end two of 64 MiB take a second on a line of 1 Gbit/s; with 32 MiB a file of 2 GiB was 63 requests, now 36."""
_LAST_NEAR_BYTES = MIB
"""The least of the last parts at a near end while no rate is known."""
_CUTS, _CUTS_UNEVEN = 2, 4
"""A part is at most the bytes that are left, over all connections and this: the last ones of a file get smaller and
smaller. Where losses are the limit, one connection may be five times slower than the others: it is given less."""
_LAST_PART_MOST_BYTES = 16 * MIB
_PART_STEP_BYTES = 64 * KIB


@dataclass(frozen=True, slots=True)
class _Probe:
    """The count that was tried before this one, and the bytes per second that it reached."""

    count: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was known when a window began."""

    at_s: float
    moved_bytes: int
    link: LinkFacts


class Concurrency:
    """One for a queue, over all its files.

    Args:
        now_s: Monotonic time.

    Attributes:
        fixed: The count that a person chose, or None.
        link: What the connections tell of the line.
    """

    def __init__(self, now_s: float) -> None:
        self.fixed: int | None = None
        self.link = LinkFacts()
        self._count = START
        self._least = 1
        self._has_grown = False
        self._probe: _Probe | None = None
        self._hold_until_s = 0.0
        self._hold_s = _HOLD_S
        self._ceiling: int | None = None
        self._good_parts = 0
        self._fell_at_s = -1e9
        self._fall_to = 1
        self._rate = 0.0
        self._left_bytes = math.inf
        self._is_lossy = self._has_lost = False
        self._begin_window(now_s, 0, settling=True)

    @property
    def count(self) -> int:
        """Requests that may be in flight now, >= 1."""
        return self.fixed if self.fixed is not None else self._count

    @property
    def most(self) -> int:
        """The largest count that is tried."""
        if self.link.congestion == "bbr":
            return max(MOST_WITH_BBR, self._start)
        return MOST_WITH_LOSS if self._has_lost else MOST

    @property
    def _is_near(self) -> bool:
        return self.link.answer_s is not None and self.link.answer_s < NEAR_S

    @property
    def _start(self) -> int:
        if self._is_near:
            return START_NEAR
        return START_LONG if self._round_trip_s >= LONG_S else START

    @property
    def _round_trip_s(self) -> float:
        return self.link.rtt_s or self.link.answer_s or 0.0

    @property
    def _window_s(self) -> float:
        return max(_WINDOW_S, _WINDOW_RTTS * self._round_trip_s)

    @property
    def _has_queue(self) -> bool:
        queue_s, rtt_s = self.link.queue_s, self.link.rtt_s
        return queue_s is not None and rtt_s is not None and queue_s > min(_QUEUE_RTTS * rtt_s, _QUEUE_MOST_S)

    def sample(
        self, now_s: float, moved_bytes: int, *, is_full: bool, left_bytes: float = math.inf, from_page: bool = False
    ) -> None:
        """Take one reading, several times a second.

        Args:
            now_s: Monotonic time.
            moved_bytes: Bytes that went out so far, over all files; may fall when a request is repeated.
            is_full: Whether as many requests are in flight as may be; else more would change nothing.
            left_bytes: Bytes that are still to go, over all files.
            from_page: Whether a page brings bytes: then it is slower than a near end, and each part waits in memory.
        """
        self._seen_full += 1 if is_full else 0
        self._seen += 1
        self._saw_queue |= self._has_queue
        self._left_bytes = left_bytes
        window_s = self._window_s
        passed_s = now_s - self._began.at_s
        if passed_s < window_s:
            return
        moved = max(0, moved_bytes - self._began.moved_bytes)
        delivered = self.link.delivered_bytes - self._began.link.delivered_bytes
        # What was confirmed is the truer figure, but does not hold what a browser sends by itself.
        rate = (delivered if 2 * delivered > moved else moved) / passed_s
        was_queued = self._saw_queue
        self._is_lossy = not was_queued and self._loses()
        self._has_lost |= self._is_lossy
        was_full = self._seen_full >= 0.8 * self._seen
        was_settling = self._is_settling
        is_rising = rate > _RISING * self._rate
        self._begin_window(now_s, moved_bytes, settling=False)
        if was_full and rate:  # else there was no more to send, which says nothing of the line
            self._rate = rate
        if was_settling or not was_full or not rate or self.fixed is not None or self._ceiling is not None:
            return
        # Near by, the system takes a far end that reads slowly for a queue: acknowledgements of milliseconds where the
        # least takes microseconds. Were that a full line, nothing would grow there, however little each of them gets.
        self._judge(now_s, rate, is_queued=was_queued and (from_page or not self._is_near), is_rising=is_rising)

    def _loses(self) -> bool:
        sent = self.link.sent_segments - self._began.link.sent_segments
        return self.link.lost_segments - self._began.link.lost_segments > _LOSS * sent

    def _judge(self, now_s: float, rate: float, *, is_queued: bool, is_rising: bool) -> None:
        probe = self._probe
        if probe is None:
            if now_s >= self._hold_until_s and not is_queued and (self._is_lossy or not is_rising):
                self._grow(rate, pays=self._is_lossy)
            return
        gain = rate / probe.bytes_per_s if probe.bytes_per_s else 2.0
        if is_queued:
            self._probe = None  # the line is: what was tried does no harm, more would
        elif gain > (_GAIN_NEAR if self._is_near else _GAIN):
            self._hold_s = _HOLD_S
            self._grow(rate, pays=gain > _PAYS or self._is_lossy)
        elif is_rising:
            return  # the new connections warm up still
        else:
            self._count = probe.count
            self._probe = None
            self._hold_until_s = now_s + self._hold_s
            self._hold_s = min(_HOLD_MOST_S, 2 * self._hold_s)
            self._is_settling = True

    def _grow(self, rate: float, *, pays: bool) -> None:
        more = min(self.most, 2 * self._count if pays else self._count + max(1, self._count // 2))
        # New connections take a window to get going; in what is over by then they would only cost their handshakes.
        is_ending = self._left_bytes < _WINDOWS_FOR_MORE * self._window_s * rate
        if more <= self._count or is_ending:
            self._probe = None
            return
        self._probe = _Probe(self._count, rate)
        self._count = more
        self._has_grown = True
        self._is_settling = True  # the first window of new connections is that of their slow start

    def learn(self, link: LinkFacts) -> None:
        """Take what the connections tell of the line."""
        was_near, is_first = self._is_near, self.link.answer_s is None and link.answer_s is not None
        self.link = link
        # A first answer may be late by chance: what is near shows with a later one.
        is_clearer = is_first or (self._is_near and not was_near)
        if is_clearer and not self._has_grown and self._ceiling is None:
            self._count = max(self._start, self._least)
        if link.congestion == "bbr":
            self._count = min(self._count, self.most)

    def expect_page(self) -> None:
        """Begin with enough for a page that sends parts itself."""
        self._least = PAGE_LANES
        if self._ceiling is None:
            self._count = max(self._count, self._least)

    def ahead(self, size_bytes: int) -> int:
        """How many connections the parts of a file will want that are worth opening before; 0 at a near end."""
        distance_s = self.link.answer_s or self.link.rtt_s
        if distance_s is None or distance_s < NEAR_S:
            return 0
        return min(self.count, size_bytes // _FIRST_FAR_BYTES)

    def ended(self, now_s: float, failure: VODError | None) -> None:
        """Take how a request that carried bytes ended."""
        if failure is None:
            self.part_stored(now_s)
        elif isinstance(failure, _TOO_MUCH):
            self.throttled(now_s)
        elif isinstance(failure, RequestTimeoutError):
            # A storage that answers so has too much to do; where none came, one connection may have hung.
            is_answer = failure.code != RequestTimeoutError.default_code
            (self.throttled if is_answer else self.stalled)(now_s)

    def throttled(self, now_s: float) -> None:
        """A request was refused for coming too often: halve, at most once a second."""
        self._begin_fall(now_s)
        self._fall(self._fall_to)

    def stalled(self, now_s: float) -> None:
        """A request stalled: one less, for its fellows may flow as before; to half at most in a second."""
        self._begin_fall(now_s)
        self._fall(max(self._fall_to, self._count - 1))

    def _begin_fall(self, now_s: float) -> None:
        if now_s - self._fell_at_s >= _FALL_S:
            self._fell_at_s = now_s
            self._fall_to = max(1, self._count // 2)

    def _fall(self, count: int) -> None:
        if count == self._count:
            return
        self._ceiling = max(self._ceiling or 0, self._count)
        self._rate *= count / self._count  # until it is measured again: else the parts of those left would be too large
        self._count = count
        self._probe = None
        self._good_parts = 0
        self._is_settling = True

    def part_stored(self, now_s: float) -> None:
        """A part arrived: after a fall, one more for each eight of them, up to where it was."""
        if self._ceiling is None:
            return
        self._good_parts += 1
        if self._good_parts < _GOOD_PARTS:
            return
        self._good_parts = 0
        self._count += 1
        if self._count >= self._ceiling:
            self._count, self._ceiling = self._ceiling, None
            self._hold_until_s = now_s + self._hold_s

    def part_size_bytes(self, left_bytes: int, limit_bytes_per_s: float | None = None) -> int:
        """Choose the size of the next part.

        Args:
            left_bytes: Bytes of the file that no part covers yet.
            limit_bytes_per_s: Bandwidth limit over all files, or None.

        Returns:
            A multiple of 64 KiB. The last parts are smaller, so that no connection is the last one for long.
        """
        share = self._rate / self.count
        if share:
            wished = share * max(_PART_S, _PART_RTTS * self._round_trip_s)
        else:
            wished = float(_FIRST_NEAR_BYTES if self._is_near else _FIRST_FAR_BYTES)
        last_s = max(_LAST_PART_S, _LAST_PART_RTTS * self._round_trip_s)
        least = min(max(_PART_LEAST_BYTES, share * last_s), _LAST_PART_MOST_BYTES)
        if self._is_near and not share:
            least = _LAST_NEAR_BYTES
        if limit_bytes_per_s is not None:
            wished = min(wished, limit_bytes_per_s * PART_AT_A_LIMIT_S / self.count)
        cuts = _CUTS_UNEVEN if self._has_lost and self.link.congestion != "bbr" else _CUTS
        if self.count > 1:  # else there is nobody to share them with
            wished = min(wished, max(least, left_bytes / (cuts * self.count)))
        wished = min(max(wished, _PART_LEAST_BYTES), _PART_MOST_BYTES)
        return int(wished) // _PART_STEP_BYTES * _PART_STEP_BYTES

    def _begin_window(self, now_s: float, moved_bytes: int, *, settling: bool) -> None:
        self._began = _Reading(now_s, moved_bytes, self.link)
        self._seen = self._seen_full = 0
        self._saw_queue = self._has_queue
        self._is_settling = settling

    def __repr__(self) -> str:
        return f"Concurrency({self.count} at {self._rate / 1e6:.1f} MB/s)"
