"""Versions of objects, as buckets with versioning keep them.

What lives here: `VersionShelf`, ids of versions, and what a deletion did. It imports `errors`, `objects`; every method
runs under the lock of `Cloud`.

Theory: every object is a pile of versions with the newest on top, which is the current one. Without versioning a pile
has one version, whose id is `null`. A marker of deletion is a version without bytes; on top it hides the object.

Source: OSS "Versioning", "Delete marker", "Manage objects in a versioning-suspended bucket".
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vod_widget.emulator.errors import OssError, no_such_key, oss_invalid_argument
from vod_widget.emulator.objects import NULL_VERSION, StoredObject

VERSION_HEADER = "x-oss-version-id"
MARKER_HEADER = "x-oss-delete-marker"
# The form of every example in the vendor's documents.
_VERSION_ID = re.compile(r"CAE[A-Za-z0-9+/_-]{61}")


@dataclass(frozen=True)
class Deletion:
    """What a deletion did."""

    version_id: str = ""
    """The version that is gone, or the marker that was made; "" where nothing has versions."""
    marker: bool = False
    """A marker was made, or a marker is gone."""
    made: bool = False
    """It was made."""


def new_version_id(rng: random.Random) -> str:
    """Make an id up."""
    return "CAEQ" + base64.b64encode(rng.randbytes(45), altchars=b"Aa").decode("ascii")


def version_of(text: str | None) -> str:
    """Return the version that a request names, "" when it names none.

    Raises:
        OssError: InvalidArgument: it cannot be the id of a version.
    """
    if text is None:
        return ""
    if text != NULL_VERSION and not _VERSION_ID.fullmatch(text):
        raise oss_invalid_argument("Invalid version id specified", name="versionId", value=text)
    return text


class VersionShelf:
    """Keep objects, each with its versions."""

    def __init__(self) -> None:
        self._piles: dict[tuple[str, str], list[StoredObject]] = {}
        self._serial = 0

    def __repr__(self) -> str:
        return f"<VersionShelf objects={len(self._piles)}>"

    def find(self, bucket: str, key: str, version_id: str = "") -> StoredObject | None:
        """Return a version, or the current one; markers too."""
        pile = self._piles.get((bucket, key), ())
        return next((stored for stored in pile if version_id in ("", stored.version_id)), None)

    def get(self, bucket: str, key: str, version_id: str = "") -> StoredObject:
        """Return a version that has bytes, or the current one.

        Raises:
            OssError: NoSuchKey, NoSuchVersion, or MethodNotAllowed for a marker that is named.
        """
        found = self.find(bucket, key, version_id)
        if found is None and version_id:
            text = "The specified version does not exist."
            raise OssError(404, "NoSuchVersion", text, extras={"Key": key, "VersionId": version_id})
        if found is None:
            raise no_such_key(key)
        if not found.is_marker:
            return found
        headers = {MARKER_HEADER: "true", VERSION_HEADER: found.version_id}
        if version_id:
            text = "The specified method is not allowed against this resource."
            raise OssError(
                405,
                "MethodNotAllowed",
                text,
                headers=headers,
                extras={"ResourceType": "DeleteMarker"},
            )
        gone = no_such_key(key)
        raise OssError(gone.status, gone.code, gone.message, headers=headers, extras=gone.extras, ec=gone.ec)

    def put(self, stored: StoredObject) -> StoredObject | None:
        """Lay a version on top; return the one of the same id that it replaces."""
        pile = self._piles.setdefault((stored.bucket, stored.key), [])
        old = next((other for other in pile if other.version_id == stored.version_id), None)
        if old is not None:
            pile.remove(old)
        self._serial += 1
        stored.serial = self._serial
        pile.insert(0, stored)
        return old

    def put_back(self, stored: StoredObject) -> None:
        """Take what was made before."""
        pile = self._piles.setdefault((stored.bucket, stored.key), [])
        pile.append(stored)
        pile.sort(key=lambda item: item.serial, reverse=True)
        self._serial = max(self._serial, stored.serial)

    def take(self, stored: StoredObject) -> None:
        """Remove a version that is here."""
        pile = self._piles[stored.bucket, stored.key]
        pile.remove(stored)
        if not pile:
            del self._piles[stored.bucket, stored.key]

    def current(self, bucket: str) -> list[StoredObject]:
        """Return the objects of a bucket that are not hidden, by key as bytes."""
        return [pile[0] for pile in self._sorted(bucket) if not pile[0].is_marker]

    def all(self, bucket: str) -> Iterator[tuple[StoredObject, bool]]:
        """Yield every version of a bucket, by key and then from new to old, and whether it is the newest."""
        for pile in self._sorted(bucket):
            yield from ((stored, stored is pile[0]) for stored in pile)

    def _sorted(self, bucket: str) -> list[list[StoredObject]]:
        mine = (item for item in self._piles.items() if item[0][0] == bucket)
        return [pile for _, pile in sorted(mine, key=lambda item: item[0][1].encode("utf-8", "surrogateescape"))]

    def clear(self) -> None:
        """Forget everything."""
        self._piles.clear()
