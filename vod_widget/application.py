"""Between the queue and the application: callbacks, events, and the answers that the application owes.

Everything that a caller's code hears or says passes here: callbacks are posted to the dispatcher (in order for each
file, never under the queue's condition), `on_upload_started` is asked for authority, `get_auth` is called and read.
Floor 4.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import effects as fx
from . import events as ev
from .caller import Caller
from .dispatcher import Dispatcher
from .errors import (
    CallbackError,
    ConnectionLostError,
    MissingCredentialError,
    UnexpectedAnswerError,
    VODError,
)
from .interfaces import Clock, Randomness, Source
from .machine import FileMachine, Job
from .model import Grant, Phase, UploadAddress, UploadAuth, UploaderState, UploadMetadata, UploadState
from .options import APP_ANSWER_S, BROWSER_LANES, DIRECT_LANES
from .parts import choose_part_size
from .record import Record
from .retry import RetryPolicy
from .secret import RedactingFilter, bare, redact

if TYPE_CHECKING:
    from .authority import Destination
    from .scheduler import Scheduler
    from .upload_info import UploadInfo

__all__ = ["Application", "AuthContext", "current_record", "in_callback"]

_log = logging.getLogger("vod_widget")

current_record: contextvars.ContextVar[Record | None] = contextvars.ContextVar("vod_widget_current", default=None)
"""The file whose callback runs in this context."""
in_callback: contextvars.ContextVar[bool] = contextvars.ContextVar("vod_widget_in_callback", default=False)
"""Whether a callback of ours runs in this context, which must not wait for itself."""

# An application's error text can hold what nobody foresaw; its traceback is logged, cleaned.
_log.addFilter(RedactingFilter())


@dataclass(frozen=True, slots=True)
class AuthContext:
    """What `get_auth` is asked for.

    Attributes:
        kind: `create-video`, `refresh-video`, `create-image` or `create-attached-media`.
        upload_info: The file.
        video_id: The video to refresh, else "".
        reference_id: Pass it as ReferenceId to CreateUploadVideo, so that a lost answer makes no second asset; "" for
            images.
        title: Title of the asset.
        file_name: File name.
        size_bytes: Length.
        metadata: Everything that the file tells VOD about itself.
    """

    kind: str
    upload_info: UploadInfo
    video_id: str
    reference_id: str
    title: str
    file_name: str
    size_bytes: int
    metadata: UploadMetadata


class Application:
    """Speaks with the caller's code; implements `scheduler.Owner`.

    Args:
        uploader: Whose callbacks are called.
        clock: Time.
        randomness: Chance.
        dispatcher: Delivers.
        publish: Writes the live traits; called on the timer thread, and at the end on the delivery thread.
        tell_waiters: Wakes `wait()` and `finished()`.
    """

    def __init__(
        self,
        uploader: Caller,
        clock: Clock,
        randomness: Randomness,
        dispatcher: Dispatcher,
        *,
        publish: Callable[[], None],
        tell_waiters: Callable[[], None],
    ) -> None:
        self.queue: Scheduler
        self.destination: Destination | None = None
        self.listeners: tuple[Callable[[ev.Event], None], ...] = ()
        # Not a listener: those wait for each other and for callbacks, and a kill waits for nobody.
        self.keeper: Callable[[type[ev.Event], Record], None] | None = None
        self.ended_callbacks = True
        self.is_ending = False
        self._drains = 0
        self._uploader = uploader
        self._publish = publish
        self._tell_waiters = tell_waiters
        self._clock = clock
        self._random = randomness
        self._dispatcher = dispatcher
        self._seq = 0
        self._last_info: UploadInfo | None = None

    # ---- Owner: what the scheduler asks for

    def make_machine(self, record: Record) -> FileMachine:
        """Return the machine of a file whose turn has come, with the options and keys of this moment.

        A file that has its asset keeps its machine whatever the keys: new ones refresh that asset. One that failed
        before anything was created begins anew when it now goes elsewhere.
        """
        up, to = self._uploader, self.destination
        assert to is not None
        known, run = record.machine, record.get_ready()
        if known is not None:
            run.provider = to.provider
            same_place = known.job.destination == to.label or known.busy or bool(known.checkpoint.media_id)
            if same_place:
                known.job = replace(
                    known.job,
                    asks_app=self._asks_app(to),
                    get_auth=up.get_auth is not None,
                    own_authority=to.provider is not None,
                )
                if not known.checkpoint.media_id:
                    # Nothing was created yet: what still drains goes on in the new place.
                    run.endpoint, run.region_given = to.endpoint, to.region
                    known.job = replace(known.job, destination=to.label, loopback_allowed=to.loopback)
                    known.checkpoint = replace(known.checkpoint, destination=to.label)
                known.policy = RetryPolicy(up.retry_count, up.retry_duration, up.patience_s)
                return known
        run.provider = to.provider
        run.endpoint = to.endpoint
        run.region_given = to.region
        endpoint, bucket, key = record.given.address
        first_part_bytes, limit = None, up.max_bandwidth_bytes_per_s
        if up.part_size_bytes is None and limit is not None:
            first_part_bytes = choose_part_size(record.size_bytes, None, limit, self.queue.parallel_now)
        job = Job(
            file_id=record.file_id,
            name=record.name,
            size_bytes=record.size_bytes,
            media_type=record.media_type,
            source_id=record.source.source_id,
            destination=to.label,
            metadata=record.metadata,
            reference_id=record.given.reference_id,
            cheap_reads=record.source.cheap_reads,
            has_cover=record.cover is not None,
            part_size_bytes=up.part_size_bytes,
            first_part_bytes=first_part_bytes,
            lanes=_lanes(record.source),
            skip_uploaded=up.skip_uploaded,
            wanted_since_s=record.given.wanted_since_s,
            asks_app=self._asks_app(to),
            get_auth=up.get_auth is not None,
            own_authority=to.provider is not None,
            loopback_allowed=to.loopback,
            endpoint=endpoint,
            bucket=bucket,
            object=key,
            profile=up.profile or "",
        )
        policy = RetryPolicy(up.retry_count, up.retry_duration, up.patience_s)
        checkpoint = replace(run.checkpoint, file_id=record.file_id) if run.checkpoint is not None else None
        return FileMachine(job, policy, self._clock, self._random, checkpoint)

    def _asks_app(self, to: Destination) -> bool:
        up = self._uploader
        nobody_else = up.get_auth is None and to.provider is None
        return up.on_upload_started is not None or nobody_else

    def on_state(self, record: Record) -> None:
        """Tell the listeners, and with the first byte that is about to go where progress begins."""
        if self.listeners or self.keeper is not None:
            self.emit(ev.StateChanged, record, state=str(record.state), phase=str(record.phase))
        if record.phase is Phase.SENDING and record.run.shown_bytes < 0:
            record.run.shown_bytes = record.sent_bytes
            self.on_progress(record)

    def on_progress(self, record: Record) -> None:
        """Tell listeners and on_upload_progress of a tick; 1 is left to the success itself, so that it comes once."""
        if record.phase in {Phase.PREPARING, Phase.AUTHORIZING} and not record.sent_bytes:
            record.run.shown_bytes = -1  # on_upload_started may not have been called yet
        elif record.loaded_percent < 1.0:
            self._progress(record, coalesce="tick")

    def on_note(self, record: Record, note: fx.Note) -> None:
        """Turn news of a machine into callbacks and events."""
        info = record.info
        if isinstance(note, fx.PartAccepted):
            self._progress(record)
        elif isinstance(note, fx.Succeeded):
            self._last_info = info
            self._progress(record)
            self.fire(record, "on_upload_succeed", info)
        elif isinstance(note, fx.Failed):
            self._last_info = info
            self.fire(record, "on_upload_failed", info, note.error.code, str(note.error))
        elif isinstance(note, fx.Canceled):
            self._last_info = info
            self.fire(record, "on_upload_canceled", info)
        elif isinstance(note, fx.RetryNote):
            self.emit(
                ev.RetryScheduled,
                record,
                attempt=note.attempt,
                code=note.error.code,
                message=note.error.message,
                wait_s=note.wait_s,
            )
            self.fire(record, "on_upload_retry", info)
        elif isinstance(note, fx.RestartedNote):
            self.emit(ev.Restarted, record, reason=note.reason)
        elif isinstance(note, fx.Warned):
            _log.warning("%s: %s [%s]", record.name, redact(note.message), note.code)
            self.emit(ev.Warned, record, code=note.code, message=note.message)

    def warn(self, text: str) -> None:
        """Say something that concerns the journal, not one file; on any thread, without the condition."""
        note = fx.Warned("Journal", text)
        _log.warning("%s [%s]", note.message, note.code)
        with self.queue.cond:
            self.emit(ev.Warned, None, code=note.code, message=note.message)

    def on_uploader_state(self) -> None:
        """Tell the listeners."""
        self.emit(ev.UploaderStateChanged, None, state=str(self.queue.state))

    def on_tick(self) -> None:
        """Write the live traits."""
        self._dispatcher.post("\0traits", self._publish, coalesce="traits")

    def on_drained(self) -> None:
        """Fire on_upload_end once everything before it has returned, if nothing was added meanwhile."""
        self.ended_callbacks = False
        self.is_ending = True
        self._drains += 1
        mine, info = self._drains, self._last_info

        def end() -> Any:
            with self.queue.cond:
                if mine == self._drains:
                    self.is_ending = False
                if mine != self._drains or self.queue.state is not UploaderState.END:
                    return None
                counts = self.queue.counts
                self.emit(
                    ev.Drained,
                    None,
                    succeeded=counts[UploadState.SUCCESS],
                    failed=counts[UploadState.FAILURE],
                    canceled=counts[UploadState.CANCELED],
                )
            callback = self._uploader.on_upload_end
            return self._run(None, callback, info) if callback is not None else None

        def ended() -> None:
            self.ended_callbacks = self.ended_callbacks or mine == self._drains
            self._tell_waiters()
            self._publish()

        self._dispatcher.when_idle(end)
        self._dispatcher.when_idle(ended)

    # ---- callbacks and events

    def fire(self, record: Record, name: str, *args: Any, coalesce: str = "") -> None:
        """Post one callback, if it is set."""
        callback = getattr(self._uploader, name)
        if callback is not None:
            self._dispatcher.post(record.file_id, lambda: self._run(record, callback, *args), coalesce=coalesce)

    def _run(self, record: Record | None, callback: Callable[..., Any], *args: Any) -> Any:
        """Call, and run the coroutine if it returns one, in a context that knows the file."""
        tokens = current_record.set(record), in_callback.set(True)
        try:
            result = callback(*args)
            return self._dispatcher.run_coroutine(result) if hasattr(result, "__await__") else result
        finally:
            current_record.reset(tokens[0])
            in_callback.reset(tokens[1])

    def _progress(self, record: Record, coalesce: str = "") -> None:
        if record.state not in {UploadState.UPLOADING, UploadState.EXPIRED, UploadState.SUCCESS}:
            return  # bytes that were on their way when the person spoke
        if record.machine is not None and record.machine.is_settling:
            return  # the file is wanted again, and the earlier run still drains
        sent, accepted = record.sent_bytes, record.accepted_bytes
        total, share = record.size_bytes, record.loaded_percent
        self.emit(
            ev.Progress, record, sent_bytes=sent, accepted_bytes=accepted, total_bytes=total, loaded_percent=share
        )
        # Ticks that a slow callback has not yet taken replace one another; those of parts are all delivered.
        self.fire(record, "on_upload_progress", record.info, total, share, coalesce=coalesce)

    def emit(self, kind: type[ev.Event], record: Record | None, **facts: Any) -> None:
        """Post one event to the listeners, in one strand of their own; under the condition."""
        if self.keeper is not None and record is not None:
            self.keeper(kind, record)
        if not self.listeners:
            return
        self._seq += 1
        event = kind(seq=self._seq, file_id=record.file_id if record is not None else "", **facts)

        def deliver() -> None:
            for listener in self.listeners:
                try:
                    listener(event)
                except Exception:
                    _log.exception("a listener failed")

        self._dispatcher.post("", deliver)

    # ---- authority

    def ask_app(self, record: Record, token: int, effect: fx.AskApp) -> None:
        """Fire on_upload_started or on_upload_token_expired; the answer comes from a setter, then or later."""
        with self.queue.cond:
            if record.machine is None or not record.machine.awaits(token):
                return  # the person spoke before the question was put
            record.run.asked = token
        up = self._uploader
        if effect.expired is not None:
            if up.on_upload_token_expired is None:
                self._no_answer(record, token, effect.expired)
                return
            self._post_question(record, token, up.on_upload_token_expired, others=False)
            return
        others = up.get_auth is not None or record.run.provider is not None
        if up.on_upload_started is None:
            if others:
                self._answer_asked(record, token, None)
            else:
                self._no_answer(record, token, MissingCredentialError("nothing gives authority for this file"))
            return
        if not others:
            late = MissingCredentialError(f"on_upload_started gave no authority within {APP_ANSWER_S:.0f} s")
            self.queue.later(APP_ANSWER_S, lambda: self._no_answer(record, token, late))
        self._post_question(record, token, up.on_upload_started, others=others)

    def _post_question(self, record: Record, token: int, callback: Callable[..., Any], *, others: bool) -> None:
        def ask() -> Any:
            if record.run.asked != token:
                return  # canceled or stopped while it waited for its turn
            try:
                self._run(record, callback, record.info)
            except BaseException as raised:  # SystemExit of a callback, too, is this file's failure alone
                if isinstance(raised, VODError):
                    _log.warning("%s: %s", record.name, raised)
                else:
                    _log.exception("the callback that gives authority failed for %s", record.name)
                if not others:
                    text = redact(f"{type(raised).__name__}: {raised}")[:300]
                    self._no_answer(record, token, CallbackError(f"the callback raised {text}"))
            if others:
                self._answer_asked(record, token, None)

        self._dispatcher.post(record.file_id, ask, at_once=True)

    def _claim(self, record: Record, token: int | None) -> int | None:
        """Take the open question, if it is still open."""
        with self.queue.cond:
            asked = record.run.asked
            if asked is None or (token is not None and asked != token):
                return None
            record.run.asked = None
            return asked

    def _answer_asked(self, record: Record, token: int, value: Any) -> None:
        if self._claim(record, token) is not None:
            self.queue.answer(record, token, value)

    def _no_answer(self, record: Record, token: int, error: VODError) -> None:
        if self._claim(record, token) is not None:
            self.queue.refuse(record, token, error)

    def answer(self, record: Record, value: Any) -> bool:
        """Give the answer of a setter to a file that waits for one; False when it does not."""
        asked = self._claim(record, None)
        if asked is None:
            _log.warning("%s does not wait for credentials; the late answer is ignored", record.name)
            return False
        self.queue.answer(record, asked, value)
        return True

    def refuse(self, record: Record, error: VODError) -> None:
        """Fail a file that waits, because the answer was no good."""
        asked = self._claim(record, None)
        if asked is not None:
            self.queue.refuse(record, asked, error)

    def get_auth(self, record: Record, effect: fx.GetAuth, cover: Source | None) -> Grant:
        """Call the application's `get_auth` for a file, or for its cover, and read its answer; on a worker thread."""
        ask = self._uploader.get_auth
        assert ask is not None
        context = AuthContext(
            kind=str(effect.kind),
            upload_info=record.info,
            video_id=effect.media_id,
            reference_id=effect.reference_id,
            title=record.metadata.title,
            file_name=record.name if cover is None else cover.name,
            size_bytes=record.size_bytes if cover is None else cover.size_bytes,
            metadata=record.metadata,
        )
        try:
            answers = [self._run(record, ask, context)]
        except VODError:
            raise
        except (FileNotFoundError, PermissionError, IsADirectoryError) as raised:
            raise CallbackError(f"get_auth raised {type(raised).__name__}") from None
        except OSError as raised:
            # Connection errors of every HTTP library derive from OSError: the application's server is away.
            raise ConnectionLostError(f"get_auth: {type(raised).__name__}") from None
        except Exception as raised:
            _log.exception("get_auth failed")
            text = redact(f"{type(raised).__name__}: {raised}")[:300]
            raise CallbackError(f"get_auth raised {text}") from None
        # Not by its name: this frame must not hold it when reading it fails.
        return self._read_answer(answers.pop())

    def _read_answer(self, answer: Any) -> Grant:
        if isinstance(answer, Grant):
            return answer
        if not isinstance(answer, Mapping):
            raise CallbackError(
                f"get_auth returned {type(answer).__name__}", hint="Return the answer of the VOD operation as a dict."
            )
        media_id = answer.get("VideoId") or answer.get("ImageId") or answer.get("MediaId")
        if not media_id:
            del answer  # a traceback that shows local variables must not show a key
            raise UnexpectedAnswerError(
                "the answer of get_auth has no VideoId, ImageId or MediaId",
                hint="Return the answer of the VOD operation unchanged.",
            )
        try:
            return Grant(
                UploadAuth.decode(str(answer.get("UploadAuth") or ""), now_s=self._clock.now_s()),
                UploadAddress.decode(str(answer.get("UploadAddress") or "")),
                str(media_id),
                image_url=answer.get("ImageURL") or answer.get("FileURL"),
                request_id=answer.get("RequestId"),
            )
        except VODError as error:
            del answer
            raise bare(error) from None


def _lanes(source: Source) -> int | None:
    """How many parts of a file a page can have on their way; None when no page is asked for its bytes."""
    # Not by isinstance: for a Protocol that takes as long as all other decisions on a small file that begins.
    sends_itself: bool | None = getattr(source, "sends_itself", None)
    if sends_itself is None:
        return None
    return DIRECT_LANES if sends_itself else BROWSER_LANES
