"""Pages of a bucket that is a website: its index where a folder is asked for, its error page where nothing is.

What lives here: `first_page`, `page_for`, `answer`. It imports `oss_settings`, `oss_views`, `storage`; called under the
lock of `Cloud`. Routing rules are kept and shown, and lead nowhere.

Source: OSS "Static website hosting", "PutBucketWebsite". A GET of the bucket by nobody in particular shows
its first page; with a signature it lists the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vod_widget.emulator.objects import StoredObject
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_settings import shown
from vod_widget.emulator.oss_views import OssAnswer, look
from vod_widget.emulator.storage import ObjectStore


@dataclass(frozen=True)
class Page:
    """An object that is shown in place of one that is not there."""

    key: str
    stored: StoredObject
    status: int
    """404 for the error page, unless the bucket says 200."""


def first_page(request: OssRequest, store: ObjectStore) -> str:
    """Return the key that a request without a signature means by a bucket alone; "" for all others."""
    bucket = store.find_bucket(request.bucket)
    asks = request.method in ("GET", "HEAD") and not request.key and not request.query
    return shown(bucket, "website", "IndexDocument/Suffix") if asks and bucket is not None else ""


def page_for(request: OssRequest, store: ObjectStore) -> Page | None:
    """Return what a website shows for a key that is not there; None: it is none, or has no such page."""
    bucket = store.bucket(request.bucket)
    index = shown(bucket, "website", "IndexDocument/Suffix")
    if index and request.key.endswith("/"):
        deep = shown(bucket, "website", "IndexDocument/SupportSubDir") == "true"
        key = request.key + index if deep else index
        found = store.find(request.bucket, key)
        if found is not None:
            return Page(key, found, 200)
    key = shown(bucket, "website", "ErrorDocument/Key")
    found = store.find(request.bucket, key) if key and request.method == "GET" else None
    if found is None:
        return None
    return Page(key, found, 200 if shown(bucket, "website", "ErrorDocument/HttpStatus") == "200" else 404)


def answer(request: OssRequest, page: Page, now_s: float) -> OssAnswer:
    """Show a page; what the request says of ranges and conditions is about another object."""
    plain = replace(request, headers={})
    seen = look(plain, page.stored, now_s)
    return replace(seen, status=page.status, code="" if page.status == 200 else "NoSuchKey")
