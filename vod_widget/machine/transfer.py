"""Steps that move bytes: parts or one object, completing, looking, verifying. Floor 1, pure."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace

from vod_widget import effects as fx
from vod_widget.errors import (
    AccessDeniedError,
    AuthExpiredError,
    IntegrityError,
    KeysRefusedError,
    NoSuchUploadError,
    RequestRefusedError,
    ServiceError,
    SourceChangedError,
    UnexpectedAnswerError,
    VODError,
)
from vod_widget.model import (
    Grant,
    MediaType,
    ObjectInfo,
    Part,
    PartsPage,
    Phase,
    RemotePart,
    VideoStatus,
)
from vod_widget.options import PARTS_MAX
from vod_widget.parts import fitting
from vod_widget.retry import Action, classify, is_doubtful

from .permission import Authorizing
from .words import (
    UNPROVEN_ROUNDS,
    Drained,
    Found,
    Parked,
    RenewAhead,
    Restart,
    Steps,
)

__all__ = ["Transferring"]


class Transferring(Authorizing):
    """Bytes: from the plan to the verified object."""

    def _transfer_or_find(self) -> Steps:
        try:
            return (yield from self._transfer())
        except Found as found:
            return found.info

    def _transfer(self) -> Steps:
        part_size = self._first_part_bytes(self.checkpoint)
        if self.job.size_bytes <= part_size:
            if self.checkpoint.upload_id:
                yield from self._drop_old_upload()
                self.checkpoint = self._without_upload(self.checkpoint)
            # Durable before the bytes: what a PutObject left must never be taken for what a later upload brought.
            if not self.checkpoint.completed_before:
                self.checkpoint = replace(self.checkpoint, completed_before=True)
            if self.checkpoint.without_parts() != self._saved:
                yield from self._save()
            self._board.plan_single()
            self._seen_after = ""
            yield from self._send_all()
            if self._seen_after:
                self._compare_source(self._seen_after)
            else:  # its answer was lost, and the object was found
                yield from self._check_source()
            return self._board.single_info
        if self.checkpoint.upload_id:
            yield from self._check_parts()
        if not self.checkpoint.upload_id:
            yield from self._init(part_size)
        else:
            # Durable before the first byte, also when an earlier run was stopped, or its process killed, before it was.
            yield from self._save()
        self._plan_parts(part_size)
        tries = looks = 0
        while True:
            yield from self._send_all()
            if self._unproven:
                # Answers without a sum: the list may have the sums, and what it says is not ours is sent again.
                looks += 1
                yield from self._check_parts()
                self._plan_parts(part_size)
                if not self._board.done:
                    if looks > UNPROVEN_ROUNDS:
                        raise IntegrityError("parts were damaged on their way again and again")
                    continue
            yield from self._check_source()
            try:
                return (yield from self._complete())
            except RequestRefusedError as error:
                if error.code != "Parts":
                    raise
                tries += 1
                if tries == 1 and (yield from self._check_parts()):
                    self._plan_parts(part_size)
                    continue
                # What was sent is of no use: with it the same answer would come for ever.
                yield from self._drop_old_upload()
                if tries == 1:
                    raise Restart("Parts", error) from None
                yield from self._start_over(Restart("Parts"))
                raise

    def _plan_parts(self, part_size_bytes: int) -> None:
        self._board.plan(part_size_bytes, self.checkpoint.parts, exact=self.job.part_size_bytes is not None)

    def _check_source(self) -> Steps:
        self._compare_source((yield fx.CheckSource()))

    def _compare_source(self, fingerprint: str) -> None:
        if fingerprint != self.checkpoint.fingerprint:
            raise SourceChangedError("the file changed while it was sent")

    def _init(self, part_size_bytes: int) -> Steps:
        self.phase = Phase.PREPARING
        doubts = self._doubts
        upload_id: str = yield from self._oss(fx.Init)
        self.checkpoint = replace(self.checkpoint, upload_id=upload_id, part_size_bytes=part_size_bytes, parts=())
        try:
            # Durable before the first byte: after a kill the parts can be found and never become orphans.
            yield from self._save()
        except VODError:
            yield from self._drop_old_upload()
            self.checkpoint = replace(self.checkpoint, upload_id="")
            raise
        if self._known_before or self._doubts > doubts:
            yield from self._sweep()

    def _sweep(self) -> Steps:
        """Abort uploads of this object whose ids nobody knows, since the answer to their Init was lost.

        Only where the credential may list them, and only in a place that VOD has drawn for this asset.
        """
        if self.job.bucket or self.job.object:
            return
        try:
            for upload_id in (yield fx.ListUploads(self._need_grant())):
                if upload_id != self.checkpoint.upload_id:
                    yield fx.Abort(self._need_grant(), upload_id)
        except VODError:
            return  # they hold no byte, and the storage's lifecycle drops them

    def _check_parts(self) -> Steps:
        """Keep only parts whose bytes are known, on our side and on theirs, to be the file's.

        Returns:
            Whether the storage told what it has.
        """
        parts = [p for p in (*self.checkpoint.parts, *self._board.accepted()) if p.crc64 is not None]
        by_number = {p.part_number: p for p in parts}
        parts = sorted(by_number.values(), key=lambda p: p.part_number)
        reads_again = self.job.cheap_reads and self._hash_first
        if reads_again:
            parts = yield from self._as_in_file(parts)
        self._unproven = False
        may_list = True
        try:
            remote: dict[int, RemotePart] = yield from self._list_parts()
        except AccessDeniedError:
            may_list = False  # Not every upload credential may list: the object's CRC at the end decides.
        except NoSuchUploadError as error:
            yield from self._lost_upload(error, tuple(parts))
            return False
        else:
            # The list's ETag, not the one that was answered: a wrong one would be refused by Complete for ever.
            parts = [
                replace(p, etag=there.etag)
                for p in parts
                if (there := remote.get(p.part_number)) is not None
                and there.size_bytes == p.size_bytes
                and there.crc64 in (None, p.crc64)
            ]
            if reads_again:
                parts += yield from self._as_in_file(self._unnoted(remote, by_number.keys()))
        self._hash_first = False
        parts = list(fitting(sorted(parts, key=lambda p: p.part_number)))
        self.checkpoint = replace(self.checkpoint, parts=tuple(parts))
        self._board.reset()
        self.ledger.found(sum(part.size_bytes for part in parts))
        return may_list

    def _as_in_file(self, parts: list[Part]) -> Steps:
        """Those whose sum is that of the file's bytes now."""
        if not parts:
            return []
        crcs: tuple[int, ...] = yield from self._call(lambda: fx.HashParts(tuple(parts)))
        return [p for p, crc in zip(parts, crcs, strict=True) if p.crc64 == crc]

    def _unnoted(self, remote: dict[int, RemotePart], known: Container[int]) -> list[Part]:
        """Parts that only the storage knows, since the journal lost their lines (a lying disk, a full one, a kill).

        Sizes may differ from part to part, so a place in the file is known only while no number before it is missing.
        """
        found: list[Part] = []
        start = 0
        for number in range(1, len(remote) + 1):
            there = remote.get(number)
            if there is None or not there.size_bytes or start + there.size_bytes > self.job.size_bytes:
                break
            part = Part(number, start, start + there.size_bytes, there.etag, there.crc64)
            start = part.end
            if number not in known and part.crc64 is not None:
                found.append(part)
        return found

    def _list_parts(self) -> Steps:
        """Every stored part by its number; a page that fails is asked for again, not those before it."""
        found: dict[int, RemotePart] = {}
        after = 0
        while True:
            page: PartsPage = yield from self._oss(
                lambda grant, after=after: fx.ListParts(grant, self.checkpoint.upload_id, after)  # type: ignore[misc]
            )
            found.update((p.part_number, p) for p in page.parts)
            if page.following is None:
                return found
            if not after < page.following <= PARTS_MAX:
                raise UnexpectedAnswerError("the listing of the parts does not come to an end")
            after = page.following

    def _lost_upload(self, error: VODError, parts: tuple[Part, ...]) -> Steps:
        """The upload id is gone: completed by an answer that was lost or by another program, or dropped."""
        whole = sum(p.size_bytes for p in parts) == self.job.size_bytes
        if whole:
            self._board.plan(self.checkpoint.part_size_bytes, parts)
            found: ObjectInfo | None = yield from self._look()
            if found is not None:
                self.checkpoint = replace(self.checkpoint, parts=parts)
                raise Found(found)
        elif not self.checkpoint.completed_before:
            yield from self._take_foreign()
        raise Restart(error.code, error)

    def _take_foreign(self) -> Steps:
        """Parts are missing here, so only another program can have completed the object: are its bytes the file's?"""
        try:
            info: ObjectInfo | None = yield from self._oss(fx.Head)
        except AccessDeniedError:
            return
        if info is None or info.crc64 is None or not self.job.cheap_reads:
            return  # nothing there, or nothing that proves whose it is
        whole = Part(1, 0, self.job.size_bytes)
        (crc,) = yield fx.HashParts((whole,))
        if info.crc64 != crc:
            raise self._conflict()
        self.ledger.found(self.job.size_bytes)
        self._board.plan_single()
        self._board.object_done(whole, info, crc)
        raise Found(info)

    def _conflict(self) -> VODError:
        return RequestRefusedError(
            f"another program has stored other bytes as {self.checkpoint.media_id}",
            code="Conflict",
            hint="Look at that video in the console; to store this file too, remove it from the list and add it again.",
        )

    def _send_all(self) -> Steps:
        """Let the driver take transfers until the board is done."""
        self.phase = Phase.SENDING
        yield fx.PartAccepted()
        while not self._board.done:
            self._sending = True
            try:
                yield Parked()
            except RenewAhead:
                yield from self._renew_ahead()
            except AuthExpiredError as error:
                if error.code == "InvalidAccessKeyId" and self._grant_lives():
                    self._refuse_twice(error)
                yield from self._refresh(error)
                self.phase = Phase.SENDING
            except AccessDeniedError as error:
                self._refuse_twice(error)
                yield from self._refresh(error)
                self.phase = Phase.SENDING
            except NoSuchUploadError as error:
                self._sending = False
                yield fx.StopSending()
                yield Drained()
                yield from self._lost_upload(error, self._board.accepted())
            except VODError as error:
                if not (self._board.single and is_doubtful(error)):
                    raise
                # The whole object may be there although its answer was lost: looking costs no retry.
                self._sending = False
                yield from self._look_for_object()
                if not self._board.done:
                    yield from self._retry(error)
                self.phase = Phase.SENDING
        self._sending = False

    def _refuse_twice(self, error: ServiceError) -> None:
        """A living credential is refused: another one may help once, a second refusal is final.

        For an image the first one is, since its credential cannot be renewed without another ImageId.
        """
        if self._denied or self.job.media_type is MediaType.IMAGE:
            raise KeysRefusedError(
                error.message, status=error.status, code=error.code, request_id=error.request_id
            ) from None
        self._denied = True

    def _look_for_object(self) -> Steps:
        """After a PutObject without an answer: is it there? Reading the file again must be cheap for that."""
        if not self.job.cheap_reads:
            return
        whole = Part(1, 0, self.job.size_bytes)
        (crc,) = yield from self._call(lambda: fx.HashParts((whole,)))
        self.phase = Phase.VERIFYING
        try:
            info: ObjectInfo | None = yield from self._oss(fx.Head)
        except AccessDeniedError:
            return
        if info is not None and info.crc64 == crc:
            self._board.object_done(whole, info, crc)
            self._progress()

    def _renew_ahead(self) -> Steps:
        """Renew at 80 % of life; parts in flight go on with the old credential, which stays valid."""
        place = self._place()
        try:
            if self.job.get_auth and self._sts is None:
                yield from self._ask_get_auth(image=False)
            else:
                grant = yield fx.RefreshVideo(self.checkpoint.media_id, self._sts)
                yield from self._adopt(grant)
        except VODError as error:
            yield self._warn(error.code, f"the credential could not be renewed ahead of time: {error.message}")
            if self._sending:
                # The old credential still works: it is asked for again when it really ends, or a while later.
                assert self.grant is not None
                auth = self.grant.auth
                self.grant = replace(self.grant, auth=replace(auth, issued_at_s=self._clock.now_s()))
            else:
                # It has ended meanwhile, so every byte that is sent with it is sent in vain.
                yield from self._refresh(error)
                self.phase = Phase.SENDING
        if self._place() != place:
            raise Restart("Address.Changed", is_said=True)

    def _complete(self) -> Steps:
        self.phase = Phase.COMPLETING
        parts = self._board.accepted()
        may_be_ours = self.checkpoint.completed_before
        while True:
            try:
                return (yield fx.Complete(self._need_grant(), self.checkpoint.upload_id, parts))
            except AuthExpiredError as error:
                yield from self._refresh(error)
                self.phase = Phase.COMPLETING
            except VODError as error:
                gone = isinstance(error, NoSuchUploadError)
                doubtful = is_doubtful(error)
                if not doubtful and classify(error) not in {Action.RETRY, Action.LOOK}:
                    raise
                if doubtful or gone:
                    # Before a retry is spent: without any left, too, a file that is stored has succeeded.
                    found: ObjectInfo | None = yield from self._look()
                    if found is not None:
                        if not gone:
                            # The same bytes may stand there from an earlier run, beside this one's parts.
                            yield from self._drop_old_upload()
                        return found
                    if gone and self._other_bytes and not may_be_ours:
                        raise self._conflict() from None
                    if gone:
                        raise Restart(error.code, error) from None
                    may_be_ours = True
                yield from self._retry(error)
                self.phase = Phase.COMPLETING

    def _look(self) -> Steps:
        """Ask whether the object is there with our bytes; None when it is not, or when nothing proves it.

        Without a CRC64 an object says only that something was completed. That is proof while nothing but the present
        upload id can have been; else an earlier version of the file would pass for this one.
        """
        is_ours = not self.checkpoint.completed_before
        self.phase = Phase.VERIFYING
        expected = self._board.crc64()
        try:
            info: ObjectInfo | None = yield from self._oss(fx.Head)
        except AccessDeniedError:
            if not is_ours:
                return None
            status: VideoStatus | None = yield from self._call(
                lambda: fx.FindVideo(self.checkpoint.media_id, "", self._sts)
            )
            if status is not None and status.status not in {"Uploading", "UploadFail"}:
                return ObjectInfo(None, "", None)
            return None
        self._other_bytes = info is not None and info.crc64 not in (None, expected)
        if info is None or info.size_bytes not in (None, self.job.size_bytes) or info.crc64 not in (None, expected):
            return None
        return info if info.crc64 is not None or is_ours else None

    def _verify(self, info: ObjectInfo | None) -> Steps:
        self.phase = Phase.VERIFYING
        self._clear_wait()
        expected = self._board.crc64()
        if info is None or info.crc64 is None:
            try:
                info = yield from self._oss(fx.Head)
            except AccessDeniedError:
                info = info or ObjectInfo(None, "", None)
        if info is None:
            raise Restart("NoSuchKey", IntegrityError("the storage says that the object is not there"))
        self.request_id = info.request_id or self.request_id
        if info.crc64 is None:
            if info.size_bytes not in (None, self.job.size_bytes):
                raise Restart("Integrity", IntegrityError("the stored object has another length"))
            if info.size_bytes is None:
                yield self._warn("NoCrc", "the storage gave no CRC64: only the state of the asset was checked")
                return "status"
            yield self._warn("NoCrc", "the storage gave no CRC64: only the length was checked")
            return "length"
        if info.crc64 != expected:
            raise Restart("Integrity", IntegrityError("the CRC64 of the stored object is not that of the file"))
        return "crc64"

    def _start_over(self, again: Restart) -> Steps:
        self._sending = self._stored = False
        yield fx.StopSending()
        yield Drained()
        self.checkpoint = self._without_upload(self.checkpoint)
        self._board.reset()
        self.ledger.restart()
        if not again.is_said:
            yield fx.RestartedNote(again.reason)
        yield from self._save()

    def _oss(self, make: Callable[[Grant], fx.Effect]) -> Steps:
        """One call of the data plane with retries and refreshed credentials."""
        while True:
            try:
                return (yield make(self._need_grant()))
            except AuthExpiredError as error:
                phase = self.phase
                yield from self._refresh(error)
                self.phase = phase
            except VODError as error:
                if classify(error) is not Action.RETRY:
                    raise
                self._doubts += is_doubtful(error)
                phase = self.phase
                yield from self._retry(error)
                self.phase = phase
