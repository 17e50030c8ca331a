"""Starting, halting, waiting and closing the queue. Floor 4."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Self

from vod_widget.application import in_callback
from vod_widget.dispatcher import running_loop
from vod_widget.errors import InvalidStateError
from vod_widget.lifetime import die_in_child, enroll, ensure_thread, let_transfers_end, without_frames
from vod_widget.model import UploadResult, UploadState
from vod_widget.options import CALLBACKS
from vod_widget.states import FileEvent

from .looking import Looking

if TYPE_CHECKING:
    import asyncio

__all__ = ["Control"]


class Control(Looking):
    """The queue as a whole."""

    def start_upload(self) -> None:
        """Start the queue; returns at once, threads do the work.

        Failure and Stopped files become Ready again. While the queue runs, nothing happens.

        Raises:
            MissingCredentialError: Nothing can give authority: no credentials were found, and neither `get_auth` nor
                `on_upload_started` is set.
            ProfileNotFoundError: `profile` names none.
            CredentialError: What was found cannot be used.
            InvalidArgumentError: An unknown region, or an endpoint that is not allowed.
        """
        self._check_open()
        with self._queue.cond:
            if self._is_running():
                return
            nothing = not self._has_work()
        if not nothing:
            self._prepare()
        with self._queue.cond:
            if self._is_running():
                return
            if not (nothing and self._has_work()):
                self._requeue_and_start()
                return
        self.start_upload()  # a file was added a moment ago, from another thread

    def _has_work(self) -> bool:
        counts = self._queue.counts
        return any(counts[state] for state in (UploadState.READY, UploadState.FAILURE, UploadState.STOPPED))

    def _requeue_and_start(self) -> None:
        with self._queue.cond:
            for record in self._queue.records:
                if record.state in {UploadState.FAILURE, UploadState.STOPPED}:
                    self._queue.make_ready(record, FileEvent.REQUEUE)
            self._take_loop()
            self._start()

    def start_ready(self) -> None:
        """Start the queue for the files that are Ready, leaving Failure and Stopped ones as they are.

        Raises:
            MissingCredentialError: As `start_upload`.
        """
        self._check_open()
        self._prepare()
        with self._queue.cond:
            self._go_on()

    def stop_upload(self) -> None:
        """Halt the queue; running files become Stopped and keep what they have sent. Safe in every phase."""
        with self._queue.cond:
            work = self._queue.stop()
            self._queue.settle()
        self._queue.act_all(work)
        self._tell_waiters()

    def _go_on(self) -> None:
        if self._is_running():
            self._queue.held = False
            self._queue.settle()
        else:
            self._take_loop()
            self._start()

    def _start(self) -> None:
        ensure_thread(self._queue)
        enroll(self)
        self._queue.start()
        self._queue.settle()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until no file is left to do, or the queue is stopped, and every callback has returned.

        In a notebook cell this blocks the kernel; uploads go on all the same, and an interrupt gives the prompt back
        without stopping them. Coroutine callbacks that belong to the running loop are driven meanwhile.

        Args:
            timeout_s: Longest wait, seconds; None for no limit.

        Returns:
            False at the timeout.

        Raises:
            InvalidStateError: Called from a callback, which would wait for itself.
        """
        return without_frames(lambda: self._wait(timeout_s))

    def _wait(self, timeout_s: float | None) -> bool:
        self._refuse_in_callback()
        loop = self._dispatcher.home_loop
        here = running_loop()
        if here is None or here is not loop:
            return self._wait_blocking(timeout_s)
        # The loop is blocked by this very call. A coroutine that a plain function returns runs elsewhere meanwhile; one
        # that is on this loop already, or belongs to it, needs the loop to go on.
        if self._has_coroutine_callbacks() or not self._dispatcher.leave_home():
            return self._wait_in_loop(here, timeout_s)
        try:
            return self._wait_blocking(timeout_s)
        finally:
            self._dispatcher.home_loop = loop

    def _wait_blocking(self, timeout_s: float | None) -> bool:
        deadline_s = None if timeout_s is None else self._clock.monotonic_s() + timeout_s
        with self._queue.cond:
            while not self._all_done():
                left_s = 1.0 if deadline_s is None else min(1.0, deadline_s - self._clock.monotonic_s())
                if left_s <= 0:
                    return False
                self._queue.cond.wait(left_s)
                self._queue._timers.wake()  # who waits lends a hand where no thread could be had
        return True

    def _wait_in_loop(self, loop: asyncio.AbstractEventLoop, timeout_s: float | None) -> bool:
        """Drive coroutine callbacks on the loop of the cell that blocks it; only then is nest_asyncio of use."""
        import asyncio

        import nest_asyncio

        nest_asyncio.apply(loop)
        try:
            loop.run_until_complete(asyncio.wait_for(self.finished(), timeout_s))
        except TimeoutError:
            return False
        return True

    async def finished(self) -> None:
        """Wait as `wait` does, without blocking the loop: `await up.finished()`.

        Raises:
            InvalidStateError: Awaited in a callback, which would wait for itself.
        """
        import asyncio

        self._refuse_in_callback()
        loop = asyncio.get_running_loop()
        while True:
            done = loop.create_future()

            def wake(future: asyncio.Future[None] = done) -> None:
                loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))

            with self._queue.cond:
                if self._all_done():
                    return
                self._waiters.append(wake)
            try:
                await asyncio.wait_for(done, 1.0)
            except TimeoutError:
                pass
            finally:
                with self._queue.cond:
                    if wake in self._waiters:
                        self._waiters.remove(wake)

    def run(self, timeout_s: float | None = None) -> list[UploadResult]:
        """Start and wait; returns the results of all files. A file's failure never raises.

        Raises:
            MissingCredentialError: As `start_upload`.
        """

        def start_and_wait() -> None:
            self.start_upload()
            self._wait(timeout_s)

        without_frames(start_and_wait)
        return self.results()

    def close(self, timeout_s: float = 10.0) -> bool:
        """Halt the queue, close connections and join every thread.

        Args:
            timeout_s: Longest wait for each kind of thread.

        Returns:
            False when something (a callback that does not return) is still busy.
        """
        if self._closed:
            return True
        self.stop_upload()
        with self._queue.cond:
            deadline_s = self._clock.monotonic_s() + timeout_s
            while self._queue._active and self._clock.monotonic_s() < deadline_s:
                self._queue.cond.wait(0.05)
            while not in_callback.get() and not self._dispatcher.idle and self._clock.monotonic_s() < deadline_s:
                self._queue.cond.wait(0.05)  # what has happened is told before the doors close
        if self._keeper is not None:
            self._keeper.finish(max(0.0, deadline_s - self._clock.monotonic_s()))
        with self._queue.cond:
            self._closed = True
            records = list(self._queue.records)
            self._queue.cond.notify_all()
        self._authority.close()
        ended = self._queue.close(timeout_s)
        ended &= self._dispatcher.close(timeout_s)
        for record in records:
            record.source.close()
            if record.run.entry is not None:
                record.run.entry.release()
        self._tell_waiters()
        return ended

    def _end_with_process(self, grace_s: float) -> None:
        """Take nothing new, let requests that carry bytes end within the grace, then close."""
        if self._closed:
            return
        with self._queue.cond:
            is_running = self._is_running()
        if not is_running:
            if self._keeper is not None:
                self._keeper.finish(grace_s)
            return
        let_transfers_end(self._queue, self._clock, grace_s)
        self.close(0.5)

    def _die_in_child(self) -> None:
        """A forked child has none of our threads, and their locks as they were: it may only be told so."""
        self._is_copy = self._closed = True
        die_in_child(self._queue)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _has_coroutine_callbacks(self) -> bool:
        callbacks = [getattr(self, name) for name in CALLBACKS] + [self.get_auth]
        return any(inspect.iscoroutinefunction(callback) for callback in callbacks)

    def _all_done(self) -> bool:
        return self._closed or (self._queue.quiet and self._app.ended_callbacks and self._dispatcher.idle)

    def _tell_waiters(self) -> None:
        with self._queue.cond:
            if not self._all_done():
                return  # callbacks have run dry for a moment, as they do after each small file
            waiters = list(self._waiters)
            self._queue.cond.notify_all()
        for wake in waiters:
            wake()

    @staticmethod
    def _refuse_in_callback() -> None:
        if in_callback.get():
            raise InvalidStateError(
                "waiting inside a callback would wait for itself",
                hint="Call start_upload() there, which returns at once, and wait outside.",
            )
