"""Homes, profile files and clocks for the tests of credentials."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

# A text that must never show up anywhere; it has the length and look of a real secret.
CANARY = "cAnArY0secret1never2shown3here4"
TOKEN = "cAnArYtoken0never1shown2anywhere3at4all"
KEY_ID = "LTAI5tFooBarBazQux9z"
MASKED = "LTAI…ux9z"
ROLE = "acs:ram::1234567890123456:role/vod-upload"


class FakeClock:
    """Time that moves when told to."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.time_s = now_s

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    def advance(self, seconds: float) -> None:
        self.time_s += seconds


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def write_cli(home: Path, *profiles: dict[str, Any], current: str = "", mode: int = 0o600) -> Path:
    text = json.dumps({"current": current, "profiles": list(profiles)})
    return write(home / ".aliyun" / "config.json", text, mode)


def write_ini(home: Path, text: str, name: str = "credentials.ini", mode: int = 0o600) -> Path:
    return write(home / ".alibabacloud" / name, text, mode)


def touch_later(path: Path) -> None:
    """Make a file look changed, also on file systems with coarse times."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def ak(name: str, key_id: str = KEY_ID, secret: str = CANARY, **more: Any) -> dict[str, Any]:
    return {"name": name, "mode": "AK", "access_key_id": key_id, "access_key_secret": secret, **more}


def keys_env(key_id: str = KEY_ID, secret: str = CANARY, token: str = "") -> dict[str, str]:
    env = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key_id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret}
    return {**env, "ALIBABA_CLOUD_SECURITY_TOKEN": token} if token else env


class KeyServer:
    """A service on this machine that hands out keys, as a test says.

    Args:
        answer: Method, path and lower-case headers -> status, content type, text.
    """

    def __init__(self, answer: Callable[[str, str, dict[str, str]], tuple[int, str, str]]) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.rfile.read(int(headers.get("content-length", "0")))
                outer.seen.append((self.command, self.path, headers))
                status, kind, text = answer(self.command, self.path, headers)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status == 302:
                    self.send_header("Location", text)
                self.end_headers()
                self.wfile.write(text.encode())

            do_PUT = do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


def keys_json(key_id: str = "STS.key0000000001", **more: Any) -> str:
    keys = {"AccessKeyId": key_id, "AccessKeySecret": CANARY, "SecurityToken": TOKEN, **more}
    return json.dumps({"Code": "Success", "Expiration": "2027-01-15T09:00:00Z", **keys})
