"""Connections: half-closed ones, and those that break on purpose.

What lives here: our variant of aiohttp's protocol and server, how a connection is cut, and how
a request waits. It imports aiohttp and `faults`; everything runs on the emulator's event loop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from vod_widget.emulator import faults

# Tokens and signed URLs are long; nginx takes 8 KiB a line, the vendor's SDKs send all
# parameters of a POST in the query.
MAX_LINE_BYTES = 64 << 10


# Shorter bodies come through the HTTP parser, which is as fast for them.
_TAP_BYTES = 512 << 10
# A thread waits so long for more, and takes so much in one turn: slow clients cannot hold the pool.
_PATIENCE_S = 0.005
_TURN_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20
# The kernel collects this much before it wakes us: many clients send 8 KiB at a time.
_WAKE_BYTES = 256 << 10
_ZEROS = bytes(256 << 10)


class HangUp(Exception):
    """Close the connection now, without an answer."""

    def __init__(self, code: str, *, reset: bool) -> None:
        super().__init__(code)
        self.code = code
        self.reset = reset


class BodyBroken(Exception):
    """The client stopped sending before the announced end."""


class Handler(RequestHandler):
    """aiohttp's connection, plus an answer for clients that half-close mid-body."""

    _last_body: StreamReader | None = None

    def data_received(self, data: bytes) -> None:
        """Parse as ever, and remember the body of the newest request."""
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP under the name of the service, not of the library."""
        response = super().handle_error(request, status, exc, message)
        response.headers["Server"] = "AliyunOSS"
        return response

    def tap(self, body: StreamReader, size_bytes: int) -> Tap | None:
        """Take what is left of a long body from the socket itself; None: it is short, or encrypted."""
        sock: Any = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is None or self.ssl_context is not None or size_bytes - body.total_bytes < _TAP_BYTES:
            return None
        return Tap(self, body, sock.fileno(), size_bytes)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio allows it
        """Keep the writing half open while a request is being answered."""
        body = self._last_body
        idle = self._waiter is not None and not self._waiter.done()
        if body is None or idle:
            return None
        if not body.is_eof():
            body.set_exception(BodyBroken())
        self.keep_alive(False)
        self.close()
        # TLS has no half-closed state: asyncio would only complain about True.
        return self.ssl_context is None


class Tap:
    """The rest of a long body, taken from the socket past the HTTP parser.

    Through the parser each byte is copied three times and the event loop wakes for every few of them; here a
    thread receives into one buffer and hashes from it. The parser is told of as many zeros, so it knows where
    the next request begins. `head` comes first; `take` runs in a thread, everything else on the event loop.
    """

    def __init__(self, handler: Handler, body: StreamReader, fileno: int, size_bytes: int) -> None:
        self._handler = handler
        self._body = body
        self.head: list[bytes] = []
        # More than once: a parser that was paused holds bytes back until there is room.
        while block := body.read_nowait(-1):
            self.head.append(block)
        self.left_bytes = size_bytes - body.total_bytes
        self.ended = False
        """The client has stopped sending."""
        self._hold()
        self._sock = socket.socket(fileno=os.dup(fileno))
        self._sock.settimeout(_PATIENCE_S)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._wake_at(_WAKE_BYTES)

    def _wake_at(self, size_bytes: int) -> None:
        if sys.platform == "linux":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size_bytes)

    def take(self, put: Callable[[memoryview], None]) -> int:
        """Take bytes until none comes for a moment, or the turn is over; returns how many."""
        limit = min(self.left_bytes, _TURN_BYTES)
        taken = 0
        while taken < limit and not self.ended:
            room = min(_BUFFER_BYTES, limit - taken)
            filled = self._fill(self._buffer[:room])
            if filled:
                put(self._buffer[:filled])
                taken += filled
                self.left_bytes -= filled
                if self.left_bytes < 2 * _WAKE_BYTES:
                    self._wake_at(1)
            if filled < room:
                break
        return taken

    def _fill(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            try:
                size = self._sock.recv_into(view[filled:])
            except TimeoutError:
                break
            except OSError:
                size = 0
            if not size:
                self.ended = True
                break
            filled += size
        return filled

    def tell(self, size_bytes: int) -> None:
        """Let the parser count bytes that went past it."""
        while size_bytes:
            piece = _ZEROS[:size_bytes]
            self._handler.data_received(piece)
            self._body.read_nowait(-1)
            size_bytes -= len(piece)
        self._hold()

    def _hold(self) -> None:
        """Keep the parser away from the socket; each read from the stream lets it loose again."""
        if self._handler.transport is not None:
            self._handler.transport.pause_reading()

    async def readable(self) -> None:
        """Wait until something can be taken, or the client has gone."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._sock.fileno(), wake)
        try:
            await ready
        finally:
            loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        """Give the socket back to the parser."""
        with suppress(OSError):
            self._wake_at(1)
        self._sock.close()
        if self._handler.transport is not None:
            self._handler.transport.resume_reading()


class FrontServer(web.Server):
    """aiohttp's low-level server with our connections."""

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return Handler(self, loop=self._loop, **self._kwargs)


async def stop_listening(listeners: Iterable[asyncio.Server]) -> None:
    """Take no further connection; those that were taken are known to their server afterwards.

    asyncio accepts in one turn of the loop, makes the transport in the next, and calls `connection_made` in the one
    after. A listener that is closed in between drops such a socket without closing it (`Server._attach` asserts).
    """
    opened = tuple(listeners)
    loop = asyncio.get_running_loop()
    for listener in opened:
        for sock in listener.sockets:
            with suppress(NotImplementedError):  # a loop without readers: the proactor of Windows
                loop.remove_reader(sock)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for listener in opened:
        listener.close()


def comes_from_here(request: web.BaseRequest) -> bool:
    """Tell whether a request was sent on this machine: a Host header can be made up, the address of a peer cannot."""
    peer: Any = request.transport.get_extra_info("peername") if request.transport is not None else None
    return bool(peer) and ipaddress.ip_address(peer[0]).is_loopback


def hang_up(request: web.BaseRequest, *, reset: bool) -> web.StreamResponse:
    """Close the connection; the response returned is for aiohttp and is never sent."""
    transport = request.transport
    if transport is not None:
        sock: Any = transport.get_extra_info("socket")
        if reset and sock is not None:
            # Linger 0 makes the kernel send RST instead of FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    response = web.Response(status=500)
    response.force_close()
    return response


async def stall(fault: faults.Fault, seconds: float | None) -> None:
    """Wait for so many seconds (None: for ever) or until the fault is released."""
    loop = asyncio.get_running_loop()
    released = asyncio.Event()

    def wake() -> None:
        # The loop may be gone when a test releases late; then nobody waits either.
        if not loop.is_closed():
            loop.call_soon_threadsafe(released.set)

    fault.on_release(wake)
    try:
        await asyncio.wait_for(released.wait(), seconds)
    except TimeoutError:
        return
