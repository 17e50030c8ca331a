"""Delivers callbacks and events: in order for each file, never under a lock; a slow one holds up its own file only.

One thread does it all as long as callbacks return quickly, so that two do not run at the same time without need. While
many files are under way it rests a moment when it has delivered, and takes what has come meanwhile together: to be
woken for each event of a small file costs more than the event. When one has run for half a second and others wait,
another thread helps. Coroutines run on the loop that ran where the queue was started, if there is one, else on a loop
of our own. Floor 3.
"""

from __future__ import annotations

import inspect
import itertools
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .interfaces import Clock
from .workers import start_thread

if TYPE_CHECKING:
    import asyncio

__all__ = ["Dispatcher", "running_loop"]

_log = logging.getLogger("vod_widget")
Job = Callable[[], Any]

_SLOW_S = 0.5
_IDLE_S = 2.0
_REST_S = 0.02
_THREADS_MAX = 32


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, or None.

    Where nobody has imported asyncio none does, and a program that uploads one file need not wait for that import.
    """
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Dispatcher:
    """Strands of jobs, one for each key.

    Args:
        clock: Monotonic time.
        on_idle: Called on the delivering thread whenever nothing waits and nothing runs.
        may_rest: Whether events may be as late as a rest is long; called with no lock but this one's.
    """

    def __init__(self, clock: Clock, on_idle: Job = lambda: None, may_rest: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._on_idle = on_idle
        self._may_rest = may_rest
        self._cond = threading.Condition()
        self._strands: dict[str, deque[tuple[str, Job]]] = {}
        self._ready: deque[str] = deque()
        self._busy: dict[threading.Thread, float] = {}
        self._idle = 0
        self._rests = False
        self._threads: set[threading.Thread] = set()
        self._when_idle: deque[Job] = deque()
        self._closed = False
        self._numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_home = 0
        self.home_loop: asyncio.AbstractEventLoop | None = None

    def post(self, key: str, job: Job, *, coalesce: str = "", at_once: bool = False) -> None:
        """Queue a job of one strand.

        Args:
            key: The strand; a file's id.
            job: What to run; a coroutine that it returns is awaited.
            coalesce: When the last waiting job of the strand has the same word, it is replaced (progress).
            at_once: Somebody waits for what it brings; else it may take as long as a rest.
        """
        with self._cond:
            if self._closed:
                return
            strand = self._strands.get(key)
            if strand is None:
                strand = self._strands[key] = deque()
                self._ready.append(key)
            elif coalesce and strand and strand[-1][0] == coalesce:
                strand.pop()
            strand.append((coalesce, job))
            if at_once:
                self._end_rest()
            self._help_if_needed()

    def when_idle(self, job: Job) -> None:
        """Run `job` after everything that was posted before it has returned."""
        with self._cond:
            self._when_idle.append(job)
            self._end_rest()
            self._release_idle()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        with self._cond:
            return not self._strands and not self._when_idle

    def help_if_slow(self) -> None:
        """Start one more thread when every thread has been in one job for long; called by a timer."""
        with self._cond:
            self._help_if_needed()

    def _rest(self) -> None:
        if len(self._threads) == 1 and self._may_rest():
            self._rests = True
            self._cond.wait(_REST_S)
            self._rests = False

    def _end_rest(self) -> None:
        if self._rests:
            self._rests = False
            self._cond.notify_all()

    def _help_if_needed(self) -> None:
        if not self._ready or self._rests:
            return
        if self._idle:
            self._cond.notify()
            return
        now_s = self._clock.monotonic_s()
        all_slow = all(now_s - since_s > _SLOW_S for since_s in self._busy.values())
        if len(self._threads) < _THREADS_MAX and len(self._busy) == len(self._threads) and all_slow:
            try:
                self._threads.add(start_thread(f"vod-callbacks-{next(self._numbers)}", self._work))
            except RuntimeError:
                _log.warning("no thread could be started for callbacks; it is tried again with the next one")

    def _release_idle(self) -> None:
        if not self._strands and self._when_idle:
            job = self._when_idle.popleft()
            self._strands["\0idle"] = deque([("", job)])
            self._ready.append("\0idle")
            self._help_if_needed()

    def _work(self) -> None:
        me = threading.current_thread()
        has_delivered = False
        while True:
            with self._cond:
                if has_delivered and not self._ready and not self._closed:
                    self._rest()
                if not self._ready and not self._closed:
                    self._idle += 1
                    self._cond.wait_for(lambda: bool(self._ready) or self._closed, _IDLE_S)
                    self._idle -= 1
                if self._closed or not self._ready:
                    self._threads.discard(me)
                    return
                key = self._ready.popleft()
                _, job = self._strands[key].popleft()
                self._busy[me] = self._clock.monotonic_s()
            try:
                result = job()
                if inspect.iscoroutine(result):
                    self.run_coroutine(result)
            except BaseException:  # a callback that raises SystemExit must not take the deliveries of all files along
                _log.exception("a callback failed")
            del job  # as in `crew.Crew`
            result, has_delivered = None, True
            with self._cond:
                self._busy.pop(me, None)
                if self._strands[key]:
                    self._ready.append(key)
                else:
                    del self._strands[key]
                    self._release_idle()
                idle = not self._strands
            if idle:
                self._on_idle()

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end and return its value; blocks the calling thread, never the loop's own."""
        import asyncio

        with self._cond:
            home = self.home_loop
            is_home = home is not None and home.is_running()
            self._at_home += is_home
        try:
            loop = home if is_home and home is not None else self._own_loop()
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
        finally:
            if is_home:
                with self._cond:
                    self._at_home -= 1

    def leave_home(self) -> bool:
        """Send later coroutines to our own loop, as the home loop is about to be blocked; False when it is too late.

        Coroutines that wait on the home loop already would never end.
        """
        with self._cond:
            if self._at_home:
                return False
            self.home_loop = None
            return True

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._cond:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                start_thread("vod-loop", self._loop.run_forever)
            return self._loop

    def die_in_child(self) -> None:
        """In a forked child: the threads are not here, and one of them may hold the condition."""
        self._cond = threading.Condition()
        self._closed = True
        self._threads = set()
        self._loop = None

    def close(self, timeout_s: float) -> bool:
        """Drop what waits, join the threads; False when a callback still runs after `timeout_s`."""
        with self._cond:
            self._closed = True
            self._when_idle.clear()
            threads = [t for t in self._threads if t is not threading.current_thread()]
            loop, self._loop = self._loop, None
            self._cond.notify_all()
        for thread in threads:
            thread.join(timeout_s)
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            deadline_s = self._clock.monotonic_s() + 2.0
            while loop.is_running() and self._clock.monotonic_s() < deadline_s:
                with self._cond:
                    self._cond.wait(0.01)
            if not loop.is_running():
                loop.close()
        return not any(thread.is_alive() for thread in threads)
