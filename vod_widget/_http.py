"""How bytes reach the cloud: one pool of connections, strict TLS, deadlines, bounded answers.

What both network edges share and nothing of their business. `Wire` owns the pool; `perform` runs one request (an
`Exchange`) and lets only `errors.VODError`, or what the body itself raised, come out. Base of floor 2: imports floor 0,
its neighbours `_answer`, `_http_faults`, `_link`, and urllib3 for connecting; used by `oss.py` and `vod_api.py` only.
Every function runs in the calling worker's thread.

Why connections and a pool of our own, each point seen with requests 2.34 and urllib3 2.8:
- they prepare, merge, log and wrap what is not used here: a small call costs twice the processor time with them.
- urllib3 sends under the *connect* timeout, and `sendall`'s timeout is a total: a slow link fails although bytes flow.
  Here the limit is on silence (`idle_s`) and on the whole request (`send_s`), so 16 kbit/s is no fault and a stall is.
- a socket's read timeout starts anew with each byte: a dripping answer never ends. Here the answer has one deadline.
- a 503 that comes while we still send is read at once instead of after the whole part.
- redirects would carry x-oss-security-token to another host; netrc would replace Authorization; both are off.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

from ._answer import MAX_ANSWER_BYTES, Answer, read_answer
from ._http_faults import transport_error
from ._link import Link
from .errors import (
    EndpointRefusedError,
    InvalidArgumentError,
    SourceChangedError,
    UnexpectedAnswerError,
    VODError,
)
from .interfaces import Body, Clock
from .model import LinkFacts

__all__ = ["MAX_ANSWER_BYTES", "Answer", "Exchange", "Wire", "checked_base_url", "is_loopback", "perform"]

_NOTSENT_BYTES = 256 * 1024
_NOTSENT_S = 0.3
_NOTSENT_LEAST_BYTES, _NOTSENT_MOST_BYTES = 128 * 1024, 4 * 1024 * 1024
"""Bytes the kernel may hold unsent, so that "sent" is nearly true: error 0.3 MB instead of 1.3 MB at 20 Mbit/s (Linux,
measured). As much as the connection sends in 0.3 s: with less, a sender that a busy machine wakes late leaves it dry
(128 KiB: three quarters of a line of 200 Mbit/s)."""

_BLOCK_BYTES = 16 * 1024

_TCP_NOTSENT_LOWAT = 25
"""From linux/tcp.h; Python's socket module has no name for it."""

T = TypeVar("T")


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


# Set for the time of one request in the thread that runs it, so that the session, which oss2 calls far below, finds its
# deadlines. The variable itself never changes; its value belongs to the caller's context.
_current: ContextVar[Exchange] = ContextVar("vod_widget_exchange")


class _BodyError(BaseException):
    """Carries a body's exception past what reads an OSError as the network's."""


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


def _head_of(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
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


class _Careful(HTTPConnection):
    """Sends under deadlines, and listens while it sends; see the module's text."""

    debuglevel = 0  # http.client would print headers, and so the token, to the screen
    wire: Wire | None = None
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

    def exchange(self, method: str, target: str, host: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send one request and read its answer.

        Args:
            method: HTTP method.
            target: Path and query, encoded.
            host: For the Host field.
            headers: The other fields.
            body: Bytes, or an iterable of blocks; None for none.
        """
        exchange = _current.get()
        exchange.begin_sending()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # an answer may have come all the same
            exchange.handed_over = self._send_all(exchange, _head_of(method, target, host, headers), body)
        return self._answer(exchange, method)

    def _send_all(self, exchange: Exchange, head: bytes, body: Any) -> bool:
        """Send a request; False when an answer came before it was sent to its end."""
        began_s, self._body_bytes = exchange.clock.monotonic_s(), 0
        self.send(head)
        for block in (body,) if isinstance(body, bytes) else body or ():
            # TLS 1.3 tickets make a fresh connection readable; once one answer was read they are gone.
            listen = self._answered or not self._secure
            if listen and wait_for_read(self.sock, timeout=0.0):
                return False
            self.send(block)
            self._body_bytes += len(block)
        took_s = exchange.clock.monotonic_s() - began_s
        if self._is_tuned and self._body_bytes > _NOTSENT_BYTES and took_s > 0:
            _hold_unsent(self.sock, int(self._body_bytes / took_s * _NOTSENT_S))
        return True

    def send(self, data: Any) -> None:
        """Send a block under the deadlines."""
        exchange = _current.get()
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
        self._answered = True
        if self.wire is not None and took_s is not None and exchange.handed_over:
            self.wire.link.answered(took_s)
        if not (stays and exchange.handed_over):
            self.close()  # the server said so; or the rest of the request was never sent, and nothing may follow it
        return answer


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


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer in the shape that oss2 reads of requests."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def iter_content(self, _chunk_size: int) -> Iterator[bytes]:
        yield from (self.content,) if self.content else ()


class _Session:
    """The pool of connections, in the shape that oss2 asks of requests: no environment, no cookies, no redirects.

    Not requests and not urllib3's pool, which prepare, merge and wrap what is not used here: with them a small call
    costs twice the processor time (measured).
    """

    def __init__(self, wire: Wire, context: ssl.SSLContext, pool_size: int) -> None:
        self._wire = wire
        self._context = context
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[_Careful]] = {}  # guarded by _lock
        self._closed = False  # guarded by _lock

    def request(self, method: str, url: str, **options: Any) -> _Reply:
        """Send one request as it is given; a 3xx is an answer like any other."""
        exchange = _current.get()
        parts = urlsplit(url)
        exchange.host = parts.hostname or ""
        query = urlencode([(k, v) for k, v in (options.get("params") or {}).items() if v is not None])
        target = (parts.path or "/") + (f"?{query}" if query else "")
        headers = {name: value for name, value in options["headers"].items() if value is not None}
        headers.setdefault("Accept-Encoding", "identity")
        body = options.get("data") or None
        if isinstance(body, str):
            body = body.encode()
        if body is not None or method in {"POST", "PUT"}:
            headers["Content-Length"] = str(len(body) if body is not None else 0)
        key = parts.scheme, parts.netloc
        connection = self._take(key, parts, options["timeout"])
        try:
            answer = connection.exchange(method, target, parts.netloc, headers, body)
        except BaseException:
            connection.close()
            raise
        self._give_back(key, connection)
        if not exchange.handed_over and answer.status < 300:
            raise UnexpectedAnswerError(
                f"the server accepted {exchange.what} before it had all of it", status=answer.status
            )
        exchange.answer = answer
        return _Reply(answer.status, answer.headers, answer.content if exchange.accept(answer.content) else b"")

    def _take(self, key: tuple[str, str], parts: SplitResult, timeout: tuple[float, float]) -> _Careful:
        """Return a connection that is open; one that the other end closed meanwhile is not used again."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                connection = idle.pop() if idle else None
            if connection is None:
                break
            if connection.sock is not None and not wait_for_read(connection.sock, timeout=0.0):
                return connection
            connection.close()
        host, connect_s = parts.hostname or "", timeout[0]
        if parts.scheme == "https":
            connection = _CarefulTls(host, parts.port, timeout=connect_s, ssl_context=self._context)
        else:
            connection = _Careful(host, parts.port, timeout=connect_s)
        connection.wire = self._wire
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, key: tuple[str, str], connection: _Careful) -> None:
        if connection.sock is None:
            return
        with self._lock:
            idle = self._idle.setdefault(key, [])
            fits = len(idle) < self._pool_size and not self._closed
            if fits:
                idle.append(connection)
        if not fits:
            connection.close()

    def close(self) -> None:
        """Close idle connections, and keep none from now on."""
        with self._lock:
            self._closed = True
            idle = [connection for some in self._idle.values() for connection in some]
            self._idle.clear()
        for connection in idle:
            connection.close()


class Wire:
    """One pool of connections, for any number of threads.

    Args:
        pool_size: Idle connections kept for one host; more may be open at a time.
        ca_file: PEM file of trusted authorities instead of certifi's.
        congestion: Congestion control to ask the system for (Linux), or None.

    Attributes:
        session: What to send with.
        congestion: As given.
        link: What its connections tell of the line.
    """

    def __init__(self, *, pool_size: int, ca_file: str | None = None, congestion: str | None = None) -> None:
        self.congestion = congestion
        self._lock = threading.Lock()
        self._open: set[HTTPConnection] = set()  # guarded by _lock
        self._closed = False  # guarded by _lock
        self.link = Link()
        self.session = _Session(self, _tls_context(ca_file) if ca_file else _usual_tls_context(), pool_size)

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

    Frames of urllib3 and the vendor's packages hold headers with tokens, and a verbose traceback prints the
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
