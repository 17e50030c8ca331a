"""`voduploadsdk`, the vendor's uploader for Python, judges the emulator."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.emulator.conftest import CLIENTS
from tests.helpers.media import Media
from vod_widget.emulator import Emulator
from vod_widget.emulator.faults import ExpireToken

DATA = random.Random(13).randbytes(450_000)
pytestmark = pytest.mark.slow


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(oss_endpoint="http://oss-cn-shanghai.aliyuncs.com") as made:
        yield made


def run(emulator: Emulator, folder: Path, **task: Any) -> dict[str, str]:
    task |= {"folder": str(folder), "port": urlsplit(emulator.endpoint).port}
    task |= {"key": emulator.access_key_id, "secret": emulator.access_key_secret}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(CLIENTS / "python_uploader.py")],
        input=json.dumps({name: str(value) if isinstance(value, Path) else value for name, value in task.items()}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_it_uploads_each_kind(emulator: Emulator, python_uploader: Path, media: Media, tmp_path: Path) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    seen = run(emulator, python_uploader, video=media.mp4, image=media.png, subtitle=words)
    for kind, path in (("video", media.mp4), ("image", media.png), ("subtitle", words)):
        assert emulator.object_path(seen[kind]).read_bytes() == path.read_bytes()
    video = emulator.asset(seen["video"])
    assert (video.title, video.tags) == ("From Python ü", "a,b")
    assert {record.code for record in emulator.requests} == {""}


def test_it_uploads_by_parts_and_refreshes_an_expired_credential(
    emulator: Emulator, python_uploader: Path, tmp_path: Path
) -> None:
    source = tmp_path / "talk.mp4"
    source.write_bytes(DATA)
    emulator.faults.add(op="UploadPart", part_number=2, action=ExpireToken())
    seen = run(emulator, python_uploader, video=source, threshold=102_400, part_size=102_400)
    assert emulator.object_path(seen["video"]).read_bytes() == DATA
    ops = [record.op for record in emulator.requests]
    assert (ops.count("RefreshUploadVideo"), "ReportUploadProgress" in ops) == (1, True)
    assert "SecurityTokenExpired" in [record.code for record in emulator.requests]


def test_it_uploads_a_playlist_with_its_slices(emulator: Emulator, python_uploader: Path, tmp_path: Path) -> None:
    slices = [tmp_path / f"part_{number}.ts" for number in range(2)]
    for path in slices:
        path.write_bytes(DATA[:1000])
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:10,\npart_0.ts\n#EXTINF:10,\npart_1.ts\n#EXT-X-ENDLIST\n")
    seen = run(emulator, python_uploader, playlist=playlist, slices=[str(path) for path in slices])
    assert emulator.object_path(seen["playlist"]).read_bytes() == playlist.read_bytes()
    folder = emulator.asset(seen["playlist"]).key.rpartition("/")[0]
    stored = {record.key for record in emulator.requests if record.op == "PutObject"}
    assert {key.rpartition("/")[2] for key in stored} >= {"part_0.ts", "part_1.ts"}
    assert {key.startswith(f"{folder}/") for key in stored} == {True}
    assert {record.code for record in emulator.requests} == {""}
