"""One request on its way through the server, and its answer.

What lives here: `Exchange` and `Reply`. It imports aiohttp's request type; used on the emulator's event loop
only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from vod_widget.emulator import faults
from vod_widget.emulator.bodies import BodyReader
from vod_widget.emulator.oss_names import Route
from vod_widget.emulator.oss_views import Body


@dataclass
class Reply:
    """An answer on its way out."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    stream: Body | None = None
    code: str = ""
    close: bool = False
    gzip: bool = False
    """Compress the stream on its way."""
    bytes_per_s: float | None = None
    """How fast the stream may flow."""


@dataclass
class Exchange:
    """One request and what became of it."""

    request: web.BaseRequest
    headers: dict[str, str]
    path: str
    query: list[tuple[str, str]]
    route: Route
    number: int
    body: BodyReader
    op: str = ""
    part_number: int | None = None
    access_key_id: str = ""
    struck: list[faults.Fault] = field(default_factory=list)

    @property
    def secure(self) -> bool:
        """Tell whether it came over TLS."""
        transport = self.request.transport
        return transport is not None and transport.get_extra_info("sslcontext") is not None

    def actions(self, when: faults.When) -> list[faults.Fault]:
        """Return the faults that strike at this moment."""
        return [fault for fault in self.struck if fault.when == when]
