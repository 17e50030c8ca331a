"""The words of this package as types: states, parts, metadata, results; keys and addresses come from `grants`.

Frozen values only; whoever holds one may pass it to any thread. Floor 0: imports `grants`, does no I/O.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

from .grants import Credentials, Grant, UploadAddress, UploadAuth

__all__ = [
    "Category",
    "Checkpoint",
    "Credentials",
    "Grant",
    "LinkFacts",
    "MediaType",
    "ObjectInfo",
    "Part",
    "Phase",
    "RemotePart",
    "Rows",
    "SourceKind",
    "UploadAddress",
    "UploadAuth",
    "UploadMetadata",
    "UploadResult",
    "UploadState",
    "UploaderState",
    "VideoStatus",
    "Waiting",
]

_Row = TypeVar("_Row")
# A notebook is saved with what its cells show: 10,000 results, as IPython prints a list, are half a megabyte of it.
_ROWS_SHOWN = 50
_NEXT_LINE = ",\n "


class Rows(list[_Row]):
    """A plain list that prints its first 50 rows only, one a line, and how many more there are."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [repr(row) for row in self[:_ROWS_SHOWN]]
        more = len(self) - len(shown)
        return f"[{_NEXT_LINE.join([*shown, f'… and {more:,} more'] if more else shown)}]"


class UploadState(enum.StrEnum):
    """State of one file; the vendor's words."""

    READY = "Ready"
    UPLOADING = "Uploading"
    SUCCESS = "Success"
    FAILURE = "Failure"
    CANCELED = "Canceled"
    STOPPED = "Stopped"
    EXPIRED = "Expired"


class UploaderState(enum.StrEnum):
    """State of the queue; the vendor's words, without its Failure, which is a fact of a file."""

    INIT = "Init"
    START = "Start"
    STOP = "Stop"
    EXPIRE = "Expire"
    END = "End"


class Phase(enum.StrEnum):
    """What a file does inside its state."""

    NONE = ""
    AUTHORIZING = "authorizing"
    PREPARING = "preparing"
    SENDING = "sending"
    WAITING = "waiting"
    COMPLETING = "completing"
    VERIFYING = "verifying"
    PAUSED = "paused"


class MediaType(enum.StrEnum):
    """Kind of asset that a file becomes. Audio is created by CreateUploadVideo and has a VideoId."""

    VIDEO = "video"
    AUDIO = "audio"
    IMAGE = "image"


class SourceKind(enum.StrEnum):
    """Where bytes come from."""

    LOCAL = "kernel"
    MEMORY = "memory"
    BROWSER = "browser"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Part:
    """One unit of a multipart upload.

    Attributes:
        part_number: From 1.
        start: First byte.
        end: Byte after the last.
        etag: ETag that the storage answered, or "" while it is not stored.
        crc64: CRC-64/XZ of our bytes, or None while it is not stored.
    """

    part_number: int
    start: int
    end: int
    etag: str = ""
    crc64: int | None = None

    @property
    def size_bytes(self) -> int:
        """Length of the part."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class RemotePart:
    """One part as the storage lists it."""

    part_number: int
    size_bytes: int
    etag: str
    crc64: int | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """One page of the list of stored parts.

    Attributes:
        parts: In order.
        following: The part after which the next page begins; None at the end.
    """

    parts: tuple[RemotePart, ...]
    following: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the storage says of an object."""

    size_bytes: int | None
    etag: str
    crc64: int | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What the connections of the data plane tell of the line.

    Attributes:
        answer_s: Seconds from the last byte of a request to the first of its answer, the least of the last ones; None
            before the first.
        rtt_s: Least round trip of any connection, seconds, or None where the system does not tell.
        queue_s: How much longer than the least a round trip is now, seconds, so how long the queue in the line is; None
            as above.
        sent_segments: Segments that connections sent since the first, again or not; only grows.
        lost_segments: Those of them that repeat another.
        delivered_bytes: What the other end has confirmed since the first; 0 where the system does not tell.
        congestion: Congestion control at work ("bbr", "cubic"), or "".
    """

    answer_s: float | None = None
    rtt_s: float | None = None
    queue_s: float | None = None
    sent_segments: int = 0
    lost_segments: int = 0
    delivered_bytes: int = 0
    congestion: str = ""


@dataclass(frozen=True, slots=True)
class VideoStatus:
    """What VOD says of a video.

    Attributes:
        video_id: VideoId.
        status: The vendor's word: Uploading, UploadSucc, Transcoding, Normal, ...
        title: Title of the asset.
        size_bytes: Size of the source, or None while unknown.
    """

    video_id: str
    status: str
    title: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Category:
    """A category of the account's media.

    Attributes:
        cate_id: What `cate_id=` takes.
        name: Its name.
        path: Names from the root, as "Events / 2026".
        level: 0 for those of the root, at most 3.
    """

    cate_id: int
    name: str
    path: str
    level: int


@dataclass(frozen=True, slots=True)
class UploadMetadata:
    """What a file tells VOD about itself; checked by `metadata.py` before anything is sent.

    Attributes:
        title: At most 128 bytes in UTF-8.
        description: At most 1024 bytes, or None.
        tags: At most 16 of at most 32 bytes each.
        cate_id: Category, or None.
        cover_url: URL of the cover; set by the library when `cover=` was uploaded.
        template_group_id: Transcoding template group, or None.
        workflow_id: Workflow; it wins over the template group.
        storage_location: Storage address of the account, or None.
        app_id: Application, or None for the account's default.
        api_user_data: The API's UserData as JSON text (MessageCallback, Extend, AccelerateConfig), or None.
        notification: The caller's user_data as JSON text, sent as x-oss-notification; None when it was not given.
        image_type: `default` or `cover`; images only.
    """

    title: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    cate_id: int | None = None
    cover_url: str | None = None
    template_group_id: str | None = None
    workflow_id: str | None = None
    storage_location: str | None = None
    app_id: str | None = None
    api_user_data: str | None = None
    notification: str | None = None
    image_type: str = "default"

    def stated(self) -> dict[str, Any]:
        """Return what is said as a plain dict, for the journal; fields that say nothing are left out."""
        return {name: value for name in _STATED if (value := getattr(self, name)) not in (None, (), "")}


_STATED = tuple(f.name for f in fields(UploadMetadata))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one file needs to go on later; never holds a credential.

    Attributes:
        file_id: Our id of the file in the process that began it.
        source_id: Stable identity of the source (a path, or a browser file's name, size and time).
        destination: Endpoint or region, account and profile, as one text.
        fingerprint: The source as it was when the upload began.
        name: File name.
        size_bytes: Length of the source.
        media_type: `video`, `audio` or `image`.
        reference_id: Idempotency key of the asset; "" for images.
        media_id: VideoId or ImageId once known, else "".
        endpoint: Endpoint of the storage once known.
        bucket: Bucket once known.
        object: Object key once known.
        upload_id: Multipart upload once known, else "".
        part_size_bytes: Part size that was planned; 0 when not planned.
        parts: Parts that the storage acknowledged.
        canceled: True when the person gave up and the remote parts may still wait to be aborted.
        metadata: Fields of `UploadMetadata` as a plain dict.
        profile: Name of the profile that was used, or "".
        completed_before: True when bytes of an earlier try may stand in the asset already; then its state alone proves
            nothing about the present upload.
    """

    file_id: str
    source_id: str
    destination: str
    fingerprint: str
    name: str
    size_bytes: int
    media_type: MediaType
    reference_id: str = ""
    media_id: str = ""
    endpoint: str = ""
    bucket: str = ""
    object: str = ""
    upload_id: str = ""
    part_size_bytes: int = 0
    parts: tuple[Part, ...] = ()
    canceled: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    profile: str = ""
    completed_before: bool = False

    def without_parts(self) -> Checkpoint:
        """The same without its parts, which the journal keeps in lines of their own."""
        return replace(self, parts=()) if self.parts else self


class Waiting(NamedTuple):
    """A file of a queue that has not begun, as it is kept for the next process.

    Attributes:
        checkpoint: Who it is, where it would go, and what its caller said of it; no ids but those that were given.
        since_s: When it was added, Unix time: what was stored of it later, by whomever, need not be sent.
        cover: Path or address of the image that is sent first, or "".
    """

    checkpoint: Checkpoint
    since_s: float
    cover: str = ""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The outcome of one file.

    Attributes:
        file_id: Our id.
        name: File name.
        source: Path or description of the source.
        state: Final state.
        media_type: Kind of asset.
        video_id: VideoId of a video or audio file, else None.
        image_id: ImageId of an image, else None.
        image_url: ImageURL of an image, else None.
        size_bytes: Length.
        sent_bytes: Bytes that went over the wire, repeats included.
        duration_s: Seconds from start to the final state.
        verified: How the stored bytes were checked: "crc64", "length", "status", or "" when nothing was stored.
        skipped: True when the journal knew the file as finished and nothing was sent.
        error_code: Stable code of a failure, else None.
        error_message: Its text, else None.
        request_id: RequestId of the last answer that matters, else None.
    """

    file_id: str
    name: str
    source: str
    state: UploadState
    media_type: MediaType
    video_id: str | None = None
    image_id: str | None = None
    image_url: str | None = None
    size_bytes: int = 0
    sent_bytes: int = 0
    duration_s: float = 0.0
    verified: str = ""
    skipped: bool = False
    error_code: str | None = None
    error_message: str | None = None
    request_id: str | None = None
