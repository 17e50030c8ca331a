"""The core's own record of one file: what the queue writes and `UploadInfo` shows.

Before its turn a file is only this record; its machine is made when it starts and dropped when the file is stored, so
that 100,000 queued files and 100,000 finished ones stay small. Floor 3.

Written under the queue's lock, but for the counters of a transfer, which its own sender writes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import VODError
from .interfaces import CredentialProvider, JournalEntry, Source
from .machine import FileMachine
from .metadata import plain_metadata
from .model import Checkpoint, MediaType, Phase, UploadMetadata, UploadState
from .progress import SpeedMeter
from .stalls import ReadTurn
from .states import actions

__all__ = ["Given", "Record", "Run", "Transfer"]


class Transfer:
    """One request that carries bytes, while it runs.

    Attributes:
        sent_bytes: Bytes that went out.
        is_out: Whether all of them did, so that the request may have its effect.
        was_cut: Whether it was ended on purpose.
    """

    __slots__ = ("_cut", "_is_unwanted", "_lock", "is_out", "sent_bytes", "was_cut")

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.is_out = self.was_cut = False
        self._lock = threading.Lock()
        self._is_unwanted = False
        self._cut: Callable[[], None] | None = None

    def hold(self, cut: Callable[[], None] | None) -> None:
        """Take what ends the request under way; None when it has ended."""
        with self._lock:
            self._cut = cut
            self._end_if_unwanted()

    def cut(self) -> None:
        """End the request, also when the other end is silent; nothing is known of its effect then."""
        with self._lock:  # held over the shutdown of a socket, which never waits: a later request must not lose its own
            self._is_unwanted = True  # also if its connection is not even begun
            self._end_if_unwanted()

    def _end_if_unwanted(self) -> None:
        if self._is_unwanted and self._cut is not None:
            self.was_cut = True
            self._cut()


class Run:
    """What a file needs beyond its record while it has a turn: it runs, ran, or goes on from an earlier process.

    Attributes:
        checkpoint: What an earlier process left, or None.
        region_given: Region that it was started with.
        endpoint: Base URL of the control plane, or None.
        provider: The queue's own keys, or None.
        entry: Its place in the journal while that is held.
        cancel: Set when its bodies are to be broken off.
        transfers: Requests that carry its bytes.
        total_sent_bytes: Bytes that went over the wire, repeats included.
        shown_bytes: What the last tick told.
        meter: How fast it is.
        started_at_s: When its turn came, monotonic.
        duration_s: From then to its end.
        asked: The open question to the application, or None.
        turn: The turn to read it.
    """

    __slots__ = (
        "asked",
        "cancel",
        "checkpoint",
        "duration_s",
        "endpoint",
        "entry",
        "meter",
        "provider",
        "region_given",
        "shown_bytes",
        "started_at_s",
        "total_sent_bytes",
        "transfers",
        "turn",
    )

    def __init__(self) -> None:
        self.checkpoint: Checkpoint | None = None
        self.region_given = ""
        self.endpoint: str | None = None
        self.provider: CredentialProvider | None = None
        self.entry: JournalEntry | None = None
        self.cancel = threading.Event()
        self.transfers: set[Transfer] = set()
        self.total_sent_bytes = 0
        self.shown_bytes = -1
        self.meter: SpeedMeter | None = None
        self.started_at_s: float | None = None
        self.duration_s: float | None = None
        self.asked: int | None = None
        self.turn: ReadTurn | None = None


class _NoRun(Run):
    """That of all files that had no turn yet or are stored: 100,000 of them stay small. Read only."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, "turn"):  # the last that is set when it is made
            raise RuntimeError(f"a file that does not run has no {name}")
        super().__setattr__(name, value)


_NO_RUN = _NoRun()


class Given(NamedTuple):
    """What a caller said of one file beyond its bytes; of 100,000 queued files most have nothing.

    Attributes:
        metadata: What it tells VOD about itself; None: made from its name.
        cover: The image that is sent first.
        reference_id: Idempotency key of the asset, or "".
        address: Endpoint, bucket and object to use instead of the upload address's.
        wanted_since_s: When an earlier process was told to send it, Unix time: what was stored of it later, by anybody,
            is not sent again. None for a file that was added here.
    """

    metadata: UploadMetadata | None = None
    cover: Source | None = None
    reference_id: str = ""
    address: tuple[str | None, str | None, str | None] = (None, None, None)
    wanted_since_s: float | None = None


_NOTHING = Given()


class Outcome(NamedTuple):
    """What stays of a file that is stored."""

    checkpoint_fields: tuple[str, str, str, str, str]
    image_url: str | None
    cover_url: str | None
    region: str
    request_id: str | None
    verified: str
    skipped: bool
    attempts: tuple[tuple[int, str, str, float], ...]
    found_bytes: int
    total_sent_bytes: int
    duration_s: float | None


_KEPT = ("media_id", "endpoint", "bucket", "object", "reference_id")


class Record:
    """One file of the queue.

    Attributes:
        file_id: Our id of it.
        source: Where its bytes come from.
        media_type: Kind of asset.
        size_bytes: Length.
        given: What its caller said of it.
        run: What it needs while it has a turn.
        machine: Decides for it from its first turn until it is stored.
        removed: Whether it left the list.
        info: What callers see of it.
    """

    __slots__ = (
        "_outcome",
        "_paused",
        "_state",
        "file_id",
        "given",
        "info",
        "machine",
        "media_type",
        "removed",
        "run",
        "size_bytes",
        "source",
    )

    def __init__(
        self, file_id: str, source: Source, media_type: MediaType, metadata: UploadMetadata | None = None
    ) -> None:
        self.file_id = file_id
        self.source = source
        self.size_bytes = source.size_bytes
        self.media_type = media_type
        self.given = _NOTHING if metadata is None else Given(metadata)
        self.run: Run = _NO_RUN
        self.machine: FileMachine | None = None
        self.removed = False
        self.info: Any = None
        self._state = UploadState.READY
        self._paused = False
        self._outcome: Outcome | None = None

    def get_ready(self) -> Run:
        """Have what a file needs that is more than queued."""
        if self.run is _NO_RUN:
            self.run = Run()
        return self.run

    def take_machine(self, machine: FileMachine) -> None:
        """Give it its machine."""
        self.get_ready()
        self.machine = machine

    def hold(self, state: UploadState, *, paused: bool) -> None:
        """Set the state of a file without a machine."""
        self._state, self._paused = state, paused

    def begin(self, now_s: float) -> None:
        """Its turn has come; monotonic time."""
        run = self.get_ready()
        run.started_at_s = now_s
        run.duration_s = None
        run.meter = SpeedMeter()

    def end(self, now_s: float) -> None:
        """It has succeeded or failed; monotonic time."""
        if self.run.started_at_s is not None:
            self.run.duration_s = now_s - self.run.started_at_s

    def let_go(self) -> None:
        """It is stored for good: keep what is shown of it, and nothing else."""
        machine = self.machine
        assert machine is not None
        media_id, endpoint, bucket, key, reference_id = (getattr(machine.checkpoint, name) for name in _KEPT)
        outcome = Outcome(
            # The same for nearly all files of a queue.
            (media_id, sys.intern(endpoint), sys.intern(bucket), key, reference_id),
            self.image_url,
            self.cover_url,
            sys.intern(self.region),
            self.request_id,
            machine.verified,
            machine.skipped,
            self.attempts,
            self.found_bytes,
            self.total_sent_bytes,
            self.duration_s,
        )
        self.hold(UploadState.SUCCESS, paused=False)
        self._outcome, self.machine, self.run = outcome, None, _NO_RUN

    @property
    def name(self) -> str:
        """File name."""
        return self.source.name

    @property
    def metadata(self) -> UploadMetadata:
        """What the file tells VOD about itself; made from its name when nothing else was given."""
        return self.given.metadata or plain_metadata(self.name, self.media_type)

    @metadata.setter
    def metadata(self, metadata: UploadMetadata) -> None:
        self.given = self.given._replace(metadata=metadata)

    @property
    def cover(self) -> Source | None:
        """The image that is sent first, or None."""
        return self.given.cover

    @cover.setter
    def cover(self, cover: Source | None) -> None:
        self.given = self.given._replace(cover=cover)

    @property
    def path(self) -> str:
        """Path on this machine, or a word for the source when it has none."""
        return str(getattr(self.source, "path", self.source.kind))

    @property
    def state(self) -> UploadState:
        """State, from the machine once there is one."""
        return self.machine.state if self.machine is not None else self._state

    @property
    def phase(self) -> Phase:
        """Phase, from the machine once there is one."""
        if self.machine is not None:
            return self.machine.phase
        return Phase.PAUSED if self._paused else Phase.NONE

    @property
    def media_id(self) -> str | None:
        """VideoId or ImageId once known."""
        return self.checkpoint_field("media_id")

    @property
    def image_url(self) -> str | None:
        """ImageURL of an image once known."""
        if self._outcome is not None:
            return self._outcome.image_url
        return self.machine.image_url if self.machine is not None else None

    @property
    def cover_url(self) -> str | None:
        """URL of the cover once known."""
        if self._outcome is not None:
            return self._outcome.cover_url
        if self.machine is not None:
            found = self.machine.checkpoint.metadata.get("cover_url")
            if found:
                return str(found)
        return self.metadata.cover_url

    def checkpoint_field(self, name: str) -> str | None:
        """A text of the checkpoint, or None while it is empty."""
        if self._outcome is not None:
            return self._outcome.checkpoint_fields[_KEPT.index(name)] or None
        checkpoint = self.machine.checkpoint if self.machine is not None else self.run.checkpoint
        return (getattr(checkpoint, name) or None) if checkpoint is not None else None

    @property
    def region(self) -> str:
        """The upload credential's region, else the one that the file was started with."""
        if self._outcome is not None:
            return self._outcome.region
        if self.machine is not None and self.machine.grant is not None and self.machine.grant.auth.region:
            return self.machine.grant.auth.region
        return self.run.region_given

    @property
    def sent_bytes(self) -> int:
        """Accepted bytes and those in flight."""
        if self.machine is None:
            return self.accepted_bytes
        ledger, transfers = self.machine.ledger, self.run.transfers
        ledger.in_flight_bytes = sum(t.sent_bytes for t in tuple(transfers)) if transfers else 0
        return ledger.sent_bytes

    @property
    def has_bytes(self) -> bool:
        """Whether any of its bytes may be on their way or acknowledged."""
        return self.machine is None or bool(self.run.transfers) or self.machine.ledger.has_bytes

    @property
    def accepted_bytes(self) -> int:
        """Acknowledged bytes."""
        if self._outcome is not None:
            return self.size_bytes
        return self.machine.ledger.accepted_bytes if self.machine is not None else 0

    @property
    def found_bytes(self) -> int:
        """Those of the accepted ones that the storage had before this run."""
        if self._outcome is not None:
            return self._outcome.found_bytes
        return self.machine.ledger.found_bytes if self.machine is not None else 0

    @property
    def total_sent_bytes(self) -> int:
        """Bytes that went over the wire, repeats included."""
        return self._outcome.total_sent_bytes if self._outcome is not None else self.run.total_sent_bytes

    @property
    def duration_s(self) -> float | None:
        """Seconds from its turn to its end, once that came."""
        return self._outcome.duration_s if self._outcome is not None else self.run.duration_s

    @property
    def loaded_percent(self) -> float:
        """Fraction 0..1."""
        if self.machine is None:
            return 0.0 if self._outcome is None else 1.0
        _ = self.sent_bytes
        return self.machine.ledger.loaded_percent

    @property
    def progress_bytes(self) -> int:
        """What the fraction stands for; never falls without a restart, so sums over files agree with their rows."""
        return int(self.loaded_percent * self.size_bytes)

    @property
    def speed_bytes_per_s(self) -> float:
        """Smoothed speed while bytes move."""
        meter = self.run.meter
        moving = self.state is UploadState.UPLOADING and self.phase is Phase.SENDING
        return meter.bytes_per_s if meter is not None and moving else 0.0

    @property
    def time_left_s(self) -> float | None:
        """Seconds left, or None."""
        meter = self.run.meter
        if meter is None or self.state is not UploadState.UPLOADING or self.phase is not Phase.SENDING:
            return None
        return meter.time_left_s(max(0, self.size_bytes - self.sent_bytes))

    @property
    def error(self) -> VODError | None:
        """Why it failed."""
        return self.machine.error if self.machine is not None else None

    @property
    def attempts(self) -> tuple[tuple[int, str, str, float], ...]:
        """Failed attempts as plain values."""
        if self._outcome is not None:
            return self._outcome.attempts
        if self.machine is None:
            return ()
        return tuple((number, e.code, e.message, wait_s) for number, e, wait_s in self.machine.attempts)

    @property
    def request_id(self) -> str | None:
        """RequestId of the last answer that matters."""
        if self._outcome is not None:
            return self._outcome.request_id
        return self.machine.request_id if self.machine is not None else None

    @property
    def verified(self) -> str:
        """How the stored bytes were checked, or ""."""
        if self._outcome is not None:
            return self._outcome.verified
        return self.machine.verified if self.machine is not None else ""

    @property
    def skipped(self) -> bool:
        """Whether the journal knew it as stored."""
        if self._outcome is not None:
            return self._outcome.skipped
        return self.machine.skipped if self.machine is not None else False

    @property
    def actions(self) -> frozenset[str]:
        """What a person may do now."""
        return actions(self.state, self.phase)
