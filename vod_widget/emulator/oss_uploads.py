"""Operations on multipart uploads.

What lives here: `UploadDesk`. It imports `oss_access`, `oss_copies`, `oss_objects`, `oss_views`, `oss_xml`, `storage`;
called under the lock of `Cloud`, after signature and rights were judged.

Source: OSS API reference, the page of each operation.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vod_widget.emulator import oss_access, oss_copies, oss_encryption, oss_xml
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.errors import malformed_xml, no_such_upload, oss_invalid_argument
from vod_widget.emulator.objects import MAX_PARTS, Upload, bad_part_number
from vod_widget.emulator.oss_checks import CRC_HEADER, blob_headers
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_objects import check_overwrite
from vod_widget.emulator.oss_tickets import Ticket
from vod_widget.emulator.oss_versions import stored_headers
from vod_widget.emulator.oss_views import OssAnswer, list_parts, list_uploads
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.uploads import check_order

OPERATIONS = frozenset(
    {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "InitiateMultipartUpload",
        "ListMultipartUploads",
        "ListParts",
        "UploadPart",
        "UploadPartCopy",
    }
)


class UploadDesk:
    """Perform operations on uploads.

    Args:
        store: The objects, with the uploads.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def named(self, ticket: Ticket) -> Ticket:
        """Add the upload and the part that a request names; other requests come back as they are.

        Raises:
            OssError: InvalidArgument, NoSuchUpload.
        """
        request = ticket.request
        if ticket.operation in ("UploadPart", "UploadPartCopy"):
            number_text = request.param("partNumber")
            if not number_text or "uploadId" not in request.params:
                raise oss_invalid_argument("Unexpected query string parameter", ec="0017-00000219")
            if not re.fullmatch(r"[0-9]{1,9}", number_text):
                raise bad_part_number(number_text)
            number = int(number_text)
            if not 1 <= number <= MAX_PARTS:
                raise bad_part_number(number_text)
            upload = self._find(request)
            check_order(upload, number)
            return replace(ticket, upload=upload, part_number=number)
        if ticket.operation in ("ListParts", "AbortMultipartUpload", "CompleteMultipartUpload"):
            return replace(ticket, upload=self._find(request))
        return ticket

    def _find(self, request: OssRequest) -> Upload:
        return self._store.multipart.upload(request.bucket, request.key, request.param("uploadId"))

    def answer(self, ticket: Ticket, blob: Blob | None, body: bytes) -> OssAnswer:
        """Perform one operation.

        Args:
            ticket: What was found out before the body.
            blob: The stored body of a part.
            body: The body of anything else.

        Raises:
            OssError: It is refused; nothing has happened.
        """
        request, upload = ticket.request, ticket.upload
        match ticket.operation:
            case "InitiateMultipartUpload":
                return self._initiate(request)
            case "ListMultipartUploads":
                return list_uploads(request, self._store.multipart.uploads(request.bucket))
        assert upload is not None
        match ticket.operation:
            case "UploadPart":
                assert blob is not None
                self._store.multipart.put_part(upload, ticket.part_number, blob)
                return OssAnswer(200, {**blob_headers(blob), **oss_encryption.told(upload.headers)})
            case "UploadPartCopy":
                assert blob is not None
                part = self._store.multipart.put_part(upload, ticket.part_number, blob)
                assert ticket.source is not None
                more = oss_copies.source_headers(self._store, ticket.source)
                return oss_copies.answer("CopyPartResult", blob, part.modified_s, more)
            case "CompleteMultipartUpload":
                return self._complete(request, upload, body)
            case "AbortMultipartUpload":
                self._store.multipart.abort(self._find(request))
                return OssAnswer(204)
            case _:
                return list_parts(request, upload)

    def _initiate(self, request: OssRequest) -> OssAnswer:
        encoding = request.param("encoding-type")
        check_overwrite(request, self._store)
        acl = oss_access.acl_of(request)
        kept = oss_encryption.kept(request, self._store.bucket(request.bucket))
        sequential = "sequential" in request.params
        upload = self._store.multipart.initiate(request.bucket, request.key, kept, acl, sequential=sequential)
        pairs = [
            *oss_xml.encoding_pair(encoding),
            ("Bucket", upload.bucket),
            ("Key", oss_xml.key_text(upload.key, encoding)),
            ("UploadId", upload.upload_id),
        ]
        told = oss_encryption.told(kept)
        return OssAnswer(200, told, oss_xml.document("InitiateMultipartUploadResult", pairs))

    def _complete(self, request: OssRequest, upload: Upload, body: bytes) -> OssAnswer:
        encoding = request.param("encoding-type")
        if request.headers.get("x-oss-complete-all", "").lower() == "yes":
            if body:
                raise malformed_xml()
            wanted = None
        else:
            wanted = oss_xml.parse_complete(body)
        check_overwrite(request, self._store)
        if request.param("uploadId") != upload.upload_id:
            raise no_such_upload(request.param("uploadId"))
        stored = self._store.multipart.complete(self._find(request), wanted)
        pairs = [
            *oss_xml.encoding_pair(encoding),
            ("Location", f"http://{stored.bucket}.{request.host}/{stored.key}"),
            ("Bucket", stored.bucket),
            ("Key", oss_xml.key_text(stored.key, encoding)),
            ("ETag", f'"{stored.etag}"'),
        ]
        return OssAnswer(
            200,
            {
                "ETag": f'"{stored.etag}"',
                CRC_HEADER: str(stored.crc64),
                **stored_headers(self._store, stored),
                **oss_encryption.told(stored.headers),
            },
            oss_xml.document("CompleteMultipartUploadResult", pairs),
        )
