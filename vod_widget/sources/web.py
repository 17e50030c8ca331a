"""A file behind an https address, read in ranges by this machine and never stored on it.

An address is somebody else's word: it may lead into this machine's own network, so the host is resolved once, every
address that it has must be public, and the connection goes to the one that was checked (no rebinding); each redirect is
judged like the first address. What is read is one version: a server that cannot say so by length and range is refused,
and one whose file changed is noticed by its ETag. Proxies of the environment are not used. Any thread may read.
Floor 2: imports floors 0-1 and the standard library.

Source: RFC 9110 13.1 (If-Match), 14 (ranges), read 2026-11.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from vod_widget.errors import (
    InvalidArgumentError,
    RestrictionError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
)
from vod_widget.metadata import clean_name
from vod_widget.model import SourceKind

__all__ = ["WebSource"]

CONNECT_S = 10.0
SILENCE_S = 30.0
"""So long a server may say nothing."""
SLOWEST_BYTES_PER_S = 16 * 1024
"""A block that comes slower than this, after a grace of `SILENCE_S`, is given up: a drip holds a thread."""
MOST_REDIRECTS = 3
MOST_TRIES = 3
MOST_ADDRESS_CHARACTERS = 2048
_REDIRECTS = (301, 302, 303, 307, 308)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_T = TypeVar("_T")


@cache
def _context() -> ssl.SSLContext:
    # To read the authorities takes a tenth of a second.
    return ssl.create_default_context()


class _Connection(http.client.HTTPConnection):
    """Goes to an address that was checked, whatever the name may resolve to by now."""

    def __init__(self, host: str, port: int, address: str, *, encrypted: bool) -> None:
        super().__init__(host, port, timeout=CONNECT_S)
        self._address = address
        self._encrypted = encrypted

    def connect(self) -> None:
        sock = socket.create_connection((self._address, self.port), CONNECT_S)
        sock.settimeout(SILENCE_S)
        try:
            self.sock = _context().wrap_socket(sock, server_hostname=self.host) if self._encrypted else sock
        except BaseException:
            sock.close()
            raise


class WebSource:
    """The file behind an address.

    Args:
        url: An https address without user and password; what follows `?` is used and never shown or kept.
        name: File name with its extension; None takes the address's own.
        loopback_allowed: True lets plain http and https to this machine pass, for tests and the emulator.
        now_s: Monotonic seconds.

    Raises:
        InvalidArgumentError: No https address (code `Source.Scheme`).
        RestrictionError: It leads into a private network (`Source.Private`), or the server does not say how long the
            file is, or sends no ranges (`Source.NoRange`), or the file is empty (`EmptyFile`).
        SourceError: It cannot be had.
    """

    kind: SourceKind = SourceKind.ADDRESS
    block_bytes: int = 4 * 1024 * 1024
    cheap_reads: bool = False

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        loopback_allowed: bool = False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loopback_allowed = loopback_allowed
        self._now_s = now_s
        parts = self._checked(url)
        self._shown = f"{parts.hostname}{parts.path}"
        self.name = clean_name(name or unquote(parts.path.rsplit("/", 1)[-1]) or "file")
        # What follows `?` may be a signature, and journals hold no secret; without it another process can go on.
        known = hashlib.sha256(parts.geturl().encode()).hexdigest()[:32] if parts.query else parts.geturl()
        self.source_id = f"address:{known}"
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []  # guarded by _lock
        self._closed = False  # guarded by _lock
        self._etag: str | None = None
        self._parts = parts
        self.size_bytes, self._fingerprint = self._look()

    def __repr__(self) -> str:
        return f"WebSource({self._shown!r}, {self.size_bytes} bytes)"

    @property
    def path(self) -> str:
        """The address without what follows `?`, for people."""
        return f"{self._parts.scheme}://{self._shown}"

    def fingerprint(self) -> str:
        """Return the version that was found: ETag and length; a random text without a strong ETag."""
        return self._fingerprint

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes `start`..`end`.

        Args:
            start: First byte, >= 0.
            end: Byte after the last, at most `size_bytes`.

        Raises:
            SourceChangedError: The file behind the address is another one now.
            SourceError: It cannot be had.
        """
        if not 0 <= start <= end <= self.size_bytes:
            raise InvalidArgumentError(f"bytes {start}..{end} are not inside the {self.size_bytes} bytes")
        if start == end:
            return b""
        whole, data = self._tried(lambda: self._range(start, end - 1))
        if whole != self.size_bytes:
            raise SourceChangedError(f"{self._shown} has {whole} bytes now; it had {self.size_bytes}")
        return data

    def close(self) -> None:
        """Close the connections; it can be read again afterwards only by a new source."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # ---- the address -------------------------------------------------------------------------------

    def _checked(self, url: str) -> SplitResult:
        """Take an address apart; what browsers and libraries read differently is refused."""
        odd = not isinstance(url, str) or len(url) > MOST_ADDRESS_CHARACTERS or re.search(r"[\x00-\x20\x7f\\]", url)
        try:
            parts = urlsplit("" if odd else url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port, parts = "", None, urlsplit("")
        if not host or "@" in parts.netloc or port == 0 or parts.scheme not in ("https", "http"):
            raise InvalidArgumentError(
                "this is no https address without user and password",
                code="Source.Scheme",
                hint="Give an address such as https://example.com/talk.mp4.",
            )
        if parts.scheme == "http" and not (self._loopback_allowed and _is_loopback(host)):
            raise InvalidArgumentError(
                f"{host} is given by plain http, where anybody on the way can change the file",
                code="Source.Scheme",
                hint="Give its https address, or download the file and pass its path.",
            )
        return parts._replace(fragment="", path=parts.path or "/")

    def _public_address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise SourceNotFoundError(
                f"there is no host {host}", hint="Check the address; proxies are not used."
            ) from None
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            ip = ipaddress.ip_address(address.partition("%")[0])
            ip = getattr(ip, "ipv4_mapped", None) or ip
            if self._loopback_allowed and ip.is_loopback:
                continue
            if not ip.is_global or ip.is_multicast:
                raise RestrictionError(
                    f"{host} is not on the public internet",
                    code="Source.Private",
                    hint="Download the file yourself and add its path.",
                )
        return addresses[0]

    # ---- one request -------------------------------------------------------------------------------

    def _look(self) -> tuple[int, str]:
        """Ask for the first byte: the answer tells length, version, and whether ranges are kept."""
        for _ in range(MOST_REDIRECTS + 1):
            found = self._tried(self._first)
            if found is not None:
                return found
        raise SourceError(f"{self._shown} leads on and on", hint="Give the address where the file really is.")

    def _first(self) -> tuple[int, str] | None:
        """Length and version, or None when the address is another one now."""
        connection, answer = self._ask(0, 0)
        try:
            if answer.status in _REDIRECTS:
                self._parts = self._checked(urljoin(self._parts.geturl(), answer.getheader("Location", "")))
                return None
            whole, _ = self._body(answer, 0, 0)
        finally:
            answer.close()
            connection.close()
        etag = answer.getheader("ETag") or ""
        if etag.startswith('"'):
            self._etag = etag
            return whole, f"{etag}:{whole}"
        # Nothing tells two versions apart, so what an earlier process sent is not built upon.
        return whole, f"{secrets.token_hex(8)}:{whole}"

    def _range(self, first: int, last: int) -> tuple[int, bytes]:
        connection, answer = self._ask(first, last)
        try:
            found = self._body(answer, first, last)
        except BaseException:
            answer.close()
            connection.close()
            raise
        self._give_back(connection)
        return found

    def _tried(self, act: Callable[[], _T]) -> _T:
        """Try a request again at once when its line broke, each time on another connection."""
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return act()
            except SourceError:
                raise
            except ssl.SSLError as error:
                raise SourceError(f"no safe connection to {self._parts.hostname}: {error.reason or 'TLS'}") from None
            except (OSError, http.client.HTTPException) as broken:
                if attempt == MOST_TRIES:
                    # The text of a foreign error may repeat the address with its signature.
                    raise SourceError(
                        f"the connection to {self._parts.hostname} broke ({type(broken).__name__})",
                        hint="Check the address and the network, then retry; what was sent is kept.",
                    ) from None
        raise AssertionError("unreachable")

    def _ask(self, first: int, last: int) -> tuple[_Connection, http.client.HTTPResponse]:
        parts = self._parts
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with self._lock:
            if self._closed:
                raise SourceError(f"{self._shown} was let go")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            address = self._public_address(host, port)
            connection = _Connection(host, port, address, encrypted=parts.scheme == "https")
        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity", "User-Agent": "vod_widget"}
        if self._etag:
            headers["If-Match"] = self._etag
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def _body(self, answer: http.client.HTTPResponse, first: int, last: int) -> tuple[int, bytes]:
        """Return how long the file is and the bytes of the range; anything but exactly that is refused."""
        status = answer.status
        if status == 412:
            raise SourceChangedError(f"{self._shown} is another file now")
        if status in (404, 410):
            raise SourceNotFoundError(f"{self._shown} is not there (HTTP {status})", hint="Check the address.")
        if status == 416:
            raise RestrictionError(
                f"{self._shown} is empty", code="EmptyFile", hint="Check the address.", file_name=self.name
            )
        if status >= 500 or status in (408, 429):
            raise http.client.HTTPException(f"HTTP {status}")
        if status >= 400:
            raise SourceError(
                f"the server of {self._shown} does not give it (HTTP {status})",
                code="Source.Permission",
                hint="The address may have expired; add a new one.",
            )
        told = _RANGE.fullmatch(answer.getheader("Content-Range", ""))
        if status != 206 or not told or answer.getheader("Content-Encoding", "identity") != "identity":
            raise RestrictionError(
                f"the server of {self._shown} does not send parts of a file",
                code="Source.NoRange",
                hint="Download the file and add its path.",
            )
        if (int(told[1]), int(told[2])) != (first, last):
            raise SourceChangedError(f"the server of {self._shown} sent other bytes than were asked for")
        data = bytearray()
        wanted = last - first + 1
        until_s = self._now_s() + SILENCE_S + wanted / SLOWEST_BYTES_PER_S
        while len(data) < wanted:
            piece = answer.read(min(wanted - len(data), 256 * 1024))
            if not piece:
                raise http.client.IncompleteRead(bytes(0), wanted - len(data))
            data += piece
            if self._now_s() > until_s:
                raise TimeoutError("too slow")
        if answer.read(1):
            raise SourceChangedError(f"the server of {self._shown} sent more bytes than it said")
        return int(told[3]), bytes(data)

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < 4:
                self._idle.append(connection)
                return
        with suppress(OSError):
            connection.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
