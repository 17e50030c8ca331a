"""The one thread that speaks to the browser: it alone writes traits and sends messages.

Everything else only leaves word: events of the core mark files as dirty, handlers put answers into the outbox. The
thread sleeps on a condition until there is something to say and says it at a bounded rate, however many files change:

    answers, pulls, drops     at once, in order
    a person waits (`view`)   at most ten times a second
    bars and states           at most every 0.4 s, the rows of each page's window that really changed
    traits                    one message for all of them, at most once a second but for states of the queue
    beside answers and pulls  at most 20 messages a second, and about 80 KB/s of rows

No page is believed to have got anything: each of its rows messages has a number, a gap makes it ask again, two
seconds after the last change one snapshot repeats the final truth, and a failed send makes the next message a snapshot.
A send that raises is swallowed: a dead front-end never slows a transfer. `step` is the whole decision and takes the
time from the clock, so that tests need no thread. Imports words, `view`, `watch`, `page_views` and `display`.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vod_widget import events
from vod_widget.errors import VODError
from vod_widget.interfaces import Clock
from vod_widget.upload_info import FileSnapshot

from .display import TRAITS_S, DisplayTraits, MessageBudget
from .page_views import PageViews
from .view import Overview, Stopwatch, Window, summary
from .watch import Core, Watch

__all__ = ["Publisher", "Screen"]

_log = logging.getLogger(__name__)

SOON_S = 0.1
# Twenty widgets on a page each send at most four messages a second: 2.5 of rows, one of traits, half a note.
BARS_S = 0.4
# While files move, time left and speed change without events; a stalled transfer must show as one.
HEARTBEAT_S = 1.0
CLOSING_S = 2.0
# A page says something every few seconds; one that has been silent for so long gets no rows until it speaks.
PAGE_SILENCE_S = 45.0
NOTES_S = 2.0
# Above this the whole list is asked for once instead of each file.
_RESEED_ABOVE = 2_000


class Screen(Protocol):
    """What the publisher does to the world; every call may raise, and nothing follows from it."""

    def send(self, content: dict[str, Any], buffers: Sequence[Any] | None) -> None:
        """Send one custom message to every page."""

    def show(self, traits: dict[str, Any]) -> None:
        """Set the display traits and send them in one message."""

    def finished(self, done: Sequence[FileSnapshot], gone: Sequence[str]) -> None:
        """Take note of files that ended, and of ones that did not stay so."""


@dataclass(slots=True)
class _Letter:
    content: dict[str, Any]
    buffers: Sequence[Any] | None
    after: Callable[[], None] | None = None


class Publisher:
    """Owns what the pages see.

    Args:
        core: The uploader.
        screen: Where messages and traits go.
        clock: Monotonic time.
        account: Gives `{"profile": ..., "destination": ...}` of the summary; must be cheap.
        is_answered: Tells whether other keys came since a file failed by an error.
        reload_ends: True when each load of the page has another kernel.
        stopwatch: That of the publisher before, when the same queue goes on.
    """

    def __init__(
        self,
        core: Core,
        screen: Screen,
        clock: Clock,
        *,
        account: Callable[[], dict[str, Any]],
        is_answered: Callable[[str, VODError | None], bool],
        reload_ends: bool = False,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._core = core
        self._screen = screen
        self._clock = clock
        self._account = account
        self.stopwatch = stopwatch or Stopwatch()
        self._owed_by: Callable[[], Mapping[str, str]] = dict
        # One condition guards what other threads leave here; it is never held while something is sent or asked.
        self._word = threading.Condition()
        self._outbox: deque[_Letter] = deque()
        self._flushes: list[tuple[threading.Event, contextvars.Context]] = []
        self._later: list[tuple[float, Callable[[], None]]] = []
        # Ordered: new files must be counted in the order in which they were added.
        self._dirty: dict[str, None] = {}
        self._reseed = True
        self._wanted_s: float | None = 0.0
        self._asked: dict[int, Window | None] = {}
        self._heard_s: dict[int, float] = {}
        self._closed = False
        self._thread: threading.Thread | None = None
        # Below: of the publisher's thread alone.
        self._watch = Watch(core, screen.finished, is_answered, reload_ends=reload_ends)
        self._budget = MessageBudget()
        self._views = PageViews(
            lambda: self._watch.overview,
            self._watch.row,
            lambda content: self._send(content, None),
            self._budget.has_room,
        )
        self._traits = DisplayTraits(screen.show, self._budget)
        self._silent: set[int] = set()
        self._turned = False
        self._turned_s = float("-inf")
        self._free_s = 0.0
        self._looked_s = float("-inf")
        self._closing_s: float | None = None
        self._notes_s = float("-inf")

    def ask_for_owed(self, owed: Callable[[], Mapping[str, str]]) -> None:
        """Say who knows what pages owe (before `start`).

        Args:
            owed: Gives codes by file id, without those that wait for nobody; must be cheap.
        """
        self._owed_by = owed

    # ---- any thread --------------------------------------------------------------------------------

    def listen(self, event: events.Event) -> None:
        """Take one event of the core; called in the thread that delivers them, returns at once."""
        turned = not isinstance(event, events.Progress)
        with self._word:
            if event.file_id:
                self._dirty[event.file_id] = None
                if len(self._dirty) > _RESEED_ABOVE or isinstance(event, events.FileMoved):
                    self._reseed = True
            # The first change after a time without any shows at once, however bars move and lists scroll meanwhile;
            # in a storm they share a tick.
            self._turned |= turned
            calm_s = self._turned_s + BARS_S - self._clock.monotonic_s()
            self._want(max(SOON_S, calm_s) if turned else BARS_S)

    def post(
        self,
        content: dict[str, Any],
        buffers: Sequence[Any] | None = None,
        *,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Send a message as soon as the thread wakes, in the order of the calls.

        Args:
            content: Plain JSON.
            buffers: Binary parts, or None.
            after: Called by the publisher's thread when the message has left.
        """
        with self._word:
            if self._closed:
                return
            self._outbox.append(_Letter(content, buffers, after))
            self._word.notify_all()

    def look_at(self, window: Window | None, page: int = 0) -> None:
        """Show a page this part of the list from now on, beginning with a snapshot; None repeats its present part."""
        with self._word:
            self._asked[page] = window or self._asked.get(page)
            self._heard_s.setdefault(page, self._clock.monotonic_s())
            self._want(0.0)

    def hear(self, page: int = 0) -> None:
        """Take note that a page lives."""
        with self._word:
            now_s = self._clock.monotonic_s()
            before_s = self._heard_s.get(page)
            if before_s is None:
                return  # it looks at nothing yet
            self._heard_s[page] = now_s
            if now_s - before_s > PAGE_SILENCE_S:
                self._asked.setdefault(page, None)
                self._want(0.0)

    def call_the_roll(self, newcomer: int) -> None:
        """Ask every page but one whether it is still there; those that are gone (a reload) cost nothing any more."""
        with self._word:
            others = [page for page in self._heard_s if page != newcomer]
            for page in others:
                self._heard_s[page] = float("-inf")
        if others:
            self.post({"kind": "who"})

    def refresh(self, file_ids: Sequence[str] = ()) -> None:
        """Look again at these files, or at the summary only."""
        with self._word:
            self._dirty.update(dict.fromkeys(file_ids))
            self._want(SOON_S)

    def flush(self, timeout_s: float) -> bool:
        """Have everything that is known now shown, also the traits that could wait; False at the timeout.

        The traits go out in the caller's context: a notebook that is executed without a browser keeps only what its
        running cell published.
        """
        shown = threading.Event()
        context = contextvars.copy_context()
        with self._word:
            if self._closed:
                return False
            self._flushes.append((shown, context))
            self._want(0.0)
        return shown.wait(timeout_s)

    def call_later(self, at_s: float, job: Callable[[], None]) -> None:
        """Call a quick job in the publisher's thread at a monotonic time."""
        with self._word:
            self._later.append((at_s, job))
            self._word.notify_all()

    def seq(self, page: int = 0) -> int:
        """Number of the last snapshot or rows message of a page."""
        return self._views.seq(page)

    def _want(self, within_s: float) -> None:
        """Note that something is to be said (the condition is held)."""
        at_s = self._clock.monotonic_s() + within_s
        if self._wanted_s is None or at_s < self._wanted_s:
            self._wanted_s = at_s
            self._word.notify_all()

    def start(self) -> None:
        """Start the thread, inside the caller's context: ipykernel finds the cell to answer to by it."""
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="vod-widget-publisher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say what is left, end the thread and wait for it shortly; may be called twice and from any thread."""
        with self._word:
            self._closed = True
            self._word.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            # A send that hangs must not hang the cell that closes the widget.
            thread.join(timeout=5.0)

    # ---- the publisher's thread --------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            failed = False
            try:
                self.step()
            except Exception:
                # Nothing may end the thread: the next word, or a second, tries again.
                _log.exception("the widget could not be updated")
                failed = True
            with self._word:
                if self._closed:
                    break
                now_s = self._clock.monotonic_s()
                due_s = now_s + HEARTBEAT_S if failed else self._due()
                if due_s is None:
                    self._word.wait()
                elif due_s > now_s:
                    self._word.wait(due_s - now_s)
        self._farewell()

    def _farewell(self) -> None:
        """Leave the traits true for the saved notebook."""
        try:
            self._tick(self._clock.monotonic_s())
        except Exception:
            _log.debug("the last update of a closing widget failed", exc_info=True)
        # The widget may live on in IPython's history of outputs; ten thousand files are eight megabytes here.
        self._watch.overview = Overview()
        self._views.forget()

    def step(self) -> float | None:
        """Do everything that is due now.

        Returns:
            Monotonic time at which to look again by itself, or None when only word from others can wake it.
        """
        while True:
            with self._word:
                letter = self._outbox.popleft() if self._outbox else None
            if letter is None:
                break
            self._send(letter.content, letter.buffers)
            if letter.after is not None:
                _guarded(letter.after)
        now_s = self._clock.monotonic_s()
        with self._word:
            jobs = [job for at_s, job in self._later if at_s <= now_s]
            self._later = [entry for entry in self._later if entry[0] > now_s]
        for job in jobs:
            _guarded(job)
        with self._word:
            due = self._wanted_s is not None and now_s >= max(self._wanted_s, self._free_s)
        if due or (self._closing_s is not None and now_s >= self._closing_s):
            self._tick(now_s)
        with self._word:
            return self._due()

    def _due(self) -> float | None:
        """When to look again without any word (the condition is held)."""
        if self._outbox:
            return self._clock.monotonic_s()
        pending = [at_s for at_s, _ in self._later]
        if self._wanted_s is not None:
            pending.append(max(self._wanted_s, self._free_s))
        if self._closing_s is not None:
            pending.append(self._closing_s)
        return min(pending, default=None)

    def _tick(self, now_s: float) -> None:
        with self._word:
            dirty, self._dirty = list(self._dirty), {}
            reseed, self._reseed = self._reseed, False
            asked, self._asked = self._asked, {}
            flushes, self._flushes = self._flushes, []
            self._wanted_s = None
            turned, self._turned = self._turned, False
            self._silent = {page for page, at_s in self._heard_s.items() if now_s - at_s > PAGE_SILENCE_S}
        repeat = self._closing_s is not None and now_s >= self._closing_s
        if repeat:
            self._closing_s = None
            self._traits.doubt()
        if turned:
            self._turned_s = now_s
        if asked:
            self._free_s = now_s + SOON_S
        totals, watch = self._core.totals(), self._watch
        # A number that differs while no event is on its way: one was lost, or a slow callback holds it up.
        short_s = 0.0 if watch.short_since_s is None else now_s - watch.short_since_s
        reseed = reseed or (not dirty and watch.differs_from(totals)) or short_s >= CLOSING_S
        changed = watch.update(dirty, whole=reseed)
        watch.note_shortness(now_s, totals)
        news = bool(changed) or reseed
        changed |= self._changes_without_event(now_s)
        for page, window in asked.items():
            self._views.look(page, window)
        facts = summary(watch.overview, totals, took_s=self.stopwatch.ran_s(now_s, totals), **self._account())
        self._views.show(now_s, changed, facts, silent=self._silent, repeat=repeat)
        self._traits.update(now_s, facts, is_last=self._closed)
        self._tell_notes(now_s)
        for shown, context in flushes:
            context.run(self._traits.show, facts)
            shown.set()
        self._plan_next(now_s, facts, news=news)

    def _plan_next(self, now_s: float, facts: dict[str, Any], *, news: bool) -> None:
        runs = facts["can_stop"] and facts["counts"]["uploading"] > 0
        with self._word:
            if runs:
                self._want(HEARTBEAT_S)
            if self._watch.notes:
                self._want(NOTES_S)
            if self._traits.are_late(facts):
                self._want(TRAITS_S)
            held_s = self._views.due_s(now_s)
            if held_s is not None:
                self._want(held_s)
            if self._views.any_stale(self._silent):
                self._want(HEARTBEAT_S)
        if news and not runs:
            self._closing_s = now_s + CLOSING_S

    def _changes_without_event(self, now_s: float) -> set[str]:
        """Files whose row changes by the mere passing of time: a page that is silent, a speed that falls."""
        changed = self._watch.owed(self._owed_by())
        if now_s - self._looked_s >= HEARTBEAT_S:
            self._looked_s = now_s
            changed |= self._views.moving()
        return changed

    def _tell_notes(self, now_s: float) -> None:
        if not self._watch.notes or now_s - self._notes_s < NOTES_S:
            return
        self._notes_s = now_s
        notes, self._watch.notes = self._watch.notes, {}
        if not self._views:
            return
        for code, facts in notes.items():
            if self._budget.has_room(now_s):
                self._send({"kind": "note", "code": code, "facts": {**facts[-1], "count": len(facts)}}, None)

    # ---- sending -----------------------------------------------------------------------------------

    def _send(self, content: dict[str, Any], buffers: Sequence[Any] | None) -> bool:
        if content["kind"] not in ("answer", "pull", "put", "put_stop", "drop", "who"):
            self._budget.spend(self._clock.monotonic_s())
        try:
            self._screen.send(content, buffers)
        except Exception:
            _log.debug("a message to the browser was lost", exc_info=True)
            self._views.doubt()
            return False
        return True


def _guarded(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception:
        _log.debug("a job of the widget failed", exc_info=True)
