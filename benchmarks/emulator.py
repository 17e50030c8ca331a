"""How fast the emulator is: bytes accepted, small calls a second, memory of a long upload.

    python -m benchmarks.emulator              throughput and calls, medians of 5 rounds, beside references
    python -m benchmarks.emulator --large      also a 5 GiB upload: needs 5 GiB of free disk

The emulator runs in a process of its own, as `vod-widget emulator` starts it; clients run in this one, so
that two cores are shared as on a person's machine. References of the same run say what this machine gives
today: MD5 alone, and a bare socket server that hashes (MD5 and CRC64) and writes what `sendfile` sends,
one connection, nothing else. On a machine that does other work too, compare with them, and look at the CPU.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

MIB = 1 << 20
SIZE_BYTES = 512 * MIB
LARGE_BYTES = 5 * 1024 * MIB
CALLS = 3000
CONNECTIONS = 4

BAR_MB_PER_S = 300.0
BAR_CALLS_PER_S = 1000.0
BAR_MEMORY_MIB = 64.0


@dataclass
class Row:
    """One line of the table."""

    name: str
    values: list[float]
    unit: str
    bar: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self) -> str:
        bar = "" if self.bar is None else f"   bar {self.bar:g}"
        spread = f"{min(self.values):.0f} .. {max(self.values):.0f}"
        return f"{self.name:<58}{self.median:>8.0f} {self.unit:<8}{spread:>16}{bar}"


# --- references ------------------------------------------------------------------------------


def md5_mb_per_s() -> float:
    block = os.urandom(8 * MIB)
    began_s = time.perf_counter()
    digest = hashlib.md5(usedforsecurity=False)
    for _ in range(32):
        digest.update(block)
    return 256 * MIB / (time.perf_counter() - began_s) / 1e6


_BARE_SERVER = """
import hashlib, os, socket, sys
from fastcrc import crc64
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
buffer = memoryview(bytearray(1 << 20))
while True:
    sock, _ = server.accept()
    digest, crc = hashlib.md5(usedforsecurity=False), 0
    with open(sys.argv[1], "wb", buffering=0) as file:
        while size := sock.recv_into(buffer):
            digest.update(buffer[:size])
            crc = crc64.xz(bytes(buffer[:size]), crc)
            file.write(buffer[:size])
    sock.sendall(b"x")
    sock.close()
"""


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[Callable[[Path], float]]:
    target = folder / "bare"
    process = subprocess.Popen([sys.executable, "-c", _BARE_SERVER, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline())

    def send(source: Path) -> float:
        began_s = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port)) as sock, source.open("rb") as file:
            sock.sendfile(file)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b"x"
        return source.stat().st_size / (time.perf_counter() - began_s) / 1e6

    try:
        yield send
    finally:
        process.terminate()
        process.wait()


# --- the emulator ----------------------------------------------------------------------------


class Served:
    """An emulator in another process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "vod_widget.emulator", "--json", "--data-dir", str(folder / "data")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.facts = json.loads(self._process.stdout.readline())
        self.endpoint: str = self.facts["endpoint"]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def reset(self) -> None:
        """Delete what is stored: the disk is not what is measured."""
        host = urlsplit(self.endpoint).netloc
        secret = self.facts["admin_secret"]
        request = f"POST /_emulator/admin/reset HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n"
        with socket.create_connection(("127.0.0.1", urlsplit(self.endpoint).port or 0)) as sock:
            sock.sendall(f"{request}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            head = sock.recv(4096)
        assert b" 200 " in head.split(b"\r\n", 1)[0], head

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, name: str) -> float:
        """VmRSS or VmHWM (the peak)."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")


def upload(served: Served, source: Path, state: Path) -> float:
    """Upload one file by our own client, and return MB/s from start to Success."""
    import vod_widget as vw

    keys = vw.Credentials(served.facts["access_key_id"], served.facts["access_key_secret"])
    with vw.VODUpload(credentials=keys, endpoint=served.endpoint, checkpoint_dir=state) as uploader:
        uploader.add_file(str(source))
        began_s = time.perf_counter()
        uploader.run()
        took_s = time.perf_counter() - began_s
        (info,) = uploader.list_files()
        assert info.error is None, info.error
    return source.stat().st_size / took_s / 1e6


# --- small calls -----------------------------------------------------------------------------


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def signed_call(served: Served, action: str, **more: str) -> bytes:
    """One GET as it goes over the wire."""
    params = {
        "Action": action,
        "Version": "2017-03-21",
        "Format": "JSON",
        "AccessKeyId": served.facts["access_key_id"],
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **more,
    }
    query = "&".join(f"{_encode(name)}={_encode(params[name])}" for name in sorted(params))
    text = f"GET&%2F&{_encode(query)}"
    secret = f"{served.facts['access_key_secret']}&".encode()
    signature = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha1).digest()).decode()
    host = urlsplit(served.endpoint).netloc
    return f"GET /?{query}&Signature={_encode(signature)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def ask(sock: socket.socket, request: bytes) -> bytes:
    sock.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 200"), answer
    return body


def calls_per_s(served: Served, action: str, **more: str) -> float:
    """Signed beforehand, sent over a few connections that stay open, one call at a time on each."""
    port = urlsplit(served.endpoint).port or 0
    shares = [[signed_call(served, action, **more) for _ in range(CALLS // CONNECTIONS)] for _ in range(CONNECTIONS)]
    failed: list[BaseException] = []

    def run(share: list[bytes]) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                for request in share:
                    ask(sock, request)
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - began_s
    assert not failed, failed
    return sum(map(len, shares)) / took_s


# --- the table -------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit status is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure the emulator.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="also upload 5 GiB and watch the emulator's memory")
    parser.add_argument("--folder", default=None, help="where files go (default: the temporary folder)")
    args = parser.parse_args(argv)
    md5 = Row("reference: MD5 alone, one thread", [], "MB/s")
    bare = Row("reference: bare socket server, MD5 + CRC64 + write", [], "MB/s")
    ours = Row("accepted from our own client, one file of 512 MiB", [], "MB/s", BAR_MB_PER_S)
    cpu = Row("  CPU of the emulator for it", [], "ms/GB")
    look = Row("GetVideoInfo", [], "calls/s", BAR_CALLS_PER_S)
    make = Row("CreateUploadVideo, written down", [], "calls/s", BAR_CALLS_PER_S)
    look_cpu = Row("  CPU of the emulator for one", [], "us")
    make_cpu = Row("  CPU of the emulator for one", [], "us")
    rows = [md5, bare, ours, cpu, look, look_cpu, make, make_cpu]
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        source = folder / "film.mp4"
        source.write_bytes(os.urandom(MIB) * (SIZE_BYTES // MIB))
        served = Served(folder)
        try:
            with bare_server(folder) as send:
                for number in range(args.rounds):
                    md5.values.append(md5_mb_per_s())
                    bare.values.append(send(source))
                    before_s = served.cpu_s()
                    ours.values.append(upload(served, source, folder / f"state{number}"))
                    cpu.values.append((served.cpu_s() - before_s) * 1000 / (SIZE_BYTES / 1e9))
                    served.reset()
            port = urlsplit(served.endpoint).port or 0
            with socket.create_connection(("127.0.0.1", port)) as sock:
                made = json.loads(ask(sock, signed_call(served, "CreateUploadVideo", Title="t", FileName="a.mp4")))
            for _ in range(args.rounds):
                for rate, cost, action, params in (
                    (look, look_cpu, "GetVideoInfo", {"VideoId": made["VideoId"]}),
                    (make, make_cpu, "CreateUploadVideo", {"Title": "t", "FileName": "a.mp4"}),
                ):
                    before_s = served.cpu_s()
                    rate.values.append(calls_per_s(served, action, **params))
                    cost.values.append((served.cpu_s() - before_s) * 1e6 / CALLS)
            if args.large:
                rows.append(_memory(served, folder))
        finally:
            served.close()
    for row in rows:
        print(row.text())
    missed = [row for row in rows if row.bar and (row.median < row.bar) != (row.unit == "MiB")]
    print("missed: " + ", ".join(row.name for row in missed) if missed else "every bar is met")
    return 1 if missed else 0


def _memory(served: Served, folder: Path) -> Row:
    source = folder / "large.mp4"
    with source.open("wb") as file:
        file.truncate(LARGE_BYTES)  # a hole: it costs no disk, and reads as zeros
    served.reset()
    served.forget_peak()
    before_mib = served.memory_mib("VmRSS")
    speed = upload(served, source, folder / "large-state")
    grown = served.memory_mib("VmHWM") - before_mib
    return Row(f"memory that a 5 GiB upload ({speed:.0f} MB/s) adds", [grown], "MiB", BAR_MEMORY_MIB)


if __name__ == "__main__":
    sys.exit(main())
