"""The cloud in memory, behind the same few names as an `Emulator`: no socket, no thread, no disk."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.emulator.raw import IN_MEMORY, Reply
from vod_widget.emulator import Cloud, Emulator
from vod_widget.emulator.oss_names import OssRequest, parse_query, route
from vod_widget.emulator.rpc import RpcRequest

_NUMBERS = itertools.count(1)


class MemoryEmulator:
    """What a simulator has, for the tests that an `Emulator` passes too."""

    def __init__(self, **options: Any) -> None:
        self.cloud = Cloud(rng=random.Random(next(_NUMBERS)), **options)
        self.clock = self.cloud.clock
        self.endpoint = f"http://127.0.0.{next(_NUMBERS) % 250 + 2}:9"
        IN_MEMORY[self.endpoint] = self._send

    def close(self) -> None:
        del IN_MEMORY[self.endpoint]

    asset = Emulator.asset
    assets = Emulator.assets
    status = Emulator.status
    events = Emulator.events
    unfinished_uploads = Emulator.unfinished_uploads
    access_key_id = Emulator.access_key_id
    access_key_secret = Emulator.access_key_secret
    account_id = Emulator.account_id
    role_arn = Emulator.role_arn
    region = Emulator.region
    bucket = Emulator.bucket

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: Any) -> Reply:
        data = body.encode() if isinstance(body, str) else bytes(body or b"")
        parts = urlsplit(target)
        lowered = {name.lower(): value for name, value in headers.items()}
        host = lowered.setdefault("host", urlsplit(self.endpoint).netloc)
        if method in ("PUT", "POST"):
            lowered.setdefault("content-length", str(len(data)))
        found = route(host, parts.path, has_oss_signature="authorization" in lowered)
        query = parse_query(parts.query)
        if found.service == "rpc":
            if lowered.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                query += parse_query(data.decode())
            with self.cloud.lock:
                answer = self.cloud.rpc.handle(RpcRequest(method, query, host, self.endpoint))
            return Reply(answer.status, {"content-type": answer.content_type}, answer.body)
        request = OssRequest(method, found.bucket, found.key, query, lowered, host)
        with self.cloud.lock:
            reply = self.cloud.oss.handle(request, data)
            sent = reply.body
            if reply.stream is not None:
                stream = reply.stream
                sent = b"".join(self.cloud.store.read(stream.stored.content, stream.start, stream.end))
        return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, sent)
