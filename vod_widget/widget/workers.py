"""Short-lived threads for what may be slow: a dead network disk, a profile search, the start of the emulator.

A thread per job, at most a few at a time, none when idle. A job that hangs keeps its thread until the system lets it
go; its answer was given by a deadline long before. Imports nothing of this package.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

__all__ = ["Workers"]


class Workers:
    """Runs jobs beside the handler.

    Args:
        limit: Jobs at a time; further ones are refused.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running: set[threading.Thread] = set()
        self._count = 0

    def run(self, job: Callable[[], None]) -> bool:
        """Start a job; False when too many run already.

        Args:
            job: Must not raise.
        """
        context = contextvars.copy_context()

        def work() -> None:
            try:
                context.run(job)
            finally:
                with self._lock:
                    self._running.discard(thread)

        with self._lock:
            if len(self._running) >= self._limit:
                return False
            self._count += 1
            thread = threading.Thread(target=work, name=f"vod-widget-worker-{self._count}", daemon=True)
            self._running.add(thread)
        thread.start()
        return True

    def join(self, timeout_s: float) -> None:
        """Wait for the running jobs, each at most `timeout_s` seconds."""
        with self._lock:
            running = list(self._running)
        for thread in running:
            if thread is not threading.current_thread():
                thread.join(timeout_s)
