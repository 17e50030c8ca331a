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
import errno
import functools
import os
import select
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError

from ._answer import Answer, read_answer
from ._exchange import Exchange
from ._hosts import is_loopback
from .baton import away
from .errors import InvalidArgumentError

__all__ = ["Connection", "TlsConnection", "head_of", "tls_context", "usual_tls_context"]

_NOTSENT_BYTES = 64 * 1024
_NOTSENT_S = 0.2
_NOTSENT_LEAST_BYTES, _NOTSENT_MOST_BYTES = 32 * 1024, 4 * 1024 * 1024
"""Bytes the kernel may hold unsent, so that "sent" is nearly true: error 0.5 MB instead of 2.5 MB at 20 Mbit/s over 16
connections (Linux, measured; half of what is left is on the line). As much as the connection sends in 0.2 s: with less,
a sender that a busy machine wakes late leaves it dry (128 KiB each on 8: three quarters of a line of 200 Mbit/s)."""

_BLOCK_BYTES = 16 * 1024
_LOOK_AGAIN_S = 0.2
"""How soon a connection that nobody answers is given up when nobody wants it any more."""

_TCP_NOTSENT_LOWAT, _SO_MAX_PACING_RATE = 25, 47
"""From linux/tcp.h and asm-generic/socket.h; Python's socket module has no names for them."""
_PACE_MOST_BYTES_PER_S = 2**32 - 2
"""More than any line takes: it is not the rate that is wanted but that the system paces at all. Without, the bursts of
many young connections look to cubic like a full line, and it ends their slow start at half of one: 200 MiB reached 0.81
of a clean line of 200 Mbit/s and 100 ms, and 0.88 with it (measured)."""


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
        place: Where it leads, in the words of the pool.
        is_open: Whether it was opened; stays when it is closed.
        is_closed: Whether it was closed.
        answered: Is told the seconds from the last byte of a request to the first of its answer.
    """

    debuglevel = 0  # http.client would print headers, and so the token, to the screen
    congestion: str | None = None
    place: tuple[str, str] | None = None
    answered: Callable[[float], None] = staticmethod(lambda _took_s: None)
    is_open = is_closed = False
    _is_cut = False
    _opening: socket.socket | None = None  # a second handle while TLS begins, which takes the first one over
    _is_tuned = False
    _ear: Any = None  # tells whether something came; made once, since it is asked before each block
    _heard: bytes | None = None  # the beginning of an answer that came while the request was sent

    def connect(self) -> None:
        """Open it, unless `cut` comes first; only the look-up of the name cannot be cut."""
        try:
            with away:
                super().connect()
        except Exception:
            if not self._is_cut:
                raise
        finally:
            if self._opening is not None:
                self._opening.close()
                self._opening = None
        self._check()  # in these words, whatever TLS says of a connection that ends
        self.sock.settimeout(0)  # for good: each change of it is a call of the system, where another thread takes over
        self.is_open = True
        self._is_tuned = _tune(self.sock, self.congestion)

    def close(self) -> None:
        self.is_closed = True
        super().close()

    def _new_conn(self) -> socket.socket:
        """Connect as urllib3 does, with its errors, but look meanwhile whether it was cut."""
        try:
            sock = self._reach()
        except socket.gaierror as exc:
            raise NameResolutionError(self.host, self, exc) from exc
        except UnicodeError as exc:
            raise LocationParseError(self.host) from exc
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from exc
        except OSError as exc:
            raise NewConnectionError(self, f"no connection to {self.host}: {exc}") from exc
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def _reach(self) -> socket.socket:
        """Try each address of the host in turn; each has the whole time."""
        failure = OSError("no address")
        for family, kind, protocol, _, there in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
            self._check()
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as exc:  # this machine does not know such addresses
                failure = exc
                continue
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                self._open_to(sock, there)
                return sock
            except OSError as exc:
                failure = exc
                sock.close()
            except BaseException:
                sock.close()
                raise
        raise failure

    def _open_to(self, sock: socket.socket, there: Any) -> None:
        left_s = float(self.timeout or 0.0)
        sock.settimeout(left_s)
        if not hasattr(select, "poll"):  # Windows: its select tells only where nobody listens that nobody does
            sock.connect(there)
            return
        sock.settimeout(0)
        error = sock.connect_ex(there)
        if error == errno.EINPROGRESS:
            while not _wait(sock, min(left_s, _LOOK_AGAIN_S), to_write=True):
                self._check()
                left_s -= _LOOK_AGAIN_S
                if left_s <= 0:
                    raise TimeoutError("no connection in time")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        sock.settimeout(self.timeout)

    def _check(self) -> None:
        if self._is_cut:
            raise ConnectionAbortedError("cut while it was opened")

    def is_fresh(self) -> bool:
        """Tell whether a request may be sent: the other end has neither closed nor said anything unasked."""
        if self.sock is None or not self._is_readable():
            return self.sock is not None
        try:
            return not self._hears()
        except OSError:  # it is broken
            return False

    def _is_readable(self) -> bool:
        if self.sock is None:
            return False
        if not hasattr(select, "poll"):  # Windows
            return _wait(self.sock, 0.0, to_read=True)
        if self._ear is None:
            self._ear = select.poll()
            self._ear.register(self.sock, select.POLLIN)
        return bool(self._ear.poll(0))

    def cut(self) -> None:
        """End what is under way, from any thread; also while it is opened, within a moment."""
        self._is_cut = True
        for sock in (self._opening, self.sock):
            if sock is None:
                continue
            # The plain socket's shutdown: it wakes the thread that uses it. SSLSocket's own would drop the encryption
            # first, for a moment in which that thread could send in clear.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def exchange(self, exchange: Exchange, method: str, head: bytes, body: Any) -> Answer:
        """Send one request and read its answer.

        Args:
            exchange: The request.
            method: HTTP method.
            head: Request line and fields, of `head_of`.
            body: Bytes, or an iterable of blocks; None for none.
        """
        exchange.begin_sending()
        self._heard = None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an answer may have come all the same
            exchange.handed_over = self._send_all(exchange, head, body)
        return self._answer(exchange, method)

    def _send_all(self, exchange: Exchange, head: bytes, body: Any) -> bool:
        """Send a request; False when an answer came before it was sent to its end."""
        began_s, body_bytes = exchange.clock.monotonic_s(), 0
        if isinstance(body, bytes):
            return self._send(exchange, head + body)  # one packet for a call of the control plane
        if not self._send(exchange, head):
            return False
        for block in body or ():
            # Before the first block there is no time for an answer.
            if (body_bytes and self._is_readable() and self._hears()) or not self._send(exchange, block):
                return False
            body_bytes += len(block)
        took_s = exchange.clock.monotonic_s() - began_s
        if self._is_tuned and body_bytes > _NOTSENT_BYTES and took_s > 0:
            _hold_unsent(self.sock, int(body_bytes / took_s * _NOTSENT_S))
        return True

    def _send(self, exchange: Exchange, block: bytes | memoryview) -> bool:
        """Send a block; False when the other end answers instead of taking it.

        The socket is asked first and waited for only when it takes no more: over TLS it takes one record of 16 KiB at a
        time, and a look at the clock and at the socket before each of them costs half as much as the record (measured).
        """
        exchange.send_timeout_s()  # raises when the time is over, also where each block is taken at once
        with memoryview(block) as whole:
            send, size, done = self.sock.send, len(whole), 0
            while done < size:
                try:
                    done += send(whole[done:])
                except (BlockingIOError, ssl.SSLWantWriteError):
                    if self._wait_to_send(exchange.send_timeout_s()):
                        return False
                except ssl.SSLWantReadError:  # TLS has to hear something first
                    _wait_or_raise(self.sock, exchange.send_timeout_s(), to_read=True)
        return True

    def _wait_to_send(self, timeout_s: float) -> bool:
        """Wait until the socket takes more; True when an answer came instead."""
        _wait_or_raise(self.sock, timeout_s, to_read=True, to_write=True)
        return self._is_readable() and self._hears()

    def _hears(self) -> bool:
        """Take in what came; True when it is an answer, or the end of the connection.

        Over TLS it may be for TLS alone, a ticket or a new key, and is done with by having been read.
        """
        try:
            self._heard = self.sock.recv(_BLOCK_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def _answer(self, exchange: Exchange, method: str) -> Answer:
        exchange.begin_waiting()
        began_s = exchange.clock.monotonic_s()
        took_s: float | None = None

        def receive() -> bytes:
            nonlocal took_s
            while (block := self._heard) is None:
                # TLS holds nothing back for which this would wait in vain: a record is no longer than what is read.
                _wait_or_raise(self.sock, exchange.answer_timeout_s(), to_read=True)
                self._hears()
            self._heard = None
            if took_s is None:
                took_s = exchange.clock.monotonic_s() - began_s
            return block

        answer, stays = read_answer(receive, method, exchange.what)
        if took_s is not None and exchange.handed_over:
            self.answered(took_s)
        if not (stays and exchange.handed_over):
            self.close()  # the server said so; or the rest of the request was never sent, and nothing may follow it
        return answer


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._opening = sock.dup()
        if self._is_cut:  # before there was anything to end
            sock.close()
        self._check()
        return sock


def _wait(sock: socket.socket, timeout_s: float, *, to_read: bool = False, to_write: bool = False) -> bool:
    """Wait until one of both is possible, or the connection has failed; False when the time is over."""
    if not hasattr(select, "poll"):  # Windows
        return any(select.select([sock] if to_read else [], [sock] if to_write else [], [], timeout_s))
    poller = select.poll()
    poller.register(sock, (select.POLLIN if to_read else 0) | (select.POLLOUT if to_write else 0))
    return bool(poller.poll(1000 * timeout_s))


def _wait_or_raise(sock: socket.socket, timeout_s: float, *, to_read: bool = False, to_write: bool = False) -> None:
    with away:
        is_ready = _wait(sock, timeout_s, to_read=to_read, to_write=to_write)
    if not is_ready:
        raise TimeoutError("the other end neither takes nor says any more")


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
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, struct.pack("=I", _PACE_MOST_BYTES_PER_S))
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
