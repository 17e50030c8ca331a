"""Multipart uploads in progress, as OSS keeps them.

What lives here: `MultipartShelf`. It imports `blobs`, `book`, `clock`, `errors`, `objects`; every method runs under
the lock of `Cloud`.

Theory: a multipart object is the list of its parts' blobs, so Complete costs no copying however large it is.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence

from vod_widget.emulator.blobs import Blob, BlobStore, combined_crc64
from vod_widget.emulator.book import Book
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.errors import OssError, malformed_xml, no_such_upload
from vod_widget.emulator.objects import (
    MAX_PARTS,
    MIN_PART_BYTES,
    Content,
    StoredObject,
    StoredPart,
    Upload,
    bad_part_number,
)

_HASH_STEP_BYTES = 1 << 20


def check_order(upload: Upload, part_number: int) -> None:
    """Refuse a part that is not the next one, nor the last again, where parts come in order.

    Raises:
        OssError: PartNotSequential; its status is that of oss2.
    """
    last = max(upload.parts, default=0)
    if upload.sequential and part_number not in (last, last + 1):
        text = "For sequential multipart upload, parts should be uploaded in order."
        raise OssError(400, "PartNotSequential", text, extras={"PartNumber": str(part_number)})


class MultipartShelf:
    """Keep uploads until they become objects.

    Args:
        blobs: Where bytes go.
        clock: Dates uploads and parts.
        rng: Makes upload ids.
        book: Where everything but bytes is written down.
        require_bucket: Raises NoSuchBucket.
        publish: Takes an object that is complete.
    """

    def __init__(
        self,
        blobs: BlobStore,
        clock: Clock,
        rng: random.Random,
        book: Book,
        *,
        require_bucket: Callable[[str], None],
        publish: Callable[[StoredObject], None],
    ) -> None:
        self._blobs = blobs
        self._clock = clock
        self._rng = rng
        self._book = book
        self._require_bucket = require_bucket
        self._publish = publish
        self._uploads: dict[str, Upload] = {}

    def __repr__(self) -> str:
        return f"<MultipartShelf uploads={len(self._uploads)}>"

    def put_back(self, upload: Upload) -> None:
        """Take what was made before."""
        self._uploads[upload.upload_id] = upload

    def clear(self) -> None:
        """Forget every upload."""
        self._uploads.clear()

    def initiate(
        self, bucket: str, key: str, headers: Mapping[str, str], acl: str = "default", *, sequential: bool = False
    ) -> Upload:
        """Begin a multipart upload; an existing object stays untouched."""
        self._require_bucket(bucket)
        upload_id = f"{self._rng.getrandbits(128):032X}"
        upload = Upload(upload_id, bucket, key, headers, self._clock.wall_s(), acl=acl, sequential=sequential)
        self._uploads[upload_id] = upload
        self._book.put("upload", upload_id, upload)
        return upload

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload of this very key or raise NoSuchUpload."""
        self._require_bucket(bucket)
        found = self._uploads.get(upload_id)
        if found is None or (found.bucket, found.key) != (bucket, key):
            raise no_such_upload(upload_id)
        return found

    def uploads(self, bucket: str) -> list[Upload]:
        """Return the uploads of a bucket by key, then id."""
        mine = (upload for upload in self._uploads.values() if upload.bucket == bucket)
        return sorted(mine, key=lambda upload: (upload.key, upload.upload_id))

    def put_part(self, upload: Upload, part_number: int, blob: Blob) -> StoredPart:
        """Keep a part; the same number again replaces it. Late parts find NoSuchUpload."""
        self.upload(upload.bucket, upload.key, upload.upload_id)
        check_order(upload, part_number)
        old = upload.parts.get(part_number)
        part = StoredPart(part_number, blob, self._clock.wall_s())
        upload.parts[part_number] = part
        record = {**vars(part), "upload_id": upload.upload_id}
        self._book.put("part", f"{upload.upload_id}/{part_number}", record)
        if old is not None:
            self._blobs.remove([old.blob])
        return part

    def abort(self, upload: Upload) -> None:
        """Drop an upload with its parts."""
        self._forget(upload)
        self._blobs.remove(part.blob for part in upload.parts.values())

    def complete(self, upload: Upload, wanted: Sequence[tuple[int, str]] | None) -> StoredObject:
        """Make the object of an upload's parts.

        Args:
            upload: A living upload.
            wanted: (part number, ETag without quotes) as the client lists them; None takes
                every part there is (x-oss-complete-all).

        Raises:
            OssError: InvalidArgument, InvalidPartOrder, InvalidPart, EntityTooSmall or
                MalformedXML (nothing listed); the upload stays as it was.
        """
        chosen = self._choose(upload, wanted)
        for part in chosen[:-1]:
            if part.blob.size_bytes < MIN_PART_BYTES:
                raise OssError(
                    400,
                    "EntityTooSmall",
                    "Your proposed upload smaller than the minimum allowed size.",
                    ec="0042-00000213",
                    extras={
                        "ProposedSize": str(part.blob.size_bytes),
                        "MinSizeAllowed": str(MIN_PART_BYTES),
                        "PartNumber": str(part.part_number),
                        "ETag": f'"{part.etag}"',
                    },
                )
        self._forget(upload)
        kept = {part.part_number for part in chosen}
        self._blobs.remove(p.blob for n, p in upload.parts.items() if n not in kept)
        blobs = tuple(part.blob for part in chosen)
        # The real rule is unknown; the shape "32 hex digits - number of parts" was seen.
        digest = hashlib.md5("".join(p.etag for p in chosen).encode(), usedforsecurity=False)
        stored = StoredObject(
            upload.bucket,
            upload.key,
            Content(blobs),
            sum(blob.size_bytes for blob in blobs),
            f"{digest.hexdigest().upper()}-{len(chosen)}",
            combined_crc64(blobs),
            "Multipart",
            upload.headers,
            self._clock.wall_s(),
            md5_hex=self._md5_hex(blobs) if upload.sequential else "",
            acl=upload.acl,
        )
        self._publish(stored)
        return stored

    def _md5_hex(self, blobs: Sequence[Blob]) -> str:
        """Read all bytes again, under the lock: who asks for sequential, which no uploader does by itself, pays."""
        digest = hashlib.md5(usedforsecurity=False)
        for blob in blobs:
            for start in range(0, blob.size_bytes, _HASH_STEP_BYTES):
                digest.update(self._blobs.read(blob, start, min(_HASH_STEP_BYTES, blob.size_bytes - start)))
        return digest.hexdigest().upper()

    def _forget(self, upload: Upload) -> None:
        del self._uploads[upload.upload_id]
        self._book.drop("upload", upload.upload_id)
        for number in upload.parts:
            self._book.drop("part", f"{upload.upload_id}/{number}")

    def _choose(self, upload: Upload, wanted: Sequence[tuple[int, str]] | None) -> list[StoredPart]:
        if wanted is None:
            wanted = [(n, upload.parts[n].etag) for n in sorted(upload.parts)]
        if not wanted:
            raise malformed_xml()
        previous = 0
        chosen = []
        for number, etag in wanted:
            if not 1 <= number <= MAX_PARTS:
                raise bad_part_number(str(number))
            if number <= previous:
                raise OssError(
                    400,
                    "InvalidPartOrder",
                    "The list of parts was not in ascending order. "
                    "Parts list must be specified in order by part number.",
                    extras={"UploadId": upload.upload_id},
                )
            previous = number
            part = upload.parts.get(number)
            if part is None or part.etag != etag.upper():
                raise OssError(
                    400,
                    "InvalidPart",
                    "One or more of the specified parts could not be found or the specified "
                    "entity tag might not have matched the part's entity tag.",
                    extras={
                        "UploadId": upload.upload_id,
                        "PartNumber": str(number),
                        "ETag": f'"{etag}"',
                    },
                )
            chosen.append(part)
        return chosen
