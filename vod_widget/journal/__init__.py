"""The folder of checkpoints: what a killed process leaves, so that the next one goes on.

One file an entry (source and destination), named by a hash, of lines that are only appended (`lines`). Each carries a
checksum, so a line that was torn by a kill is told from a good one: the state is that of the last good line. Damage
before the end means that something else wrote here: the file is set aside as `.bad-<time>`, and only who the asset is
survives, from the good lines or else from the copy beside it (`.who`), not its parts. A file that holds mostly history
is written anew beside itself and renamed (`growing`). Finished entries become one line of `done.jsonl` each (`done`).
What waits in a queue that a widget shows, and has no entry yet, is a line of that queue's own list (`waiting`).

An entry is locked with flock, which ends with the process; the lock's file holds the pid for the other one's message.
Where a self-test shows that locks do not work, a lease with a heartbeat takes their place (`lease`).
Nothing here is a secret: keys that sound like one are refused. Folder 0700, files 0600, links and foreign owners
refused (`files`). Floor 2: imports floors 0-1; the only door to `platformdirs` and `filelock`. Any worker thread calls.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import threading
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vod_widget.errors import JournalError, LockedError

from .done import DoneList
from .entry import FileEntry, read_entry, read_state
from .files import AnyLock, Disk, Lock, check_owner, failed, locks_work, stamp
from .lease import LeaseKeeper
from .waiting import WaitingList

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from vod_widget.interfaces import Clock
    from vod_widget.model import Checkpoint

__all__ = ["FileEntry", "FileJournal", "WaitingList"]

_Held = TypeVar("_Held", FileEntry, WaitingList)

_WAITING = re.compile(r"waiting-[0-9a-f]{16}")
_LOOKS = 3
_LOOK_PAUSE_S = 0.005


class FileJournal:
    """Checkpoints as files of one folder, shared by many uploaders and processes.

    Args:
        folder: Where to keep them (in its sub-folder `journal`), or None for VOD_WIDGET_HOME, else the platform's
            state folder. Only with None a folder that cannot be used is replaced by a temporary one, which ends with
            the process: see `warnings`.
        clock: Time of entries and of names of damaged files.
        on_warning: Called with each sentence that the person should know; also on worker threads.

    Attributes:
        folder: The folder in use.

    Raises:
        JournalError: `folder` cannot be used, or it is not safe (code `Journal.Unsafe`).
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        clock: Clock,
        on_warning: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.clock = clock
        self._on_warning = on_warning
        self._warnings: deque[str] = deque(maxlen=100)
        self._guard = threading.Lock()  # guards the set; never held over I/O
        self._held: set[FileEntry | WaitingList] = set()
        self._keeper = LeaseKeeper()
        self.disk = Disk(clock)
        self._make_lock: Callable[[str], AnyLock] = Lock
        self.folder = self._choose(folder)
        self._done = DoneList(
            self.folder, clock, self.disk, warn=self.warn, restore=self.restore_folder, make_lock=self._make_lock
        )
        if hasattr(os, "register_at_fork"):
            self_ref = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _after_fork(self_ref))

    def __repr__(self) -> str:
        return f"FileJournal({str(self.folder)!r})"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the person should know, one sentence each, oldest first; the last 100."""
        return tuple(self._warnings)

    @property
    def warning(self) -> str | None:
        """The last warning, or None."""
        return self._warnings[-1] if self._warnings else None

    def open(self, source_id: str, destination: str) -> FileEntry:
        """Take the entry of one source and destination; nothing is read yet.

        Raises:
            LockedError: Another uploader or process holds it; with its pid when that can be told.
            JournalError: The folder cannot be used.
        """
        for _ in range(_LOOKS - 1):
            try:
                return self._take(source_id, destination)
            except LockedError:
                self._pause()  # who only looks holds it for a moment
        return self._take(source_id, destination)

    def look(self, source_id: str, destination: str) -> None:
        """Look whether an entry is held by nobody.

        Raises:
            LockedError: As `open`.
            JournalError: As `open`.
        """
        self._take(source_id, destination).release()

    def _take(self, source_id: str, destination: str) -> FileEntry:
        key = _key(source_id, destination)
        return self._hold(FileEntry(self, key, self._lock(key, "the checkpoint")))

    def _lock(self, stem: str, what: str) -> AnyLock:
        lock = self._make_lock(os.path.join(self.folder, f"{stem}.lock"))
        try:
            try:
                lock.take()
            except FileNotFoundError:
                self.restore_folder()
                lock.take()
        except OSError as exc:
            raise failed(f"{what} cannot be locked", exc) from exc
        return lock

    def _hold(self, one: _Held) -> _Held:
        with self._guard:
            self._held.add(one)
        return one

    def unfinished(self) -> tuple[Checkpoint, ...]:
        """Return every checkpoint that is not done, oldest first, also those that another process holds.

        Of damaged ones, which are set aside when they are opened, what survives; without anything, a warning.
        """
        found: list[tuple[float, str, Checkpoint]] = []
        for path in self._entry_paths():
            try:
                data = read_entry(path)
            except (OSError, JournalError) as exc:
                self.warn(f"The checkpoint {path.name} was left out: {getattr(exc, 'message', None) or exc}.")
                continue
            written = stamp(path)
            if data is None or not written or self._done.is_done(path.stem, written):  # no stamp: it ended meanwhile
                continue
            state, verdict = read_state(path, data)
            checkpoint = state.whole()
            if checkpoint is None and verdict not in ("", "torn"):
                self.warn(f"The checkpoint {path.name} was left out: it has {verdict}.")
            elif checkpoint is not None:
                found.append((state.begun_s, path.name, checkpoint))
        return tuple(checkpoint for _, _, checkpoint in sorted(found, key=lambda item: item[:2]))

    def has_entries(self) -> bool:
        """Tell whether anything unfinished may be there; opens no file."""
        return bool(self._entry_paths())

    def knows(self, source_ids: Iterable[str], destination: str) -> frozenset[str]:
        """Return those sources of which there is an entry for this destination; opens no file.

        Raises:
            JournalError: The folder cannot be listed.
        """
        there = {path.stem for path in self._entry_paths()}
        return frozenset(source_id for source_id in source_ids if _key(source_id, destination) in there)

    def _entry_paths(self) -> list[Path]:
        try:
            paths = sorted(self.folder.glob("*.jsonl"))
        except OSError as exc:
            raise failed("the journal cannot be listed", exc) from exc
        return [path for path in paths if re.fullmatch(r"[0-9a-f]{64}", path.stem)]

    def finished(self, source_id: str, destination: str) -> dict[str, Any] | None:
        """Return the result of a finished entry (with its "fingerprint"), or None."""
        record = self._done.find(_key(source_id, destination))
        return record["result"] if record is not None else None

    def finished_at_s(self, source_id: str, destination: str) -> float:
        """Return when an entry was finished, Unix time; 0 when it was not."""
        record = self._done.find(_key(source_id, destination))
        at_s = record.get("at_s") if record is not None else None
        return float(at_s) if isinstance(at_s, (int, float)) else 0.0

    def done_stamp(self) -> list[int]:
        """Tell whether anything was finished since."""
        return stamp(self.folder / "done.jsonl")

    def new_waiting(self) -> WaitingList:
        """Make a list for the files of one queue that have not begun; there is no file before the first of them.

        Raises:
            JournalError: The folder cannot be used.
        """
        return self._hold_waiting(f"waiting-{secrets.token_hex(8)}")

    def left_waiting(self) -> Generator[WaitingList]:
        """Take every such list that nobody holds, the oldest first, one at a time: it is held until the next.

        Raises:
            JournalError: The folder cannot be used.
        """
        try:
            # A process that is killed before its first list stands leaves the others behind.
            stems = {path.stem for suffix in ("jsonl", "tmp", "lock") for path in self.folder.glob(f"*.{suffix}")}
        except OSError as exc:
            raise failed("the journal cannot be listed", exc) from exc
        stems = {stem for stem in stems if _WAITING.fullmatch(stem)}
        with self._guard:
            stems -= {Path(one.path).stem for one in self._held if isinstance(one, WaitingList)}
        for stem in sorted(stems, key=lambda stem: stamp(self.folder / f"{stem}.jsonl")[1:]):
            left = self._try_waiting(stem)
            if left is not None:
                try:
                    if left.stamp():
                        yield left
                    else:
                        with suppress(JournalError):
                            left.discard()
                finally:
                    left.release()

    def _try_waiting(self, stem: str) -> WaitingList | None:
        """Take a list; None when its process lives, or it cannot be used."""
        for look in range(_LOOKS):
            if look:
                self._pause()
            try:
                return self._hold_waiting(stem)
            except LockedError:
                continue  # by somebody who lives, or who looks, too, and holds it for a moment
            except JournalError as error:  # one that is not ours alone must not keep the others
                self.warn(f"The list {stem} was left out: {error.message}.")
                return None
        return None

    @staticmethod
    def _pause() -> None:
        threading.Event().wait(_LOOK_PAUSE_S)

    def _hold_waiting(self, stem: str) -> WaitingList:
        lock = self._lock(stem, "the list of waiting files")
        return self._hold(WaitingList(self, os.path.join(self.folder, stem), lock))

    def close(self) -> None:
        """Release every entry and list that is still held; may be called twice."""
        with self._guard:
            held = list(self._held)
        for one in held:
            one.release()

    # The folder itself -----------------------------------------------------------------------------------------------

    def _choose(self, folder: str | os.PathLike[str] | None) -> Path:
        if folder is not None:
            try:
                return self._prepare(Path(folder).expanduser().absolute())
            except OSError as exc:
                raise failed(f"the journal cannot be kept in {os.fspath(folder)}", exc) from exc
        home: Path | str = "the home folder"
        try:
            home = _default_home()
            return self._prepare(home)
        except (OSError, RuntimeError) as exc:
            reason = getattr(exc, "strerror", None) or exc
            self.warn(f"Resume after a restart is off: {home} cannot be used ({reason}).")
        try:
            temp = Path(tempfile.mkdtemp(prefix="vod_widget-"))
            weakref.finalize(self, _remove_tree, temp, os.getpid())
            return self._prepare(temp)
        except OSError as exc:
            raise failed("no folder can be written for the journal", exc) from exc

    def _prepare(self, home: Path) -> Path:
        """Make the folder, and find out whether files can be made and locked in it."""
        folder = _make_folder(home)
        if not locks_work(str(folder / "probe.lock")):
            self._make_lock = self._keeper.lease
            self.warn(f"The file system of {folder} has no locks; leases that are renewed take their place.")
        return folder

    def restore_folder(self) -> bool:
        """Make the folder again when somebody removed it while we ran; True when that was needed."""
        if self.folder.is_dir():
            return False
        _make_folder(self.folder.parent)
        self.warn(f"The journal's folder {self.folder} was removed while files were sent; it was made again.")
        return True

    def warn(self, text: str) -> None:
        """Keep one sentence for the person; part of `Home`, as the three below."""
        if text not in self._warnings:
            self._warnings.append(text)
            self._on_warning(text)

    def is_done(self, key: str, written: list[int]) -> bool:
        """Tell whether this very writing of an entry was finished."""
        return self._done.is_done(key, written)

    def add_done(self, key: str, result: dict[str, Any], written: list[int]) -> None:
        """Append one result."""
        self._done.add(key, result, written)

    def forget(self, held: FileEntry | WaitingList) -> None:
        """Strike an entry or a list off those that are held."""
        with self._guard:
            self._held.discard(held)


@functools.lru_cache(maxsize=64)  # an entry that is opened is looked up among the finished ones at once
def _key(source_id: str, destination: str) -> str:
    return hashlib.sha256(json.dumps([source_id, destination]).encode()).hexdigest()


def _default_home() -> Path:
    """VOD_WIDGET_HOME, read now, else the platform's state folder."""
    given = os.environ.get("VOD_WIDGET_HOME", "").strip()
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    home = platformdirs.user_state_path("vod_widget")
    if not home.is_absolute():  # no HOME, and no such user
        raise RuntimeError("there is no home folder")
    return home


def _make_folder(home: Path) -> Path:
    """Make the journal's folder and check that it is ours alone."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = home / "journal"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_owner(folder, folder.lstat(), is_folder=True)
    return folder


def _remove_tree(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child ends earlier than its parent
        shutil.rmtree(folder, ignore_errors=True)


def _after_fork(journal_ref: weakref.ref[FileJournal]) -> None:
    """Close the locks that a child inherited, or it would hold them after its parent died.

    Takes no lock of ours: the thread that held it may not exist here.
    """
    journal = journal_ref()
    if journal is not None:
        for held in list(journal._held):
            held._lock.forget()
        journal._keeper.forget()
