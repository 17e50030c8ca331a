"""One connection: how the bytes of a request leave and those of its answer come, under deadlines.

Base of floor 2, beside `_http`: imports floor 0, `_answer`, `_exchange`, `_hosts`, and urllib3 for connecting (names,
timeouts, certificates). One thread at a time uses a connection.

Why urllib3 does not send and read, each point seen with urllib3 2.8:
- it sends under the *connect* timeout, and `sendall`'s timeout is a total: a slow link fails although bytes flow.
  Here the limit is on silence (`idle_s`) and on the whole request (`send_s`), so 16 kbit/s is no fault and a stall is.
- a socket's read timeout starts anew with each byte: a dripping answer never ends. Here the answer has one deadline.
- a 503 that comes while we still send is read at once instead of after the whole part.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

from ._answer import Answer, read_answer
from ._exchange import Exchange
from ._hosts import is_loopback
from .errors import InvalidArgumentError

__all__ = ["Connection", "TlsConnection", "head_of", "tls_context", "usual_tls_context"]

_NOTSENT_BYTES = 256 * 1024
_NOTSENT_S = 0.3
_NOTSENT_LEAST_BYTES, _NOTSENT_MOST_BYTES = 128 * 1024, 4 * 1024 * 1024
"""Bytes the kernel may hold unsent, so that "sent" is nearly true: error 0.3 MB instead of 1.3 MB at 20 Mbit/s (Linux,
measured). As much as the connection sends in 0.3 s: with less, a sender that a busy machine wakes late leaves it dry
(128 KiB: three quarters of a line of 200 Mbit/s)."""

_BLOCK_BYTES = 16 * 1024

_TCP_NOTSENT_LOWAT = 25
"""From linux/tcp.h; Python's socket module has no name for it."""


def head_of(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """Return a request line and its fields.

    Raises:
        InvalidArgumentError: One of them would end its line early, or is not Latin-1.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join(lines)
    if head.count("\n") == head.count("\r") == len(lines) - 1 and "\0" not in head and " " not in target:
        with contextlib.suppress(UnicodeEncodeError):
            return head.encode("latin-1") + b"\r\n\r\n"
    raise InvalidArgumentError("the address or a header of the request is malformed")


class Connection(HTTPConnection):
    """Sends under deadlines, and listens while it sends; see the module's text.

    Attributes:
        congestion: Congestion control to ask the system for (Linux), or None; read when it connects.
        answered: Is told the seconds from the last byte of a request to the first of its answer.
    """

    debuglevel = 0  # http.client would print headers, and so the token, to the screen
    congestion: str | None = None
    answered: Callable[[float], None] = staticmethod(lambda _took_s: None)
    _has_answered = False
    _secure = False
    _is_tuned = False
    _body_bytes = 0

    def connect(self) -> None:
        super().connect()
        self._has_answered = False
        self._is_tuned = _tune(self.sock, self.congestion)

    def exchange(self, exchange: Exchange, method: str, head: bytes, body: Any) -> Answer:
        """Send one request and read its answer.

        Args:
            exchange: The request.
            method: HTTP method.
            head: Request line and fields, of `head_of`.
            body: Bytes, or an iterable of blocks; None for none.
        """
        exchange.begin_sending()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an answer may have come all the same
            exchange.handed_over = self._send_all(exchange, head, body)
        return self._answer(exchange, method)

    def _send_all(self, exchange: Exchange, head: bytes, body: Any) -> bool:
        """Send a request; False when an answer came before it was sent to its end."""
        began_s, self._body_bytes = exchange.clock.monotonic_s(), 0
        self._send(exchange, head)
        for block in (body,) if isinstance(body, bytes) else body or ():
            # TLS 1.3 tickets make a fresh connection readable; once one answer was read they are gone.
            listen = self._has_answered or not self._secure
            if listen and wait_for_read(self.sock, timeout=0.0):
                return False
            self._send(exchange, block)
            self._body_bytes += len(block)
        took_s = exchange.clock.monotonic_s() - began_s
        if self._is_tuned and self._body_bytes > _NOTSENT_BYTES and took_s > 0:
            _hold_unsent(self.sock, int(self._body_bytes / took_s * _NOTSENT_S))
        return True

    def _send(self, exchange: Exchange, data: Any) -> None:
        with memoryview(data) as whole:
            done = 0
            while done < len(whole):
                self.sock.settimeout(exchange.send_timeout_s())
                done += self.sock.send(whole[done:])

    def _answer(self, exchange: Exchange, method: str) -> Answer:
        exchange.begin_waiting()
        sock, began_s = self.sock, exchange.clock.monotonic_s()
        took_s: float | None = None

        def receive() -> bytes:
            nonlocal took_s
            sock.settimeout(exchange.answer_timeout_s())
            block: bytes = sock.recv(_BLOCK_BYTES)
            if took_s is None:
                took_s = exchange.clock.monotonic_s() - began_s
            return block

        answer, stays = read_answer(receive, method, exchange.what)
        self._has_answered = True
        if took_s is not None and exchange.handed_over:
            self.answered(took_s)
        if not (stays and exchange.handed_over):
            self.close()  # the server said so; or the rest of the request was never sent, and nothing may follow it
        return answer


class TlsConnection(Connection, HTTPSConnection):
    _secure = True


def _hold_unsent(sock: socket.socket, size_bytes: int) -> None:
    held = min(max(size_bytes, _NOTSENT_LEAST_BYTES), _NOTSENT_MOST_BYTES)
    with contextlib.suppress(OSError, AttributeError):  # None: the server closed it meanwhile
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, held)


def _tune(sock: socket.socket, congestion: str | None) -> bool:
    """Set what makes progress honest and a lossy line fast; where the system has it not, go without.

    Not on loopback: there the first costs 60 % more CPU for each byte (measured) and the second does nothing.
    """
    if sys.platform != "linux" or is_loopback(str(sock.getpeername()[0])):
        return False
    _hold_unsent(sock, _NOTSENT_BYTES)
    if congestion:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
    return True


@functools.cache
def usual_tls_context() -> ssl.SSLContext:
    """One for all sessions: reading the authorities takes 50 ms."""
    return tls_context(certifi.where())


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    # certifi, not the system's default paths: those obey SSL_CERT_FILE of the environment.
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
