"""Looking at the queue: live values, frozen copies, events, and what the account tells of what is stored. Floor 4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vod_widget import events as ev
from vod_widget import library
from vod_widget.errors import InvalidStateError
from vod_widget.model import Category, Rows, UploadResult, UploadState
from vod_widget.snapshots import freeze, result_of, totals_of
from vod_widget.upload_info import FileSnapshot, Totals, UploaderSnapshot

from .core import Core, File

__all__ = ["Listener", "Looking"]

Listener = Callable[[ev.Event], None]


class Looking(Core):
    """Questions; nothing here changes a file."""

    def categories(self) -> list[Category]:
        """Ask the account for its categories (GetCategories), parents before their children; waits for the network.

        Raises:
            VODError: No keys were found, or the service said no.
        """
        return library.categories(self._authority)

    def play_url(self, file: File) -> str:
        """Ask where a stored video can be watched (GetPlayInfo); the address is good for a while.

        Args:
            file: Index or `UploadInfo` of a file in Success. The address of an image is its `image_url`.

        Raises:
            InvalidStateError: It is not stored yet, or it is an image.
            VODError: No keys, or the service said no; code "Play.NotReady" while it has no stream.
        """
        with self._queue.cond:
            record = self._find(file)
            video_id = record.info.video_id if record is not None and record.state is UploadState.SUCCESS else None
        if video_id is None:
            raise InvalidStateError("only a stored video can be played", hint="Wait until it is stored.")
        return library.play_url(self._authority, video_id)

    def totals(self) -> Totals:
        """Return the sums over the queue; cheap at any number of files."""
        with self._queue.cond:
            return totals_of(self._queue)

    def snapshot(self) -> UploaderSnapshot:
        """Return frozen copies of the sums and of every file."""
        with self._queue.cond:
            return UploaderSnapshot(
                self.totals(), tuple(freeze(r, self.region, self._clock.monotonic_s()) for r in self._queue.records)
            )

    def file_snapshot(self, file_id: str) -> FileSnapshot | None:
        """Return a frozen copy of one file, or None when it is not in the list."""
        with self._queue.cond:
            record = self._queue.find(file_id)
            return freeze(record, self.region, self._clock.monotonic_s()) if record is not None else None

    def results(self) -> list[UploadResult]:
        """Return one row a file in list order, whatever its state; printed, the list shows its first rows."""
        with self._queue.cond:
            return Rows(result_of(r) for r in self._queue.records)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with every event, on the delivery thread; it must not block.

        Returns:
            A function that ends the subscription.
        """
        with self._queue.cond:
            self._app.listeners = (*self._app.listeners, listener)

        def unsubscribe() -> None:
            with self._queue.cond:
                self._app.listeners = tuple(known for known in self._app.listeners if known is not listener)

        return unsubscribe

    def live_value(self, name: str) -> Any:
        """Return the present value of a live trait; what `LiveTrait` shows."""
        if not hasattr(self, "_queue"):
            return None
        if name == "state":
            return self._queue.state
        totals = self.totals()
        return {
            "progress": totals.progress,
            "done": totals.done,
            "failed": totals.failed,
            "total": totals.total,
            "speed": totals.speed_bytes_per_s,
        }[name]
