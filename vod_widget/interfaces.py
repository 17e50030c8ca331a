"""The outside world as small Protocols, so that floors 1, 3 and 4 never name a library.

Floor 0: types only. Every method here may block on I/O, has a deadline of its own, raises only `errors.VODError`, and
may be called from any worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .model import (
    Checkpoint,
    Credentials,
    Grant,
    LinkFacts,
    MediaType,
    ObjectInfo,
    Part,
    PartsPage,
    RemotePart,
    SourceKind,
    UploadAddress,
    UploadAuth,
    UploadMetadata,
    VideoStatus,
    Waiting,
)
from .secret import Secret

__all__ = [
    "Body",
    "CanBeCut",
    "Clock",
    "CredentialProvider",
    "DirectPart",
    "Journal",
    "JournalEntry",
    "ObjectStore",
    "Paced",
    "Randomness",
    "ReadsInto",
    "SendsItself",
    "Source",
    "StoreSession",
    "VodApi",
    "VodSession",
    "WaitingList",
]


class Clock(Protocol):
    """Time, passed in so that tests and the simulator own it."""

    def now_s(self) -> float:
        """Unix time in seconds, for signing and expiry only."""

    def monotonic_s(self) -> float:
        """Seconds that never go back, for timers and rates."""


class Randomness(Protocol):
    """Chance, passed in so that a failing case can be replayed."""

    def hex(self, length: int) -> str:
        """`length` hexadecimal digits."""

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""


class Source(Protocol):
    """Where the bytes of one file come from.

    Attributes:
        name: File name for people and for VOD; never used as a path.
        size_bytes: Length, at least 1.
        kind: Where it lives.
        source_id: Stable across processes for the same file ("file:/abs/path", "browser:name:size:mtime_ms",
            "memory:crc64:size").
        block_bytes: Largest piece worth asking `read` for at once.
        cheap_reads: True when reading again costs little (a local file), so that a resumed part may be hashed again.
    """

    name: str
    size_bytes: int
    kind: SourceKind
    block_bytes: int
    cheap_reads: bool

    @property
    def source_id(self) -> str:
        """As above."""

    def fingerprint(self) -> str:
        """A text that changes when the content may have changed (for a file: device, inode, size, mtime_ns, ctime_ns).

        Raises:
            SourceNotFoundError: The file is gone.
        """

    def read(self, start: int, end: int) -> bytes | memoryview:
        """Exactly the bytes `start`..`end` (end excluded).

        Raises:
            SourceError: Gone, changed (shorter), unreadable, stalled or detached.
        """

    def close(self) -> None:
        """Let go of handles and wake blocked readers; may be called twice."""


class ReadsInto(Protocol):
    """A source that can fill a buffer that is used again and again, which costs half of new bytes for each block."""

    def read_into(self, start: int, buffer: memoryview) -> None:
        """As `Source.read`, the bytes from `start` on, as many as the buffer holds."""

    def read_ready(self, start: int, buffer: memoryview) -> int:
        """Fill the buffer from its front as far as that takes no waiting; return how many bytes that were, maybe 0.

        Unlike `read_into` it is called by several threads at once, whatever the bytes lie on.
        """


@dataclass(frozen=True, slots=True)
class DirectPart:
    """A part that the holder of a file sent by itself.

    Attributes:
        etag: As the storage answered.
        crc64: Of the bytes that the holder read.
        stored_crc64: As the storage answered, or None.
    """

    etag: str
    crc64: int
    stored_crc64: int | None


@runtime_checkable
class SendsItself(Protocol):
    """A source whose holder (a browser) can send parts straight to the storage."""

    @property
    def sends_itself(self) -> bool:
        """True while that should be tried."""

    def send_part(
        self, url: Secret, start: int, end: int, is_unwanted: Callable[[], bool], sent: Callable[[int], None]
    ) -> DirectPart | None:
        """Send one part by a signed URL; None: it did not work, send it the usual way."""

    def part_size_bytes(self, left_bytes: int) -> int:
        """Choose the size of the next part, bytes, of which so many are in none yet."""


class Body(Protocol):
    """What is sent in one request: knows its length, can be iterated again for a second try.

    A block is good until the next one is asked for: it may be a buffer that is filled again. oss2
    must be given this very object, so that it neither copies nor hashes (`reference/performance.md` 4).
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes | memoryview]: ...


class CanBeCut(Body, Protocol):
    """A body whose request somebody may want to end at once, also while it hangs."""

    def hold(self, cut: Callable[[], None] | None) -> None:
        """Take what ends the request under way, from any thread; None when it has ended."""


class Paced(Body, Protocol):
    """A body that may hold its bytes back.

    Attributes:
        paced_s: Seconds of this request that it held them back for a bandwidth limit.
    """

    paced_s: float


class StoreSession(Protocol):
    """One object of the storage, opened with one temporary credential.

    `headers` are extra request headers, e.g. x-oss-notification. CRCs are those that the storage answered, or None.
    """

    def put_object(self, body: Body, headers: dict[str, str]) -> ObjectInfo:
        """PutObject."""

    def init_multipart(self, headers: dict[str, str]) -> str:
        """InitiateMultipartUpload; returns the upload id, never empty."""

    def upload_part(
        self, upload_id: str, part_number: int, body: Body, headers: dict[str, str] | None = None
    ) -> RemotePart:
        """UploadPart."""

    def signed_part_url(self, upload_id: str, part_number: int, life_s: int) -> Secret:
        """A URL by which anybody may send this one part for so many seconds; nothing is sent."""

    def list_parts(self, upload_id: str, after: int = 0) -> PartsPage:
        """ListParts, one page: what follows part `after`."""

    def list_uploads(self) -> tuple[str, ...]:
        """ListMultipartUploads: ids of the unfinished uploads of this object, at most 1,000."""

    def complete(self, upload_id: str, parts: tuple[Part, ...], headers: dict[str, str]) -> ObjectInfo:
        """CompleteMultipartUpload; an error inside a 200 is raised."""

    def abort(self, upload_id: str) -> None:
        """AbortMultipartUpload; an unknown id is no error."""

    def head(self) -> ObjectInfo | None:
        """HeadObject; None when the object does not exist."""


class ObjectStore(Protocol):
    """The data plane; one connection pool for all files."""

    def open(self, auth: UploadAuth, address: UploadAddress) -> StoreSession:
        """Return a cheap session; nothing is sent."""

    def connect_ahead(self, most: int, address: UploadAddress | None = None) -> None:
        """Open one connection to there, or to where the last request went, unless there are `most`; may fail."""

    def link(self) -> LinkFacts:
        """What the connections tell of the line so far."""

    def close(self) -> None:
        """Close every connection; requests in flight fail."""


class VodSession(Protocol):
    """The control plane, with one set of credentials."""

    def create_upload_video(
        self, metadata: UploadMetadata, *, file_name: str, size_bytes: int, reference_id: str
    ) -> Grant:
        """CreateUploadVideo. Raises AlreadyExistsError when the reference id was used before."""

    def refresh_upload_video(self, video_id: str) -> Grant:
        """RefreshUploadVideo; same object, new credential."""

    def create_upload_image(self, metadata: UploadMetadata, *, file_name: str) -> Grant:
        """CreateUploadImage; there is no refresh for images."""

    def find_video(self, *, video_id: str = "", reference_id: str = "") -> VideoStatus | None:
        """GetVideoInfo by one of the two; None when there is none."""


class VodApi(Protocol):
    """Opens sessions of the control plane."""

    def open(self, credentials: Credentials, region: str, endpoint: str | None) -> VodSession:
        """Return a cheap session; nothing is sent. `endpoint` is the base URL, or None for the vendor's."""

    def round_trip_s(self) -> float | None:
        """How far the service is, seconds, where that is known."""

    def close(self) -> None:
        """Close every connection."""


class CredentialProvider(Protocol):
    """Gives credentials that are alive, refreshing them when it must.

    Attributes:
        name: Profile name for display.
        region: Region that the profile states, or None.
        endpoint: Base URL that the profile states (the emulator's), or None.
        account: A stable text that tells accounts apart in the journal; no secret.
    """

    name: str
    region: str | None
    endpoint: str | None
    account: str

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        """Return credentials that live for some time yet.

        Raises:
            CredentialError: None can be had; the text says where was looked.
        """


class JournalEntry(Protocol):
    """The checkpoint of one file, held by this process until `release` or `finish`."""

    def load(self) -> Checkpoint | None:
        """What an earlier process left, or None."""

    def write(self, checkpoint: Checkpoint, *, durable: bool) -> None:
        """Replace the checkpoint. `durable`: it survives a power cut when this returns.

        Raises:
            JournalError: Not written; the last state stays readable.
        """

    def add_part(self, part: Part) -> None:
        """Append one acknowledged part; survives a killed process."""

    def finish(self, result: dict[str, Any]) -> None:
        """Close the entry as done, so that `skip_uploaded` finds it; releases it."""

    def discard(self) -> None:
        """Forget the entry and release it."""

    def release(self) -> None:
        """Let go without changing anything; may be called twice."""


class WaitingList(Protocol):
    """The files of one queue that have not begun, held by this process until `release` or `discard`."""

    @property
    def path(self) -> str:
        """Its file."""

    @property
    def is_open(self) -> bool:
        """Whether it is held."""

    @property
    def line_count(self) -> int:
        """Lines that it has, history included."""

    @property
    def is_damaged(self) -> bool:
        """Whether not all of it could be read."""

    def stamp(self) -> list[int]:
        """Tell one writing of it from another."""

    def read(self) -> dict[str, Waiting]:
        """Its files by their ids, in order."""

    def write(self, files: Iterable[Waiting]) -> None:
        """Write all of it; it survives a power cut.

        Raises:
            JournalError: Not written; the former content stays.
        """

    def change(self, added: Iterable[Waiting], gone: Iterable[str]) -> bool:
        """Append what is new; False when the file is not the one that was left: `write` it then.

        Raises:
            JournalError: Not written.
        """

    def discard(self) -> None:
        """Take it away, or set it aside when it is damaged, and let go of it."""

    def release(self) -> None:
        """Let go, so that somebody else may take its files; may be called twice."""


class Journal(Protocol):
    """The folder of checkpoints, shared by many uploaders and processes."""

    def open(self, source_id: str, destination: str) -> JournalEntry:
        """Take the entry of one source and destination.

        Raises:
            LockedError: Another uploader or process holds it.
        """

    def look(self, source_id: str, destination: str) -> None:
        """Look whether an entry is held by nobody; raises `LockedError` when it is."""

    def unfinished(self) -> tuple[Checkpoint, ...]:
        """Every checkpoint that is not done, oldest first."""

    def has_entries(self) -> bool:
        """Whether anything unfinished may be there; opens no file."""

    def knows(self, source_ids: Iterable[str], destination: str) -> frozenset[str]:
        """Those sources of which there is an entry for this destination; opens no file."""

    def finished(self, source_id: str, destination: str) -> dict[str, Any] | None:
        """The result of a finished entry (with its "fingerprint"), or None."""

    def finished_at_s(self, source_id: str, destination: str) -> float:
        """When it was finished, Unix time; 0 when it was not."""

    def done_stamp(self) -> list[int]:
        """Tell whether anything was finished since."""

    def new_waiting(self) -> WaitingList:
        """Make a list for the files of one queue that have not begun."""

    def left_waiting(self) -> Generator[WaitingList]:
        """Take every such list that nobody holds, the oldest first, one at a time: it is held until the next."""


def is_video(media_type: MediaType) -> bool:
    """Tell whether CreateUploadVideo (video and audio) makes this asset."""
    return media_type is not MediaType.IMAGE
