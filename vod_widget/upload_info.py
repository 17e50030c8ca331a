"""What a caller sees of one file and of the queue: the live `UploadInfo`, and frozen copies.

Floor 4. `UploadInfo` only reads; the queue alone writes what it shows, under its lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import VODError
from .model import MediaType, Phase, UploaderState, UploadMetadata, UploadState

if TYPE_CHECKING:
    from .record import Record

__all__ = ["FileHandle", "FileSnapshot", "Totals", "UploadInfo", "UploaderSnapshot"]


@dataclass(frozen=True, slots=True)
class FileHandle:
    """The `file` of the seed document's samples.

    Attributes:
        name: File name.
        path: Path on the kernel's machine, or a word for the source when it has none.
        size_bytes: Length.
    """

    name: str
    path: str
    size_bytes: int


class UploadInfo:
    """One file of the queue, live: the same object in `list_files()` and in every callback.

    Compared by identity; read-only. Byte counts, speed and state change while you look.
    """

    __slots__ = ("__weakref__", "_record")

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def file_id(self) -> str:
        """Our id of the file; stable however the list changes."""
        return self._record.file_id

    @property
    def file(self) -> FileHandle:
        """Name, path and size, as in the seed's samples (`upload_info.file.name`)."""
        r = self._record
        return FileHandle(r.name, r.path, r.size_bytes)

    @property
    def name(self) -> str:
        """File name."""
        return self._record.name

    @property
    def source(self) -> str:
        """Where the bytes come from: `kernel`, `memory`, `browser`."""
        return str(self._record.source.kind)

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self._record.size_bytes

    @property
    def media_type(self) -> MediaType:
        """Kind of asset."""
        return self._record.media_type

    @property
    def state(self) -> UploadState:
        """State, the vendor's word."""
        return self._record.state

    @property
    def phase(self) -> Phase:
        """What happens inside the state."""
        return self._record.phase

    @property
    def video_id(self) -> str | None:
        """VideoId once it is known; at on_upload_started it tells a resume (refresh) from a new file (create)."""
        return self._record.media_id if self._record.media_type is not MediaType.IMAGE else None

    @property
    def image_id(self) -> str | None:
        """ImageId once it is known, for an image."""
        return self._record.media_id if self._record.media_type is MediaType.IMAGE else None

    @property
    def media_id(self) -> str | None:
        """VideoId or ImageId."""
        return self._record.media_id

    @property
    def image_url(self) -> str | None:
        """ImageURL of an image."""
        return self._record.image_url

    @property
    def cover_url(self) -> str | None:
        """URL of the cover, once it was sent or when it was given as a URL."""
        return self._record.cover_url

    @property
    def cover_name(self) -> str | None:
        """File name of the cover that will be sent, when one was given as a file."""
        cover = self._record.cover
        return cover.name if cover is not None else None

    @property
    def object(self) -> str | None:
        """Object key."""
        return self._record.checkpoint_field("object")

    @property
    def bucket(self) -> str | None:
        """Bucket."""
        return self._record.checkpoint_field("bucket")

    @property
    def endpoint(self) -> str | None:
        """Endpoint of the storage."""
        return self._record.checkpoint_field("endpoint")

    @property
    def region(self) -> str:
        """Region of this file; the upload credential's own when it states one."""
        return self._record.region

    @property
    def reference_id(self) -> str | None:
        """Idempotency key of the asset, once it was drawn."""
        return self._record.checkpoint_field("reference_id")

    @property
    def sent_bytes(self) -> int:
        """Bytes given to the socket; may fall when a request is repeated."""
        return self._record.sent_bytes

    @property
    def accepted_bytes(self) -> int:
        """Bytes that the storage acknowledged."""
        return self._record.accepted_bytes

    @property
    def loaded_percent(self) -> float:
        """Fraction 0..1, never falling without a restart; 1 only after verification."""
        return self._record.loaded_percent

    @property
    def speed_bytes_per_s(self) -> float:
        """Smoothed speed."""
        return self._record.speed_bytes_per_s

    @property
    def time_left_s(self) -> float | None:
        """Seconds left, or None while that cannot be told."""
        return self._record.time_left_s

    @property
    def error(self) -> VODError | None:
        """Why it failed or waits for new credentials."""
        return self._record.error

    @property
    def attempts(self) -> tuple[tuple[int, str, str, float], ...]:
        """(number, code, message, waited_s) of the last failed attempts."""
        return self._record.attempts

    @property
    def title(self) -> str:
        """Title of the asset."""
        return self._record.metadata.title

    @property
    def metadata(self) -> UploadMetadata:
        """Everything that the file tells VOD about itself."""
        return self._record.metadata

    @property
    def request_id(self) -> str | None:
        """RequestId of the last answer that matters, for the vendor's support."""
        return self._record.request_id

    def __repr__(self) -> str:
        r = self._record
        media = f", {'image_id' if r.media_type is MediaType.IMAGE else 'video_id'}={r.media_id}" if r.media_id else ""
        why = f", error={r.error.code}" if r.error else ""
        return f"<UploadInfo {r.name!r} {r.state} {r.loaded_percent:.0%} of {r.size_bytes} bytes{media}{why}>"


@dataclass(frozen=True, slots=True)
class FileSnapshot:
    """A frozen copy of `UploadInfo`, with what a screen needs besides.

    Attributes beyond those of `UploadInfo`:
        wait_s: Seconds until the next attempt, or None.
        wait_reason: Code of the fault that it waits for, or "".
        duration_s: Seconds from start to end of a finished file, else None.
        actions: What a person may do now: `cancel`, `pause`, `resume`, `retry`, `remove`.
        verified: How the stored bytes were checked, or "".
        skipped: True when the journal knew the file as finished.
    """

    file_id: str
    name: str
    path: str
    source: str
    size_bytes: int
    media_type: MediaType
    state: UploadState
    phase: Phase
    video_id: str | None
    image_id: str | None
    image_url: str | None
    media_id: str | None
    object: str | None
    bucket: str | None
    endpoint: str | None
    region: str
    reference_id: str | None
    sent_bytes: int
    accepted_bytes: int
    loaded_percent: float
    speed_bytes_per_s: float
    time_left_s: float | None
    error: VODError | None
    attempts: tuple[tuple[int, str, str, float], ...]
    wait_s: float | None
    wait_reason: str
    title: str
    metadata: UploadMetadata
    duration_s: float | None
    actions: frozenset[str]
    request_id: str | None
    verified: str
    skipped: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the queue.

    Attributes:
        state: State of the queue.
        counts: Files in each state.
        done: Files in Success.
        failed: Files in Failure.
        canceled: Files in Canceled.
        total: Files in the list.
        size_bytes: Their lengths together.
        done_bytes: Lengths of the files in Success.
        failed_bytes: Lengths of the files in Failure.
        sent_bytes: Given to sockets, repeats not counted.
        accepted_bytes: Acknowledged.
        speed_bytes_per_s: Smoothed, over all files.
        time_left_s: Seconds left, or None while that cannot be told.
        progress: Fraction 0..1 of the bytes of all files that are not canceled.
    """

    state: UploaderState
    counts: dict[UploadState, int]
    done: int
    failed: int
    canceled: int
    total: int
    size_bytes: int
    done_bytes: int
    failed_bytes: int
    sent_bytes: int
    accepted_bytes: int
    speed_bytes_per_s: float
    time_left_s: float | None
    progress: float


@dataclass(frozen=True, slots=True)
class UploaderSnapshot:
    """A frozen copy of the queue: its sums and every file."""

    totals: Totals
    files: tuple[FileSnapshot, ...]

    @property
    def state(self) -> UploaderState:
        """State of the queue."""
        return self.totals.state


Unsubscribe = Callable[[], None]
