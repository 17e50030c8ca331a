"""Node and the strangers' clients that run in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="session")
def node(outside_environment: dict[str, str]) -> str:
    """Return Node, with the clients of `clients/package.json` installed beside it."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.fail("this test needs Node, which scripts/test installs; a judge that is not heard is no judge")
    lock, stamp = CLIENTS / "package-lock.json", CLIENTS / "node_modules" / ".installed"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=CLIENTS, env=outside_environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            pytest.fail(f"the clients could not be installed: {done.stderr}")
        stamp.write_bytes(lock.read_bytes())
    return found
