"""What the answers of the object storage hold: pure readers of their headers and their XML.

Base of floor 2, used by `oss.py` alone; imports floor 0, `_answer`, `_http_faults` and `_oss_faults`; any thread.
"""

from __future__ import annotations

from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from ._answer import Answer
from ._http_faults import parse_xml
from ._oss_faults import unexpected
from .model import ObjectInfo, PartsPage, RemotePart

__all__ = ["completed", "described", "listed", "stored", "upload_id", "uploads"]


def _crc64(answer: Answer) -> int | None:
    text = answer.headers.get("x-oss-hash-crc64ecma", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _request_id(answer: Answer) -> str | None:
    return answer.headers.get("x-oss-request-id") or None


def stored(answer: Answer, what: str) -> ObjectInfo:
    """Read PutObject and UploadPart: a 200 without ETag is a proxy's, not the storage's."""
    etag = answer.headers.get("ETag", "").strip('"')
    if not etag:
        raise unexpected("the answer has no ETag", what, answer)
    return ObjectInfo(None, etag, _crc64(answer), _request_id(answer))


def described(answer: Answer, what: str) -> ObjectInfo:
    """Read HeadObject: as `stored`, with the length."""
    info = stored(answer, what)
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    return ObjectInfo(size, info.etag, info.crc64, info.request_id)


def upload_id(answer: Answer, what: str) -> str:
    """Read InitiateMultipartUpload."""
    root = parse_xml(answer.content, "InitiateMultipartUploadResult")
    found = (root.findtext("UploadId") or "").strip() if root is not None else ""
    if not found:
        raise unexpected("the answer has no UploadId", what, answer)
    return found


def completed(answer: Answer, what: str) -> ObjectInfo:
    """Read CompleteMultipartUpload: the body alone says whether it succeeded, an error may come with 200."""
    root = parse_xml(answer.content, "CompleteMultipartUploadResult")
    if root is None:
        raise unexpected("the answer does not say that the object is complete", what, answer)
    etag = (answer.headers.get("ETag") or root.findtext("ETag") or "").strip().strip('"')
    if not etag:
        raise unexpected("the answer has no ETag", what, answer)
    return ObjectInfo(None, etag, _crc64(answer), _request_id(answer))


def uploads(answer: Answer, what: str, key: str) -> tuple[str, ...]:
    """Read ListMultipartUploads; a prefix also matches longer keys."""
    root = parse_xml(answer.content, "ListMultipartUploadsResult")
    if root is None:
        raise unexpected("the list of uploads cannot be read", what, answer)
    escaped = (root.findtext("EncodingType") or "").strip() == "url"
    found = [(upload.findtext("Key") or "", upload.findtext("UploadId") or "") for upload in root.findall("Upload")]
    return tuple(upload_id for name, upload_id in found if (unquote_plus(name) if escaped else name) == key)


def listed(answer: Answer, what: str) -> PartsPage:
    """Read one page of ListParts; oss2's own reading drops HashCrc64ecma."""
    root = parse_xml(answer.content, "ListPartsResult")
    if root is not None:
        try:
            parts = tuple(_listed_part(part) for part in root.findall("Part"))
            more = {"true": True, "false": False}[root.findtext("IsTruncated", "").strip()]
            return PartsPage(parts, int(root.findtext("NextPartNumberMarker", "")) if more else None)
        except (KeyError, ValueError):
            pass
    raise unexpected("the list of parts cannot be read", what, answer)


def _listed_part(part: Element) -> RemotePart:
    crc64 = part.findtext("HashCrc64ecma")
    return RemotePart(
        int(part.findtext("PartNumber", "")),
        int(part.findtext("Size", "")),
        part.findtext("ETag", "").strip().strip('"'),
        int(crc64) if crc64 else None,
    )
