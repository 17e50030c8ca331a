"""Reading the book back after a restart.

What lives here: `restore`, which fills the state owners from a `Book`. It imports their data classes;
called once, before anything else runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from vod_widget.emulator.assets import Asset, Event, PullJob
from vod_widget.emulator.blobs import Blob
from vod_widget.emulator.book import Book
from vod_widget.emulator.categories import Category
from vod_widget.emulator.cors import CorsRule
from vod_widget.emulator.objects import Bucket, Content, StoredObject, StoredPart, Upload
from vod_widget.emulator.policy import Policy, Statement
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.tokens import Key

_LOGGER = logging.getLogger("vod_widget.emulator")


def keys(book: Book) -> Iterator[Key]:
    """Yield the keys that were made."""
    for record in book.read("key"):
        record["policies"] = tuple(_policy(item) for item in record["policies"])
        yield Key(**record)


def _policy(record: Mapping[str, Any]) -> Policy:
    return Policy(
        tuple(
            Statement(item["allow"], tuple(item["actions"]), tuple(item["resources"]), item.get("all_but", False))
            for item in record["statements"]
        )
    )


def assets(book: Book) -> Iterator[Asset]:
    """Yield the media assets, oldest first."""
    return (Asset(**record) for record in book.read("asset"))


def events(book: Book) -> Iterator[Event]:
    """Yield the events, oldest first."""
    return (Event(**record) for record in book.read("event"))


def jobs(book: Book) -> Iterator[PullJob]:
    """Yield the pull jobs, oldest first."""
    return (PullJob(**record) for record in book.read("job"))


def categories(book: Book) -> Iterator[Category]:
    """Yield the categories, parents first."""
    return (Category(**record) for record in book.read("category"))


def restore_store(book: Book, store: ObjectStore) -> None:
    """Put buckets, objects, uploads and parts back, and delete bytes that belong to nothing.

    What has lost its bytes is dropped: better gone than wrong.
    """
    kept: set[str] = set()
    store.account.update((record["name"], record["value"]) for record in book.read("account"))
    for record in book.read("bucket"):
        record["cors"] = tuple(_rule(item) for item in record["cors"])
        store.put_back(Bucket(**record))
    for record in book.read("object"):
        blobs = tuple(Blob(**item) for item in record["content"]["blobs"])
        if not all(map(store.blobs.has, blobs)):
            _LOGGER.warning("the bytes of %s/%s are gone, as after a power cut", record["bucket"], record["key"])
            if not store.bucket(record["bucket"]).versioning:
                continue
            record["is_marker"], blobs = True, ()  # gone, too: the version below must not come up in its place
        kept |= {blob.name for blob in blobs}
        record["content"] = Content(blobs)
        store.put_back(StoredObject(**record))
    uploads = {}
    for record in book.read("upload"):
        upload = Upload(**record)
        uploads[upload.upload_id] = upload
        store.put_back(upload)
    for record in book.read("part"):
        blob = Blob(**record["blob"])
        if not store.blobs.has(blob):
            _LOGGER.warning("part %d of an unfinished upload is gone, as after a power cut", record["part_number"])
            continue
        part = StoredPart(record["part_number"], blob, record["modified_s"])
        uploads[record["upload_id"]].parts[part.part_number] = part
        kept.add(blob.name)
    store.blobs.keep_only(kept)


def _rule(record: Mapping[str, Any]) -> CorsRule:
    return CorsRule(
        tuple(record["origins"]),
        tuple(record["methods"]),
        tuple(record["headers"]),
        tuple(record["exposed"]),
        record["max_age_s"],
    )
