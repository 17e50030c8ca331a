"""What every room of the public class shares: options, parts, and the questions that each asks first. Floor 4.

The rooms are layers, as those of the machine: each holds the public methods of one matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets

from vod_widget import effects as fx
from vod_widget.application import Application, AuthContext
from vod_widget.authority import Authority
from vod_widget.caller import Callback
from vod_widget.dispatcher import Dispatcher, running_loop
from vod_widget.engine import Engine, Settings
from vod_widget.errors import InvalidArgumentError, InvalidStateError
from vod_widget.interfaces import Clock, Randomness
from vod_widget.keeping import Keeper
from vod_widget.model import UploaderState
from vod_widget.pace import CallPace
from vod_widget.record import Record
from vod_widget.scheduler import Scheduler
from vod_widget.states import FileEvent
from vod_widget.traits import LiveTrait, option_traits
from vod_widget.upload_info import UploadInfo
from vod_widget.workers import Rate

__all__ = ["Core", "File"]

File = int | UploadInfo


class Core(traitlets.HasTraits):
    """Options and parts of a queue; `VODUpload` documents and makes them."""

    state = LiveTrait()
    progress = LiveTrait()
    done = LiveTrait()
    failed = LiveTrait()
    total = LiveTrait()
    speed = LiveTrait()
    if TYPE_CHECKING:
        user_id: str
        region: str
        retry_count: int
        retry_duration: float
        patience_s: float | None
        part_size_bytes: int | None
        parallel: int | None
        parallel_files: int | None
        timeout_s: float
        api_calls_per_s: float | None
        max_bandwidth_bytes_per_s: int | None
        content_md5: bool
        skip_uploaded: bool
        endpoint: str | None
        checkpoint_dir: str | None
        profile: str | None
        on_file_added: Callback | None
        on_upload_started: Callback | None
        on_upload_succeed: Callback | None
        on_upload_failed: Callback | None
        on_upload_progress: Callback | None
        on_upload_token_expired: Callback | None
        on_upload_canceled: Callback | None
        on_upload_retry: Callback | None
        on_upload_end: Callback | None
    else:
        for _name, _trait in option_traits().items():
            locals()[_name] = _trait
        del _name, _trait
    credentials: Any
    get_auth: Callable[[AuthContext], Any] | None
    _clock: Clock
    _random: Randomness
    _dispatcher: Dispatcher
    _app: Application
    _queue: Scheduler
    _authority: Authority
    _bandwidth: Rate
    _settings: Settings
    _closed: bool
    _is_copy: bool
    _keeper: Keeper | None
    _waiters: list[Callable[[], None]]

    def _check_open(self) -> None:
        if self._is_copy:
            raise InvalidStateError(
                "this uploader belongs to the process that this one was forked from",
                hint="Make a new one here; the journal keeps the two from sending one file twice.",
            )
        if self._closed:
            raise InvalidStateError("this uploader is closed", hint="Make a new one.")

    def _place_changed(self) -> None:
        """Files that have not begun would go elsewhere now."""
        keeper = getattr(self, "_keeper", None)  # options are set before there could be one
        if keeper is not None:
            keeper.look()

    def _is_running(self) -> bool:
        return self._queue.state in {UploaderState.START, UploaderState.EXPIRE}

    def _prepare(self) -> None:
        """Find authority and put the edges together, before the queue starts; may read files."""
        callback = self.on_upload_started is not None
        self._app.destination = self._authority.resolve(required=not callback and self.get_auth is None)
        journal = self._authority.journal()
        settings = Settings(journal, self._app.get_auth if self.get_auth is not None else None, self.content_md5)
        if self._queue.engine is None:
            self._queue.engine = Engine(
                store=self._authority.store(),
                api=self._authority.api(),
                clock=self._clock,
                bandwidth=self._bandwidth,
                pace=CallPace(self._clock, lambda: self.api_calls_per_s),
                settings=lambda: self._settings,
            )
        self._settings = settings

    def _take_loop(self) -> None:
        """Coroutine callbacks belong to the loop that runs where the queue is started, if one does."""
        self._dispatcher.home_loop = running_loop()

    def _find(self, file: File) -> Record | None:
        """The record of an index or an info; None for an info that left the list."""
        if isinstance(file, UploadInfo):
            record = file._record
            return None if record.removed or self._queue.find(record.file_id) is not record else record
        if isinstance(file, bool) or not isinstance(file, int):
            raise InvalidArgumentError("file must be an index or an UploadInfo")
        if not 0 <= file < len(self._queue.records):
            raise IndexError(f"no file {file}: the list has {len(self._queue.records)}")
        return self._queue.records[file]

    def _record_of(self, upload_info: UploadInfo) -> Record:
        if not isinstance(upload_info, UploadInfo):
            raise InvalidArgumentError("upload_info must be the UploadInfo that the callback got")
        record = upload_info._record
        if not record.removed and self._queue.find(record.file_id) is not record:
            raise InvalidArgumentError("upload_info belongs to another uploader", file_name=record.name)
        return record

    def _interrupt(self, record: Record, event: FileEvent, *, discard: bool = False) -> list[Any] | None:
        if record.machine is None:
            try:
                self._queue.change_without_machine(record, event)
            except InvalidStateError:
                return None
            if event is FileEvent.CANCEL:
                self._app.on_note(record, fx.Canceled())
            return []
        machine, record.run.asked = record.machine, None
        effects = self._queue._decide(record, machine, lambda m: m.interrupt(event, discard=discard))
        return None if effects is None else [(record, machine, effects)]
