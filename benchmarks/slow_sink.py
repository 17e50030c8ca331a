"""The sink where there is no C compiler: the same words and answers as `sink.c`, at the speed of Python.

It will do where the network is the limit; where the client is, the report says that this one was used. One thread for
each connection.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import resource
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fastcrc

OPTIONS = dict(word.split("=", 1) for word in sys.argv[1:])
VERIFY = OPTIONS.get("verify") == "1"
PATTERN = Path(OPTIONS["pattern"]).read_bytes()
_lock = threading.Lock()
_numbers = itertools.count(1)
_uploads: dict[str, dict[int, tuple[int, bytes | int]]] = {}
_window = [0.0, 0]
_open: set[Handler] = set()
stats: dict[str, Any] = {}
samples: list[tuple[float, int]] = []


def _reset() -> None:
    stats.update(
        bytes=0,
        requests=0,
        api_calls=0,
        throttled=0,
        connections=0,
        first_byte_at=0.0,
        last_byte_at=0.0,
        verifies=VERIFY,
    )
    stats["_began"], stats["_cpu"] = time.monotonic(), _cpu_s()
    samples.clear()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _crc_of(length: int, crc: int) -> int:
    """The CRC of what came, or of so much of the pattern."""
    if VERIFY:
        return crc
    crc = 0
    block = PATTERN * 256
    for start in range(0, length, len(block)):
        crc = int(fastcrc.crc64.xz(block[: length - start], crc))
    return crc


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _take(self) -> tuple[bytes, int, int]:
        """The body: its first bytes, its CRC and its length."""
        left = length = int(self.headers.get("Content-Length") or 0)
        kept, crc = b"", 0
        while left:
            block = self.rfile.read1(min(left, 2**20))  # type: ignore[attr-defined]  # a BufferedReader
            if not block:
                raise ConnectionError
            left -= len(block)
            crc = int(fastcrc.crc64.xz(block, crc))
            kept = kept or block[:8192]
            if self.command == "PUT":
                now_s = time.monotonic()
                with _lock:
                    stats["bytes"] += len(block)
                    stats["first_byte_at"] = stats["first_byte_at"] or now_s
                    stats["last_byte_at"] = now_s
                    if not samples or now_s - samples[-1][0] >= 0.02:
                        samples.append((now_s, stats["bytes"]))
        return kept, crc, length

    def _answer(self, status: int, headers: dict[str, str], body: str = "", wait: str = "store_ms") -> None:
        time.sleep(float(OPTIONS.get(wait, 0)) / 1000)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        words = parse_qs(parts.query, keep_blank_values=True)
        kept, crc, length = self._take()
        if parts.path.startswith("/_sink/"):
            self._tell(parts.path)
            return
        stats["requests"] += 1
        action = re.search(r"Action=(\w+)", kept.decode("latin1") if self.command == "POST" else parts.query)
        if action:
            self._vod(action[1])
            return
        upload = words.get("uploadId", [""])[0]
        if self.command == "PUT":
            crc = _crc_of(length, crc)
            if upload:
                _uploads[upload][int(words["partNumber"][0])] = (length, crc)
            self._answer(200, {"ETag": f'"{crc:016X}"', "x-oss-hash-crc64ecma": str(crc)})
        elif self.command == "POST" and upload:
            self._complete(upload)
        elif self.command == "POST" and "uploads" in words:
            upload = f"{next(_numbers):X}"
            _uploads[upload] = {}
            name = "InitiateMultipartUploadResult"
            self._answer(200, {}, f"<{name}><Bucket>b</Bucket><Key>o</Key><UploadId>{upload}</UploadId></{name}>")
        elif self.command == "GET" and upload:
            end = "<NextPartNumberMarker>0</NextPartNumberMarker><IsTruncated>false</IsTruncated>"
            self._answer(200, {}, f"<ListPartsResult><Bucket>b</Bucket><Key>o</Key>{end}</ListPartsResult>")
        else:
            self._answer(404, {})

    def _complete(self, upload: str) -> None:
        from vod_widget.crc64 import combine

        total = 0
        for _, (length, crc) in sorted(_uploads.pop(upload).items()):
            assert isinstance(crc, int)
            total = combine(total, crc, length)
        name = "CompleteMultipartUploadResult"
        body = f"<{name}><Bucket>b</Bucket><Key>o</Key><ETag>x</ETag></{name}>"
        self._answer(200, {"ETag": f'"{total:016X}-1"', "x-oss-hash-crc64ecma": str(total)}, body)

    def _vod(self, action: str) -> None:
        with _lock:
            stats["api_calls"] += 1
            now_s = time.monotonic()
            if now_s - _window[0] >= 1:
                _window[:] = [now_s, 0]
            _window[1] += 1
            cap = int(OPTIONS.get("api_cap", 0))
            over = bool(cap) and _window[1] > cap
            stats["throttled"] += over
        if over:
            self._answer(
                400, {}, json.dumps({"RequestId": "R", "Code": "Throttling.User", "Message": "denied"}), "api_ms"
            )
            return
        number = next(_numbers)
        is_image = "Image" in action
        keys = {"AccessKeyId": f"STS.b{number}", "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": "3600"}
        place = {"Endpoint": ENDPOINT, "Bucket": "bench", "FileName": f"o/{number}.{'jpg' if is_image else 'mp4'}"}
        told = {
            "RequestId": f"R{number}",
            "ImageId" if is_image else "VideoId": f"id{number}",
            "ImageURL": "http://x/y.jpg",
            "UploadAuth": base64.b64encode(json.dumps(keys).encode()).decode(),
            "UploadAddress": base64.b64encode(json.dumps(place).encode()).decode(),
        }
        self._answer(200, {}, json.dumps(told), "api_ms")

    def _tell(self, path: str) -> None:
        if path.endswith("reset"):
            # A peer that was ended leaves bytes in its system's buffers, which go on over the line of the next one.
            for other in _open - {self}:
                with contextlib.suppress(OSError):
                    other.connection.shutdown(socket.SHUT_RDWR)
            _reset()
            body = "{}"
        elif path.endswith("samples"):
            body = json.dumps(samples)
        else:
            shown = {name: value for name, value in stats.items() if not name.startswith("_")}
            times = {"cpu_s": _cpu_s() - stats["_cpu"], "wall_s": time.monotonic() - stats["_began"]}
            body = json.dumps(shown | times)
        self._answer(200, {}, body, "none")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - the names that http.server calls

    def setup(self) -> None:
        """Count the connection."""
        stats["connections"] += 1
        _open.add(self)
        super().setup()

    def finish(self) -> None:
        """Forget the connection."""
        _open.discard(self)
        super().finish()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many connections at once."""

    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_args: object) -> None:
        """A client that goes away is no news."""


_reset()
HOST = OPTIONS.get("host", "127.0.0.1")
server = Server((HOST, int(OPTIONS.get("port", 0))), Handler)
if "cert" in OPTIONS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(OPTIONS["cert"], OPTIONS["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
ENDPOINT = OPTIONS.get("endpoint") or f"{'https' if 'cert' in OPTIONS else 'http'}://{HOST}:{server.server_port}"
print(server.server_port, flush=True)
server.serve_forever()
