"""Reads that never come back (a dead NFS or FUSE mount), and the threads that they hold.

Nothing can wake a thread out of such a read. So one thread at a time reads a file, except for what is in memory; the
others wait for their turn with a deadline, and when a read takes a minute its thread is left behind: its file fails,
its place in the pool is free, and what it may bring later is not listened to. At most one thread a file is lost that
way. Floor 3; any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from .baton import away
from .errors import SourceError
from .interfaces import Clock

__all__ = ["STALL_S", "ReadTurn", "Watchdog", "stalled_error"]

_log = logging.getLogger("vod_widget")

STALL_S = 60.0
"""Longest read of one block (1 MiB). A spun-down disk takes ten seconds, a fail-over of NFS up to forty."""

_LOOK_AGAIN_S = 0.2


def stalled_error(name: str) -> SourceError:
    """Say that a read did not come back."""
    return SourceError(
        f"reading did not come back within {STALL_S:.0f} s",
        code="Source.Stalled",
        hint="Check the disk or the network mount that holds the file, then retry.",
        file_name=name,
    )


class ReadTurn:
    """The turn to read one file; held by at most one thread.

    Args:
        clock: Monotonic time.
        name: The file's name, for the error.
    """

    __slots__ = ("_clock", "_lock", "_name", "since_s", "thread")

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.since_s = 0.0

    def enter(self, cancel: threading.Event) -> bool:
        """Wait for the turn; False when `cancel` was set first.

        Raises:
            SourceError: Code `Source.Stalled`.
        """
        if not self._lock.acquire(blocking=False):
            with away:
                if not self._wait(cancel):
                    return False
        self.since_s = self._clock.monotonic_s()
        self.thread = threading.current_thread()
        return True

    def _wait(self, cancel: threading.Event) -> bool:
        deadline_s = self._clock.monotonic_s() + STALL_S
        while not self._lock.acquire(timeout=_LOOK_AGAIN_S):
            if cancel.is_set():
                return False
            if self._clock.monotonic_s() >= deadline_s:
                raise stalled_error(self._name)
        return True

    def leave(self) -> None:
        """Give the turn away."""
        self.thread = None
        self._lock.release()


class Watchdog:
    """Knows which thread works on what, and leaves behind those that hang in a read.

    Args:
        clock: Monotonic time.

    Attributes:
        left_behind: Threads that were given up so far.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[threading.Thread, Callable[[], None]] = {}
        self.left_behind = 0

    def begin(self, give_up: Callable[[], None]) -> None:
        """This thread begins a job; `give_up` tells whoever waits for it that nothing will come."""
        self._jobs[threading.current_thread()] = give_up

    def end(self) -> bool:
        """This thread has ended its job; False when it was given up meanwhile and must not say anything."""
        return self._jobs.pop(threading.current_thread(), None) is not None

    def look(self, turns: Iterable[ReadTurn | None]) -> dict[threading.Thread, Callable[[], None]]:
        """Return the threads that are found hanging for the first time, each with what to call."""
        found: dict[threading.Thread, Callable[[], None]] = {}
        now_s = self._clock.monotonic_s()
        for turn in turns:
            thread = turn.thread if turn is not None else None
            if turn is None or thread is None or now_s - turn.since_s < STALL_S:
                continue
            give_up = self._jobs.pop(thread, None)
            if give_up is not None:
                self.left_behind += 1
                _log.warning("%s hangs in a read and was left behind (%d so far)", thread.name, self.left_behind)
                found[thread] = give_up
        return found
