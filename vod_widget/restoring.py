"""Bring files that an earlier process left back into a queue, under their ids and in `Stopped`.

Those that had begun have an entry in the journal: `vw.resume` makes a queue for them, the widget takes them into the
one that it shows. Those that had not are in the lists of `keeping`, for the widget alone. Floor 4, beside the queue.
Reads files and the journal, sends nothing but the clean-up of files that were canceled; runs in the caller's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import effects as fx
from .addresses import is_loopback_url
from .errors import LockedError, SourceChangedError, SourceNotFoundError, VODError
from .interfaces import Journal, Source, WaitingList
from .keeping import CANNOT_BE_KEPT, EMULATOR, Keeper, can_open
from .model import Checkpoint, SourceKind, UploadMetadata, UploadState, Waiting
from .record import Given
from .sources import LocalSource, WebSource, open_source
from .uploader import VODUpload

__all__ = ["Left", "Sorted", "sort_waiting", "still_unfinished", "take_back", "take_waiting"]

_log = logging.getLogger("vod_widget")

_FILE = "file:"
_ADDRESS = "address:"
_METADATA = frozenset(f.name for f in fields(UploadMetadata))


@dataclass(slots=True)
class Left:
    """What stays in the journal.

    Attributes:
        no_source: Files that came from a browser, from memory, or from an address that may hold a signature; adding the
            same file again goes on with them.
        held: Files that another process or uploader sends now, with its process id.
    """

    no_source: list[Checkpoint] = field(default_factory=list)
    held: list[tuple[Checkpoint, int | None]] = field(default_factory=list)


def take_back(uploader: VODUpload, journal: Journal, checkpoints: Iterable[Checkpoint], left: Left) -> int:
    """Take files back; the queue was prepared, and its destination is theirs.

    Returns:
        How many joined the queue.
    """
    free: list[Checkpoint] = []
    for checkpoint in checkpoints:
        if checkpoint.canceled and not checkpoint.upload_id:
            continue  # given up, and nothing is left to be removed
        if not can_open(checkpoint.source_id):
            left.no_source.append(checkpoint)
            continue
        try:
            journal.look(checkpoint.source_id, checkpoint.destination)
        except LockedError as error:
            left.held.append((checkpoint, error.pid))
            continue
        free.append(checkpoint)
    free = still_unfinished(journal, free)
    for checkpoint in free:
        source, why = _source_of(checkpoint)
        info = uploader._restore(checkpoint, _metadata_of(checkpoint), source, why)
        if checkpoint.canceled:
            uploader.cancel_file(info)
    return len(free)


def still_unfinished(journal: Journal, free: list[Checkpoint]) -> list[Checkpoint]:
    """Leave out files that ended after they were listed and before they were found to be held by nobody.

    Who holds a file removes its entry before it lets go; one that is taken for unfinished then would be stored twice.

    Args:
        journal: Where they were listed.
        free: Files of one destination, seen to be held by nobody since.
    """
    there = journal.knows((one.source_id for one in free), free[0].destination) if free else ()
    return [one for one in free if one.source_id in there]


@dataclass(slots=True)
class Sorted:
    """What became of the files of a list.

    Attributes:
        mine: Files that are wanted, and can go where this queue's files go.
        others: Files that are for another queue, or for later.
        over: How many are over: begun or stored meanwhile, or in this queue.
    """

    mine: list[Waiting] = field(default_factory=list)
    others: list[Waiting] = field(default_factory=list)
    over: int = 0


def sort_waiting(uploader: VODUpload, files: Iterable[Waiting], place: str, begun: Collection[str]) -> Sorted:
    """Tell which files of a list a queue can take.

    Args:
        uploader: The queue.
        files: As they were kept.
        place: Where that queue's own files go; see `Keeper.place`.
        begun: Ids of the sources that have begun on the way to the same place.
    """
    label = uploader._authority.resolve(required=False).label
    journal = uploader._authority.journal()
    here = {record.source.source_id: record.state for record in list(uploader._queue.records)}
    found = Sorted()
    for waiting in files:
        source_id = waiting.checkpoint.source_id
        if waiting.checkpoint.destination not in ("", place) or here.get(source_id) is UploadState.CANCELED:
            found.others.append(waiting)
        elif source_id in here or source_id in begun or _is_stored(waiting, journal, label):
            found.over += 1
        else:
            found.mine.append(waiting)
    return found


def take_waiting(uploader: VODUpload, journal: Journal, keeper: Keeper, begun: Collection[str]) -> int:
    """Take files that earlier processes had not begun, list by list.

    A file leaves the list of its process only when it stands in that of this queue: a kill or a full disk loses none.

    Args:
        uploader: The queue.
        journal: Its journal.
        keeper: Its keeper.
        begun: Ids of the sources that have begun on the way to the same place.

    Returns:
        How many joined the queue.

    Raises:
        JournalError: They cannot be written into the list of this queue; those of this list and later ones stay.
    """
    with closing(journal.left_waiting()) as lists:  # who keeps the traceback of an error must not keep the lists
        return sum(_take_list(uploader, left, keeper, begun) for left in lists)


def _take_list(uploader: VODUpload, left: WaitingList, keeper: Keeper, begun: Collection[str]) -> int:
    try:
        files = list(left.read().values())
    except VODError as error:  # one that cannot be read must not keep the others
        _log.warning("a list of waiting files was left out: %s", error)
        return 0
    found = sort_waiting(uploader, files, keeper.place(), begun)
    if not found.mine and not found.over:
        return 0
    ready = [(waiting, _given_of(waiting), _later(waiting.checkpoint)) for waiting in found.mine]

    def enlist() -> int:
        taken = 0
        for waiting, given, source in ready:
            try:
                info = uploader._restore_waiting(waiting.checkpoint, given, source)
            except VODError as error:
                _log.info("%s did not come back: %s", waiting.checkpoint.name, error.code)
                source.close()
                found.others.append(waiting)
                continue
            taken += 1
            if waiting.cover and given.cover is None:
                text = "its cover could not be kept and has to be chosen again"
                uploader._app.on_note(info._record, fx.Warned("Cover.Lost", text))
        return taken

    taken = keeper.take([(waiting, given) for waiting, given, _ in ready], enlist) if ready else 0
    try:
        if found.others:
            left.write(found.others)
        else:
            left.discard()
    except VODError as error:  # a file that two lists have is sent once all the same
        _log.info("a list of waiting files could not be taken away: %s", error.code)
    return taken


def _is_stored(waiting: Waiting, journal: Journal, label: str) -> bool:
    """Tell whether the very bytes were stored after the file was added."""
    source_id = waiting.checkpoint.source_id
    done = journal.finished(source_id, label)
    if done is None or journal.finished_at_s(source_id, label) < waiting.since_s:
        return False
    if not source_id.startswith(_FILE):
        return True  # to ask its server takes too long for a look
    try:
        return LocalSource(source_id.removeprefix(_FILE)).fingerprint() == done.get("fingerprint")
    except VODError:
        return True


def _given_of(waiting: Waiting) -> Given:
    checkpoint = waiting.checkpoint
    metadata = _metadata_of(checkpoint) if checkpoint.metadata else None
    address = (checkpoint.endpoint or None, checkpoint.bucket or None, checkpoint.object or None)
    cover: Source | None = None
    if waiting.cover and waiting.cover != CANNOT_BE_KEPT:
        with suppress(VODError):
            cover = open_source(waiting.cover.removeprefix(_FILE).removeprefix(_ADDRESS))
    return Given(metadata, cover, checkpoint.reference_id, address, waiting.since_s)


def _later(checkpoint: Checkpoint) -> Any:
    """The source of a file that has not begun; the server of an address is asked at its turn."""
    if checkpoint.source_id.startswith(_ADDRESS):
        return _AbsentSource(checkpoint)
    return _source_of(checkpoint)[0]


def _source_of(checkpoint: Checkpoint) -> tuple[Any, VODError | None]:
    if checkpoint.canceled:  # only its parts are removed, for which the file need not be there
        return _AbsentSource(checkpoint, fingerprint=checkpoint.fingerprint), None
    try:
        return _open(checkpoint), None
    except VODError as error:
        return _AbsentSource(checkpoint), error


def _open(checkpoint: Checkpoint) -> LocalSource | WebSource:
    """Open the file of a checkpoint, or ask the server of its address.

    Raises:
        SourceError: It cannot be had.
        RestrictionError: It is empty now, or leads to where it must not.
    """
    if checkpoint.source_id.startswith(_ADDRESS):
        where = checkpoint.destination.partition("|")[0]
        loopback = where == EMULATOR or is_loopback_url(where)
        return WebSource(checkpoint.source_id.removeprefix(_ADDRESS), checkpoint.name, loopback_allowed=loopback)
    source = LocalSource(checkpoint.source_id.removeprefix(_FILE), checkpoint.name)
    if source.source_id != checkpoint.source_id:
        source.close()
        raise SourceChangedError(
            "its path leads to another file now", hint="Add that file by itself.", file_name=checkpoint.name
        )
    return source


class _AbsentSource:
    """Stands for a file that is not there, and becomes it when it is back at a retry.

    Args:
        checkpoint: What is known of it.
        fingerprint: What to answer without looking at any file; None looks.
    """

    block_bytes = LocalSource.block_bytes

    def __init__(self, checkpoint: Checkpoint, fingerprint: str | None = None) -> None:
        self.name = checkpoint.name
        self.source_id = checkpoint.source_id
        is_web = checkpoint.source_id.startswith(_ADDRESS)
        self.kind = SourceKind.ADDRESS if is_web else SourceKind.LOCAL
        self.cheap_reads = not is_web
        where = checkpoint.source_id.removeprefix(_ADDRESS if is_web else _FILE)
        self.path: str | Path = where if is_web else Path(where)
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._found: LocalSource | WebSource | None = None

    def __repr__(self) -> str:
        return f"<absent {str(self.path)!r}>"

    @property
    def size_bytes(self) -> int:
        """Length of the file, or what it was."""
        return self._found.size_bytes if self._found is not None else self._checkpoint.size_bytes

    def fingerprint(self) -> str:
        """Look for the file; raises `SourceNotFoundError` while it is not there."""
        if self._fingerprint is not None:
            known, self._fingerprint = self._fingerprint, None  # a retry of the canceled file looks
            return known
        if self._found is None:
            self._found = _open(self._checkpoint)
        return self._found.fingerprint()

    def read(self, start: int, end: int) -> bytes | memoryview:
        """Read from the file that came back."""
        if self._found is None:
            raise SourceNotFoundError(f"{self.path} is not there", file_name=self.name)
        return self._found.read(start, end)

    def close(self) -> None:
        """Let go of the file, if it came back."""
        if self._found is not None:
            self._found.close()


def _metadata_of(checkpoint: Checkpoint) -> UploadMetadata:
    """Build the metadata back; what a newer version wrote besides is left out."""
    known = {name: value for name, value in checkpoint.metadata.items() if name in _METADATA}
    known.setdefault("title", checkpoint.name)
    if "tags" in known:
        known["tags"] = tuple(known["tags"])
    return UploadMetadata(**known)
