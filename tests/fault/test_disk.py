"""A disk that fills up, breaks, forgets or is not there: uploads go on, and what is lost is sent again, never wrong."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, file_of, keys, ops, reached, runs, stopped_at, stored, uploader
from tests.helpers.until import until
from vod_widget.emulator.faults import Stall
from vod_widget.journal import FileJournal, files
from vod_widget.system import SystemClock

FAULT_KIND = "F"
SIZE = 6 * PART


class Disk:
    """The journal's calls of the operating system, of which some fail."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.error = 0
        self.failing: Callable[[str, str], bool] = lambda _call, _name: False
        self.failed: list[tuple[str, str]] = []
        for name in ("write", "fsync", "open"):
            monkeypatch.setattr(files.os, name, self._wrap(name, getattr(os, name)))

    def break_down(self, error: int, failing: Callable[[str, str], bool] = lambda _call, _name: True) -> None:
        """From now on calls for files of the journal fail with `error` where `failing(call, file name)` says so."""
        self.error, self.failing = error, failing

    def heal(self) -> None:
        """All is well again."""
        self.error = 0

    def _wrap(self, name: str, real: Any) -> Any:
        def call(what: Any, *args: Any, **kwargs: Any) -> Any:
            path = str(what) if name == "open" else _path_of(what)
            writes = name != "open" or (args and args[0] & (os.O_WRONLY | os.O_RDWR))
            if self.error and writes and str(self.folder) in path and self.failing(name, Path(path).name):
                self.failed.append((name, Path(path).name))
                raise OSError(self.error, os.strerror(self.error))
            return real(what, *args, **kwargs)

        return call


def _path_of(descriptor: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    yield Disk(tmp_path / "journal", monkeypatch)


def is_entry(_call: str, name: str) -> bool:
    """An entry or its copy; not its lock, not the list of what is finished."""
    return name.startswith(tuple("0123456789abcdef")) and name.endswith((".jsonl", ".tmp"))


def warned(up: Any) -> list[str]:
    """Codes of what the person is told, in order."""
    found: list[str] = []
    up.subscribe(lambda event: found.append(event.code) if type(event).__name__ == "Warned" else None)
    return found


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_f84_parts_go_on_when_the_journal_cannot_be_written_and_are_checked_after_a_kill(
    emulator: Any, tmp_path: Path, disk: Disk, error: int
) -> None:
    """From the second part on nothing can be written; the process is then abandoned, and the next one goes on."""
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=6, action=Stall())
    with uploader(emulator, tmp_path, parallel=1) as up:
        codes = warned(up)
        second = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
        info = up.add_file(path)
        up.start_upload()
        reached(second)  # the sender has written the first part down before it took this one
        disk.break_down(error)
        second.release()
        reached(stall)
        assert info.accepted_bytes == 5 * PART, "what is acknowledged needs no journal"
        until(lambda: "Journal.Write" in codes, "the person is told")
        first = up.results()[0].sent_bytes
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S)
    emulator.faults.clear()
    disk.heal()
    (left,) = FileJournal(tmp_path / "journal", SystemClock()).unfinished()
    assert len(left.parts) == 1
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].sent_bytes <= SIZE - len(left.parts) * PART, "at most what was not written down"
    assert first >= 5 * PART
    assert len(emulator.assets) == 1
    assert emulator.unfinished_uploads == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_f28_f84_no_part_leaves_before_its_upload_id_could_be_written_down(
    emulator: Any, tmp_path: Path, disk: Disk, error: int
) -> None:
    with uploader(emulator, tmp_path, retry_duration=LONG_S) as up:  # it goes on when told to, not before
        info = up.add_file(path := file_of(tmp_path, size=SIZE))
        init = emulator.faults.add(op="InitiateMultipartUpload", action=Stall())
        up.start_upload()
        reached(init)
        disk.break_down(error, is_entry)
        init.release()
        until(lambda: info.phase == "waiting" and disk.failed, "it waits for the disk")
        assert ops(emulator, "UploadPart") == []
        disk.heal()
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
    assert len(emulator.assets) == 1
    assert emulator.unfinished_uploads == []


def test_f84_a_disk_that_stays_full_fails_the_file_with_a_remedy_and_others_go_on(
    emulator: Any, tmp_path: Path, disk: Disk
) -> None:
    with uploader(emulator, tmp_path, retry_count=1) as up:
        info = up.add_file(path := file_of(tmp_path))
        disk.break_down(errno.ENOSPC, is_entry)
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "Journal.Write")
        assert "Free some disk space" in str(info.error)
        assert ops(emulator) == [], "no asset whose id nobody could remember"
        disk.heal()
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1


def test_f84_a_result_that_cannot_be_written_down_is_a_success_with_a_warning(
    emulator: Any, tmp_path: Path, disk: Disk
) -> None:
    with uploader(emulator, tmp_path) as up:
        codes = warned(up)
        info = up.add_file(file_of(tmp_path))
        disk.break_down(errno.EIO, lambda _call, name: name.startswith("done"))
        runs(up)
        assert info.state == "Success", info.error
        assert codes == ["Journal.Write"]
    disk.heal()
    with uploader(emulator, tmp_path, skip_uploaded=True) as up:
        again = up.add_file(tmp_path / "clip.mp4")
        runs(up)
        assert again.state == "Success", again.error
        assert again.video_id == info.video_id, "the entry that stayed still knows the video"
    assert len(emulator.assets) == 1


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_f86_what_a_lying_disk_forgot_is_found_in_the_storage_and_only_that_is_sent_again(
    emulator: Any, tmp_path: Path, kept: int
) -> None:
    """A power cut takes every line after the last that really reached the disk: here `kept` lines of parts survive."""
    path = file_of(tmp_path, size=SIZE)
    with stopped_at(emulator, tmp_path, path, 6):
        (journal,) = (p for p in (tmp_path / "journal" / "journal").glob("*.jsonl") if p.name != "done.jsonl")
        lines = journal.read_bytes().splitlines(keepends=True)
    of_parts = [index for index, line in enumerate(lines) if b'"kind":"part"' in line]
    journal.write_bytes(b"".join(lines[: of_parts[0] + kept]))
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].sent_bytes <= SIZE - 5 * PART  # what the disk forgot, the storage knows
    assert len(emulator.assets) == 1
    assert emulator.unfinished_uploads == []


def test_f86_an_upload_id_that_the_disk_forgot_makes_no_second_video(emulator: Any, tmp_path: Path) -> None:
    """Everything after the reference id is gone: the video is found by it."""
    path = file_of(tmp_path, size=SIZE)
    with stopped_at(emulator, tmp_path, path, 2):
        (journal,) = (p for p in (tmp_path / "journal" / "journal").glob("*.jsonl") if p.name != "done.jsonl")
        first = journal.read_bytes().splitlines(keepends=True)[0]
    assert b'"media_id":""' in first
    journal.write_bytes(first)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
    assert len(emulator.assets) == 1


@pytest.mark.parametrize("content", [b"x", b"garbage\n" * 3, b'{"v":2,"kind":"checkpoint","crc":"00000000"}\n'])
def test_f87_a_damaged_entry_is_kept_aside_and_named_and_its_file_is_sent_from_the_start(
    emulator: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    path = file_of(tmp_path, size=SIZE)
    with stopped_at(emulator, tmp_path, path, 3):
        pass
    folder = tmp_path / "journal" / "journal"
    (journal,) = (p for p in folder.glob("*.jsonl") if p.name != "done.jsonl")
    journal.write_bytes(content)
    caplog.set_level(logging.WARNING, "vod_widget")
    with uploader(emulator, tmp_path) as up:
        codes = warned(up)
        info = up.add_file(path)
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert codes == ["Journal"]
    assert len(emulator.assets) == 1
    assert emulator.unfinished_uploads == []
    (aside,) = folder.glob("*.bad-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text


def test_f90_without_locks_uploads_exclude_each_other_and_go_on_all_the_same(
    emulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    with uploader(emulator, tmp_path, parallel=1) as up:
        codes = warned(up)
        up.add_file(path)
        up.start_upload()
        reached(stall)
        until(lambda: codes == ["Journal"], "the person is told")
        place = {"endpoint": emulator.endpoint, "checkpoint_dir": str(tmp_path / "journal")}
        with vw.VODUpload(credentials=keys(emulator), **place) as second:
            other = second.add_file(path)
            runs(second)
            assert (other.state, other.error.code, other.error.pid) == ("Failure", "Locked", os.getpid())
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S)
    emulator.faults.clear()
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].sent_bytes <= SIZE - 2 * PART
    assert len(emulator.assets) == 1
    assert [p.name for p in (tmp_path / "journal" / "journal").iterdir()] == ["done.jsonl"]


def test_f91_a_journal_that_is_removed_in_mid_upload_is_made_again_and_said(emulator: Any, tmp_path: Path) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    with uploader(emulator, tmp_path, parallel=1) as up:
        codes = warned(up)
        info = up.add_file(path)
        up.start_upload()
        reached(stall)
        folder = tmp_path / "journal" / "journal"
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        stall.release()
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert codes == ["Journal"]
    assert folder.is_dir()
    with uploader(emulator, tmp_path, skip_uploaded=True) as up:
        again = up.add_file(path)
        runs(up)
        assert (again.state, again.video_id) == ("Success", info.video_id)
    assert len(emulator.assets) == 1


@pytest.mark.parametrize("home", ["missing", "no folder"])
def test_f92_a_home_that_cannot_be_used_is_replaced_and_said(
    emulator: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    home: str,
) -> None:
    for name in ("VOD_WIDGET_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    (tmp_path / "a file").touch()
    if home == "missing":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", _no_such_user)
    else:
        monkeypatch.setenv("HOME", str(tmp_path / "a file"))
    caplog.set_level(logging.WARNING, "vod_widget")
    with uploader(emulator, tmp_path, checkpoint_dir=None) as up:
        info = up.add_file(path := file_of(tmp_path, size=SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
    assert "Resume after a restart is off" in caplog.text


def _no_such_user(_uid: int) -> Any:
    raise KeyError("no such user")


def test_f93_a_finished_file_leaves_one_line_and_nothing_else(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        for number in range(5):
            up.add_file(file_of(tmp_path, f"a lecture of an hour {number}.mp4", SIZE), title="A lecture of an hour")
        runs(up)
        assert {info.state for info in up.list_files()} == {"Success"}
    folder = tmp_path / "journal" / "journal"
    assert [path.name for path in folder.iterdir()] == ["done.jsonl"]
    lines = (folder / "done.jsonl").read_bytes().splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 700


def test_f94_nothing_secret_is_in_the_journal_at_any_time(emulator: Any, tmp_path: Path, disk: Disk) -> None:
    """Every byte that is written there, whether it stays or not, is looked through for every secret that was in use."""
    written: list[bytes] = []
    lock = threading.Lock()
    real = files.os.write

    def keep(descriptor: int, data: Any) -> int:
        with lock:
            written.append(bytes(data))
        return int(real(descriptor, data))

    with pytest.MonkeyPatch.context() as patch, uploader(emulator, tmp_path, parallel=2) as up:
        patch.setattr(files.os, "write", keep)
        last = [emulator.faults.add(op=op, action=Stall()) for op in ("CompleteMultipartUpload", "PutObject")]
        up.add_file(file_of(tmp_path, size=SIZE), title="Talk", tags="a,b")
        up.add_file(file_of(tmp_path, "small.mp4"))
        up.start_upload()
        for stall in last:
            reached(stall)
        secrets = {emulator.access_key_secret}
        for record in up._queue.records:
            keys = record.machine.grant.auth.credentials
            secrets |= {keys.access_key_secret.reveal(), keys.security_token.reveal(), keys.access_key_id}
        for stall in last:
            stall.release()
        assert up.wait(LONG_S)
    text = b"".join(written)
    assert len(text) > 1000
    assert len(secrets) == 7
    assert [secret for secret in secrets if secret.encode() in text] == []
    assert emulator.access_key_id.encode() not in text
