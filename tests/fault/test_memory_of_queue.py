"""What a file costs while it waits and after it is stored: a queue may hold a hundred thousand of either."""

from __future__ import annotations

import enum
import gc
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import runs
from tests.fault.memory import MemoryCloud, queue
from vod_widget.machine import FileMachine
from vod_widget.upload_info import UploadInfo

FILES = 40
QUEUED_MOST_BYTES = 600
"""515 with CPython 3.11; the list and the register of their sources come on top."""
STORED_MOST_BYTES = 1600
"""982 with CPython 3.11, most of it the ids of the asset."""

_NOT_OF_A_FILE = (type, types.ModuleType, types.FunctionType, enum.Enum)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"clip-{n:06d}.mp4" for n in range(FILES)]
    for path in made:
        path.write_bytes(b"x" * 1000)
    return made


def bytes_a_file(records: list[Any]) -> float:
    """Everything that can be reached from the files, for each of them."""
    seen: dict[int, Any] = {}
    left = list(records)
    while left:
        found = left.pop()
        if id(found) not in seen and not isinstance(found, _NOT_OF_A_FILE):
            seen[id(found)] = found
            left += gc.get_referents(found)
    return sum(map(sys.getsizeof, seen.values())) / len(records)


def test_a_file_is_small_while_it_waits_and_after_it_is_stored(tmp_path: Path, paths: list[Path]) -> None:
    with queue(MemoryCloud(), tmp_path) as up:
        for path in paths:
            up.add_file(path)
        queued = bytes_a_file(up._queue.records)
        runs(up)
        stored = bytes_a_file(up._queue.records)
        gc.collect()
        left = [found for found in gc.get_objects() if isinstance(found, FileMachine)]
        mine = [found for found in left if found.job.source_id.startswith(f"file:{tmp_path}")]
    assert (queued < QUEUED_MOST_BYTES, stored < STORED_MOST_BYTES) == (True, True), (queued, stored)
    assert mine == [], "no machine outlives the success of its file"


def test_a_stored_file_still_tells_all_that_it_told(tmp_path: Path, paths: list[Path]) -> None:
    told: dict[str, Any] = {}

    def tell(info: UploadInfo) -> None:
        told.update({name: getattr(info, name) for name in dir(info) if not name.startswith("_")})

    with queue(MemoryCloud(), tmp_path, on_upload_succeed=tell) as up:
        info = up.add_file(paths[0])
        runs(up)
        (result,) = up.results()
        snapshot = up.file_snapshot(info.file_id)
        later = {name: getattr(info, name) for name in told}
        assert later == told
        assert (info.state, info.loaded_percent, info.accepted_bytes) == ("Success", 1.0, 1000)
        assert all((info.video_id, info.object, info.bucket, info.endpoint, info.reference_id))
        assert (result.verified, result.sent_bytes, result.video_id) == ("crc64", 1000, info.video_id)
        assert (snapshot.verified, snapshot.skipped, snapshot.duration_s) == ("crc64", False, result.duration_s)
        assert not up.cancel_file(info)
        assert up.delete_file(info)
