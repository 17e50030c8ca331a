"""The files of a queue that have not begun, kept on disk as they come and go: a kernel that is killed loses none.

A file has an entry of its own in the journal from its first request on. Until then a queue that a widget shows keeps it
in one list, which `restoring.take_waiting` reads in the next process. The queue says, under its condition, which files
have changed; a thread that lives while there is something to write, and not longer, looks at them and writes. Floor 4.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from . import events as ev
from .application import Application
from .authority import Authority
from .caller import Caller
from .errors import InvalidStateError, JournalError, VODError
from .interfaces import Clock, Journal, Source, WaitingList
from .model import Checkpoint, UploadState, Waiting
from .record import Given, Record
from .scheduler import Scheduler
from .workers import Timers

__all__ = ["CANNOT_BE_KEPT", "EMULATOR", "Keeper", "can_open"]

T = TypeVar("T")

_log = logging.getLogger("vod_widget")
_SLACK_LINES = 1000
_COMING_AND_GOING = (ev.FileAdded, ev.FileRemoved)
_AT_ITS_END = frozenset({UploadState.SUCCESS, UploadState.CANCELED})
_MOVE_PAUSE_S = 1.0
"""A person, or Sort, moves many files at once, and each move would write the whole list anew."""
_RETRY_S, _RETRY_MAX_S = 5.0, 60.0
_TURN_S = 30.0
"""Longest wait of a person who brings files back for a write that is under way."""
EMULATOR = "emulator"
"""Where files go that went to an emulator: another process has another one, and what was in it is gone."""
CANNOT_BE_KEPT = "lost"
"""Cover of a file whose cover is in memory alone."""


def can_open(source_id: str) -> bool:
    """Tell whether a file can be had again by its id alone."""
    return source_id.startswith(("file:", "address:http"))


class Kept(Caller, Protocol):
    """What is read of the queue."""

    _app: Application
    _authority: Authority
    _queue: Scheduler
    _closed: bool


class Keeper:
    """Keeps the list of one queue.

    Args:
        uploader: The queue; it keeps this alive, and not the other way round.
        clock: Says since when a file is wanted.
    """

    def __init__(self, uploader: Kept, clock: Clock) -> None:
        self._uploader = weakref.ref(uploader)
        self._clock = clock
        self._timers = Timers("vod-keeper", clock)
        self._guard = threading.Condition()  # guards what is owed; never held over I/O
        self._owed: dict[str, None] = {}
        self._owes_all = False
        self._works = self._rests = self._will_order = self._is_ended = False
        self._retry_s = 0.0
        # Held over I/O, against the rule of the house: it orders the writes to this one list. It guards all below.
        self._turn = threading.Lock()
        self._list: WaitingList | None = None
        self._journal: Journal | None = None
        self._kept: dict[str, tuple[Given, float]] = {}
        self._listed_place = ""
        self._choice: tuple[tuple[Any, ...], str] = ((), "")

    def hear(self, kind: type[ev.Event], record: Record) -> None:
        """Take note that a file has come, gone, moved or changed; under the queue's condition."""
        if kind is ev.FileMoved:
            with self._guard:
                if not self._will_order:
                    self._will_order = True
                    self._timers.after(_MOVE_PAUSE_S, self.look)
        elif kind in _COMING_AND_GOING or (kind is ev.StateChanged and record.state is not UploadState.UPLOADING):
            self._note(record.file_id)

    def look(self) -> None:
        """Look at every file again: their order or their destination has changed, or the last try failed."""
        with self._guard:
            self._owes_all, self._will_order, self._rests = True, False, False
        self._note()

    def _note(self, file_id: str = "") -> None:
        with self._guard:
            if file_id:
                self._owed[file_id] = None
            if self._works:
                self._timers.wake()  # where no thread could be had before
            elif not (self._rests or self._is_ended):
                self._works = True
                self._timers.after(0.0, self._work)

    def finish(self, timeout_s: float) -> bool:
        """Write what is owed and end; may be called again, for what came meanwhile.

        Args:
            timeout_s: Longest wait for a disk that hangs, seconds.

        Returns:
            False when something is still owed.
        """
        with self._guard:
            is_first, self._is_ended = not self._is_ended, True
            self._owes_all |= self._will_order  # and after a write that failed, all is owed anyway
            self._rests = self._will_order = False
            begins = not self._works and bool(self._owed or self._owes_all)
            self._works |= begins
            if begins and is_first:
                self._timers.after(0.0, self._work)
            # Late in the end of a process no thread can be had any more.
            is_alone = not self._timers.is_running or (begins and not is_first)
        if is_alone:
            self._work()
        with self._guard:
            self._guard.wait_for(lambda: not self._works, timeout_s)
            is_done = not (self._works or self._owed or self._owes_all)
        return self._timers.close(timeout_s) and is_done

    def take(self, files: Sequence[tuple[Waiting, Given]], enlist: Callable[[], T]) -> T:
        """Write files of an earlier process into the list, and only then have them put into the queue.

        Args:
            files: As they were kept, and what the queue will say of them.
            enlist: Puts them there.

        Raises:
            JournalError: They cannot be written; `enlist` was not called.
        """
        if not self._turn.acquire(timeout=_TURN_S):
            raise JournalError("the list of waiting files is still being written", hint="Try again in a while.")
        try:
            uploader = self._uploader()
            if uploader is None or uploader._closed:
                raise InvalidStateError("this uploader is closed", hint="Make a new one.")
            self._choose_journal()
            waiting = [one for one, _ in files]
            if self._list is None or not self._list.is_open or not self._list.change(waiting, ()):
                self._write_all(also=waiting)
            self._kept.update({one.checkpoint.file_id: (given, one.since_s) for one, given in files})
            try:
                return enlist()
            finally:  # what did not get there is struck off
                for one in waiting:
                    self._note(one.checkpoint.file_id)
        finally:
            self._turn.release()

    def place(self) -> str:
        """Tell where files that have not begun would go, as the list names it; "" while that is open.

        Reads profiles, where the choice of keys has changed.
        """
        uploader = self._uploader()
        known, place = self._choice
        if uploader is None:
            return place
        asks = uploader.get_auth is not None or uploader.on_upload_started is not None
        options = (uploader.profile, uploader.endpoint, uploader.region, uploader.user_id, uploader.credentials)
        chosen = (*options, asks, uploader._app.destination)
        if chosen != known:
            with suppress(VODError):  # a profile that is broken now: the last place is still the best guess
                to = uploader._authority.resolve(required=False)
                is_open = to.provider is None and not asks
                place = EMULATOR if to.loopback else "" if is_open else to.label
                self._choice = chosen, place
        return place

    # ---- the thread that writes

    def _work(self) -> None:
        while True:
            with self._guard:
                owed, self._owed = self._owed, {}
                owes_all, self._owes_all = self._owes_all, False
                if not (owed or owes_all):
                    self._works = False
                    self._guard.notify_all()
                    return
            try:
                with self._turn:
                    self._write(list(owed), owes_all=owes_all)
            except Exception as error:
                self._rest(error)
                return
            self._retry_s = 0.0

    def _rest(self, error: Exception) -> None:
        """Try again later, and say at the first time that a kill would lose files now."""
        is_first = not self._retry_s
        self._retry_s = min(_RETRY_MAX_S, 2 * self._retry_s or _RETRY_S)
        with self._guard:
            self._owes_all, self._works, self._rests = True, False, True
            self._guard.notify_all()
        self._timers.after(self._retry_s, self.look)
        uploader = self._uploader()
        if is_first and uploader is not None and not uploader._closed:
            why = error.message if isinstance(error, VODError) else type(error).__name__
            uploader._app.warn(f"Files that have not begun would be lost if this process ended now: {why}.")

    # ---- with the turn

    def _write(self, owed: Sequence[str], *, owes_all: bool) -> None:
        uploader = self._uploader()
        if uploader is None or uploader._closed:
            return
        is_new = self._choose_journal()
        place = self.place()
        if owes_all or is_new or place != self._listed_place or (self._list is not None and not self._list.is_open):
            self._write_all()
            return
        with uploader._queue.cond:
            found = [(file_id, uploader._queue.find(file_id)) for file_id in owed]
        added, gone = [], []
        for file_id, record in found:
            if record is None or not _is_waiting(record):
                if self._kept.pop(file_id, None) is not None:
                    gone.append(file_id)
                continue
            given, since_s = record.given, self._since_s(file_id)
            if self._kept.get(file_id, (None,))[0] is not given:
                added.append(self._waiting_of(record, given, since_s, place))
                self._kept[file_id] = given, since_s
        if not self._kept:
            self._drop()
        elif self._list is None:
            self._list = self._new_list()
            self._list.write(added)
        elif (added or gone) and (
            self._list.line_count > _SLACK_LINES + 2 * len(self._kept) or not self._list.change(added, gone)
        ):
            self._write_all()

    def _write_all(self, also: Sequence[Waiting] = ()) -> None:
        uploader = self._uploader()
        assert uploader is not None
        place = self._listed_place = self.place()
        with uploader._queue.cond:
            records = list(uploader._queue.records)
        kept: dict[str, tuple[Given, float]] = {}
        lines: list[Waiting] = []
        for record in filter(_is_waiting, records):
            given, since_s = record.given, self._since_s(record.file_id)
            kept[record.file_id] = given, since_s
            lines.append(self._waiting_of(record, given, since_s, place))
        if not lines and not also:
            self._drop()
            return
        if self._list is None or not self._list.is_open:
            self._list = self._new_list()
        self._list.write([*lines, *also])
        self._kept = kept

    def _choose_journal(self) -> bool:
        """Follow `checkpoint_dir`; True when the list is in another folder now."""
        uploader = self._uploader()
        assert uploader is not None
        journal, before = uploader._authority.journal(), self._journal
        self._journal = journal
        if before is None or before is journal:
            return False
        self._drop()
        return True

    def _new_list(self) -> WaitingList:
        assert self._journal is not None
        return self._journal.new_waiting()

    def _drop(self) -> None:
        self._kept = {}
        left, self._list = self._list, None
        if left is not None and left.is_open:
            left.discard()

    def _since_s(self, file_id: str) -> float:
        known = self._kept.get(file_id)
        return known[1] if known is not None else self._clock.now_s()

    def _waiting_of(self, record: Record, given: Given, since_s: float, place: str) -> Waiting:
        endpoint, bucket, key = given.address
        uploader = self._uploader()
        checkpoint = Checkpoint(
            file_id=record.file_id,
            source_id=record.source.source_id,
            destination=place,
            fingerprint="",
            name=record.name,
            size_bytes=record.size_bytes,
            media_type=record.media_type,
            reference_id=given.reference_id,
            endpoint=endpoint or "",
            bucket=bucket or "",
            object=key or "",
            metadata=given.metadata.stated() if given.metadata is not None else {},
            profile=(uploader.profile or "") if uploader is not None else "",
        )
        return Waiting(checkpoint, since_s, _cover_of(given.cover))


def _is_waiting(record: Record) -> bool:
    """Whether a file is wanted and can be had again; one that has begun is known to the journal besides."""
    return not record.removed and record.state not in _AT_ITS_END and can_open(record.source.source_id)


def _cover_of(cover: Source | None) -> str:
    if cover is None:
        return ""
    return cover.source_id if can_open(cover.source_id) else CANNOT_BE_KEPT
