"""The end of a run: draining, removing parts that nobody wants, letting the journal go. Floor 1, pure."""

from __future__ import annotations

from dataclasses import replace

from vod_widget import effects as fx
from vod_widget.errors import (
    AuthExpiredError,
    CredentialError,
    KeysRefusedError,
    LockedError,
    NoSuchUploadError,
    NotFoundError,
    VODError,
)
from vod_widget.model import (
    MediaType,
    Phase,
    UploadState,
)
from vod_widget.retry import Action, classify
from vod_widget.states import FileEvent, next_file_state

from .upload import Uploading
from .words import (
    ABORT_PATIENCE_S,
    ABORT_TRIES,
    Drained,
    Interrupted,
    Steps,
    as_error,
)

__all__ = ["Settling"]


class Settling(Uploading):
    """What follows a run, however it ended, and what a person's word asks for then."""

    def _run(self) -> Steps:
        try:
            yield from self._upload()
        except Interrupted:
            self._come_to_rest()
            yield from self._settle()
        except Exception as raised:
            error = raised if isinstance(raised, VODError) else as_error(raised)
            error.file_name = error.file_name or self.job.name
            self.request_id = error.request_id or self.request_id
            self._settling = True
            self._sending = False
            if self._interrupt is not None:
                self._come_to_rest()
            elif self.state in {UploadState.UPLOADING, UploadState.EXPIRED}:
                is_common = self._is_common(error)
                self.state = next_file_state(self.state, FileEvent.FAIL)
                self.phase = Phase.NONE
                self.error = error
                if isinstance(error, LockedError):
                    # Somebody else is sending this very file: what they have stored since is what a retry is for.
                    self.job = replace(self.job, wanted_since_s=self._began_at_s)
                self._clear_wait()
                yield fx.Failed(error, is_common)
            yield fx.StopSending()
            yield from self._settle()

    def _is_common(self, error: VODError) -> bool:
        """Whether the fault is one of the queue's keys, as the service or their provider says, and not of this file."""
        of_keys = isinstance(error, KeysRefusedError | CredentialError | AuthExpiredError)
        asked = self.phase is Phase.AUTHORIZING and self._uses_own_keys
        return asked and of_keys and error.code != "InvalidUploadAuth"

    def _come_to_rest(self) -> None:
        """Take back what a step wrote after the person had spoken."""
        paused = self.state is UploadState.STOPPED and self._interrupt is FileEvent.PAUSE
        self.phase = Phase.PAUSED if paused else Phase.NONE
        self._clear_wait()
        self.wait_for_app = False
        self._sending = False

    def _settle_alone(self) -> Steps:
        """Clean up a file that was cancelled while it did not run."""
        self._settling = True
        if (yield from self._open_again()):
            yield from self._settle()

    def _open_again(self) -> Steps:
        """Take the journal entry for what is left to clean up; False when it cannot be had."""
        tries = 1 if self._abort_rounds else ABORT_TRIES
        for number in range(1, tries + 1):
            try:
                opened: fx.Opened = yield fx.OpenEntry(needs_source=False)
                break
            except VODError as error:
                if classify(error) is not Action.RETRY:
                    return False  # another process has it, and with it the parts
                if number == tries:
                    yield from self._put_abort_off(error)
                    return False
                yield fx.Timer(self.policy.wait_s(number, error, self._random))
        self._entry_open = True
        found = opened.checkpoint
        is_mine = (
            found is not None
            and found.upload_id == self.checkpoint.upload_id
            and (found.canceled or not self._is_marked)  # without a tombstone of ours there is none to be missed
        )
        if self._abort_rounds and not is_mine:
            yield from self._close(fx.Closing.RELEASE)  # somebody has taken the file up meanwhile
            return False
        if opened.checkpoint is not None and not self.checkpoint.upload_id:
            self.checkpoint = opened.checkpoint
        return True

    @property
    def _is_marked(self) -> bool:
        """Whether the journal has this file as canceled, as far as this process has written it."""
        return self._saved is not None and self._saved.canceled

    def _settle(self) -> Steps:
        """Drain what is in flight, then do what the person asked for, also when that comes meanwhile."""
        self._settling = True
        self._sending = False
        while True:
            yield Drained()
            asked, self._interrupt = self._interrupt, None
            if asked is FileEvent.CANCEL:
                if not self._entry_open and not (yield from self._open_again()):
                    return
                yield from self._abort_remote()
            elif self._entry_open:
                yield from self._save_what_is_new()
            if self._interrupt is None:
                gone = self._discard and not self.checkpoint.upload_id
                yield from self._close(fx.Closing.DISCARD if gone else fx.Closing.RELEASE)
            if self._interrupt is None:
                return

    def _abort_remote(self) -> Steps:
        """Abort the multipart upload and forget its parts; ids of the asset stay, so that a resume refreshes it."""
        if self._stored:
            self._stored = False
            yield self._warn("Stored", f"{self.job.name} was stored completely before it could be canceled")
        self._board.reset()
        self._owes_restart = self._owes_restart or self.ledger.loaded_percent > 0
        self.ledger.restart()
        if self.state is UploadState.UPLOADING:
            yield from self._owed_note()
        image = self.job.media_type is MediaType.IMAGE
        if self.checkpoint.upload_id:
            # The tombstone: when the abort fails now, a later process finds what is to be aborted.
            self.checkpoint = replace(self.checkpoint, canceled=True)
            if not self._is_marked:
                yield from self._save_quietly()
            tries = 1 if self._abort_rounds else ABORT_TRIES
            for number in range(1, tries + 1):
                if image and not self._grant_lives():
                    # An image cannot be refreshed: nobody gets a credential for these parts any more.
                    kept = f"parts of {self.job.name} stay until the storage's lifecycle drops them"
                    yield self._warn("Abort", kept)
                    break
                try:
                    if self.grant is None or self.grant.auth.expires_at_s <= self._clock.now_s():
                        self.grant = self._checked((yield self._refresh_effect()))
                    assert self.grant is not None
                    yield fx.Abort(self.grant, self.checkpoint.upload_id)
                    break
                except (NotFoundError, NoSuchUploadError):
                    break
                except VODError as error:
                    if isinstance(error, AuthExpiredError):
                        self.grant = None
                    if number == tries or classify(error) not in {Action.RETRY, Action.REFRESH}:
                        yield from self._put_abort_off(error)
                        return
                    yield fx.Timer(self.policy.wait_s(number, error, self._random))
        # Still marked: a later process must not take up what the person gave up; adding or resuming it clears the mark.
        self.checkpoint = replace(self._without_upload(self.checkpoint), canceled=True)
        if self.checkpoint.media_id or self.checkpoint.reference_id:
            yield from self._save_quietly()

    def _put_abort_off(self, error: VODError) -> Steps:
        """Leave the tombstone, and with patience plan the next try."""
        if not self._abort_rounds:
            yield self._warn("Abort", f"parts of {self.job.name} could not be removed from the storage yet")
        self._abort_rounds += 1
        now_s = self._clock.monotonic_s()
        if self._abort_since_s is None:
            self._abort_since_s = now_s
        wait_s = self.policy.wait_s(ABORT_TRIES + self._abort_rounds, error, self._random)
        patience_s = min(self.policy.patience_s or 0.0, ABORT_PATIENCE_S)
        may_pass = classify(error) in {Action.RETRY, Action.REFRESH}
        if may_pass and now_s + wait_s - self._abort_since_s < patience_s:
            self._abort_wait_s = wait_s

    def _forget_abort(self) -> None:
        self._abort_token = self._abort_rounds = 0
        self._abort_wait_s = self._abort_since_s = None

    def _refresh_effect(self) -> fx.Effect:
        """What gets a new permission for the asset from whoever gives authority to this file."""
        ck = self.checkpoint
        if self.job.get_auth and self._sts is None:
            return fx.GetAuth(fx.AuthKind.REFRESH_VIDEO, ck.media_id, ck.reference_id)
        return fx.RefreshVideo(ck.media_id, self._sts)
