"""What a network failure or a foreign text means, as tables and small functions without I/O.

Base of floor 2, beside `_http`: imports floor 0 and the exception types of urllib3. Runs in any thread.
"""

from __future__ import annotations

import email.utils
import functools
import http.client
import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import urllib3.exceptions as u3

from .errors import (
    ConnectError,
    ConnectionLostError,
    InvalidArgumentError,
    RequestTimeoutError,
    TlsError,
    TransportError,
    UnexpectedAnswerError,
    VODError,
)
from .secret import RedactingFilter, redact

__all__ = ["clean", "date_s", "guard_logs", "parse_xml", "retry_after_s", "transport_error"]

_MAX_TEXT = 300


def clean(text: object) -> str:
    """Make a foreign text fit to show: no secret, no control characters, at most 300 characters."""
    # Cut generously first, redact the whole, then cut: a secret must not survive as a torn half.
    flat = "".join(c if c.isprintable() else " " for c in redact(str(text or "")[:8192]))
    flat = " ".join(flat.split())
    return flat if len(flat) <= _MAX_TEXT else flat[: _MAX_TEXT - 1] + "…"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that it wraps; urllib3 and oss2 wrap in different ways."""
    queue: list[Any] = [exc]
    seen: set[int] = set()
    while queue:
        item = queue.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen or len(seen) > 30:
            continue
        seen.add(id(item))
        yield item
        queue += [getattr(item, "reason", None), *item.args, item.__cause__, item.__context__]


def transport_error(exc: BaseException, *, was_sent: bool, host: str) -> VODError | None:
    """Map a failure of the network; None when it is something else.

    Args:
        exc: What urllib3, http.client, ssl or socket raised.
        was_sent: True when the whole request had left.
        host: For the message.
    """
    chain = tuple(_chain(exc))

    def has(*types: type[BaseException]) -> bool:
        return any(isinstance(e, types) for e in chain)

    there = host or "the server"
    if has(socket.gaierror, u3.NameResolutionError):
        return ConnectError(f"{there} has no address (DNS)", was_sent=False, code="Network.Dns")
    if has(ssl.SSLCertVerificationError, ssl.CertificateError):
        reason = next((e.verify_message for e in chain if isinstance(e, ssl.SSLCertVerificationError)), "")
        return TlsError(f"the certificate of {there} is not good: {clean(reason)}", was_sent=False)
    if has(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return _lost(there, was_sent)
    if has(ConnectionRefusedError):
        return ConnectError(f"{there} refuses connections", was_sent=False, code="Network.Refused")
    if has(u3.NewConnectionError):  # a subclass of ConnectTimeoutError since urllib3 2
        return ConnectError(f"{there} cannot be reached", was_sent=False)
    if has(u3.ConnectTimeoutError):
        return RequestTimeoutError(f"no connection to {there} in time", was_sent=False)
    if has(TimeoutError, u3.ReadTimeoutError, u3.TimeoutError):
        return RequestTimeoutError(f"no answer from {there} in time", was_sent=was_sent)
    if has(ssl.SSLError, u3.SSLError):
        if was_sent:
            return _lost(there, was_sent)
        return TlsError(f"{there} does not speak TLS as it must", was_sent=False)
    if has(http.client.RemoteDisconnected, http.client.IncompleteRead, u3.IncompleteRead):
        return _lost(there, was_sent)
    if has(http.client.HTTPException, u3.InvalidChunkLength, u3.InvalidHeader):
        return UnexpectedAnswerError(f"{there} does not answer in HTTP")
    if has(u3.LocationValueError):
        return InvalidArgumentError("the address or a header of the request is malformed")
    if has(OSError, u3.HTTPError):
        return _lost(there, was_sent)
    return None


def _lost(there: str, was_sent: bool) -> TransportError:
    return ConnectionLostError(f"the connection to {there} broke", was_sent=was_sent)


@functools.lru_cache(maxsize=16)  # the answers of one second have the same
def date_s(text: str | None) -> float | None:
    """Read an HTTP date; None when it is absent or not one."""
    if not text:
        return None
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Read Retry-After, seconds or a date; None when it is absent or unreadable, never negative."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = date_s(text)
    return None if until is None else max(0.0, until - now_s)


def parse_xml(body: bytes, root: str = "") -> Element | None:
    """Parse an answer of the storage; None when it is not XML with that root element.

    A document type is refused before anything in it is read: it is the door of entity bombs, and no answer of the
    service has one.

    Args:
        body: At most the bounded answer.
        root: Name of the root element; "" for any.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_args: object) -> None:
        raise ValueError("a document type")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
        element = builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError):
        return None
    return element if not root or element.tag == root else None


def guard_logs(prefixes: Iterable[str]) -> None:
    """Put the redacting filter on every existing logger of these packages; may be called again.

    A filter of a parent logger does not see its children's records, so each logger gets its own. Whoever calls this
    has imported what it uses, so the loggers exist.
    """
    roots = tuple(prefixes)
    for name in tuple(logging.root.manager.loggerDict):
        if name.split(".")[0] in roots:
            logger = logging.getLogger(name)
            if not any(isinstance(f, RedactingFilter) for f in logger.filters):
                logger.addFilter(RedactingFilter())
