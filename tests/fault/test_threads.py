"""A process that may not start threads works with those that it gets, and says so when it gets none."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.support import LONG_S, PART, file_of, runs
from tests.fault.memory import MemoryCloud, MemoryStore, queue
from tests.helpers.until import until
from vod_widget import crew, workers
from vod_widget.errors import InvalidStateError
from vod_widget.model import LinkFacts, UploadAddress
from vod_widget.options import MIB

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


FAR, NEAR = LinkFacts(answer_s=0.1, rtt_s=0.1), LinkFacts(answer_s=0.001, rtt_s=0.001)


class _Lines(MemoryStore):
    """A store at the end of a line, that counts what is opened ahead: by whether it was said where to."""

    def __init__(self, cloud: MemoryCloud, link: LinkFacts) -> None:
        super().__init__(cloud)
        self.told = link
        self.opened: Counter[tuple[bool, int]] = Counter()

    def link(self) -> LinkFacts:
        return self.told

    def connect_ahead(self, most: int, address: UploadAddress | None = None) -> None:
        self.opened[address is not None, most] += 1


@pytest.mark.parametrize(
    ("link", "size_bytes", "opened"),
    [
        (FAR, 6 * MIB, {(False, 6): 6, (True, 6): 6}),  # while CreateUploadVideo, and while Init is under way
        (FAR, 4 * MIB, {}),  # one PutObject
        (NEAR, 6 * MIB, {}),
    ],
)
def test_connections_of_a_large_file_to_a_far_storage_are_opened_while_the_calls_before_its_parts_run(
    tmp_path: Path, link: LinkFacts, size_bytes: int, opened: dict[tuple[bool, int], int]
) -> None:
    cloud = MemoryCloud()
    with queue(cloud, tmp_path, part_size_bytes=None) as up:
        store = _Lines(cloud, link)
        up._authority._store = store
        info = up.add_file(file_of(tmp_path, "film.mp4", size_bytes))
        runs(up)
        assert info.state == "Success"
        until(lambda: sum(store.opened.values()) >= sum(opened.values()), "every one was opened")
        assert store.opened == opened


def test_before_the_first_byte_the_control_plane_tells_how_far_the_storage_is(tmp_path: Path) -> None:
    cloud = MemoryCloud(away_s=0.1)
    with queue(cloud, tmp_path, part_size_bytes=None) as up:
        store = _Lines(cloud, LinkFacts())
        up._authority._store = store
        up.add_file(file_of(tmp_path, "film.mp4", 6 * MIB))
        runs(up)
        until(lambda: store.opened[True, 6] == 6, "every one was opened while Init was under way")
