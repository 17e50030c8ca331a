"""The core's own record of one file: what the queue writes and `UploadInfo` shows.

Before its turn a file is only this record; its machine is made when it starts, so that 100,000 queued files stay small.
Floor 3. Written under the queue's lock, but for `Transfer.sent_bytes`, which its own sender writes.
"""

from __future__ import annotations

import threading
from typing import Any

from .errors import VODError
from .interfaces import CredentialProvider, JournalEntry, Source
from .machine import FileMachine
from .metadata import plain_metadata
from .model import Checkpoint, MediaType, Phase, UploadMetadata, UploadState
from .progress import SpeedMeter
from .stalls import ReadTurn
from .states import actions

__all__ = ["Record", "Transfer"]


class Transfer:
    """One request that carries bytes, while it runs."""

    __slots__ = ("sent_bytes",)

    def __init__(self) -> None:
        self.sent_bytes = 0


_NO_ADDRESS: tuple[str | None, str | None, str | None] = (None, None, None)


class _Never(threading.Event):
    def set(self) -> None:
        raise RuntimeError("a file without a machine has nothing to break off")


_NEVER = _Never()
_NO_TRANSFERS: set[Transfer] = set()
# Shared by all files that are not active: what `Record.take_machine` replaces.


class Record:
    """One file of the queue."""

    __slots__ = (
        "_metadata",
        "asked",
        "cancel",
        "checkpoint",
        "cover",
        "duration_s",
        "endpoint",
        "entry",
        "file_id",
        "given_address",
        "held_state",
        "info",
        "machine",
        "media_type",
        "meter",
        "name",
        "paused",
        "provider",
        "reference_id",
        "region_given",
        "removed",
        "shown_bytes",
        "size_bytes",
        "source",
        "started_at_s",
        "total_sent_bytes",
        "transfers",
        "turn",
    )

    def __init__(
        self, file_id: str, source: Source, media_type: MediaType, metadata: UploadMetadata | None = None
    ) -> None:
        self.file_id = file_id
        self.source = source
        self.name = source.name
        self.size_bytes = source.size_bytes
        self.media_type = media_type
        self._metadata = metadata
        self.machine: FileMachine | None = None
        self.checkpoint: Checkpoint | None = None
        self.held_state = UploadState.READY
        self.paused = False
        self.removed = False
        self.cover: Source | None = None
        self.reference_id = ""
        self.given_address = _NO_ADDRESS
        self.region_given = ""
        self.endpoint: str | None = None
        self.provider: CredentialProvider | None = None
        self.entry: JournalEntry | None = None
        self.cancel: threading.Event = _NEVER
        self.transfers = _NO_TRANSFERS
        self.total_sent_bytes = 0
        self.shown_bytes = -1
        self.meter: SpeedMeter | None = None
        self.started_at_s: float | None = None
        self.duration_s: float | None = None
        self.asked: int | None = None
        self.turn: ReadTurn | None = None
        self.info: Any = None

    def take_machine(self, machine: FileMachine) -> None:
        """Give it its machine, and what a file needs besides that is more than queued."""
        self.machine = machine
        self.cancel = threading.Event()
        self.transfers = set()

    def begin(self, now_s: float) -> None:
        """Its turn has come; monotonic time."""
        self.started_at_s = now_s
        self.duration_s = None
        self.meter = SpeedMeter()

    def end(self, now_s: float) -> None:
        """It has succeeded or failed; monotonic time."""
        if self.started_at_s is not None:
            self.duration_s = now_s - self.started_at_s

    @property
    def metadata(self) -> UploadMetadata:
        """What the file tells VOD about itself; made from its name when nothing else was given."""
        return self._metadata or plain_metadata(self.name, self.media_type)

    @metadata.setter
    def metadata(self, metadata: UploadMetadata) -> None:
        self._metadata = metadata

    @property
    def path(self) -> str:
        """Path on this machine, or a word for the source when it has none."""
        return str(getattr(self.source, "path", self.source.kind))

    @property
    def state(self) -> UploadState:
        """State, from the machine once there is one."""
        return self.machine.state if self.machine is not None else self.held_state

    @property
    def phase(self) -> Phase:
        """Phase, from the machine once there is one."""
        if self.machine is not None:
            return self.machine.phase
        return Phase.PAUSED if self.paused else Phase.NONE

    @property
    def media_id(self) -> str | None:
        """VideoId or ImageId once known."""
        return self.checkpoint_field("media_id")

    @property
    def image_url(self) -> str | None:
        """ImageURL of an image once known."""
        return self.machine.image_url if self.machine is not None else None

    @property
    def cover_url(self) -> str | None:
        """URL of the cover once known."""
        if self.machine is not None:
            found = self.machine.checkpoint.metadata.get("cover_url")
            if found:
                return str(found)
        return self.metadata.cover_url

    def checkpoint_field(self, name: str) -> str | None:
        """A text of the checkpoint, or None while it is empty."""
        checkpoint = self.machine.checkpoint if self.machine is not None else self.checkpoint
        return (getattr(checkpoint, name) or None) if checkpoint is not None else None

    @property
    def region(self) -> str:
        """The upload credential's region, else the one that the file was added with."""
        if self.machine is not None and self.machine.grant is not None and self.machine.grant.auth.region:
            return self.machine.grant.auth.region
        return self.region_given

    @property
    def sent_bytes(self) -> int:
        """Accepted bytes and those in flight."""
        if self.machine is None:
            return 0
        ledger = self.machine.ledger
        ledger.in_flight_bytes = sum(t.sent_bytes for t in tuple(self.transfers))
        return ledger.sent_bytes

    @property
    def accepted_bytes(self) -> int:
        """Acknowledged bytes."""
        return self.machine.ledger.accepted_bytes if self.machine is not None else 0

    @property
    def found_bytes(self) -> int:
        """Those of the accepted ones that the storage had before this run."""
        return self.machine.ledger.found_bytes if self.machine is not None else 0

    @property
    def loaded_percent(self) -> float:
        """Fraction 0..1."""
        if self.machine is None:
            return 0.0
        _ = self.sent_bytes
        return self.machine.ledger.loaded_percent

    @property
    def progress_bytes(self) -> int:
        """What the fraction stands for; never falls without a restart, so sums over files agree with their rows."""
        return int(self.loaded_percent * self.size_bytes)

    @property
    def speed_bytes_per_s(self) -> float:
        """Smoothed speed while bytes move."""
        moving = self.state is UploadState.UPLOADING and self.phase is Phase.SENDING
        return self.meter.bytes_per_s if self.meter is not None and moving else 0.0

    @property
    def time_left_s(self) -> float | None:
        """Seconds left, or None."""
        if self.meter is None or self.state is not UploadState.UPLOADING or self.phase is not Phase.SENDING:
            return None
        return self.meter.time_left_s(max(0, self.size_bytes - self.sent_bytes))

    @property
    def error(self) -> VODError | None:
        """Why it failed."""
        return self.machine.error if self.machine is not None else None

    @property
    def attempts(self) -> tuple[tuple[int, str, str, float], ...]:
        """Failed attempts as plain values."""
        if self.machine is None:
            return ()
        return tuple((number, e.code, e.message, wait_s) for number, e, wait_s in self.machine.attempts)

    @property
    def request_id(self) -> str | None:
        """RequestId of the last answer that matters."""
        return self.machine.request_id if self.machine is not None else None

    @property
    def actions(self) -> frozenset[str]:
        """What a person may do now."""
        return actions(self.state, self.phase)
