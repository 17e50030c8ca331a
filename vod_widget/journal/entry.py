"""One entry: the checkpoint of one file, appended to and now and then written anew.

The lock of an entry is held over its file's I/O, against the rule of the house: it orders the appends to that one file
and nobody else waits for it. Any worker thread.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vod_widget.errors import InvalidStateError, JournalError
from vod_widget.model import MediaType

from .files import AnyLock, failed, open_file, remove, stamp, write_all
from .growing import GrowingFile, Place
from .lines import State, part_line, read_lines, refuse_secrets

if TYPE_CHECKING:
    from vod_widget.interfaces import Clock
    from vod_widget.model import Checkpoint, Part

# History is worth keeping up to this; 10,000 parts make about 1 MB of live lines.
_SLACK_BYTES = 64 * 1024
_SPARE = ".who"
_ENTRY_MAX_BYTES = 64 * 1024 * 1024  # 30 times what 10,000 parts need; more is not ours


class Home(Place, Protocol):
    """What an entry needs of its journal."""

    clock: Clock

    def warn(self, text: str) -> None:
        """Keep one sentence for the person."""

    def is_done(self, key: str, written: list[int]) -> bool:
        """Tell whether this very writing of an entry was finished."""

    def add_done(self, key: str, result: dict[str, Any], written: list[int]) -> None:
        """Append one result."""

    def forget(self, held: FileEntry) -> None:
        """Strike the entry off the list of those that are held."""


def read_entry(path: str | Path) -> bytes | None:
    """Read a whole entry; None when there is none."""
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_ENTRY_MAX_BYTES)


def spare_of(path: str | Path) -> Path:
    """Where a copy of who the asset is stands, beside its entry."""
    return Path(path).with_suffix(_SPARE)


def read_state(path: str | Path, data: bytes) -> tuple[State, str]:
    """Read an entry, of which `data` is the content; see `lines.read_lines` for the verdict.

    Of a damaged one survives who the asset is, and under which id parts were sent: from its good lines, else from the
    copy beside it. Its parts do not; the storage is asked for them, and what it says is compared with the file.
    """
    state, verdict = read_lines(data)
    if state.checkpoint is not None and verdict in ("", "torn"):
        return state, verdict
    if state.checkpoint is None:
        with suppress(OSError, JournalError):
            state, _ = read_lines(read_entry(spare_of(path)) or b"")
    if state.checkpoint is None:
        return State(), verdict
    # The line that said so may be among the damaged ones.
    kept = replace(state.checkpoint, completed_before=True)
    return State(kept, {}, state.begun_s), verdict if verdict not in ("", "torn") else "no good line"


def _news(old: State, new: State) -> bytes:
    """What lines make the new state of the old one."""
    is_reset = not old.parts.keys() <= new.parts.keys()
    added = [part for number, part in new.parts.items() if is_reset or old.parts.get(number) != part]
    data = b""
    if is_reset or old.checkpoint is None:
        data = new.checkpoint_line(is_reset=is_reset)
    elif old.checkpoint != new.checkpoint:
        data = new.change_line(old.checkpoint)
    return data + b"".join(map(part_line, added))


class FileEntry:
    """The checkpoint of one file, held until `release`, `finish` or `discard`; made by `FileJournal.open`."""

    def __init__(self, journal: Home, key: str, lock: AnyLock) -> None:
        self._journal = journal
        self._key = key
        stem = os.path.join(journal.folder, key)
        self._path, self._copy = f"{stem}.jsonl", f"{stem}{_SPARE}"
        self._lock = lock
        self._file = GrowingFile(journal, stem, lock)
        self._pid = os.getpid()
        self._turn = threading.RLock()  # orders the appends to this one file
        self._state: State | None = None
        self._live_bytes = 0
        self._spared = ("", "", "")  # ids that the copy beside it has
        self._is_open = True

    def __repr__(self) -> str:
        return f"FileEntry({self._key[:12]}, {'held' if self._is_open else 'released'})"

    def load(self) -> Checkpoint | None:
        """Return what an earlier process left, parts by number, or None.

        A damaged file is set aside with a warning; who the asset is survives, its upload id and parts do not.

        Raises:
            JournalError: Not readable, or not safe (code `Journal.Unsafe`).
        """
        with self._turn:
            return self._loaded().whole()

    def write(self, checkpoint: Checkpoint, *, durable: bool) -> None:
        """Replace the checkpoint, parts included; what is known already is not written again.

        Args:
            checkpoint: The new one.
            durable: True: it survives a power cut when this returns. False: it survives a killed process.

        Raises:
            JournalError: Not written; the last state stays readable.
        """
        refuse_secrets(checkpoint.metadata)
        with self._turn:
            old = self._loaded()
            parts = {part.part_number: part for part in checkpoint.parts}
            new = State(
                checkpoint.without_parts(),
                parts,
                old.begun_s if old.checkpoint is not None else self._journal.clock.now_s(),
            )
            # Without a file to append to the whole state is written anew: its first line need not be made twice.
            self._append(new, _news(old, new) if self._file.is_known else b"", durable=durable)
            self._spare(new)

    def add_part(self, part: Part) -> None:
        """Append one acknowledged part; it survives a killed process.

        Raises:
            InvalidStateError: There is no checkpoint yet.
            JournalError: Not written.
        """
        with self._turn:
            old = self._loaded()
            if old.checkpoint is None:
                raise InvalidStateError("a part needs a checkpoint before it")
            if old.parts.get(part.part_number) == part:
                return
            before = old.parts.get(part.part_number)
            old.parts[part.part_number] = part
            try:
                self._append(old, part_line(part), durable=False)
            except JournalError:
                if before is None:
                    del old.parts[part.part_number]
                else:
                    old.parts[part.part_number] = before
                raise

    def finish(self, result: dict[str, Any]) -> None:
        """Close the entry as done, so that `finished` finds the result, and let go of it.

        Args:
            result: Plain JSON; the checkpoint's "fingerprint" is added when it has none.

        Raises:
            JournalError: Not written; the entry is still held and unfinished.
        """
        refuse_secrets(result)
        with self._turn:
            state = self._loaded()
            if state.checkpoint is not None:
                result = {"fingerprint": state.checkpoint.fingerprint, **result}
            # The removal is not synced: if the file comes back after a power cut, the list of finished files knows it.
            self._journal.add_done(self._key, result, stamp(self._path))
            self._remove()
            self.release()

    def discard(self) -> None:
        """Forget the entry and let go of it."""
        with self._turn:
            if self._is_open:
                self._check_held()
                self._remove()
                self.release()

    def release(self) -> None:
        """Let go without changing anything; may be called twice."""
        with self._turn:
            if self._is_open:
                self._is_open = False
                self._journal.forget(self)
                if os.getpid() == self._pid:
                    self._lock.release()

    # Inside ----------------------------------------------------------------------------------------------------------

    def _check_held(self) -> None:
        if not self._is_open:
            raise InvalidStateError("the journal entry was released before")
        if os.getpid() != self._pid:
            raise InvalidStateError("the journal entry belongs to the process that this one was forked from")

    def _loaded(self) -> State:
        self._check_held()
        if self._state is None:
            self._state = self._read()
        return self._state

    def _read(self) -> State:
        try:
            data = read_entry(self._path)
        except OSError as exc:
            raise failed("the checkpoint cannot be read", exc) from exc
        if data is None:
            return State()
        if self._journal.is_done(self._key, stamp(self._path)):  # killed between the result and the removal
            self._remove()
            return State()
        state, verdict = read_state(self._path, data)
        if verdict in ("", "torn"):
            # A torn line is not appended to: the file is written anew at the next write.
            self._file.size_bytes = -1 if verdict else len(data)
            self._live_bytes = len(state.lines())
            return state
        self._set_aside(verdict)
        if state.checkpoint is None:
            return State()
        with suppress(OSError, JournalError):  # it is in memory at least
            self._rewrite(state, durable=True)
        return state

    def _set_aside(self, why: str) -> None:
        name = f"{self._key}.bad-{int(self._journal.clock.now_s())}"
        target = Path(self._path).with_name(name)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{name}-{number}")
        try:
            os.replace(self._path, target)
        except OSError as exc:
            raise failed("a damaged checkpoint cannot be set aside", exc) from exc
        self._journal.warn(f"A checkpoint had {why}; it was kept as {target.name}, and its file starts over.")

    def _append(self, new: State, data: bytes, *, durable: bool) -> None:
        """Make `data` the next lines, and `new` the state when that worked."""
        file = self._file
        if not data and file.is_known and (file.is_safe or not durable):
            return
        try:
            if not file.try_append(data, durable=durable):
                self._rewrite(new, durable=durable)
        except OSError as exc:
            raise failed("the checkpoint cannot be written", exc) from exc
        self._state = new
        if file.size_bytes > _SLACK_BYTES + 2 * self._live_bytes:
            self._live_bytes = len(new.lines())
            if file.size_bytes > _SLACK_BYTES + 2 * self._live_bytes:
                with suppress(OSError, JournalError):  # what was to be kept is kept already
                    self._rewrite(new, durable=True)

    def _rewrite(self, new: State, *, durable: bool) -> None:
        data = new.lines()
        self._file.rewrite(data, durable=durable)
        self._live_bytes = len(data)

    def _spare(self, new: State) -> None:
        """Write the ids beside the entry, whenever one changed: damage must not make a second asset, nor orphans.

        Not synced, and let be where it cannot be written: it is needed only when something else has gone wrong.
        """
        assert new.checkpoint is not None
        if new.checkpoint.media_type is MediaType.IMAGE:
            return  # what is known of an image helps nobody: no later process can get a credential for it
        ids = new.checkpoint.reference_id, new.checkpoint.media_id, new.checkpoint.upload_id
        if ids == self._spared:
            return
        with suppress(OSError, JournalError):
            descriptor = open_file(self._copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                who = replace(new.checkpoint, metadata={})  # long, and known to whoever adds the file again
                write_all(descriptor, State(who, {}, new.begun_s).checkpoint_line(is_reset=True))
            finally:
                os.close(descriptor)
            self._spared = ids

    def _remove(self) -> None:
        try:
            remove(self._copy)
            self._spared = "", "", ""
            self._file.remove()
        except OSError as exc:
            raise failed("the checkpoint cannot be removed", exc) from exc
        self._state = State()
