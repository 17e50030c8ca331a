"""A server of raw sockets that does what a script says: half answers, resets, stalls, garbage. No sleeps.

Each accepted connection is served by the next script, the last one also serves all later ones; scripts run in threads of
their own. `hold()` waits until the server is closed, so a stalled client is let go by the end of the test at the latest.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, server: RawServer) -> None:
        self.sock = sock
        self.server = server
        self._rest = b""

    def read_head(self) -> tuple[str, str, dict[str, str]]:
        """Read up to the empty line; EOFError when the client closes before."""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._receive()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return method, target, headers

    def read(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._rest += self._receive()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def read_request(self) -> Request:
        method, target, headers = self.read_head()
        body = self.read(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, body)
        self.server.requests.append(request)
        return request

    def _receive(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        return data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        fields = {"Content-Length": str(len(body)), **(headers or {})}
        lines = "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + body)

    def reset(self) -> None:
        """Close with RST, as a crashed process or a firewall does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hold(self) -> None:
        """Do nothing until the server is closed."""
        self.server.released.wait(100)


Script = Callable[[Peer], None]


@dataclass
class RawServer:
    """A listening socket and its scripts; use as a context manager."""

    scripts: tuple[Script, ...]
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    failures: list[BaseException] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __init__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.place = (host, port)
        self.scripts = scripts
        self.tls = tls
        self.requests = []
        self.connections = 0
        self.failures = []
        self.released = threading.Event()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(self.place)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._peers: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, name="raw-accept", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(60)
        for sock in self._peers:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        assert self.failures == [], self.failures

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            self._peers.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, script), name="raw-serve", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._peers.append(sock)
            with sock:
                script(Peer(sock, self))
        except (EOFError, OSError):
            return  # the client went away, which most scripts provoke
        except BaseException as exc:  # shown by __exit__
            self.failures.append(exc)


def closed_door() -> socket.socket:
    """A port of loopback that refuses, and that no other process is given while this socket is open: bound, not listening."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


def answering(*answers: tuple[int, bytes, dict[str, str]]) -> Script:
    """Answer requests of one connection in turn; the last answer is repeated."""

    def script(peer: Peer) -> None:
        count = 0
        while True:
            method = peer.read_request().method
            status, body, headers = answers[min(count, len(answers) - 1)]
            if method == "HEAD":
                body, headers = b"", {"Content-Length": str(len(body)), **headers}
            peer.answer(status, body, headers)
            count += 1

    return script
