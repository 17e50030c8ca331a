"""What the active files keep busy, kept up with each change of one of them.

A queue of small files changes thousands of times a second: to ask each of its active files anew at each change would
cost more than their uploads. What changes with time alone (a part whose wait is over) is seen by `recount`. Floor 4;
everything runs under the queue's condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .machine import FileMachine
from .model import Phase, UploadState
from .options import PART_DEFAULT_BYTES
from .record import Record

__all__ = ["Load", "giving_way", "is_absent"]

_WAITING_FILES_MAX = 32
"""Files in backoff that do not count for the room; more do, so that an outage does not start the whole list."""

_MOVING = frozenset({UploadState.UPLOADING, UploadState.EXPIRED})


class _Share(NamedTuple):
    """What one file adds to the load."""

    asked: int = 0
    waiting: int = 0
    files: int = 0
    demand: int = 0
    wanted: int = 0
    leaving: int = 0
    draining: int = 0


_NOTHING = _Share()
_ONE = _Share(files=1, demand=1)
"""That of nearly every small file, at nearly every step of it."""


class Load:
    """Sums over the active files.

    Attributes:
        parallel: Requests in flight that are allowed; `recount` after a change.
        part_size_bytes: Exact part size, or None.
        asked: Files that wait for an answer of the application.
        wanted: Requests that could be sent now.
        leaving: Files that were removed, or that have come to rest but for what drains.
        draining: Those of them that have requests with bytes in flight.
    """

    def __init__(self) -> None:
        self.parallel = 1
        self.part_size_bytes: int | None = None
        self.asked = self.wanted = self.leaving = self.draining = 0
        self._waiting = self._files = self._demand = 0
        self._shares: dict[Record, _Share] = {}

    @property
    def running(self) -> int:
        """Files that run."""
        return len(self._shares) - self.leaving

    @property
    def files(self) -> int:
        """Files that count for the room."""
        return self._files + max(0, self._waiting - _WAITING_FILES_MAX)

    @property
    def demand(self) -> int:
        """Requests that those files may keep busy."""
        return self._demand + max(0, self._waiting - _WAITING_FILES_MAX)

    def wants(self, record: Record) -> bool:
        """Whether a file has a request that could be sent now."""
        return self._shares.get(record, _NOTHING).wanted > 0

    def note(self, record: Record) -> None:
        """Take an active file as it is now."""
        assert record.machine is not None
        self._replace(self._shares.get(record, _NOTHING), share := self._share(record, record.machine))
        self._shares[record] = share

    def drop(self, record: Record) -> None:
        """A file is active no more."""
        self._replace(self._shares.pop(record, _NOTHING), _NOTHING)

    def recount(self, active: Iterable[Record], parallel: int) -> None:
        """Take every active file as it is now."""
        self.parallel = parallel
        for record in active:
            self.note(record)

    def _replace(self, old: _Share, new: _Share) -> None:
        if old is new or old == new:
            return
        self.asked += new.asked - old.asked
        self._waiting += new.waiting - old.waiting
        self._files += new.files - old.files
        self._demand += new.demand - old.demand
        self.wanted += new.wanted - old.wanted
        self.leaving += new.leaving - old.leaving
        self.draining += new.draining - old.draining

    def _share(self, record: Record, machine: FileMachine) -> _Share:
        if machine.state not in _MOVING:
            return _Share(leaving=1, draining=1 if machine.transfers_in_flight else 0)
        wanted = machine.wants_transfer
        if machine.wait_for_app:
            return _Share(asked=1, wanted=wanted)
        busy = machine.transfers_in_flight + wanted
        if machine.phase is Phase.WAITING and not machine.transfers_in_flight:
            return _Share(waiting=1, wanted=wanted)  # its turn comes later; the room is for others
        if busy:
            return _Share(files=1, demand=min(self.parallel, busy), wanted=wanted)
        part = self.part_size_bytes or PART_DEFAULT_BYTES
        if machine.ledger.accepted_bytes or record.size_bytes <= part:
            return _ONE
        return _Share(files=1, demand=min(self.parallel, -(-record.size_bytes // part)))


def is_absent(record: Record) -> bool:
    """Whether a file's bytes are with a page that is gone and may come back."""
    return getattr(record.source, "is_absent", False)


def giving_way(active: Iterable[Record], listed: Iterable[Record]) -> list[tuple[Record, FileMachine]]:
    """The active files that only wait for their page, when there are others that could run, or run but get no turn.

    A browser that is closed in the middle of ten uploads would hold up the kernel's own files for as long as somebody
    may open it again.
    """
    gone: list[tuple[Record, FileMachine]] = []
    is_held_up = False
    for record in active:
        machine = record.machine
        if machine is None or record.state is not UploadState.UPLOADING:
            continue
        if is_absent(record):
            gone.append((record, machine))
        elif machine.wants_transfer and not machine.transfers_in_flight:
            is_held_up = True
    if not gone:
        return []
    others = (record for record in listed if record.state is UploadState.READY and not is_absent(record))
    return gone if is_held_up or any(others) else []
