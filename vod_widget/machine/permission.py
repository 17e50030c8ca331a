"""Steps that get permission to send: ask the application, create the asset, refresh it. Floor 1, pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vod_widget import effects as fx
from vod_widget.addresses import check_address, check_lifetime
from vod_widget.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthExpiredError,
    KeysRefusedError,
    NoSuchUploadError,
    NotFoundError,
    VODError,
)
from vod_widget.model import (
    Checkpoint,
    Credentials,
    Grant,
    MediaType,
    Phase,
    UploadAddress,
    UploadAuth,
    VideoStatus,
)
from vod_widget.options import EXPIRIES_MAX
from vod_widget.parts import choose_part_size
from vod_widget.retry import Action, classify, is_doubtful
from vod_widget.states import FileEvent, next_file_state

from .context import Context
from .words import (
    ABORT_TRIES,
    IMAGE_CREATES_MAX,
    Interrupted,
    Restart,
    Steps,
)

__all__ = ["Authorizing"]


class Authorizing(Context):
    """Permission: from the application, from `get_auth`, or from the queue's own keys."""

    def _authorize(self) -> Steps:
        self.phase = Phase.AUTHORIZING
        answer: object = None
        if self.job.asks_app:
            self.wait_for_app = True
            answer = yield fx.AskApp()
            self.wait_for_app = False
        self._progress_at_s = self._clock.monotonic_s()
        if isinstance(answer, Grant):
            if self.job.has_cover:
                yield self._warn("Cover", "the cover was not sent: this asset was created with a CoverURL of its own")
            self._app_grants = True
            yield from self._adopt(answer)
            return
        self._app_grants = False
        self._sts = answer if isinstance(answer, Credentials) else None
        if self.job.media_type is MediaType.IMAGE and self._grant_lives():
            return  # An image cannot be refreshed: asking again would make a second one.
        yield from self._obtain()

    def _grant_lives(self) -> bool:
        grant = self.grant
        return (
            grant is not None
            and grant.media_id == self.checkpoint.media_id
            and grant.auth.expires_at_s > self._clock.now_s()
        )

    def _obtain(self) -> Steps:
        """Create the asset, or refresh the one that we have."""
        image = self.job.media_type is MediaType.IMAGE
        if self.job.has_cover and not image and not self.checkpoint.media_id and self._cover_url is None:
            self._cover_url = self.checkpoint.metadata.get("cover_url")
            if not self._cover_url and (yield from self._send_cover()):
                return
            self.checkpoint = replace(
                self.checkpoint, metadata={**self.checkpoint.metadata, "cover_url": self._cover_url}
            )
        if image and self.checkpoint.media_id:
            yield self._warn(
                "Image.Again",
                f"the credential of image {self.checkpoint.media_id} ended and cannot be refreshed: it is created "
                "again, and the former ImageId may stay without bytes",
            )
        if self.job.get_auth and self._sts is None:
            yield from self._ask_get_auth(image=image)
        elif image:
            yield from self._create_image()
        else:
            yield from self._create_or_refresh_video()

    def _ask_get_auth(self, *, image: bool) -> Steps:
        known = self.checkpoint.media_id
        if image:
            kind = fx.AuthKind.CREATE_IMAGE
        else:
            kind = fx.AuthKind.REFRESH_VIDEO if known else fx.AuthKind.CREATE_VIDEO
            yield from self._name_reference()
        grant = yield from self._call(
            lambda: fx.GetAuth(kind, known if kind is fx.AuthKind.REFRESH_VIDEO else "", self.checkpoint.reference_id)
        )
        yield from self._adopt(grant)

    def _name_reference(self) -> Steps:
        """Make the idempotency key durable before the call that uses it."""
        if not self.checkpoint.reference_id:
            self.checkpoint = replace(self.checkpoint, reference_id=self._random.hex(32))
        yield from self._save()

    def _save(self) -> Steps:
        """Make the checkpoint durable before anything that relies on it."""
        now = self.checkpoint.without_parts()
        yield from self._call(lambda: fx.SaveCheckpoint(self._to_save(), durable=True))
        self._saved = now

    def _create_image(self) -> Steps:
        grant: Grant | None = yield from self._make_image(lambda: fx.CreateImage(self._sts))
        if grant is not None:
            yield from self._adopt(grant, is_new=True)

    def _send_cover(self) -> Steps:
        """Upload the cover as an image of its own; True when the application has answered with a whole permission."""
        while True:
            grant = self._cover_grant
            try:
                if grant is not None and grant.auth.expires_at_s > self._clock.now_s():
                    self._cover_url = yield fx.PutCover(grant)
                    return False
            except AuthExpiredError:
                self._cover_grant = None
                if self._image_creates >= IMAGE_CREATES_MAX:
                    raise
            except VODError as error:
                if classify(error) is not Action.RETRY:
                    raise
                # With the same grant: each CreateUploadImage makes another image.
                yield from self._retry(error)
                self.phase = Phase.AUTHORIZING
                continue
            made: Grant | None = yield from self._make_image(lambda: fx.CreateCover(self._sts))
            if made is None:
                yield self._warn("Cover", "the cover was not sent: the application gave a permission of its own")
                return True
            address = check_address(made.address, made.auth.region, loopback_allowed=self.job.loopback_allowed)
            check_lifetime(made.auth)
            self._cover_grant = replace(made, address=address)

    def _make_image(self, make: Callable[[], fx.Effect]) -> Steps:
        """CreateUploadImage: its grant, or None when the application has answered with a whole permission.

        There is no refresh and no reference id for images (protocol A5): a repeated call makes another id, so it is
        counted, named, and done at most once more.
        """
        while True:
            self._image_creates += 1
            try:
                return (yield make())
            except VODError as error:
                if is_doubtful(error):
                    if self._image_creates >= IMAGE_CREATES_MAX:
                        raise
                    yield self._warn("Image.Unknown", "an ImageId without bytes may remain: its answer was lost")
                else:
                    self._image_creates -= 1
                    if classify(error) is Action.REFRESH:
                        if (yield from self._new_keys(error)):
                            return None
                        continue
                    if classify(error) is not Action.RETRY:
                        raise
                phase = self.phase
                yield from self._retry(error)
                self.phase = phase

    def _create_or_refresh_video(self) -> Steps:
        if not self.checkpoint.media_id:
            yield from self._name_reference()
        # A create that nobody knows the end of is looked up in whichever run or process comes next.
        looked_for = self._create_doubtful
        exists: AlreadyExistsError | None = None
        while True:
            try:
                if self.checkpoint.media_id:
                    grant = yield fx.RefreshVideo(self.checkpoint.media_id, self._sts)
                elif looked_for:
                    found: VideoStatus | None = yield fx.FindVideo("", self.checkpoint.reference_id, self._sts)
                    looked_for = self._create_doubtful = False
                    if found is None and exists is not None:
                        raise AlreadyExistsError(
                            f"reference id {self.checkpoint.reference_id} was used before, but no video has it",
                            request_id=exists.request_id,
                        )
                    if found is None:
                        continue
                    mine = self.checkpoint.reference_id != self.job.reference_id  # drawn at random: it is ours
                    other_size = found.size_bytes not in (None, self.job.size_bytes)
                    if not mine and ((found.title and found.title != self.job.metadata.title) or other_size):
                        raise AlreadyExistsError(
                            f"reference id {self.checkpoint.reference_id} belongs to another video, {found.title!r}"
                        )
                    # One that the caller named may have been filled by an earlier program.
                    self.checkpoint = replace(self.checkpoint, media_id=found.video_id, completed_before=not mine)
                    continue
                else:
                    grant = yield fx.CreateVideo(self.checkpoint.reference_id, self._sts, self._cover_url)
                    yield from self._adopt(grant, is_new=True)
                    return
                yield from self._adopt(grant)
                return
            except AlreadyExistsError as error:
                if self.checkpoint.media_id or looked_for or error.code == "Reference.Conflict":
                    raise
                looked_for, exists = True, error
            except NotFoundError as error:
                if not self.checkpoint.media_id:
                    raise
                raise NotFoundError(
                    f"the video {self.checkpoint.media_id} of this file was deleted",
                    status=error.status,
                    code="Video.Gone",
                    request_id=error.request_id,
                ) from None
            except AccessDeniedError as error:
                if not looked_for or isinstance(error, KeysRefusedError):
                    raise
                raise AccessDeniedError(
                    "CreateUploadVideo may have got through unheard, and the account may not look the video up",
                    status=error.status,
                    code="Create.Unknown",
                    hint=f"Look for reference id {self.checkpoint.reference_id} in the console; if there is no such "
                    "video, remove the file and add it again.",
                    request_id=error.request_id,
                ) from None
            except AuthExpiredError as error:
                if (yield from self._new_keys(error)):
                    return
            except VODError as error:
                if classify(error) is not Action.RETRY:
                    raise
                if not self.checkpoint.media_id and is_doubtful(error):
                    looked_for = self._create_doubtful = True
                yield from self._retry(error)

    def _adopt(self, grant: Grant, *, is_new: bool = False) -> Steps:
        """Take a permission: check where it points, and note which asset and object it is for.

        Args:
            grant: The permission.
            is_new: Whether we have just made its asset ourselves, so that nothing can stand in it yet.
        """
        grant = self._checked(grant)
        address = grant.address
        self.request_id = grant.request_id or self.request_id
        before = self.checkpoint
        moved = bool(before.object) and (before.bucket, before.object) != (address.bucket, address.object)
        if moved:
            self._sending = False  # nothing may leave for the former place, nor for the new one before it is planned
            had_bytes = bool(before.upload_id) or self.ledger.loaded_percent > 0
            if before.upload_id:
                yield from self._drop_old_upload()
            self._board.reset()
            self.ledger.restart()
            before = self._without_upload(before)
            if had_bytes:
                yield fx.RestartedNote("Address.Changed")
        self.grant = grant
        self.image_url = grant.image_url or self.image_url
        self._grants += 1
        media_id = grant.media_id or before.media_id
        stained = before.completed_before if media_id == before.media_id else not is_new
        self.checkpoint = replace(
            before,
            media_id=media_id,
            completed_before=stained or self._goes_as_one(before),
            endpoint=address.endpoint,
            bucket=address.bucket,
            object=address.object,
        )
        if self.checkpoint != before or moved:
            yield from self._save()
        self._clear_wait()

    def _checked(self, grant: Grant) -> Grant:
        """The permission with the caller's overrides, once it points to a place that may have our bytes."""
        job, address = self.job, grant.address
        if job.endpoint or job.bucket or job.object:
            address = UploadAddress(
                job.endpoint or address.endpoint, job.bucket or address.bucket, job.object or address.object
            )
        address = check_address(address, grant.auth.region, loopback_allowed=job.loopback_allowed)
        check_lifetime(grant.auth)
        return grant if address is grant.address else replace(grant, address=address)

    def _first_part_bytes(self, checkpoint: Checkpoint) -> int:
        job = self.job
        return checkpoint.part_size_bytes or choose_part_size(
            job.size_bytes, job.part_size_bytes or job.first_part_bytes
        )

    def _goes_as_one(self, checkpoint: Checkpoint) -> bool:
        return self.job.size_bytes <= self._first_part_bytes(checkpoint)

    def _drop_old_upload(self) -> Steps:
        kept = f"old parts of {self.job.name} stay until the storage's lifecycle drops them"
        if self.grant is None or self.grant.auth.expires_at_s <= self._clock.now_s():
            yield self._warn("Abort", kept)
            return
        for number in range(1, ABORT_TRIES + 1):
            try:
                yield fx.Abort(self.grant, self.checkpoint.upload_id)
            except (NotFoundError, NoSuchUploadError):
                return
            except VODError as error:
                if number < ABORT_TRIES and classify(error) is Action.RETRY:
                    yield fx.Timer(self.policy.wait_s(number, error, self._random))
                    continue
                yield self._warn("Abort", kept)
            return

    def _new_keys(self, error: VODError) -> Steps:
        """The keys behind the control plane ran out; True when the application answered with a whole permission.

        The queue's own keys are refreshed by the driver, which saw the error too; so there is only to try again.
        """
        self._expiries += 1
        if self._expiries > EXPIRIES_MAX or (self._sts is None and not self.job.own_authority):
            raise error
        if self._sts is None:
            return False
        return (yield from self._ask_for_new(error))

    def _ask_for_new(self, error: VODError) -> Steps:
        """Ask the application; True when its answer is a permission, False when it is keys to get one with."""
        if self._interrupt is not None:
            raise Interrupted  # the person may want the file again already: its state is that of the next run
        self.state = next_file_state(self.state, FileEvent.EXPIRE)
        self.phase = Phase.NONE
        self.error = error
        self.wait_for_app = True
        answer = yield fx.AskApp(error)
        self.wait_for_app = False
        self.state = next_file_state(self.state, FileEvent.AUTHORIZE)
        self._progress_at_s = self._clock.monotonic_s()  # patience is for faults, not for a person who takes their time
        self.phase = Phase.AUTHORIZING
        self.error = None
        if isinstance(answer, Credentials):
            self._sts = answer
            self._app_grants = False
            return False
        if isinstance(answer, UploadAuth) and self.grant is not None:
            answer = replace(self.grant, auth=answer)
        if not isinstance(answer, Grant):
            raise error
        self._app_grants = True
        yield from self._adopt(answer)
        return True

    def _call(self, make: Callable[[], fx.Effect]) -> Steps:
        """One effect with retries; errors that a wait does not cure are raised."""
        while True:
            try:
                return (yield make())
            except AuthExpiredError as error:
                yield from self._new_keys(error)
            except VODError as error:
                if classify(error) is not Action.RETRY:
                    raise
                phase = self.phase
                yield from self._retry(error)
                self.phase = phase

    def _refresh(self, error: VODError) -> Steps:
        """The upload credential ran out: get another for the same object, once for all parts."""
        self._sending = False
        self._expiries += 1
        if self._expiries > EXPIRIES_MAX:
            raise AuthExpiredError(
                "new credentials expired again and again without a single accepted byte",
                code="Auth.Expired",
                request_id=error.request_id,
            )
        self.phase = Phase.AUTHORIZING
        place = self._place()
        granted = False
        if self._app_grants:
            granted = yield from self._ask_for_new(error)
        if not granted:
            yield from self._obtain()
        if self._place() != place:
            raise Restart("Address.Changed", error, is_said=True)

    def _place(self) -> tuple[str, str]:
        """Where the object is; a credential for another place is a new beginning."""
        return self.checkpoint.bucket, self.checkpoint.object
