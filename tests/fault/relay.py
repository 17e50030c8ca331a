"""A way to the emulator that misbehaves as networks, proxies and tired servers do: what the emulator cannot do itself.

    with Relay() as relay, Emulator(oss_endpoint=relay.endpoint) as emulator:
        relay.target = emulator.endpoint
        relay.spoil("InitiateMultipartUpload", lambda way: way.answer(200, b"<html>"))

Both planes pass through it. An action gets the `Way` of one request: it may read the body or not, pass it on or not, and
answer what it likes.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.helpers.raw_server import Peer, RawServer

Answer = tuple[int, dict[str, str], bytes]
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Way:
    """One request on its way."""

    def __init__(self, relay: Relay, peer: Peer) -> None:
        self.relay = relay
        self.peer = peer
        self.method, self.target, self.headers = peer.read_head()
        self._body: bytes | None = None
        self.op = self._name()

    def _name(self) -> str:
        if self.method == "POST" and urlsplit(self.target).path == "/":
            return parse_qs(self.body.decode()).get("Action", ["?"])[0]
        query = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        match self.method:
            case "PUT":
                return "UploadPart" if "partNumber" in query else "PutObject"
            case "POST":
                return "InitiateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
            case "GET":
                return "ListMultipartUploads" if "uploads" in query else "ListParts"
            case "HEAD":
                return "HeadObject"
        return "AbortMultipartUpload"

    @property
    def body(self) -> bytes:
        """The whole body, read now."""
        if self._body is None:
            self._body = self.peer.read(int(self.headers.get("content-length", "0")))
        return self._body

    def forward(self, target: str | None = None) -> Answer:
        """Let it have its effect, and bring the answer."""
        host = urlsplit(self.relay.target).netloc
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(self.method, target or self.target, body=self.body or None, headers=self.headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, dict(answer.getheaders()), content
        finally:
            connection.close()

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer whatever you like; the body of the request is read first."""
        _ = self.body
        self.say(status, headers or {}, body)

    def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer, whatever became of the request."""
        fields = {k: v for k, v in headers.items() if k.lower() not in _HOP}
        length = dict(headers).get("Content-Length", "0") if self.method == "HEAD" else str(len(body))
        self.peer.answer(status, b"" if self.method == "HEAD" else body, {**fields, "Content-Length": length})

    def go_on(self) -> None:
        """As if nothing had happened."""
        self.say(*self.forward())


Action = Callable[[Way], None]


@dataclass
class Rule:
    """One fault of the test's choosing."""

    op: str
    action: Action
    nth: int
    times: int | None
    seen: int = 0
    fired: int = 0


@dataclass
class Relay:
    """The server in the middle; use as a context manager."""

    target: str = ""
    rules: list[Rule] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self.server = RawServer(self._serve, host=self.host, port=self.port)
        self.server.__enter__()
        self.port = self.server.port
        return self

    def __exit__(self, *args: object) -> None:
        self.server.__exit__(*args)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def released(self) -> threading.Event:
        """Set when the server is closed: whoever stalls waits for it."""
        return self.server.released

    def spoil(self, op: str, action: Action, *, nth: int = 1, times: int | None = 1) -> Rule:
        """Let requests of `op` meet `action` instead of the emulator."""
        self.rules.append(Rule(op, action, nth, times))
        return self.rules[-1]

    def _serve(self, peer: Peer) -> None:
        while True:
            way = Way(self, peer)
            with self._lock:
                self.seen.append(way.op)
                rule = next((r for r in self.rules if r.op == way.op and self._strikes(r)), None)
            if rule is None:
                way.go_on()
            else:
                rule.action(way)

    @staticmethod
    def _strikes(rule: Rule) -> bool:
        rule.seen += 1
        if rule.seen < rule.nth or (rule.times is not None and rule.fired >= rule.times):
            return False
        rule.fired += 1
        return True
