"""How threads of the core start, the one that runs jobs later, and the limiter that makes them wait.

All threads are daemons with a name; they are started when there is work, end when there has been none for a while, and
are joined by `close()`. Floor 3; knows nothing of files.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from .baton import away
from .interfaces import Clock

__all__ = ["STARVED_S", "Rate", "Timers", "Waits", "start_thread"]

_log = logging.getLogger("vod_widget")
Job = Callable[[], None]

STARVED_S = 1.0
"""How soon it is tried again to start a thread when there is not one."""

_LOOK_AGAIN_S = 0.2
"""How long a limiter sleeps before it looks whether the limit was changed."""


class Waits(Protocol):
    """What a limiter waits on: an event that ends the wait early when it is set."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait so many seconds; True when it is to end."""


def start_thread(name: str, target: Job) -> threading.Thread:
    """Start a daemon thread inside a copy of the caller's context.

    ipykernel 7.0 ends threads that write to a widget and were started without one (seen with 7.0.0 and 7.0.1).
    """
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(target), name=name, daemon=True)
    thread.start()
    return thread


class Timers:
    """Runs jobs later, on one thread that lives as long as there is one to run.

    Args:
        name: Name of the thread.
        clock: Monotonic time.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._cond = threading.Condition()
        self._heap: list[tuple[float, int, Job]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, wait_s: float, job: Job) -> None:
        """Run `job` once, `wait_s` seconds from now; it must be quick. After `close` it is dropped."""
        with self._cond:
            if self._closed:
                return
            heapq.heappush(self._heap, (self._clock.monotonic_s() + wait_s, next(self._numbers), job))
            if self._thread is not None:
                self._cond.notify()
            else:
                self._grow()

    @property
    def is_running(self) -> bool:
        """Whether it has its thread, or had one for all that there was to do."""
        with self._cond:
            return self._thread is not None or not self._heap

    def wake(self) -> None:
        """Try again to start the thread, if it could not be had."""
        with self._cond:
            if self._heap and self._thread is None and not self._closed:
                self._grow()

    def _grow(self) -> None:
        try:
            self._thread = start_thread(self._name, self._work)
        except RuntimeError:
            _log.warning("no thread could be started for %s; it is tried again soon", self._name)

    def _work(self) -> None:
        while True:
            with self._cond:
                if self._closed or not self._heap:
                    self._thread = None
                    return
                wait_s = self._heap[0][0] - self._clock.monotonic_s()
                if wait_s > 0:
                    self._cond.wait(min(wait_s, 3600.0))
                    continue
                job = heapq.heappop(self._heap)[2]
            try:
                job()
            except Exception:
                _log.exception("a timer of %s failed", self._name)
            del job

    def die_in_child(self) -> None:
        """In a forked child: the thread is not here, and it may hold the condition."""
        self._cond = threading.Condition()
        self._closed = True
        self._thread = None

    def close(self, timeout_s: float) -> bool:
        """Drop every timer and join; False when the thread is still busy."""
        with self._cond:
            self._closed = True
            self._heap.clear()
            thread = self._thread
            self._cond.notify_all()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()


class Rate:
    """A token bucket over all threads: so many units a second, with one second's worth of credit.

    Args:
        per_s: Units a second, or None for no limit.
        clock: Monotonic time.
        burst_s: Seconds of credit that may be saved up.
    """

    def __init__(self, per_s: float | None, clock: Clock, burst_s: float = 1.0) -> None:
        self._per_s = per_s
        self._clock = clock
        self._burst_s = burst_s
        self._lock = threading.Lock()
        self._free_at_s = clock.monotonic_s() - burst_s

    @property
    def per_s(self) -> float | None:
        """Units a second; a change counts at once, also for those who wait."""
        return self._per_s

    @per_s.setter
    def per_s(self, per_s: float | None) -> None:
        with self._lock:
            if per_s != self._per_s:
                self._per_s = per_s
                self._free_at_s = self._clock.monotonic_s()

    def take(self, units: float, stopped: Waits) -> bool:
        """Wait until `units` may pass; False when `stopped` was set first."""
        while True:
            with self._lock:
                per_s = self._per_s
                if per_s is None:
                    return True
                now_s = self._clock.monotonic_s()
                start_s = max(self._free_at_s, now_s - self._burst_s)
                self._free_at_s = start_s + units / per_s
            while (wait_s := start_s - self._clock.monotonic_s()) > 0:
                with away:
                    is_stopped = stopped.wait(min(wait_s, _LOOK_AGAIN_S))
                if is_stopped:
                    return False
                if self._per_s != per_s:
                    break
            else:
                return True
