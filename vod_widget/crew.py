"""The threads of the queue: each does what waits, else sends what may be sent.

One crew for both, since a small file is mostly a row of short steps, and a hop to another thread between two of them
costs more than the steps: what directly follows from a job is done by the thread that did the job, and only what it
leaves undone wakes another. Bytes have no threads of their own: how many requests carry some at a time is decided where
they are taken. A crew waits on a condition of its own, which shares the queue's lock, so that a change of the queue
wakes no more threads than it has work for. Floor 3.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import baton
from .workers import STARVED_S, Job, start_thread

__all__ = ["Crew"]

_log = logging.getLogger("vod_widget")

_WAIT_S = 5.0
_LAST_WAIT_S = 1.0
"""How long a thread waits for more while nothing is left to do at all."""


class _Mine(threading.local):
    """What a thread of the crew does next, and whether it is one."""

    is_member = False
    following: Job | None = None


class Crew:
    """Threads that take jobs and run them.

    Args:
        name: Prefix of the threads' names.
        lock: The queue's lock, reentrant; the four below are called under it.
        take: Gives the next request that carries bytes, or None when there is none now.
        wanted: How many of them may be taken now.
        size: The most threads.
        is_needed: Whether more work may come.
        later: Runs a quick job after so many seconds; used while not a single thread can be had.
    """

    def __init__(
        self,
        name: str,
        lock: Any,
        *,
        take: Callable[[], Job | None],
        wanted: Callable[[], int],
        size: Callable[[], int],
        is_needed: Callable[[], bool],
        later: Callable[[float, Job], None],
    ) -> None:
        self._name = name
        self._work = threading.Condition(lock)
        self._take = take
        self._wanted = wanted
        self._size = size
        self._is_needed = is_needed
        self._later = later
        self._mine = _Mine()
        # All below is guarded by the lock.
        self._jobs: deque[Job] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = self._roused = 0
        self._owes_a_look = False
        self._number = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        """Queue a job for any thread; after `close` it is dropped."""
        with self._work:
            if not self._closed:
                self._jobs.append(job)
                self.look()

    def follow(self, job: Job) -> None:
        """Run a job next on this thread, if it is one of the crew and has nothing else to follow; else queue it."""
        if self._mine.is_member and self._mine.following is None:
            self._mine.following = job
        else:
            self.submit(job)

    def look(self) -> None:
        """Take up what waits, requests that carry bytes included; under the lock."""
        # A thread of the crew looks itself in a moment, and wakes others for what it does not take.
        if self._mine.is_member:
            self._owes_a_look = True
        else:
            self._rouse()

    def ensure(self) -> None:
        """Have at least one thread.

        Raises:
            RuntimeError: Not one can be started.
        """
        with self._work:
            if not self._threads and not self._closed:
                self._start()

    def give_up(self, threads: Iterable[threading.Thread]) -> None:
        """Count threads no more that hang in a read; each ends when it ever comes back. Under the lock."""
        self._threads.difference_update(threads)
        self._rouse()

    def _rouse(self) -> None:
        """Have as many threads look for work as there is work."""
        self._owes_a_look = False
        if self._closed:
            return
        missing = len(self._jobs) + self._wanted() - self._roused
        wakes = max(0, min(missing, self._idle - self._roused))
        if wakes:
            self._roused += wakes
            self._work.notify(wakes)
        for _ in range(min(missing - wakes, self._size() - len(self._threads))):
            try:
                self._start()
            except RuntimeError:
                # No thread can be had now: those that run do the work; without any, it is tried again in a while.
                _log.warning("no thread could be started; %d go on", len(self._threads))
                if not self._threads:
                    self._later(STARVED_S, self._try_again)
                return

    def _try_again(self) -> None:
        with self._work:
            self._rouse()

    def _start(self) -> None:
        self._number += 1
        self._threads.add(start_thread(f"{self._name}-{self._number}", self._loop))
        self._roused += 1

    def _loop(self) -> None:
        self._mine.is_member = True
        me = threading.current_thread()
        with self._work:
            self._roused -= 1
            job = self._next(me)
        while job is not None:
            baton.take()
            try:
                job()
            except Exception:
                _log.exception("a job of %s failed", self._name)
            job, self._mine.following = self._mine.following, None
            if job is None:
                with self._work:
                    job = self._next(me)
            elif self._owes_a_look:
                with self._work:
                    self._rouse()

    def _next(self, me: threading.Thread) -> Job | None:
        """Wait for the next job; None when this thread is to end. Under the lock."""
        is_needed = True
        while me in self._threads:
            job = self._jobs.popleft() if self._jobs else self._take()
            if self._owes_a_look:
                self._rouse()
            if job is not None:
                return job
            if self._closed or not is_needed or len(self._threads) > self._size():
                self._threads.discard(me)
                break
            baton.give()
            self._idle += 1
            is_needed = self._work.wait(_WAIT_S if self._is_needed() else _LAST_WAIT_S)
            self._idle -= 1
            self._roused = max(0, self._roused - 1)
        return None

    def die_in_child(self) -> None:
        """In a forked child: the threads are not here, and one of them may hold the lock."""
        self._work = threading.Condition(threading.RLock())
        self._closed = True
        self._threads = set()

    def close(self) -> list[threading.Thread]:
        """Drop queued jobs and let every thread end after its own; returns those to `join`. Under the lock."""
        self._closed = True
        self._jobs.clear()
        self._work.notify_all()
        return [thread for thread in self._threads if thread is not threading.current_thread()]

    @staticmethod
    def join(threads: Sequence[threading.Thread], timeout_s: float) -> bool:
        """Wait for them; False when one is still busy after so long."""
        for thread in threads:
            thread.join(timeout_s / len(threads))
        return not any(thread.is_alive() for thread in threads)
