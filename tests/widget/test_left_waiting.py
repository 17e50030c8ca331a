"""Files that had not begun when their kernel ended: the next widget offers them, and each goes up once."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.media import Media
from tests.helpers.site import serving
from tests.helpers.until import LONG_S, until
from tests.widget.fakes import FakeComm
from vod_widget import Credentials, VODUpload, VODUploadWidget, keeping
from vod_widget.emulator import faults
from vod_widget.errors import JournalError
from vod_widget.journal import FileJournal, WaitingList, growing
from vod_widget.journal.files import Disk
from vod_widget.journal.lines import read_waiting
from vod_widget.model import Checkpoint
from vod_widget.system import SystemClock

FAULT_KIND = "WP"

pytestmark = pytest.mark.slow

Open = Callable[..., VODUploadWidget]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "clips"
    folder.mkdir()
    paths = [folder / f"clip {number}.mp4" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 120_000)
    return paths


@pytest.fixture
def to(emulator: Any, home: Path) -> dict[str, Any]:
    return {
        "credentials": Credentials(emulator.access_key_id, emulator.access_key_secret),
        "endpoint": emulator.endpoint,
        "checkpoint_dir": str(home),
    }


@pytest.fixture
def show(comms: type[FakeComm], to: dict[str, Any]) -> Iterator[Open]:
    """Make a widget to the emulator; those that the test leaves open are closed."""
    opened: list[VODUploadWidget] = []

    def make(**options: Any) -> VODUploadWidget:
        given = {**to, **options}
        opened.append(VODUploadWidget(**{name: value for name, value in given.items() if value is not None}))
        return opened[-1]

    yield make
    for widget in opened:
        widget.uploader.close()
        widget.close()


def lists(home: Path) -> list[Path]:
    return sorted((home / "journal").glob("waiting-*.jsonl"))


def kept(home: Path) -> list[str]:
    """The names in all lists, in their order."""
    found = [read_waiting(path.read_bytes()) for path in lists(home)]
    assert all(damaged == 0 for _, damaged in found)
    return [waiting.checkpoint.name for files, _ in found for waiting in files.values()]


def holds(home: Path, *names: str) -> None:
    """Wait until the lists have these files."""
    try:
        until(lambda: kept(home) == list(names), f"{names} are kept")
    except AssertionError:
        assert kept(home) == list(names)
        raise


def offered(widget: VODUploadWidget) -> int:
    return widget._handler._unfinished.count()["files"]


def names(widget: VODUploadWidget) -> list[str]:
    return [info.name for info in widget.uploader.list_files()]


def at_once(ask: Callable[[VODUploadWidget], int], widgets: list[VODUploadWidget]) -> list[int]:
    """Ask each in a thread of its own, all in the same moment; in the order in which they answered."""
    together = threading.Barrier(len(widgets))
    answers: list[int] = []

    def one(widget: VODUploadWidget) -> None:
        together.wait(LONG_S)
        answers.append(ask(widget))

    threads = [threading.Thread(target=one, args=(widget,)) for widget in widgets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    return answers


def run(widget: VODUploadWidget) -> list[str]:
    return [str(result.state) for result in widget.uploader.run(LONG_S)]


def test_f111_a_killed_kernel_loses_no_file_that_had_not_begun(
    show: Open, emulator: Any, to: dict[str, Any], home: Path, clips: list[Path]
) -> None:
    code = (
        "import sys, vod_widget as vw\n"
        f"widget = vw.VODUploadWidget(credentials=vw.Credentials({emulator.access_key_id!r}, "
        f"{emulator.access_key_secret!r}), endpoint={emulator.endpoint!r}, checkpoint_dir={str(home)!r})\n"
        f"widget.add(*{[str(path) for path in clips]!r}, tags=['kept'])\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as kernel:
        try:
            holds(home, *[path.name for path in clips])
            second = show()
            assert offered(second) == 0, "their kernel lives"
            assert second.take_back() == 0
        finally:
            os.kill(kernel.pid, signal.SIGKILL)
    assert offered(second) == 3
    assert second.take_back() == 3
    assert (offered(second), second.take_back()) == (0, 0)
    assert [str(info.state) for info in second.uploader.list_files()] == ["Stopped"] * 3
    assert run(second) == ["Success"] * 3
    assert sorted(emulator.object_path(a.media_id).read_bytes() for a in emulator.assets) == sorted(
        path.read_bytes() for path in clips
    )
    assert {asset.tags for asset in emulator.assets} == {"kept"}
    until(lambda: not list((home / "journal").glob("waiting-*")), "no list is left, nor the lock of the killed one")


def test_everything_that_was_said_of_a_file_comes_back_with_it(
    show: Open, emulator: Any, home: Path, clips: list[Path], media: Media
) -> None:
    first = show()
    first.uploader.add_file(
        clips[0], title="Talk", cate_id=0, tags=["a"], description="d", reference_id="my-own-reference"
    )
    first.uploader.add_file(clips[1], cover=media.jpeg, object="my/own.mp4", priority=6)
    first.uploader.add_file(clips[2], user_data={"Vod": {"Title": "Other", "UserData": {"IsShowWaterMark": False}}})
    before = [(i.metadata, i.cover_name, i._record.given.address) for i in first.uploader.list_files()]
    holds(home, *[path.name for path in clips])
    ids = [info.file_id for info in first.uploader.list_files()]
    first.close()
    second = show()
    assert second.take_back() == 3
    after = second.uploader.list_files()
    assert [(i.metadata, i.cover_name, i._record.given.address) for i in after] == before
    assert [info.file_id for info in after] == ids
    assert after[0]._record.given.reference_id == "my-own-reference"


def test_a_changed_title_and_a_changed_order_are_kept(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    infos = first.add(*clips)
    first.uploader.update_metadata(infos[1], title="Changed")
    first.move(infos[2], where="first")
    holds(home, "clip 2.mp4", "clip 0.mp4", "clip 1.mp4")
    until(lambda: b"Changed" in lists(home)[0].read_bytes(), "the title is kept")
    first.close()
    second = show()
    second.take_back()
    assert [info.title for info in second.uploader.list_files()] == ["clip 2.mp4", "clip 0.mp4", "Changed"]


def test_only_what_is_still_wanted_is_kept(show: Open, emulator: Any, home: Path, clips: list[Path]) -> None:
    widget = show()
    infos = widget.add(*clips)
    holds(home, *[path.name for path in clips])
    widget.cancel(infos[0])
    widget.remove(infos[1])
    holds(home, "clip 2.mp4")
    widget.resume(infos[0])
    holds(home, "clip 2.mp4", "clip 0.mp4")
    emulator.faults.add(op="CreateUploadVideo", action=faults.Status(403, "Forbidden.RAM"))
    assert sorted(run(widget)) == ["Failure", "Success"]
    until(lambda: len(kept(home)) == 1, "the one that failed stays")
    widget.retry()
    assert widget.wait(LONG_S)
    holds(home)


def test_a_file_that_has_begun_is_offered_once(show: Open, emulator: Any, home: Path, clips: list[Path]) -> None:
    first = show(part_size_bytes=102_400, parallel=1, parallel_files=1)
    first.add(*clips)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    first.uploader.start_upload()
    until(lambda: stall.fired, "the first file is halfway")
    holds(home, *[path.name for path in clips])
    first.close()
    stall.release()
    second = show()
    assert offered(second) == 3
    assert second.take_back() == 3
    assert run(second) == ["Success"] * 3
    assert len(emulator.assets) == 3


def test_a_file_that_was_stored_since_is_not_offered_nor_sent_again(
    show: Open, emulator: Any, to: dict[str, Any], home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    with VODUpload(**to) as other:
        other.add_file(clips[0])
        other.run(LONG_S)
    second = show()
    assert offered(second) == 2
    assert second.take_back() == 2
    with VODUpload(**to) as other:  # and one while it waits here again
        other.add_file(clips[1])
        other.run(LONG_S)
    results = second.uploader.run(LONG_S)
    assert [(str(r.state), r.skipped) for r in results] == [("Success", True), ("Success", False)]
    assert len(emulator.assets) == 3


def test_a_stored_file_that_was_edited_since_is_offered(
    show: Open, to: dict[str, Any], home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(clips[0])
    holds(home, clips[0].name)
    first.close()
    with VODUpload(**to) as other:
        other.add_file(clips[0])
        other.run(LONG_S)
    clips[0].write_bytes(b"edited" * 30_000)
    assert offered(show()) == 1


def test_files_come_back_where_they_were_to_go(
    show: Open, emulator: Any, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback endpoints are emulators, which all are one place; real regions and accounts are many."""
    there = {"endpoint": None, "region": "cn-beijing", "credentials": Credentials("LTAI-one", "secret-of-one")}
    first = show(**there)
    first.add(clips[0])
    holds(home, clips[0].name)
    first.close()
    for other in (
        {**there, "credentials": Credentials("LTAI-two", "secret-of-two")},
        {**there, "region": "cn-shanghai"},
        {},
    ):
        elsewhere = show(**other)
        assert (offered(elsewhere), elsewhere.take_back()) == (0, 0)
        elsewhere.close()
    assert kept(home) == [clips[0].name]
    assert show(**there).take_back() == 1


def test_files_of_an_emulator_that_has_ended_go_to_the_next_one(show: Open, home: Path, clips: list[Path]) -> None:
    first = show(endpoint="http://127.0.0.1:9")
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    second = show()
    assert second.take_back() == 3
    assert run(second) == ["Success"] * 3


def test_files_that_were_added_before_any_key_come_back_to_whoever_has_some(
    show: Open, home: Path, clips: list[Path]
) -> None:
    first = show(credentials=None, endpoint=None)
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    second = show(credentials=None, endpoint=None)
    assert (offered(second), second.take_back()) == (3, 3), "nor are keys needed to bring them back"
    second.close()
    third = show()
    assert third.take_back() == 3
    assert run(third) == ["Success"] * 3


def test_other_keys_take_the_files_along(show: Open, home: Path, clips: list[Path]) -> None:
    there: dict[str, Any] = {"endpoint": None, "region": "cn-beijing"}
    first = show(**there, credentials=Credentials("LTAI-one", "secret-of-one"))
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    before = lists(home)[0].read_bytes()
    first.set_credentials("LTAI-two", "secret-of-two")
    until(lambda: lists(home)[0].read_bytes() != before, "the list says where they go now")
    assert b"secret" not in lists(home)[0].read_bytes()
    first.close()
    assert offered(show(**there, credentials=Credentials("LTAI-one", "secret-of-one"))) == 0
    assert offered(show(**there, credentials=Credentials("LTAI-two", "secret-of-two"))) == 3


def test_a_file_that_is_gone_comes_back_as_a_row_that_says_so(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    moved = clips[0].rename(clips[0].with_suffix(".away"))
    second = show()
    assert second.take_back() == 3
    assert run(second) == ["Failure", "Success", "Success"]
    [info, *_] = second.uploader.list_files()
    assert (info.error and info.error.code) == "Source.Missing"
    moved.rename(clips[0])
    second.retry()
    assert second.wait(LONG_S)
    assert info.state == "Success"


def test_what_only_this_kernel_can_read_is_not_kept(show: Open, home: Path, media: Media, clips: list[Path]) -> None:
    first = show()
    first.uploader.add_file(b"x" * 1000, name="memory.mp4")
    first.uploader.add_file(clips[0], cover=None)
    [_, info] = first.uploader.list_files()
    first.uploader.update_metadata(info, cover=_in_memory(media.jpeg))
    holds(home, clips[0].name)
    until(lambda: b'"cover":"lost"' in lists(home)[0].read_bytes(), "it had a cover")
    first.close()
    second = show()
    warned: list[str] = []
    second.uploader.subscribe(lambda event: warned.append(getattr(event, "code", "")))
    assert second.take_back() == 1
    until(lambda: "Cover.Lost" in warned, "the person is told")


def _in_memory(path: Path) -> Any:
    from vod_widget.sources import MemorySource

    return MemorySource(path.read_bytes(), path.name)


def test_two_kernels_that_bring_back_at_once_share_the_files(
    show: Open, emulator: Any, home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    widgets = [show() for _ in range(4)]
    taken = at_once(VODUploadWidget.take_back, widgets)
    assert sorted(taken) == [0, 0, 0, 3]
    assert [state for widget in widgets for state in run(widget)] == ["Success"] * 3
    assert len(emulator.assets) == 3


def test_two_pages_that_ask_at_once_hear_the_same(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    widgets = [show() for _ in range(4)]
    for widget in widgets:  # each has a list of its own, which the others cannot take
        widget.uploader.add_file(b"x" * 1000, name="memory.mp4")
        own = home.parent / f"{id(widget)}.mp4"
        own.write_bytes(b"m")
        widget.add(own)
    until(lambda: len(lists(home)) == 5, "every list is there")
    assert [at_once(offered, widgets) for _ in range(10)] == [[3] * 4] * 10


def test_a_kill_between_taking_and_clearing_away_brings_each_file_once(
    show: Open, emulator: Any, home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    [path] = lists(home)
    path.with_name("waiting-0123456789abcdef.jsonl").write_bytes(path.read_bytes())
    path.with_name("waiting-0123456789abcdef.jsonl").chmod(0o600)
    second = show()
    assert offered(second) == 3
    assert second.take_back() == 3
    assert run(second) == ["Success"] * 3
    assert len(emulator.assets) == 3
    holds(home)


def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the disk of the lists be full; returns the sizes of what was to be written."""
    tries: list[int] = []

    def full(_descriptor: int, data: bytes) -> None:
        tries.append(len(data))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(growing, "write_all", full)
    return tries


def test_what_cannot_be_written_here_stays_where_it_was(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    second = show()
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(JournalError, match="No space left"):
            second.take_back()
    assert names(second) == []
    assert kept(home) == [path.name for path in clips]
    assert show(checkpoint_dir=str(home)).take_back() == 3


def test_a_full_disk_is_told_once_and_made_up_for_without_anybody_asking(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_RETRY_S", 0.01)
    monkeypatch.setattr(keeping, "_RETRY_MAX_S", 0.05)
    widget = show()
    told: list[str] = []
    widget.uploader.subscribe(lambda event: told.append(getattr(event, "message", "")))
    with monkeypatch.context() as patch:
        tries = full_disk(patch)
        widget.add(*clips)
        until(lambda: len(tries) > 3, "it is tried again")
        assert kept(home) == []
    holds(home, *[path.name for path in clips])
    until(lambda: any("would be lost" in text for text in told), "it is said")
    assert sum("would be lost" in text for text in told) == 1


def test_closing_is_one_more_try(show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    widget = show()
    told = threading.Event()
    widget.uploader.subscribe(lambda event: told.set() if "would be lost" in getattr(event, "message", "") else None)
    with monkeypatch.context() as patch:
        full_disk(patch)
        widget.add(*clips)
        assert told.wait(LONG_S)
    assert kept(home) == []
    widget.close()
    assert kept(home) == [path.name for path in clips]


def test_what_nobody_foresaw_does_not_end_the_keeping(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_RETRY_S", 0.01)
    widget = show()
    struck = threading.Event()

    def no_memory(*_: object) -> None:
        struck.set()
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_cover_of", no_memory)
        widget.add(clips[0])
        assert struck.wait(LONG_S)
    holds(home, clips[0].name)


def test_the_list_that_somebody_removed_is_made_again(show: Open, home: Path, clips: list[Path]) -> None:
    import shutil

    widget = show()
    widget.add(clips[0])
    holds(home, clips[0].name)
    shutil.rmtree(home / "journal")
    widget.add(clips[1])
    holds(home, clips[0].name, clips[1].name)


def test_a_damaged_line_costs_its_own_file_alone(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    [path] = lists(home)
    one, two, three = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(one + two.replace(b"clip 1", b"clip 9") + three + three[:-20])
    second = show()
    assert offered(second) == 2
    assert second.take_back() == 2
    assert names(second) == ["clip 0.mp4", "clip 2.mp4"]


def test_a_list_that_is_not_ours_alone_is_left_out_and_the_others_come(
    show: Open, home: Path, clips: list[Path]
) -> None:
    for clip in clips[:2]:
        widget = show()
        widget.add(clip)
        until(lambda name=clip.name: name in kept(home), "it is kept")
        widget.close()
    lists(home)[0].chmod(0o666)
    third = show()
    assert offered(third) == 1
    assert third.take_back() == 1


def test_the_list_does_not_grow_with_what_is_over(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_SLACK_LINES", 5)
    widget = show()
    widget.add(clips[0])
    for _ in range(20):
        [info] = widget.add(clips[1])
        holds(home, clips[0].name, clips[1].name)
        widget.remove(info)
        holds(home, clips[0].name)
    assert len(lists(home)[0].read_bytes().splitlines()) < 12


def test_a_list_without_files_leaves_nothing(show: Open, home: Path, clips: list[Path]) -> None:
    widget = show()
    widget.add(*clips)
    holds(home, *[path.name for path in clips])
    widget.clear("all")
    until(lambda: not list((home / "journal").glob("waiting-*")), "neither a list nor its lock is left")


def test_a_queue_that_is_dropped_lets_go_of_its_list(
    show: Open, to: dict[str, Any], home: Path, clips: list[Path]
) -> None:
    uploader = VODUpload(**to)
    uploader._keep_waiting()
    uploader.add_file(clips[0])
    holds(home, clips[0].name)
    gone = weakref.ref(uploader)
    del uploader

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    until(is_gone, "the list does not keep its queue alive")
    assert show().take_back() == 1


def test_a_forked_child_that_ends_leaves_the_list_to_its_parent(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, SystemClock())
    held = journal.new_waiting()
    held.write([])
    child = os.fork()
    if child == 0:
        held.release()
        journal.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(FileJournal(tmp_path, SystemClock()).left_waiting()) == []
    held.release()
    assert len(list(FileJournal(tmp_path, SystemClock()).left_waiting())) == 1


def test_the_core_alone_keeps_no_list(to: dict[str, Any], home: Path, clips: list[Path]) -> None:
    with VODUpload(**to) as uploader:
        uploader.add_file(clips[0])
        uploader.run(LONG_S)
    assert lists(home) == []


def test_a_file_that_was_stored_and_added_again_is_wanted_again(
    show: Open, emulator: Any, home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(clips[0])
    assert run(first) == ["Success"]
    first.clear("done")
    first.uploader.add_file(clips[0], title="second edition")
    holds(home, clips[0].name)
    first.close()
    second = show()
    assert (offered(second), second.take_back()) == (1, 1)
    assert run(second) == ["Success"]
    assert sorted(asset.title for asset in emulator.assets) == ["clip 0.mp4", "second edition"]


def test_a_file_that_was_given_up_and_wanted_again_goes_on(
    show: Open, emulator: Any, home: Path, clips: list[Path]
) -> None:
    first = show(part_size_bytes=102_400, parallel=1, parallel_files=1)
    info, _ = first.add(*clips[:2])
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    first.uploader.start_upload()
    until(lambda: stall.fired, "a part is on its way")
    first.stop()
    first.cancel(info)
    stall.release()
    until(lambda: not emulator.unfinished_uploads, "its parts are removed")
    first.resume(info)
    holds(home, clips[1].name, clips[0].name)
    video_id = info.video_id
    first.close()
    second = show()
    assert (offered(second), second.take_back()) == (2, 2)
    assert run(second) == ["Success"] * 2
    assert video_id in {asset.media_id for asset in emulator.assets}
    assert len(emulator.assets) == 2


def test_a_file_whose_entry_cannot_be_read_is_offered_all_the_same(
    show: Open, emulator: Any, home: Path, clips: list[Path]
) -> None:
    first = show(part_size_bytes=102_400, parallel=1)
    first.add(clips[0])
    stall = emulator.faults.add(op="UploadPart", nth=2, action=faults.Stall())
    first.uploader.start_upload()
    until(lambda: stall.fired, "a part is on its way")
    holds(home, clips[0].name)
    first.close()
    stall.release()
    [entry] = [path for path in (home / "journal").glob("*.jsonl") if "waiting" not in path.name]
    entry.write_bytes(b"")
    entry.with_suffix(".who").unlink()
    second = show()
    assert (offered(second), second.take_back()) == (1, 1)
    assert run(second) == ["Success"]


def test_more_begun_files_than_are_looked_at_at_once_come_one_after_another(
    show: Open, emulator: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vod_widget.widget import unfinished

    monkeypatch.setattr(unfinished, "_MAX_LOOKED_AT", 2)
    paths = [tmp_path / f"{number}.mp4" for number in range(5)]
    first = show()
    label = first.uploader._authority.resolve(required=True).label
    for path in paths:
        path.write_bytes(b"m" * 1000)
        info = first.add(path)[0]
        holds(home, *[one.name for one in paths[: paths.index(path) + 1]])
        entry = first.uploader._authority.journal().open(f"file:{path}", label)
        begun = Checkpoint(
            info.file_id, f"file:{path}", label, info._record.source.fingerprint(), path.name, 1000, info.media_type
        )
        entry.write(begun, durable=False)
        entry.release()
    first.close()
    second = show()
    assert [second.take_back() for _ in range(4)] == [2, 2, 1, 0]
    assert run(second) == ["Success"] * 5
    assert len(emulator.assets) == 5


def test_a_title_that_is_changed_while_the_list_is_written_is_kept(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = show()
    [info] = widget.add(clips[0])
    holds(home, clips[0].name)
    writes, goes_on = threading.Event(), threading.Event()
    write = WaitingList.write

    def slow(self: WaitingList, files: Any) -> None:
        lines = list(files)
        writes.set()
        assert goes_on.wait(LONG_S)
        write(self, lines)

    monkeypatch.setattr(WaitingList, "write", slow)
    widget.uploader._keep_waiting().look()
    assert writes.wait(LONG_S)
    widget.uploader.update_metadata(info, title="Changed")
    goes_on.set()
    until(lambda: b"Changed" in lists(home)[0].read_bytes(), "the new title is kept")


def test_callbacks_and_listeners_that_are_slow_do_not_hold_up_the_keeping(
    show: Open, home: Path, clips: list[Path]
) -> None:
    widget = show()
    goes_on = threading.Event()
    widget.uploader.subscribe(lambda _: goes_on.wait(LONG_S))
    widget.uploader.on_file_added = lambda _: goes_on.wait(LONG_S)
    try:
        widget.add(*clips)
        holds(home, *[path.name for path in clips])
    finally:
        goes_on.set()


def test_a_process_that_ends_at_once_loses_nothing(to: dict[str, Any], home: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(500)]
    for path in paths:
        path.write_bytes(b"m")
    code = (
        "import pathlib, sys, vod_widget as vw\n"
        f"widget = vw.VODUploadWidget(checkpoint_dir={str(home)!r})\n"
        f"widget.add(*[{str(tmp_path)!r} + f'/{{number}}.mp4' for number in range(500)])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=LONG_S, check=False).returncode == 0
    assert len(kept(home)) == 500


def test_closing_in_a_callback_loses_nothing(show: Open, home: Path, clips: list[Path]) -> None:
    widget = show()
    closed: list[bool] = []
    widget.uploader.on_upload_canceled = lambda _: closed.append(widget.uploader.close())
    infos = widget.add(*clips)
    widget.cancel(infos[0])
    until(lambda: closed, "it is closed")
    assert kept(home) == [path.name for path in clips[1:]]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk on which a sync ends when the test is over; set while one waits."""
    hangs, over = threading.Event(), threading.Event()

    def sync(_self: Disk, _descriptor: int) -> None:
        hangs.set()
        over.wait(LONG_S)

    monkeypatch.setattr(Disk, "sync", sync)
    yield hangs
    over.set()


def test_closing_waits_so_long_for_a_disk_that_hangs_and_not_longer(
    show: Open, clips: list[Path], hanging: threading.Event
) -> None:
    widget = show()
    widget.add(clips[0])
    assert hanging.wait(LONG_S)
    ended = threading.Thread(target=lambda: widget.uploader.close(0.2), daemon=True)
    ended.start()
    ended.join(LONG_S / 2)
    assert not ended.is_alive()


def test_a_forked_child_can_close_its_copy(show: Open, clips: list[Path], hanging: threading.Event) -> None:
    widget = show()
    widget.add(clips[0])
    assert hanging.wait(LONG_S), "the list is being written when the process forks"
    child = os.fork()
    if child == 0:
        widget.uploader.close()
        os._exit(0)
    until(lambda: os.waitpid(child, os.WNOHANG)[0] == child, "the child ends")


def test_a_row_that_is_given_up_here_leaves_the_file_of_the_other_kernel_where_it_is(
    show: Open, home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(*clips[:2])
    holds(home, *[path.name for path in clips[:2]])
    first.close()
    second = show()
    [info] = second.add(clips[0])
    second.cancel(info)
    assert second.take_back() == 1
    second.close()
    assert sorted(kept(home)) == [path.name for path in clips[:2]]


def test_a_list_that_was_damaged_is_set_aside_and_not_removed(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    [path] = lists(home)
    path.write_bytes(path.read_bytes().replace(b"clip 1", b"clip 9"))
    second = show()
    assert second.take_back() == 2
    [aside] = (home / "journal").glob("waiting-*.bad")
    assert b"clip 9" in aside.read_bytes()


def test_a_lock_that_is_not_ours_alone_hides_its_own_list_only(show: Open, home: Path, clips: list[Path]) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    lock = home / "journal" / "waiting-0000000000000000.lock"
    lock.touch()
    lock.chmod(0o666)
    assert offered(show()) == 3
    assert offered(show()) == 3, "nobody holds it still"


def test_lists_of_which_nothing_is_wanted_any_more_go(
    show: Open, to: dict[str, Any], home: Path, clips: list[Path]
) -> None:
    for _ in range(3):
        widget = show()
        widget.add(*clips)
        until(lambda: len(kept(home)) % 3 == 0 and kept(home), "they are kept")
        widget.close()
    with VODUpload(**to) as other:
        for clip in clips:
            other.add_file(clip)
        other.run(LONG_S)
    assert offered(show()) == 0
    assert lists(home) == []


def test_another_folder_of_the_journal_takes_the_list_along(
    show: Open, home: Path, clips: list[Path], tmp_path: Path
) -> None:
    widget = show()
    widget.add(clips[0])
    holds(home, clips[0].name)
    widget.uploader.checkpoint_dir = str(tmp_path / "elsewhere")
    widget.add(clips[1])
    holds(tmp_path / "elsewhere", clips[0].name, clips[1].name)
    assert kept(home) == []


def test_an_address_comes_back_and_its_server_is_asked_at_its_turn(
    show: Open, emulator: Any, home: Path, clips: list[Path], tmp_path: Path
) -> None:
    with serving(clips[0].read_bytes()) as site:
        first = show()
        assert first.add_addresses(site.url)["refused"] == []
        holds(home, "talk one.mp4")
        first.close()
        asked = len(site.asked)
        second = show()
        assert (offered(second), second.take_back()) == (1, 1)
        assert len(site.asked) == asked
        assert run(second) == ["Success"]
    [asset] = emulator.assets
    assert emulator.object_path(asset.media_id).read_bytes() == clips[0].read_bytes()


def test_counting_what_was_left_removes_no_list_that_is_damaged_or_of_a_later_version(
    show: Open, home: Path, clips: list[Path]
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    [path] = lists(home)
    later = path.read_bytes().replace(b'"v":1', b'"v":2')
    path.write_bytes(later)
    second = show()
    assert (offered(second), offered(second), second.take_back()) == (0, 0, 0)
    left = [one for one in (home / "journal").iterdir() if one.suffix in (".jsonl", ".bad")]
    assert [one.read_bytes() for one in left] == [later]


def test_an_error_of_bringing_back_that_somebody_keeps_does_not_keep_the_list(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = show()
    first.add(*clips)
    holds(home, *[path.name for path in clips])
    first.close()
    second = show()
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(JournalError) as kept_by_the_notebook:
            second.take_back()
    assert (offered(second), offered(show()), second.take_back()) == (3, 3, 3)
    del kept_by_the_notebook


def test_a_queue_that_ended_with_its_process_closes_at_once_and_keeps_what_came_since(
    show: Open, home: Path, clips: list[Path]
) -> None:
    widget = show()
    widget.add(clips[0])
    uploader = widget.uploader
    uploader._end_with_process(LONG_S)
    assert kept(home) == [clips[0].name]
    widget.add(clips[1])
    began_s = SystemClock().monotonic_s()
    uploader.close(LONG_S)
    assert SystemClock().monotonic_s() - began_s < LONG_S / 2
    assert kept(home) == [path.name for path in clips[:2]]


def test_an_order_that_was_just_changed_is_kept_by_closing(show: Open, home: Path, clips: list[Path]) -> None:
    widget = show()
    infos = widget.add(*clips)
    holds(home, *[path.name for path in clips])
    widget.move(infos[2], where="first")
    widget.close()
    assert kept(home) == ["clip 2.mp4", "clip 0.mp4", "clip 1.mp4"]


def test_a_thread_that_could_not_be_had_once_does_not_end_the_keeping(
    show: Open, home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vod_widget import workers

    widget = show()
    until(lambda: not widget.uploader._keep_waiting()._works, "it rests")
    start_thread = workers.start_thread

    def none_left(name: str, target: Any) -> threading.Thread:
        if name == "vod-keeper":
            raise RuntimeError("can't start new thread")
        return start_thread(name, target)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "start_thread", none_left)
        widget.add(clips[0])
    widget.add(clips[1])
    holds(home, clips[0].name, clips[1].name)


def test_an_option_that_is_set_takes_the_files_along(show: Open, home: Path, clips: list[Path]) -> None:
    widget = show(endpoint=None, credentials=Credentials("LTAI-one", "secret-of-one"), region="cn-beijing")
    widget.add(*clips)
    holds(home, *[path.name for path in clips])
    widget.uploader.region = "cn-shenzhen"
    until(lambda: b"cn-shenzhen" in lists(home)[0].read_bytes(), "another region")
    before = lists(home)[0].read_bytes()
    widget.uploader.credentials = Credentials("LTAI-two", "secret-of-two")
    until(lambda: lists(home)[0].read_bytes() != before, "other keys")


def test_keys_of_an_instance_are_not_forgotten_by_who_only_looks(
    show: Open, to: dict[str, Any], home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata service is asked for keys that are needed; what it gave stays the provider of a look."""
    from types import SimpleNamespace

    from vod_widget import credentials
    from vod_widget.errors import MissingCredentialError

    def resolve(**asked: Any) -> Any:
        if not asked["asks_instance"]:
            raise MissingCredentialError("nothing was found")
        return SimpleNamespace(name="role", region=None, endpoint=None, account="role", mode="EcsRamRole")

    monkeypatch.setattr(credentials, "resolve", resolve)
    uploader = VODUpload(checkpoint_dir=str(home), region="cn-beijing")
    authority = uploader._authority
    assert authority.resolve(required=False).label.endswith("|application")
    assert authority.resolve(required=True).label.endswith("|role")
    assert authority.resolve(required=False).label.endswith("|role")
    uploader.close()


def test_a_list_that_cannot_be_removed_hides_no_other(
    show: Open, to: dict[str, Any], home: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for clip in clips[:2]:
        widget = show()
        widget.add(clip)
        until(lambda name=clip.name: name in kept(home), "it is kept")
        widget.close()
    with VODUpload(**to) as other:
        other.add_file(clips[0])
        other.run(LONG_S)

    def no(_self: WaitingList) -> None:
        raise JournalError("it is immutable")

    monkeypatch.setattr(WaitingList, "discard", no)
    assert offered(show()) == 1


def test_what_a_kill_in_the_first_write_leaves_is_cleared_away(show: Open, home: Path) -> None:
    (home / "journal").mkdir(parents=True, mode=0o700)
    (home / "journal" / "waiting-0123456789abcdef.tmp").write_bytes(b'{"v":1,"ki')
    assert offered(show()) == 0
    assert list((home / "journal").glob("waiting-*")) == []
