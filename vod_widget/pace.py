"""How fast each operation of VOD may be called: the account's limit, kept before the service enforces it.

The service counts calls of each operation in each second over the whole account. So each has a bucket of its own, whose
calls leave evenly: no burst, or the first second would hold twice as many. A refusal halves the bucket, since another
program of the account uses up the rest; it grows back while calls succeed. Floor 3; any thread.

Source: "QPS limits on API operations", https://www.alibabacloud.com/help/en/vod, read 2026-11.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .interfaces import Clock
from .options import API_CALLS_PER_S, API_CALLS_PER_S_BY_REGION
from .workers import Rate, Waits

__all__ = ["CallPace"]

_MARGIN = 0.975
"""Share of a limit that is used: calls that leave evenly still arrive a little unevenly."""
_BURST_S = 0.02
_STEP_S = 1.0
_LEAST_PER_S = 1.0
_NEVER = threading.Event()


class _Bucket:
    """One operation: its rate, and how many calls it began lately."""

    def __init__(self, full_per_s: float | None, clock: Clock) -> None:
        self.full_per_s = full_per_s
        self.rate = Rate(full_per_s, clock, burst_s=_BURST_S)
        self.halved_at_s = self.grown_at_s = self.refused_at_s = clock.monotonic_s() - _STEP_S
        self.counted_since_s = clock.monotonic_s()
        self.counted = 0


class CallPace:
    """The buckets of a queue.

    Args:
        clock: Monotonic time.
        limit_per_s: The limit that a person knows of, or None.
        waits: Waits for so many seconds.
    """

    def __init__(
        self, clock: Clock, limit_per_s: Callable[[], float | None] = lambda: None, waits: Waits = _NEVER
    ) -> None:
        self._clock = clock
        self._waits = waits
        self._limit_per_s = limit_per_s
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}

    def take(self, operation: str, region: str, *, is_loopback: bool) -> None:
        """Wait until the operation may be called.

        Args:
            operation: The API's name of it.
            region: Where it is called; the vendor's limits differ.
            is_loopback: Whether it is called on this machine, where nobody has a limit that is known.
        """
        self._bucket(operation, self._full_per_s(region, is_loopback=is_loopback)).rate.take(1.0, self._waits)

    def ended(self, operation: str, *, was_throttled: bool) -> None:
        """Take how a call ended: halve its rate when the limit was hit, else let it grow back; once a second."""
        with self._lock:
            bucket = self._buckets.get(operation)
            now_s = self._clock.monotonic_s()
            if bucket is None:
                return
            per_s, full = bucket.rate.per_s, bucket.full_per_s
            if was_throttled:
                bucket.refused_at_s = now_s
                if now_s - bucket.halved_at_s < _STEP_S:
                    return
                bucket.halved_at_s = now_s
                seen_per_s = bucket.counted / max(_STEP_S, now_s - bucket.counted_since_s)
                bucket.rate.per_s = max(_LEAST_PER_S, (seen_per_s if per_s is None else per_s) / 2)
                return
            # The service counts anew in each second, so the first calls of any second succeed: a whole second without
            # a refusal is what lets the rate grow.
            quiet_since_s = max(bucket.refused_at_s, bucket.halved_at_s, bucket.grown_at_s)
            if per_s is None or (full is not None and per_s >= full) or now_s - quiet_since_s < _STEP_S:
                return
            bucket.grown_at_s = now_s
            bucket.rate.per_s = per_s * 1.25 if full is None else min(full, per_s * 1.25)

    def _full_per_s(self, region: str, *, is_loopback: bool) -> float | None:
        limit = self._limit_per_s()
        if limit is None and not is_loopback:
            limit = API_CALLS_PER_S_BY_REGION.get(region, API_CALLS_PER_S)
        return None if limit is None else limit * _MARGIN

    def _bucket(self, operation: str, full_per_s: float | None) -> _Bucket:
        with self._lock:
            bucket = self._buckets.get(operation)
            if bucket is None:
                bucket = self._buckets[operation] = _Bucket(full_per_s, self._clock)
            elif bucket.full_per_s != full_per_s:
                bucket.full_per_s = bucket.rate.per_s = full_per_s
            now_s = self._clock.monotonic_s()
            if now_s - bucket.counted_since_s > 2 * _STEP_S:
                bucket.counted_since_s, bucket.counted = now_s, 0
            bucket.counted += 1
            return bucket
