"""Operations on objects: put, copy, append, look, delete, ACL.

What lives here: `ObjectDesk`. It imports the other `oss_` modules of objects and `storage`; called under the lock of
`Cloud`, after signature and rights were judged.

Source: OSS API reference, the page of each operation.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vod_widget.emulator import (
    oss_access,
    oss_copies,
    oss_encryption,
    oss_extras,
    oss_settings,
    oss_website,
    oss_xml,
)
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import Clock, http_date
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.objects import NULL_VERSION, StoredObject
from vod_widget.emulator.oss_checks import CRC_HEADER, FORBID_OVERWRITE, blob_headers
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_versions import deleted_headers, named_version, stored_headers
from vod_widget.emulator.oss_views import OssAnswer, look, show_meta
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.versions import Deletion, version_of

OPERATIONS = frozenset(
    {
        "AppendObject",
        "CopyObject",
        "DeleteMultipleObjects",
        "DeleteObject",
        "GetObject",
        "GetObjectMeta",
        "HeadObject",
        "PutObject",
        "PutObjectAcl",
        "PutObjectSymlink",
    }
)


class ObjectDesk:
    """Perform operations on objects.

    Args:
        store: The objects.
        clock: Tells what sleeps.
        check_right: Raises when a key, or nobody in particular, may not perform an operation.
    """

    def __init__(self, store: ObjectStore, clock: Clock, check_right: oss_copies.CheckRight) -> None:
        self._store = store
        self._clock = clock
        self._check_right = check_right

    def answer(self, ticket: Ticket, blob: Blob | None, body: bytes) -> OssAnswer:
        """Perform one operation.

        Args:
            ticket: What was found out before the body.
            blob: The stored body of those that store one.
            body: The body of the others.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        request, store = ticket.request, self._store
        match ticket.operation:
            case "PutObject":
                assert blob is not None
                check_overwrite(request, store)
                acl = oss_access.acl_of(request)
                stored = store.put(request.bucket, request.key, blob, self.kept(request), acl)
                told = oss_encryption.told(stored.headers)
                return OssAnswer(200, {**blob_headers(blob), **stored_headers(store, stored), **told})
            case "CopyObject":
                assert blob is not None
                assert ticket.source is not None
                check_overwrite(request, store)
                headers = oss_copies.headers_of_copy(request, ticket.source, self.kept(request))
                stored = store.put(request.bucket, request.key, blob, headers, oss_access.acl_of(request))
                more = (
                    stored_headers(store, stored)
                    | oss_encryption.told(headers)
                    | oss_copies.source_headers(store, ticket.source)
                )
                return oss_copies.answer("CopyObjectResult", blob, stored.modified_s, more)
            case "AppendObject":
                assert blob is not None
                return self._append(request, ticket.position, blob)
            case "PutObjectAcl":
                acl = oss_access.acl_of(request, default="")
                stored = store.get(request.bucket, request.key, named_version(request))
                store.set_acl(stored, acl)
                return OssAnswer(200, stored_headers(store, stored))
            case "PutObjectSymlink":
                check_overwrite(request, store)
                return oss_extras.put_link(request, store, self.kept(request), oss_access.acl_of(request))
            case "DeleteObject":
                done = store.delete(request.bucket, request.key, named_version(request))
                return OssAnswer(204, deleted_headers(done))
            case "DeleteMultipleObjects":
                return self._delete_many(ticket, body)
            case "GetObjectMeta":
                stored = store.get(request.bucket, request.key, named_version(request))
                shown = show_meta(stored)
                last = {}
                if oss_settings.shown(store.bucket(request.bucket), "accessmonitor", "Status") == "Enabled":
                    last = {"x-oss-last-access-time": http_date(stored.accessed_s or stored.modified_s)}
                return replace(shown, headers={**shown.headers, **stored_headers(store, stored), **last})
            case _:
                return self._look(ticket)

    def kept(self, request: OssRequest) -> dict[str, str]:
        """Return the headers that are stored with the object of a request."""
        return oss_encryption.kept(request, self._store.bucket(request.bucket))

    def _append(self, request: OssRequest, position: int, blob: Blob) -> OssAnswer:
        acl = oss_access.acl_of(request)
        stored = self._store.append(request.bucket, request.key, position, blob, self.kept(request), acl=acl)
        return OssAnswer(
            200,
            {
                **blob_headers(blob),
                **stored_headers(self._store, stored),
                **oss_encryption.told(stored.headers),
                "ETag": f'"{stored.etag}"',
                CRC_HEADER: str(stored.crc64),
                "x-oss-next-append-position": str(stored.size_bytes),
            },
        )

    def _delete_many(self, ticket: Ticket, body: bytes) -> OssAnswer:
        request = ticket.request
        if not request.headers.get("content-md5"):
            raise OssError(400, "MissingArgument", "Missing Some Required Arguments.", extras={"Header": "Content-MD5"})
        keys, quiet = oss_xml.parse_delete(body)
        encoding = request.param("encoding-type")
        wanted = [(key, version_of(version)) for key, version in keys]  # nothing is deleted when one is refused
        for key, version in wanted:
            query = [("versionId", version)] if version else []
            self._check_right(
                ticket.key, "DeleteObject", OssRequest("DELETE", request.bucket, key, query, request.headers)
            )
        done = [(key, self._store.delete(request.bucket, key, version)) for key, version in wanted]
        if quiet:
            return OssAnswer(200)
        inner = "".join(_deleted(key, gone, encoding) for key, gone in done)
        return OssAnswer(200, body=oss_xml.document("DeleteResult", oss_xml.encoding_pair(encoding), inner))

    def _look(self, ticket: Ticket) -> OssAnswer:
        request, now_s = ticket.request, self._clock.signed_url_s()
        try:
            stored = self._store.get(request.bucket, request.key, named_version(request))
        except OssError as problem:
            page = oss_website.page_for(request, self._store) if problem.code == "NoSuchKey" else None
            if page is None:
                raise
            self._check_right(ticket.key, ticket.operation, replace(request, key=page.key))
            return oss_website.answer(request, page, now_s)
        version = stored_headers(self._store, stored)
        if stored.object_type == "Symlink":
            # Who may read the link may not by that read what it stands for.
            self._check_right(ticket.key, ticket.operation, _target_of(request, stored))
            stored = oss_extras.follow(stored, self._store)
        if request.method == "GET":
            oss_extras.check_awake(stored, now_s)
            stored.accessed_s = now_s
        shown = look(request, stored, now_s)
        return replace(shown, headers={**shown.headers, **version})


def _deleted(key: str, done: Deletion, encoding: str) -> str:
    pairs = [("Key", oss_xml.key_text(key, encoding))]
    if done.version_id and not done.made:
        pairs.append(("VersionId", done.version_id))
    if done.marker:
        pairs += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", done.version_id)]
    return f"<Deleted>{oss_xml.elements(pairs)}</Deleted>"


def _target_of(request: OssRequest, link: StoredObject) -> OssRequest:
    """Return the request for what a link stands for: the current version, whichever of the link was asked for."""
    query = [(name, value) for name, value in request.query if name != "versionId"]
    return replace(request, key=link.target, query=query)


def check_overwrite(request: OssRequest, store: ObjectStore) -> None:
    """Refuse to replace an object when the request forbids it; where versions are kept nothing is lost.

    Raises:
        OssError: FileAlreadyExists, or FileImmutable while its bucket protects it.
    """
    if store.bucket(request.bucket).versioning != "Enabled":
        store.check_mutable(request.bucket, request.key, NULL_VERSION)
    forbidden = request.headers.get(FORBID_OVERWRITE, "").lower() == "true"
    if forbidden and not store.bucket(request.bucket).versioning and store.find(request.bucket, request.key):
        raise OssError(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")


def position_of(request: OssRequest) -> int:
    """Return where AppendObject wants to append.

    Raises:
        OssError: InvalidArgument.
    """
    text = request.param("position")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise oss_invalid_argument("The position must be a number, 0 or more.", name="position", value=text)
    return int(text)
