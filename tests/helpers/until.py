"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["until"]


def until(condition: Callable[[], object], what: str, *, within_s: float = 10.0) -> None:
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
