"""Connections: half-closed ones, and those that break on purpose.

What lives here: our variant of aiohttp's protocol and server, how a connection is cut, and how
a request waits. It imports aiohttp and `faults`; everything runs on the emulator's event loop.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from vod_widget.emulator import faults

# Tokens and signed URLs are long; nginx takes 8 KiB a line, the vendor's SDKs send all
# parameters of a POST in the query.
MAX_LINE_BYTES = 64 << 10


# What asyncio reads at most in one go.
_WAKE_BYTES = 256 << 10


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
    _large: tuple[StreamReader, int] | None = None

    def data_received(self, data: bytes) -> None:
        """Parse as ever, and remember the body of the newest request."""
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]
        if self._large is not None:
            body, size_bytes = self._large
            if size_bytes - body.total_bytes < 2 * _WAKE_BYTES:
                self._large = None
                self._wake_at(1)

    def expect_large(self, body: StreamReader, size_bytes: int) -> None:
        """Be woken for large pieces only while a long body arrives.

        A client that sends 8 KiB at a time would wake the loop for each of them, which costs more than
        hashing does. The kernel collects instead, and goes back to single bytes well before the end.
        """
        if size_bytes - body.total_bytes >= 4 * _WAKE_BYTES and self.ssl_context is None:
            self._large = (body, size_bytes)
            self._wake_at(_WAKE_BYTES)

    def _wake_at(self, size_bytes: int) -> None:
        sock: Any = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is not None and sys.platform == "linux":
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size_bytes)

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


class FrontServer(web.Server):
    """aiohttp's low-level server with our connections."""

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return Handler(self, loop=self._loop, **self._kwargs)


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
