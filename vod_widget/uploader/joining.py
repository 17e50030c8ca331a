"""Files that join the list: those that are added, and those that an earlier process left. Floor 4."""

from __future__ import annotations

from vod_widget import events as ev
from vod_widget.errors import InvalidStateError, VODError
from vod_widget.interfaces import Source
from vod_widget.keeping import Keeper
from vod_widget.lifetime import enroll
from vod_widget.model import Checkpoint, UploaderState, UploadMetadata, UploadState
from vod_widget.record import Given, Record
from vod_widget.upload_info import UploadInfo

from .control import Control

__all__ = ["Joining"]


class Joining(Control):
    """How a file comes into the queue, and what is kept of it for the next process until it begins."""

    def _enlist(self, record: Record) -> UploadInfo:
        info = UploadInfo(record)
        with self._queue.cond:
            record.info = info
            if not self._queue.add(record):
                raise InvalidStateError(
                    "the file is in the list already and not finished",
                    code="AlreadyQueued",
                    hint="Wait for it, or remove it first.",
                    file_name=record.name,
                )
            self._app.emit(ev.FileAdded, record)
            self._app.fire(record, "on_file_added", info)
            if self._queue.state is not UploaderState.INIT:  # before the first start nothing follows from one more
                self._queue.settle()
        return info

    def _restore(
        self, checkpoint: Checkpoint, metadata: UploadMetadata, source: Source, error: VODError | None = None
    ) -> UploadInfo:
        """Take a file of an earlier process back into the list with its ids; `_prepare` was called and fits.

        It gets its machine at once, so that it can be canceled before it runs. It is Stopped, or in Failure when its
        source could not be had.
        """
        record = Record(checkpoint.file_id or self._random.hex(16), source, checkpoint.media_type, metadata)
        record.get_ready().checkpoint = checkpoint
        machine = self._app.make_machine(record)
        record.take_machine(machine)
        machine.state = UploadState.STOPPED if error is None else UploadState.FAILURE
        machine.error = error
        machine.ledger.accept(sum(part.size_bytes for part in checkpoint.parts))
        return self._enlist(record)

    def _restore_waiting(self, checkpoint: Checkpoint, given: Given, source: Source) -> UploadInfo:
        """Take a file that an earlier process had not begun into the list, in Stopped."""
        record = Record(checkpoint.file_id, source, checkpoint.media_type)
        record.given = given
        record.hold(UploadState.STOPPED, paused=False)
        return self._enlist(record)

    def _keep_waiting(self) -> Keeper:
        """Keep the files that have not begun for the next process from now on; may be called twice."""
        with self._queue.cond:
            if (known := self._keeper) is not None:
                return known
            keeper = self._keeper = Keeper(self, self._clock)
            self._app.keeper = keeper.hear
        enroll(self)
        keeper.look()
        return keeper
