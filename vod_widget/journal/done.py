"""The list of finished files: one line each, found by an index of offsets.

A hundred thousand lines take about 12 MB of index and no parsing. A damaged line costs that one file its memory only.
The turn is held over I/O, against the rule of the house: it orders this process's appends to one file. Whoever has it
writes for all who wait, so that a slow disk is waited for once and not once for each of many small files. Any thread.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from vod_widget.baton import away
from vod_widget.errors import JournalError, LockedError

from .files import AnyLock, Disk, failed, open_file, write_all
from .lines import DONE_HEAD, line, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vod_widget.interfaces import Clock

_SLACK_LINES = 1000
_LOCK_TRIES = 5000  # x 2 ms = 10 s for one append by somebody else
_LOCK_PAUSE_S = 0.002
_LOOKS = 3


class _News:
    """A line that is to be written, and what became of it."""

    __slots__ = ("error", "is_over", "key", "text")

    def __init__(self, key: bytes, text: bytes) -> None:
        self.key = key
        self.text = text
        self.is_over = False
        self.error: OSError | JournalError | None = None


class DoneList:
    """`done.jsonl` of one folder.

    Args:
        folder: The journal's folder.
        clock: Time of the lines.
        disk: Waits for it.
        warn: Takes one sentence for the person.
        restore: Makes the folder again when it is gone.
        make_lock: Makes a lock of a path.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        disk: Disk,
        *,
        warn: Callable[[str], None],
        restore: Callable[[], bool],
        make_lock: Callable[[str], AnyLock],
    ) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "done.jsonl")
        self._lock_path = os.path.join(folder, "done.lock")
        self._clock = clock
        self._disk = disk
        self._warn = warn
        self._restore = restore
        self._make_lock = make_lock
        self._turn = threading.Lock()
        self._named_inode = -1  # the file whose name survives a power cut; whoever has the turn
        self._guard = threading.Lock()  # guards all below; never held over I/O
        self._news: list[_News] = []
        self._inode = -1
        self._read_bytes = 0
        self._changed_ns = 0
        self._last = b""  # the last line that was read: the number of a file is given to a later one again
        self._offsets: dict[bytes, int] = {}
        self._lines = 0

    def add(self, key: str, result: dict[str, Any], written: list[int]) -> None:
        """Append one result; it is durable when this returns.

        Args:
            key: Hash of source and destination.
            result: Plain JSON.
            written: `stamp` of the entry's file.
        """
        text = line("done", {"key": key, "at_s": self._clock.now_s(), "entry": written, "result": result})
        mine = _News(bytes.fromhex(key), text)
        with self._guard:
            self._news.append(mine)
        if not self._turn.acquire(blocking=False):
            with away:
                self._turn.acquire()
        try:
            if not mine.is_over:
                self._write_news()
        finally:
            self._turn.release()
        # Each gets an error of its own: the queue writes the name of the file into it.
        if isinstance(mine.error, JournalError):
            raise JournalError(mine.error.message, code=mine.error.code, hint=mine.error.hint)
        if mine.error is not None:
            raise failed("the result cannot be written", mine.error) from mine.error

    def _write_news(self) -> None:
        """Write every line that waits, and tell each what became of it; the caller has the turn."""
        with self._guard:
            news, self._news = self._news, []
        error: OSError | JournalError | None = InterruptedError("it was broken off")
        try:
            with self._locked():
                self._append(news)
                if self._lines > _SLACK_LINES + 2 * len(self._offsets):
                    with suppress(OSError):
                        self._compact()
            error = None
        except (OSError, JournalError) as exc:
            error = exc
        finally:
            for one in news:
                one.is_over, one.error = True, error

    def _append(self, news: list[_News]) -> None:
        text = b"".join([one.text for one in news])
        descriptor = open_file(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            before = os.fstat(descriptor)
            size_bytes = before.st_size
            # A line torn by a kill gets its end, so that it spoils no other.
            torn = size_bytes > 0 and os.pread(descriptor, 1, size_bytes - 1) != b"\n"
            try:
                write_all(descriptor, (b"\n" if torn else b"") + text)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size_bytes)
                raise
            self._disk.sync(descriptor)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if after.st_size == size_bytes + len(text):
            self._note(news, before, after)
        inode = after.st_ino
        if inode != self._named_inode:  # we made it, or somebody compacted it, and may not have come to this
            try:
                self._disk.sync_folder(self._folder)
                self._named_inode = inode
            except OSError:
                if size_bytes == 0:
                    raise

    def _note(self, news: list[_News], before: os.stat_result, after: os.stat_result) -> None:
        """Know lines of our own without reading them, if all before them are known."""
        with self._guard:
            if not self._has_read(before):
                return
            offset = before.st_size
            for one in news:
                self._offsets[one.key] = offset
                offset += len(one.text)
            self._lines += len(news)
            self._read_bytes, self._changed_ns, self._last = offset, after.st_mtime_ns, news[-1].text

    def _has_read(self, found: os.stat_result) -> bool:
        """Whether all of the list is known; under the guard."""
        return (self._inode, self._read_bytes, self._changed_ns) == (found.st_ino, found.st_size, found.st_mtime_ns)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._make_lock(self._lock_path)
        pause = threading.Event()
        self._restore()
        for attempt in range(_LOCK_TRIES):
            try:
                lock.take()
                break
            except LockedError as exc:
                if attempt == _LOCK_TRIES - 1:
                    raise JournalError(f"process {exc.pid} blocks the list of finished files") from exc
                with away:
                    pause.wait(_LOCK_PAUSE_S)
        try:
            yield
        finally:
            lock.release()

    def is_done(self, key: str, written: list[int]) -> bool:
        """Tell whether this very writing of an entry was finished."""
        record = self.find(key)
        return record is not None and bool(written) and record.get("entry") == written

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the newest record of an entry, or None."""
        if self._is_unknown(bytes.fromhex(key)):
            return None
        try:
            descriptor = open_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise failed("the list of finished files cannot be read", exc) from exc
        with os.fdopen(descriptor, "rb") as file:
            offset = self._where(file.fileno(), bytes.fromhex(key))
            if offset is None:
                return None
            file.seek(offset)
            record = parse(file.readline().rstrip(b"\n"))
        if record is None or record.get("key") != key or not isinstance(record.get("result"), dict):
            return None
        return record

    def _is_unknown(self, key: bytes) -> bool:
        """Tell whether the list has not changed since it was read, and lacks this entry: of most files that is so."""
        try:
            found = os.lstat(self._path)
        except OSError:
            return False
        with self._guard:
            return self._has_read(found) and key not in self._offsets

    def _where(self, descriptor: int, key: bytes) -> int | None:
        """Return where in this file the newest line of an entry begins, None when it has none.

        The index is looked up where it is known to be that of this file, in the same turn of the guard: a moment later
        another thread may have made it that of another file, or of what this one was before.
        """
        looks = 0
        while True:
            looks += 1
            # First what is known, then what is there: what comes in between must not look as if the list was cut.
            with self._guard:
                inode, start, last = self._inode, self._read_bytes, self._last
            found = os.fstat(descriptor)
            with self._guard:
                if self._has_read(found):
                    return self._offsets.get(key)
            is_new = inode != found.st_ino or start > found.st_size
            is_new = is_new or os.pread(descriptor, len(last), start - len(last)) != last
            is_new = is_new or looks == _LOOKS  # others were faster each time: for a list read whole they do not matter
            news, lines, offset, last = self._read(descriptor, 0 if is_new else start, found.st_size, last)
            with self._guard:
                if (self._inode, self._read_bytes) == (inode, start):
                    if is_new:
                        self._offsets, self._lines = {}, 0
                    self._offsets.update(news)
                    self._lines += lines
                    self._inode, self._read_bytes, self._changed_ns = found.st_ino, offset, found.st_mtime_ns
                    self._last = last if offset else b""
                    return self._offsets.get(key)
            if is_new:
                return news.get(key)

    def _read(self, descriptor: int, start: int, end: int, last: bytes) -> tuple[dict[bytes, int], int, int, bytes]:
        """Read a piece of the list.

        Args:
            descriptor: The list.
            start: First byte, the beginning of a line.
            end: Where to stop.
            last: The line before.

        Returns:
            Where the newest line of each entry begins, how many lines there are, where the last ends, and the last.
        """
        news: dict[bytes, int] = {}
        lines = 0
        rest = b""
        offset = position = start
        while block := os.pread(descriptor, min(1 << 20, end - position), position):
            position += len(block)
            *whole, rest = (rest + block).split(b"\n")
            for text in whole:
                lines, last = lines + 1, text + b"\n"
                hexes = text[len(DONE_HEAD) : len(DONE_HEAD) + 64]
                if text.startswith(DONE_HEAD) and re.fullmatch(rb"[0-9a-f]{64}", hexes):
                    news[bytes.fromhex(hexes.decode())] = offset
                elif text:
                    self._warn("The list of finished files had a damaged line; that file may be sent again.")
                offset += len(text) + 1
        return news, lines, offset, last

    def _forget(self) -> None:
        """Read the list anew at the next look."""
        with self._guard:
            self._inode, self._read_bytes, self._last = -1, 0, b""
            self._offsets, self._lines = {}, 0

    def _compact(self) -> None:
        """Keep the newest line of each entry; the caller holds the lock of the list."""
        newest: dict[bytes, bytes] = {}
        descriptor = open_file(self._path, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            for text in file:
                record = parse(text.rstrip(b"\n"))
                if record is not None:
                    newest[str(record.get("key")).encode()] = text.rstrip(b"\n") + b"\n"
        temp = os.path.join(self._folder, "done.tmp")
        descriptor = open_file(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(newest.values())
            file.flush()
            self._disk.sync(file.fileno())
        os.replace(temp, self._path)
        self._forget()
        # Until the next line the old file would do as well; whoever adds that may be killed or know the number.
        self._disk.sync_folder(self._folder)
