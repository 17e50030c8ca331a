"""The list of files: adding, ordering, changing, giving up, trying again. Floor 4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import repeat
from operator import is_not
from typing import Any

from vod_widget import events as ev
from vod_widget.addresses import check_key
from vod_widget.arguments import checked_reference
from vod_widget.errors import InvalidArgumentError, RestrictionError, VODError
from vod_widget.interfaces import Source
from vod_widget.metadata import build_metadata, check_size, media_type_of
from vod_widget.model import MediaType, Rows, UploadState
from vod_widget.record import Given, Record
from vod_widget.sources import cover_of, open_source
from vod_widget.states import FileEvent
from vod_widget.upload_info import UploadInfo

from .core import File
from .joining import Joining

__all__ = ["Listing"]


class Listing(Joining):
    """What is in the queue, and what a person does with one file of it."""

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
        self._check_open()
        source: Source = open_source(file, name)
        try:
            kind = media_type_of(source.name, media_type)
            check_size(source.size_bytes, kind, source.name)
            if cover is None and not isinstance(file, str):
                cover = cover_of(file)
            cover_source: Source | None = None
            if isinstance(cover, str) and cover.lower().startswith(("http://", "https://")):
                cover_url, cover = cover, None
            words: dict[str, Any] = {
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
            says_something = any(map(is_not, words.values(), repeat(None)))
            metadata = build_metadata(file_name=source.name, media_type=kind, **words) if says_something else None
            if cover is not None:
                cover_source = self._open_cover(cover, kind, source.name)
            reference = checked_reference(reference_id, source.name)
            if object:
                check_key(object)
            record = Record(self._random.hex(16), source, kind)
            if metadata or cover_source or reference or endpoint or bucket or object:
                record.given = Given(metadata, cover_source, reference, (endpoint, bucket, object))
            return self._enlist(record)
        except BaseException as raised:
            source.close()
            if isinstance(raised, VODError):
                raised.file_name = raised.file_name or source.name
            raise

    def _open_cover(self, cover: Any, kind: MediaType, name: str) -> Source:
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
            return Rows(record.info for record in self._queue.records)

    def delete_file(self, file: File) -> bool:
        """Take a file off the list; what it has in the storage unfinished is aborted. Finished assets stay.

        Args:
            file: Index into `list_files()`, or the `UploadInfo`.

        Returns:
            True when it was in the list.

        Raises:
            IndexError: No such index.
        """
        info = self._looked_up(file)
        with self._queue.cond:
            record = self._find(info) if info is not None else None
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
        info = self._looked_up(file)
        return info is not None and self._command(info, FileEvent.CANCEL)

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

    def _retry_files(self, infos: Iterable[UploadInfo]) -> int:
        """Do as `retry_file` to many, with one look for keys; return how many changed.

        Raises:
            MissingCredentialError: As `start_upload`; the files then keep their failure.
        """
        with self._queue.cond:
            records = [info._record for info in infos if self._queue.find(info.file_id) is info._record]
            waiting = [r for r in records if r.state is UploadState.UPLOADING]
        changed = self._retry([r for r in records if r.state is UploadState.FAILURE])
        return changed + sum(self._queue.step(record, lambda machine: machine.retry_now()) for record in waiting)

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
        with self._queue.cond:
            records = list(self._queue.records)
        self._look_into_journal(records)
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

    def _looked_up(self, file: File) -> UploadInfo | None:
        """The file that is meant, once the journal was asked about it; None when it is not in the list."""
        with self._queue.cond:
            record = self._find(file)
        if record is None:
            return None
        self._look_into_journal([record])
        info: UploadInfo = record.info
        return info

    def _look_into_journal(self, records: list[Record]) -> None:
        """Give files that never ran here their machine where an earlier process left something of them.

        Only the journal knows of that, and a file that is given up must not leave it behind. Reads the journal's
        folder, and looks for keys when the queue has not yet: called before a decision and without the condition.
        """
        waiting = [r for r in records if r.machine is None and r.state is not UploadState.SUCCESS]
        if not waiting or self._closed or self._is_copy:
            return
        try:
            journal = self._authority.journal()
            if not journal.has_entries():
                return
            if self._app.destination is None:
                self._prepare()
            to = self._app.destination
            assert to is not None
            known = journal.knows([record.source.source_id for record in waiting], to.label)
        except VODError:
            return  # nobody can remove it now; the entry stays, and `vw.resume` shows it
        with self._queue.cond:
            for record in waiting:
                if record.source.source_id in known and record.machine is None:
                    machine = self._app.make_machine(record)
                    machine.state = record.state
                    record.take_machine(machine)

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
