"""The end of the process, and its copies.

At a regular end (the script is over, the kernel is shut down) running queues take nothing new, let the requests that
carry bytes end, and close; a kill -9 needs none of this, it only sends a few parts again. A forked child gets copies
of the queues without their threads: they are dead there, or a file would be sent twice. Floor 4.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeVar

from .errors import InvalidStateError
from .interfaces import Clock
from .record import Run
from .scheduler import Scheduler
from .system import SystemClock

__all__ = [
    "EXIT_GRACE_S",
    "TERM_GRACE_S",
    "Terminated",
    "die_in_child",
    "enroll",
    "ensure_thread",
    "let_transfers_end",
    "without_frames",
]

T = TypeVar("T")

EXIT_GRACE_S = 3.0
"""Jupyter kills a kernel five seconds after it has asked it to go."""

TERM_GRACE_S = 5.0


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as Ctrl-C, but nobody sits there and waits for the prompt."""


def without_frames(wait: Callable[[], T]) -> T:
    """Wait; an interrupt comes out without the frames below, whose first drawing takes IPython a second.

    Raises:
        KeyboardInterrupt: As it came.
    """
    try:
        return wait()
    except Terminated:
        raise
    except KeyboardInterrupt as interrupt:
        raise interrupt.with_traceback(None) from None


class Mortal(Protocol):
    """What a queue does when its process ends."""

    def _end_with_process(self, grace_s: float) -> None: ...

    def _die_in_child(self) -> None: ...


_alive: weakref.WeakSet[Mortal] = weakref.WeakSet()


def enroll(queue: Mortal) -> None:
    """Remember a queue that was started; may be called twice."""
    _install()
    _alive.add(queue)


def ensure_thread(queue: Scheduler) -> None:
    """Have one thread before anything is said to run; with one, the rest can wait for more.

    Raises:
        InvalidStateError: Not one can be started (code `Threads`).
    """
    try:
        queue.crew.ensure()
    except RuntimeError as exc:
        raise InvalidStateError(
            "this process may not start a single thread",
            code="Threads",
            hint="Close other programs, or raise the limit (ulimit -u), then start again.",
        ) from exc


def let_transfers_end(queue: Scheduler, clock: Clock, grace_s: float) -> None:
    """Begin nothing new, and wait so long for the requests that carry bytes."""
    deadline_s = clock.monotonic_s() + grace_s
    with queue.cond:
        queue.takes_new = False
        while any(r.machine is not None and r.machine.transfers_in_flight for r in queue._active.values()):
            left_s = deadline_s - clock.monotonic_s()
            if left_s <= 0:
                return
            queue.cond.wait(min(left_s, 0.1))


def die_in_child(queue: Scheduler) -> None:
    """In a forked child: no thread is left, and the condition may be held by one that is not here."""
    queue.cond = threading.Condition(threading.RLock())
    queue._closed = True
    for record in queue._active.values():
        record.run = Run()  # its sockets are the parent's too: to cut one here would end the parent's request
    for part in (queue.crew, queue._timers, queue.dispatcher):
        part.die_in_child()


@cache
def _install() -> None:
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)


def _at_exit() -> None:
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + EXIT_GRACE_S
    for queue in list(_alive):
        queue._end_with_process(max(0.0, deadline_s - clock.monotonic_s()))


def _in_child() -> None:
    for queue in list(_alive):
        queue._die_in_child()
    _alive.clear()
