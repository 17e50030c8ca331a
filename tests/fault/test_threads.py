"""A process that may not start threads works with those that it gets, and says so when it gets none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.support import LONG_S, PART, file_of, runs
from tests.fault.memory import MemoryCloud, queue
from tests.helpers.until import until
from vod_widget import crew, workers
from vod_widget.errors import InvalidStateError

FAULT_KIND = "F"


def starved(monkeypatch: pytest.MonkeyPatch, refuses: Callable[[str, int], bool]) -> list[str]:
    """Let threads not start; `refuses(name, how many were refused so far)`."""
    refused: list[str] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("vod-") and refuses(thread.name, len(refused)):
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(workers.threading.Thread, "start", start)
    return refused


@pytest.mark.parametrize("name", ["vod-work", "vod-callbacks"])
def test_f117_with_one_thread_of_a_kind_the_queue_is_slower_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    refused = starved(monkeypatch, lambda thread, _: thread.startswith(name) and not thread.endswith("-1"))
    cloud = MemoryCloud()
    with queue(cloud, tmp_path) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", 4 * PART)) for n in range(3)]
        runs(up)
        assert [f.state for f in infos] == ["Success"] * 3
    assert refused or name == "vod-callbacks"
    assert len(cloud.objects) == 3


@pytest.mark.parametrize("name", ["vod-work", "vod-callbacks", "vod-timer"])
def test_f117_a_thread_that_cannot_be_had_now_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in (crew, workers):
        monkeypatch.setattr(module, "STARVED_S", 0.05)
    cloud = MemoryCloud()
    with queue(cloud, tmp_path) as up:
        # The first thread of the crew is what start() insists on.
        refused = starved(
            monkeypatch, lambda thread, so_far: so_far < 3 and thread.startswith(name) and thread != "vod-work-1"
        )
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", 2 * PART)) for n in range(2)]
        runs(up)
        assert [f.state for f in infos] == ["Success"] * 2
    assert refused


def test_f117_without_a_single_thread_the_start_fails_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = MemoryCloud()
    with queue(cloud, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path))
        with monkeypatch.context() as patch:
            starved(patch, lambda _name, _so_far: True)
            with pytest.raises(InvalidStateError) as caught:
                up.start_upload()
            assert caught.value.code == "Threads"
            assert (up.state, info.state) == ("Init", "Ready")
        runs(up)
        assert info.state == "Success", info.error
        assert next(iter(cloud.objects.values())) == path.read_bytes()
        until(lambda: up.heard.names()[-1] == "on_upload_end", "the end was told", within_s=LONG_S)
