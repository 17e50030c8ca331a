"""The files of a queue that have not begun: one list a queue, so that the next kernel can offer them.

A list is held by a lock while its queue lives; one that nobody holds was left by a process that ended. It says what is
wanted, not what is sent: who takes files from it asks the journal what became of each. Any worker thread.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import Protocol

from vod_widget.errors import InvalidStateError, JournalError
from vod_widget.model import Waiting

from .files import AnyLock, failed, open_file, stamp
from .growing import GrowingFile, Place
from .lines import gone_line, read_waiting, waiting_line

__all__ = ["WaitingList"]

_MAX_BYTES = 256 * 1024 * 1024  # half a million files; more is not ours


class Home(Place, Protocol):
    """What a list needs of its journal."""

    def warn(self, text: str) -> None:
        """Keep one sentence for the person."""

    def forget(self, held: WaitingList) -> None:
        """Strike a list off those that are held."""


class WaitingList:
    """One list, held until `release` or `discard`; made by `FileJournal`. The holder orders the calls.

    Attributes:
        path: Its file.
        line_count: Lines that it has, history included.
        is_damaged: Whether not all of it could be read; it is set aside then, and not removed.
    """

    def __init__(self, journal: Home, stem: str, lock: AnyLock) -> None:
        self.line_count = 0
        self.is_damaged = False
        self._journal = journal
        self._lock = lock
        self._file = GrowingFile(journal, stem, lock)
        self._pid = os.getpid()
        self._is_open = True
        # A queue that is dropped without a word must not hold its list until the process ends.
        self._end = weakref.finalize(self, lock.release)

    @property
    def path(self) -> str:
        """Its file."""
        return self._file.path

    @property
    def is_open(self) -> bool:
        """Whether it is held."""
        return self._is_open

    def stamp(self) -> list[int]:
        """Tell one writing of it from another."""
        return stamp(self._file.path)

    def read(self) -> dict[str, Waiting]:
        """Return its files by their ids, in order.

        Raises:
            JournalError: Not readable, not safe (code `Journal.Unsafe`), or far too long.
        """
        try:
            descriptor = open_file(self._file.path, os.O_RDONLY)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise failed("the list of waiting files cannot be read", exc) from exc
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise JournalError(f"the list of waiting files {self.path} is too long to be ours", hint="Remove it.")
        found, damaged = read_waiting(data)
        self.is_damaged = damaged > 0
        if damaged:
            name = os.path.basename(self.path)
            self._journal.warn(f"The list {name} has {damaged} damaged lines; add the files that are missing.")
        return found

    def write(self, files: Iterable[Waiting]) -> None:
        """Write all of it; it survives a power cut.

        Raises:
            JournalError: Not written; the former content stays.
        """
        self._check_held()
        lines = [waiting_line(one) for one in files]
        try:
            self._set_aside_if_damaged()
            self._file.rewrite(b"".join(lines), durable=True)
        except OSError as exc:
            raise failed("the list of waiting files cannot be written", exc) from exc
        self.line_count = len(lines)

    def change(self, added: Iterable[Waiting], gone: Iterable[str]) -> bool:
        """Append what is new; False when the file is not the one that was left: `write` it then.

        Raises:
            JournalError: Not written.
        """
        self._check_held()
        new = [waiting_line(one) for one in added]
        lines = [*(gone_line(file_id) for file_id in gone), *new]
        try:
            if not self._file.try_append(b"".join(lines), durable=bool(new)):
                return False
        except OSError as exc:
            raise failed("the list of waiting files cannot be written", exc) from exc
        self.line_count += len(lines)
        return True

    def discard(self) -> None:
        """Take it away, or set it aside when it is damaged, and let go of it.

        Raises:
            JournalError: It could not be taken away; it is still held.
        """
        self._check_held()
        try:
            self._set_aside_if_damaged()
            self._file.remove()
        except OSError as exc:
            raise failed("the list of waiting files cannot be removed", exc) from exc
        self.release()

    def release(self) -> None:
        """Let go, so that somebody else may take its files; may be called twice."""
        if self._is_open:
            self._is_open = False
            self._journal.forget(self)
            if os.getpid() == self._pid:  # a forked child has forgotten the lock, but for one that was made meanwhile
                self._end()

    def _set_aside_if_damaged(self) -> None:
        if self.is_damaged:
            os.replace(self.path, f"{self.path.removesuffix('.jsonl')}.bad")
            self.is_damaged = False

    def _check_held(self) -> None:
        if not self._is_open or os.getpid() != self._pid:
            raise InvalidStateError("this list of waiting files is not held here")
