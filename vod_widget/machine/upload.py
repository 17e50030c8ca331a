"""The upload of one file from top to bottom: open, get permission, send, verify, write down. Floor 1, pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vod_widget import effects as fx
from vod_widget.errors import (
    IntegrityError,
    NoSuchUploadError,
    RetriesExhaustedError,
    VODError,
)
from vod_widget.model import (
    ObjectInfo,
    Phase,
)
from vod_widget.options import RESTARTS_MAX
from vod_widget.states import FileEvent, next_file_state

from .context import may_be_created
from .transfer import Transferring
from .words import (
    Interrupted,
    Restart,
    Steps,
)

__all__ = ["Uploading"]


class Uploading(Transferring):
    """The run of one file, each step in its own layer below."""

    def _upload(self) -> Steps:
        self.phase = Phase.PREPARING
        self._progress()
        self._stored = False
        self._began_at_s = self._clock.now_s()
        opened: fx.Opened = yield from self._call(fx.OpenEntry)
        self._entry_open = True
        self._take_size(opened.size_bytes)
        if self._may_skip(opened):
            assert opened.finished is not None
            self.skipped = True
            self.image_url = opened.finished.get("image_url")
            self.checkpoint = replace(self.checkpoint, media_id=str(opened.finished.get("media_id", "")))
            yield from self._success(str(opened.finished.get("verified", "crc64")), None)
            return
        self._adopt_checkpoint(opened)
        yield from self._authorize()
        if self.checkpoint.fingerprint != opened.fingerprint:
            # With a permission in hand, so that the parts of the former version can be removed.
            yield from self._source_was_changed(opened.fingerprint)
        last: VODError | None = None
        for _ in range(1 + RESTARTS_MAX):
            try:
                info: ObjectInfo | None = yield from self._transfer_or_find()
                self._stored = True
                verified: str = yield from self._verify(info)
            except Restart as again:
                if isinstance(again.last, IntegrityError) and isinstance(last, IntegrityError):
                    raise again.last from None  # a second whole transfer was damaged too
                last = again.last or last
                yield from self._start_over(again)
                continue
            yield from self._success(verified, info)
            return
        raise RetriesExhaustedError(
            last or NoSuchUploadError("the storage dropped the parts again and again"), tuple(self.attempts)
        )

    def _take_size(self, size_bytes: int) -> None:
        """A file that was retried after it had changed may have another length."""
        if size_bytes != self.job.size_bytes:
            self.job = replace(self.job, size_bytes=size_bytes)
            self.ledger.total_bytes = size_bytes
            self._board.reset()

    def _may_skip(self, opened: fx.Opened) -> bool:
        """Whether the journal knows these bytes as stored here.

        Without `skip_uploaded` that counts only for the very asset of this file, which another process finished, and
        for what was stored since the file was wanted.
        """
        done = opened.finished
        if done is None or not opened.fingerprint_is_strong or done.get("fingerprint") != opened.fingerprint:
            return False
        mine = self.checkpoint.media_id
        if self.job.wanted_since_s is not None and opened.finished_at_s >= self.job.wanted_since_s:
            return True
        return self.job.skip_uploaded or bool(mine and mine == done.get("media_id"))

    def _adopt_checkpoint(self, opened: fx.Opened) -> None:
        found = opened.checkpoint
        mine = self.checkpoint
        if found is not None and not mine.media_id and not mine.upload_id:
            self.checkpoint = replace(
                found,
                file_id=self.job.file_id,
                reference_id=found.reference_id if found.media_id else self.job.reference_id or found.reference_id,
                metadata=mine.metadata or found.metadata,
                canceled=False,
            )
            if self._saved is None and may_be_created(found):
                self._create_doubtful = True  # an earlier process wrote it; of its own calls this one knows the end
            self._saved = found.without_parts()
            self._known_before = self._hash_first = True
        elif not mine.fingerprint:
            self.checkpoint = self._blank(opened.fingerprint)
        elif mine.canceled:
            self.checkpoint = replace(mine, canceled=False)

    def _source_was_changed(self, fingerprint: str) -> Steps:
        """The file is not the one that the checkpoint knows: the same asset, every byte again."""
        had_bytes = bool(self.checkpoint.parts) or self.ledger.loaded_percent > 0
        if self.checkpoint.upload_id:
            yield from self._drop_old_upload()
        self.checkpoint = replace(
            self._without_upload(self.checkpoint),
            fingerprint=fingerprint,
            size_bytes=self.job.size_bytes,
            part_size_bytes=0,
        )
        self._board.reset()
        self.ledger.restart()
        if had_bytes:
            yield fx.RestartedNote("Source.Changed")

    def _success(self, verified: str, info: ObjectInfo | None) -> Steps:
        if self._interrupt is not None:
            raise Interrupted
        self.verified = verified
        self.ledger.verify()
        self._committed = True
        if info is not None:
            self.request_id = info.request_id or self.request_id
        ck = self.checkpoint
        yield from self._close(
            fx.Closing.RELEASE if self.skipped else fx.Closing.FINISH,
            {
                "name": ck.name,
                "fingerprint": ck.fingerprint,
                "size_bytes": ck.size_bytes,
                "media_type": str(ck.media_type),
                "media_id": ck.media_id,
                "reference_id": ck.reference_id,
                "image_url": self.image_url,
                "bucket": ck.bucket,
                "object": ck.object,
                "crc64": None if self.skipped else self._board.crc64(),
                "verified": verified,
                "finished_at_s": self._clock.now_s(),
            },
        )
        self.state = next_file_state(self.state, FileEvent.SUCCEED)
        self.phase = Phase.NONE
        self._committed = False
        self._interrupt = None
        yield fx.Succeeded()

    def _close(self, how: fx.Closing, result: dict[str, Any] | None = None) -> Steps:
        if not self._entry_open:
            return
        self._entry_open = False
        try:
            yield fx.CloseEntry(how, result)
        except VODError as error:
            yield self._warn(error.code, error.message)
