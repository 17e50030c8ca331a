"""Whose turn it is to work: the queue's threads pass a baton instead of fighting for the interpreter.

CPython runs one thread at a time, and a thread gives way at each system call, however short. A small file needs about a
hundred of them, most for its journal. On two processors with several files under way, each was a change of threads: 120
a file, and half of all its processor time (measured). So a thread of the queue keeps its turn over short calls, and
gives it away where it really waits: for an answer, for the disk, for a large body, for a lock that is held meanwhile.

It is a courtesy and guards nothing: who waits in vain for `_PATIENCE_S` takes the holder for stuck and makes a new
baton. So a thread that hangs holds up the others no longer than that, and no order of locks can make it a deadlock. One
for the process, as the interpreter's lock is. Base of floor 2; any thread.
"""

from __future__ import annotations

import threading

__all__ = ["away", "give", "take"]

_PATIENCE_S = 0.05


class _Mine(threading.local):
    """What this thread has to do with it.

    Attributes:
        works: Whether it works by turns.
        trips: How many times it is away, one inside the other.
        held: The baton, while it has it.
    """

    works = False
    trips = 0
    held: threading.Lock | None = None


class _Baton:
    """The baton, and who has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = _Mine()

    def take(self) -> None:
        """Begin to work by turns, and wait for the first."""
        self._mine.works = True
        self._wait()

    def give(self) -> None:
        """Cease to work."""
        self._mine.works = False
        self._drop()

    def __enter__(self) -> None:
        self._mine.trips += 1
        self._drop()

    def __exit__(self, *_: object) -> None:
        mine = self._mine
        mine.trips -= 1
        if mine.works and not mine.trips:
            self._wait()

    def _wait(self) -> None:
        mine = self._mine
        while mine.held is None:
            lock = self._lock
            if lock.acquire(timeout=_PATIENCE_S):
                mine.held = lock
            elif self._lock is lock:
                self._lock = threading.Lock()  # several may do so at once: then there are several for a moment

    def _drop(self) -> None:
        held, self._mine.held = self._mine.held, None
        if held is not None:
            held.release()


away = _Baton()
"""`with away:` gives the turn away for that long; it may be nested, and does nothing in a thread without turns."""
take, give = away.take, away.give
