"""Keys of the emulator, a journal of the test, and a process that uploads and can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.helpers.media import Media, pattern_bytes

ROOT = Path(__file__).resolve().parents[2]

# SIGINT as in a terminal: what is started in the background inherits that it is ignored.
_SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import vod_widget as vw
folder, endpoint, key, secret, *files = sys.argv[1:]
keys = vw.Credentials(key, secret)
vw.upload(files, endpoint=endpoint, credentials=keys, checkpoint_dir=folder, parallel=1, part_size_bytes=102400)
"""


@pytest.fixture
def to(emulator: Any, tmp_path: Path) -> dict[str, Any]:
    """Options that lead to the emulator of this test."""
    return {
        "endpoint": emulator.endpoint,
        "credentials": vw.Credentials(emulator.access_key_id, emulator.access_key_secret),
        "checkpoint_dir": str(tmp_path / "journal"),
    }


@pytest.fixture(scope="session")
def long_mp4(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of at least three parts of the smallest size: a real one with a "free" box at its end."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    padding = pattern_bytes("long", 300_000)
    box = (len(padding) + 8).to_bytes(4, "big") + b"free" + padding
    path.write_bytes(media.mp4.read_bytes() + box)
    return path


@pytest.fixture
def other_process(emulator: Any, to: dict[str, Any]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `vw.upload` of some files in a process of its own; it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*files: Path) -> subprocess.Popen[str]:
        arguments = (to["checkpoint_dir"], emulator.endpoint, emulator.access_key_id, emulator.access_key_secret)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _SCRIPT, *arguments, *map(str, files)],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def operations(emulator: Any, op: str) -> int:
    """How many requests of one kind the emulator has seen."""
    return sum(1 for request in emulator.requests if request.op == op)
