"""What every step of a file knows: its job, its state, its counters, and how a fault is waited for. Floor 1, pure."""

from __future__ import annotations

from dataclasses import replace

from vod_widget import effects as fx
from vod_widget.board import Board
from vod_widget.errors import (
    ClockSkewError,
    EndpointRefusedError,
    RetriesExhaustedError,
    VODError,
)
from vod_widget.interfaces import Clock, Randomness
from vod_widget.model import (
    Checkpoint,
    Credentials,
    Grant,
    Phase,
    UploadState,
)
from vod_widget.progress import Ledger
from vod_widget.retry import RetryPolicy
from vod_widget.states import FileEvent

from .words import (
    Job,
    Steps,
)

__all__ = ["Context", "may_be_created"]


def may_be_created(checkpoint: Checkpoint) -> bool:
    """Whether CreateUploadVideo may have been sent for it by somebody who did not live to note the answer."""
    return bool(checkpoint.reference_id) and not checkpoint.media_id


class Context:
    """The state of one machine and the primitives of its steps.

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
        self.image_url: str | None = None
        self.request_id: str | None = None
        self.warnings: list[tuple[str, str]] = []
        self.wait_for_app = False
        self._clock = clock
        self._random = randomness
        self._saved: Checkpoint | None = None
        self._known_before = checkpoint is not None
        self._create_doubtful = checkpoint is not None and may_be_created(checkpoint)
        self._hash_first = checkpoint is not None
        self._steps: Steps | None = None
        self._token = 0
        self._main: tuple[int, fx.Effect] | None = None
        self._board = Board(self.ledger)
        self._flight: dict[int, tuple[fx.Effect, int]] = {}
        self._sending = False
        self._interrupt: FileEvent | None = None
        self._discard = False
        self._stored = False
        self._seen_after = ""  # fingerprint of the source after the whole of it was sent as one object
        self._settling = False
        self._committed = False
        self._restart_wanted = False
        self._sts: Credentials | None = None
        self._app_grants = False
        self._cover_url: str | None = None
        self._cover_grant: Grant | None = None
        self._expiries = 0
        self._image_creates = 0
        self._skew_seen = self._skew_said = False
        self._denied = False
        self._unproven = False
        self._doubts = 0
        self._other_bytes = False
        self._entry_open = False
        self._progress_at_s = clock.monotonic_s()
        self._began_at_s = 0.0
        self._grants = 0
        self._owes_restart = False
        self._abort_token = 0
        self._abort_wait_s: float | None = None
        self._abort_since_s: float | None = None
        self._abort_rounds = 0
        self._streak = 0

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
            metadata=job.metadata.stated(),
            profile=job.profile,
        )

    @property
    def _uses_own_keys(self) -> bool:
        others = self._app_grants or self._sts is not None or self.job.get_auth
        return self.job.own_authority and not others

    def _without_upload(self, checkpoint: Checkpoint) -> Checkpoint:
        """Forget the upload id; it may have been completed by a request whose answer nobody got."""
        stained = checkpoint.completed_before or bool(checkpoint.upload_id)
        return replace(checkpoint, upload_id="", parts=(), completed_before=stained)

    def _to_save(self) -> Checkpoint:
        """The checkpoint with the parts that the board holds: writing it replaces what was there."""
        if not self.checkpoint.upload_id:
            return self.checkpoint
        parts = {p.part_number: p for p in (*self.checkpoint.parts, *self._board.accepted())}
        return replace(self.checkpoint, parts=tuple(parts[number] for number in sorted(parts)))

    def _save_quietly(self) -> Steps:
        if not self._entry_open:
            return
        now = self.checkpoint.without_parts()
        try:
            yield fx.SaveCheckpoint(self._to_save(), durable=True)
        except VODError as error:
            yield self._warn(error.code, error.message)
        else:
            self._saved = now

    def _save_what_is_new(self) -> Steps:
        """Write ids down that came while the person stopped the file, so that another process finds them."""
        now = self.checkpoint.without_parts()
        if now != self._saved and (now.media_id or now.upload_id):
            yield from self._save_quietly()

    def _owed_note(self) -> list[fx.Note]:
        """Say that progress fell when a cancel dropped the parts; a file at rest says it when it runs again."""
        owed, self._owes_restart = self._owes_restart, False
        return [fx.RestartedNote("Canceled")] if owed else []

    def _need_grant(self) -> Grant:
        if self.grant is None:
            raise EndpointRefusedError("there is no upload address", code="Internal")
        return self.grant

    def _retry(self, error: VODError) -> Steps:
        """Wait before the next attempt, or give up."""
        if isinstance(error, ClockSkewError):
            if self._skew_seen:
                raise error
            yield from self._note_skew()
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

    def _note_skew(self) -> list[fx.Note]:
        """The edges have learned the server's time: one more try, and one word to the person in a run."""
        self._skew_seen = True
        said, self._skew_said = self._skew_said, True
        return (
            []
            if said
            else [self._warn("Clock.Skew", "the clock of this machine is wrong; uploads use the server's time")]
        )

    def _progress(self) -> None:
        """Bytes were accepted: counters begin again."""
        self._progress_at_s = self._clock.monotonic_s()
        self._streak = 0
        self._expiries = 0
        self._skew_seen = self._denied = False
        self._board.progress()

    def _clear_wait(self) -> None:
        self.wait_until_s = None
        self.wait_reason = ""

    def _warn(self, code: str, message: str) -> fx.Note:
        self.warnings.append((code, message))
        del self.warnings[:-20]
        return fx.Warned(code, message)
