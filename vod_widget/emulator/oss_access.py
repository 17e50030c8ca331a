"""Access control lists, and what nobody in particular may do.

What lives here: the ACL of an object, GetObjectAcl, and the rights of a request without a signature. It imports
`storage`; called under the lock of `Cloud`.

Source: OSS "PutObjectACL", "Bucket ACL": an object whose ACL is `default` has that of its bucket.
"""

from __future__ import annotations

from vod_widget.emulator.errors import OssError, access_denied, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import shown
from vod_widget.emulator.storage import ObjectStore

OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
_ACL = "x-oss-object-acl"
_READS = ("GetObject", "HeadObject", "GetObjectMeta")
_WRITES = (
    "PutObject",
    "AppendObject",
    "DeleteObject",
    "InitiateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
)


def acl_of(request: OssRequest, default: str = "default") -> str:
    """Return the ACL that a request gives to its object."""
    acl = request.headers.get(_ACL, default)
    if acl not in OBJECT_ACLS:
        raise oss_invalid_argument("no such object access control exists", name=_ACL, value=acl)
    return acl


def is_closed(bucket: Bucket | None, store: ObjectStore) -> bool:
    """Tell whether public access is blocked: for the whole account, or for the bucket."""
    block = "publicAccessBlock"
    mine = bucket is not None and shown(bucket, block, "BlockPublicAccess") == "true"
    return mine or store.account.get(block) == "true"


def check_public_acl(request: OssRequest, store: ObjectStore) -> None:
    """Refuse to open to everyone what is blocked.

    Raises:
        OssError: AccessDenied. Source: OSS "Block Public Access".
    """
    for header, kind in (("x-oss-acl", "bucket"), (_ACL, "object")):
        public = request.headers.get(header, "").startswith("public-")
        if public and is_closed(store.find_bucket(request.bucket), store):
            raise access_denied(f"Put public {kind} acl is not allowed")


def _refused() -> OssError:
    return access_denied("You have no right to access this object because of bucket acl.")


def check_anonymous(operation: str, request: OssRequest, store: ObjectStore) -> None:
    """Refuse what nobody in particular may do.

    Raises:
        OssError: NoSuchBucket, AccessDenied; InvalidRequest for response headers, which need a signature.
    """
    if not request.bucket:
        raise _refused()
    check_acl(operation, request, store)
    check_plain(request)


def check_acl(operation: str, request: OssRequest, store: ObjectStore) -> None:
    """Refuse what no ACL lets everyone do.

    Raises:
        OssError: NoSuchBucket, AccessDenied.
    """
    refused = _refused()
    bucket = store.bucket(request.bucket)
    if is_closed(bucket, store):
        raise refused
    acl = bucket.acl
    found = store.versions.find(request.bucket, request.key, request.param("versionId"))
    if found is not None and found.acl != "default":
        acl = found.acl
    listing = operation in ("ListObjects", "ListObjectsV2")
    allowed = (
        ((operation in _READS or listing) and acl.startswith("public-read"))
        or (operation in _WRITES and acl == "public-read-write")
    )  # fmt: skip
    if not allowed or _ACL in request.headers:
        raise refused
    if "x-oss-tagging" in request.headers:
        raise refused


def check_plain(request: OssRequest) -> None:
    """Refuse what needs a signature.

    Raises:
        OssError: InvalidRequest.
    """
    if any(name.startswith("response-") for name in request.params):
        raise OssError(400, "InvalidRequest", "Response headers cannot be overridden by anonymous requests.")
