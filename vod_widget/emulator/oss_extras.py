"""What objects have beside their bytes: tags, a storage class that sleeps, and links that stand for others.

What lives here: `answer` for the operations on tags, restore and symlinks, and the reading of links. It imports
`tags`, `oss_views`, `oss_xml`, `storage`; called under the lock of `Cloud`.

Source: OSS "PutObjectTagging", "RestoreObject", "PutSymlink", "GetSymlink".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, unquote, urlencode

from vod_widget.emulator import oss_xml, tags
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import StoredObject
from vod_widget.emulator.oss_checks import TAGGING
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_versions import named_version, stored_headers
from vod_widget.emulator.oss_views import SLEEPING, OssAnswer, class_of, is_restored
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    "PutObjectTagging": "oss:PutObjectTagging",
    "GetObjectTagging": "oss:GetObjectTagging",
    "DeleteObjectTagging": "oss:DeleteObjectTagging",
    "PostObjectRestore": "oss:RestoreObject",
    "PutObjectSymlink": "oss:PutObject",
    "GetObjectSymlink": "oss:GetObject",
}
_TARGET = "x-oss-symlink-target"
_HOUR_S = 3600.0
# How long an object takes to wake, the longest that is promised. Source: OSS "Restore objects".
_WAKING_S: Mapping[str, Mapping[str, float]] = {
    "Archive": {"": 60.0},
    "ColdArchive": {"Expedited": _HOUR_S, "Standard": 5 * _HOUR_S, "Bulk": 12 * _HOUR_S},
    "DeepColdArchive": {"Expedited": 12 * _HOUR_S, "Standard": 48 * _HOUR_S},
}
_MAX_DAYS = {"Archive": 7, "ColdArchive": 365, "DeepColdArchive": 365}


def answer(operation: str, request: OssRequest, body: bytes, store: ObjectStore, now_s: float) -> OssAnswer:
    """Perform one operation.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    stored = store.get(request.bucket, request.key, named_version(request))
    version = stored_headers(store, stored)
    match operation:
        case "PutObjectTagging":
            wanted = tags.object_tags(tags.pairs_of(oss_xml.parse(body, "Tagging")))
            store.set_header(stored, TAGGING, urlencode(wanted))
            return OssAnswer(200, version)
        case "DeleteObjectTagging":
            store.set_header(stored, TAGGING, "")
            return OssAnswer(204, version)
        case "GetObjectTagging":
            return OssAnswer(200, version, tags.document(tags.header_tags(stored.headers.get(TAGGING, ""))))
        case "PostObjectRestore":
            done = _restore(stored, body, store, now_s)
            return replace(done, headers={**done.headers, **version})
        case _:
            if stored.object_type != "Symlink":
                raise OssError(400, "NotSymlink", "The object is not symlink.")
            return OssAnswer(200, {_TARGET: quote(stored.target), "ETag": f'"{stored.etag}"', **version})


# --- links -------------------------------------------------------------------------------


def put_link(request: OssRequest, store: ObjectStore, kept: Mapping[str, str], acl: str) -> OssAnswer:
    """PutSymlink; nobody asks whether the target is there.

    Raises:
        OssError: InvalidArgument for a target that no key can be.
    """
    target = unquote(request.headers.get(_TARGET, ""), errors="surrogateescape")
    if not target or len(target.encode("utf-8", "surrogateescape")) > 1023 or target[0] in "/\\":
        raise oss_invalid_argument("The target of the symlink is not valid.", name=_TARGET, value=target)
    stored = store.put_link(request.bucket, request.key, target, kept, acl)
    return OssAnswer(200, {"ETag": f'"{stored.etag}"', **stored_headers(store, stored)})


def follow(link: StoredObject, store: ObjectStore) -> StoredObject:
    """Return what a link shows: the bytes of its target under its own metadata.

    Raises:
        OssError: SymlinkTargetNotExist, or InvalidTargetType for a link to a link.
    """
    found = store.find(link.bucket, link.target)
    if found is None:
        raise OssError(404, "SymlinkTargetNotExist", "The symlink target object does not exist.")
    if found.object_type == "Symlink":
        raise OssError(400, "InvalidTargetType", "The symlink's target object type is invalid.")
    modified_s = max(link.modified_s, found.modified_s)
    return replace(found, headers=link.headers, modified_s=modified_s, object_type="Symlink")


# --- sleeping objects --------------------------------------------------------------------


def _restore(stored: StoredObject, body: bytes, store: ObjectStore, now_s: float) -> OssAnswer:
    kind = class_of(stored)
    if kind not in SLEEPING:
        raise OssError(400, "OperationNotSupported", "The operation is not supported for this resource.")
    days, tier = _wish(kind, body)
    until_s = days * 24 * _HOUR_S
    if stored.awake_from_s <= now_s < stored.awake_until_s:
        store.set_awake(stored, stored.awake_from_s, max(stored.awake_until_s, now_s + until_s))
        return OssAnswer(200)
    if now_s < stored.awake_from_s:
        raise OssError(409, "RestoreAlreadyInProgress", "The restore operation is in progress.")
    ready_s = now_s + _WAKING_S[kind][tier]
    store.set_awake(stored, ready_s, ready_s + until_s)
    return OssAnswer(202, {"x-oss-object-restore-priority": tier} if tier else {})


def _wish(kind: str, body: bytes) -> tuple[int, str]:
    days, tier = 1, "" if kind == "Archive" else "Standard"
    if not body:
        return days, tier
    root = oss_xml.parse(body, "RestoreRequest")
    for name, node in oss_xml.children(root):
        text = (node.text or "").strip()
        if name == "Days":
            if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= _MAX_DAYS[kind]:
                raise oss_invalid_argument("The days of a restore are not valid.", name="Days", value=text)
            days = int(text)
        elif name == "JobParameters" and kind != "Archive":  # an Archive object has one speed
            tier = next(((child.text or "").strip() for title, child in oss_xml.children(node) if title == "Tier"), "")
            if tier not in _WAKING_S[kind]:
                raise oss_invalid_argument("The tier of a restore is not valid.", name="Tier", value=tier)
        else:
            raise malformed_xml()
    return days, tier


def check_awake(stored: StoredObject, now_s: float) -> None:
    """Refuse to read what sleeps.

    Raises:
        OssError: InvalidObjectState.
    """
    if class_of(stored) in SLEEPING and not is_restored(stored, now_s):
        text = "The operation is not valid for the object's state"
        raise OssError(403, "InvalidObjectState", text, extras={"ObjectName": stored.key})
