"""The threads that carry bytes: as many as may be in flight, and only while there is something to send.

A sender waits on a condition of its own, which shares the queue's lock, so that a change of the queue wakes no more
threads than it has work for: with many small files nearly all the time would go into waking. Floor 3.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from .workers import Job, start_thread

__all__ = ["Senders"]

_log = logging.getLogger("vod_widget")

_WAIT_S = 5.0
_LAST_WAIT_S = 1.0
"""How long a sender waits for more while nothing is left to do at all."""


class Senders:
    """Threads that take jobs and run them; all but `join` is called under the queue's lock.

    Args:
        lock: The queue's lock.
        take: Gives the next job, or None when there is none now; called under the lock.
        is_needed: Whether more jobs may come; called under the lock.
        starved: Called when not a single thread can be had.
    """

    def __init__(
        self,
        lock: Any,
        take: Callable[[], Job | None],
        is_needed: Callable[[], bool],
        starved: Callable[[], None],
    ) -> None:
        self._work = threading.Condition(lock)
        self._take = take
        self._is_needed = is_needed
        self._starved = starved
        self._threads: set[threading.Thread] = set()
        self._allowed = 1
        self._idle = 0
        self._number = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._threads)

    def call(self, wanted: int, allowed: int) -> None:
        """Have as many threads at work as there are requests, at most `allowed` in all."""
        self._allowed = allowed
        if wanted and self._idle:
            self._work.notify(min(wanted, self._idle))
        for _ in range(min(wanted - self._idle, allowed - len(self._threads))):
            self._number += 1
            try:
                self._threads.add(start_thread(f"vod-send-{self._number}", self._loop))
            except RuntimeError:
                # No thread can be had now: those that run do the work; without any, it is tried again in a while.
                _log.warning("no thread could be started; %d senders go on", len(self._threads))
                if not self._threads:
                    self._starved()
                return

    def give_up(self, threads: Iterable[threading.Thread]) -> None:
        """Count threads no more that hang in a read; each ends when it ever comes back."""
        self._threads.difference_update(threads)

    def _loop(self) -> None:
        me = threading.current_thread()
        while True:
            with self._work:
                if me not in self._threads:
                    return
                job = self._take() if len(self._threads) <= self._allowed else None
                if job is None and len(self._threads) <= self._allowed and not self._closed:
                    self._idle += 1
                    self._work.wait(_WAIT_S if self._is_needed() else _LAST_WAIT_S)
                    self._idle -= 1
                    job = self._take()
                if job is None and (self._closed or len(self._threads) > self._allowed or not self._is_needed()):
                    self._threads.discard(me)
                    return
            if job is not None:
                job()
                job = None  # a thread that waits must not keep the file that it sent last

    def close(self) -> list[threading.Thread]:
        """Let every thread end after its job; returns those to `join`."""
        self._closed = True
        self._work.notify_all()
        return [thread for thread in self._threads if thread is not threading.current_thread()]

    @staticmethod
    def join(threads: Iterable[threading.Thread], timeout_s: float) -> bool:
        """Wait for them, so long for each; False when one is still busy."""
        for thread in threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in threads)
