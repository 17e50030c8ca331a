"""The emulator's time: one real source, two knobs.

What lives here: `Clock`, which the whole emulator asks for the time, and the three ways in
which a cloud uses time. It imports the standard library only and may be called from any
thread; the knobs are plain floats, and a torn read is impossible in CPython.

Theory: a test wants to move time in two independent ways.

- `advance(s)`: s seconds pass for everything that has an age. Credentials run out, signed
  URLs expire, a transcoding ends. The caller's own clock did not move, so the dates of its
  requests must still be judged as good.
- `skew(s)`: the cloud's wall clock is s seconds ahead of the caller's. Nothing ages; Date
  and Timestamp are now wrong by s, and the dates that the cloud prints move along.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache


class Clock:
    """Tell the time of the emulated cloud; move it without waiting.

    Args:
        source: Seconds since the epoch. A simulator passes its own virtual clock.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._advanced_s = 0.0
        self._skew_s = 0.0

    def __repr__(self) -> str:
        return f"<Clock advanced={self._advanced_s:g}s skew={self._skew_s:g}s>"

    @property
    def advanced_s(self) -> float:
        """Seconds by which `advance` has aged the world so far."""
        return self._advanced_s

    @property
    def skew_s(self) -> float:
        """Seconds by which the cloud's wall clock is ahead of the source."""
        return self._skew_s

    def advance(self, seconds: float) -> None:
        """Age credentials, signed URLs and assets.

        Args:
            seconds: How much time passes, >= 0. Calls add up.

        Raises:
            ValueError: seconds is negative; time has one direction.
        """
        if seconds < 0:
            raise ValueError(f"advance(seconds) must be >= 0, got {seconds}")
        self._advanced_s += seconds

    def skew(self, seconds: float) -> None:
        """Set how far the cloud's wall clock is ahead of the caller's.

        Args:
            seconds: Any number; negative means the cloud is behind. Replaces, never adds.
        """
        self._skew_s = float(seconds)

    def reset(self) -> None:
        """Forget every `advance` and `skew`."""
        self._advanced_s = 0.0
        self._skew_s = 0.0

    def wall_s(self) -> float:
        """Return the cloud's wall clock: judges Date and Timestamp, and is what it prints."""
        return self._source() + self._skew_s

    def age_s(self) -> float:
        """Return the clock by which credentials and assets grow old."""
        return self._source() + self._advanced_s

    def signed_url_s(self) -> float:
        """Return the clock by which signed URLs expire: wall time plus what has passed."""
        return self._source() + self._skew_s + self._advanced_s


def iso_z(epoch_s: float) -> str:
    """Format as `2026-01-31T23:59:59Z`, the form of every VOD and STS date."""
    return _iso_z(int(epoch_s // 1))


def iso_millis(epoch_s: float) -> str:
    """Format as `2026-01-31T23:59:59.000Z`, the form of dates in OSS XML."""
    return datetime.fromtimestamp(epoch_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(epoch_s: float) -> str:
    """Format as RFC 1123 in GMT, the form of Date and Last-Modified."""
    return _http_date(int(epoch_s // 1))


# Many answers of one second say the same.
@lru_cache(maxsize=64)
def _iso_z(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=64)
def _http_date(epoch_s: int) -> str:
    return formatdate(epoch_s, usegmt=True)
