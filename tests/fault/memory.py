"""VOD, STS and OSS in memory behind a whole `VODUpload`: the edges' interfaces, real threads, real bytes, no socket.

cloud = MemoryCloud()
cloud.spoil("CreateUploadVideo", lambda: ThrottledError("slow down"), times=3)
with queue(cloud, tmp_path) as up: ...
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import vod_widget as vw
from tests.contract.support import LONG_S, PART, Heard
from vod_widget.crc64 import crc64
from vod_widget.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthExpiredError,
    KeysRefusedError,
    NoSuchUploadError,
)
from vod_widget.model import (
    Credentials,
    Grant,
    LinkFacts,
    ObjectInfo,
    PartsPage,
    RemotePart,
    UploadAddress,
    UploadAuth,
    VideoStatus,
)
from vod_widget.options import CALLBACKS

ENDPOINT = "https://oss-cn-shanghai.aliyuncs.com"
LIFE_S = 3000.0
GOOD = Credentials("memory-key", "memory-secret-of-the-account")


@dataclass
class _Rule:
    op: str
    make: Callable[[], BaseException]
    nth: int
    times: int | None
    when: str
    seen: int = 0

    def strikes(self, op: str) -> bool:
        if op != self.op:
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)


@dataclass
class MemoryCloud:
    """What the edges answer; also the control plane itself (`VodApi`)."""

    secrets: set[str] = field(default_factory=lambda: {GOOD.access_key_secret.reveal()})
    calls: list[str] = field(default_factory=list)
    videos: dict[str, tuple[str, str]] = field(default_factory=dict)
    """VideoId -> (object key, reference id)."""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    dead_tokens: set[str] = field(default_factory=set)
    rules: list[_Rule] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: int = 0
    away_s: float | None = None
    held: list[tuple[str, Callable[[str], bool], threading.Event]] = field(default_factory=list)

    def spoil(
        self, op: str, make: Callable[[], BaseException], *, nth: int = 1, times: int | None = 1, when: str = "before"
    ) -> None:
        """Let calls of `op` fail, instead of their effect or after it."""
        self.rules.append(_Rule(op, make, nth, times, when))

    def hold(self, op: str, which: Callable[[str], bool], until: threading.Event) -> None:
        """Let calls of `op` for some object keys wait for an event before they do anything."""
        self.held.append((op, which, until))

    def does(self, op: str, act: Callable[[], Any]) -> Any:
        with self.lock:
            self.calls.append(op)
            struck = [rule for rule in self.rules if rule.strikes(op)]
            for rule in struck:
                if rule.when == "before":
                    raise rule.make()
            value = act()
            for rule in struck:
                raise rule.make()
            return value

    def count(self, op: str) -> int:
        with self.lock:
            return self.calls.count(op)

    def grant(self, video_id: str) -> Grant:
        self.tokens += 1
        now = time.time()
        auth = UploadAuth(Credentials(f"STS.{self.tokens}", "s", "t"), now + LIFE_S, now, "cn-shanghai")
        return Grant(auth, UploadAddress(ENDPOINT, "bucket-1", self.videos[video_id][0]), video_id)

    def create(self, reference_id: str) -> Grant:
        if reference_id and any(reference_id == known for _, known in self.videos.values()):
            raise AlreadyExistsError("used before")
        video_id = f"video{len(self.videos) + 1}"
        self.videos[video_id] = (f"sv/{video_id}.mp4", reference_id)
        return self.grant(video_id)

    def find(self, video_id: str, reference_id: str) -> VideoStatus | None:
        for known, (key, reference) in self.videos.items():
            if known == video_id or (reference_id and reference == reference_id):
                return VideoStatus(known, "Normal" if key in self.objects else "Uploading")
        return None

    # ---- VodApi

    def open(self, credentials: Credentials, region: str, endpoint: str | None) -> _Control:
        return _Control(self, credentials)

    def assume_role(self, credentials: Credentials, *_args: Any, **_options: Any) -> Credentials:
        return self.does("AssumeRole", lambda: replace(GOOD, expires_at_s=time.time() + 3600.0))

    assume_role_with_oidc = assume_role

    def round_trip_s(self) -> float | None:
        return self.away_s

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class _Control:
    cloud: MemoryCloud
    keys: Credentials

    def _does(self, op: str, act: Callable[[], Any]) -> Any:
        def judged() -> Any:
            if self.keys.access_key_secret.reveal() not in self.cloud.secrets:
                raise KeysRefusedError("the signature is wrong", status=400, code="SignatureDoesNotMatch")
            return act()

        return self.cloud.does(op, judged)

    def create_upload_video(self, metadata: Any, *, file_name: str, size_bytes: int, reference_id: str) -> Grant:
        return self._does("CreateUploadVideo", lambda: self.cloud.create(reference_id))

    def refresh_upload_video(self, video_id: str) -> Grant:
        return self._does("RefreshUploadVideo", lambda: self.cloud.grant(video_id))

    def create_upload_image(self, metadata: Any, *, file_name: str) -> Grant:
        return self._does("CreateUploadImage", lambda: self.cloud.create(""))

    def find_video(self, *, video_id: str = "", reference_id: str = "") -> VideoStatus | None:
        return self._does("GetVideoInfo", lambda: self.cloud.find(video_id, reference_id))


@dataclass
class MemoryStore:
    """The data plane (`ObjectStore`) of the same cloud."""

    cloud: MemoryCloud

    def open(self, auth: UploadAuth, address: UploadAddress) -> _Session:
        return _Session(self.cloud, auth, address.object)

    def connect_ahead(self, most: int, address: UploadAddress | None = None) -> None:
        """Nothing to connect."""

    def link(self) -> LinkFacts:
        return LinkFacts()

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class _Session:
    cloud: MemoryCloud
    auth: UploadAuth
    key: str

    def _does(self, op: str, act: Callable[[], Any]) -> Any:
        for held, which, until in self.cloud.held:
            if held == op and which(self.key):
                until.wait(LONG_S)

        def judged() -> Any:
            if self.auth.credentials.access_key_id in self.cloud.dead_tokens:
                raise AuthExpiredError("the token ran out", status=403, code="SecurityTokenExpired")
            return act()

        return self.cloud.does(op, judged)

    def _upload(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self.cloud.uploads:
            raise NoSuchUploadError("no such upload", status=404)
        return self.cloud.uploads[upload_id]

    def _info(self) -> ObjectInfo:
        data = self.cloud.objects[self.key]
        return ObjectInfo(len(data), "etag", crc64(data))

    def put_object(self, body: Any, headers: dict[str, str]) -> ObjectInfo:
        data = b"".join(bytes(piece) for piece in body)

        def act() -> ObjectInfo:
            self.cloud.objects[self.key] = data
            return self._info()

        return self._does("PutObject", act)

    def init_multipart(self, headers: dict[str, str]) -> str:
        def act() -> str:
            upload_id = f"upload{len(self.cloud.calls)}"
            self.cloud.uploads[upload_id] = {}
            return upload_id

        return self._does("InitiateMultipartUpload", act)

    def upload_part(self, upload_id: str, part_number: int, body: Any, headers: Any = None) -> RemotePart:
        data = b"".join(bytes(piece) for piece in body)

        def act() -> RemotePart:
            self._upload(upload_id)[part_number] = data
            return RemotePart(part_number, len(data), f"etag{part_number}", crc64(data))

        return self._does("UploadPart", act)

    def list_parts(self, upload_id: str, after: int = 0) -> PartsPage:
        def act() -> PartsPage:
            parts = sorted(self._upload(upload_id).items())
            return PartsPage(tuple(RemotePart(n, len(d), f"etag{n}", crc64(d)) for n, d in parts if n > after))

        return self._does("ListParts", act)

    def list_uploads(self) -> tuple[str, ...]:
        def refuse() -> Any:
            raise AccessDeniedError("not allowed", status=403)

        return self._does("ListMultipartUploads", refuse)

    def complete(self, upload_id: str, parts: Any, headers: dict[str, str]) -> ObjectInfo:
        def act() -> ObjectInfo:
            there = self._upload(upload_id)
            self.cloud.objects[self.key] = b"".join(there[p.part_number] for p in parts)
            del self.cloud.uploads[upload_id]
            return self._info()

        return self._does("CompleteMultipartUpload", act)

    def abort(self, upload_id: str) -> None:
        self._does("AbortMultipartUpload", lambda: self.cloud.uploads.pop(upload_id, None))

    def head(self) -> ObjectInfo | None:
        return self._does("HeadObject", lambda: self._info() if self.key in self.cloud.objects else None)


@contextmanager
def queue(cloud: MemoryCloud, tmp_path: Path, **options: Any) -> Iterator[Any]:
    """A `VODUpload` on the cloud in memory, with quick retries, small parts, and `up.heard`."""
    heard, lock = Heard(), threading.Lock()

    def listen(name: str, then: Callable[..., Any] | None) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with lock:
                heard.append((name, args))
            return then(*args) if then is not None else None

        return call

    given = {name: options.pop(name) for name in CALLBACKS if name in options}
    for name in CALLBACKS:
        if name in given or name not in {"on_upload_started", "on_upload_token_expired"}:
            options[name] = listen(name, given.get(name))
    options = {
        "checkpoint_dir": str(tmp_path / "journal"),
        "part_size_bytes": PART,
        "retry_duration": 0.0,
        "credentials": GOOD,
        **options,
    }
    if options["credentials"] is None:
        del options["credentials"]
    up = vw.VODUpload(**options)
    up.__dict__["heard"] = heard
    up._authority._api, up._authority._store = cloud, MemoryStore(cloud)  # type: ignore[assignment]
    try:
        yield up
    finally:
        assert up.close(LONG_S), "close() left something busy"
