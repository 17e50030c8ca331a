"""One file's upload as a sans-IO machine: it decides, a driver acts.

The machine is a generator that yields one effect at a time and takes its outcome, so the order of the steps can be read from
top to bottom; parts alone run side by side, on a `Board` from which the driver takes the next transfer when it has room
("permit first, bytes second"). It owns no thread, no clock of its own and no socket: production drives it with
threads, a test with a list. Whoever drives it serialises the calls.

Theory of operation
- State changes that a person asks for (`interrupt`) are visible at once; what is in flight is then drained, and only
  after that are remote parts aborted and the journal let go. A late outcome is never lost and never wins over the person.
- Write ahead: the reference id is durable before CreateUploadVideo, the upload id before the first byte of a part.
- A doubtful create is looked up by reference id; a doubtful Complete is asked for with HEAD; neither is repeated blindly.
- A remote part counts only if its CRC64 is the one that we computed from the file.

Floor 1: imports floors 0 and 1 only. Runs under the lock of the queue, in whichever thread brings an outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import effects as fx
from .addresses import check_address
from .board import Board
from .errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthExpiredError,
    ClockSkewError,
    EndpointRefusedError,
    IntegrityError,
    NoSuchUploadError,
    NotFoundError,
    RequestRefusedError,
    RetriesExhaustedError,
    SourceChangedError,
    VODError,
)
from .interfaces import Clock, Randomness
from .model import (
    Checkpoint,
    Credentials,
    Grant,
    MediaType,
    ObjectInfo,
    Part,
    Phase,
    RemotePart,
    UploadAddress,
    UploadAuth,
    UploadMetadata,
    UploadState,
    VideoStatus,
)
from .options import EXPIRIES_MAX, RESTARTS_MAX
from .parts import choose_part_size
from .progress import Ledger
from .retry import Action, RetryPolicy, classify, is_doubtful
from .states import FileEvent, next_file_state

__all__ = ["FileMachine", "Job"]

Steps = Generator[fx.Effect | fx.Note, Any, Any]
Out = fx.Note | tuple[int, fx.Effect]

_NOT_ABANDONED = (
    fx.CreateVideo,
    fx.RefreshVideo,
    fx.CreateImage,
    fx.GetAuth,
    fx.SendCover,
    fx.Init,
    fx.Complete,
    fx.Abort,
    fx.OpenEntry,
    fx.SaveCheckpoint,
    fx.CloseEntry,
)
"""Effects whose outcome must be known before anything else is done with the file: each leaves something behind."""

_COUNT_AS_PROGRESS = (
    fx.CreateVideo,
    fx.RefreshVideo,
    fx.CreateImage,
    fx.GetAuth,
    fx.SendCover,
    fx.Init,
    fx.ListParts,
)
"""A good answer to one of these ends a streak of faults. Head and FindVideo are not here: they are asked between two tries
of the same call, which would then be tried for ever."""

_ABORT_TRIES = 3
_IMAGE_CREATES_MAX = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What the machine must know of one file; fixed for its life.

    Attributes:
        file_id: Our id.
        name: File name.
        size_bytes: Length, >= 1.
        media_type: Kind of asset.
        source_id: Stable identity of the source.
        destination: Account and region, as the journal names them.
        metadata: Checked metadata.
        reference_id: The caller's idempotency key, or "" to draw one.
        cheap_reads: Whether a resumed part may be read and hashed again.
        has_cover: Whether a cover must be uploaded before the asset is created.
        part_size_bytes: Exact part size, or None.
        skip_uploaded: Whether a finished entry with the same fingerprint ends the file at once.
        get_auth: Whether `get_auth` is set.
        own_authority: Whether the queue has credentials of its own.
        loopback_allowed: Whether plain http to loopback is allowed.
        endpoint: Override of the storage's endpoint, or None.
        bucket: Override, or None.
        object: Override, or None.
        profile: Name of the profile, for the journal.
    """

    file_id: str
    name: str
    size_bytes: int
    media_type: MediaType
    source_id: str
    destination: str
    metadata: UploadMetadata
    reference_id: str = ""
    cheap_reads: bool = True
    has_cover: bool = False
    part_size_bytes: int | None = None
    skip_uploaded: bool = False
    get_auth: bool = False
    own_authority: bool = False
    loopback_allowed: bool = False
    endpoint: str | None = None
    bucket: str | None = None
    object: str | None = None
    profile: str = ""


class _Interrupted(BaseException):  # never leaves this module
    """The person wants something else."""


class _Restart(Exception):  # never leaves this module
    """The object must be begun again."""

    def __init__(self, reason: str, last: VODError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last = last


class _Parked(fx.Effect):
    """Wait until the board is done, or until something is thrown."""


class _Drained(fx.Effect):
    """Wait until nothing is in flight."""


class FileMachine:
    """Decides for one file.

    Args:
        job: What to upload.
        policy: How often and how long to retry.
        clock: Time.
        randomness: Chance.
        checkpoint: What an earlier process left, when it is known before the entry is opened.
    """

    def __init__(
        self,
        job: Job,
        policy: RetryPolicy,
        clock: Clock,
        randomness: Randomness,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.job = job
        self.policy = policy
        self.state = UploadState.READY
        self.phase = Phase.NONE
        self.error: VODError | None = None
        self.attempts: list[tuple[int, VODError, float]] = []
        self.wait_until_s: float | None = None
        self.wait_reason = ""
        self.ledger = Ledger(job.size_bytes)
        self.checkpoint = checkpoint or self._blank("")
        self.grant: Grant | None = None
        self.verified = ""
        self.skipped = False
        self.request_id: str | None = None
        self.warnings: list[tuple[str, str]] = []
        self.wait_for_app = False
        self._clock = clock
        self._random = randomness
        self._known_before = checkpoint is not None
        self._hash_first = checkpoint is not None
        self._steps: Steps | None = None
        self._token = 0
        self._main: tuple[int, fx.Effect] | None = None
        self._board = Board(self.ledger)
        self._flight: dict[int, tuple[fx.Effect, int]] = {}
        self._sending = False
        self._interrupt: FileEvent | None = None
        self._discard = False
        self._settling = False
        self._committed = False
        self._restart_wanted = False
        self._sts: Credentials | None = None
        self._app_grants = False
        self._cover_url: str | None = None
        self._expiries = 0
        self._image_creates = 0
        self._skew_seen = False
        self._entry_open = False
        self._progress_at_s = clock.monotonic_s()
        self._grants = 0
        self._streak = 0

    # ------------------------------------------------------------------ what the driver calls

    @property
    def busy(self) -> bool:
        """Whether effects are in flight or steps are left."""
        return self._steps is not None

    @property
    def wants_transfer(self) -> int:
        """How many requests could be sent now."""
        if not self._sending or self.state is not UploadState.UPLOADING:
            return 0
        return self._board.available(self._clock.monotonic_s())

    @property
    def transfers_in_flight(self) -> int:
        """Requests that carry bytes."""
        return len(self._flight)

    def start(self) -> list[Out]:
        """Begin or go on; the file must be Ready. While an earlier run still drains, it begins when that is done."""
        self.state = next_file_state(self.state, FileEvent.START)
        self.error = None
        self.verified = ""
        self._interrupt = None
        self._discard = False
        if self._steps is None:
            return self._begin(self._run())
        if self._settling:
            self._restart_wanted = True
        else:
            # The step in flight was never told to stop: the run simply goes on.
            self.phase = Phase.PREPARING
        return []

    def ready(self, event: FileEvent) -> None:
        """Make the file Ready (`RESUME` or `REQUEUE`)."""
        self.state = next_file_state(self.state, event)
        self.phase = Phase.NONE
        self.error = None
        self.attempts.clear()
        self._clear_wait()

    def interrupt(self, event: FileEvent, *, discard: bool = False) -> list[Out] | None:
        """Stop, pause or cancel.

        Args:
            event: `STOP`, `PAUSE` or `CANCEL`.
            discard: With `CANCEL`: forget the journal entry too (the file leaves the list).

        Returns:
            What to do; None when nothing changes (the file has ended, or its success is being written down).
        """
        if self._committed:
            return None
        self._discard = self._discard or discard
        try:
            self.state = next_file_state(self.state, event)
        except VODError:
            if not (discard and self.state is UploadState.CANCELED):
                return None
        self.phase = Phase.PAUSED if event is FileEvent.PAUSE else Phase.NONE
        self.error = None if event is FileEvent.CANCEL else self.error
        self._clear_wait()
        self.wait_for_app = False
        self._restart_wanted = False
        self._interrupt = event
        self._sending = False
        out: list[Out] = [fx.Canceled()] if event is FileEvent.CANCEL else []
        if self._steps is None:
            if event is FileEvent.CANCEL and (self.checkpoint.upload_id or discard or self._known_before):
                out += self._begin(self._settle_alone())
            return out
        self._token += 1
        out.append((self._token, fx.StopSending()))
        if self._settling or self._main is None:
            return out
        if not isinstance(self._main[1], _NOT_ABANDONED):
            self._main = None
            out += self._advance_throw(_Interrupted())
        return out

    def next_transfer(self) -> tuple[int, fx.Effect] | None:
        """Return one request that carries bytes, or None when there is none to send now."""
        if not self._sending or self.state is not UploadState.UPLOADING or self.grant is None:
            return None
        part = self._board.take(self._clock.monotonic_s())
        if part is None:
            return None
        self._token += 1
        effect: fx.Effect = (
            fx.SendObject(self.grant, part)
            if self._board.single
            else fx.SendPart(self.grant, self.checkpoint.upload_id, part)
        )
        self._flight[self._token] = (effect, self._grants)
        if self.phase is Phase.WAITING:
            self.phase = Phase.SENDING
            self._clear_wait()
        return self._token, effect

    def refresh_due(self) -> bool:
        """Tell whether 80 % of the credential's life has passed; the driver asks before it hands out a part."""
        grant = self.grant
        if grant is None or not self._sending or self._app_grants or self.job.media_type is MediaType.IMAGE:
            return False
        life_s = grant.auth.expires_at_s - grant.auth.issued_at_s
        return self._clock.now_s() >= grant.auth.issued_at_s + 0.8 * life_s

    def refresh_ahead(self) -> list[Out]:
        """Renew the credential while parts go on."""
        if self._main is None or not isinstance(self._main[1], _Parked):
            return []
        self._main = None
        return self._advance_throw(_RenewAheadError(""))

    def succeed(self, token: int, value: Any) -> list[Out]:
        """Take the good outcome of an effect."""
        if token in self._flight:
            return self._transfer_done(token, value)
        if self._main is None or self._main[0] != token:
            return []
        if isinstance(self._main[1], _COUNT_AS_PROGRESS):
            self._streak = 0
            self._progress_at_s = self._clock.monotonic_s()
        self._main = None
        return self._advance_send(value)

    def fail(self, token: int, error: VODError) -> list[Out]:
        """Take the bad outcome of an effect."""
        error.file_name = error.file_name or self.job.name
        self.request_id = error.request_id or self.request_id
        if token in self._flight:
            return self._transfer_failed(token, error)
        if self._main is None or self._main[0] != token:
            return []
        self._main = None
        return self._advance_throw(error)

    def broken_off(self, token: int) -> list[Out]:
        """A transfer was broken by `StopSending`; nothing is known of it."""
        taken = self._flight.pop(token, None)
        if taken is not None and isinstance(taken[0], fx.SendPart | fx.SendObject):
            self._board.put_back(taken[0].part)
        return self._when_drained()

    def retry_now(self) -> list[Out] | None:
        """End a wait early; None when the file does not wait."""
        if self.phase is not Phase.WAITING:
            return None
        self._clear_wait()
        self._board.retry_now()
        if self._main is not None and isinstance(self._main[1], fx.Timer):
            self._main = None
            return self._advance_send(None)
        self.phase = Phase.SENDING
        return []

    # ------------------------------------------------------------------ running the generator

    def _begin(self, steps: Steps) -> list[Out]:
        self._steps = steps
        self._settling = False
        return self._advance_send(None)

    def _advance_send(self, value: Any) -> list[Out]:
        assert self._steps is not None
        return self._advance(self._steps.send, value)

    def _advance_throw(self, error: BaseException) -> list[Out]:
        assert self._steps is not None
        return self._advance(self._steps.throw, error)

    def _advance(self, resume: Callable[[Any], fx.Effect | fx.Note], value: Any) -> list[Out]:
        out: list[Out] = []
        assert self._steps is not None
        while True:
            try:
                step = resume(value)
            except StopIteration:
                break
            if isinstance(step, fx.Note):
                out.append(step)
                resume, value = self._steps.send, None
                continue
            if self._interrupt is not None and not self._settling and not self._committed:
                # The person spoke while a step was running: what it brought is recorded, nothing new begins.
                resume, value = self._steps.throw, _Interrupted()
                continue
            if isinstance(step, _Drained) and not self._flight:
                resume, value = self._steps.send, None
                continue
            self._token += 1
            if isinstance(step, fx.SavePart | fx.StopSending | fx.Wake):
                out.append((self._token, step))
                resume, value = self._steps.send, None
                continue
            self._main = (self._token, step)
            if not isinstance(step, _Parked | _Drained):
                out.append((self._token, step))
            return out
        self._steps = None
        self._main = None
        self._settling = False
        if self._restart_wanted:
            self._restart_wanted = False
            out += self._begin(self._run())
        return out

    def _when_drained(self) -> list[Out]:
        if not self._flight and self._main is not None and isinstance(self._main[1], _Drained):
            self._main = None
            return self._advance_send(None)
        return []

    def _run(self) -> Steps:
        try:
            yield from self._upload()
        except _Interrupted:
            yield from self._settle()
        except Exception as raised:
            error = raised if isinstance(raised, VODError) else _bug(raised)
            error.file_name = error.file_name or self.job.name
            self.request_id = error.request_id or self.request_id
            self._settling = True
            self._sending = False
            if self.state in {UploadState.UPLOADING, UploadState.EXPIRED}:
                self.state = next_file_state(self.state, FileEvent.FAIL)
                self.phase = Phase.NONE
                self.error = error
                self._clear_wait()
                yield fx.Failed(error)
            yield fx.StopSending()
            yield _Drained()
            if self._interrupt is not None:
                yield from self._settle()
            else:
                yield from self._close(fx.Closing.RELEASE)

    def _settle_alone(self) -> Steps:
        """Clean up a file that was cancelled while it did not run."""
        self._settling = True
        try:
            opened: fx.Opened = yield fx.OpenEntry()
        except VODError:
            return
        self._entry_open = True
        if opened.checkpoint is not None and not self.checkpoint.upload_id:
            self.checkpoint = opened.checkpoint
        yield from self._settle()

    def _settle(self) -> Steps:
        """Drain what is in flight, then do what the person asked for last."""
        self._settling = True
        self._sending = False
        done: FileEvent | None = None
        while True:
            yield _Drained()
            if self._interrupt is done or self._interrupt is None:
                break
            done = self._interrupt
            if done is FileEvent.CANCEL:
                yield from self._abort_remote()
        gone = self._discard and not self.checkpoint.upload_id
        yield from self._close(fx.Closing.DISCARD if gone else fx.Closing.RELEASE)

    def _abort_remote(self) -> Steps:
        """Abort the multipart upload and forget its parts; ids of the asset stay, so that a resume refreshes it."""
        self._board.reset()
        self.ledger.restart()
        if self.checkpoint.upload_id:
            # The tombstone: when the abort fails now, a later process finds what is to be aborted.
            self.checkpoint = replace(self.checkpoint, canceled=True)
            yield from self._save_quietly()
            for number in range(1, _ABORT_TRIES + 1):
                try:
                    if self.grant is None or self.grant.auth.expires_at_s <= self._clock.now_s():
                        self.grant = yield fx.RefreshVideo(self.checkpoint.media_id, self._sts)
                    assert self.grant is not None
                    yield fx.Abort(self.grant, self.checkpoint.upload_id)
                    break
                except (NotFoundError, NoSuchUploadError):
                    break
                except VODError as error:
                    if number == _ABORT_TRIES or classify(error) not in {Action.RETRY, Action.REFRESH}:
                        yield self._warn("Abort", f"parts of {self.job.name} could not be removed from the storage yet")
                        return
                    if isinstance(error, AuthExpiredError):
                        self.grant = None
                    yield fx.Timer(self.policy.wait_s(number, error, self._random))
        self.checkpoint = replace(self.checkpoint, upload_id="", parts=(), canceled=False)
        if self.checkpoint.media_id or self.checkpoint.reference_id:
            yield from self._save_quietly()

    def _save_quietly(self) -> Steps:
        if not self._entry_open:
            return
        try:
            yield fx.SaveCheckpoint(self.checkpoint, durable=True)
        except VODError as error:
            yield self._warn(error.code, error.message)

    def _close(self, how: fx.Closing, result: dict[str, Any] | None = None) -> Steps:
        if not self._entry_open:
            return
        self._entry_open = False
        try:
            yield fx.CloseEntry(how, result)
        except VODError as error:
            yield self._warn(error.code, error.message)

    # ------------------------------------------------------------------ the upload, top to bottom

    def _upload(self) -> Steps:
        self.phase = Phase.PREPARING
        self._progress()
        opened: fx.Opened = yield fx.OpenEntry()
        self._entry_open = True
        if self._may_skip(opened):
            assert opened.finished is not None
            self.skipped = True
            self.checkpoint = replace(self.checkpoint, media_id=str(opened.finished.get("media_id", "")))
            yield from self._success(str(opened.finished.get("verified", "crc64")), None)
            return
        self._adopt_checkpoint(opened)
        if self.checkpoint.fingerprint != opened.fingerprint:
            yield from self._source_was_changed(opened.fingerprint)
        yield from self._authorize()
        last: VODError | None = None
        for _ in range(1 + RESTARTS_MAX):
            try:
                info: ObjectInfo | None = yield from self._transfer_or_find()
                verified: str = yield from self._verify(info)
            except _Restart as again:
                last = again.last or last
                yield from self._start_over(again.reason)
                continue
            yield from self._success(verified, info)
            return
        raise RetriesExhaustedError(
            last or NoSuchUploadError("the storage dropped the parts again and again"), tuple(self.attempts)
        )

    def _may_skip(self, opened: fx.Opened) -> bool:
        done = opened.finished
        return bool(
            self.job.skip_uploaded
            and done is not None
            and opened.fingerprint_is_strong
            and done.get("fingerprint") == opened.fingerprint
        )

    def _adopt_checkpoint(self, opened: fx.Opened) -> None:
        found = opened.checkpoint
        mine = self.checkpoint
        if found is not None and not mine.media_id and not mine.upload_id:
            self.checkpoint = replace(
                found,
                file_id=self.job.file_id,
                reference_id=found.reference_id if found.media_id else self.job.reference_id or found.reference_id,
                metadata=mine.metadata or found.metadata,
            )
            self._known_before = self._hash_first = True
        elif not mine.fingerprint:
            self.checkpoint = self._blank(opened.fingerprint)

    def _blank(self, fingerprint: str) -> Checkpoint:
        job = self.job
        return Checkpoint(
            file_id=job.file_id,
            source_id=job.source_id,
            destination=job.destination,
            fingerprint=fingerprint,
            name=job.name,
            size_bytes=job.size_bytes,
            media_type=job.media_type,
            reference_id=job.reference_id,
            metadata={k: v for k, v in asdict(job.metadata).items() if v not in (None, (), "")},
            profile=job.profile,
        )

    def _source_was_changed(self, fingerprint: str) -> Steps:
        """The file is not the one that the checkpoint knows: the same asset, every byte again."""
        had_bytes = bool(self.checkpoint.parts or self.ledger.accepted_bytes)
        if self.checkpoint.upload_id:
            yield from self._drop_old_upload()
        self.checkpoint = replace(
            self.checkpoint,
            fingerprint=fingerprint,
            size_bytes=self.job.size_bytes,
            upload_id="",
            parts=(),
            part_size_bytes=0,
        )
        self._board.reset()
        self.ledger.restart()
        if had_bytes:
            yield fx.RestartedNote("Source.Changed")

    def _drop_old_upload(self) -> Steps:
        if self.grant is not None and self.grant.auth.expires_at_s > self._clock.now_s():
            try:
                yield fx.Abort(self.grant, self.checkpoint.upload_id)
            except VODError:
                yield self._warn("Abort", f"old parts of {self.job.name} stay until the storage's lifecycle drops them")

    # ------------------------------------------------------------------ authority

    def _authorize(self) -> Steps:
        self.phase = Phase.AUTHORIZING
        self.wait_for_app = True
        answer = yield fx.AskApp()
        self.wait_for_app = False
        if isinstance(answer, Grant):
            if self.job.has_cover:
                yield self._warn("Cover", "the cover was not sent: this asset was created with a CoverURL of its own")
            self._app_grants = True
            yield from self._adopt(answer)
            return
        self._app_grants = False
        self._sts = answer if isinstance(answer, Credentials) else None
        yield from self._obtain()

    def _obtain(self) -> Steps:
        """Create the asset, or refresh the one that we have."""
        image = self.job.media_type is MediaType.IMAGE
        if self.job.has_cover and not image and not self.checkpoint.media_id and self._cover_url is None:
            known = self.checkpoint.metadata.get("cover_url")
            self._cover_url = known or (yield from self._call(lambda: fx.SendCover(self._sts)))
            self.checkpoint = replace(
                self.checkpoint, metadata={**self.checkpoint.metadata, "cover_url": self._cover_url}
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
        yield from self._call(lambda: fx.SaveCheckpoint(self.checkpoint, durable=True))

    def _create_image(self) -> Steps:
        # There is no refresh and no reference id for images (protocol A5): a repeated call makes another id, so it is
        # counted, named, and done at most once more.
        while True:
            self._image_creates += 1
            try:
                grant = yield fx.CreateImage(self._sts)
            except VODError as error:
                if is_doubtful(error):
                    if self._image_creates >= _IMAGE_CREATES_MAX:
                        raise
                    yield self._warn("Image.Unknown", "an ImageId without bytes may remain: its answer was lost")
                else:
                    self._image_creates -= 1
                    if classify(error) is Action.REFRESH:
                        if (yield from self._new_keys(error)):
                            return
                        continue
                    if classify(error) is not Action.RETRY:
                        raise
                yield from self._retry(error)
                continue
            yield from self._adopt(grant)
            return

    def _create_or_refresh_video(self) -> Steps:
        if not self.checkpoint.media_id:
            yield from self._name_reference()
        looked_for = False
        while True:
            try:
                if self.checkpoint.media_id:
                    grant = yield fx.RefreshVideo(self.checkpoint.media_id, self._sts)
                elif looked_for:
                    found: VideoStatus | None = yield fx.FindVideo("", self.checkpoint.reference_id, self._sts)
                    looked_for = False
                    if found is None:
                        continue
                    if found.title and found.title != self.job.metadata.title:
                        raise AlreadyExistsError(
                            f"reference id {self.checkpoint.reference_id} belongs to another video, {found.title!r}"
                        )
                    self.checkpoint = replace(self.checkpoint, media_id=found.video_id)
                    continue
                else:
                    grant = yield fx.CreateVideo(self.checkpoint.reference_id, self._sts, self._cover_url)
                yield from self._adopt(grant)
                return
            except AlreadyExistsError as error:
                if self.checkpoint.media_id or looked_for or error.code == "Reference.Conflict":
                    raise
                looked_for = True
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
                if not looked_for:
                    raise
                raise AccessDeniedError(
                    "CreateUploadVideo got no answer and the account may not look the video up",
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
                    looked_for = True
                yield from self._retry(error)

    def _adopt(self, grant: Grant) -> Steps:
        """Take a permission: check where it points, and note which asset and object it is for."""
        job = self.job
        if job.endpoint or job.bucket or job.object:
            address = grant.address
            grant = replace(
                grant,
                address=UploadAddress(
                    job.endpoint or address.endpoint, job.bucket or address.bucket, job.object or address.object
                ),
            )
        address = check_address(grant.address, grant.auth.region, loopback_allowed=job.loopback_allowed)
        grant = replace(grant, address=address)
        self.request_id = grant.request_id or self.request_id
        before = self.checkpoint
        moved = bool(before.object) and (before.bucket, before.object) != (address.bucket, address.object)
        if moved:
            had_bytes = bool(before.upload_id)
            if before.upload_id:
                yield from self._drop_old_upload()
            self._board.reset()
            self.ledger.restart()
            before = replace(before, upload_id="", parts=())
            if had_bytes:
                yield fx.RestartedNote("Address.Changed")
        self.grant = grant
        self._grants += 1
        self.checkpoint = replace(
            before,
            media_id=grant.media_id or before.media_id,
            endpoint=address.endpoint,
            bucket=address.bucket,
            object=address.object,
        )
        if self.checkpoint != before or moved:
            yield from self._call(lambda: fx.SaveCheckpoint(self.checkpoint, durable=True))
        self._clear_wait()

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
        granted = False
        if self._app_grants:
            granted = yield from self._ask_for_new(error)
        if not granted:
            yield from self._obtain()

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
        self.state = next_file_state(self.state, FileEvent.EXPIRE)
        self.phase = Phase.NONE
        self.error = error
        self.wait_for_app = True
        answer = yield fx.AskApp(error)
        self.wait_for_app = False
        self.state = next_file_state(self.state, FileEvent.AUTHORIZE)
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

    # ------------------------------------------------------------------ bytes

    def _transfer_or_find(self) -> Steps:
        try:
            return (yield from self._transfer())
        except _Found as found:
            return found.info

    def _transfer(self) -> Steps:
        part_size = self.checkpoint.part_size_bytes or choose_part_size(self.job.size_bytes, self.job.part_size_bytes)
        if self.job.size_bytes <= part_size:
            self._board.plan_single()
            yield from self._send_all()
            yield from self._check_source()
            return self._board.single_info
        if self.checkpoint.upload_id:
            yield from self._check_parts()
        if not self.checkpoint.upload_id:
            yield from self._init(part_size)
        self._board.plan(part_size, self.checkpoint.parts)
        tries = 0
        while True:
            yield from self._send_all()
            yield from self._check_source()
            try:
                return (yield from self._complete())
            except RequestRefusedError as error:
                tries += 1
                if error.code != "Parts" or tries > 1:
                    raise
                yield from self._check_parts()
                self._board.plan(part_size, self.checkpoint.parts)

    def _check_source(self) -> Steps:
        fingerprint: str = yield fx.CheckSource()
        if fingerprint != self.checkpoint.fingerprint:
            raise SourceChangedError("the file changed while it was sent")

    def _init(self, part_size_bytes: int) -> Steps:
        self.phase = Phase.PREPARING
        upload_id: str = yield from self._oss(lambda grant: fx.Init(grant))
        self.checkpoint = replace(self.checkpoint, upload_id=upload_id, part_size_bytes=part_size_bytes, parts=())
        # Durable before the first byte: after a kill the parts can be found and never become orphans.
        yield from self._call(lambda: fx.SaveCheckpoint(self.checkpoint, durable=True))

    def _check_parts(self) -> Steps:
        """Keep only parts whose bytes are known, on our side and on theirs, to be the file's."""
        parts = [p for p in (*self.checkpoint.parts, *self._board.accepted()) if p.crc64 is not None]
        by_number = {p.part_number: p for p in parts}
        parts = sorted(by_number.values(), key=lambda p: p.part_number)
        if parts and self.job.cheap_reads and self._hash_first:
            self._hash_first = False
            crcs: tuple[int, ...] = yield fx.HashParts(tuple(parts))
            parts = [p for p, crc in zip(parts, crcs, strict=True) if p.crc64 == crc]
        try:
            listed: Iterable[RemotePart] = yield from self._oss(
                lambda grant: fx.ListParts(grant, self.checkpoint.upload_id)
            )
        except AccessDeniedError:
            pass  # Not every upload credential may list: the object's CRC at the end decides.
        except NoSuchUploadError as error:
            yield from self._lost_upload(error, tuple(parts))
            return
        else:
            remote = {p.part_number: p for p in listed}
            parts = [
                p
                for p in parts
                if (there := remote.get(p.part_number)) is not None
                and there.size_bytes == p.size_bytes
                and there.crc64 in (None, p.crc64)
            ]
        self.checkpoint = replace(self.checkpoint, parts=tuple(parts))
        self._board.reset()
        self.ledger.accepted_bytes = 0
        for part in parts:
            self.ledger.accept(part.size_bytes)

    def _lost_upload(self, error: VODError, parts: tuple[Part, ...]) -> Steps:
        """The upload id is gone: it may have been completed by an answer that was lost."""
        whole = sum(p.size_bytes for p in parts) == self.job.size_bytes
        if whole:
            self._board.plan(self.checkpoint.part_size_bytes, parts)
            found: ObjectInfo | None = yield from self._look()
            if found is not None:
                self.checkpoint = replace(self.checkpoint, parts=parts)
                raise _Found(found)
        raise _Restart(error.code, error)

    def _send_all(self) -> Steps:
        """Let the driver take transfers until the board is done."""
        self.phase = Phase.SENDING
        yield fx.PartAccepted()
        while not self._board.done:
            self._sending = True
            try:
                yield _Parked()
            except _RenewAheadError:
                yield from self._renew_ahead()
            except AuthExpiredError as error:
                yield from self._refresh(error)
                self.phase = Phase.SENDING
            except NoSuchUploadError as error:
                self._sending = False
                yield fx.StopSending()
                yield _Drained()
                yield from self._lost_upload(error, self._board.accepted())
            except VODError as error:
                if not (self._board.single and is_doubtful(error)):
                    raise
                # The whole object may be there although its answer was lost.
                yield from self._retry(error)
                yield from self._look_for_object()
                self.phase = Phase.SENDING
        self._sending = False

    def _look_for_object(self) -> Steps:
        """After a PutObject without an answer: is it there? Reading the file again must be cheap for that."""
        if not self.job.cheap_reads:
            return
        whole = Part(1, 0, self.job.size_bytes)
        (crc,) = yield fx.HashParts((whole,))
        self.phase = Phase.VERIFYING
        try:
            info: ObjectInfo | None = yield from self._oss(lambda grant: fx.Head(grant))
        except AccessDeniedError:
            return
        if info is not None and info.crc64 == crc:
            self._board.object_done(whole, info, crc)
            self._progress()

    def _renew_ahead(self) -> Steps:
        """Renew at 80 % of life; parts in flight go on with the old credential, which stays valid."""
        try:
            if self.job.get_auth and self._sts is None:
                yield from self._ask_get_auth(image=False)
            else:
                grant = yield fx.RefreshVideo(self.checkpoint.media_id, self._sts)
                yield from self._adopt(grant)
        except VODError as error:
            # The old credential still works: it is asked for again when it really ends, or a while later.
            assert self.grant is not None
            auth = self.grant.auth
            self.grant = replace(self.grant, auth=replace(auth, issued_at_s=self._clock.now_s()))
            yield self._warn(error.code, f"the credential could not be renewed ahead of time: {error.message}")

    def _complete(self) -> Steps:
        self.phase = Phase.COMPLETING
        parts = self._board.accepted()
        while True:
            try:
                return (yield fx.Complete(self._need_grant(), self.checkpoint.upload_id, parts))
            except AuthExpiredError as error:
                yield from self._refresh(error)
                self.phase = Phase.COMPLETING
            except VODError as error:
                doubtful = is_doubtful(error)
                if not doubtful and classify(error) not in {Action.RETRY, Action.LOOK}:
                    raise
                if not isinstance(error, NoSuchUploadError):
                    yield from self._retry(error)
                    self.phase = Phase.COMPLETING
                if doubtful or isinstance(error, NoSuchUploadError):
                    found: ObjectInfo | None = yield from self._look()
                    if found is not None:
                        return found
                    if isinstance(error, NoSuchUploadError):
                        raise _Restart(error.code, error) from None

    def _look(self) -> Steps:
        """Ask whether the object is there with our bytes; None when it is not."""
        self.phase = Phase.VERIFYING
        expected = self._board.crc64()
        try:
            info: ObjectInfo | None = yield from self._oss(lambda grant: fx.Head(grant))
        except AccessDeniedError:
            status: VideoStatus | None = yield from self._call(
                lambda: fx.FindVideo(self.checkpoint.media_id, "", self._sts)
            )
            if status is not None and status.status not in {"Uploading", "UploadFail"}:
                return ObjectInfo(size_bytes=self.job.size_bytes, etag="", crc64=None)
            return None
        if info is None or info.size_bytes not in (None, self.job.size_bytes) or info.crc64 not in (None, expected):
            return None
        return info

    def _verify(self, info: ObjectInfo | None) -> Steps:
        self.phase = Phase.VERIFYING
        self._clear_wait()
        expected = self._board.crc64()
        if info is None or info.crc64 is None:
            try:
                info = yield from self._oss(lambda grant: fx.Head(grant))
            except AccessDeniedError:
                info = info or ObjectInfo(None, "", None)
        if info is None:
            raise _Restart("NoSuchKey", IntegrityError("the storage says that the object is not there"))
        self.request_id = info.request_id or self.request_id
        if info.crc64 is None:
            if info.size_bytes not in (None, self.job.size_bytes):
                raise _Restart("Integrity", IntegrityError("the stored object has another length"))
            yield self._warn("NoCrc", "the storage gave no CRC64: only the length was checked")
            return "length" if info.size_bytes is not None else "status"
        if info.crc64 != expected:
            raise _Restart("Integrity", IntegrityError("the CRC64 of the stored object is not that of the file"))
        return "crc64"

    def _start_over(self, reason: str) -> Steps:
        self._sending = False
        yield fx.StopSending()
        yield _Drained()
        self.checkpoint = replace(self.checkpoint, upload_id="", parts=())
        self._board.reset()
        self.ledger.restart()
        yield fx.RestartedNote(reason)
        yield from self._call(lambda: fx.SaveCheckpoint(self.checkpoint, durable=True))

    def _success(self, verified: str, info: ObjectInfo | None) -> Steps:
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

    # ------------------------------------------------------------------ transfers

    def _transfer_done(self, token: int, value: Any) -> list[Out]:
        effect, _ = self._flight.pop(token)
        if isinstance(effect, fx.SendObject):
            info, crc = value
            if self._board.single:
                if info.crc64 is not None and info.crc64 != crc:
                    return self._part_fault(effect.part, IntegrityError("the stored object is not the file"))
                self._board.object_done(effect.part, info, crc)
                self._progress()
            return self._board_moved()
        assert isinstance(effect, fx.SendPart)
        remote, crc = value
        if effect.upload_id != self.checkpoint.upload_id or self._board.single:
            return self._when_drained()
        if remote.crc64 is not None and remote.crc64 != crc:
            return self._part_fault(
                effect.part, IntegrityError(f"part {effect.part.part_number} was damaged on its way")
            )
        part = replace(effect.part, etag=remote.etag, crc64=crc)
        out: list[Out] = []
        if self._board.part_done(part):
            self.checkpoint = replace(self.checkpoint, parts=())
            self._token += 1
            out.append((self._token, fx.SavePart(part)))
            out.append(fx.PartAccepted())
            self._progress()
        return out + self._board_moved()

    def _board_moved(self) -> list[Out]:
        if self._board.done and self._main is not None and isinstance(self._main[1], _Parked):
            self._main = None
            return self._advance_send(None)
        return self._when_drained()

    def _transfer_failed(self, token: int, error: VODError) -> list[Out]:
        effect, grants = self._flight.pop(token)
        assert isinstance(effect, fx.SendPart | fx.SendObject)
        stale = isinstance(effect, fx.SendPart) and effect.upload_id != self.checkpoint.upload_id
        if stale or not self._sending:
            self._board.put_back(effect.part)
            return self._when_drained()
        parked = self._main is not None and isinstance(self._main[1], _Parked)
        if isinstance(error, AuthExpiredError):
            self._board.put_back(effect.part)
            return self._throw(error) if parked and grants == self._grants else []
        if not parked and classify(error) is not Action.RETRY:
            # The credential is being renewed; the same answer will come again and be dealt with then.
            self._board.put_back(effect.part, not_before_s=self._clock.monotonic_s() + 1.0)
            self._token += 1
            return [(self._token, fx.Wake(1.0))]
        if isinstance(error, ClockSkewError) and not self._skew_seen:
            self._skew_seen = True
            self._board.put_back(effect.part)
            return [self._warn("Clock.Skew", "the clock of this machine is wrong; uploads use the server's time")]
        if isinstance(effect, fx.SendObject) and is_doubtful(error):
            self._board.put_back(effect.part)
            return self._throw(error)
        if classify(error) is Action.RETRY:
            return self._part_fault(effect.part, error)
        self._board.put_back(effect.part)
        return self._throw(error)

    def _part_fault(self, part: Part, error: VODError) -> list[Out]:
        error.file_name = error.file_name or self.job.name
        now_s = self._clock.monotonic_s()
        failures = self._board.failed(part)
        if isinstance(error, IntegrityError):
            allowed = failures <= max(1, min(self.policy.retry_count, 3))
        else:
            allowed = self.policy.may_retry(failures, now_s - self._progress_at_s)
        if not allowed:
            self._note_attempt(failures, error, 0.0)
            self._board.put_back(part)
            return self._throw(self._exhausted(error))
        wait_s = self.policy.wait_s(failures, error, self._random)
        self._note_attempt(failures, error, wait_s)
        self._board.put_back(part, not_before_s=now_s + wait_s)
        if not self._flight and not self._board.available(now_s):
            self.phase = Phase.WAITING
            self.wait_until_s, self.wait_reason = now_s + wait_s, error.code
        self._token += 1
        return [fx.RetryNote(failures, error, wait_s), (self._token, fx.Wake(wait_s)), *self._when_drained()]

    def _throw(self, error: VODError) -> list[Out]:
        if self._main is None or not isinstance(self._main[1], _Parked):
            return self._when_drained()
        self._main = None
        return self._advance_throw(error)

    # ------------------------------------------------------------------ retries

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
                phase = self.phase
                yield from self._retry(error)
                self.phase = phase

    def _need_grant(self) -> Grant:
        if self.grant is None:
            raise EndpointRefusedError("there is no upload address", code="Internal")
        return self.grant

    def _retry(self, error: VODError) -> Steps:
        """Wait before the next attempt, or give up."""
        if isinstance(error, ClockSkewError):
            if self._skew_seen:
                raise error
            self._skew_seen = True
            yield self._warn("Clock.Skew", "the clock of this machine is wrong; uploads use the server's time")
            return
        error.file_name = error.file_name or self.job.name
        failures = self._streak + 1
        now_s = self._clock.monotonic_s()
        if not self.policy.may_retry(failures, now_s - self._progress_at_s):
            self._note_attempt(failures, error, 0.0)
            raise self._exhausted(error)
        wait_s = self.policy.wait_s(failures, error, self._random)
        self._note_attempt(failures, error, wait_s)
        self.phase = Phase.WAITING
        self.wait_until_s, self.wait_reason = now_s + wait_s, error.code
        yield fx.RetryNote(failures, error, wait_s)
        yield fx.Timer(wait_s)
        self._clear_wait()

    def _exhausted(self, error: VODError) -> VODError:
        return RetriesExhaustedError(error, tuple(self.attempts))

    def _note_attempt(self, number: int, error: VODError, wait_s: float) -> None:
        self._streak += 1
        self.attempts.append((number, error, wait_s))
        del self.attempts[:-50]

    def _progress(self) -> None:
        """Bytes were accepted: counters begin again."""
        self._progress_at_s = self._clock.monotonic_s()
        self._streak = 0
        self._expiries = 0
        self._board.progress()

    def _clear_wait(self) -> None:
        self.wait_until_s = None
        self.wait_reason = ""

    def _warn(self, code: str, message: str) -> fx.Note:
        self.warnings.append((code, message))
        del self.warnings[:-20]
        return fx.Warned(code, message)


def _bug(raised: Exception) -> VODError:
    """Turn a mistake of ours into a failure of the file, without the text, which nobody has checked for secrets."""
    return VODError(f"an internal error ({type(raised).__name__})")


class _RenewAheadError(VODError):
    """80 % of the credential's life has passed."""


class _Found(Exception):  # noqa: N818 - control flow, never leaves this module
    """The object is complete already."""

    def __init__(self, info: ObjectInfo) -> None:
        super().__init__()
        self.info = info
