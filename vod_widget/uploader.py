"""`VODUpload`, the queue as callers see it: options, methods and callbacks of the vendor's SDK, in Python.

It checks what it is given, then lets the scheduler decide. Public methods may be called from any thread, callbacks
included; none of them waits for the network but `wait`, `run`, `close`, `categories` and `play_url`. Floor 4.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import traitlets

from . import effects as fx
from . import events as ev
from . import library
from .addresses import check_address, check_api_endpoint, check_key, check_lifetime, check_region, region_of_endpoint
from .application import Application, AuthContext, current_record, in_callback
from .arguments import checked_reference, sts_keys
from .authority import Authority
from .caller import Callback
from .dispatcher import Dispatcher
from .engine import Engine, Settings
from .errors import (
    CredentialError,
    EndpointRefusedError,
    InvalidArgumentError,
    InvalidStateError,
    RestrictionError,
    VODError,
)
from .interfaces import Clock, CredentialProvider, Randomness, Source
from .lifetime import die_in_child, enroll, ensure_thread, let_transfers_end
from .metadata import build_metadata, check_size, media_type_of
from .model import (
    Category,
    Checkpoint,
    Grant,
    MediaType,
    UploadAddress,
    UploadAuth,
    UploaderState,
    UploadMetadata,
    UploadResult,
    UploadState,
)
from .options import CALLBACKS, OPTIONS, PLAIN, check_options
from .pace import CallPace
from .record import Record
from .scheduler import Scheduler
from .secret import bare
from .snapshots import freeze, result_of, totals_of
from .states import FileEvent
from .system import SystemClock, SystemRandomness
from .traits import LiveTrait, option_traits
from .upload_info import FileSnapshot, Totals, UploaderSnapshot, UploadInfo
from .workers import Rate

__all__ = ["AuthContext", "VODUpload"]

_log = logging.getLogger("vod_widget")

File = int | UploadInfo
Listener = Callable[[ev.Event], None]


class VODUpload(traitlets.HasTraits):
    """A queue that uploads files to ApsaraVideo VOD.

    Options are keywords and validated traits (`vod_widget.options.OPTIONS` tells each one's unit, range, default and
    reason): `user_id`, `region`, `retry_count`, `retry_duration`, `patience_s`, `part_size_bytes`, `parallel`,
    `parallel_files`, `timeout_s`, `api_calls_per_s`, `max_bandwidth_bytes_per_s`, `skip_uploaded`, `endpoint`,
    `checkpoint_dir`, `profile`. They count for files that start later; `max_bandwidth_bytes_per_s`, `api_calls_per_s`,
    `parallel` and `parallel_files` count at once.

    Plain attributes: `credentials` (`Credentials`, or a function that returns them), `get_auth` (a function or
    coroutine that takes an `AuthContext` and returns the answer of the VOD operation as a dict), and the callbacks
    `on_file_added`, `on_upload_started`, `on_upload_succeed`, `on_upload_failed`, `on_upload_progress`,
    `on_upload_token_expired`, `on_upload_canceled`, `on_upload_retry`, `on_upload_end`. Callbacks may be coroutines;
    they run in order for each file.

    Live traits, read-only: `state`, `progress` (0..1), `done`, `failed`, `total` (files), `speed` (bytes/s).

    Raises:
        InvalidArgumentError: An unknown option, or a value of the wrong type or out of range.

    Source: "Upload SDK for mini programs" and "Upload SDK for JavaScript", https://www.alibabacloud.com/help/en/vod,
        read 2026-11; where we differ on purpose, `docs/differences.md` says why.
    """

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

    def __init__(self, **options: Any) -> None:
        if isinstance(options.get("credentials"), dict):
            # A traceback that shows local variables must not show a key.
            from .credentials import hidden

            options["credentials"] = hidden(options["credentials"])
        values = check_options(options)
        self._clock: Clock = SystemClock()
        self._random: Randomness = SystemRandomness()
        self._dispatcher = Dispatcher(self._clock, on_idle=self._tell_waiters)
        self._app = Application(
            self,
            self._clock,
            self._random,
            self._dispatcher,
            publish=self._publish,
            tell_waiters=self._tell_waiters,
        )
        self._queue = Scheduler(self._app, self._clock, self._dispatcher)
        self._app.queue = self._queue
        self._authority = Authority(self, self._clock, self._random, self._app.warn)
        self._authority.rate_of_one = lambda: self._queue.meter.bytes_per_s / max(1, len(self._queue.senders))
        self._closed = self._is_copy = False
        self._waiters: list[Callable[[], None]] = []
        self._published: dict[str, Any] = {}  # what observers were told last
        self._bandwidth = Rate(
            None, self._clock, burst_s=0.1
        )  # a limit that a person set is not overdrawn by a second's worth
        self._authority.region_is_given = "region" in options
        self.credentials = values.pop("credentials", None)
        self.get_auth: Callable[[AuthContext], Any] | None = values.pop("get_auth", None)
        for name in CALLBACKS:
            setattr(self, name, values.pop(name, None))
        super().__init__()
        with self.hold_trait_notifications():
            for name, value in values.items():
                setattr(self, name, value)
        self._check_place()
        self._limits_changed()
        self.observe(lambda _: self._limits_changed(), ["parallel", "parallel_files", "max_bandwidth_bytes_per_s"])
        self.observe(lambda _: self._region_was_given(), ["region"])
        self._published = self._live_values()

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a misspelt option or callback, which would never be heard of again."""
        if not name.startswith("_"):
            known = {o.name for o in OPTIONS} | {*CALLBACKS, *PLAIN}
            if name not in known and not hasattr(type(self), name):
                near = difflib.get_close_matches(name, sorted(known), n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise AttributeError(f"VODUpload has no {name!r}{meant}")
            if name in (*CALLBACKS, "get_auth") and value is not None and not callable(value):
                raise InvalidArgumentError(f"{name} must be a function", code="Option")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        t = self.totals()
        return f"<VODUpload {t.state}: {t.total} files, {t.done} done, {t.failed} failed, {t.progress:.0%}>"

    # ------------------------------------------------------------------ the list

    def add_file(
        self,
        file: Any,
        endpoint: str | None = None,
        bucket: str | None = None,
        object: str | None = None,  # noqa: A002 - the vendor's word, and part of the contract
        user_data: str | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        cate_id: int | str | None = None,
        cover: Any = None,
        cover_url: str | None = None,
        media_type: MediaType | str | None = None,
        reference_id: str | None = None,
        template_group_id: str | None = None,
        workflow_id: str | None = None,
        storage_location: str | None = None,
        app_id: str | None = None,
        show_watermark: bool | None = None,
        priority: int | str | None = None,
        message_callback: str | Mapping[str, Any] | None = None,
        extend: Any = None,
    ) -> UploadInfo:
        """Add a file to the end of the list; nothing is sent before `start_upload`.

        Args:
            file: A path, bytes or `io.BytesIO` (with `name`), an opened file, a source, or the seed's
                `{"url": path, "coverUrl": path}`.
            endpoint: Storage endpoint to use instead of the upload address's.
            bucket: Bucket to use instead of the upload address's.
            object: Object key to use instead of the upload address's.
            user_data: The vendor's userData: a dict or JSON text with the top key `Vod`. Keywords win over it.
            name: File name for VOD, with its extension, instead of the file's own.
            title: At most 128 bytes of UTF-8; default: the file name.
            description: At most 1,024 bytes.
            tags: At most 16 of at most 32 bytes each.
            cate_id: Category.
            cover: Image (as `file`) that is uploaded first and becomes the CoverURL; an http(s) URL is used as it is.
            cover_url: URL of the cover.
            media_type: `video`, `audio` or `image`; default: by the extension.
            reference_id: Idempotency key of the asset, 6 to 64 of letters, digits, `-` and `_`; default: random.
            template_group_id: Transcoding template group.
            workflow_id: Workflow; it wins over the template group.
            storage_location: Storage address of the account.
            app_id: Application.
            show_watermark: False turns the account's watermark off for this file.
            priority: Transcoding priority.
            message_callback: Where VOD reports this file: an URL, or the vendor's dict.
            extend: Any JSON, at most 512 bytes; comes back in VOD's callbacks.

        Returns:
            The live `UploadInfo`.

        Raises:
            RestrictionError: A limit of the service; the text names field, limit and remedy.
            SourceNotFoundError: Missing, unreadable or not a regular file.
            InvalidStateError: The same file is in the list and not finished (code `AlreadyQueued`).
            InvalidArgumentError: A bad argument.
        """
        from .sources import cover_of, open_source

        self._check_open()
        source: Source = open_source(file, name)
        try:
            kind = media_type_of(source.name, media_type)
            check_size(source.size_bytes, kind, source.name)
            cover = cover if cover is not None else cover_of(file)
            cover_source: Source | None = None
            if isinstance(cover, str) and cover.lower().startswith(("http://", "https://")):
                cover_url, cover = cover, None
            given: dict[str, Any] = {
                "user_data": user_data,
                "title": title,
                "description": description,
                "tags": tags,
                "cate_id": cate_id,
                "template_group_id": template_group_id,
                "workflow_id": workflow_id,
                "storage_location": storage_location,
                "app_id": app_id,
                "cover_url": cover_url,
                "show_watermark": show_watermark,
                "priority": priority,
                "message_callback": message_callback,
                "extend": extend,
            }
            # Of a hundred thousand queued files most say nothing: their metadata are made when they are looked at.
            says_something = any(value is not None for value in given.values())
            metadata = build_metadata(file_name=source.name, media_type=kind, **given) if says_something else None
            if cover is not None:
                cover_source = self._open_cover(cover, kind, source.name)
            record = Record(self._random.hex(16), source, kind, metadata)
            record.cover = cover_source
            record.reference_id = checked_reference(reference_id, source.name)
            if object:
                check_key(object)
            if (endpoint, bucket, object) != (None, None, None):
                record.given_address = (endpoint, bucket, object)
            return self._enlist(record)
        except BaseException as raised:
            source.close()
            if isinstance(raised, VODError):
                raised.file_name = raised.file_name or source.name
            raise

    def _enlist(self, record: Record) -> UploadInfo:
        info = UploadInfo(record)
        with self._queue.cond:
            if self._queue.unfinished(record.source.source_id) is not None:
                raise InvalidStateError(
                    "the file is in the list already and not finished",
                    code="AlreadyQueued",
                    hint="Wait for it, or remove it first.",
                    file_name=record.name,
                )
            record.info = info
            self._queue.add(record)
            self._app.emit(ev.FileAdded, record)
            self._app.fire(record, "on_file_added", info)
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
        record.checkpoint = checkpoint
        machine = self._app.make_machine(record)
        record.take_machine(machine)
        machine.state = UploadState.STOPPED if error is None else UploadState.FAILURE
        machine.error = error
        machine.ledger.accept(sum(part.size_bytes for part in checkpoint.parts))
        return self._enlist(record)

    def _open_cover(self, cover: Any, kind: MediaType, name: str) -> Source:
        from .sources import open_source

        if kind is MediaType.IMAGE:
            raise RestrictionError(
                "an image has no cover", code="Restriction.Cover", hint="Leave cover= out.", file_name=name
            )
        source = open_source(cover)
        try:
            media_type_of(source.name, MediaType.IMAGE)
            check_size(source.size_bytes, MediaType.IMAGE, source.name)
        except VODError:
            source.close()
            raise
        return source

    def list_files(self) -> list[UploadInfo]:
        """Return the files in list order; the list is a copy, the items are live."""
        with self._queue.cond:
            return [record.info for record in self._queue.records]

    def delete_file(self, file: File) -> bool:
        """Take a file off the list; what it has in the storage unfinished is aborted. Finished assets stay.

        Args:
            file: Index into `list_files()`, or the `UploadInfo`.

        Returns:
            True when it was in the list.

        Raises:
            IndexError: No such index.
        """
        with self._queue.cond:
            record = self._find(file)
            if record is None:
                return False
            self._queue.remove(record)
            work = self._interrupt(record, FileEvent.CANCEL, discard=True)
            self._app.emit(ev.FileRemoved, record)
            self._queue.settle()
        self._queue.act_all(work or [])
        if record.machine is None or not record.machine.busy:
            record.source.close()
        return True

    def move_file(self, file: File, index: int) -> bool:
        """Put a file at another place of the list; files start in list order.

        Args:
            file: Index or `UploadInfo`.
            index: Where it stands then, from 0; beyond the end means last.

        Returns:
            Whether it stands elsewhere now.

        Raises:
            IndexError: No such file.
            InvalidArgumentError: `index` is not a whole number, 0 or more.
        """
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise InvalidArgumentError(f"index must be a whole number, 0 or more, not {index!r}")
        with self._queue.cond:
            record = self._find(file)
            if record is None:
                return False
            to = min(index, len(self._queue.records) - 1)
            if self._queue.records[to] is record:
                return False
            self._queue.records.remove(record)
            self._queue.records.insert(to, record)
            self._queue._scan_from = 0  # what stands before the place of the last look may be Ready now
            self._app.emit(ev.FileMoved, record)
        return True

    def cancel_file(self, file: File) -> bool:
        """Give a file up: what runs is broken off and its parts are removed from the storage.

        VideoId, bucket and object stay known; `resume_file` refreshes that video and never makes a second one.

        Returns:
            True when its state changed; False for a file that has ended in success or was canceled before.

        Raises:
            IndexError: No such index.
        """
        return self._command(file, FileEvent.CANCEL)

    def pause_file(self, file: File) -> bool:
        """Halt a file and keep what it has sent; `resume_file` goes on from there.

        Raises:
            IndexError: No such index.
        """
        return self._command(file, FileEvent.PAUSE)

    def resume_file(self, file: File) -> bool:
        """Make a Canceled, Failure, Stopped or paused file Ready; it runs at once only when the queue runs.

        Raises:
            IndexError: No such index.
        """
        with self._queue.cond:
            record = self._find(file)
            if record is None:
                return False
            if record.state not in {UploadState.CANCELED, UploadState.FAILURE, UploadState.STOPPED}:
                return False
            self._queue.make_ready(record, FileEvent.RESUME)
            self._queue.settle()
        return True

    def retry_file(self, file: File) -> bool:
        """Try a failed file again, or end the wait of one that waits for its next attempt; starts the queue if need be.

        Raises:
            IndexError: No such index.
        """
        with self._queue.cond:
            record = self._find(file)
            if record is None:
                return False
            failed = record.state is UploadState.FAILURE
        if not failed:
            return self._queue.step(record, lambda machine: machine.retry_now())
        return bool(self._retry([record]))

    def retry_failed(self) -> int:
        """Try every failed file again; returns how many.

        Raises:
            MissingCredentialError: As `start_upload`; the files then keep their failure.
        """
        with self._queue.cond:
            failed = [r for r in self._queue.records if r.state is UploadState.FAILURE]
        return self._retry(failed)

    def _retry(self, records: list[Record]) -> int:
        if not records:
            return 0
        self._check_open()
        self._prepare()
        with self._queue.cond:
            failed = [r for r in records if r.state is UploadState.FAILURE and not r.removed]
            for record in failed:
                self._queue.make_ready(record, FileEvent.RESUME)
            self._go_on()
        return len(failed)

    def clean_list(self) -> None:
        """Halt the queue and empty the list; unfinished files are canceled and their parts removed."""
        self.stop_upload()
        work: list[Any] = []
        with self._queue.cond:
            for record in list(self._queue.records):
                self._queue.remove(record)
                work += self._interrupt(record, FileEvent.CANCEL, discard=True) or []
                self._app.emit(ev.FileRemoved, record)
            self._queue.settle()
        self._queue.act_all(work)

    def update_metadata(self, file: File, **fields: Any) -> bool:
        """Change metadata of a file that has not started: `title`, `tags`, `cover`, ... as in `add_file`.

        Returns:
            False when the file has started already.

        Raises:
            RestrictionError: A limit of the service; nothing is changed.
        """
        new_cover = "cover" in fields
        cover = fields.pop("cover", None)
        found = self._find(file)
        if found is None:
            return False
        # Opened before the condition is taken, for it may touch a disk.
        source = self._open_cover(cover, found.media_type, found.name) if cover is not None else None
        unused = source
        try:
            with self._queue.cond:
                changed = self._change_metadata(file, fields)
                if changed and new_cover:
                    unused, found.cover = found.cover, source
        finally:
            if unused is not None:
                unused.close()
        return changed

    def _change_metadata(self, file: File, fields: dict[str, Any]) -> bool:
        with self._queue.cond:
            record = self._find(file)
            if record is None or record.state is not UploadState.READY or record.media_id:
                return False
            if record.machine is not None and record.machine.busy:
                return False
            old = record.metadata
            merged: dict[str, Any] = {
                "title": old.title,
                "description": old.description,
                "tags": list(old.tags) or None,
                "cate_id": old.cate_id,
                "template_group_id": old.template_group_id,
                "workflow_id": old.workflow_id,
                "storage_location": old.storage_location,
                "app_id": old.app_id,
                "cover_url": old.cover_url,
            }
            unknown = sorted(set(fields) - set(merged))
            if unknown:
                raise InvalidArgumentError(f"unknown metadata {', '.join(unknown)}; known: {', '.join(merged)}")
            new = build_metadata(file_name=record.name, media_type=record.media_type, **{**merged, **fields})
            record.metadata = replace(new, api_user_data=old.api_user_data, notification=old.notification)
            record.machine = None
            self._app.emit(ev.StateChanged, record, state=str(record.state), phase=str(record.phase))
        return True

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

    def _command(self, file: File, event: FileEvent) -> bool:
        with self._queue.cond:
            record = self._find(file)
            if record is None:
                return False
            work = self._interrupt(record, event)
            if work is None:
                return False
            self._queue.settle()
        self._queue.act_all(work)
        return True

    def _interrupt(self, record: Record, event: FileEvent, *, discard: bool = False) -> list[Any] | None:
        record.asked = None
        if record.machine is None:
            try:
                self._queue.change_without_machine(record, event)
            except InvalidStateError:
                return None
            if event is FileEvent.CANCEL:
                self._app.on_note(record, fx.Canceled())
            return []
        machine = record.machine
        effects = self._queue._decide(record, machine, lambda m: m.interrupt(event, discard=discard))
        return None if effects is None else [(record, machine, effects)]

    # ------------------------------------------------------------------ control

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

    def stop_upload(self) -> None:
        """Halt the queue; running files become Stopped and keep what they have sent. Safe in every phase."""
        with self._queue.cond:
            work = self._queue.stop()
            self._queue.settle()
        self._queue.act_all(work)
        self._tell_waiters()

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
        self._refuse_in_callback()
        loop = self._dispatcher.home_loop
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
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
        self.start_upload()
        self.wait(timeout_s)
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
            self._closed = True
            records = list(self._queue.records)
            self._queue.cond.notify_all()
        self._authority.close()
        ended = self._queue.close(timeout_s)
        ended &= self._dispatcher.close(timeout_s)
        for record in records:
            record.source.close()
            if record.entry is not None:
                record.entry.release()
        self._tell_waiters()
        return ended

    def _end_with_process(self, grace_s: float) -> None:
        """Take nothing new, let requests that carry bytes end within the grace, then close."""
        with self._queue.cond:
            if self._closed or not self._is_running():
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

    # ------------------------------------------------------------------ authority by the application

    def set_upload_auth_and_address(
        self, upload_info: UploadInfo, upload_auth: str, upload_address: str, video_id: str
    ) -> None:
        """Answer `on_upload_started` (or `on_upload_token_expired`) with an upload credential and address.

        Args:
            upload_info: The file, as the callback got it.
            upload_auth: UploadAuth as VOD returned it.
            upload_address: UploadAddress as VOD returned it.
            video_id: VideoId; for an image its ImageId.

        Raises:
            CredentialError: Not readable or expired; the file fails with the same error.
            EndpointRefusedError: The address points to a host that is not the vendor's; the file fails too.
        """
        record = self._record_of(upload_info)
        try:
            auth = UploadAuth.decode(upload_auth, now_s=self._clock.now_s())
            address = UploadAddress.decode(upload_address)
            if not video_id or not isinstance(video_id, str):
                raise CredentialError("video_id is empty", code="InvalidUploadAuth")
            self._refuse_expired(auth)
            self._check_address(address, auth)
        except VODError as error:
            error.file_name = error.file_name or record.name
            del upload_auth, upload_address  # a traceback that shows local variables must not show a key
            self._app.refuse(record, bare(error))
            raise error from None
        self._app.answer(record, Grant(auth, address, video_id))

    def set_sts_token(
        self, upload_info: UploadInfo, access_key_id: str, access_key_secret: str, security_token: str
    ) -> None:
        """Answer `on_upload_started` with an STS token; the library then creates or refreshes the asset by itself.

        Raises:
            InvalidArgumentError: A part is missing; the file fails with the same error.
        """
        record = self._record_of(upload_info)
        try:
            keys = sts_keys(access_key_id, access_key_secret, security_token, None)
        except VODError as error:
            error.file_name = error.file_name or record.name
            del access_key_id, access_key_secret, security_token
            self._app.refuse(record, bare(error))
            raise error from None
        self._app.answer(record, keys)

    def resume_upload_with_auth(self, upload_auth: str, upload_info: UploadInfo | None = None) -> bool:
        """Give an expired file a new upload credential for the same object; it goes on where it stopped.

        Args:
            upload_auth: UploadAuth as RefreshUploadVideo returned it.
            upload_info: The file; None means the one whose `on_upload_token_expired` runs, else the only expired one.

        Returns:
            True when a file took it; False when none waits.

        Raises:
            CredentialError: Not readable; or the credential of another file or place (code `Auth.Mismatch`), by which
                this file fails.
            InvalidStateError: Several files wait; the text names them.
        """
        record = self._expired_record(upload_info)
        try:
            auth = UploadAuth.decode(upload_auth, now_s=self._clock.now_s())
        except VODError as error:
            del upload_auth
            raise bare(error) from None
        del upload_auth
        if record is None:
            return False
        try:
            self._refuse_mismatch(record, auth)
        except VODError as error:
            self._app.refuse(record, error)
            raise
        return self._app.answer(record, auth)

    def resume_upload_with_sts_token(
        self,
        access_key_id: str,
        access_key_secret: str,
        security_token: str,
        expire_time: Any = None,
        upload_info: UploadInfo | None = None,
    ) -> bool:
        """Give an expired file a new STS token; the library refreshes its asset with it.

        Args:
            access_key_id: Temporary key id.
            access_key_secret: Its secret.
            security_token: Its token.
            expire_time: When it ends: Unix seconds, or ISO text in UTC; may be left out.
            upload_info: As in `resume_upload_with_auth`.

        Returns:
            True when a file took it; False when none waits.

        Raises:
            InvalidArgumentError: A part is missing.
            InvalidStateError: Several files wait; the text names them.
        """
        record = self._expired_record(upload_info)
        try:
            keys = sts_keys(access_key_id, access_key_secret, security_token, expire_time)
        except VODError as error:
            del access_key_id, access_key_secret, security_token
            raise bare(error) from None
        return record is not None and self._app.answer(record, keys)

    def set_credentials(self, credentials: Any) -> None:
        """Set or forget (None) the queue's own credentials; running files keep those that they began with."""
        self.credentials = credentials
        self._authority.forget()
        self._look_again()

    def set_profile(self, profile: str | None) -> None:
        """Choose a profile by name and resolve it now.

        Raises:
            ProfileNotFoundError: No profile has that name; the former one stays.
            CredentialError: It cannot be used; the former one stays.
        """
        before = (self.profile, self.credentials)
        self.profile, self.credentials = profile, None
        self._authority.forget()
        try:
            if profile is not None:
                self._authority.resolve(required=True)
        except VODError:
            self.profile, self.credentials = before
            self._authority.forget()
            raise
        self._look_again()

    def _look_again(self) -> None:
        """Let files that start from now on use new keys, when the queue runs already."""
        with self._queue.cond:
            running = self._is_running()
        if running:
            destination = self._authority.resolve(required=False)
            with self._queue.cond:
                self._app.destination = destination
                self._queue.held = False
                work = self._queue.switch_waiting()
                self._queue.settle()
            self._queue.act_all(work)

    @property
    def credentials(self) -> Any:
        """The queue's own credentials as they were given, or None; a dict of keys is kept as `Credentials`."""
        return self._credentials

    @credentials.setter
    def credentials(self, value: Any) -> None:
        from .credentials import hidden

        self._credentials = hidden(value)

    @property
    def region_is_given(self) -> bool:
        """Whether the caller chose the region; else the profile's counts, and without one the default."""
        return self._authority.region_is_given

    @property
    def provider(self) -> CredentialProvider | None:
        """The credential provider in use, once there is one; for display (`name`, `region`, `endpoint`)."""
        return self._authority.provider

    # ------------------------------------------------------------------ looking

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
        """Return one row a file in list order, whatever its state."""
        with self._queue.cond:
            return [result_of(r) for r in self._queue.records]

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

    # ------------------------------------------------------------------ inside

    def _check_open(self) -> None:
        if self._is_copy:
            raise InvalidStateError(
                "this uploader belongs to the process that this one was forked from",
                hint="Make a new one here; the journal keeps the two from sending one file twice.",
            )
        if self._closed:
            raise InvalidStateError("this uploader is closed", hint="Make a new one.")

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
        try:
            self._dispatcher.home_loop = asyncio.get_running_loop()
        except RuntimeError:
            self._dispatcher.home_loop = None

    def _has_coroutine_callbacks(self) -> bool:
        callbacks = [getattr(self, name) for name in CALLBACKS] + [self.get_auth]
        return any(inspect.iscoroutinefunction(callback) for callback in callbacks)

    def _all_done(self) -> bool:
        return self._closed or (self._queue.quiet and self._app.ended_callbacks and self._dispatcher.idle)

    def _tell_waiters(self) -> None:
        with self._queue.cond:
            waiters = list(self._waiters)
            self._queue.cond.notify_all()
        for wake in waiters:
            wake()

    def _publish(self) -> None:
        """Tell observers of the live traits what changed; the timer thread, or the delivery thread at the end."""
        for name, value in self._live_values().items():
            old = self._published.get(name)
            if old != value:
                self._published[name] = value
                self._notify_trait(name, old, value)

    def _live_values(self) -> dict[str, Any]:
        return {name: self.live_value(name) for name in ("state", "progress", "done", "failed", "total", "speed")}

    def _limits_changed(self) -> None:
        self._bandwidth.per_s = self.max_bandwidth_bytes_per_s
        self._queue.concurrency.fixed = self.parallel
        self._queue.parallel_files = self.parallel_files
        self._queue.part_size_bytes = self.part_size_bytes
        self._queue.kick()

    def _region_was_given(self) -> None:
        self._authority.region_is_given = True

    def _check_place(self) -> None:
        """Refuse at once what no later answer can make right: a host that is not the vendor's, an unknown region."""
        if self.endpoint is not None:
            try:
                check_api_endpoint(self.endpoint)
            except EndpointRefusedError as error:
                raise InvalidArgumentError(f"endpoint: {error.message}", code=error.code) from None
        elsewhere = self.endpoint is not None or self.profile is not None or "VOD_WIDGET_ENDPOINT" in os.environ
        if self._authority.region_is_given:
            check_region(self.region, is_loopback=elsewhere)

    def _record_of(self, upload_info: UploadInfo) -> Record:
        if not isinstance(upload_info, UploadInfo):
            raise InvalidArgumentError("upload_info must be the UploadInfo that the callback got")
        record = upload_info._record
        if not record.removed and self._queue.find(record.file_id) is not record:
            raise InvalidArgumentError("upload_info belongs to another uploader", file_name=record.name)
        return record

    def _expired_record(self, upload_info: UploadInfo | None) -> Record | None:
        if upload_info is not None:
            record = self._record_of(upload_info)
            return record if self._is_expired(record) else None
        running = current_record.get()
        if running is not None and self._queue.find(running.file_id) is running and self._is_expired(running):
            return running
        with self._queue.cond:
            waiting = [r for r in self._queue.records if r.state is UploadState.EXPIRED and r.asked is not None]
        if len(waiting) > 1:
            names = ", ".join(r.name for r in waiting)
            raise InvalidStateError(
                f"several files wait for credentials: {names}", hint="Pass upload_info= to say which one is meant."
            )
        return waiting[0] if waiting else None

    @staticmethod
    def _is_expired(record: Record) -> bool:
        return record.state is UploadState.EXPIRED and record.asked is not None

    @staticmethod
    def _refuse_in_callback() -> None:
        if in_callback.get():
            raise InvalidStateError(
                "waiting inside a callback would wait for itself",
                hint="Call start_upload() there, which returns at once, and wait outside.",
            )

    def _refuse_expired(self, auth: UploadAuth) -> None:
        if auth.expires_at_s <= self._clock.now_s():
            raise CredentialError(
                "the UploadAuth has expired",
                code="Auth.Expired",
                hint="Call RefreshUploadVideo and pass its new UploadAuth.",
            )
        check_lifetime(auth)

    def _refuse_mismatch(self, record: Record, auth: UploadAuth) -> None:
        """Refuse a credential that was made for another file: each opens one object only."""
        region = region_of_endpoint(record.checkpoint_field("endpoint") or "")
        key = auth.credentials.access_key_id
        with self._queue.cond:
            running = [(r, r.machine.grant) for r in self._queue._active.values() if r.machine is not None]
        holders = [r for r, grant in running if grant is not None and grant.auth.credentials.access_key_id == key]
        other = next((r for r in holders if r is not record), None)
        if other is None and (not region or not auth.region or region == auth.region):
            return
        whose = f"is that of {other.name}" if other is not None else f"is for {str(auth.region)[:40]!r}, not {region}"
        raise CredentialError(
            f"the UploadAuth {whose}",
            code="Auth.Mismatch",
            hint=f"Call RefreshUploadVideo with this file's VideoId ({record.media_id}) and pass its UploadAuth.",
            file_name=record.name,
        )

    def _check_address(self, address: UploadAddress, auth: UploadAuth) -> None:
        to = self._app.destination
        check_address(address, auth.region, loopback_allowed=to is not None and to.loopback)
