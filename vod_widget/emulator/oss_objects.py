"""Operations on one object: put, copy, append, look, delete, ACL.

What lives here: `ObjectDesk`. It imports the other `oss_` modules of objects and `storage`; called under the lock of
`Cloud`, after signature and rights were judged.

Source: OSS API reference, the page of each operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from vod_widget.emulator import oss_access, oss_copies, oss_extras
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import OssError, oss_invalid_argument
from vod_widget.emulator.oss_checks import CRC_HEADER, blob_headers, kept_headers
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_views import OssAnswer, look, show_meta
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key

CheckRight = Callable[[Key | None, str, OssRequest], None]

OPERATIONS = frozenset(
    {
        "AppendObject",
        "CopyObject",
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

    def __init__(self, store: ObjectStore, clock: Clock, check_right: CheckRight) -> None:
        self._store = store
        self._clock = clock
        self._check_right = check_right

    def answer(self, ticket: Ticket, blob: Blob | None) -> OssAnswer:
        """Perform one operation.

        Args:
            ticket: What was found out before the body.
            blob: The stored body of those that have one.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        request, store = ticket.request, self._store
        match ticket.operation:
            case "PutObject":
                assert blob is not None
                check_overwrite(request, store)
                acl = oss_access.acl_of(request)
                store.put(request.bucket, request.key, blob, self.kept(request), acl)
                return OssAnswer(200, blob_headers(blob))
            case "CopyObject":
                assert blob is not None
                assert ticket.source is not None
                check_overwrite(request, store)
                headers = oss_copies.headers_of_copy(request, ticket.source, self.kept(request))
                stored = store.put(request.bucket, request.key, blob, headers, oss_access.acl_of(request))
                return oss_copies.answer("CopyObjectResult", blob, stored.modified_s)
            case "AppendObject":
                assert blob is not None
                return self._append(request, ticket.position, blob)
            case "PutObjectAcl":
                acl = oss_access.acl_of(request, default="")
                store.set_acl(store.get(request.bucket, request.key), acl)
                return OssAnswer(200)
            case "PutObjectSymlink":
                check_overwrite(request, store)
                return oss_extras.put_link(request, store, self.kept(request), oss_access.acl_of(request))
            case "DeleteObject":
                store.delete(request.bucket, request.key)
                return OssAnswer(204)
            case "GetObjectMeta":
                return show_meta(store.get(request.bucket, request.key))
            case _:
                return self._look(ticket)

    def kept(self, request: OssRequest) -> dict[str, str]:
        """Return the headers that are stored with the object of a request."""
        return kept_headers(request, self._store.bucket(request.bucket).storage_class)

    def _append(self, request: OssRequest, position: int, blob: Blob) -> OssAnswer:
        acl = oss_access.acl_of(request)
        stored = self._store.append(request.bucket, request.key, position, blob, self.kept(request), acl=acl)
        return OssAnswer(
            200,
            {
                **blob_headers(blob),
                "ETag": f'"{stored.etag}"',
                CRC_HEADER: str(stored.crc64),
                "x-oss-next-append-position": str(stored.size_bytes),
            },
        )

    def _look(self, ticket: Ticket) -> OssAnswer:
        request, now_s = ticket.request, self._clock.signed_url_s()
        stored = self._store.get(request.bucket, request.key)
        if stored.object_type == "Symlink":
            # Who may read the link may not by that read what it stands for.
            self._check_right(ticket.key, ticket.operation, replace(request, key=stored.target))
            stored = oss_extras.follow(stored, self._store)
        if request.method == "GET":
            oss_extras.check_awake(stored, now_s)
        return look(request, stored, now_s)


def check_overwrite(request: OssRequest, store: ObjectStore) -> None:
    """Refuse to replace an object when the request forbids it.

    Raises:
        OssError: FileAlreadyExists.
    """
    forbidden = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if forbidden and store.find(request.bucket, request.key):
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
