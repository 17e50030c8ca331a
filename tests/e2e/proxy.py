"""A plain TCP proxy that can break every connection when so many bytes have gone up: a network that drops a socket."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Listens on loopback and passes bytes both ways.

    Args:
        port: Where the server listens.

    Attributes:
        url: Where the proxy listens.
        up_bytes: Bytes that went to the server so far.
        cuts: How often all connections were broken.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.up_bytes = 0
        self.cuts = 0
        self._cut_at: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="test-proxy", daemon=True).start()

    def cut_after(self, more_bytes: int) -> None:
        """Break every connection once, when so many bytes more have gone to the server."""
        with self._lock:
            self._cut_at = self.up_bytes + more_bytes

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            try:
                theirs = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            except OSError:
                ours.close()
                continue
            theirs.settimeout(None)
            with self._lock:
                self._open |= {ours, theirs}
            for source, sink, is_up in ((ours, theirs, True), (theirs, ours, False)):
                threading.Thread(target=self._pass, args=(source, sink, is_up), name="test-proxy", daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_up and self._counts(len(data)):
                    break
                sink.sendall(data)
        self._end(source, sink)

    def _counts(self, length: int) -> bool:
        """Count bytes; True when this is where everything breaks."""
        with self._lock:
            self.up_bytes += length
            if self._cut_at is None or self.up_bytes < self._cut_at:
                return False
            self._cut_at = None
            self.cuts += 1
            broken = list(self._open)
        self._end(*broken)
        return True

    def _end(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Stop listening and break what is open."""
        self._listener.close()
        with self._lock:
            broken = list(self._open)
        self._end(*broken)
