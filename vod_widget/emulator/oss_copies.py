"""CopyObject and UploadPartCopy: a body that comes from another object.

What lives here: finding the source that a request names, and the two answers. It imports `oss_views`, `oss_xml`,
`storage`; called under the lock of `Cloud`.

Source: OSS "CopyObject", "UploadPartCopy".
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from vod_widget.emulator import oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, access_denied, oss_invalid_argument
from vod_widget.emulator.objects import MAX_BODY_BYTES
from vod_widget.emulator.oss_checks import CRC_HEADER, STORAGE_CLASS, TAGGING
from vod_widget.emulator.oss_extras import check_awake
from vod_widget.emulator.oss_names import COPY_SOURCE, OssRequest
from vod_widget.emulator.oss_views import Body, OssAnswer, condition, range_of
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key

_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def source_of(request: OssRequest, store: ObjectStore, key: Key | None, now_s: float) -> Body:
    """Return the bytes that a request wants copied.

    Raises:
        OssError: InvalidArgument, AccessDenied, NoSuchBucket, NoSuchKey, PreconditionFailed, 304 NotModified,
            InvalidRange or EntityTooLarge.
    """
    text = request.headers[COPY_SOURCE]
    bucket, _, name = unquote(text.removeprefix("/"), errors="surrogateescape").partition("/")
    if not bucket or not name or not text.startswith("/"):
        raise oss_invalid_argument("Copy Source must mention the source bucket and key.", name=COPY_SOURCE, value=text)
    if key is None or not key.may("oss:GetObject", f"acs:oss:*:*:{bucket}/{name}"):
        raise access_denied("Access denied by authorizer's policy.", ec="0003-00000301")
    stored = store.get(bucket, name)
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

    An object that is copied onto itself takes what the request says. Source: OSS "CopyObject".
    """
    directive = request.headers.get("x-oss-metadata-directive", "COPY").upper()
    if directive not in ("COPY", "REPLACE"):
        raise oss_invalid_argument("Unknown metadata directive.", name="x-oss-metadata-directive", value=directive)
    tagging = request.headers.get("x-oss-tagging-directive", "COPY").upper()
    if tagging not in ("COPY", "REPLACE"):
        raise oss_invalid_argument("Unknown tagging directive.", name="x-oss-tagging-directive", value=tagging)
    itself = (source.stored.bucket, source.stored.key) == (request.bucket, request.key)
    base = own if itself or directive == "REPLACE" else source.stored.headers
    kept = {name: value for name, value in base.items() if name not in (TAGGING, STORAGE_CLASS)}
    tags = (own if tagging == "REPLACE" else source.stored.headers).get(TAGGING)
    return {**kept, STORAGE_CLASS: own[STORAGE_CLASS], **({TAGGING: tags} if tags else {})}


def answer(root: str, blob: Blob, modified_s: float) -> OssAnswer:
    """Render what was stored: CopyObjectResult or CopyPartResult."""
    pairs = [("LastModified", iso_millis(modified_s)), ("ETag", f'"{blob.md5_hex}"')]
    return OssAnswer(200, {"ETag": f'"{blob.md5_hex}"', CRC_HEADER: str(blob.crc64)}, oss_xml.document(root, pairs))
