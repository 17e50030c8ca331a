"""How bytes reach the cloud: one pool of connections, strict TLS, deadlines, bounded answers.

What both network edges share and nothing of their business. `Wire` owns the pool; `perform` runs one request (an
`Exchange`) and lets only `errors.VODError`, or what the body itself raised, come out. Base of floor 2: imports floor 0,
`_http_faults` and requests/urllib3; used by `oss.py` and `vod_api.py` only. Every function runs in the calling
worker's thread.

Why a connection class of our own, each point seen with requests 2.34 and urllib3 2.8:
- urllib3 sends under the *connect* timeout, and `sendall`'s timeout is a total: a slow link fails although bytes flow.
  Here the limit is on silence (`idle_s`) and on the whole request (`send_s`), so 16 kbit/s is no fault and a stall is.
- a socket's read timeout starts anew with each byte: a dripping answer never ends. Here the answer has one deadline.
- a 503 that comes while we still send is read at once instead of after the whole part.
- redirects would carry x-oss-security-token to another host; netrc would replace Authorization; both are off.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from ._http_faults import transport_error
from ._link import Link
from .errors import (
    EndpointRefusedError,
    SourceChangedError,
    UnexpectedAnswerError,
    VODError,
)
from .interfaces import Body, Clock
from .model import LinkFacts

__all__ = ["MAX_ANSWER_BYTES", "Answer", "Exchange", "Wire", "checked_base_url", "is_loopback", "perform"]

MAX_ANSWER_BYTES = 1 << 20
"""The largest honest answer is ListParts: 1,000 parts of about 250 bytes."""

_NOTSENT_BYTES = 256 * 1024
_NOTSENT_S = 0.3
_NOTSENT_LEAST_BYTES, _NOTSENT_MOST_BYTES = 128 * 1024, 4 * 1024 * 1024
"""Bytes the kernel may hold unsent, so that "sent" is nearly true: error 0.3 MB instead of 1.3 MB at 20 Mbit/s (Linux,
measured). As much as the connection sends in 0.3 s: with less, a sender that a busy machine wakes late leaves it dry
(128 KiB: three quarters of a line of 200 Mbit/s)."""

_TCP_NOTSENT_LOWAT = 25
"""From linux/tcp.h; Python's socket module has no name for it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, read within its bounds.

    Attributes:
        status: HTTP status.
        headers: Header fields; names in any case.
        content: The body as it came, at most `MAX_ANSWER_BYTES`.
        method: HTTP method of the request.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    method: str = "POST"


def _any_content(_content: bytes) -> bool:
    return True


@dataclass(slots=True, eq=False)
class Exchange:
    """One request under way.

    Attributes:
        clock: For the deadlines.
        what: The request in words, for messages ("UploadPart").
        idle_s: Longest silence while sending, seconds.
        send_s: Longest time for sending the whole request, seconds.
        answer_s: Longest time from the last byte sent to the last byte of the answer, seconds.
        handed_over: True once the whole request was given to the system, so that it may have had its effect.
        cut_short: True when the answer came before the request was sent; the connection is not used again.
        body_failure: What the body raised.
        host: Host that was asked, for messages.
        answer: The whole answer, whatever its status, once it was read.
        accept: Tells whether a vendor's package may parse this content; else it is handed an empty one.
    """

    clock: Clock
    what: str
    idle_s: float = 60.0
    send_s: float = 60.0
    answer_s: float = 60.0
    handed_over: bool = False
    cut_short: bool = False
    body_failure: BaseException | None = field(default=None, repr=False)
    host: str = ""
    answer: Answer | None = field(default=None, repr=False)
    accept: Callable[[bytes], bool] = field(default=_any_content, repr=False)
    _send_until: float = field(default=0.0, repr=False)
    _answer_until: float = field(default=0.0, repr=False)

    def begin_sending(self) -> None:
        """Start the deadline of the request; connecting does not count."""
        self._send_until = self.clock.monotonic_s() + self.send_s

    def begin_waiting(self) -> None:
        """Start the deadline of the answer."""
        self._answer_until = self.clock.monotonic_s() + self.answer_s

    def send_timeout_s(self) -> float:
        """Seconds that the next send may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._left(self._send_until, self.idle_s)

    def answer_timeout_s(self) -> float:
        """Seconds that the next receive may take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        return self._left(self._answer_until, self.answer_s)

    def _left(self, until: float, most: float) -> float:
        left = until - self.clock.monotonic_s()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, most)


# Set for the time of one request in the thread that runs it, so that the connection, which requests and urllib3 create
# far below, finds its deadlines. The variable itself never changes; its value belongs to the caller's context.
_current: ContextVar[Exchange] = ContextVar("vod_widget_exchange")


class _BodyError(BaseException):
    """Carries a body's exception past urllib3, which would swallow or wrap an OSError."""


class WatchedBody:
    """A body whose failures and whose length are seen.

    Args:
        body: What to send; it is neither copied nor read ahead.
        exchange: The request it belongs to.
    """

    def __init__(self, body: Body, exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        left = len(self._body)
        blocks: Iterator[bytes | memoryview] | None = None
        while True:
            try:
                if blocks is None:
                    blocks = iter(self._body)
                block = next(blocks)
            except StopIteration:
                break
            except BaseException as exc:
                self._exchange.body_failure = exc
                raise _BodyError from None
            left -= len(block)
            if left < 0:
                break
            yield block
        if left:
            # Fewer bytes would make the server wait for the rest, more would be read as the next request.
            self._exchange.body_failure = SourceChangedError(
                f"the source gave {len(self._body) - left} bytes instead of {len(self._body)}"
            )
            raise _BodyError


class _DeadlineIO(io.RawIOBase):
    """Reads a socket under the answer's deadline."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        # SocketIO keeps the descriptor open for as long as the answer is read, as http.client expects.
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.answer_timeout_s())
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _DeadlineSocket:
    """What http.client asks of a socket: a file to read."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._raw = _DeadlineIO(sock, exchange)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._raw)


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_DeadlineSocket(sock, _current.get()), *args, **kwargs)  # type: ignore[arg-type]  # needs makefile only


class _Careful(HTTPConnection):
    """Sends under deadlines, and listens while it sends; see the module's text."""

    debuglevel = 0  # http.client would print headers, and so the token, to the screen
    response_class = _Answer
    wire: Wire | None = None
    _in_body = False
    _answered = False
    _secure = False
    _is_tuned = False
    _body_bytes = 0

    def connect(self) -> None:
        super().connect()
        self._answered = False
        self._is_tuned = _tune(self.sock, self.wire.congestion if self.wire is not None else None)
        if self.wire is not None:
            self.wire._connected(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = _current.get()
        self._in_body = False
        exchange.begin_sending()
        began_s, self._body_bytes = exchange.clock.monotonic_s(), 0
        super().request(*args, **kwargs)
        exchange.handed_over = True
        took_s = exchange.clock.monotonic_s() - began_s
        if self._is_tuned and self._body_bytes > _NOTSENT_BYTES and took_s > 0:
            _hold_unsent(self.sock, int(self._body_bytes / took_s * _NOTSENT_S))

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)
        self._in_body = True

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        exchange = _current.get()
        # TLS 1.3 tickets make a fresh connection readable; once one answer was read they are gone.
        listen = self._in_body and (self._answered or not self._secure)
        if listen and wait_for_read(self.sock, timeout=0.0):
            exchange.cut_short = True
            raise BrokenPipeError  # urllib3 takes this as "stop sending, read the answer"
        with memoryview(data) as whole:
            done = 0
            while done < len(whole):
                self.sock.settimeout(exchange.send_timeout_s())
                done += self.sock.send(whole[done:])
            self._body_bytes += done

    def getresponse(self) -> Any:
        exchange = _current.get()
        exchange.begin_waiting()
        began_s = exchange.clock.monotonic_s()
        response = super().getresponse()
        self._answered = True
        if self.wire is not None and not exchange.cut_short:
            self.wire.link.answered(exchange.clock.monotonic_s() - began_s)
        if exchange.cut_short:
            # The rest of the request was never sent, so nothing may follow on this socket. Not self.close(), which
            # closes the answer too; the answer's file keeps the descriptor open until it is read.
            sock, self.sock = self.sock, None
            if sock is not None:  # http.client closed it already when the server said so
                sock.close()
        return response


class _CarefulTls(_Careful, HTTPSConnection):
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
def _usual_tls_context() -> ssl.SSLContext:
    """One for all sessions: reading the authorities takes 50 ms."""
    return _tls_context(certifi.where())


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    # certifi, not the system's default paths: those obey SSL_CERT_FILE of the environment.
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Session(requests.Session):
    """requests without environment, cookies, hooks and redirects, and so at two thirds of the CPU for each call.

    What those merge and follow is not switched off but never reached: `request` goes straight to the adapter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]  # the part that oss2 and vod_api use
        """Send one request as it is given; a 3xx is an answer like any other."""
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=method,
            url=url,
            headers={k: v for k, v in options["headers"].items() if v is not None},
            data=options.get("data") or {},
            params=options.get("params") or {},
        )
        return self.get_adapter(url).send(prepared, stream=True, timeout=options["timeout"])


class _Adapter(HTTPAdapter):
    def __init__(self, wire: Wire, context: ssl.SSLContext, pool_size: int) -> None:
        connection = type("_Connection", (_Careful,), {"wire": wire})
        secure = type("_TlsConnection", (_CarefulTls,), {"wire": wire})
        self._context = context
        self._pools = {
            "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": connection}),
            "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        super().__init__(pool_connections=16, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def build_connection_pool_key_attributes(self, request: Any, _verify: Any, cert: Any = None) -> Any:
        # The context alone decides about certificates; requests would load a bundle for each connection.
        host, _ = super().build_connection_pool_key_attributes(request, True, cert)
        return host, {}

    def close(self) -> None:
        """Close idle connections now: urllib3 2 leaves them to the collection of their pool, which may come late."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - this container cannot be iterated
            pool = pools.get(key)
            if pool is not None:
                pool.close()
        super().close()

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context, which always verifies, is set for the whole pool."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request and read its whole answer, at most `MAX_ANSWER_BYTES`."""
        exchange = _current.get()
        exchange.host = urlsplit(request.url).hostname or ""
        # No proxy, whatever the caller of requests passes.
        kwargs["proxies"] = {}
        response = super().send(request, *args, **kwargs)
        raw: urllib3.HTTPResponse = response.raw
        content = bytearray()
        # Not decoded: we never ask for gzip, and a small gzip can hold a large bomb.
        while chunk := raw.read(65536, decode_content=False):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raw.close()
                raise UnexpectedAnswerError(
                    f"the answer to {exchange.what} is larger than {MAX_ANSWER_BYTES} bytes",
                    status=response.status_code,
                )
        if exchange.cut_short and response.status_code < 300:
            raise UnexpectedAnswerError(
                f"the server accepted {exchange.what} before it had all of it",
                status=response.status_code,
            )
        exchange.answer = Answer(response.status_code, response.headers, bytes(content), request.method or "")
        response._content = bytes(content) if exchange.accept(bytes(content)) else b""
        response._content_consumed = True  # type: ignore[attr-defined]  # what requests sets itself after reading
        return response


class Wire:
    """One pool of connections, for any number of threads.

    Args:
        pool_size: Idle connections kept for one host; more may be open at a time.
        ca_file: PEM file of trusted authorities instead of certifi's.
        congestion: Congestion control to ask the system for (Linux), or None.

    Attributes:
        session: The requests session to send with.
        congestion: As given.
        link: What its connections tell of the line.
    """

    def __init__(self, *, pool_size: int, ca_file: str | None = None, congestion: str | None = None) -> None:
        self.congestion = congestion
        self._lock = threading.Lock()
        self._open: set[HTTPConnection] = set()  # guarded by _lock
        self._closed = False  # guarded by _lock
        self.link = Link()
        self.session = _Session()
        adapter = _Adapter(self, _tls_context(ca_file) if ca_file else _usual_tls_context(), pool_size)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def _connected(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._open = {c for c in self._open if c.sock is not None}
            self._open.add(connection)
            closed = self._closed
        if closed:
            connection.close()
            raise ConnectionAbortedError("closed by close()")

    def facts(self) -> LinkFacts:
        """Return what the connections tell of the line."""
        with self._lock:
            sockets = [sock for connection in self._open if (sock := connection.sock) is not None]
        return self.link.facts(sockets)

    def close(self) -> None:
        """Close every connection; requests under way fail, and so do later ones."""
        with self._lock:
            self._closed = True
            connections = tuple(self._open)
            self._open.clear()
        for connection in connections:
            sock = connection.sock
            if sock is not None:
                # The plain socket's shutdown: it wakes the thread that uses it. SSLSocket's own would drop the
                # encryption first, for a moment in which that thread could send in clear.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self.session.close()


def perform(exchange: Exchange, send: Callable[[], T], explain: Callable[[Exception], VODError]) -> T:
    """Run one request and let no foreign exception, and no foreign frame, come out.

    Frames of requests, urllib3 and the vendor's packages hold headers with tokens, and a verbose traceback prints the
    variables of every frame. So errors are raised outside the handler, without context; what a body raised was caught
    before it passed any of those frames.

    Args:
        exchange: The request.
        send: Does it, by way of a `Wire`'s session.
        explain: Maps exceptions that are not of the transport.

    Raises:
        VODError: What went wrong.
        BaseException: What the body raised, unchanged.
    """
    token = _current.set(exchange)
    failure: BaseException
    try:
        return send()
    except _BodyError:
        failure = exchange.body_failure or RuntimeError("a body failed without saying why")
    except VODError as exc:
        failure = exc.with_traceback(None)  # the frame that read the answer holds it
    except Exception as exc:
        failure = _explained(exc, exchange, explain)
    except BaseException as exc:
        failure = exc.with_traceback(None)
    finally:
        _current.reset(token)
    raise failure


def _explained(exc: Exception, exchange: Exchange, explain: Callable[[Exception], VODError]) -> BaseException:
    if isinstance(exc, MemoryError):
        return exc.with_traceback(None)
    if exchange.answer is not None:  # the network did its part
        return explain(exc)
    return transport_error(exc, was_sent=exchange.handed_over, host=exchange.host) or explain(exc)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address is this machine, without asking DNS."""
    if not host:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_base_url(url: str, what: str) -> tuple[str, str]:
    """Check a base URL: https, or http to this machine; a host and a port and nothing else.

    Args:
        url: Scheme and host, perhaps a port.
        what: What it is, for the message.

    Returns:
        The URL without a trailing slash, and its host in lower case.

    Raises:
        EndpointRefusedError: Anything else, e.g. user info, a path, plain http to another machine.
    """
    bare = url.strip().removesuffix("/") if isinstance(url, str) else ""
    try:
        parts = urlsplit(bare)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    plain = parts.netloc in {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}
    good = host and host.isascii() and plain and not parts.path and not parts.query
    if not good or parts.fragment or "\\" in bare:
        raise EndpointRefusedError(f"{what} is not a plain https://host address")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise EndpointRefusedError(f"{what} must use https; plain http is for this machine only")
    return bare, host
