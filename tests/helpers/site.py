"""A server of one file on loopback, which answers ranges as it should or plays a trick."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vod_widget.sources import WebSource


@dataclass
class Site:
    """A server of one file; `trick` may answer in another way, None lets it answer as it should."""

    url: str = ""
    etag: str = '"v1"'
    trick: Callable[[BaseHTTPRequestHandler], bool] | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sources: list[WebSource] = field(default_factory=list)


@contextlib.contextmanager
def serving(data: bytes) -> Iterator[Site]:
    """Serve `data` as /clips/talk one.mp4."""
    one = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            one.asked.append((self.path, self.headers["Range"]))
            if one.trick is not None and one.trick(self):
                return
            if self.headers["If-Match"] not in (None, one.etag):
                say(self, 412)
                return
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            assert found
            first, last = int(found[1]), int(found[2])
            say(self, 206, data[first : last + 1], ETag=one.etag, Content_Range=f"bytes {first}-{last}/{len(data)}")

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    one.url = f"http://127.0.0.1:{server.server_address[1]}/clips/talk%20one.mp4"
    try:
        yield one
    finally:
        for source in one.sources:
            source.close()
        server.shutdown()
        server.server_close()


def say(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> bool:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    return True
