"""How bytes reach the cloud: one pool of connections, strict TLS, deadlines, bounded answers.

What both network edges share and nothing of their business. `Wire` owns the pool; `perform` runs one request (an
`Exchange`) and lets only `errors.VODError`, or what the body itself raised, come out. Base of floor 2: imports floor 0
and its neighbours `_answer`, `_connection`, `_exchange`, `_hosts`, `_http_faults`, `_link`; used by `oss.py` and
`vod_api.py` only. Every function runs in the calling worker's thread.

Why a pool of our own, each point seen with requests 2.34 and urllib3 2.8:
- they prepare, merge, log and wrap what is not used here: a small call costs twice the processor time with them.
- redirects would carry x-oss-security-token to another host; netrc would replace Authorization; both are off.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

from ._answer import MAX_ANSWER_BYTES, Answer
from ._connection import Connection, TlsConnection, head_of, tls_context, usual_tls_context
from ._exchange import BodyError, Exchange, Hold, WatchedBody, current, hold_nothing
from ._hosts import checked_base_url, is_loopback
from ._http_faults import transport_error
from ._link import Link
from .baton import away
from .errors import UnexpectedAnswerError, VODError
from .model import LinkFacts

__all__ = [
    "MAX_ANSWER_BYTES",
    "Answer",
    "Exchange",
    "WatchedBody",
    "Wire",
    "checked_base_url",
    "is_loopback",
    "perform",
]

T = TypeVar("T")

_log = logging.getLogger("vod_widget")

_COMING_S = 1.0
"""How long a request waits for a connection that is being opened ahead, before it opens its own."""


class _Place(NamedTuple):
    """Where connections of one kind lead."""

    scheme: str
    netloc: str


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

    def __init__(self, wire: Wire, context: ssl.SSLContext | None, pool_size: int) -> None:
        self._wire = wire
        self._context = context
        self._pool_size = pool_size
        self._changed = threading.Condition()  # guards all below
        self._idle: dict[_Place, list[Connection]] = {}
        self._coming: Counter[_Place] = Counter()  # connections that are being opened ahead
        self._awaited: Counter[_Place] = Counter()  # those of them that a request waits for
        self._last: _Place | None = None  # where the last request went
        self._closed = False

    def request(self, method: str, url: str, **options: Any) -> _Reply:
        """Send one request as it is given; a 3xx is an answer like any other."""
        exchange = current.get()
        parts = urlsplit(url)
        exchange.host = parts.hostname or ""
        target = parts.path or "/"
        if params := [(name, value) for name, value in (options.get("params") or {}).items() if value is not None]:
            target += "?" + urlencode(params)
        headers = {name: value for name, value in options["headers"].items() if value is not None}
        headers.setdefault("Accept-Encoding", "identity")
        body = options.get("data") or None
        if isinstance(body, str):
            body = body.encode()
        if body is not None or method in {"POST", "PUT"}:
            headers["Content-Length"] = str(len(body) if body is not None else 0)
        head = head_of(method, target, parts.netloc, headers)
        place = _Place(parts.scheme, parts.netloc)
        try:
            connection = self._take(place, options["timeout"][0], exchange.hold)
            try:
                answer = connection.exchange(exchange, method, head, body)
            except BaseException:
                connection.close()
                raise
        finally:
            exchange.hold(None)  # before another request may have this connection
        self._give_back(place, connection)
        if not exchange.handed_over and answer.status < 300:
            raise UnexpectedAnswerError(
                f"the server accepted {exchange.what} before it had all of it", status=answer.status
            )
        exchange.answer = answer
        return _Reply(answer.status, answer.headers, answer.content if exchange.accept(answer.content) else b"")

    def connect_ahead(self, base_url: str | None, most: int, connect_s: float) -> None:
        """Open one connection for a request to come, unless there are `most`; it does not matter when that fails.

        Args:
            base_url: Where to; None for where the last request went.
            most: Connections to that place, idle, busy or being opened.
            connect_s: Longest time for it.
        """
        with self._changed:
            place = _Place(*urlsplit(base_url)[:2]) if base_url is not None else self._last
            if place is None or self._closed:
                return
            if self._wire._count(place) + self._coming[place] >= most:
                return
            self._coming[place] += 1
        connection: Connection | None = None
        try:
            connection = self._open(place, connect_s)
        except Exception as exc:  # the request that needs it will say so
            _log.debug("a connection could not be opened ahead: %s", type(exc).__name__)
        with self._changed:
            self._coming[place] -= 1
            is_kept = connection is None or self._keep(place, connection)
            self._changed.notify_all()
        if connection is not None and not is_kept:
            connection.close()

    def _take(self, place: _Place, connect_s: float, hold: Hold) -> Connection:
        """Return a connection that is open; one that the other end closed meanwhile is not used again.

        `hold` is given what ends it, before it is opened.
        """
        while (connection := self._take_idle(place)) is not None:
            if connection.is_fresh():
                hold(connection.cut)
                return connection
            connection.close()
        return self._open(place, connect_s, hold)

    def _take_idle(self, place: _Place) -> Connection | None:
        """Take an idle connection, or one that is coming and nobody else waits for; None when there is none."""
        with self._changed:
            self._last = place
            if idle := self._idle.get(place):
                return idle.pop()
            if self._coming[place] <= self._awaited[place]:
                return None
            self._awaited[place] += 1
        with away, self._changed:
            try:
                self._changed.wait_for(lambda: self._idle.get(place) or not self._coming[place], _COMING_S)
            finally:
                self._awaited[place] -= 1
            return idle.pop() if (idle := self._idle.get(place)) else None

    def _open(self, place: _Place, connect_s: float, hold: Hold = hold_nothing) -> Connection:
        parts = urlsplit(f"{place.scheme}://{place.netloc}")
        host = parts.hostname or ""
        connection: Connection
        if place.scheme == "https":
            # Not before: reading the authorities takes 50 ms, which a server on this machine does not need.
            context = self._context or usual_tls_context()
            connection = TlsConnection(host, parts.port, timeout=connect_s, ssl_context=context)
        else:
            connection = Connection(host, parts.port, timeout=connect_s)
        connection.place = place
        connection.answered, connection.congestion = self._wire.link.answered, self._wire.congestion
        hold(connection.cut)
        try:
            self._wire._admit(connection)
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, place: _Place, connection: Connection) -> None:
        if connection.sock is None:
            return
        with self._changed:
            is_kept = self._keep(place, connection)
            if self._awaited[place]:
                self._changed.notify_all()
        if not is_kept:
            connection.close()

    def _keep(self, place: _Place, connection: Connection) -> bool:
        idle = self._idle.setdefault(place, [])
        if self._closed or len(idle) >= self._pool_size:
            return False
        idle.append(connection)
        return True

    def close(self) -> None:
        """Close idle connections, and keep none from now on."""
        with self._changed:
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
        self._open: set[Connection] = set()  # guarded by _lock
        self._closed = False  # guarded by _lock
        self.link = Link()
        self.session = _Session(self, tls_context(ca_file) if ca_file else None, pool_size)

    def _admit(self, connection: Connection) -> None:
        """Take a connection before it is opened, so that `close` ends that too."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("closed by close()")
            self._open = {c for c in self._open if not c.is_closed}
            self._open.add(connection)

    def _count(self, place: _Place) -> int:
        with self._lock:
            return sum(c.place == place and c.is_open and not c.is_closed for c in self._open)

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
            connection.cut()
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
    token = current.set(exchange)
    failure: BaseException
    try:
        return send()
    except BodyError:
        failure = exchange.body_failure or RuntimeError("a body failed without saying why")
    except VODError as exc:
        failure = exc.with_traceback(None)  # the frame that read the answer holds it
    except Exception as exc:
        failure = _explained(exc, exchange, explain)
    except BaseException as exc:
        failure = exc.with_traceback(None)
    finally:
        current.reset(token)
    raise failure


def _explained(exc: Exception, exchange: Exchange, explain: Callable[[Exception], VODError]) -> BaseException:
    if isinstance(exc, MemoryError):
        return exc.with_traceback(None)
    if exchange.answer is not None:  # the network did its part
        return explain(exc)
    return transport_error(exc, was_sent=exchange.handed_over, host=exchange.host) or explain(exc)
