"""Buckets and objects, as OSS keeps them; no HTTP, no keys, no policies.

What lives here: `ObjectStore`, with the uploads in progress in `multipart`. It imports `blobs`, `book`, `clock`,
`cors`, `errors`, `objects`, `uploads`, `versions`. Every method runs under the lock of `Cloud`; only `BlobStore.join`
and `BlobStore.read` may run outside of it.

Theory: an object of several blobs (parts, appended pieces) is never copied into one, unless someone asks for a plain
file (`BlobStore.join`, `adopt`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping

from vod_widget.emulator.blobs import Blob, BlobStore, combined_crc64
from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.cors import CorsRule
from vod_widget.emulator.errors import (
    OssError,
    access_denied,
    no_such_bucket,
)
from vod_widget.emulator.objects import (
    MAX_BODY_BYTES,
    NULL_VERSION,
    Bucket,
    Content,
    StoredObject,
    Upload,
)
from vod_widget.emulator.uploads import MultipartShelf
from vod_widget.emulator.versions import Deletion, VersionShelf, new_version_id

_READ_STEP_BYTES = 256 * 1024


OnStored = Callable[[StoredObject], None]


class ObjectStore:
    """Keep objects and uploads of the buckets that exist.

    Args:
        blobs: Where bytes go.
        clock: Dates objects.
        rng: Makes ids of uploads and versions.
        on_stored: Called after an object has become visible.
        book: Where everything but bytes is written down.
    """

    # How long a retention policy that nobody locks protects.
    WORM_OPEN_S = 86_400.0

    def __init__(
        self,
        blobs: BlobStore,
        clock: Clock,
        rng: random.Random,
        on_stored: OnStored,
        book: Book | None = None,
    ) -> None:
        self.blobs = blobs
        self._clock = clock
        self._on_stored = on_stored
        self._book = book or NoBook()
        self._buckets: dict[str, Bucket] = {}
        self.account: dict[str, str] = {}
        """Settings of the account, by name."""
        self._rng = rng
        self.versions = VersionShelf()
        self.multipart = MultipartShelf(
            blobs, clock, rng, self._book, require_bucket=self.require_bucket, publish=self._publish
        )

    def __repr__(self) -> str:
        return f"<ObjectStore {self.versions!r} {self.multipart!r}>"

    # --- buckets and objects -------------------------------------------------------------

    def add_bucket(self, bucket: str, *, acl: str = "", managed: bool = False, owner_id: str = "") -> Bucket:
        """Make a bucket; an existing one keeps all but the ACL, when one is given."""
        made = self._buckets.setdefault(
            bucket, Bucket(bucket, self._clock.wall_s(), managed=managed, owner_id=owner_id)
        )
        made.acl = acl or made.acl
        self._book.put("bucket", bucket, made)
        return made

    def set_class(self, bucket: Bucket, storage_class: str, redundancy: str) -> None:
        """Write down how a new bucket stores; here it is only shown."""
        bucket.storage_class, bucket.redundancy = storage_class, redundancy
        self._book.put("bucket", bucket.name, bucket)

    def put_back(self, item: Bucket | StoredObject | Upload) -> None:
        """Take what was made before."""
        if isinstance(item, Bucket):
            self._buckets[item.name] = item
        elif isinstance(item, Upload):
            self.multipart.put_back(item)
        else:
            self.versions.put_back(item)

    def bucket(self, bucket: str) -> Bucket:
        """Return a bucket or raise NoSuchBucket."""
        found = self._buckets.get(bucket)
        if found is None:
            raise no_such_bucket(bucket)
        return found

    def find_bucket(self, bucket: str) -> Bucket | None:
        """Return a bucket or None."""
        return self._buckets.get(bucket)

    def require_bucket(self, bucket: str) -> None:
        """Raise NoSuchBucket for an unknown bucket."""
        self.bucket(bucket)

    def buckets(self) -> list[Bucket]:
        """Return every bucket, by name."""
        return [self._buckets[name] for name in sorted(self._buckets)]

    def set_cors(self, bucket: str, rules: tuple[CorsRule, ...], *, vary: bool = False) -> None:
        """Replace the CORS rules of a bucket."""
        found = self.bucket(bucket)
        found.cors, found.vary = rules, vary
        self._book.put("bucket", bucket, found)

    def set_setting(self, bucket: Bucket, place: str, document: str | None) -> None:
        """Keep a configuration of a bucket; None forgets it."""
        if document is None:
            bucket.settings.pop(place, None)
        else:
            bucket.settings[place] = document
        self._book.put("bucket", bucket.name, bucket)

    def set_account(self, name: str, value: str | None) -> None:
        """Keep a setting of the account; None forgets it."""
        self.account.pop(name, None)
        self._book.drop("account", name)
        if value is not None:
            self.account[name] = value
            self._book.put("account", name, {"name": name, "value": value})

    def delete_bucket(self, bucket: str) -> None:
        """Delete an empty bucket of the caller's.

        Raises:
            OssError: BucketNotEmpty while objects or unfinished uploads are in it; AccessDenied
                for the one that VOD allocated (INFERRED).
        """
        if self.bucket(bucket).managed:
            raise access_denied("The bucket is managed by VOD and cannot be deleted.")
        if any(self.versions.all(bucket)) or self.multipart.uploads(bucket):
            raise OssError(
                409,
                "BucketNotEmpty",
                "The bucket you tried to delete is not empty.",
                extras={"BucketName": bucket},
            )
        del self._buckets[bucket]
        self._book.drop("bucket", bucket)

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return the current version of an object or None."""
        found = self.versions.find(bucket, key)
        return None if found is None or found.is_marker else found

    def get(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return an object, or a version of it.

        Raises:
            OssError: NoSuchBucket, NoSuchKey, NoSuchVersion, or MethodNotAllowed for a marker of deletion.
        """
        self.require_bucket(bucket)
        return self.versions.get(bucket, key, version_id)

    def objects(self, bucket: str) -> list[StoredObject]:
        """Return the objects of a bucket, by key as bytes."""
        return self.versions.current(bucket)

    def set_worm(self, bucket: Bucket, worm_id: str, days: int, *, from_s: float, locked: bool) -> None:
        """Replace the retention policy of a bucket; "" takes it away."""
        bucket.worm_id, bucket.worm_days, bucket.worm_from_s, bucket.worm_locked = worm_id, days, from_s, locked
        self._book.put("bucket", bucket.name, bucket)

    def check_mutable(self, bucket: str, key: str, version_id: str = "") -> None:
        """Raise while the retention policy of a bucket protects an object, or a version of it.

        Raises:
            OssError: FileImmutable.
        """
        home, old = self.bucket(bucket), self.versions.find(bucket, key, version_id)
        now_s = self._clock.signed_url_s()
        if old is None or not home.worm_id or not (home.worm_locked or now_s < home.worm_from_s + self.WORM_OPEN_S):
            return
        if now_s < old.laid_s + home.worm_days * 86_400 and not old.is_marker:
            raise OssError(409, "FileImmutable", "The object you specified is immutable.", extras={"ObjectName": key})

    def set_versioning(self, bucket: Bucket, status: str) -> None:
        """Switch versioning on (`Enabled`), or stop making versions (`Suspended`)."""
        bucket.versioning = status
        self._book.put("bucket", bucket.name, bucket)

    def put(self, bucket: str, key: str, blob: Blob, headers: Mapping[str, str], acl: str = "default") -> StoredObject:
        """Store a whole body as an object; replaces an existing one."""
        stored = StoredObject(
            bucket,
            key,
            Content((blob,)),
            blob.size_bytes,
            blob.md5_hex,
            blob.crc64,
            "Normal",
            headers,
            self._clock.wall_s(),
            md5_hex=blob.md5_hex,
            acl=acl,
        )
        self._publish(stored)
        return stored

    def set_acl(self, stored: StoredObject, acl: str) -> None:
        """Replace the ACL of an object."""
        stored.acl = acl
        self._book.put("object", stored.record_name, stored)

    def put_link(
        self, bucket: str, key: str, target: str, headers: Mapping[str, str], acl: str = "default"
    ) -> StoredObject:
        """Store a link to another key; it has no bytes, so nobody is told that an object is complete."""
        etag = hashlib.md5(target.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest().upper()
        now_s = self._clock.wall_s()
        stored = StoredObject(bucket, key, Content(()), 0, etag, 0, "Symlink", headers, now_s, acl=acl, target=target)
        self._keep(stored)
        return stored

    def set_header(self, stored: StoredObject, name: str, value: str) -> None:
        """Replace one of the headers that an object is shown with; "" takes it away."""
        kept = {title: text for title, text in stored.headers.items() if title != name}
        stored.headers = {**kept, name: value} if value else kept
        self._book.put("object", stored.record_name, stored)

    def set_awake(self, stored: StoredObject, from_s: float, until_s: float) -> None:
        """Write down when an archived object can be read."""
        stored.awake_from_s, stored.awake_until_s = from_s, until_s
        self._book.put("object", stored.record_name, stored)

    def check_append(self, bucket: str, key: str, position: int) -> None:
        """Raise unless bytes may be appended at this position.

        Raises:
            OssError: ObjectNotAppendable, PositionNotEqualToLength (with the right position in
                a header, which oss2 reads) or EntityTooLarge.
        """
        self.check_mutable(bucket, key)
        found = self.versions.find(bucket, key)
        if found is not None and found.object_type != "Appendable":
            raise OssError(409, "ObjectNotAppendable", "The object is not appendable")
        length = found.size_bytes if found else 0
        if position != length:
            raise OssError(
                409,
                "PositionNotEqualToLength",
                "Position is not equal to file length",
                headers={
                    "x-oss-next-append-position": str(length),
                    "x-oss-hash-crc64ecma": str(found.crc64 if found else 0),
                },
            )

    def append(
        self, bucket: str, key: str, position: int, blob: Blob, headers: Mapping[str, str], *, acl: str = "default"
    ) -> StoredObject:
        """Put bytes behind an appendable object, or begin one at position 0."""
        self.check_append(bucket, key, position)
        if position + blob.size_bytes > MAX_BODY_BYTES:
            raise OssError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        old = self.find(bucket, key)
        content = old.content if old else Content(())
        content.blobs = (*content.blobs, blob)
        digest = hashlib.md5("".join(b.md5_hex for b in content.blobs).encode(), usedforsecurity=False)
        stored = StoredObject(
            bucket,
            key,
            content,
            position + blob.size_bytes,
            digest.hexdigest().upper(),
            combined_crc64(content.blobs),
            "Appendable",
            old.headers if old else headers,  # the first append decides, as with real OSS
            self._clock.wall_s(),
            acl=old.acl if old else acl,
        )
        if old is None:
            self._keep(stored)
        else:  # no version is made of it. Source: OSS "AppendObject", Versioning
            stored.version_id = old.version_id
            self._replace(stored)
        self._on_stored(stored)
        return stored

    def delete(self, bucket: str, key: str, version_id: str = "") -> Deletion:
        """Delete an object, or hide it under a marker where versions are kept; absent ones are fine.

        Args:
            bucket: Where.
            key: Which.
            version_id: Delete this version for good; "" means the object.
        """
        keeps = self.bucket(bucket).versioning
        if version_id or keeps != "Enabled":
            self.check_mutable(bucket, key, version_id or NULL_VERSION)
        if version_id or not keeps:
            old = self.versions.find(bucket, key, version_id)
            if old is not None:
                self.versions.take(old)
                self._book.drop("object", old.record_name)
                self._drop(old.content)
            return Deletion(version_id, marker=old is not None and old.is_marker)
        now_s = self._clock.wall_s()
        marker = StoredObject(bucket, key, Content(()), 0, "", 0, "", {}, now_s, is_marker=True)
        self._keep(marker)
        return Deletion(marker.version_id, marker=True, made=True)

    def _publish(self, stored: StoredObject) -> None:
        self._keep(stored)
        self._on_stored(stored)

    def _keep(self, stored: StoredObject) -> None:
        """Lay a new version on top; without versioning, and while it is suspended, the one named null goes."""
        if self.bucket(stored.bucket).versioning == "Enabled":
            stored.version_id = new_version_id(self._rng)
        self._replace(stored)

    def _replace(self, stored: StoredObject) -> None:
        stored.laid_s = self._clock.signed_url_s()
        old = self.versions.put(stored)
        self._book.put("object", stored.record_name, stored)
        if old is not None and old.content is not stored.content:
            self._drop(old.content)

    # --- reading -------------------------------------------------------------------------

    def acquire(self, stored: StoredObject) -> Content:
        """Keep the bytes of this version until `release`, whatever happens to the object."""
        stored.content.readers += 1
        return stored.content

    def release(self, content: Content) -> None:
        """End a read begun by `acquire`."""
        content.readers -= 1
        if content.replaced and not content.readers:
            self.blobs.remove(content.blobs)

    def _drop(self, content: Content) -> None:
        content.replaced = True
        if not content.readers:
            self.blobs.remove(content.blobs)

    def read(self, content: Content, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes [start, end) in blocks."""
        offset = 0
        for blob in content.blobs:
            low, high = max(start - offset, 0), min(end - offset, blob.size_bytes)
            while low < high:
                block = self.blobs.read(blob, low, min(_READ_STEP_BYTES, high - low))
                if not block:
                    raise OSError(f"stored bytes of {blob.name} are gone")
                yield block
                low += len(block)
            offset += blob.size_bytes

    def adopt(self, stored: StoredObject, content: Content, joined: Blob) -> bool:
        """Let one blob made by `BlobStore.join` stand for the object's parts.

        Returns:
            False when the object has changed since `content` was acquired: `joined` is thrown
            away, look again.
        """
        if (
            stored.content is not content
            or self.versions.find(stored.bucket, stored.key, stored.version_id) is not stored
        ):
            self.blobs.remove([joined])
            return False
        stored.content = Content((joined,))
        self._book.put("object", stored.record_name, stored)
        self._drop(content)
        return True

    def clear(self) -> None:
        """Forget every object and upload, and every bucket but those of VOD."""
        self._buckets = {
            name: Bucket(name, bucket.created_s, managed=True)
            for name, bucket in self._buckets.items()
            if bucket.managed
        }
        for bucket in self._buckets.values():
            self._book.put("bucket", bucket.name, bucket)
        self.account.clear()
        self.versions.clear()
        self.multipart.clear()
        self.blobs.clear()
