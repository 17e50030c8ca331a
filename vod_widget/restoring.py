"""Bring unfinished files of the journal back into a queue, under their ids and in `Stopped`.

Floor 4, beside the queue; `vw.resume` makes a queue for them, the widget takes them into the one that it shows. Reads
files and the journal, sends nothing but the clean-up of files that were canceled; runs in the caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .addresses import is_loopback_url
from .errors import LockedError, SourceChangedError, SourceNotFoundError, VODError
from .interfaces import Journal
from .model import Checkpoint, SourceKind, UploadMetadata
from .sources import LocalSource, WebSource
from .uploader import VODUpload

__all__ = ["Left", "can_open", "still_unfinished", "take_back"]

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
            journal.open(checkpoint.source_id, checkpoint.destination).release()
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


def can_open(source_id: str) -> bool:
    """Tell whether a file can be had again by what the journal says of it."""
    return source_id.startswith((_FILE, f"{_ADDRESS}http"))


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
        loopback = is_loopback_url(checkpoint.destination.partition("|")[0])
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
