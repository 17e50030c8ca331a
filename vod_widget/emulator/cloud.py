"""The emulated cloud as one object, without HTTP.

What lives here: `Cloud`, which builds the services around one clock, one source of randomness
and one place for bytes, and owns their lock. It imports the service modules; it knows nothing
of sockets, so a simulator drives it in memory with a virtual clock and a seeded generator.

Rule: whoever calls `rpc`, `oss`, `store`, `vod` or `keys` holds `lock`; no lock is held while
a body is streamed or files are joined.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from vod_widget.emulator import cors, durable, signatures
from vod_widget.emulator.blobs import Blob, BlobStore, MemoryBlobs
from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.clock import Clock
from vod_widget.emulator.cors import LOOPBACK_PAGES, CorsRule
from vod_widget.emulator.oss_api import OssGateway
from vod_widget.emulator.oss_auth import OssAuthenticator
from vod_widget.emulator.oss_buckets import BucketDesk
from vod_widget.emulator.oss_fetch import FetchDesk, FetchTask
from vod_widget.emulator.oss_gate import Gatekeeper
from vod_widget.emulator.rpc import RpcGateway
from vod_widget.emulator.storage import ObjectStore
from vod_widget.emulator.sts import StsService
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import Key, KeyRing
from vod_widget.emulator.vod import VodService
from vod_widget.emulator.vod_library import VodLibrary
from vod_widget.emulator.vod_pulls import VodPulls
from vod_widget.emulator.vod_removal import VodRemoval
from vod_widget.emulator.vod_search import VodSearch

DEFAULT_ACCOUNT_ID = "1234567890123456"
DEFAULT_REGION = "cn-shanghai"
DEFAULT_ROLE_NAME = "vod-upload"
# Source: VOD "Upload URLs and credentials": an UploadAuth lives 3,000 s.
DEFAULT_UPLOAD_AUTH_TTL_S = 3000.0


class StateLock:
    """A re-entrant lock; whoever releases it for good ends a change.

    Args:
        commit: Called just before the release; its exception comes out of the with block.
    """

    def __init__(self, commit: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._commit = commit
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *exception: object) -> None:
        try:
            if self._depth == 1:
                self._commit()
        finally:
            self._depth -= 1
            self._lock.release()


class Cloud:
    """One account of VOD, STS and OSS.

    Args:
        clock: Tells and moves time.
        rng: Makes ids, secrets and tokens; `random.Random(seed)` makes runs repeatable.
        blobs: Where bytes go; memory by default.
        account_id: Digits; owner of everything.
        region: Service region.
        upload_auth_ttl_s: Seconds an UploadAuth lives.
        switches: Decisions about the undocumented.
        access_key_id: Id of the RAM user's key; made up when empty.
        access_key_secret: Its secret; made up when empty.
        book: Where state is written down, and read back from at the start; nothing by default.

    Raises:
        ValueError: The key id looks like a real one, or a value is out of range.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        blobs: BlobStore | None = None,
        account_id: str = DEFAULT_ACCOUNT_ID,
        region: str = DEFAULT_REGION,
        upload_auth_ttl_s: float = DEFAULT_UPLOAD_AUTH_TTL_S,
        switches: Switches | None = None,
        access_key_id: str = "",
        access_key_secret: str = "",
        book: Book | None = None,
    ) -> None:
        if not re.fullmatch(r"[0-9]{1,32}", account_id):
            raise ValueError(f"account_id must be digits, got {account_id!r}")
        if upload_auth_ttl_s <= 0:
            raise ValueError(f"upload_auth_ttl_s must be > 0, got {upload_auth_ttl_s}")
        self.lock = StateLock(self._commit)
        self.clock = clock or Clock()
        self._book = book or NoBook()
        self._written_clock = (0.0, 0.0)
        self.switches = switches or Switches()
        self.account_id = account_id
        self.region = region
        rng = rng or random.SystemRandom()
        self.keys = KeyRing(self.clock, rng, account_id, self._book)
        digest = hashlib.sha256(account_id.encode()).hexdigest()
        self.bucket = f"outin-{digest[:32]}"
        self.vod = VodService(
            clock=self.clock,
            rng=rng,
            keys=self.keys,
            switches=self.switches,
            account_id=account_id,
            region=region,
            upload_auth_ttl_s=upload_auth_ttl_s,
            bucket=self.bucket,
            book=self._book,
        )
        self.store = ObjectStore(blobs or MemoryBlobs(), self.clock, rng, self.vod.object_stored, self._book)
        self.library = VodLibrary(self.vod, self.store, self.clock, region, self.sign_url)
        self.search = VodSearch(self.vod, self.library, self.clock, self.keys)
        self.pulls = VodPulls(self.vod, self.store, self.clock, self.keys)
        self.sts = StsService(self.clock, self.keys, self.switches, account_id, DEFAULT_ROLE_NAME)
        self.rpc = RpcGateway(
            self.clock,
            rng,
            self.keys,
            switches=self.switches,
            vod=self.vod,
            library=self.library,
            removal=VodRemoval(self.vod, self.store),
            search=self.search,
            pulls=self.pulls,
            sts=self.sts,
            account_id=account_id,
            book=self._book,
        )
        self.fetches = FetchDesk(self.store, rng, self._book)
        gate = Gatekeeper(self.store, account_id, region)
        auth = OssAuthenticator(self.clock, self.keys, self.switches, region)
        self.oss = OssGateway(
            self.store,
            auth,
            clock=self.clock,
            rng=rng,
            switches=self.switches,
            on_notification=self._take_notification,
            desk=BucketDesk(self.store, self.clock, gate, region),
            gate=gate,
            fetches=self.fetches,
            place=(account_id, region),
        )
        with self.lock:
            self.owner = self._restore(access_key_id, access_key_secret)

    def __repr__(self) -> str:
        return f"<Cloud account={self.account_id} region={self.region} {self.vod!r} {self.store!r}>"

    def _restore(self, access_key_id: str, access_key_secret: str) -> Key:
        """Read the book, and return the user's key: the given one, else the written one, else a new one."""
        meta = next(self._book.read("meta"), None)
        if meta and meta["account_id"] != self.account_id:
            raise ValueError(f"the data folder belongs to account {meta['account_id']}, not {self.account_id}")
        for key in durable.keys(self._book):
            self.keys.put_back(key)
        for asset in durable.assets(self._book):
            self.vod.put_back(asset)
        for job in durable.jobs(self._book):
            self.pulls.jobs[job.job_id] = job
        self.vod.events.extend(durable.events(self._book))
        for record in self._book.read("fetch"):
            self.fetches.tasks[record["task_id"]] = FetchTask(**record)
        for node in durable.categories(self._book):
            self.vod.categories.put_back(node)
        for record in self._book.read("nonce"):
            self.rpc.put_back(record)
        durable.restore_store(self._book, self.store)
        if self.store.find_bucket(self.bucket) is None:
            self.store.add_bucket(self.bucket, managed=True)
        if meta:
            self.clock.advance(meta["advanced_s"])
            self.clock.skew(meta["skew_s"])
        old = self.keys.find(access_key_id or (meta or {}).get("owner", ""))
        if old is None or (access_key_secret and access_key_secret != old.access_key_secret):
            old = self.keys.add_user(access_key_id=access_key_id, access_key_secret=access_key_secret)
        self.owner = old
        self._write_meta()
        return old

    def _write_meta(self) -> None:
        self._written_clock = (self.clock.advanced_s, self.clock.skew_s)
        self._book.put(
            "meta",
            "meta",
            {
                "account_id": self.account_id,
                "owner": self.owner.access_key_id,
                "advanced_s": self.clock.advanced_s,
                "skew_s": self.clock.skew_s,
            },
        )

    def _commit(self) -> None:
        """End a change, under the lock: write it down, then free what it made needless."""
        if self._written_clock != (self.clock.advanced_s, self.clock.skew_s):
            self._write_meta()
        self._book.commit()
        self.store.blobs.sweep()

    def close(self) -> None:
        """Let go of the book."""
        with self.lock:
            pass  # commits
        self._book.close()

    def add_account(self, account_id: str) -> Key:
        """Return the key of a RAM user, with every right, of another account: it owns nothing here yet.

        Raises:
            ValueError: Not digits, or the cloud's own account.
        """
        if not re.fullmatch(r"[0-9]{1,32}", account_id) or account_id == self.account_id:
            raise ValueError(f"account_id must be digits and another one than {self.account_id}, got {account_id!r}")
        with self.lock:
            return self.keys.add_user(account_id=account_id)

    def cors_rules(self, bucket: str) -> tuple[CorsRule, ...]:
        """Return the CORS rules of a bucket, "" for the VOD and STS API."""
        found = self.store.find_bucket(bucket)
        if found is not None and (found.cors or not found.managed):
            return found.cors
        allowed = not bucket or (found is not None and self.switches.vod_bucket_cors)
        return LOOPBACK_PAGES if allowed else ()

    def cors_headers(self, bucket: str, headers: Mapping[str, str], method: str) -> dict[str, str]:
        """Return what an answer says to the page of a browser that asked; {} for who names no Origin."""
        origin = headers.get("origin", "")
        return cors.answer_headers(self.cors_rules(bucket), origin, method) if origin else {}

    def sign_url(self, endpoint: str, bucket: str, key: str, seconds: int) -> str:
        """Return a V1 signed URL to GET an object for so many seconds of the ageing clock."""
        expires = str(int(self.clock.signed_url_s()) + seconds)
        text = signatures.oss_v1_string_to_sign("GET", f"/{bucket}/{key}", (), {}, expires)
        signature = signatures.oss_v1_signature(self.owner.access_key_secret, text)
        parts = urlsplit(endpoint)
        if (parts.hostname or "").endswith(".aliyuncs.com"):
            base = f"{parts.scheme}://{bucket}.{parts.netloc}"
        else:
            base = f"{parts.scheme}://{parts.netloc}/{bucket}"
        return (
            f"{base}/{quote(key, safe='/-_.~')}?Expires={expires}"
            f"&OSSAccessKeyId={quote(self.owner.access_key_id, safe='')}"
            f"&Signature={quote(signature, safe='')}"
        )

    def object_path(self, media_id: str) -> Path:
        """Return one plain file with the stored bytes of a video, image or attached medium.

        The first call for a multipart object joins its parts, outside of the lock.

        Raises:
            LookupError: No such media, or nothing is stored yet; or bytes live in memory.
        """
        blob = None
        while blob is None:
            blob = self._plain_blob(media_id)
        path = self.store.blobs.path(blob)
        if path is None:
            raise LookupError("the bytes of this cloud live in memory")
        return path

    def _plain_blob(self, media_id: str) -> Blob | None:
        """Return the one blob of an object, joining its parts; None: it changed meanwhile."""
        with self.lock:
            asset = self.vod.assets.get(media_id)
            if asset is None:
                raise LookupError(f"no media with id {media_id!r}")
            stored = self.store.find(asset.bucket, asset.key)
            if stored is None:
                raise LookupError(f"nothing is stored for {media_id} yet")
            content = self.store.acquire(stored)
        try:
            if len(content.blobs) == 1:
                return content.blobs[0]
            joined = self.store.blobs.join(content.blobs, f"{stored.bucket}/{stored.key}")
            with self.lock:
                return joined if self.store.adopt(stored, content, joined) else None
        finally:
            with self.lock:
                self.store.release(content)

    def reset(self) -> None:
        """Forget assets, objects, uploads, temporary keys, nonces; the clock starts over."""
        with self.lock:
            self._book.clear()
            self.vod.clear()
            self.pulls.clear()
            self.fetches.clear()
            self.search.clear()
            self.store.clear()
            self.keys.forget_temporary()
            self.rpc.clear()
            self.clock.reset()
            self._write_meta()

    def _take_notification(self, bucket: str, key: str, text: str) -> None:
        asset = self.vod.asset_of(bucket, key)
        if asset is not None:
            asset.notification = text
            self.vod.touch(asset)
