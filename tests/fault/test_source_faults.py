"""A file that changes, vanishes, breaks or hangs while it is sent: seen, said, and never a mix of two versions."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.support import LONG_S, PART, file_of, in_state, ops, reached, runs, stopped_at, stored, uploader
from tests.helpers.descriptors import open_below
from tests.helpers.invariants import Stored, Witness
from tests.helpers.media import pattern_bytes
from tests.helpers.until import until
from vod_widget import stalls
from vod_widget.emulator.faults import Stall
from vod_widget.journal import FileJournal
from vod_widget.sources import local
from vod_widget.system import SystemClock

FAULT_KIND = "F"
SIZE = 4 * PART + 17


def change_while_sent(
    emulator: Any, tmp_path: Path, change: Callable[[Path], None], *, part: int = 2, **options: Any
) -> tuple[Any, Any]:
    """Send a file, change it while this part is on its way; returns its info and a neighbour's."""
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=part, action=Stall())
    witness = Witness(PART, parallel=1)
    with uploader(emulator, tmp_path, parallel=1, **options) as up:
        witness.watch(up)
        info = up.add_file(path)
        good = up.add_file(other := file_of(tmp_path, "good.mp4"))
        witness.story(info.file_id, "clip.mp4").exists(path)
        witness.story(good.file_id, "good.mp4").exists(other)
        up.start_upload()
        reached(stall)
        source = up._queue.records[0].source
        until(lambda: source._handle, "it is open, which it may not be yet when the head of the first part has come")
        change(path)
        if path.exists():
            witness.story(info.file_id).exists(path)
        stall.release()
        assert up.wait(LONG_S)
        events = up.heard.of(info)
    assert len([name for name in events if name in {"on_upload_succeed", "on_upload_failed"}]) == 1
    witness.check(Stored.of_emulator(emulator), owned=unfinished_ids(tmp_path))
    return info, good


def unfinished_ids(tmp_path: Path) -> list[str]:
    """Upload ids that the journal still knows."""
    return [c.upload_id for c in FileJournal(tmp_path / "journal", SystemClock()).unfinished()]


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, SIZE - 2 * PART)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(pattern_bytes("other", SIZE))


def rewrite_and_set_time_back(path: Path) -> None:
    found = path.stat()
    rewrite(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replace_by_another(path: Path) -> None:
    other = path.with_name("other.bin")
    other.write_bytes(pattern_bytes("other", SIZE))
    found = path.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


CHANGES = {
    "F95": shrink,
    "F96": grow,
    "F97": replace_by_another,
    "F98": rewrite,
    "F98, time set back": rewrite_and_set_time_back,
}


@pytest.mark.parametrize("part", [1, 3, 5])
@pytest.mark.parametrize("how", CHANGES)
def test_f95_f96_f97_f98_a_file_that_changes_is_seen_and_never_completed(
    emulator: Any, tmp_path: Path, how: str, part: int
) -> None:
    info, good = change_while_sent(emulator, tmp_path, CHANGES[how], part=part)
    assert (info.state, info.error.code) == ("Failure", "Source.Changed")
    assert ops(emulator, "CompleteMultipartUpload") == []
    assert good.state == "Success"
    assert len(emulator.assets) == 2


def test_f98_an_edit_between_two_runs_is_one_version_in_the_end_also_with_its_time_set_back(
    emulator: Any, tmp_path: Path
) -> None:
    info, _ = change_while_sent(emulator, tmp_path, rewrite_and_set_time_back)
    with uploader(emulator, tmp_path) as up:
        again = up.add_file(tmp_path / "clip.mp4")
        runs(up)
        assert again.state == "Success", again.error
        assert again.video_id == info.video_id
        assert stored(emulator, again) == (tmp_path / "clip.mp4").read_bytes()
    assert emulator.unfinished_uploads == []


@pytest.mark.parametrize("part", [1, 5])
def test_f99_a_deleted_file_is_sent_to_its_end(emulator: Any, tmp_path: Path, part: int) -> None:
    expected = pattern_bytes("clip.mp4", SIZE)
    info, _ = change_while_sent(emulator, tmp_path, Path.unlink, part=part)
    assert info.state == "Success", info.error
    assert stored(emulator, info) == expected


def test_f99_a_deleted_file_is_missing_for_the_next_process(emulator: Any, tmp_path: Path) -> None:
    import vod_widget as vw
    from tests.contract.support import keys

    path = file_of(tmp_path, size=SIZE)
    with stopped_at(emulator, tmp_path, path, 2):
        pass
    path.unlink()
    with vw.resume(tmp_path / "journal", credentials=keys(emulator), endpoint=emulator.endpoint) as again:
        (info,) = again.list_files()
        assert (info.state, info.error.code) == ("Failure", "Source.Missing")
        assert "clip.mp4" in str(info.error)


class Reads:
    """`preadv` of one file, which a test can break or block."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = str(path)
        self.inside = 0
        self.broken: Callable[[int], OSError | None] = lambda _offset: None
        self.blocked: threading.Event | None = None
        real = os.preadv

        def preadv(descriptor: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
            if str(Path(f"/proc/self/fd/{descriptor}").readlink()) == self.path:
                if flags:  # a mount of this kind has no read that does not wait
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
                if error := self.broken(offset):
                    raise error
                if self.blocked is not None:
                    self.inside += 1
                    self.blocked.wait(60)
                    self.inside -= 1
            return real(descriptor, buffers, offset, flags)

        monkeypatch.setattr(local.os, "preadv", preadv)


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_f100_a_read_error_fails_its_file_with_the_position_and_others_go_on(
    emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    path = file_of(tmp_path, size=SIZE)
    reads = Reads(path, monkeypatch)
    reads.broken = lambda offset: OSError(error, os.strerror(error)) if offset >= 2 * PART else None
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path)
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Source.Read")
        assert f"byte {2 * PART}" in str(info.error)
        assert good.state == "Success"
        reads.broken = lambda _offset: None
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].sent_bytes <= SIZE + PART
    assert len(emulator.assets) == 2


@pytest.mark.parametrize("size", [3000, SIZE])
def test_f101_a_read_that_never_comes_back_costs_one_thread_and_its_file_alone(
    emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = file_of(tmp_path, size=size)
    reads = Reads(path, monkeypatch)
    reads.blocked = threading.Event()
    with uploader(
        emulator, tmp_path, parallel=8
    ) as up:  # room for the parts of one that wait behind the read, and for the others
        info = up.add_file(path)
        good = [up.add_file(file_of(tmp_path, f"good{n}.mp4")) for n in range(3)]
        up.start_upload()
        until(lambda: reads.inside == 1, "the read hangs")
        for other in good:
            in_state(other, "Success")
        monkeypatch.setattr(stalls, "STALL_S", 0.1)  # only now: reads of a busy machine take their time
        in_state(info, "Failure")
        assert info.error.code == "Source.Stalled"
        assert up.wait(LONG_S), "nobody waits for the thread that hangs"
        assert [g.state for g in good] == ["Success"] * 3
        assert reads.inside == 1
        assert up._queue._watchdog.left_behind == 1
        # Tried again while it still hangs: the same answer, and no second thread is lost.
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert (info.state, info.error.code) == ("Failure", "Source.Stalled")
        assert reads.inside == 1
        monkeypatch.setattr(stalls, "STALL_S", LONG_S)
        blocked, reads.blocked = reads.blocked, None
        blocked.set()  # the mount is back
        until(lambda: reads.inside == 0, "the thread came back")
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.heard.of(info).count("on_upload_failed") == 2
    assert len(emulator.assets) == 4


def test_f101_resuming_reads_are_watched_too(emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, size=SIZE)
    with stopped_at(emulator, tmp_path, path, 3):
        pass
    reads = Reads(path, monkeypatch)
    reads.blocked = threading.Event()
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        up.start_upload()
        until(lambda: reads.inside == 1, "the read hangs")
        monkeypatch.setattr(stalls, "STALL_S", 0.1)
        assert up.wait(LONG_S)
        assert (info.state, info.error.code) == ("Failure", "Source.Stalled")
        monkeypatch.setattr(stalls, "STALL_S", LONG_S)
        blocked, reads.blocked = reads.blocked, None
        blocked.set()
        until(lambda: reads.inside == 0, "the thread came back")
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
    assert len(emulator.assets) == 1


@pytest.mark.parametrize("where", ["open", "socket"])
def test_f118_too_many_open_files_is_waited_for(
    emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No descriptor can be had for three tries in a row, then there is one."""
    path = file_of(tmp_path, size=SIZE)
    tries: list[int] = []

    def refuse() -> None:
        if len(tries) < 3:
            tries.append(1)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        if where == "open":
            real_open = os.open

            def opening(what: Any, *args: Any, **kwargs: Any) -> int:
                if str(what) == str(path):
                    refuse()
                return real_open(what, *args, **kwargs)

            monkeypatch.setattr(local.os, "open", opening)
        else:
            import socket

            real_socket = socket.socket

            class Refused(real_socket):  # type: ignore[misc,valid-type]
                def __init__(self, *args: Any, **kwargs: Any) -> None:
                    if threading.current_thread().name.startswith("vod-work"):
                        refuse()
                    super().__init__(*args, **kwargs)

            monkeypatch.setattr(socket, "socket", Refused)
        runs(up)
        assert len(tries) == 3
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()


def test_f118_a_running_file_holds_two_descriptors_and_a_finished_one_none(emulator: Any, tmp_path: Path) -> None:
    def open_now() -> list[str]:
        return [name for name in open_below(tmp_path) if "/emulator/" not in name]

    stall = emulator.faults.add(op="UploadPart", action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=4) as up:
        for number in range(3):
            up.add_file(file_of(tmp_path, f"{number}.mp4", SIZE))
        up.start_upload()
        reached(stall, 4)
        assert len(open_now()) <= 2 * 3
        emulator.faults.clear()
        assert up.wait(LONG_S)
        assert open_now() == []
