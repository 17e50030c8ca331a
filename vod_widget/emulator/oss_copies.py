"""CopyObject and UploadPartCopy: a body that comes from another object.

What lives here: finding the source that a request names, and the two answers. It imports `oss_views`, `oss_xml`,
`storage`; called under the lock of `Cloud`.

Source: OSS "CopyObject", "UploadPartCopy".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

from vod_widget.emulator import oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, access_denied, oss_invalid_argument
from vod_widget.emulator.objects import MAX_BODY_BYTES
from vod_widget.emulator.oss_checks import CRC_HEADER, KEPT_HEADERS, STORAGE_CLASS, TAGGING
from vod_widget.emulator.oss_extras import check_awake
from vod_widget.emulator.oss_names import COPY_SOURCE, OssRequest
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_views import Body, OssAnswer, condition, range_of
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key
from vod_widget.emulator.versions import version_of

_ENCRYPTION = tuple(f"x-oss-server-side-{name}" for name in ("encryption", "encryption-key-id", "data-encryption"))
CheckRight = Callable[[Key | None, str, OssRequest], None]
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def source_of(ticket: Ticket, store: ObjectStore, check_right: CheckRight, now_s: float) -> Body:
    """Return the bytes that a request wants copied.

    Raises:
        OssError: InvalidArgument, AccessDenied, NoSuchBucket, NoSuchKey, PreconditionFailed, 304 NotModified,
            InvalidRange or EntityTooLarge.
    """
    request = ticket.request
    text = request.headers[COPY_SOURCE]
    path, named, version = text.partition("?versionId=")
    bucket, _, name = unquote(path.removeprefix("/"), errors="surrogateescape").partition("/")
    if not bucket or not name or not text.startswith("/"):
        raise oss_invalid_argument("Copy Source must mention the source bucket and key.", name=COPY_SOURCE, value=text)
    if ticket.key is None:
        raise access_denied("You have no right to access this object because of bucket acl.")
    query = [("versionId", version)] if named else []
    check_right(ticket.key, "GetObject", OssRequest("GET", bucket, name, query, request.headers))
    version_id = version_of(version if named else None)
    marked = store.versions.find(bucket, name, version_id)
    if named and marked is not None and marked.is_marker:
        text = "The source of a copy may not be a delete marker."
        raise oss_invalid_argument(text, name="versionId", value=version, ec="0016-00000307")
    stored = store.get(bucket, name, version_id)
    if stored.object_type == "Symlink":
        raise OssError(400, "NotImplemented", "Copies of symlinks are not implemented.")
    check_awake(stored, now_s)
    judged = {title: request.headers[f"{COPY_SOURCE}-{title}"] for title in _CONDITIONS if _asks(request, title)}
    if condition(judged, stored) == 304:
        raise OssError(304, "NotModified", "Not Modified")
    start, end = range_of(request.headers.get(f"{COPY_SOURCE}-range", ""), stored.size_bytes) or (0, stored.size_bytes)
    if end - start > MAX_BODY_BYTES:
        raise OssError(400, "EntityTooLarge", "The specified copy source is larger than the maximum allowable size.")
    return Body(stored, start, end)


def _asks(request: OssRequest, title: str) -> bool:
    return f"{COPY_SOURCE}-{title}" in request.headers


def headers_of_copy(request: OssRequest, source: Body, own: Mapping[str, str]) -> Mapping[str, str]:
    """Return the metadata of a copy: the source's, unless they shall be replaced.

    An object that is copied onto itself takes what the request says, if it says anything. Source: OSS "CopyObject";
    that nothing said keeps all is what oss2's tests show.
    """
    directive = request.headers.get("x-oss-metadata-directive", "COPY").upper()
    if directive not in ("COPY", "REPLACE"):
        raise oss_invalid_argument("Unknown metadata directive.", name="x-oss-metadata-directive", value=directive)
    tagging = request.headers.get("x-oss-tagging-directive", "COPY").upper()
    if tagging not in ("COPY", "REPLACE"):
        raise oss_invalid_argument("Unknown tagging directive.", name="x-oss-tagging-directive", value=tagging)
    itself = (source.stored.bucket, source.stored.key) == (request.bucket, request.key)
    says = any(name in KEPT_HEADERS or name.startswith("x-oss-meta-") for name in request.headers)
    base = own if (itself and says) or directive == "REPLACE" else source.stored.headers
    # A copy is stored as its own request says: the class and the encryption of the source do not go along.
    kept = {name: value for name, value in base.items() if name not in (TAGGING, STORAGE_CLASS, *_ENCRYPTION)}
    kept |= {name: own[name] for name in _ENCRYPTION if name in own}
    tags = (own if tagging == "REPLACE" else source.stored.headers).get(TAGGING)
    return {**kept, STORAGE_CLASS: own[STORAGE_CLASS], **({TAGGING: tags} if tags else {})}


def source_headers(store: ObjectStore, source: Body) -> dict[str, str]:
    """Return what an answer says of the version that was copied."""
    has_versions = store.bucket(source.stored.bucket).versioning
    return {"x-oss-copy-source-version-id": source.stored.version_id} if has_versions else {}


def answer(root: str, blob: Blob, modified_s: float, more: Mapping[str, str]) -> OssAnswer:
    """Render what was stored: CopyObjectResult or CopyPartResult."""
    pairs = [("LastModified", iso_millis(modified_s)), ("ETag", f'"{blob.md5_hex}"')]
    headers = {"ETag": f'"{blob.md5_hex}"', CRC_HEADER: str(blob.crc64), **more}
    return OssAnswer(200, headers, oss_xml.document(root, pairs))
