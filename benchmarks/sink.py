"""Builds, starts and asks the sink: the server that every variant uploads to.

`sink.c` is built with the system's compiler at the first use. Without a compiler `slow_sink.py` takes its place, and
the report says so, because then the sink may be what is measured.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
PATTERN_BYTES = 4096


def work_folder() -> Path:
    """Where built and downloaded things are kept between runs."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vod_widget-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build() -> tuple[Path | None, bool]:
    """Return the built sink (None without a compiler), and whether it speaks TLS."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None, True
    source = HERE / "sink.c"
    for suffix, flags in (("tls", ["-DWITH_TLS", "-lssl", "-lcrypto"]), ("plain", [])):
        target = work_folder() / f"sink-{suffix}"
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            return target, suffix == "tls"
        fresh = target.with_suffix(".new")
        libraries = [f for f in flags if f.startswith("-l")]
        defines = [f for f in flags if f.startswith("-D")]
        command = [compiler, "-O2", *defines, "-o", str(fresh), str(source), *libraries]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            fresh.replace(target)
            return target, suffix == "tls"
    return None, True


def certificate(folder: Path, names: tuple[str, ...] = ("localhost",)) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1 and these names; returns certificate and key."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmarks")])
    now = dt.datetime.now(dt.UTC)
    hosts: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
    hosts.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "sink-cert.pem", folder / "sink-key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def pattern_file(folder: Path, size_bytes: int, extension: str = ".mp4") -> Path:
    """Write a file of `size_bytes` whose CRC64 the sink knows from its length: one random block, repeated."""
    pattern = folder / "pattern"
    if not pattern.exists():
        pattern.write_bytes(os.urandom(PATTERN_BYTES))
    block = pattern.read_bytes() * (2**20 // PATTERN_BYTES)
    path = folder / f"f{size_bytes}{extension}"
    with path.open("wb") as file:
        for _ in range(size_bytes // len(block)):
            file.write(block)
        file.write(block[: size_bytes % len(block)])
    return path


@dataclass
class Sink:
    """A running sink; a context manager.

    Attributes:
        folder: Where the pattern and the certificate are.
        tls: Whether it speaks TLS.
        options: `verify`, `api_ms`, `store_ms`, `api_cap`, `host`, `endpoint` of sink.c.
        prefix: Words before its command, e.g. to run it in a network namespace.
    """

    folder: Path
    tls: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    names: tuple[str, ...] = ("localhost",)
    port: int = 0
    is_slow: bool = False
    ca_file: Path | None = None

    def __enter__(self) -> Self:
        """Start it."""
        pattern_file(self.folder, 1)
        words = {"pattern": self.folder / "pattern", **self.options}
        if self.tls:
            self.ca_file, key = certificate(self.folder, self.names)
            words |= {"cert": self.ca_file, "key": key}
        built, speaks_tls = build()
        self.is_slow = built is None or (self.tls and not speaks_tls)
        program = [sys.executable, str(HERE / "slow_sink.py")] if self.is_slow or built is None else [str(built)]
        command = [*self.prefix, *program, *(f"{k}={v}" for k, v in words.items())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"the sink did not start: {' '.join(command)}")
        self.port = int(line)
        return self

    def __exit__(self, *_exc: object) -> None:
        """End it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def base(self) -> str:
        """Base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def ask(self, what: str) -> Any:
        """Return `stats` or `samples`, or begin to count anew with `reset`, which cuts every other connection."""
        if self.tls:
            context = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
        if self.prefix:  # another network namespace: ask from inside it
            return json.loads(self._ask_inside(what))
        try:
            connection.request("GET", f"/_sink/{what}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def _ask_inside(self, what: str) -> str:
        url = f"{'https' if self.tls else 'http'}://{self.options['host']}:{self.port}/_sink/{what}"
        code = (
            "import ssl,sys,urllib.request as u;"
            "print(u.urlopen(sys.argv[1], context=ssl._create_unverified_context()).read().decode())"
        )
        return subprocess.run(
            [*self.prefix, sys.executable, "-c", code, url], capture_output=True, text=True, check=True
        ).stdout


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one, so that the disk is not what is measured."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="vod-bench-", dir=memory if memory.is_dir() else None)
