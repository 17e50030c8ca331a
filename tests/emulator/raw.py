"""A bare client: http.client and hmac, nothing of vod_widget.

It signs right unless told otherwise, so that each test can make exactly one mistake.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

from vod_widget.emulator import Emulator

STORED = frozenset({"UploadSucc", "Transcoding", "Normal"})
"""Statuses of a video that is stored: by default it goes on to the next after a second or two, also while a test looks."""

VERSIONS = {"AssumeRole": "2015-04-01", "GetCallerIdentity": "2015-04-01"}
SUB_RESOURCES = (
    "acl",
    "cors",
    "uploads",
    "uploadId",
    "partNumber",
    "security-token",
    "response-content-type",
    "append",
    "position",
    "bucketInfo",
    "location",
    "live",
    "delete",
    "tagging",
    "restore",
    "continuation-token",
    "lifecycle",
    "resourceGroup",
    "stat",
    "transferAcceleration",
    *("bucketArchiveDirectRead", "encryption", "httpsConfig", "inventory", "inventoryId", "logging"),
    *("accessPoint", "accessPointPolicy", "asyncFetch", "callback", "callback-var", "redundancyTransition"),
    *("replicationLocation", "replicationProgress", "requesterQosInfo", "resourcePool", "resourcePoolBuckets"),
    *("resourcePoolInfo", "x-oss-redundancy-transition-taskid", "x-oss-target-redundancy-type"),
    *("metaQuery", "policy", "publicAccessBlock", "qos", "qosInfo", "referer", "replication", "requestPayment"),
    *(
        "cname",
        "objectMeta",
        "qosRequester",
        "sequential",
        "status",
        "style",
        "styleName",
        "symlink",
        "website",
        *("worm", "wormId", "wormExtend"),
        "versionId",
        "x-oss-access-point-name",
        "x-oss-process",
    ),
    *("versioning", "versions", "x-oss-request-payer", "x-oss-traffic-limit", "vod", "comp", "startTime", "endTime"),
    "x-oss-async-process",
)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)

    def text(self, name: str) -> str | None:
        return self.xml.findtext(name)

    @property
    def code(self) -> str | None:
        """The error code, whatever the dress."""
        if self.body[:1] == b"{":
            return self.json.get("Code")
        return self.text("Code") if self.body else None


IN_MEMORY: dict[str, Callable[[str, str, Mapping[str, str], Any], Reply]] = {}
"""Clouds without sockets, by endpoint; see `memory.py`."""


@dataclass(frozen=True)
class Keys:
    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Grant:
    """One UploadAuth with its address."""

    media_id: str
    keys: Keys
    endpoint: str
    bucket: str
    key: str
    auth: Mapping[str, str] = field(repr=False)


def owner(emulator: Emulator) -> Keys:
    return Keys(emulator.access_key_id, emulator.access_key_secret)


def send(endpoint: str, method: str, target: str, headers: Mapping[str, str], body: Any = None) -> Reply:
    """Send exactly these headers (http.client adds Host and Content-Length)."""
    if endpoint in IN_MEMORY:
        return IN_MEMORY[endpoint](method, target, headers, body)
    parts = urlsplit(endpoint)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


# --- RPC ---------------------------------------------------------------------------------


def encode(text: str) -> str:
    return quote(text, safe="-_.~")


def rpc_params(action: str, params: Mapping[str, str], keys: Keys) -> dict[str, str]:
    """The common parameters, unsigned."""
    common = {
        "Action": action,
        "Version": VERSIONS.get(action, "2017-03-21"),
        "Format": "JSON",
        "AccessKeyId": keys.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if keys.security_token:
        common["SecurityToken"] = keys.security_token
    return {**common, **params}


def rpc_sign(method: str, params: Mapping[str, str], secret: str) -> str:
    joined = "&".join(f"{encode(k)}={encode(params[k])}" for k in sorted(params))
    text = f"{method}&%2F&{encode(joined)}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()


def call(
    emulator: Emulator,
    action: str,
    params: Mapping[str, str] | None = None,
    *,
    keys: Keys | None = None,
    method: str = "GET",
    form: bool = False,
    change: Mapping[str, str | None] | None = None,
) -> Reply:
    """Call an operation.

    `change` replaces (None: removes) common parameters before signing, `Signature` after it.
    """
    keys = keys or owner(emulator)
    values = rpc_params(action, params or {}, keys)
    change = dict(change or {})
    forced = change.pop("Signature", "")
    for name, value in change.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    values["Signature"] = rpc_sign(method, values, keys.access_key_secret)
    if forced is None:
        del values["Signature"]
    elif forced:
        values["Signature"] = forced
    if form:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return send(emulator.endpoint, method, "/", headers, urlencode(values))
    return send(emulator.endpoint, method, f"/?{urlencode(values)}", {})


def grant_of(answer: Mapping[str, Any]) -> Grant:
    auth = json.loads(base64.b64decode(answer["UploadAuth"]))
    address = json.loads(base64.b64decode(answer["UploadAddress"]))
    media_id = answer.get("VideoId") or answer.get("ImageId") or answer["MediaId"]
    keys = Keys(auth["AccessKeyId"], auth["AccessKeySecret"], auth["SecurityToken"])
    return Grant(media_id, keys, address["Endpoint"], address["Bucket"], address["FileName"], auth)


def create(emulator: Emulator, **params: str) -> Grant:
    """CreateUploadVideo, which must work."""
    answer = call(emulator, "CreateUploadVideo", {"Title": "talk", "FileName": "talk.mp4", **params})
    assert answer.status == 200, answer.body
    return grant_of(answer.json)


def info(emulator: Emulator, video_id: str) -> dict[str, Any]:
    return call(emulator, "GetVideoInfo", {"VideoId": video_id}).json["Video"]


# --- OSS ---------------------------------------------------------------------------------


def oss_sign(method: str, resource: str, query: str, headers: Mapping[str, str], secret: str, date: str) -> str:
    lowered = {k.lower(): v for k, v in headers.items()}
    oss = "".join(f"{k}:{lowered[k]}\n" for k in sorted(lowered) if k.startswith("x-oss-"))
    pairs = sorted((k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k in SUB_RESOURCES)
    tail = "&".join(f"{k}={v}" if v else k for k, v in pairs)
    text = "\n".join(
        (
            method,
            lowered.get("content-md5", ""),
            lowered.get("content-type", ""),
            date,
            f"{oss}{resource}{'?' if tail else ''}{tail}",
        )
    )
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def oss(
    grant: Grant,
    method: str,
    query: str = "",
    body: Any = None,
    headers: Mapping[str, str | None] | None = None,
    *,
    keys: Keys | None = None,
    key: str | None = None,
    bucket: str | None = None,
) -> Reply:
    """Send an object request signed by V1 header; a header given as None is left out."""
    keys = keys or grant.keys
    bucket = grant.bucket if bucket is None else bucket
    key = grant.key if key is None else key
    sent: dict[str, str | None] = {"Date": formatdate(time.time(), usegmt=True)}
    if keys.security_token:
        sent["x-oss-security-token"] = keys.security_token
    sent.update(headers or {})
    plain = {k: v for k, v in sent.items() if v is not None}
    if sent.get("Authorization", "") == "":
        date = plain.get("x-oss-date") or plain.get("Date", "")
        signature = oss_sign(method, f"/{bucket}/{key}" if bucket else "/", query, plain, keys.access_key_secret, date)
        plain["Authorization"] = f"OSS {keys.access_key_id}:{signature}"
    path = (f"/{bucket}/{quote(key)}" if bucket else "/") + (f"?{query}" if query else "")
    return send(grant.endpoint, method, path, plain, body)


def initiate(grant: Grant, **options: Any) -> str:
    answer = oss(grant, "POST", "uploads", **options)
    assert answer.status == 200, answer.body
    upload_id = answer.text("UploadId")
    assert upload_id
    return upload_id


def put_part(grant: Grant, upload_id: str, number: int, data: bytes, **options: Any) -> Reply:
    return oss(grant, "PUT", f"partNumber={number}&uploadId={upload_id}", data, **options)


def complete(grant: Grant, upload_id: str, parts: list[tuple[int, str]], **options: Any) -> Reply:
    items = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    body = f"<CompleteMultipartUpload>{items}</CompleteMultipartUpload>"
    return oss(grant, "POST", f"uploadId={upload_id}", body, **options)
