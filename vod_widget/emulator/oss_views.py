"""What OSS shows: objects, parts, uploads.

What lives here: the answers of HeadObject, GetObject, ListParts and ListMultipartUploads. It
imports `oss_checks`, `oss_names`, `oss_xml`, `storage`; called under the lock of `Cloud`.

Source: OSS API reference, the page of each operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

from vod_widget.emulator import oss_xml
from vod_widget.emulator.clock import http_date
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.objects import StoredObject, Upload
from vod_widget.emulator.oss_checks import CRC_HEADER, KEPT_HEADERS, STORAGE_CLASS, TAGGING, check_header, md5_base64
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.tags import header_tags

T = TypeVar("T")
# What is compressed for those who ask. Source: OSS "GetObject", Accept-Encoding; oss2's tests.
_GZIP_FROM_BYTES = 1024
_GZIP_TYPES = (
    *("text/cache-manifest", "text/css", "text/html", "text/json", "text/plain", "text/xml", "application/json"),
    *("application/javascript", "application/rss+xml", "application/x-javascript", "application/xml"),
)
# Classes that must be restored before they are read.
SLEEPING = ("Archive", "ColdArchive", "DeepColdArchive")


@dataclass(frozen=True)
class Body:
    """What to stream back: bytes [start, end) of an object."""

    stored: StoredObject
    start: int
    end: int


@dataclass(frozen=True)
class Callback:
    """A call to a server of the client's that is due before the answer; see `oss_callback`."""

    urls: tuple[str, ...]
    """One after the other, until one answers."""
    host: str
    """For the Host header, "" for that of the address."""
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OssAnswer:
    """What goes back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    stream: Body | None = None
    code: str = ""
    gzip: bool = False
    """Compress the stream on its way."""
    callback: Callback | None = None


def class_of(stored: StoredObject) -> str:
    """Return the storage class of an object."""
    return stored.headers.get(STORAGE_CLASS, "Standard")


def is_restored(stored: StoredObject, now_s: float) -> bool:
    """Tell whether an archived object can be read now."""
    return stored.awake_from_s <= now_s < stored.awake_until_s


def restore_text(stored: StoredObject, now_s: float) -> str:
    """Return what x-oss-restore says, "" when nobody asked or it sleeps again."""
    if class_of(stored) not in SLEEPING or now_s >= stored.awake_until_s:
        return ""
    if now_s < stored.awake_from_s:
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{http_date(stored.awake_until_s)}"'


def listed_facts(stored: StoredObject, now_s: float) -> list[tuple[str, str]]:
    """Return what every list says of an object after its name and time."""
    facts = [
        ("ETag", f'"{stored.etag}"'),
        ("Type", stored.object_type),
        ("Size", str(stored.size_bytes)),
        ("StorageClass", class_of(stored)),
    ]
    restore = restore_text(stored, now_s)
    return [*facts, ("RestoreInfo", restore)] if restore else facts


def look(request: OssRequest, stored: StoredObject, now_s: float) -> OssAnswer:
    """HeadObject and GetObject."""
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_date(stored.modified_s),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": stored.object_type,
        STORAGE_CLASS: "Standard",
        CRC_HEADER: str(stored.crc64),
        **stored.headers,
    }
    if TAGGING in headers:
        headers["x-oss-tagging-count"] = str(len(header_tags(headers.pop(TAGGING))))
    restore = restore_text(stored, now_s)
    if restore:
        headers["x-oss-restore"] = restore
    if stored.object_type == "Appendable":
        headers["x-oss-next-append-position"] = str(stored.size_bytes)
    if stored.md5_hex:
        headers["Content-MD5"] = md5_base64(stored.md5_hex)
    status = condition(request.headers, stored)
    if status == 304:
        return OssAnswer(304, headers)
    shown = {name.lower(): name for name in headers}
    for name in KEPT_HEADERS:
        if request.param(f"response-{name}"):
            check_header(f"response-{name}", request.param(f"response-{name}"))
            headers[shown.get(name, name)] = request.param(f"response-{name}")
    start, end = 0, stored.size_bytes
    found = range_of(request.headers.get("range", ""), stored.size_bytes)
    if found is not None:
        status, (start, end) = 206, found
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size_bytes}"
    if request.method == "HEAD":
        return OssAnswer(status, {**headers, "Content-Length": str(end - start)})
    body = Body(stored, start, end)
    if status == 200 and _wants_gzip(request, headers, end):
        # It is another body, made as it goes: its length and its sums are not known.
        for name in ("ETag", "Content-MD5"):
            headers.pop(name, None)
        told = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return OssAnswer(200, {**headers, **told}, stream=body, gzip=True)
    return OssAnswer(status, {**headers, "Content-Length": str(end - start)}, stream=body)


def _wants_gzip(request: OssRequest, headers: Mapping[str, str], size_bytes: int) -> bool:
    """Tell whether an answer is compressed: asked for, large enough, a text, and not encoded already."""
    named = {name.lower(): value for name, value in headers.items()}
    kind = named["content-type"].partition(";")[0].strip().lower()
    asked = [item.partition(";")[0].strip().lower() for item in request.headers.get("accept-encoding", "").split(",")]
    encoded = named.get("content-encoding", "identity") not in ("", "identity")
    return "gzip" in asked and size_bytes >= _GZIP_FROM_BYTES and kind in _GZIP_TYPES and not encoded


def show_meta(stored: StoredObject) -> OssAnswer:
    """GetObjectMeta: the few facts of it that cost nothing."""
    return OssAnswer(
        200,
        {
            "ETag": f'"{stored.etag}"',
            "Last-Modified": http_date(stored.modified_s),
            "Content-Length": str(stored.size_bytes),
            CRC_HEADER: str(stored.crc64),
        },
    )


def range_of(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Return [start, end), None for "the whole object"; raise InvalidRange past the end.

    An unreadable Range returns the whole object. Source: OSS GetObject, "Range".
    """
    parsed = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header.strip())
    if parsed is None or not (parsed[1] or parsed[2]):
        return None
    if not parsed[1]:
        last = min(int(parsed[2]), size_bytes)
        return (size_bytes - last, size_bytes) if last else None
    start = int(parsed[1])
    end = int(parsed[2]) + 1 if parsed[2] else size_bytes
    if end <= start and parsed[2]:
        return None
    if start >= size_bytes:
        raise OssError(
            416,
            "InvalidRange",
            "The requested range cannot be satisfied.",
            extras={"ActualObjectSize": str(size_bytes), "RangeRequested": header},
        )
    return start, min(end, size_bytes)


def condition(headers: Mapping[str, str], stored: StoredObject) -> int:
    """Return 200 or 304 for the If-... headers, or raise PreconditionFailed.

    Dates that cannot be read count as absent. Source: OSS "GetObject", request headers.
    """
    etag = stored.etag
    failed = OssError(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
    if "if-match" in headers and not _names_etag(headers["if-match"], etag):
        raise failed
    modified_s = int(stored.modified_s)
    limit_s = _date_of(headers.get("if-unmodified-since", ""))
    if limit_s is not None and modified_s > limit_s:
        raise failed
    if "if-none-match" in headers:
        return 304 if _names_etag(headers["if-none-match"], etag) else 200
    limit_s = _date_of(headers.get("if-modified-since", ""))
    return 304 if limit_s is not None and modified_s <= limit_s else 200


def _names_etag(header: str, etag: str) -> bool:
    names = [item.strip().removeprefix("W/").strip('"') for item in header.split(",")]
    return "*" in names or etag in names


def _date_of(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def limit_of(request: OssRequest, name: str, default: int = 1000) -> int:
    """Return the size of a page, 1 to 1,000."""
    text = request.param(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= 1000:
        raise oss_invalid_argument(f"Argument {name} must be an integer between 1 and 1000.", name=name, value=text)
    return int(text)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a listing."""

    items: list[T]
    prefixes: list[str]
    truncated: bool
    last: str
    """The key or group at which the next page goes on."""


def page_of(entries: Iterable[tuple[str, T]], prefix: str, delimiter: str, after: str, limit: int) -> Page[T]:
    """Cut one page out of sorted keys.

    Groups count like keys, and a group is passed over whole by `after`.
    """
    items: list[T] = []
    prefixes: list[str] = []
    last = ""
    for key, entry in entries:
        if not key.startswith(prefix):
            continue
        head, sign, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        name = prefix + head + sign if sign else key
        if (prefixes and name == prefixes[-1]) or _bytes(name) <= _bytes(after):
            continue
        if len(items) + len(prefixes) == limit:
            return Page(items, prefixes, True, last)
        if sign:
            prefixes.append(name)
        else:
            items.append(entry)
        last = name
    return Page(items, prefixes, False, last)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def list_parts(request: OssRequest, upload: Upload) -> OssAnswer:
    """ListParts."""
    limit = limit_of(request, "max-parts")
    marker_text = request.param("part-number-marker") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", marker_text):
        raise oss_invalid_argument(
            "Argument part-number-marker must be an integer.",
            name="part-number-marker",
            value=marker_text,
        )
    encoding = request.param("encoding-type")
    numbers = [number for number in sorted(upload.parts) if number > int(marker_text)]
    shown = numbers[:limit]
    pairs = [
        *oss_xml.encoding_pair(encoding),
        ("Bucket", upload.bucket),
        ("Key", oss_xml.key_text(upload.key, encoding)),
        ("UploadId", upload.upload_id),
        ("StorageClass", upload.headers.get(STORAGE_CLASS, "Standard")),
        ("PartNumberMarker", marker_text),
        ("NextPartNumberMarker", str(shown[-1] if shown else 0)),
        ("MaxParts", str(limit)),
        ("IsTruncated", "true" if len(numbers) > limit else "false"),
    ]
    inner = "".join(oss_xml.part(upload.parts[number]) for number in shown)
    return OssAnswer(200, body=oss_xml.document("ListPartsResult", pairs, inner))


def list_uploads(request: OssRequest, uploads: list[Upload]) -> OssAnswer:
    """ListMultipartUploads."""
    limit = limit_of(request, "max-uploads")
    encoding = request.param("encoding-type")
    prefix, key_marker = request.param("prefix"), request.param("key-marker")
    id_marker = request.param("upload-id-marker") if key_marker else ""
    delimiter = request.param("delimiter")
    shown: list[Upload] = []
    groups: list[str] = []
    next_key, next_id, truncated = "", "", False
    for item in uploads:
        if not item.key.startswith(prefix):
            continue
        head, sign, _ = item.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        name = prefix + head + sign if sign else item.key
        if sign:
            # A group counts once, and a marker that names it passes over all of it.
            if (groups and name == groups[-1]) or name <= key_marker:
                continue
        elif name < key_marker or (name == key_marker and not (id_marker and item.upload_id > id_marker)):
            continue
        if len(shown) + len(groups) == limit:
            truncated = True
            break
        if sign:
            groups.append(name)
        else:
            shown.append(item)
        next_key, next_id = name, "" if sign else item.upload_id
    pairs = [
        *oss_xml.encoding_pair(encoding),
        ("Bucket", request.bucket),
        ("KeyMarker", oss_xml.key_text(key_marker, encoding)),
        ("UploadIdMarker", id_marker),
        ("NextKeyMarker", oss_xml.key_text(next_key, encoding) if truncated else ""),
        ("NextUploadIdMarker", next_id if truncated else ""),
        ("Delimiter", delimiter),
        ("Prefix", oss_xml.key_text(prefix, encoding)),
        ("MaxUploads", str(limit)),
        ("IsTruncated", "true" if truncated else "false"),
    ]
    inner = "".join(oss_xml.upload(item, encoding) for item in shown)
    inner += oss_xml.common_prefixes(groups, encoding)
    return OssAnswer(200, body=oss_xml.document("ListMultipartUploadsResult", pairs, inner))
