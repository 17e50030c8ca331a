"""What requests say about versions: the switch of a bucket, the list of versions, the headers of answers.

What lives here: `answer` for the operations on versioning, and helpers for those on objects. It imports `oss_views`,
`oss_xml`, `storage`, `versions`; called under the lock of `Cloud`.

Source: OSS "PutBucketVersioning", "ListObjectVersions", "Overview of versioning".
"""

from __future__ import annotations

from collections.abc import Iterator

from vod_widget.emulator import oss_xml
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket, StoredObject
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import OssAnswer, limit_of, listed_facts
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.versions import MARKER_HEADER, VERSION_HEADER, Deletion, version_of

_MAX_MARKER_BYTES = 1024


def named_version(request: OssRequest) -> str:
    """Return the version that the query names, "" when it names none.

    Raises:
        OssError: InvalidArgument.
    """
    return version_of(request.params.get("versionId"))


def stored_headers(store: ObjectStore, stored: StoredObject) -> dict[str, str]:
    """Return what answers about an object say of its version: nothing where versioning never was on."""
    return {VERSION_HEADER: stored.version_id} if store.bucket(stored.bucket).versioning else {}


def deleted_headers(done: Deletion) -> dict[str, str]:
    """Return what the answer of DeleteObject says."""
    headers = {VERSION_HEADER: done.version_id} if done.version_id else {}
    return headers | ({MARKER_HEADER: "true"} if done.marker else {})


def parse_status(body: bytes) -> str:
    """Parse a VersioningConfiguration.

    Raises:
        OssError: MalformedXML.
    """
    status = ""
    for name, node in oss_xml.children(oss_xml.parse(body, "VersioningConfiguration")):
        if name == "Status":
            status = (node.text or "").strip()
    if status not in ("Enabled", "Suspended"):
        raise malformed_xml()
    return status


def show_status(bucket: Bucket) -> OssAnswer:
    """GetBucketVersioning: empty while it never was on."""
    pairs = [("Status", bucket.versioning)] if bucket.versioning else []
    return OssAnswer(200, body=oss_xml.document("VersioningConfiguration", pairs))


def list_versions(request: OssRequest, store: ObjectStore, owner: str, now_s: float) -> OssAnswer:
    """ListObjectVersions.

    Raises:
        OssError: InvalidArgument.
    """
    encoding = request.param("encoding-type")
    prefix, delimiter, key_marker, id_marker = (
        request.param(name) for name in ("prefix", "delimiter", "key-marker", "version-id-marker")
    )
    for name in ("prefix", "delimiter", "key-marker", "version-id-marker"):
        if len(request.param(name).encode("utf-8", "surrogateescape")) > _MAX_MARKER_BYTES:
            raise oss_invalid_argument(f"The length of {name} is not allowed.", name=name, value=request.param(name))
    if id_marker and not key_marker:
        text = "A version-id marker cannot be specified without a key marker."
        raise oss_invalid_argument(text, name="version-id-marker", value=id_marker)
    limit = limit_of(request, "max-keys", default=100)
    shown: list[str] = []
    groups: list[str] = []
    next_key, next_id, truncated = "", "", False
    for stored, is_latest in _after(store, request.bucket, key_marker, version_of(id_marker or None)):
        if not stored.key.startswith(prefix):
            continue
        head, sign, _ = stored.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        group = prefix + head + sign if sign else ""
        # A group counts once, and a marker that names it passes over all of it.
        if group and (group in groups or group == key_marker):
            continue
        if len(shown) + len(groups) == limit:
            truncated = True
            break
        if group:
            groups.append(group)
            next_key, next_id = group, ""
        else:
            shown.append(_element(stored, is_latest, encoding, owner, now_s))
            next_key, next_id = stored.key, stored.version_id
    pairs = [
        *oss_xml.encoding_pair(encoding),
        ("Name", request.bucket),
        ("Prefix", oss_xml.key_text(prefix, encoding)),
        ("KeyMarker", oss_xml.key_text(key_marker, encoding)),
        ("VersionIdMarker", id_marker),
        ("MaxKeys", str(limit)),
        ("Delimiter", oss_xml.key_text(delimiter, encoding)),
        ("IsTruncated", "true" if truncated else "false"),
    ]
    if truncated:
        pairs += [("NextKeyMarker", oss_xml.key_text(next_key, encoding)), ("NextVersionIdMarker", next_id)]
    inner = "".join(shown) + oss_xml.common_prefixes(groups, encoding)
    return OssAnswer(200, body=oss_xml.document("ListVersionsResult", pairs, inner))


def _after(store: ObjectStore, bucket: str, key_marker: str, id_marker: str) -> Iterator[tuple[StoredObject, bool]]:
    """Yield the versions behind a marker: behind that version of the key, or behind all of the key's."""
    start = key_marker.encode("utf-8", "surrogateescape")
    passed = False
    for stored, is_latest in store.versions.all(bucket):
        key = stored.key.encode("utf-8", "surrogateescape")
        if key < start or (key == start and key_marker and not id_marker):
            continue
        if key == start and id_marker and not passed:
            passed = stored.version_id == id_marker
            continue
        yield stored, is_latest


def _element(stored: StoredObject, is_latest: bool, encoding: str, owner: str, now_s: float) -> str:
    pairs = [
        ("Key", oss_xml.key_text(stored.key, encoding)),
        ("VersionId", stored.version_id),
        ("IsLatest", "true" if is_latest else "false"),
        ("LastModified", iso_millis(stored.modified_s)),
    ]
    if stored.is_marker:
        return f"<DeleteMarker>{oss_xml.elements(pairs)}{owner}</DeleteMarker>"
    pairs += listed_facts(stored, now_s)
    return f"<Version>{oss_xml.elements(pairs)}{owner}</Version>"
