"""Bucket operations: make, delete, describe, list, CORS.

What lives here: `answer`, which performs one bucket operation. It imports `oss_views`, `oss_xml`,
`storage`, `cors`; called under the lock of `Cloud`, after signature and rights were judged.

Source: OSS API reference, "Bucket operations", "GetBucket (ListObjects)", "ListObjectsV2",
"PutBucketCors"; as far as the test suites of the SDKs ask for it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from vod_widget.emulator import oss_versions, oss_xml
from vod_widget.emulator.clock import Clock, iso_millis
from vod_widget.emulator.cors import ALLOWED_METHODS, MAX_RULES, CorsRule
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket, StoredObject
from vod_widget.emulator.oss_checks import CLASSES
from vod_widget.emulator.oss_console import redundancy_of
from vod_widget.emulator.oss_gate import Gatekeeper
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import RESOURCE_GROUP, encryption_of, shown, tags_of
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_views import OssAnswer, class_of, limit_of, listed_facts, page_of
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key

_ACLS = ("private", "public-read", "public-read-write")


class BucketDesk:
    """Perform bucket operations.

    Args:
        store: The buckets.
        clock: Dates listings.
        gate: Knows whose they are.
        region: Where they are.
    """

    def __init__(self, store: ObjectStore, clock: Clock, gate: Gatekeeper, region: str) -> None:
        self._store = store
        self._clock = clock
        self._gate = gate
        self._region = region

    def answer(self, ticket: Ticket, body: bytes) -> OssAnswer:
        """Perform one operation.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        operation, request = ticket.operation, ticket.request
        match operation:
            case "ListBuckets":
                return self._list_buckets(request, ticket.key)
            case "PutBucket" | "PutBucketAcl":
                return self._put(ticket, body)
            case "DeleteBucket":
                self._store.delete_bucket(request.bucket)
                return OssAnswer(204)
            case "PutBucketCors":
                rules, vary = parse_cors(body)
                self._store.set_cors(request.bucket, rules, vary=vary)
                return OssAnswer(200)
            case "DeleteBucketCors":
                self._store.set_cors(request.bucket, ())
                return OssAnswer(204)
            case "PutBucketVersioning":
                self._store.set_versioning(self._store.bucket(request.bucket), oss_versions.parse_status(body))
                return OssAnswer(200)
            case "ListObjectVersions":
                return oss_versions.list_versions(
                    request, self._store, self._owner(request.bucket), self._clock.signed_url_s()
                )
            case "ListObjects":
                return list_objects(
                    request,
                    self._store.objects(request.bucket),
                    self._owner(request.bucket),
                    self._clock.signed_url_s(),
                )
            case "ListObjectsV2":
                return list_objects_v2(
                    request,
                    self._store.objects(request.bucket),
                    self._owner(request.bucket),
                    self._clock.signed_url_s(),
                )
            case _:
                return self._describe(operation, self._store.bucket(request.bucket))

    def show_acl(self, bucket: str, grant: str, headers: Mapping[str, str] | None = None) -> OssAnswer:
        """Render GetBucketAcl and GetObjectAcl."""
        inner = f"<AccessControlList><Grant>{grant}</Grant></AccessControlList>"
        return replace(_xml("AccessControlPolicy", [], self._owner(bucket) + inner), headers=headers or {})

    def _stat(self, bucket: str) -> OssAnswer:
        """GetBucketStat: what lies in a bucket, by class."""
        everything = [stored for stored, _ in self._store.versions.all(bucket)]
        objects = [stored for stored in everything if not stored.is_marker]
        uploads = self._store.multipart.uploads(bucket)
        size_bytes = sum(stored.size_bytes for stored in objects)
        last_s = max((stored.modified_s for stored in objects), default=0.0)
        parts = [part.blob.size_bytes for upload in uploads for part in upload.parts.values()]
        numbers = {
            "Storage": size_bytes + sum(parts),
            "ObjectCount": len(objects),
            "MultipartUploadCount": len(uploads),
            "MultipartPartCount": len(parts),
            "LiveChannelCount": sum(place.startswith("live/") for place in self._store.bucket(bucket).settings),
            "DeleteMarkerCount": len(everything) - len(objects),
            "LastModifiedTime": int(last_s),
        }
        for kind in CLASSES:
            mine = [stored.size_bytes for stored in objects if class_of(stored) == kind]
            name = "InfrequentAccess" if kind == "IA" else kind
            numbers |= {f"{name}Storage": sum(mine), f"{name}ObjectCount": len(mine)}
            if kind != "Standard":
                numbers[f"{name}RealStorage"] = sum(mine)
        return _xml("BucketStat", [(name, str(number)) for name, number in numbers.items()])

    def _describe(self, operation: str, bucket: Bucket) -> OssAnswer:
        grant = f"<AccessControlList><Grant>{bucket.acl}</Grant></AccessControlList>"
        match operation:
            case "GetBucketInfo":
                inner = oss_xml.elements(self._facts(bucket)) + self._owner(bucket.name) + grant + _settings_of(bucket)
                return _xml("BucketInfo", [], f"<Bucket>{inner}</Bucket>")
            case "GetBucketAcl":
                return self.show_acl(bucket.name, bucket.acl)
            case "GetBucketStat":
                return self._stat(bucket.name)
            case "GetBucketVersioning":
                return oss_versions.show_status(bucket)
            case "GetBucketLocation":
                text = oss_xml.elements([("LocationConstraint", f"oss-{self._region}")])
                return OssAnswer(200, body=f"{oss_xml.HEAD}{text}".encode())
            case _:
                return _show_cors(bucket)

    def _facts(self, bucket: Bucket) -> list[tuple[str, str]]:
        return [
            ("CreationDate", iso_millis(bucket.created_s)),
            ("ExtranetEndpoint", f"oss-{self._region}.aliyuncs.com"),
            ("IntranetEndpoint", f"oss-{self._region}-internal.aliyuncs.com"),
            ("Location", f"oss-{self._region}"),
            ("Comment", ""),
            ("Name", bucket.name),
            ("StorageClass", bucket.storage_class),
            ("DataRedundancyType", redundancy_of(bucket, self._clock.signed_url_s())),
            ("Region", self._region),
            ("ResourceGroupId", RESOURCE_GROUP),
            *([("Versioning", bucket.versioning)] if bucket.versioning else []),
        ]

    def _owner(self, bucket: str) -> str:
        return self._person(self._gate.owner_of(self._store.bucket(bucket)))

    @staticmethod
    def _person(account_id: str) -> str:
        pairs = [("ID", account_id), ("DisplayName", account_id)]
        return f"<Owner>{oss_xml.elements(pairs)}</Owner>"

    def _list_buckets(self, request: OssRequest, key: Key | None) -> OssAnswer:
        assert key is not None, "nobody in particular lists buckets"
        limit = limit_of(request, "max-keys", default=100)
        prefix, marker = request.param("prefix"), request.param("marker")
        matching = [
            bucket
            for bucket in self._store.buckets()
            if bucket.name.startswith(prefix) and bucket.name > marker and _fits(bucket, request)
            if self._gate.owner_of(bucket) == key.account_id
        ]
        shown, truncated = matching[:limit], len(matching) > limit
        pairs = [
            ("Prefix", prefix),
            ("Marker", marker),
            ("MaxKeys", str(limit)),
            ("IsTruncated", "true" if truncated else "false"),
            ("NextMarker", shown[-1].name if truncated else ""),
        ]
        items = "".join(f"<Bucket>{oss_xml.elements(self._facts(bucket))}</Bucket>" for bucket in shown)
        return _xml("ListAllMyBucketsResult", pairs, f"{self._person(key.account_id)}<Buckets>{items}</Buckets>")

    def _put(self, ticket: Ticket, body: bytes) -> OssAnswer:
        operation, request, key = ticket.operation, ticket.request, ticket.key
        assert key is not None, "nobody in particular owns buckets"
        acl = request.headers.get("x-oss-acl", "")
        if acl not in ("", *_ACLS):
            raise oss_invalid_argument("no such bucket access control exists", name="x-oss-acl", value=acl)
        wanted = parse_class(body) if body and operation == "PutBucket" else None
        rule = encryption_of(request.headers) if operation == "PutBucket" else ""
        if operation == "PutBucketAcl":
            self._store.require_bucket(request.bucket)
        found = self._store.find_bucket(request.bucket)
        is_new = found is None
        if operation == "PutBucket" and found is not None and self._gate.owner_of(found) != key.account_id:
            text = "The requested bucket name is not available."
            raise OssError(409, "BucketAlreadyExists", text, extras={"BucketName": request.bucket})
        made = self._store.add_bucket(request.bucket, acl=acl, owner_id=self._gate.foreign(key))
        if wanted and is_new:
            self._store.set_class(made, *wanted)
        if rule and is_new:
            self._store.set_setting(made, "encryption", rule)
        return OssAnswer(200, {"Location": f"/{request.bucket}"})


def _fits(bucket: Bucket, request: OssRequest) -> bool:
    """Tell whether a bucket has the group and the tag that ListBuckets asks for."""
    if request.headers.get("x-oss-resource-group-id") not in (None, "", RESOURCE_GROUP):
        return False
    wanted = request.param("tag-key")
    if not wanted:
        return True
    tags = tags_of(bucket)
    return wanted in tags and request.param("tag-value") in ("", tags[wanted])


def _settings_of(bucket: Bucket) -> str:
    """Return what GetBucketInfo tells of the configurations."""
    place = "ApplyServerSideEncryptionByDefault"
    pairs = [("SSEAlgorithm", shown(bucket, "encryption", f"{place}/SSEAlgorithm") or "None")]
    for name in ("KMSMasterKeyID", "KMSDataEncryption"):
        text = shown(bucket, "encryption", f"{place}/{name}")
        if text:
            pairs.append((name, text))
    rule = f"<ServerSideEncryptionRule>{oss_xml.elements(pairs)}</ServerSideEncryptionRule>"
    return rule + oss_xml.elements([("AccessMonitor", shown(bucket, "accessmonitor", "Status"))])


def _xml(root: str, pairs: Iterable[tuple[str, str]], inner: str = "") -> OssAnswer:
    return OssAnswer(200, body=oss_xml.document(root, pairs, inner))


# --- listing -----------------------------------------------------------------------------


def list_objects(request: OssRequest, objects: list[StoredObject], owner: str, now_s: float) -> OssAnswer:
    """GetBucket, also called ListObjects V1: pages go on by `marker`."""
    encoding = request.param("encoding-type")
    prefix, marker, delimiter = (request.param(name) for name in ("prefix", "marker", "delimiter"))
    limit = limit_of(request, "max-keys", default=100)
    page = page_of(((stored.key, stored) for stored in objects), prefix, delimiter, marker, limit)
    pairs = [
        *oss_xml.encoding_pair(encoding),
        ("Name", request.bucket),
        ("Prefix", oss_xml.key_text(prefix, encoding)),
        ("Marker", oss_xml.key_text(marker, encoding)),
        ("MaxKeys", str(limit)),
        ("Delimiter", oss_xml.key_text(delimiter, encoding)),
        ("IsTruncated", "true" if page.truncated else "false"),
    ]
    if page.truncated:
        pairs.append(("NextMarker", oss_xml.key_text(page.last, encoding)))
    inner = "".join(_contents(stored, encoding, owner, now_s) for stored in page.items)
    return _xml("ListBucketResult", pairs, inner + oss_xml.common_prefixes(page.prefixes, encoding))


def list_objects_v2(request: OssRequest, objects: list[StoredObject], owner: str, now_s: float) -> OssAnswer:
    """ListObjectsV2: pages go on by an opaque token."""
    encoding = request.param("encoding-type")
    prefix, start, delimiter = (request.param(name) for name in ("prefix", "start-after", "delimiter"))
    token = request.param("continuation-token")
    try:
        after = base64.b64decode(token, altchars=b"-_", validate=True).decode("utf-8") if token else start
    except (ValueError, binascii.Error) as exc:
        raise oss_invalid_argument(
            "The continuation token is invalid.", name="continuation-token", value=token
        ) from exc
    limit = limit_of(request, "max-keys", default=100)
    page = page_of(((stored.key, stored) for stored in objects), prefix, delimiter, after, limit)
    pairs = [
        *oss_xml.encoding_pair(encoding),
        ("Name", request.bucket),
        ("Prefix", oss_xml.key_text(prefix, encoding)),
        ("StartAfter", oss_xml.key_text(start, encoding)),
        ("ContinuationToken", token),
        ("MaxKeys", str(limit)),
        ("Delimiter", oss_xml.key_text(delimiter, encoding)),
        ("IsTruncated", "true" if page.truncated else "false"),
        ("KeyCount", str(len(page.items) + len(page.prefixes))),
    ]
    if page.truncated:
        text = page.last.encode("utf-8", "surrogateescape")
        pairs.append(("NextContinuationToken", base64.urlsafe_b64encode(text).decode("ascii")))
    shown_owner = owner if request.param("fetch-owner") == "true" else ""
    inner = "".join(_contents(stored, encoding, shown_owner, now_s) for stored in page.items)
    return _xml("ListBucketResult", pairs, inner + oss_xml.common_prefixes(page.prefixes, encoding))


def _contents(stored: StoredObject, encoding: str, owner: str, now_s: float) -> str:
    pairs = [
        ("Key", oss_xml.key_text(stored.key, encoding)),
        ("LastModified", iso_millis(stored.modified_s)),
        *listed_facts(stored, now_s),
    ]
    return f"<Contents>{oss_xml.elements(pairs)}{owner}</Contents>"


# --- CORS --------------------------------------------------------------------------------


def parse_cors(body: bytes) -> tuple[tuple[CorsRule, ...], bool]:
    """Parse a CORSConfiguration: the rules, and ResponseVary.

    Raises:
        OssError: MalformedXML, or InvalidArgument for a value that no rule may have.
    """
    rules, vary = [], False
    for tag, node in oss_xml.children(oss_xml.parse(body, "CORSConfiguration")):
        if tag == "ResponseVary":
            vary = (node.text or "").strip().lower() == "true"
            continue
        if tag != "CORSRule":
            raise malformed_xml()
        values: dict[str, list[str]] = {}
        for name, child in oss_xml.children(node):
            values.setdefault(name, []).append((child.text or "").strip())
        rules.append(_rule(values))
    if not 1 <= len(rules) <= MAX_RULES:
        raise malformed_xml()
    return tuple(rules), vary


def parse_class(body: bytes) -> tuple[str, str]:
    """Parse CreateBucketConfiguration: storage class and redundancy."""
    root = oss_xml.parse(body, "CreateBucketConfiguration")
    values = {name: (child.text or "").strip() for name, child in oss_xml.children(root)}
    storage_class = values.get("StorageClass") or "Standard"
    redundancy = values.get("DataRedundancyType") or "LRS"
    if storage_class not in CLASSES:
        raise oss_invalid_argument("The storage class is not valid.", name="StorageClass", value=storage_class)
    if redundancy not in ("LRS", "ZRS"):
        raise oss_invalid_argument("The redundancy is not valid.", name="DataRedundancyType", value=redundancy)
    return storage_class, redundancy


def _rule(values: dict[str, list[str]]) -> CorsRule:
    origins, methods = values.get("AllowedOrigin", []), values.get("AllowedMethod", [])
    if not origins or not methods:
        raise malformed_xml()
    for origin in origins:
        if origin.count("*") > 1:
            raise oss_invalid_argument("CORS config is not valid.", name="AllowedOrigin", value=origin)
    for method in methods:
        if method not in ALLOWED_METHODS:
            raise oss_invalid_argument("CORS config is not valid.", name="AllowedMethod", value=method)
    exposed = values.get("ExposeHeader", [])
    for name in exposed:
        if "*" in name:  # no wildcard here. Source: OSS "PutBucketCors", ExposeHeader
            raise oss_invalid_argument("CORS config is not valid.", name="ExposeHeader", value=name)
    age = values.get("MaxAgeSeconds", [""])[0]
    if age and not re.fullmatch(r"[0-9]{1,9}", age):
        raise oss_invalid_argument("CORS config is not valid.", name="MaxAgeSeconds", value=age)
    headers = tuple(name.lower() for name in values.get("AllowedHeader", []))
    return CorsRule(tuple(origins), tuple(methods), headers, tuple(exposed), int(age) if age else None)


def _show_cors(bucket: Bucket) -> OssAnswer:
    if not bucket.cors:
        raise OssError(
            404,
            "NoSuchCORSConfiguration",
            "The CORS Configuration does not exist.",
            extras={"BucketName": bucket.name},
        )
    inner = ""
    for rule in bucket.cors:
        pairs = [
            *(("AllowedOrigin", origin) for origin in rule.origins),
            *(("AllowedMethod", method) for method in rule.methods),
            *(("AllowedHeader", name) for name in rule.headers),
            *(("ExposeHeader", name) for name in rule.exposed),
        ]
        if rule.max_age_s is not None:
            pairs.append(("MaxAgeSeconds", str(rule.max_age_s)))
        inner += f"<CORSRule>{oss_xml.elements(pairs)}</CORSRule>"
    vary = oss_xml.elements([("ResponseVary", "true" if bucket.vary else "false")])
    return _xml("CORSConfiguration", [], inner + vary)
