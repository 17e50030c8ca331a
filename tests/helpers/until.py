"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["LONG_S", "until"]

LONG_S = 60.0
"""Longest wait for what must happen: it costs nothing when it does, and a busy machine takes its time."""


def until(condition: Callable[[], object], what: str, *, within_s: float = LONG_S) -> None:
    """Wait until a condition of another thread or process is true; fail with `what` at the deadline.

    Args:
        condition: Cheap, may be called often.
        what: Finishes the sentence "... did not happen: ".
        within_s: Deadline, seconds.
    """
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"in {within_s:g} s this did not happen: {what}")
        pause.wait(0.01)
