"""Counting bytes honestly: sent, accepted, speed, time left.

`sent_bytes` may fall when a request is repeated; `accepted_bytes` grows only; the fraction never falls and is 1 only
after verification. Floor 1, pure; used under the queue's lock.
"""

from __future__ import annotations

__all__ = ["Ledger", "SpeedMeter"]

_BELOW_ONE = 0.999
"""What a file shows whose bytes are all sent but not yet verified."""


class Ledger:
    """The bytes of one file.

    Args:
        total_bytes: Length of the file, >= 1.
    """

    __slots__ = ("_high", "accepted_bytes", "found_bytes", "in_flight_bytes", "total_bytes", "verified")

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.accepted_bytes = 0
        self.found_bytes = 0
        self.in_flight_bytes = 0
        self.verified = False
        self._high = 0.0

    def accept(self, size_bytes: int) -> None:
        """Count bytes that the storage acknowledged."""
        self.accepted_bytes = min(self.total_bytes, self.accepted_bytes + size_bytes)

    def found(self, size_bytes: int) -> None:
        """Begin with bytes that the storage has already: accepted, but no sign of how fast the line is."""
        self.accepted_bytes = self.found_bytes = min(self.total_bytes, size_bytes)

    def restart(self) -> None:
        """Begin again at 0; the only way in which progress falls."""
        self.accepted_bytes = 0
        self.found_bytes = 0
        self.in_flight_bytes = 0
        self.verified = False
        self._high = 0.0

    def verify(self) -> None:
        """The stored bytes are ours."""
        self.found_bytes += self.total_bytes - self.accepted_bytes
        self.accepted_bytes = self.total_bytes
        self.in_flight_bytes = 0
        self.verified = True

    @property
    def has_bytes(self) -> bool:
        """Whether there is anything to count."""
        return self.accepted_bytes > 0 or self.in_flight_bytes > 0 or self._high > 0

    @property
    def sent_bytes(self) -> int:
        """Accepted bytes and those of the requests in flight."""
        return min(self.total_bytes, self.accepted_bytes + self.in_flight_bytes)

    @property
    def loaded_percent(self) -> float:
        """Fraction 0..1, never falling."""
        if self.verified:
            return 1.0
        share = min(_BELOW_ONE, self.sent_bytes / self.total_bytes)
        self._high = max(self._high, share)
        return self._high


class SpeedMeter:
    """Smoothed bytes per second from samples of a counter.

    An exponential mean with a time constant of 3 s: quick enough to show a stall, slow enough to be read. What has not
    moved for 12 s stands still: the rest of a mean would promise an end in weeks.
    """

    __slots__ = ("_at_s", "_bytes", "_moved_s", "_rate", "_samples")

    TIME_CONSTANT_S = 3.0
    STILL_S = 12.0

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._bytes = 0
        self._moved_s = 0.0
        self._rate = 0.0
        self._samples = 0

    def sample(self, total_bytes: int, now_s: float) -> None:
        """Take one reading of the counter; a fall (a repeated request) counts as no progress."""
        if self._at_s is None:
            self._at_s, self._bytes, self._moved_s = now_s, total_bytes, now_s
            return
        passed_s = now_s - self._at_s
        if passed_s <= 0:
            return
        rate = max(0, total_bytes - self._bytes) / passed_s
        weight = min(1.0, passed_s / self.TIME_CONSTANT_S) if self._samples else 1.0
        self._rate += weight * (rate - self._rate)
        if rate:
            self._moved_s = now_s
        elif now_s - self._moved_s >= self.STILL_S:
            self._rate = 0.0
        self._at_s, self._bytes = now_s, total_bytes
        self._samples += 1

    @property
    def bytes_per_s(self) -> float:
        """The speed; 0 before two samples."""
        return self._rate

    def time_left_s(self, left_bytes: int) -> float | None:
        """Seconds until `left_bytes` are sent, or None while that cannot be told."""
        if self._samples < 2 or self._rate < 1.0:
            return None
        return left_bytes / self._rate
