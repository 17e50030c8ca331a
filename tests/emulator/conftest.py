"""What the tests of the emulator share: a grant, keys, buckets, and strangers' clients that cannot be installed beside the project
(those for Node, the vendor's Python uploader)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.emulator.raw import Grant, Keys, create, owner
from tests.emulator.shop import Shop
from vod_widget.emulator.pace import Pace

CLIENTS = Path(__file__).parent / "clients"
# Two processes that run tests install each client once.
_INSTALLING = FileLock(CLIENTS / ".installing", timeout=400)


@pytest.fixture
def held_up_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds for which each piece of a body is held up from now on; nobody really waits."""
    waits: list[float] = []

    async def passed(self: Pace, count_bytes: int) -> None:
        if self.bytes_per_s is not None:
            waits.append(count_bytes / self.bytes_per_s)

    monkeypatch.setattr(Pace, "passed", passed)
    return waits


@pytest.fixture(scope="session")
def node(outside_environment: dict[str, str]) -> str:
    """Return Node, with the clients of `clients/package.json` installed beside it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.fail("this test needs Node, which scripts/test installs; a judge that is not heard is no judge")
    lock, stamp = CLIENTS / "package-lock.json", CLIENTS / "node_modules" / ".installed"
    with _INSTALLING:
        if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=CLIENTS, env=outside_environment, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                pytest.fail(f"the clients could not be installed: {done.stderr}")
            stamp.write_bytes(lock.read_bytes())
    return found


@pytest.fixture(scope="session")
def python_uploader(outside_environment: dict[str, str]) -> Path:
    """Return a folder to put on the path: voduploadsdk alone, for it asks for another core than we do."""
    folder = CLIENTS / "python_modules"
    with _INSTALLING:
        if not (folder / "voduploadsdk").is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
            done = subprocess.run(
                [*command, "voduploadsdk==1.0.2"],
                env=outside_environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode:
                pytest.fail(f"the vendor's uploader could not be installed: {done.stderr}")
    return folder


@pytest.fixture
def grant(emulator: Any) -> Grant:
    """Return what CreateUploadVideo lets its caller do: one object of the bucket of VOD, by a token."""
    return create(emulator)


@pytest.fixture
def keys(emulator: Any) -> Keys:
    """Return the keys of the account."""
    return owner(emulator)


@pytest.fixture
def shop(grant: Grant, keys: Keys) -> Shop:
    """Return a bucket beside that of VOD."""
    made = Shop(grant, keys)
    assert made.ask("PUT", "").status == 200
    return made


@pytest.fixture
def kept(shop: Shop) -> Shop:
    """Return a bucket that keeps versions."""
    assert shop.switch("Enabled").status == 200
    return shop
