"""What the headers, names and body of an object request must be like.

What lives here: checks that need the request and at most its stored body. It imports `errors`,
`blobs`, `oss_names`; pure functions, any thread.

Source: OSS "PutObject", "UploadPart", "Limits", "HTTP 4xx".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.objects import MAX_BODY_BYTES
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.tags import header_tags

CRC_HEADER = "x-oss-hash-crc64ecma"
KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "expires",
)
CALLBACK = "x-oss-callback"
FORBID_OVERWRITE = "x-oss-forbid-overwrite"
# Source: OSS "Callback", Supported API operations.
CALLS_BACK = ("CompleteMultipartUpload", "PostObject", "PutObject")
TAGGING = "x-oss-tagging"
STORAGE_CLASS = "x-oss-storage-class"
CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")
TRAFFIC_LIMIT = "x-oss-traffic-limit"
_PACED = ("PutObject", "AppendObject", "CopyObject", "UploadPart", "UploadPartCopy", "GetObject")
# Bits a second. Source: OSS "Single-connection bandwidth throttling".
_TRAFFIC_BITS_PER_S = (819_200, 838_860_800)
MAX_META_BYTES = 8 * 1024
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


def check_header(name: str, value: str) -> None:
    """Refuse what came in a form or in a query and cannot be a header of an answer.

    Raises:
        OssError: InvalidArgument.
    """
    if not _HEADER_NAME.fullmatch(name) or _NO_HEADER.search(value):
        raise oss_invalid_argument("The value cannot be a header.", name=name, value=value)


def check_names(request: OssRequest) -> None:
    """Refuse bucket and key names that OSS does not take."""
    if request.bucket and not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", request.bucket):
        raise OssError(
            400,
            "InvalidBucketName",
            "The specified bucket is not valid.",
            extras={"BucketName": request.bucket},
        )
    key_bytes = len(request.key.encode("utf-8", "surrogateescape"))
    if request.key and (key_bytes > 1023 or request.key[0] in "/\\"):
        raise OssError(
            400,
            "InvalidObjectName",
            "The specified object is not valid.",
            extras={"ObjectName": request.key},
        )


def check_wishes(request: OssRequest, operation: str) -> None:
    """Refuse what a client asks for by a header and would not get."""
    if CALLBACK in request.headers and operation not in CALLS_BACK:
        raise OssError(
            400,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented.",
            extras={"Header": CALLBACK},
        )
    encoding = request.param("encoding-type")
    if encoding not in ("", "url"):  # INFERRED: the documents know no other
        raise oss_invalid_argument(
            "Invalid Encoding Method specified in Request.", name="encoding-type", value=encoding
        )
    forbidden = request.headers.get(FORBID_OVERWRITE, "false")
    if forbidden.lower() not in ("true", "false"):  # INFERRED: who means true shall not overwrite by a slip
        raise oss_invalid_argument("The value is not true or false.", name=FORBID_OVERWRITE, value=forbidden)
    kind = request.headers.get(STORAGE_CLASS, "Standard")
    if kind not in CLASSES:
        raise oss_invalid_argument("The storage class is not valid.", name=STORAGE_CLASS, value=kind)
    if operation != "AppendObject" or request.param("position") == "0":  # the first append decides
        header_tags(request.headers.get(TAGGING, ""))
    traffic_limit(request.headers.get(TRAFFIC_LIMIT) or request.param(TRAFFIC_LIMIT))


def traffic_limit(text: str) -> float | None:
    """Return bytes a second; None for no limit.

    Raises:
        OssError: InvalidArgument.
    """
    if not text:
        return None
    lowest, highest = _TRAFFIC_BITS_PER_S
    if not re.fullmatch(r"[0-9]{1,12}", text) or not lowest <= int(text) <= highest:
        raise oss_invalid_argument("The traffic limit is not valid.", name=TRAFFIC_LIMIT, value=text)
    return int(text) / 8


def pace_of(operation: str, request: OssRequest) -> float | None:
    """Return how many bytes a second a request that was judged shall move; None for as many as it can.

    Of a limit in the query and one in the header the header counts, as it is judged (INFERRED).
    """
    if operation not in _PACED:
        return None
    return traffic_limit(request.headers.get(TRAFFIC_LIMIT) or request.param(TRAFFIC_LIMIT))


def check_body_headers(request: OssRequest) -> None:
    """Refuse, before it is read, a body that cannot be stored."""
    length = request.headers.get("content-length")
    if length is None and "chunked" not in request.headers.get("transfer-encoding", ""):
        raise OssError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if length is not None and int(length) > MAX_BODY_BYTES:
        raise OssError(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size.",
            extras={"MaxSizeAllowed": str(MAX_BODY_BYTES), "ProposedSize": length},
        )
    meta = sum(len(name) + len(value) for name, value in request.headers.items() if name.startswith("x-oss-meta-"))
    if meta > MAX_META_BYTES:
        raise oss_invalid_argument("Your metadata headers exceed the maximum allowed size.")
    digest = request.headers.get("content-md5")
    if digest is not None:
        try:
            good = len(base64.b64decode(digest, validate=True)) == 16
        except (ValueError, binascii.Error):
            good = False
        if not good:
            raise _bad_digest("The Content-MD5 you specified is not valid.")


def check_blob(request: OssRequest, blob: Blob) -> None:
    """Compare a received body with what its headers promised."""
    length = request.headers.get("content-length")
    if length is not None and int(length) != blob.size_bytes:
        raise OssError(
            400,
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header.",
        )
    digest = request.headers.get("content-md5")
    if digest is not None and digest != md5_base64(blob.md5_hex):
        raise _bad_digest("The Content-MD5 you specified did not match what we received.")
    crc = request.headers.get(CRC_HEADER)
    if crc is not None and crc != str(blob.crc64):
        raise OssError(
            400,
            "InvalidCRC64",
            "The CRC64 you specified did not match what we received.",
            extras={"ClientCRC64": crc, "ServerCRC64": str(blob.crc64)},
        )


def check_digest(request: OssRequest, body: bytes) -> None:
    """Compare a document with the Content-MD5 that came with it, if one did.

    Raises:
        OssError: InvalidDigest.
    """
    digest = request.headers.get("content-md5", "")
    if digest and digest != md5_base64(hashlib.md5(body, usedforsecurity=False).hexdigest()):
        raise _bad_digest("The Content-MD5 you specified did not match what we received.")


def _bad_digest(message: str) -> OssError:
    return OssError(400, "InvalidDigest", message)


def kept_headers(request: OssRequest, bucket_class: str) -> dict[str, str]:
    """Return the headers that are stored with an object; its class is the bucket's unless it says otherwise."""
    kept = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
    kept.setdefault("content-type", "application/octet-stream")
    meta = {n: v for n, v in request.headers.items() if n.startswith("x-oss-meta-")}
    kind = request.headers.get(STORAGE_CLASS, bucket_class)
    tags = {TAGGING: request.headers[TAGGING]} if request.headers.get(TAGGING) else {}
    return {"Content-Type": kept.pop("content-type"), STORAGE_CLASS: kind, **kept, **meta, **tags}


def md5_base64(md5_hex: str) -> str:
    """Return a hex MD5 as Content-MD5 has it."""
    return base64.b64encode(bytes.fromhex(md5_hex)).decode("ascii")


def blob_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that confirm a stored body."""
    return {
        "ETag": f'"{blob.md5_hex}"',
        "Content-MD5": md5_base64(blob.md5_hex),
        CRC_HEADER: str(blob.crc64),
        "x-oss-server-time": "1",
    }
