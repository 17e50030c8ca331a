"""What OSS keeps, as plain data: buckets, objects, uploads, and their limits.

What lives here: data classes and constants. It imports `blobs`, `cors`, `errors`; read and written under
the lock of `Cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.cors import CorsRule
from vod_widget.emulator.errors import OssError, oss_invalid_argument

# Source: OSS "Limits": parts are 100 KB to 5 GB, the last may be smaller; numbers 1 to 10,000.
# KB is 1,024 bytes: oss2 and the web SDK both refuse below 102,400. An appended object may grow
# to 5 GB in all.
MIN_PART_BYTES = 100 * 1024
MAX_BODY_BYTES = 5 * 1024**3
MAX_PARTS = 10_000
# The version of everything that was stored while versioning was not on.
NULL_VERSION = "null"


@dataclass
class Bucket:
    """One bucket."""

    name: str
    created_s: float
    acl: str = "private"
    managed: bool = False
    """Allocated by VOD: it cannot be deleted, and pages of this machine may use it."""
    cors: tuple[CorsRule, ...] = ()
    storage_class: str = "Standard"
    redundancy: str = "LRS"
    vary: bool = False
    """CORS: answer Vary to everyone."""
    owner_id: str = ""
    """Another account than the cloud's own."""
    worm_id: str = ""
    """Of its retention policy."""
    worm_days: int = 0
    worm_from_s: float = 0.0
    worm_locked: bool = False
    versioning: str = ""
    """`Enabled`, `Suspended`, or "" while it never was on."""
    settings: dict[str, str] = field(default_factory=dict)
    """Documents of `oss_settings` by the name of the sub-resource, with "/item" where there are several."""


@dataclass
class Content:
    """The bytes of one version of an object; lives as long as someone reads it.

    AppendObject adds to `blobs` and takes nothing away, so a reader that began before it is safe.
    """

    blobs: tuple[Blob, ...]
    readers: int = 0
    replaced: bool = False


@dataclass
class StoredObject:
    """One object with what HEAD tells about it."""

    bucket: str
    key: str
    content: Content
    size_bytes: int
    etag: str
    crc64: int
    object_type: str
    """`Normal` (PutObject, PostObject), `Multipart`, `Appendable` or `Symlink`; "" of a marker."""
    headers: Mapping[str, str]
    """Content-Type, Cache-Control, x-oss-meta-*, x-oss-storage-class, x-oss-tagging... as sent."""
    modified_s: float
    """On the wall clock."""
    md5_hex: str = ""
    """Empty for multipart objects: they have no Content-MD5."""
    acl: str = "default"
    """`default` is the ACL of the bucket."""
    target: str = ""
    """Of a `Symlink`: the key it stands for."""
    awake_from_s: float = 0.0
    """Of an archived object: when it can be read, and until when; 0 when nobody asked."""
    awake_until_s: float = 0.0
    version_id: str = NULL_VERSION
    serial: int = 0
    """Grows with every version that is stored: tells which is newer."""
    laid_s: float = 0.0
    """When it was stored, on the clock that `advance` moves."""
    accessed_s: float = 0.0
    """When it was read last; 0 for never. Not written down at each reading."""
    is_marker: bool = False
    """A marker of deletion: it has no bytes, and on top it hides the object."""

    @property
    def record_name(self) -> str:
        """Return its name in the book; ids of versions have capitals, names of buckets have none."""
        name = f"{self.bucket}/{self.key}"
        return name if self.version_id == NULL_VERSION else f"{self.version_id}/{name}"


@dataclass
class Upload:
    """One multipart upload in progress."""

    upload_id: str
    bucket: str
    key: str
    headers: Mapping[str, str]
    initiated_s: float
    parts: dict[int, StoredPart] = field(default_factory=dict)
    acl: str = "default"
    sequential: bool = False
    """Parts come in order, and the object has an MD5."""


@dataclass(frozen=True)
class StoredPart:
    """One accepted part."""

    part_number: int
    blob: Blob
    modified_s: float

    @property
    def etag(self) -> str:
        """The part's MD5, upper-case hex, without quotes."""
        return self.blob.md5_hex


def bad_part_number(value: str) -> OssError:
    """Build the refusal of a part number outside of 1 to 10,000."""
    return oss_invalid_argument(
        "Part number must be an integer between 1 and 10000, inclusive.",
        name="PartNumber",
        value=value,
        ec="0017-00000220",
    )
