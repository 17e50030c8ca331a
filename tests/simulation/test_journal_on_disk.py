"""The journal on a disk that fails, and forgets what was not synced."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator

import pytest

from tests.simulation.disk import Disk, installed
from tests.simulation.props import Clock
from vod_widget.errors import JournalError
from vod_widget.journal import FileEntry, FileJournal
from vod_widget.model import Checkpoint, MediaType, Part

CHECKPOINT = Checkpoint("f", "file:/a", "sim", "v0", "a.mp4", 100, MediaType.VIDEO, reference_id="r" * 32)
WITH_UPLOAD = Checkpoint("f", "file:/a", "sim", "v0", "a.mp4", 100, MediaType.VIDEO, upload_id="U1", part_size_bytes=16)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with installed(Disk()) as made:
        yield made


def _entry() -> FileEntry:
    return FileJournal("/home", Clock()).open("file:/a", "sim")


def _after_power_cuts(disk: Disk) -> set[str]:
    """Upload ids that may be found after a power cut, over many of them."""
    found = set()
    names, synced, unsynced = dict(disk.names), dict(disk._synced_names), list(disk._unsynced)
    inodes = {id(i): (i, bytes(i.data), i.synced) for i in (*names.values(), *synced.values())}
    for seed in range(40):
        disk.names, disk._synced_names, disk._unsynced = dict(names), dict(synced), list(unsynced)
        for inode, data, safe in inodes.values():
            inode.data, inode.synced = bytearray(data), safe
        disk.power_cut(random.Random(seed))
        entry = _entry()
        checkpoint = entry.load()
        entry.release()
        found.add(checkpoint.upload_id if checkpoint is not None else "nothing")
        disk.kill()
    return found


def _fail_next(disk: Disk, op: str, name_ends: str = "", number: int = errno.EIO) -> None:
    def hook(what: str, name: str) -> OSError | None:
        if what == op and name.endswith(name_ends):
            disk.hook = lambda _op, _name: None
            return OSError(number, "injected")
        return None

    disk.hook = hook


def test_durable_write_survives_every_power_cut(disk: Disk) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    entry.write(WITH_UPLOAD, durable=True)
    assert _after_power_cuts(disk) == {"U1"}


def test_durable_write_after_a_torn_file_was_written_anew_survives_too(disk: Disk) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    path = str(entry._path)
    disk.kill()
    disk.names[path].data += b'{"v":1,"kind":"pa'  # killed in the middle of a line
    entry = _entry()
    entry.load()
    entry.add_part(Part(1, 0, 16, "E", 1))  # writes the file anew; its name is not yet safe
    entry.write(WITH_UPLOAD, durable=True)
    assert _after_power_cuts(disk) == {"U1"}


def test_file_that_is_written_anew_for_a_part_alone_never_replaces_the_durable_one_unsynced(disk: Disk) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    entry.write(WITH_UPLOAD, durable=True)
    path = str(entry._path)
    disk.kill()
    disk.names[path].data += b'{"v":1,"kind":"pa'  # killed in the middle of a line
    entry = _entry()
    entry.load()
    done: list[tuple[str, str]] = []
    disk.hook = lambda op, name: done.append((op, name.rpartition(".")[2]))
    entry.add_part(Part(1, 0, 16, "E", 1))
    disk.hook = lambda _op, _name: None
    assert [op for op, kind in done if kind in ("tmp", "jsonl")] == ["create", "write", "fsync", "rename"]
    assert _after_power_cuts(disk) == {"U1"}


def test_what_a_killed_process_left_unsynced_is_made_durable_by_writing_it_again(disk: Disk) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    entry.write(WITH_UPLOAD, durable=False)
    disk.kill()
    entry = _entry()
    assert entry.load() == WITH_UPLOAD
    entry.write(WITH_UPLOAD, durable=True)
    assert _after_power_cuts(disk) == {"U1"}


def test_folder_that_cannot_be_synced_is_no_durable_write(disk: Disk) -> None:
    entry = _entry()
    _fail_next(disk, "fsync", "/journal")
    with pytest.raises(JournalError):
        entry.write(WITH_UPLOAD, durable=True)
    entry.write(WITH_UPLOAD, durable=True)
    assert _after_power_cuts(disk) == {"U1"}


def test_line_whose_sync_failed_does_not_win_over_a_later_write_of_the_state_before_it(disk: Disk) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    _fail_next(disk, "fsync", ".jsonl")
    with pytest.raises(JournalError):
        entry.write(WITH_UPLOAD, durable=True)
    entry.write(CHECKPOINT, durable=True)
    assert _after_power_cuts(disk) == {""}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("op", ["create", "write", "fsync", "rename"])
def test_failed_write_leaves_the_last_state_readable(disk: Disk, op: str, number: int) -> None:
    entry = _entry()
    entry.write(CHECKPOINT, durable=True)
    entry._file.size_bytes = -1  # the next write is anew
    _fail_next(disk, op, number=number)
    with pytest.raises(JournalError):
        entry.write(WITH_UPLOAD, durable=True)
    entry.release()
    entry = _entry()
    assert entry.load() == CHECKPOINT
    entry.release()
    assert disk.open_files == 0


def test_finished_file_whose_folder_cannot_be_synced_is_finished_all_the_same(disk: Disk) -> None:
    entry = _entry()
    entry.write(WITH_UPLOAD, durable=True)
    entry.finish({"media_id": "first"})
    entry = _entry()
    entry.write(WITH_UPLOAD, durable=True)
    _fail_next(disk, "fsync", "/journal")
    entry.finish({"media_id": "second"})
    journal = FileJournal("/home", Clock())
    assert (journal.finished("file:/a", "sim") or {})["media_id"] == "second"
    assert journal.unfinished() == ()


def test_finished_file_is_known_as_finished_after_every_power_cut(disk: Disk) -> None:
    entry = _entry()
    entry.write(WITH_UPLOAD, durable=True)
    entry.finish({"media_id": "m"})
    for seed in range(20):
        names, data = dict(disk.names), {id(i): bytes(i.data) for i in disk.names.values()}
        disk.power_cut(random.Random(seed))
        found = FileJournal("/home", Clock()).finished("file:/a", "sim")
        assert found is not None
        assert found["media_id"] == "m"
        disk.names = names
        for inode in names.values():
            inode.data = bytearray(data[id(inode)])
