"""Files of odd sizes, and files that shrink under a request, over real sockets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import LONG_S, PART, file_of, ops, reached, runs, stored, uploader
from vod_widget.emulator.faults import Stall
from vod_widget.errors import RestrictionError

FAULT_KIND = "L"


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1])
def test_f108_every_size_around_a_part_arrives_whole(emulator: Any, tmp_path: Path, size: int) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=size))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].sent_bytes == size
        assert ops(emulator, "PutObject", "UploadPart") == (["PutObject"] if size <= PART else ["UploadPart"] * 2)


def test_f108_an_empty_file_is_refused_before_anything_is_asked(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        with pytest.raises(RestrictionError) as caught:
            up.add_file(file_of(tmp_path, size=0))
        assert caught.value.code == "EmptyFile"
        assert up.list_files() == []
    assert emulator.requests == []


@pytest.mark.parametrize("left", [0, PART // 2, 2 * PART + 5])
def test_f95_a_file_that_shrinks_never_lets_the_server_wait_for_bytes_that_do_not_come(
    emulator: Any, tmp_path: Path, left: int
) -> None:
    """Cut while a part is on its way: before it, inside it, or behind it. No request is left without its end."""
    size = 4 * PART
    path = file_of(tmp_path, size=size)
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    with uploader(emulator, tmp_path, parallel=1, timeout_s=30.0) as up:
        info = up.add_file(path)
        up.start_upload()
        reached(stall)
        os.truncate(path, left)
        stall.release()
        assert up.wait(LONG_S), "a third of the timeout would have passed"
        assert (info.state, info.error.code) == ("Failure", "Source.Changed")
    assert ops(emulator, "CompleteMultipartUpload") == []
