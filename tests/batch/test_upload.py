"""`vw.upload`: every file is a row, a second run sends nothing, a bad row sinks nobody."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import vod_widget as vw
from tests.batch.conftest import ROOT, operations
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget.emulator import faults
from vod_widget.errors import InvalidArgumentError, MissingCredentialError, SourceNotFoundError


def stored(emulator: Any, row: Any) -> bytes:
    return emulator.object_path(row.media_id).read_bytes()


def test_each_file_becomes_a_row_with_an_id_and_its_bytes_are_stored(
    emulator: Any, to: dict[str, Any], media: Media
) -> None:
    results = vw.upload(list(media), tags=["demo"], **to)
    assert [row.name for row in results] == [path.name for path in media]
    assert [row.state for row in results] == ["Success"] * 4
    assert [stored(emulator, row) for row in results] == [path.read_bytes() for path in media]
    assert [row.video_id is None for row in results] == [False, False, True, True]
    assert {asset.tags for asset in emulator.assets} == {"demo"}
    assert results.sent_bytes == sum(path.stat().st_size for path in media)


def test_second_run_sends_no_request_and_gives_the_same_ids(emulator: Any, to: dict[str, Any], media: Media) -> None:
    first = vw.upload(list(media), **to)
    seen = len(emulator.requests)
    second = vw.upload(list(media), **to)
    assert len(emulator.requests) == seen
    assert [row.media_id for row in second] == [row.media_id for row in first]
    assert [row.skipped for row in second] == [True] * 4
    assert str(second) == "4 files: 4 already uploaded, 0 bytes sent"


def test_file_that_changed_is_sent_again(emulator: Any, to: dict[str, Any], media: Media, tmp_path: Path) -> None:
    path = Path(shutil.copy(media.mp4, tmp_path / "clip.mp4"))
    vw.upload(path, **to)
    path.write_bytes(media.mp4.read_bytes() + b"\0" * 8)
    (row,) = vw.upload(path, **to)
    assert (row.state, row.skipped) == ("Success", False)
    assert stored(emulator, row) == path.read_bytes()


def test_bad_rows_fail_with_their_codes_and_the_others_go_on(
    emulator: Any, to: dict[str, Any], media: Media, tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("hello")
    results = vw.upload(
        [
            {"path": media.mp4, "title": "t" * 129},
            {"path": tmp_path / "missing.mp4"},
            {"path": None},
            {"path": tmp_path / "empty.mp4"},
            {"path": tmp_path / "notes.txt"},
            {"path": 7},
            {"path": media.m4a, "cate_id": "many"},
            {"path": media.png},
        ],
        **to,
    )
    assert [row.state for row in results] == ["Failure"] * 7 + ["Success"]
    codes = [row.error_code for row in results]
    assert codes[:4] == ["LengthExceededMax", "Source.Missing", "Source.Missing", "EmptyFile"]
    assert None not in codes[:7]
    assert codes[7] is None
    assert len(emulator.assets) == 1
    assert len(results.failed) == 7
    assert [row.name for row in results.succeeded] == ["cover.png"]
    with pytest.raises(vw.VODError, match=r"7 of 8 files are not stored: .*missing\.mp4 \(Source\.Missing\)") as caught:
        results.raise_for_failures()
    assert caught.value.code == "Batch.Failed"


def test_refusal_by_the_cloud_is_a_row_too(emulator: Any, to: dict[str, Any], media: Media) -> None:
    emulator.faults.add(op="CreateUploadImage", action=faults.Status(403, "Forbidden.RAM"), times=None)
    results = vw.upload([media.png, media.mp4], **to)
    assert [(row.state, row.error_code) for row in results] == [("Failure", "Forbidden.RAM"), ("Success", None)]


def test_table_keeps_its_own_columns_labels_and_order(emulator: Any, to: dict[str, Any], media: Media) -> None:
    table = pd.DataFrame(
        {
            "speaker": ["Ann", "Bob", "Cy"],
            "file": [str(media.m4a), "nowhere.mp4", str(media.mp4)],
            "title": [None, "B", "C"],
            "cate_id": [float("nan"), 1.0, 234.0],
            "tags": [["x", "y"], None, "z"],
        },
        index=["a", "b", "c"],
    )
    frame = vw.upload(table, title="for all", **to).to_frame()
    assert list(frame.index) == ["a", "b", "c"]
    assert list(frame["speaker"]) == ["Ann", "Bob", "Cy"]
    assert list(frame["file"]) == list(table["file"])
    assert list(frame["state"]) == ["Success", "Failure", "Success"]
    by_id = {asset.media_id: asset for asset in emulator.assets}
    audio, video = by_id[frame.loc["a", "video_id"]], by_id[frame.loc["c", "video_id"]]
    assert (audio.title, audio.cate_id, audio.tags) == ("for all", None, "x,y")
    assert (video.title, video.cate_id, video.tags) == ("C", 234, "z")


def test_results_are_a_table_that_can_be_given_back(emulator: Any, to: dict[str, Any], media: Media) -> None:
    first = vw.upload(pd.DataFrame({"path": [str(media.mp4), str(media.png)], "mine": [1, 2]}), **to)
    seen = len(emulator.requests)
    again = vw.upload(first.to_frame(), **to)
    assert len(emulator.requests) == seen
    assert [dict(row)["mine"] for row in again] == [1, 2]
    assert [row.media_id for row in again] == [row.media_id for row in first]


def test_cover_and_user_data_of_a_row_reach_the_asset(emulator: Any, to: dict[str, Any], media: Media) -> None:
    user_data = {"Vod": {"Title": "Talk", "UserData": {"Extend": {"id": 7}}}}
    (row,) = vw.upload([{"path": media.mp4, "cover": str(media.jpeg), "user_data": user_data}], **to)
    asset = emulator.asset(row.video_id)
    assert asset.title == "Talk"
    assert json.loads(asset.notification) == user_data
    (cover,) = (other for other in emulator.assets if other.media_id != row.video_id)
    assert emulator.object_path(cover.media_id).read_bytes() == media.jpeg.read_bytes()
    assert asset.cover_url


def test_the_seeds_dict_bytes_and_open_files_are_taken(emulator: Any, to: dict[str, Any], media: Media) -> None:
    memory = io.BytesIO(media.png.read_bytes())
    memory.name = "memory.png"
    with media.m4a.open("rb") as opened:
        results = vw.upload([{"url": str(media.mp4), "coverUrl": str(media.jpeg)}, memory, opened], **to)
    assert [row.state for row in results] == ["Success"] * 3
    assert emulator.asset(results[0].video_id).cover_url
    (row,) = vw.upload(media.jpeg.read_bytes(), name="bytes.jpg", **to)
    assert stored(emulator, row) == media.jpeg.read_bytes()


def test_patterns_and_folders_name_each_file_once(to: dict[str, Any], media: Media, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    for path in media:
        shutil.copy(path, folder)
    shutil.copy(media.png, folder / "deep" / "deep.png")
    (folder / ".hidden.mp4").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    names = [row.name for row in vw.upload([str(folder / "*.mp4"), folder], **to)]
    assert names == ["clip.mp4", "cover.png", "deep.png", "photo.jpg", "tone.m4a"]
    assert [row.name for row in vw.upload(str(folder / "**" / "d*.png"), **to)] == ["deep.png"]


def test_pattern_characters_in_a_real_name_are_no_pattern(to: dict[str, Any], media: Media, tmp_path: Path) -> None:
    path = Path(shutil.copy(media.png, tmp_path / "a[1].png"))
    (row,) = vw.upload(str(path), **to)
    assert (row.name, row.state) == ("a[1].png", "Success")


def test_pattern_or_folder_without_a_file_says_so(to: dict[str, Any], tmp_path: Path, media: Media) -> None:
    for files in (str(tmp_path / "*.mp4"), tmp_path):
        with pytest.raises(SourceNotFoundError) as caught:
            vw.upload(files, **to)
        assert caught.value.code == "Source.NoMatch"
        assert str(tmp_path) in str(caught.value)
    bad, good = vw.upload([str(tmp_path / "*.mp4"), media.png], **to)
    assert (bad.error_code, good.state) == ("Source.NoMatch", "Success")


@pytest.mark.parametrize(
    ("keyword", "near"),
    [("titel", "title"), ("cateId", "cate_id"), ("parallell", "parallel"), ("checkpointDir", "checkpoint_dir")],
)
def test_unknown_keyword_names_the_nearest(keyword: str, near: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"{keyword}.*did you mean '{near}'"):
        vw.upload("x.mp4", **{keyword: "x"})


def test_wrong_calls_raise_before_anything_is_sent(emulator: Any, to: dict[str, Any], media: Media) -> None:
    with pytest.raises(InvalidArgumentError, match="no column path or file; it has: a, b"):
        vw.upload(pd.DataFrame({"a": [1], "b": [2]}), **to)
    with pytest.raises(InvalidArgumentError, match="reference_id fits one file"):
        vw.upload(list(media), reference_id="only-one", **to)
    with pytest.raises(InvalidArgumentError, match="files is a int"):
        vw.upload(7, **to)
    with pytest.raises(InvalidArgumentError, match="one place for all files"):
        vw.upload(media.mp4, bucket="b", **to)
    with pytest.raises(InvalidArgumentError, match="parallel must be at least 1"):
        vw.upload(media.mp4, parallel=0, **to)
    assert list(emulator.requests) == []


def test_no_credentials_raise_and_name_the_places(media: Media) -> None:
    with pytest.raises(MissingCredentialError, match="ALIBABA_CLOUD_ACCESS_KEY_ID"):
        vw.upload(media.mp4)


def test_nothing_to_send_gives_no_rows(to: dict[str, Any]) -> None:
    assert list(vw.upload([], **to)) == []
    assert str(vw.upload(pd.DataFrame({"path": []}), **to)) == "0 files: 0 bytes sent"


def test_same_file_in_two_rows_is_one_asset(emulator: Any, to: dict[str, Any], media: Media) -> None:
    rows = [{"path": media.mp4, "n": 1}, {"path": media.mp4, "n": 2}, {"path": media.mp4, "title": "other"}]
    first, twin, rival = vw.upload(rows, **to)
    assert twin.video_id == first.video_id
    assert (twin.n, twin.skipped, twin.sent_bytes) == (2, True, 0)
    assert rival.error_code == "AlreadyQueued"
    assert len(emulator.assets) == 1


_CELL = """
import asyncio, sys
import vod_widget as vw
folder, endpoint, key, secret, *files = sys.argv[1:]
heard = []
async def on_upload_succeed(info):
    await asyncio.sleep(0)
    heard.append(info.name)
async def cell():
    keys = vw.Credentials(key, secret)
    to = dict(endpoint=endpoint, credentials=keys, checkpoint_dir=folder)
    first = vw.upload(files[:1], **to)
    return first, vw.upload(files, on_upload_succeed=on_upload_succeed, **to)
print(*map(str, asyncio.run(cell())), sorted(heard), sep="\\n")
"""


@pytest.mark.slow
def test_runs_inside_a_running_loop_with_and_without_a_coroutine_callback(
    emulator: Any, to: dict[str, Any], media: Media
) -> None:
    # In a process of its own: nest_asyncio, which drives the coroutine, changes asyncio for good.
    arguments = (to["checkpoint_dir"], emulator.endpoint, emulator.access_key_id, emulator.access_key_secret)
    done = subprocess.run(
        [sys.executable, "-c", _CELL, *arguments, media.mp4, media.png],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, heard = done.stdout.splitlines()
    assert first.startswith("1 file: 1 uploaded")
    assert second.startswith("2 files: 1 uploaded, 1 already uploaded")
    assert heard == "['clip.mp4', 'cover.png']"


def test_waits_for_another_process_and_takes_its_result(
    emulator: Any, to: dict[str, Any], long_mp4: Path, other_process: Callable[..., subprocess.Popen[str]]
) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
    other = other_process(long_mp4)
    until(lambda: stall.fired, "the other process sends part 2")
    got: list[Any] = []
    locked = threading.Event()
    mine = threading.Thread(
        target=lambda: got.extend(vw.upload(long_mp4, on_upload_failed=lambda *_: locked.set(), **to))
    )
    mine.start()
    assert locked.wait(60)
    stall.release()
    mine.join(60)
    assert other.wait(60) == 0
    (row,) = got
    assert (row.state, row.skipped, row.sent_bytes) == ("Success", True, 0)
    assert [asset.media_id for asset in emulator.assets] == [row.video_id]
    assert operations(emulator, "CreateUploadVideo") == 1


def test_goes_on_with_what_a_killed_process_left_while_it_waited(
    emulator: Any, to: dict[str, Any], long_mp4: Path, other_process: Callable[..., subprocess.Popen[str]]
) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
    other = other_process(long_mp4)
    until(lambda: stall.fired, "the other process sends part 2")
    got: list[Any] = []
    locked = threading.Event()
    mine = threading.Thread(
        target=lambda: got.extend(vw.upload(long_mp4, on_upload_failed=lambda *_: locked.set(), **to))
    )
    mine.start()
    assert locked.wait(60)
    other.kill()
    stall.release()
    mine.join(60)
    (row,) = got
    assert (row.state, row.skipped) == ("Success", False)
    assert stored(emulator, row) == long_mp4.read_bytes()
    assert operations(emulator, "CreateUploadVideo") == 1
    assert emulator.unfinished_uploads == []


def test_gives_up_on_another_process_after_patience(
    emulator: Any, to: dict[str, Any], long_mp4: Path, other_process: Callable[..., subprocess.Popen[str]]
) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
    other = other_process(long_mp4)
    until(lambda: stall.fired, "the other process sends part 2")
    (row,) = vw.upload(long_mp4, patience_s=0.5, **to)
    assert (row.state, row.error_code) == ("Failure", "Locked")
    assert str(other.pid) in row.error_message


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_the_next_run_goes_on(
    emulator: Any, to: dict[str, Any], long_mp4: Path, other_process: Callable[..., subprocess.Popen[str]]
) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=faults.Stall())
    interrupted = other_process(long_mp4)
    until(lambda: stall.fired, "part 2 is on its way")
    interrupted.send_signal(signal.SIGINT)
    _, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode != 0
    assert "KeyboardInterrupt" in err
    assert "vod_widget.resume()" in err
    stall.release()
    (row,) = vw.upload(long_mp4, part_size_bytes=102_400, **to)
    assert stored(emulator, row) == long_mp4.read_bytes()
    assert [asset.media_id for asset in emulator.assets] == [row.video_id]
    assert sum(1 for r in emulator.requests if r.part_number == 1) == 1
