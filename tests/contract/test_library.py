"""What a queue asks of the account beside uploading: order, categories, what can be watched, a cover given late."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import file_of, reached, runs, uploader
from tests.emulator.raw import call
from vod_widget.emulator import faults


def add_category(emulator: Any, name: str, parent: int = -1) -> int:
    return int(call(emulator, "AddCategory", {"CateName": name, "ParentId": str(parent)}).json["Category"]["CateId"])


def sent(emulator: Any) -> list[str]:
    """Keys of the objects in the order in which they were stored; callbacks of several files have no order among them."""
    return [record.key for record in emulator.requests if record.op == "PutObject"]


def test_files_start_in_the_order_into_which_they_were_moved(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        a, b, c, d = (up.add_file(file_of(tmp_path, f"{name}.mp4")) for name in "abcd")
        assert up.move_file(d, 0) is True
        assert up.move_file(1, 99) is True
        assert up.list_files() == [d, b, c, a]
        assert up.move_file(d, 0) is False
        for bad in (-1, 1.0, True):
            with pytest.raises(vw.VODError, match="index"):
                up.move_file(d, bad)
        up.delete_file(c)
        assert up.move_file(c, 0) is False
        runs(up)
        assert sent(emulator) == [info.object for info in (d, b, a)]


def test_a_file_that_is_moved_to_the_front_of_a_running_queue_starts_next(emulator: Any, tmp_path: Path) -> None:
    stall = emulator.faults.add(op="PutObject", action=faults.Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(5)]
        up.start_upload()
        reached(stall)
        up.move_file(infos[4], 1)
        stall.release()
        runs(up)
        assert sent(emulator) == [info.object for info in (infos[0], infos[4], *infos[1:4])]


def test_categories_come_as_a_tree_with_their_paths(emulator: Any, tmp_path: Path) -> None:
    events = add_category(emulator, "Events")
    year = add_category(emulator, "2026", events)
    talks = add_category(emulator, "讲座")
    with uploader(emulator, tmp_path) as up:
        found = up.categories()
    assert {(c.cate_id, c.path, c.level) for c in found} == {
        (events, "Events", 0), (year, "Events / 2026", 1), (talks, "讲座", 0),
    }  # fmt: skip
    order = [c.cate_id for c in found]
    assert order.index(events) + 1 == order.index(year)


def test_categories_without_keys_say_what_is_missing(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path, credentials=None) as up, pytest.raises(vw.VODError) as caught:
        up.categories()
    assert caught.value.code == "Auth.Missing"


def test_a_stored_video_can_be_watched_and_one_without_a_stream_says_so(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        path = file_of(tmp_path, "a.mp4")
        info = up.add_file(path)
        with pytest.raises(vw.VODError, match="stored"):
            up.play_url(info)
        runs(up)
        emulator.clock.advance(3600)
        url = up.play_url(info)
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.read() == Path(path).read_bytes()
        emulator.faults.add(op="GetPlayInfo", action=faults.Status(403, "InvalidVideo.NoneStream"))
        with pytest.raises(vw.VODError) as caught:
            up.play_url(info)
        assert caught.value.code == "Play.NotReady"


def test_a_cover_may_be_given_changed_and_taken_away_before_the_start(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        with_cover, without = up.add_file(file_of(tmp_path, "a.mp4")), up.add_file(file_of(tmp_path, "b.mp4"))
        assert up.update_metadata(with_cover, cover=str(file_of(tmp_path, "one.jpg")))
        assert up.update_metadata(with_cover, title="T", cover=str(file_of(tmp_path, "two.jpg")))
        assert up.update_metadata(without, cover=str(file_of(tmp_path, "one.jpg")))
        assert up.update_metadata(without, cover=None)
        with pytest.raises(vw.VODError, match="extension"):
            up.update_metadata(with_cover, cover=str(file_of(tmp_path, "c.txt")))
        runs(up)
        assert with_cover.cover_url
        assert not without.cover_url
        assert emulator.asset(with_cover.video_id).title == "T"
        assert up.update_metadata(with_cover, cover=None) is False
