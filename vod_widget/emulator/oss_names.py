"""What an object request is called, and where it goes.

What lives here: `OssRequest`, the name of its operation, and the routing by Host. It imports
nothing of the package; pure, any thread.

Source: OSS "Use endpoints": `<bucket>.<endpoint>/<key>` is the rule; SDKs use the path style
`/bucket/key` for IP endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote, unquote_plus

LOOPBACK_HOST = re.compile(r"(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])", re.IGNORECASE)
_VENDOR_RPC = re.compile(r"(?:vod|sts)(?:-vpc)?(?:\.[a-z0-9-]+)?\.aliyuncs\.com", re.IGNORECASE)
_BUCKET_HOST = re.compile(
    r"(?P<bucket>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])\."
    r"(?:oss-[a-z0-9-]+\.aliyuncs\.com|localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3})",
    re.IGNORECASE,
)
_OSS_HOST = re.compile(r"oss(?:-[a-z0-9-]+)?\.aliyuncs\.com", re.IGNORECASE)


@dataclass(frozen=True)
class OssRequest:
    """One object request, decoded."""

    method: str
    bucket: str
    key: str
    query: Sequence[tuple[str, str]] = ()
    """Decoded; a parameter without "=" has the value ""."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Lower-case names."""
    host: str = "oss-cn-shanghai.aliyuncs.com"

    @cached_property
    def params(self) -> dict[str, str]:
        """Return the query as a dict."""
        return dict(self.query)

    def param(self, name: str) -> str:
        """Return one query parameter, "" when absent."""
        return self.params.get(name, "")


@dataclass(frozen=True)
class Route:
    """Where a request goes."""

    service: str
    """`rpc`, `oss`, or "" for a host that this server does not answer to."""
    bucket: str = ""
    key: str = ""


def is_vendor_oss(host: str) -> bool:
    """Tell whether a host name, without a port, is one of OSS or of a bucket in it."""
    named = _BUCKET_HOST.fullmatch(host) is not None and host.lower().endswith(".aliyuncs.com")
    return named or _OSS_HOST.fullmatch(host) is not None


def is_loopback(host_header: str) -> bool:
    """Tell whether a Host header names this machine, and no bucket on it."""
    return LOOPBACK_HOST.fullmatch(re.sub(r":\d+$", "", host_header)) is not None


def route(host_header: str, raw_path: str, *, has_oss_signature: bool, own_name: str = "") -> Route:
    """Choose the service, bucket and key of a request.

    Args:
        host_header: Host as sent, with or without a port.
        raw_path: Path as sent, percent-encoded, without the query.
        has_oss_signature: An Authorization header is there: RPC never has one.
        own_name: By which else this server is known, in lower case; "" when it serves this machine only.
    """
    host = re.sub(r":\d+$", "", host_header)
    if own_name and host.lower() == own_name:
        host = "localhost"
    elif own_name and host.lower().endswith(f".{own_name}"):
        host = f"{host[: -len(own_name)]}localhost"
    path = unquote(raw_path, errors="surrogateescape")
    if _VENDOR_RPC.fullmatch(host):
        return Route("rpc")
    named = _BUCKET_HOST.fullmatch(host)
    if named:
        return Route("oss", named["bucket"].lower(), path[1:])
    if _OSS_HOST.fullmatch(host) or LOOPBACK_HOST.fullmatch(host):
        bucket, _, key = path[1:].partition("/")
        if not bucket and not has_oss_signature and not _OSS_HOST.fullmatch(host):
            return Route("rpc")
        return Route("oss", bucket, key)
    return Route("")


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Decode a query; order and repeats stay, `+` is a space."""
    pairs = []
    for item in raw.split("&"):
        if item:
            name, _, value = item.partition("=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(text: str) -> str:
    # Most names and values say what they are: asking is cheaper than decoding.
    return unquote_plus(text, errors="surrogateescape") if "%" in text or "+" in text else text


COPY_SOURCE = "x-oss-copy-source"
# Sub-resources with operations of their own, most of which this emulator does not have. They must be named
# apart: a PUT of tags that was taken for a PutObject would overwrite the object.
_NAMED_APART = (
    "accessPoint",
    "accessPointPolicy",
    "accessmonitor",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "cname",
    "comp",
    "encryption",
    "group",
    "httpsConfig",
    "inventory",
    "lifecycle",
    "link",
    "live",
    "logging",
    "metaQuery",
    "objectInfo",
    "policy",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "redundancyTransition",
    "referer",
    "regionList",
    "regions",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "responseHeader",
    "restore",
    "select",
    "style",
    "symlink",
    "tagging",
    "transferAcceleration",
    "userDefinedLogFieldsConfig",
    "versions",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
    "x-oss-async-process",
    "x-oss-process",
    "x-oss-write-get-object-response",
)
# `resourcePool` also names which pool another one is about.
_SERVICE_ORDER = sorted(_NAMED_APART, key=lambda name: name == "resourcePool")
_LIVE_OPERATIONS = {
    ("PUT", "status"): "PutLiveChannelStatus",
    ("GET", "stat"): "GetLiveChannelStat",
    ("GET", "history"): "GetLiveChannelHistory",
}
_BUCKET_OPERATIONS = {
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "bucketInfo"): "GetBucketInfo",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "acl"): "GetBucketAcl",
    ("PUT", "acl"): "PutBucketAcl",
    ("GET", "cors"): "GetBucketCors",
    ("PUT", "cors"): "PutBucketCors",
    ("DELETE", "cors"): "DeleteBucketCors",
    ("GET", "live"): "ListLiveChannel",
    ("GET", "stat"): "GetBucketStat",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "versions"): "ListObjectVersions",
    ("POST", "delete"): "DeleteMultipleObjects",
}


# What a request to a bucket or to the service is called when the word for it is not verb and sub-resource.
# The third is `comp`, or whether one of several is named.
# Source: OSS API reference, the page of each; names as in "RAM policies for OSS".
_VENDOR_WORDS: Mapping[tuple[str, str, str], str] = {
    ("GET", "accessPoint", ""): "ListAccessPoints",
    ("GET", "accessPoint", "named"): "GetAccessPoint",
    ("PUT", "accessPoint", ""): "CreateAccessPoint",
    ("DELETE", "accessPoint", "named"): "DeleteAccessPoint",
    ("GET", "accessPointPolicy", "named"): "GetAccessPointPolicy",
    ("PUT", "accessPointPolicy", "named"): "PutAccessPointPolicy",
    ("DELETE", "accessPointPolicy", "named"): "DeleteAccessPointPolicy",
    ("GET", "asyncFetch", ""): "GetAsyncFetchTask",
    ("POST", "asyncFetch", ""): "PutAsyncFetchTask",
    ("GET", "cname", ""): "ListCname",
    ("GET", "cname", "token"): "GetCnameToken",
    ("POST", "cname", "token"): "CreateCnameToken",
    ("POST", "cname", "add"): "PutCname",
    ("POST", "cname", "delete"): "DeleteCname",
    ("GET", "metaQuery", ""): "GetMetaQueryStatus",
    ("POST", "metaQuery", "add"): "OpenMetaQuery",
    ("POST", "metaQuery", "query"): "DoMetaQuery",
    ("POST", "metaQuery", "delete"): "CloseMetaQuery",
    ("GET", "policy", "callback"): "GetBucketCallbackPolicy",
    ("PUT", "policy", "callback"): "PutBucketCallbackPolicy",
    ("DELETE", "policy", "callback"): "DeleteBucketCallbackPolicy",
    ("GET", "redundancyTransition", ""): "ListBucketDataRedundancyTransition",
    ("GET", "redundancyTransition", "named"): "GetBucketDataRedundancyTransition",
    ("POST", "redundancyTransition", ""): "CreateBucketDataRedundancyTransition",
    ("DELETE", "redundancyTransition", "named"): "DeleteBucketDataRedundancyTransition",
    ("POST", "replication", "add"): "PutBucketReplication",
    ("POST", "replication", "delete"): "DeleteBucketReplication",
    ("GET", "requesterQosInfo", ""): "ListBucketRequesterQosInfos",
    ("GET", "requesterQosInfo", "named"): "GetBucketRequesterQosInfo",
    ("PUT", "requesterQosInfo", "named"): "PutBucketRequesterQosInfo",
    ("DELETE", "requesterQosInfo", "named"): "DeleteBucketRequesterQosInfo",
}
_SERVICE_WORDS: Mapping[tuple[str, str], str] = {
    ("GET", "accessPoint"): "ListAccessPoints",
    ("GET", "publicAccessBlock"): "GetPublicAccessBlock",
    ("PUT", "publicAccessBlock"): "PutPublicAccessBlock",
    ("DELETE", "publicAccessBlock"): "DeletePublicAccessBlock",
    ("GET", "qosInfo"): "GetUserQosInfo",
    ("GET", "redundancyTransition"): "ListUserDataRedundancyTransition",
    ("GET", "regions"): "DescribeRegions",
    ("GET", "resourcePool"): "ListResourcePools",
    ("GET", "resourcePoolBuckets"): "ListResourcePoolBuckets",
    ("GET", "resourcePoolInfo"): "GetResourcePoolInfo",
    ("DELETE", "requesterQosInfo"): "DeleteResourcePoolRequesterQosInfo",
    ("GET", "requesterQosInfo"): "GetResourcePoolRequesterQosInfo",
    ("PUT", "requesterQosInfo"): "PutResourcePoolRequesterQosInfo",
}
# How one of several is named, where `comp` does not say it.
_NAMING: Mapping[str, str] = {
    "accessPoint": "x-oss-access-point-name",
    "accessPointPolicy": "x-oss-access-point-name",
    "redundancyTransition": "x-oss-redundancy-transition-taskid",
    "requesterQosInfo": "qosRequester",
}


# Sub-resources that go with some verbs only. With another one they never mean the plain operation: a DELETE of
# an ACL must not delete the object.
_ELSEWHERE = (
    *("acl", "append", "bucketInfo", "cleanRestoredObject", "cors", "delete", "location", "objectMeta", "qosRequester"),
    *("sequential", "stat", "status", "uploads", "versioning"),
)
_PLAIN = frozenset(
    {
        *("PutBucket", "DeleteBucket", "ListObjects", "ListObjectsV2", "PostObject"),
        *("PutObject", "CopyObject", "GetObject", "HeadObject", "DeleteObject"),
    }
)


# What can be done to one version of an object, by the right that it needs then.
# Source: OSS "RAM policies for OSS", actions of objects.
OF_VERSIONS: Mapping[str, str] = {
    "DeleteObject": "oss:DeleteObjectVersion",
    "DeleteObjectTagging": "oss:DeleteObjectVersionTagging",
    "GetObject": "oss:GetObjectVersion",
    "GetObjectAcl": "oss:GetObjectVersionAcl",
    "GetObjectMeta": "oss:GetObjectVersion",
    "GetObjectSymlink": "oss:GetObjectVersion",
    "GetObjectTagging": "oss:GetObjectVersionTagging",
    "HeadObject": "oss:GetObjectVersion",
    "PostObjectRestore": "oss:RestoreObjectVersion",
    "PutObjectAcl": "oss:PutObjectVersionAcl",
    "PutObjectTagging": "oss:PutObjectVersionTagging",
    "UploadPartCopy": "oss:PutObject",  # oss2 names the version of the source in the query too
}


def operation_of(request: OssRequest) -> str:
    """Name the operation of a request; unknown combinations get a made-up name."""
    operation = _operation_of(request)
    odd = next((name for name in _ELSEWHERE if name in request.params), "") if operation in _PLAIN else ""
    if "versionId" in request.params and operation not in OF_VERSIONS:
        odd = "versionId"
    if odd:
        return f"{request.method.title()}{'Object' if request.key else 'Bucket'}{odd[0].upper()}{odd[1:]}"
    return operation


def _operation_of(request: OssRequest) -> str:
    if not request.bucket:
        # There is one region, so `regionList` asks for what ListBuckets tells anyway.
        odd = next((name for name in _SERVICE_ORDER if name in request.params and name != "regionList"), "")
        if request.method != "GET" or odd:
            made_up = f"{request.method.title()}Service{odd[:1].upper()}{odd[1:]}"
            return _SERVICE_WORDS.get((request.method, odd), made_up)
        return "ListBuckets"
    return _object_operation(request) if request.key else _bucket_operation(request)


def _bucket_operation(request: OssRequest) -> str:
    params = request.params
    for (method, name), operation in _BUCKET_OPERATIONS.items():
        if request.method == method and name in params:
            return operation
    odd = next((name for name in ("acl", "stat", "versioning", *_NAMED_APART) if name in params), "")
    if odd == "comp":
        odd = next((name for name in _NAMED_APART if name in params and name != "comp"), "comp")
    if odd:
        naming = _NAMING.get(odd, "")
        which = "named" if naming and (naming in params or naming in request.headers) else request.param("comp")
        made_up = f"{request.method.title()}Bucket{odd[0].upper()}{odd[1:]}"
        return _VENDOR_WORDS.get((request.method, odd, which), made_up if which in ("", "named") else f"{made_up}Comp")
    match request.method:
        case "GET":
            return "ListObjectsV2" if request.param("list-type") == "2" else "ListObjects"
        case "POST":
            return "PostObject"
        case _:
            return f"{request.method.title()}Bucket"


def _object_operation(request: OssRequest) -> str:
    params = request.params
    if "live" in params:
        told = (request.method, "status" if "status" in params else params.get("comp", ""))
        if told in _LIVE_OPERATIONS:
            return _LIVE_OPERATIONS[told]
    odd = next((name for name in _NAMED_APART if name in params), "")
    if odd and (request.method, odd) != ("DELETE", "symlink"):  # that one oss2's tests send to delete a link
        return f"{request.method.title()}Object{odd[0].upper()}{odd[1:]}"
    copies = COPY_SOURCE in request.headers
    match request.method:
        case "GET" | "PUT" if "acl" in params:
            return f"{request.method.title()}ObjectAcl"
        case "PUT" if "uploadId" in params or "partNumber" in params:
            return "UploadPartCopy" if copies else "UploadPart"
        case "PUT":
            return "CopyObject" if copies else "PutObject"
        case "POST" if "uploads" in params:
            return "InitiateMultipartUpload"
        case "POST" if "uploadId" in params:
            return "CompleteMultipartUpload"
        case "POST" if "append" in params:
            return "AppendObject"
        case "GET" if "uploadId" in params:
            return "ListParts"
        case "GET" | "HEAD" if "objectMeta" in params:
            return "GetObjectMeta"
        case "DELETE" if "uploadId" in params:
            return "AbortMultipartUpload"
        case "GET" | "HEAD" | "DELETE":
            return f"{request.method.title()}Object"
        case _:
            return f"{request.method.title()}Unknown"


def claimed_key_id(headers: Mapping[str, str], request: OssRequest) -> str:
    """Return the key id that a request claims, unverified; only faults use it."""
    header = headers.get("authorization", "")
    if header.startswith("OSS "):
        return header[4:].partition(":")[0]
    if header.startswith("OSS2 "):
        return header.partition("AccessKeyId:")[2].partition(",")[0]
    credential = header.partition("Credential=")[2] or request.param("x-oss-credential")
    return credential.partition("/")[0] or request.param("OSSAccessKeyId") or request.param("x-oss-access-key-id")
