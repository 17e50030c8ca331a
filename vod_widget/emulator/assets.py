"""What VOD keeps: media assets, pull jobs and events, as plain data.

What lives here: `Asset`, `PullJob`, `Event` and `CallContext`. It imports `tokens` for a type; read and
written under the lock of `Cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vod_widget.emulator.tokens import Key

MediaKind = Literal["video", "image", "attached"]
Answer = dict[str, Any]
DEFAULT_APP_ID = "app-1000000"


@dataclass
class Asset:
    """One media asset: a video or audio, an image, an attached medium."""

    media_id: str
    kind: MediaKind
    bucket: str
    key: str
    title: str
    created_age_s: float
    created_wall_s: float
    description: str = ""
    tags: str = ""
    cate_id: int | None = None
    cate_ids: Sequence[int] = ()
    """Of an attached medium, which may be in several."""
    cover_url: str = ""
    file_name: str = ""
    declared_bytes: int | None = None
    reference_id: str = ""
    template_group_id: str = ""
    workflow_id: str = ""
    storage_location: str = ""
    app_id: str = DEFAULT_APP_ID
    sub_type: str = ""
    """ImageType of an image, BusinessType of an attached medium."""
    user_data: Mapping[str, Any] = field(default_factory=dict)
    completed_age_s: float | None = None
    completed_wall_s: float | None = None
    modified_wall_s: float | None = None
    size_bytes: int = 0
    crc64: int = 0
    notification: str = ""
    """The last x-oss-notification of its object requests, decoded JSON text."""
    job_id: str = ""
    """Of the UploadMediaByURL that made it."""
    source_deleted: bool = False
    """DeleteMezzanines took the file away."""

    @property
    def slices_prefix(self) -> str:
        """Where the slices of a playlist belong, beside it; "" for everything else."""
        return self.key.rpartition("/")[0] + "/" if self.key.endswith(".m3u8") else ""

    def owns(self, key: str) -> bool:
        """Tell whether an object is of this asset: its own, or a slice."""
        return key == self.key or bool(self.slices_prefix and key.startswith(self.slices_prefix))


@dataclass
class PullJob:
    """One file of an UploadMediaByURL."""

    job_id: str
    url: str
    title: str
    extension: str
    created_wall_s: float
    created_age_s: float
    status: str = "PENDING"
    """PENDING, DOWNLOADING, DOWNLOAD_FAIL, UPLOAD_FAIL or SUCCESS."""
    media_id: str = ""
    completed_wall_s: float | None = None
    size_bytes: int = 0
    error_code: str = ""
    error_message: str = ""
    user_data_text: str = ""
    user_data: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the asset shall have beside title and extension."""
    session_id: str = ""


@dataclass
class Event:
    """What the service sends to the callback URL."""

    event_type: str
    """FileUploadComplete, ImageUploadComplete, AttachedMediaUploadComplete, UploadByURLComplete."""
    media_id: str
    event_time: str
    size_bytes: int
    file_url: str
    extend: Any
    """`Extend` of the UserData, echoed."""
    callback_url: str
    status: str = "success"
    job_id: str = ""
    source_url: str = ""
    delivery: str = ""
    """What became of the last attempt: "" not sent (yet), `200` and the like what the URL answered, or why not."""
    attempts: int = 0
    """How often it was sent; a callback that is not answered with 200 is sent three times."""
    number: int = 0
    """From 1, in order; the name in the book of one that is due."""
    is_due: bool = False
    """A callback is still to be sent, or to be sent again."""

    def body(self) -> dict[str, Any]:
        """Return the JSON object that is posted. Source: VOD "Event notification", each event."""
        id_names = {"ImageUploadComplete": "ImageId", "AttachedMediaUploadComplete": "MediaId"}
        body: dict[str, Any] = {
            "EventTime": self.event_time,
            "EventType": self.event_type,
            id_names.get(self.event_type, "VideoId"): self.media_id,
            "Size": self.size_bytes,
            "FileUrl": self.file_url,
            "Status": self.status,
        }
        if self.event_type == "UploadByURLComplete":
            body |= {"JobId": self.job_id, "SourceURL": self.source_url}
        if self.extend is not None:
            body["Extend"] = self.extend
        return body


@dataclass(frozen=True)
class CallContext:
    """Who calls, and by which way; some answers depend on it."""

    key: Key
    oss_endpoint: str
    """What UploadAddress shall say: scheme and host, no bucket."""
    host: str = "vod.aliyuncs.com"
