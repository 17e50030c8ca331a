"""One file's upload as a sans-IO machine: it decides, a driver acts.

The machine is a generator that yields one effect at a time and takes its outcome, so the order of the steps can be read
from top to bottom; parts alone run side by side, on a `Board` from which the driver takes the next transfer when it has
room ("permit first, bytes second"). It owns no thread, no clock of its own and no socket: production drives it with
threads, a test with a list. Whoever drives it serialises the calls.

Theory of operation
- State changes that a person asks for (`interrupt`) are visible at once; what is in flight is then drained, and only
  after that are remote parts aborted and the journal let go. A late outcome is never lost and never wins over the
  person.
- Write ahead: the reference id is durable before CreateUploadVideo, the upload id before the first byte of a part.
- A doubtful create is looked up by reference id, a doubtful Complete is asked for with HEAD; neither is repeated
  blindly.
- That an asset holds something proves nothing of this upload when an earlier one may have filled it
  (`Checkpoint.completed_before`): without a CRC64 it is then asked for again, never taken for a success.
- A remote part counts only if its CRC64 is the one that we computed from the file.

Floor 1: imports floors 0 and 1 only. Runs under the lock of the queue, in whichever thread brings an outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vod_widget import effects as fx
from vod_widget.errors import (
    AccessDeniedError,
    AuthExpiredError,
    ClockSkewError,
    IntegrityError,
    VODError,
)
from vod_widget.model import (
    MediaType,
    Part,
    Phase,
    UploadState,
)
from vod_widget.retry import Action, classify, is_doubtful
from vod_widget.states import FileEvent, next_file_state

from .settling import Settling
from .words import (
    COUNT_AS_PROGRESS,
    DAMAGES_MAX,
    NOT_ABANDONED,
    Drained,
    Interrupted,
    Out,
    Parked,
    RenewAhead,
    Steps,
)

__all__ = ["FileMachine"]

# Tuples: a union is made anew at each look, and takes three times as long to ask.
_WITHOUT_OUTCOME = (fx.SavePart, fx.StopSending, fx.Wake)
_NOT_PERFORMED = (Parked, Drained)


class FileMachine(Settling):
    """Decides for one file."""

    @property
    def busy(self) -> bool:
        """Whether effects are in flight or steps are left."""
        return self._steps is not None

    @property
    def wants_transfer(self) -> int:
        """How many requests could be sent now."""
        if not self._sending or self.state is not UploadState.UPLOADING:
            return 0
        available = self._board.available(self._clock.monotonic_s())
        return available if self.job.lanes is None else min(available, max(0, self.job.lanes - len(self._flight)))

    @property
    def asks_with_own_keys(self) -> bool:
        """Whether it is about to get its permission with the keys of the queue."""
        about = self.phase in {Phase.PREPARING, Phase.AUTHORIZING, Phase.WAITING} and not self._sending
        return about and self.state is UploadState.UPLOADING and self._uses_own_keys

    @property
    def transfers_in_flight(self) -> int:
        """Requests that carry bytes."""
        return len(self._flight)

    def start(self) -> list[Out]:
        """Begin or go on; the file must be Ready. While an earlier run still drains, it begins when that is done."""
        self.state = next_file_state(self.state, FileEvent.START)
        self.error = None
        self.verified = ""
        self._discard = False
        self._forget_abort()
        out: list[Out] = [*self._owed_note()]
        if self._steps is None:
            self._interrupt = None
            return out + self._begin(self._run())
        self.phase = Phase.PREPARING
        if self._settling or self._interrupt is FileEvent.CANCEL:
            # A cancel is carried out to its end, also when the person wants the file again meanwhile.
            self._restart_wanted = True
        else:
            # The step in flight was never told to stop: the run simply goes on.
            self._interrupt = None
        return out

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
        before = self.state
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
        out: list[Out] = []
        if event is FileEvent.CANCEL:
            self._forget_abort()
            if before is not UploadState.CANCELED:
                out.append(fx.Canceled())
        if self._steps is None:
            if event is FileEvent.CANCEL:
                # Also when nothing is known here: an earlier process may have left parts, which only the journal knows.
                out += self._begin(self._settle_alone())
            return out
        self._token += 1
        out.append((self._token, fx.StopSending()))
        if self._settling or self._main is None:
            return out
        if not isinstance(self._main[1], NOT_ABANDONED):
            self._main = None
            out += self._advance_throw(Interrupted())
        return out

    def next_transfer(self, choose_size: Callable[[int], int] | None = None) -> tuple[int, fx.Effect] | None:
        """Return one request that carries bytes, or None when there is none to send now.

        Args:
            choose_size: From the bytes that no part covers yet to the size of a part that would suit the line now; not
                asked when the job states an exact size.
        """
        if not self._sending or self.state is not UploadState.UPLOADING or self.grant is None:
            return None
        if self.job.lanes is not None and len(self._flight) >= self.job.lanes:
            return None
        part = self._board.take(self._clock.monotonic_s(), choose_size)
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

    @property
    def is_settling(self) -> bool:
        """Whether an earlier run still drains; its bytes are no progress of the next one."""
        return self._settling

    def awaits(self, token: int) -> bool:
        """Tell whether the outcome of this effect is still wanted."""
        return self._main is not None and self._main[0] == token

    def refresh_due(self) -> bool:
        """Tell whether 80 % of the credential's life has passed; the driver asks before it hands out a part."""
        grant = self.grant
        if grant is None or not self._sending or self._app_grants or self.job.media_type is MediaType.IMAGE:
            return False
        life_s = grant.auth.expires_at_s - grant.auth.issued_at_s
        return self._clock.now_s() >= grant.auth.issued_at_s + 0.8 * life_s

    def refresh_ahead(self) -> list[Out]:
        """Renew the credential while parts go on."""
        if self._main is None or not isinstance(self._main[1], Parked):
            return []
        self._main = None
        return self._advance_throw(RenewAhead(""))

    def succeed(self, token: int, value: Any) -> list[Out]:
        """Take the good outcome of an effect."""
        if token in self._flight:
            return self._transfer_done(token, value)
        if token == self._abort_token:
            return self._abort_again()
        if self._main is None or self._main[0] != token:
            return []
        if isinstance(self._main[1], COUNT_AS_PROGRESS):
            self._streak = 0
            self._skew_seen = False
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
        """Reading was broken by `StopSending`; nothing is known of the request."""
        if self._main is not None and self._main[0] == token:
            effect = self._main[1]
            if self._interrupt is not None and not self._settling:
                self._main = None
                return self._advance_throw(Interrupted())
            # An order to stop that came late, after the file had begun again: what it broke is done once more.
            self._token += 1
            self._main = (self._token, effect)
            return [self._main]
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
            spoken = self._interrupt is not None and not self._settling and not self._committed
            if isinstance(step, fx.Note):
                if not (spoken and isinstance(step, fx.PartAccepted | fx.RetryNote)):
                    out.append(step)
                resume, value = self._steps.send, None
                continue
            if spoken:
                # The person spoke while a step was running: what it brought is recorded, nothing new begins.
                resume, value = self._steps.throw, Interrupted()
                continue
            if isinstance(step, Drained) and not self._flight:
                resume, value = self._steps.send, None
                continue
            self._token += 1
            if isinstance(step, _WITHOUT_OUTCOME):
                out.append((self._token, step))
                resume, value = self._steps.send, None
                continue
            self._main = (self._token, step)
            if not isinstance(step, _NOT_PERFORMED):
                out.append((self._token, step))
            return out
        self._steps = None
        self._main = None
        self._settling = False
        self._interrupt = None
        if self._restart_wanted:
            self._restart_wanted = False
            out += self._begin(self._run())
        elif self._abort_wait_s is not None and self.state is UploadState.CANCELED:
            # Between two tries nothing is held: the queue may end, and the person may take the file up again.
            self._token += 1
            self._abort_token = self._token
            out.append((self._token, fx.Timer(self._abort_wait_s)))
        self._abort_wait_s = None
        return out

    def _when_drained(self) -> list[Out]:
        if not self._flight and self._main is not None and isinstance(self._main[1], Drained):
            self._main = None
            return self._advance_send(None)
        return []

    def _abort_again(self) -> list[Out]:
        """The next try to remove parts that could not be removed when the file was given up."""
        self._abort_token = 0
        if self._steps is not None or self.state is not UploadState.CANCELED or not self.checkpoint.upload_id:
            return []
        self._interrupt = FileEvent.CANCEL
        return self._begin(self._settle_alone())

    def _transfer_done(self, token: int, value: Any) -> list[Out]:
        effect, _ = self._flight.pop(token)
        if isinstance(effect, fx.SendObject):
            info, crc, self._seen_after = value
            if self._board.single:
                if info.crc64 is not None and info.crc64 != crc:
                    if not self._sending:
                        self._board.put_back(effect.part)
                        return self._when_drained()
                    return self._part_fault(effect.part, IntegrityError("the stored object is not the file"))
                self._board.object_done(effect.part, info, crc)
                self._progress()
            return self._board_moved()
        assert isinstance(effect, fx.SendPart)
        remote, crc = value
        if effect.upload_id != self.checkpoint.upload_id or self._board.single:
            return self._when_drained()
        if remote.crc64 is not None and remote.crc64 != crc:
            if not self._sending:
                self._board.put_back(effect.part)
                return self._when_drained()
            return self._part_fault(
                effect.part, IntegrityError(f"part {effect.part.part_number} was damaged on its way")
            )
        self._unproven = self._unproven or remote.crc64 is None
        part = replace(effect.part, etag=remote.etag, crc64=crc)
        out: list[Out] = []
        if self._board.part_done(part):
            self.checkpoint = self.checkpoint.without_parts()
            self._token += 1
            out.append((self._token, fx.SavePart(part, effect.upload_id)))
            if self.state is UploadState.UPLOADING:
                out.append(fx.PartAccepted())
            self._progress()
        return out + self._board_moved()

    def _board_moved(self) -> list[Out]:
        if self._board.done and self._main is not None and isinstance(self._main[1], Parked):
            self._main = None
            return self._advance_send(None)
        return self._when_drained()

    def _transfer_failed(self, token: int, error: VODError) -> list[Out]:
        effect, grants = self._flight.pop(token)
        assert isinstance(effect, fx.SendPart | fx.SendObject)
        if not self._sending:
            self._board.put_back(effect.part)
            return self._when_drained()
        parked = self._main is not None and isinstance(self._main[1], Parked)
        if isinstance(error, AuthExpiredError | AccessDeniedError):
            # Of many that the same credential is refused for, one gets another; what is late is only sent again.
            self._board.put_back(effect.part)
            if grants != self._grants:
                return []
            if not parked:
                self._sending = False  # until the renewal that is under way has brought another
            return self._throw(error)
        if not parked and classify(error) is not Action.RETRY:
            # The credential is being renewed; the same answer will come again and be dealt with then.
            self._board.put_back(effect.part, not_before_s=self._clock.monotonic_s() + 1.0)
            self._token += 1
            return [(self._token, fx.Wake(1.0))]
        if isinstance(error, ClockSkewError) and not self._skew_seen:
            self._board.put_back(effect.part)
            return [*self._note_skew()]
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
            allowed = self._board.damaged(part) <= max(1, min(self.policy.retry_count, DAMAGES_MAX))
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
        if self._main is None or not isinstance(self._main[1], Parked):
            return self._when_drained()
        self._main = None
        return self._advance_throw(error)
