"""Environments of the peers, one each: crcmod and crcmod-plus, and two of the vendor's cores, overwrite each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .sink import work_folder

PEERS = {
    "oss2": ("oss2",),
    "voduploadsdk": ("voduploadsdk", "oss2", "requests", "aliyun-python-sdk-vod", "aliyun-python-sdk-core"),
    "alibabacloud-oss-v2": ("alibabacloud-oss-v2",),
}
"""Peer: what is installed for it. voduploadsdk names none of its own dependencies."""


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, made at the first use."""
    folder = work_folder() / f"venv-{peer}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qqq", *PEERS[peer]], check=True)
        (folder / "ready").touch()
    return python


def version_of(peer: str) -> str:
    """Return the version that is installed."""
    code = f"from importlib.metadata import version; print(version({peer!r}))"
    done = subprocess.run([str(python_of(peer)), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
