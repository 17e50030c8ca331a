"""What a killed process leaves is read by the next one, whatever happened to the file in between."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vod_widget.journal as journal_module
from tests.helpers.descriptors import open_below
from tests.helpers.until import until
from vod_widget.errors import InvalidArgumentError, InvalidStateError, JournalError, LockedError
from vod_widget.journal import FileEntry, FileJournal, _key, files
from vod_widget.journal import done as done_module
from vod_widget.journal import entry as entry_module
from vod_widget.journal import growing as growing_module
from vod_widget.journal import lease as lease_module
from vod_widget.journal.entry import read_state, spare_of
from vod_widget.journal.lines import read_lines
from vod_widget.model import Checkpoint, MediaType, Part
from vod_widget.secret import Secret

FAULT_KIND = "F"
SOURCE, DESTINATION = "file:/media/talk.mp4", "cn-shanghai|account|prod"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def now_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now


def checkpoint(**changes: Any) -> Checkpoint:
    base = Checkpoint(
        file_id="f1",
        source_id=SOURCE,
        destination=DESTINATION,
        fingerprint="1:2:3",
        name="talk.mp4",
        size_bytes=10_000_000,
        media_type=MediaType.VIDEO,
        reference_id="0123456789abcdef0123456789abcdef",
        metadata={"title": "Talk", "tags": ["a", "b"]},
    )
    return replace(base, **changes)


def part(number: int, **changes: Any) -> Part:
    return replace(Part(number, (number - 1) * 1000, number * 1000, f'"E{number}"', 2**64 - number), **changes)


SENT = checkpoint(media_id="v" * 32, upload_id="U1", bucket="out-1", object="a/b.mp4", part_size_bytes=1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[FileJournal]:
    opened = FileJournal(tmp_path / "home", clock)
    yield opened
    opened.close()


def take(journal: FileJournal) -> FileEntry:
    return journal.open(SOURCE, DESTINATION)


def again(journal: FileJournal) -> FileJournal:
    """What another process would see."""
    journal.close()
    return FileJournal(journal.folder.parent, journal.clock)


def file_of(journal: FileJournal) -> Path:
    (found,) = (p for p in journal.folder.glob("*.jsonl") if p.name != "done.jsonl")
    return found


def left(journal: FileJournal) -> Checkpoint | None:
    other = again(journal)
    entry = take(other)
    try:
        return entry.load()
    finally:
        entry.release()


# What was written is read again ---------------------------------------------------------------------------------------


def test_an_entry_begins_empty(journal: FileJournal) -> None:
    assert take(journal).load() is None
    assert journal.unfinished() == ()
    assert journal.finished(SOURCE, DESTINATION) is None


def test_the_next_process_reads_what_was_written(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(checkpoint(), durable=True)
    entry.write(SENT, durable=True)
    entry.add_part(part(2))
    entry.add_part(part(1, crc64=None))
    expected = replace(SENT, parts=(part(1, crc64=None), part(2)))
    assert entry.load() == expected
    assert left(journal) == expected


def test_a_checkpoint_replaces_the_one_before_with_its_parts(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(replace(SENT, parts=(part(1), part(2))), durable=False)
    entry.write(replace(SENT, parts=(part(2, etag='"new"'), part(3))), durable=False)
    expected = replace(SENT, parts=(part(2, etag='"new"'), part(3)))
    assert entry.load() == expected
    assert left(journal) == expected


def test_parts_of_an_upload_that_was_given_up_are_gone(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(replace(SENT, parts=(part(1),)), durable=True)
    entry.write(replace(SENT, upload_id="", canceled=True), durable=True)
    entry.write(replace(SENT, upload_id="U2"), durable=True)
    entry.add_part(part(2))
    assert left(journal) == replace(SENT, upload_id="U2", parts=(part(2),))


def test_a_write_without_a_load_replaces_what_an_earlier_process_left(journal: FileJournal) -> None:
    take(journal).write(replace(SENT, parts=(part(1),)), durable=True)
    other = again(journal)
    take(other).write(checkpoint(file_id="f2"), durable=False)
    assert left(other) == checkpoint(file_id="f2")


def test_what_is_known_already_is_not_written_again(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(replace(SENT, parts=(part(1), part(2))), durable=True)
    size_bytes = file_of(journal).stat().st_size
    entry.write(replace(SENT, parts=(part(1), part(2))), durable=True)
    entry.add_part(part(1))
    assert file_of(journal).stat().st_size == size_bytes
    entry.write(replace(SENT, parts=(part(1), part(2), part(3))), durable=True)
    assert file_of(journal).stat().st_size - size_bytes < 120, "one part, not the checkpoint"


def test_a_durable_write_reaches_the_disk(journal: FileJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(entry_module.os, "fsync", noting)
    entry = take(journal)
    entry.write(checkpoint(), durable=True)
    assert synced == [file_of(journal).stem + ".tmp", "journal"], "the file, and the folder that names it"
    synced.clear()
    entry.write(SENT, durable=False)
    entry.add_part(part(1))
    assert synced == []
    entry.write(replace(SENT, parts=(part(1),)), durable=True)
    assert synced == [file_of(journal).name], "what was not synced before is synced now"
    entry.write(replace(SENT, parts=(part(1),)), durable=True)
    assert len(synced) == 1


@pytest.mark.slow
def test_f93_history_does_not_grow_without_end(journal: FileJournal) -> None:
    entry = take(journal)
    for number in range(2000):
        entry.write(replace(SENT, fingerprint=str(number)), durable=False)
    assert file_of(journal).stat().st_size < 70_000
    assert left(journal) == replace(SENT, fingerprint="1999")


def test_history_that_cannot_be_written_anew_now_costs_nothing_that_was_to_be_kept(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, flags: int) -> int:
        if Path(path).suffix == ".tmp":
            tries.append(1)
            raise OSError(28, "No space left on device")
        return files.open_file(path, flags)

    tries: list[int] = []
    monkeypatch.setattr(entry_module, "_SLACK_BYTES", 500)
    entry = take(journal)
    entry.write(SENT, durable=True)
    with monkeypatch.context() as patch:
        patch.setattr(growing_module, "open_file", full)
        for number in range(20):
            entry.write(replace(SENT, fingerprint=str(number)), durable=number % 2 == 0)
    assert tries
    grown_bytes = file_of(journal).stat().st_size
    entry.write(replace(SENT, fingerprint="last"), durable=True)
    assert file_of(journal).stat().st_size < grown_bytes
    assert left(journal) == replace(SENT, fingerprint="last")


def test_file_whose_new_name_may_not_last_is_written_anew_and_not_appended_to(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    entry = take(journal)
    entry.write(SENT, durable=True)
    file_of(journal).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(journal.disk, "sync_folder", fails)
        with pytest.raises(JournalError):
            entry.write(replace(SENT, fingerprint="4:5:6"), durable=True)  # a file of the same length as the one before
    entry.write(replace(SENT, fingerprint="7:8:9"), durable=True)
    assert left(journal) == replace(SENT, fingerprint="7:8:9")


@pytest.mark.slow
def test_ten_thousand_parts_stay_small_and_fast(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    for number in range(1, 10_001):
        entry.add_part(part(number))
    assert file_of(journal).stat().st_size < 1_300_000
    found = left(journal)
    assert found is not None
    assert [p.part_number for p in found.parts] == list(range(1, 10_001))


def test_two_threads_may_write_one_entry(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=False)

    def work(first: int) -> None:
        for number in range(first, first + 100):
            entry.add_part(part(number))

    threads = [threading.Thread(target=work, args=(n * 100 + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = left(journal)
    assert found is not None
    assert len(found.parts) == 400


def test_usage_is_checked(journal: FileJournal) -> None:
    entry = take(journal)
    with pytest.raises(InvalidStateError, match="checkpoint before"):
        entry.add_part(part(1))
    entry.release()
    entry.release()
    entry.discard()
    for act in (entry.load, lambda: entry.write(SENT, durable=True), lambda: entry.finish({})):
        with pytest.raises(InvalidStateError, match="released"):
            act()


# Damage ---------------------------------------------------------------------------------------------------------------


def _history(journal: FileJournal) -> bytes:
    entry = take(journal)
    entry.write(checkpoint(), durable=True)
    entry.write(SENT, durable=True)
    for number in (1, 2):
        entry.add_part(part(number))
    return file_of(journal).read_bytes()


def test_f85_a_file_cut_at_any_byte_gives_the_last_good_state(journal: FileJournal) -> None:
    data = _history(journal)
    states = [
        None,
        checkpoint(),
        SENT,
        replace(SENT, parts=(part(1),)),
        replace(SENT, parts=(part(1), part(2))),
    ]
    for size in range(len(data) + 1):
        state, verdict = read_lines(data[:size])
        # A line is good as soon as its last byte is there, with or without the newline.
        good = data[:size].count(b"\n") + (data[size : size + 1] == b"\n")
        assert state.whole() == states[good], size
        assert verdict == ("" if size == 0 or data[size - 1 : size] == b"\n" else "torn"), size


@pytest.mark.slow
def test_f85_work_goes_on_after_a_line_torn_at_any_byte(journal: FileJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _history(journal)
    monkeypatch.setattr(files.os, "fsync", lambda _: None)  # 2,000 of them take seconds and show nothing here
    zeros = data[: -len(data.splitlines(keepends=True)[-1])] + b"\0" * 30
    flipped = data[:-20] + b"?" + data[-19:]
    torn_ones = [*(data[:size] for size in range(len(data))), zeros, flipped]
    path = file_of(journal)
    other = again(journal)
    for torn in torn_ones:
        path.write_bytes(torn)
        spare_of(path).unlink(missing_ok=True)  # it is written after the first line, and so is not there for a torn one
        known = read_lines(torn)[0].whole()
        entry = take(other)
        assert entry.load() == known
        entry.write(replace(SENT, parts=known.parts if known is not None else ()), durable=False)
        entry.add_part(part(7))
        entry.release()
        found, verdict = read_lines(path.read_bytes())
        assert verdict == ""
        assert found.parts.keys() >= {7, *(p.part_number for p in (known.parts if known is not None else ()))}
    assert other.warnings == ()
    assert list(other.folder.glob("*.bad-*")) == []


def test_f87_a_change_whose_line_before_is_gone_is_damage(journal: FileJournal) -> None:
    lines = _history(journal).splitlines(keepends=True)
    assert b'"kind":"change"' in lines[1]
    other = _signed({"v": 1, "kind": "change", "after": 1, "data": {"upload_id": "U2"}})
    for data in (lines[0] + other + lines[1], lines[0] + lines[1] + lines[1] + lines[2]):
        state, verdict = read_lines(data)
        assert verdict.startswith("damage")
        assert state.checkpoint in (checkpoint(), SENT)


def test_f93_an_unfinished_file_takes_two_kilobytes_and_a_hundred_bytes_a_part(journal: FileJournal) -> None:
    """With every id, a path and a description of usual length, through its whole life."""
    long = {"title": "A talk of an hour", "description": "d" * 200, "tags": ["a", "b"], "cate_id": 1}
    base = replace(SENT, source_id="file:/" + "folder/" * 12 + "talk.mp4", metadata=long, object="sv/" + "a" * 60)
    entry = take(journal)
    entry.write(replace(base, media_id="", upload_id="", bucket="", object="", part_size_bytes=0), durable=True)
    entry.write(replace(base, upload_id="", part_size_bytes=0), durable=True)
    entry.write(replace(base, upload_id="U" * 32), durable=True)
    assert file_of(journal).stat().st_size + spare_of(file_of(journal)).stat().st_size <= 2048
    before = file_of(journal).stat().st_size
    for number in range(1, 101):
        entry.add_part(part(number, etag='"' + "A" * 32 + '"'))
    assert file_of(journal).stat().st_size - before <= 100 * 130


def test_f87_damage_in_the_middle_keeps_the_asset_and_drops_the_parts(journal: FileJournal, clock: Clock) -> None:
    data = _history(journal)
    path = file_of(journal)
    lines = data.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"U1", b"XX") + b"".join(lines[2:]))
    other = again(journal)
    entry = take(other)
    expected = replace(checkpoint(), parts=(), completed_before=True)
    assert entry.load() == expected
    assert path.with_name(f"{path.stem}.bad-{int(clock.now)}").exists()
    assert "damage in line 2" in (other.warning or "")
    assert "starts over" in (other.warning or "")
    assert left(other) == expected, "also when this process is killed before it writes"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x", "not ours"),
        (b"garbage\n" * 5, "damage in line 1"),
        (b"\x00\xff\xfe" * 100, "not ours"),
        (b"[1, 2]\n", "damage"),
        (b'{"fileName": "a"}\n', "damage"),
        (b"", "no good line"),
        (b"\0" * 700, "no good line"),
    ],
)
def test_f87_foreign_content_is_set_aside_and_the_copy_beside_it_knows_the_asset(
    journal: FileJournal, content: bytes, why: str
) -> None:
    _history(journal)
    path = file_of(journal)
    for expected in (1, 2):
        path.write_bytes(content)
        other = again(journal)
        (shown,) = other.unfinished()
        entry = take(other)
        found = entry.load()
        assert found == shown
        assert found == replace(SENT, metadata={}, completed_before=True)
        assert why in (other.warning or "")
        kept = sorted(other.folder.glob("*.bad-*"))
        assert [p.read_bytes() for p in kept] == [content] * expected
        entry.write(SENT, durable=True)
        assert left(other) == SENT


def _signed(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, separators=(",", ":"))
    return f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"v": 2, "kind": "checkpoint", "future": 1}, "version 2"),
        ({"v": "1", "kind": "checkpoint"}, "version '1'"),
        ({"v": 1, "kind": "other"}, "damage"),
        ({"v": 1, "kind": "part", "part": [1, 0, 1, "e", None]}, "damage"),
        ({"v": 1, "kind": "checkpoint", "begun_s": 1, "data": {"file_id": "x"}}, "damage"),
        ({"v": 1, "kind": "checkpoint", "begun_s": 1, "data": {"file_id": 1}}, "damage"),
        ({"v": 1, "kind": "checkpoint", "begun_s": 1, "data": []}, "damage"),
    ],
)
def test_f87_another_version_and_other_shapes_are_set_aside(
    journal: FileJournal, body: dict[str, Any], why: str
) -> None:
    _history(journal)
    file_of(journal).write_bytes(_signed(body))
    spare_of(file_of(journal)).write_bytes(_signed(body))
    other = again(journal)
    assert other.unfinished() == ()
    assert take(other).load() is None
    assert why in (other.warning or "")


def test_f87_no_damaged_byte_loses_the_asset_or_makes_up_another(journal: FileJournal) -> None:
    """Each byte of the entry is another: the reference id is known all the same. So with the copy, when both are."""
    data = _history(journal)
    path = file_of(journal)
    spare = spare_of(path).read_bytes()
    parts = {1: part(1), 2: part(2)}

    def damaged(whole: bytes, at: int) -> bytes:
        return whole[:at] + bytes([whole[at] ^ (0x01, 0x80, 0xFF)[at % 3]]) + whole[at + 1 :]

    for at in range(len(data)):
        found = read_state(path, damaged(data, at))[0].whole()
        assert found is not None, at
        assert found.reference_id == SENT.reference_id
        assert found.media_id in ("", SENT.media_id)
        assert found.upload_id in ("", SENT.upload_id)
        assert all(parts[p.part_number] == p for p in found.parts)
    for at in range(0, len(spare), 7):
        spare_of(path).write_bytes(damaged(spare, at))
        assert read_state(path, b"garbage")[0].whole() is None


def test_f87_line_of_a_newer_version_is_not_taken_though_it_looks_like_ours(journal: FileJournal) -> None:
    record = json.loads(_history(journal).splitlines()[0])
    del record["crc"]
    state, verdict = read_lines(_signed({**record, "v": 2}))
    assert verdict == "version 2"
    assert state.checkpoint is None


@pytest.mark.parametrize(
    "wrong",
    [
        [0, 0, 1, "e", None],
        [1, 2, 1, "e", None],
        [1, 0, 1, 5, None],
        [1, 0, 1, "e", "c"],
        [1, 0, 1],
        {},
        [True, 0, 1, "e", 1],
    ],
)
def test_a_part_of_another_shape_is_damage(journal: FileJournal, wrong: Any) -> None:
    data = _history(journal)
    state, verdict = read_lines(data + _signed({"v": 1, "kind": "part", "part": wrong}) + data.splitlines(True)[-1])
    assert verdict.startswith("damage in line 5")
    assert state.checkpoint == SENT


def test_what_another_program_did_to_the_file_meanwhile_is_repaired(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    path = file_of(journal)
    path.unlink()
    entry.add_part(part(1))
    os.truncate(path, 10)
    entry.add_part(part(2))
    with path.open("ab") as file:
        file.write(b"junk")
    entry.add_part(part(3))
    assert left(journal) == replace(SENT, parts=(part(1), part(2), part(3)))


# A process that is killed ---------------------------------------------------------------------------------------------

_WRITER = """
import sys
from dataclasses import replace
sys.path.insert(0, {root!r})
from tests.protocol.test_journal import *
journal = FileJournal({home!r}, Clock())
entry = take(journal)
entry.write(SENT, durable=True)
print("ready", flush=True)
number = 0
while True:
    number += 1
    entry.add_part(part(number))
    if number % 7 == 0:
        entry.write(replace(SENT, fingerprint=str(number), parts=entry.load().parts), durable=number % 21 == 0)
    print(number, flush=True)
"""


def _start_writer(home: Path) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER.format(root=root, home=str(home))], stdout=subprocess.PIPE, text=True, cwd=root
    )


@pytest.mark.slow
def test_a_killed_process_loses_no_part_that_it_reported_and_its_lock_is_free(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for after in (1, 8, 60):
        writer = _start_writer(home)
        assert writer.stdout is not None
        with writer:
            said = [writer.stdout.readline().strip() for _ in range(after + 1)]
            with pytest.raises(LockedError) as caught:
                take(FileJournal(home, Clock()))
            assert caught.value.pid == writer.pid
            assert str(writer.pid) in str(caught.value)
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.read().split()
        reported = max(int(word) for word in said if word.isdigit())
        journal = FileJournal(home, Clock())
        entry = take(journal)
        found = entry.load()
        assert found is not None
        numbers = [p.part_number for p in found.parts]
        assert numbers == list(range(1, len(numbers) + 1))
        assert reported <= len(numbers) <= reported + 1
        assert journal.warnings == ()
        entry.discard()


def test_an_entry_that_somebody_only_looks_at_is_waited_for(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = again(journal)._take(SOURCE, DESTINATION)
    monkeypatch.setattr(FileJournal, "_pause", staticmethod(looks.release))
    with pytest.raises(LockedError):
        journal.look(SOURCE, DESTINATION)
    journal.open(SOURCE, DESTINATION).release()
    journal.look(SOURCE, DESTINATION)


def test_a_kill_between_the_result_and_the_removal_leaves_a_finished_file(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)

    class Killed(BaseException):
        pass

    def killed(_self: FileEntry) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(FileEntry, "_remove", killed)
        with pytest.raises(Killed):
            entry.finish({"video_id": "v1"})
    other = again(journal)
    assert file_of(other).exists()
    assert other.unfinished() == ()
    assert take(other).load() is None
    assert (other.finished(SOURCE, DESTINATION) or {})["video_id"] == "v1"


# Locks ----------------------------------------------------------------------------------------------------------------


def test_two_uploaders_of_one_process_exclude_each_other(journal: FileJournal) -> None:
    entry = take(journal)
    other = FileJournal(journal.folder.parent, journal.clock)
    for second in (journal, other):
        with pytest.raises(LockedError, match="another uploader of this process") as caught:
            take(second)
        assert caught.value.pid == os.getpid()
    neighbour = other.open(SOURCE, "another destination")
    neighbour.release()
    other.open("file:/another", DESTINATION).release()
    entry.release()
    take(other).release()


def test_source_and_destination_do_not_run_into_one_another(journal: FileJournal) -> None:
    journal.open("a", "bc").write(SENT, durable=False)
    assert journal.open("ab", "c").load() is None


@pytest.mark.parametrize("end", ["release", "discard", "finish"])
def test_every_end_frees_the_lock_and_leaves_no_litter(journal: FileJournal, end: str) -> None:
    entry = take(journal)
    entry.write(SENT, durable=False)
    {"release": entry.release, "discard": entry.discard, "finish": lambda: entry.finish({})}[end]()
    second = take(journal)
    assert (second.load() is not None) == (end == "release")
    second.release()
    names = {path.suffix for path in journal.folder.iterdir()}
    assert names == {"release": {".jsonl", ".who"}, "discard": set(), "finish": {".jsonl"}}[end]


def test_threads_that_race_for_one_entry_get_it_one_at_a_time(journal: FileJournal) -> None:
    """The lock's file is removed at each release; nobody may hold the removed one beside the new one."""
    inside: list[int] = []
    worst: list[int] = []
    won = threading.Event()

    def work() -> None:
        for _ in range(200):
            try:
                entry = take(journal)
            except LockedError:
                continue
            won.set()
            inside.append(1)
            worst.append(len(inside))
            inside.pop()
            entry.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert won.is_set()
    assert max(worst) == 1


def test_a_removed_lock_is_taken_again_before_the_next_write(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=False)
    (lock,) = journal.folder.glob("*.lock")
    lock.unlink()
    entry.add_part(part(1))
    with pytest.raises(LockedError):
        take(FileJournal(journal.folder.parent, journal.clock))


@pytest.mark.skipif(files.fcntl is None, reason="needs flock")
def test_lock_whose_file_was_removed_between_open_and_lock_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.lock"
    real = files.fcntl.flock
    tries: list[int] = []

    def flock(descriptor: int, how: int) -> None:
        tries.append(how)
        if len(tries) == 1:
            path.unlink()  # its holder lets go at this moment
        real(descriptor, how)

    monkeypatch.setattr(files.fcntl, "flock", flock)
    held = files.Lock(path)
    held.take()
    assert len(tries) == 2
    assert not held.is_lost()
    with pytest.raises(LockedError):
        files.Lock(path).take()
    held.release()
    assert not path.exists()


def test_a_lock_that_somebody_else_took_meanwhile_stops_the_write(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=False)
    (lock,) = journal.folder.glob("*.lock")
    lock.unlink()
    thief = take(FileJournal(journal.folder.parent, journal.clock))
    for _ in range(2):
        with pytest.raises(LockedError):
            entry.add_part(part(1))
    entry.release()
    assert thief.load() == SENT
    thief.release()


def test_a_forked_child_neither_writes_nor_keeps_the_lock(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is lost
        try:
            entry.add_part(part(1))
            os.write(write_end, b"wrote")
        except InvalidStateError:
            os.write(write_end, b"refused")
            entry.release()
            signal.pause()
        except BaseException:
            os.write(write_end, b"failed")
        finally:
            os._exit(0)
    try:
        assert os.read(read_end, 10) == b"refused"
        with pytest.raises(LockedError):
            take(FileJournal(journal.folder.parent, journal.clock))
        entry.release()
        take(journal).release()  # although the child still lives
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read_end)
        os.close(write_end)


def test_an_entry_costs_one_descriptor(journal: FileJournal, tmp_path: Path) -> None:
    before = open_below(tmp_path)
    entry = take(journal)
    entry.write(SENT, durable=True)
    entry.add_part(part(1))
    assert len(open_below(tmp_path)) == len(before) + 1
    entry.finish({})
    assert open_below(tmp_path) == before


# Finished files -------------------------------------------------------------------------------------------------------


def test_a_finished_file_is_found_with_its_fingerprint(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    entry.finish({"video_id": "v1", "title": "Tälk\n"})
    expected = {"fingerprint": SENT.fingerprint, "video_id": "v1", "title": "Tälk\n"}
    assert journal.finished(SOURCE, DESTINATION) == expected
    assert again(journal).finished(SOURCE, DESTINATION) == expected
    assert journal.finished(SOURCE, "elsewhere") is None
    assert journal.unfinished() == ()


def test_the_last_result_counts_and_a_new_entry_does_not_hide_it(journal: FileJournal) -> None:
    for number in (1, 2):
        entry = take(journal)
        entry.write(SENT, durable=False)
        entry.finish({"video_id": f"v{number}", "fingerprint": f"p{number}"})
    entry = take(journal)
    entry.write(SENT, durable=False)
    assert journal.finished(SOURCE, DESTINATION) == {"video_id": "v2", "fingerprint": "p2"}
    assert left(journal) == SENT, "a third upload of the same file is unfinished, not stale"


def test_another_process_sees_what_was_finished_meanwhile(journal: FileJournal) -> None:
    other = FileJournal(journal.folder.parent, journal.clock)
    assert other.finished(SOURCE, DESTINATION) is None
    entry = take(journal)
    entry.finish({"video_id": "v1", "fingerprint": "p"})
    assert other.finished(SOURCE, DESTINATION) == {"video_id": "v1", "fingerprint": "p"}


def test_a_damaged_line_of_the_list_costs_only_itself(journal: FileJournal) -> None:
    for number in range(4):
        journal.open(f"file:{number}", DESTINATION).finish({"video_id": f"v{number}"})
    path = journal.folder / "done.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"v1", b"XX") + b"garbage\n" + lines[2] + lines[3][:50])
    other = again(journal)
    found = [other.finished(f"file:{n}", DESTINATION) for n in range(4)]
    assert found == [{"video_id": "v0"}, None, {"video_id": "v2"}, None]
    other.open("file:3", DESTINATION).finish({"video_id": "new"})
    for seen in (other, again(other)):
        assert seen.finished("file:3", DESTINATION) == {"video_id": "new"}
        assert seen.finished("file:0", DESTINATION) == {"video_id": "v0"}
        assert "damaged line" in (seen.warning or "")


def test_list_that_is_written_over_while_it_is_read_gives_no_result_of_another_file(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        journal.open(f"file:{name}", DESTINATION).finish({"video_id": name})
    path = journal.folder / "done.jsonl"
    where = journal._done._where

    def written_over(descriptor: int, key: bytes) -> int | None:
        """Another program writes over the list just before the line is looked up."""
        known = where(descriptor, key)
        monkeypatch.undo()
        path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
        return known

    monkeypatch.setattr(journal._done, "_where", written_over)
    assert journal.finished("file:a", DESTINATION) is None
    assert journal.finished("file:a", DESTINATION) == {"video_id": "a"}


def test_a_result_is_found_while_others_write_the_list_anew_and_add_to_it(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stored file is taken for a new one, and goes again."""
    for number in range(9):
        journal.open("file:old", DESTINATION).finish({"n": number})
    journal.open("file:mine", DESTINATION).finish({"video_id": "mine"})
    reader, read, meanwhile = again(journal), os.pread, iter(range(100))
    depth: list[None] = []

    def pread(descriptor: int, size_bytes: int, offset: int) -> bytes:
        """Another thread is faster each time: it knows more before this one has read to the end."""
        if not depth and not size_bytes:
            depth.append(None)
            if (number := next(meanwhile)) == 0:
                reader._done._compact()
            reader.open(f"file:{number}", DESTINATION).finish({"n": number})
            assert reader.finished(f"file:{number}", DESTINATION) == {"n": number}
            depth.clear()
        return read(descriptor, size_bytes, offset)

    monkeypatch.setattr(done_module.os, "pread", pread)
    assert reader.finished("file:mine", DESTINATION) == {"video_id": "mine"}
    assert next(meanwhile) > 0, "it was overtaken"
    reader.close()


def test_a_lookup_that_is_overtaken_by_results_forgets_none(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw the list before their lines were added, and must not take it for one that was cut since."""
    journal.open("file:a", DESTINATION).finish({"n": 1})
    assert journal.finished("file:a", DESTINATION) == {"n": 1}
    seen, added = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        found = seen(descriptor)
        with monkeypatch.context() as others:
            others.setattr(done_module.os, "fstat", seen)
            added.append(f"file:{len(added)}")
            journal.open(added[-1], DESTINATION).finish({"n": added[-1]})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(done_module.os, "fstat", fstat)
        assert journal.finished("file:a", DESTINATION) == {"n": 1}
    reads: list[int] = []
    real = os.pread
    monkeypatch.setattr(done_module.os, "pread", lambda *args: reads.append(args[1]) or real(*args))
    assert [journal.finished(name, DESTINATION) for name in added] == [{"n": name} for name in added]
    assert reads == [], "what is known is not read again"


def test_a_list_that_was_cut_is_read_anew(journal: FileJournal) -> None:
    for number in range(3):
        journal.open(f"file:{number}", DESTINATION).finish({"n": number})
        assert journal.finished(f"file:{number}", DESTINATION) == {"n": number}
    path = journal.folder / "done.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert journal.finished("file:0", DESTINATION) == {"n": 0}
    assert journal.finished("file:2", DESTINATION) is None


@pytest.mark.parametrize("size", ["larger", "the same"])
def test_another_list_under_the_number_of_the_old_one_is_read_anew(journal: FileJournal, size: str) -> None:
    """A file that is removed gives its number to a later one: two compactions by another process are enough."""
    for number in (1, 2):
        journal.open(f"file:{number}", DESTINATION).finish({"n": number})
    assert journal.finished("file:1", DESTINATION) == {"n": 1}
    path = journal.folder / "done.jsonl"
    other = FileJournal(journal.folder.parent / "other", journal.clock)
    for number in (3, 4) if size == "the same" else (2, 3, 4):
        other.open(f"file:{number}", DESTINATION).finish({"n": number})
    other.close()
    path.write_bytes((other.folder / "done.jsonl").read_bytes())  # in place: the number stays
    assert [journal.finished(f"file:{n}", DESTINATION) for n in (1, 3, 4)] == [None, {"n": 3}, {"n": 4}]


def test_list_that_was_compacted_is_read_anew_before_it_is_compacted_again(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(done_module, "_SLACK_LINES", 5)
    for number in range(10):
        journal.open("file:x", DESTINATION).finish({"n": number})
    assert journal.finished("file:x", DESTINATION) == {"n": 9}
    compact, times = journal._done._compact, []
    monkeypatch.setattr(journal._done, "_compact", lambda: times.append(1) or compact())
    for number in range(5):
        journal.open(f"file:{number}", DESTINATION).finish({"n": number})
    assert len(times) == 1
    assert [journal.finished(f"file:{n}", DESTINATION) for n in range(5)] == [{"n": n} for n in range(5)]


def test_first_result_in_a_list_that_somebody_made_or_compacted_has_its_name_kept(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut brings back the file that was there before, without it."""
    other = FileJournal(journal.folder.parent, journal.clock)
    other.open("file:a", DESTINATION).finish({"n": 1})
    synced: list[Path] = []
    monkeypatch.setattr(journal.disk, "sync_folder", synced.append)
    journal.open("file:b", DESTINATION).finish({"n": 2})
    journal.open("file:c", DESTINATION).finish({"n": 3})
    assert synced == [journal.folder]
    other._done._compact()
    other.close()
    journal.open("file:d", DESTINATION).finish({"n": 4})
    assert synced == [journal.folder] * 2


def test_many_threads_finish_at_once(journal: FileJournal) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 10):
            journal.open(f"file:{number}", DESTINATION).finish({"n": number})
            assert journal.finished(f"file:{number}", DESTINATION) == {"n": number}

    threads = [threading.Thread(target=work, args=(n * 10,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [journal.finished(f"file:{n}", DESTINATION) for n in range(60)] == [{"n": n} for n in range(60)]


@pytest.mark.parametrize("fails", [False, True])
def test_files_that_end_while_the_disk_is_busy_are_written_down_together(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    busy, goes_on, synced, real = threading.Event(), threading.Event(), [], os.fsync
    errors: list[JournalError] = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        busy.set()
        goes_on.wait(60)
        if fails and len(synced) > 1:
            raise OSError(errno.EIO, "the disk failed")
        real(descriptor)

    def finish(number: int) -> None:
        try:
            entries[number].finish({"n": number})
        except JournalError as error:
            errors.append(error)

    journal.open("file:x", DESTINATION).finish({})  # the list is there and needs no second sync
    entries = [journal.open(f"file:{n}", DESTINATION) for n in range(4)]
    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=finish, args=(n,)) for n in range(4)]
    threads[0].start()
    assert busy.wait(60)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(journal._done._news) == 3, "three wait")
    goes_on.set()
    for thread in threads:
        thread.join(60)
    assert len(synced) == 2
    assert journal.finished("file:0", DESTINATION) == {"n": 0}
    if fails:
        assert len(set(map(id, errors))) == 3, "each file has an error of its own"
    else:
        assert [journal.finished(f"file:{n}", DESTINATION) for n in range(4)] == [{"n": n} for n in range(4)]
        assert errors == []
    journal.close()


def test_f93_the_list_is_compacted_when_most_of_it_is_history(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(done_module, "_SLACK_LINES", 5)
    for number in range(40):
        journal.open(f"file:{number % 2}", DESTINATION).finish({"n": number})
        journal.finished("file:0", DESTINATION)
    assert len((journal.folder / "done.jsonl").read_bytes().splitlines()) <= 12
    for seen in (journal, again(journal)):
        assert [seen.finished(f"file:{n}", DESTINATION) for n in (0, 1)] == [{"n": 38}, {"n": 39}]


def test_a_list_that_is_blocked_is_an_error_not_a_hang(journal: FileJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(done_module, "_LOCK_TRIES", 3)
    blocker = files.Lock(journal.folder / "done.lock")
    blocker.take()
    entry = take(journal)
    entry.write(SENT, durable=True)
    with pytest.raises(JournalError, match="blocks the list"):
        entry.finish({})
    blocker.release()
    assert entry.load() == SENT
    entry.finish({"n": 1})
    assert journal.finished(SOURCE, DESTINATION) == {"fingerprint": SENT.fingerprint, "n": 1}


@pytest.mark.slow
def test_f93_a_hundred_thousand_finished_files_are_found_at_once(journal: FileJournal) -> None:
    from vod_widget.journal.lines import line

    path = journal.folder / "done.jsonl"
    with path.open("wb") as file:
        path.chmod(0o600)
        for n in range(100_000):
            body = {
                "key": _key(f"file:{n}", DESTINATION),
                "at_s": 1.0,
                "entry": [],
                "result": {"video_id": "v" * 32, "n": n},
            }
            file.write(line("done", body))
    assert journal.finished("file:99999", DESTINATION) == {"video_id": "v" * 32, "n": 99999}
    reads: list[int] = []
    real = os.pread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(done_module.os, "pread", lambda *args: reads.append(args[1]) or real(*args))
        assert [(journal.finished(f"file:{n}", DESTINATION) or {})["n"] for n in range(0, 100_000, 1000)] == list(
            range(0, 100_000, 1000)
        )
    assert reads == [], "the index is not read again while nothing was added"


# Unfinished files -----------------------------------------------------------------------------------------------------


def test_a_file_that_ends_while_the_unfinished_are_listed_is_not_among_them(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    read = journal_module.read_entry

    def ends(path: Path) -> bytes | None:
        data = read(path)
        entry.finish({"video_id": "v"})
        return data

    monkeypatch.setattr(journal_module, "read_entry", ends)
    assert journal.unfinished() == ()


def test_unfinished_files_come_oldest_first_and_keep_their_age(journal: FileJournal, clock: Clock) -> None:
    names = ["c", "a", "b"]
    for name in names:
        clock.now += 1
        journal.open(name, DESTINATION).write(checkpoint(source_id=name, name=name), durable=False)
    clock.now += 100
    other = again(journal)
    entry = other.open("c", DESTINATION)
    entry.write(checkpoint(source_id="c", name="c", upload_id="U"), durable=True)
    assert [c.name for c in other.unfinished()] == names, "also the one that is held"
    entry.discard()
    assert [c.name for c in other.unfinished()] == ["a", "b"]


def test_f87_a_damaged_entry_does_not_hide_the_others(journal: FileJournal) -> None:
    journal.open("a", DESTINATION).write(checkpoint(name="a"), durable=False)
    (journal.folder / ("0" * 64 + ".jsonl")).write_bytes(b"garbage\n")
    (journal.folder / ("1" * 64 + ".jsonl")).symlink_to("/etc/passwd")
    (journal.folder / "notes.jsonl").write_bytes(b"not ours")
    for path in journal.folder.iterdir():
        if not path.is_symlink():
            path.chmod(0o600)
    assert [c.name for c in journal.unfinished()] == ["a"]
    assert len(journal.warnings) == 2
    journal.unfinished()
    assert len(journal.warnings) == 2, "said once"


# Secrets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "access_key_secret",
        "AccessKeyId",
        "SecurityToken",
        "upload_auth",
        "UploadAuth",
        "password",
        "Signature",
        "credentials",
    ],
)
def test_f94_nothing_that_sounds_secret_gets_in(journal: FileJournal, key: str) -> None:
    entry = take(journal)
    entry.write(SENT, durable=False)
    before = file_of(journal).read_bytes()
    for act in (
        lambda: entry.write(replace(SENT, metadata={"deep": [{key: "x"}]}), durable=True),
        lambda: entry.finish({key: "x"}),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            act()
        assert caught.value.code == "Journal.Secret"
    with pytest.raises(InvalidArgumentError, match="plain JSON"):
        entry.write(replace(SENT, metadata={"title": Secret("abcdef")}), durable=True)
    assert file_of(journal).read_bytes() == before
    assert entry.load() == SENT


# Disk -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [28, 5, 30])
@pytest.mark.parametrize("taken", [0, 10])
def test_f84_a_write_that_fails_leaves_the_last_state(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch, error: int, taken: int
) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    entry.add_part(part(1))
    before = file_of(journal).read_bytes()
    real = os.write
    calls: list[int] = []

    def full(descriptor: int, data: Any) -> int:
        calls.append(descriptor)
        if len(calls) == 1 and taken:
            return real(descriptor, bytes(data[:taken]))
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "write", full)
        with pytest.raises(JournalError, match=os.strerror(error)) as caught:
            entry.add_part(part(2))
        assert caught.value.code == "Journal.Write"
        with pytest.raises(JournalError):
            entry.write(replace(SENT, canceled=True), durable=True)
        with pytest.raises(JournalError):
            entry.finish({"n": 1})
    assert file_of(journal).read_bytes() == before
    assert entry.load() == replace(SENT, parts=(part(1),))
    entry.add_part(part(2))
    assert left(journal) == replace(SENT, parts=(part(1), part(2)))
    assert again(journal).finished(SOURCE, DESTINATION) is None


def test_f91_a_folder_removed_while_running_is_made_again(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(replace(SENT, parts=(part(1),)), durable=True)
    shutil.rmtree(journal.folder)
    entry.add_part(part(2))
    assert "was removed" in (journal.warning or "")
    with pytest.raises(LockedError):
        take(FileJournal(journal.folder.parent, journal.clock))
    assert left(journal) == replace(SENT, parts=(part(1), part(2)))
    shutil.rmtree(journal.folder)
    take(journal).finish({"n": 1})
    assert journal.finished(SOURCE, DESTINATION) == {"n": 1}


# The folder -----------------------------------------------------------------------------------------------------------


def test_s14_the_folder_is_ours_alone(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    journal.open("b", DESTINATION).finish({})
    assert journal.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in journal.folder.iterdir()} == {0o600}


def test_the_default_folder_is_read_when_it_is_needed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FileJournal(None, Clock()).folder == home / "vod_widget" / "journal"
    monkeypatch.setenv("VOD_WIDGET_HOME", "~/elsewhere")
    assert FileJournal(None, Clock()).folder == home / "elsewhere" / "journal"
    monkeypatch.delenv("VOD_WIDGET_HOME")
    assert FileJournal(None, Clock()).folder == home / ".local" / "state" / "vod_widget" / "journal"


def test_f92_a_home_that_cannot_be_used_is_replaced_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("VOD_WIDGET_HOME", str(tmp_path / "file" / "below"))
    journal = FileJournal(None, Clock())
    assert "Resume after a restart is off" in (journal.warning or "")
    entry = take(journal)
    entry.write(SENT, durable=True)
    assert journal.unfinished() == (SENT,)
    folder = journal.folder
    journal.close()
    del journal, entry
    gc.collect()
    assert not folder.exists(), "the temporary folder goes with the journal"
    with pytest.raises(JournalError, match="cannot be kept"):
        FileJournal(tmp_path / "file" / "below", Clock())


def test_what_a_process_left_that_was_killed_in_its_self_test_is_gone_after_the_next(journal: FileJournal) -> None:
    left_behind = journal.folder / "probe.lock"
    left_behind.write_text("1\n")
    left_behind.chmod(0o600)
    again(journal).close()
    assert list(journal.folder.glob("probe*")) == []


def without_locks(monkeypatch: pytest.MonkeyPatch, how: int | str = 37) -> None:
    """A file system whose locks fail with an error number, or whose locks exclude nobody."""

    def flock(_descriptor: int, _how: int) -> None:
        if how != "exclude nobody":
            raise OSError(how, os.strerror(int(how)))

    monkeypatch.setattr(files.fcntl, "flock", flock)


@pytest.mark.parametrize("how", [37, 38, 95, "exclude nobody"])
def test_f90_a_lease_takes_the_place_of_locks_that_do_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: int | str
) -> None:
    without_locks(monkeypatch, how)
    heard: list[str] = []
    journal = FileJournal(tmp_path, Clock(), heard.append)
    assert [text for text in heard if "no locks" in text] == list(journal.warnings) == heard
    entry = take(journal)
    entry.write(SENT, durable=True)
    other = FileJournal(tmp_path, Clock())
    for second in (journal, other):
        with pytest.raises(LockedError, match="another uploader of this process") as caught:
            take(second)
        assert caught.value.pid == os.getpid()
    other.open("file:/another", DESTINATION).release()
    entry.add_part(part(1))
    entry.release()
    taken = take(other)
    assert taken.load() == replace(SENT, parts=(part(1),))
    taken.finish({"n": 1})
    assert journal.finished(SOURCE, DESTINATION) == {"fingerprint": SENT.fingerprint, "n": 1}
    assert {path.name for path in journal.folder.iterdir()} == {"done.jsonl"}


_HOLDER = """
import sys
sys.path.insert(0, {root!r})
from tests.protocol.test_journal import *
with pytest.MonkeyPatch.context() as patch:
    without_locks(patch)
    journal = FileJournal({home!r}, Clock())
    entry = take(journal)
    entry.write(SENT, durable=True)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_f90_the_lease_of_a_killed_process_is_taken_over_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(Path(__file__).parents[2])
    code = _HOLDER.format(root=root, home=str(tmp_path))
    without_locks(monkeypatch)
    journal = FileJournal(tmp_path, Clock())
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        with pytest.raises(LockedError) as caught:
            take(journal)
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
    entry = take(journal)
    assert entry.load() == SENT
    entry.release()


def test_f90_a_lease_of_another_machine_ends_after_a_minute_without_a_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    here, there = FileJournal(tmp_path, Clock()), FileJournal(tmp_path, Clock())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(lease_module, "_this_host", lambda: "elsewhere")
        entry = take(there)
        entry.write(SENT, durable=True)
    (path,) = here.folder.glob("*.lock")

    def age(seconds: float) -> None:
        at_s = path.stat().st_mtime - seconds
        os.utime(path, (at_s, at_s))

    age(50)
    with pytest.raises(LockedError, match="another process") as caught:
        take(here)
    assert caught.value.pid is None, "its number means nothing here"
    there._keeper.beat()
    age(50)
    with pytest.raises(LockedError):
        take(here)
    age(11)
    mine = take(here)
    assert mine.load() == SENT
    with pytest.raises(LockedError):
        entry.add_part(part(1))  # it wakes up, sees that its lease is gone, and leaves the file alone
    entry.release()
    assert mine.load() == SENT
    mine.release()
    assert sorted(path.suffix for path in here.folder.iterdir()) == [".jsonl", ".who"]


def test_f90_nobody_takes_a_fresh_lease_for_the_stale_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two find the same stale lease; the slower one must not clear away what the faster one has made."""
    without_locks(monkeypatch)
    fast, slow = FileJournal(tmp_path, Clock()), FileJournal(tmp_path, Clock())
    path = fast.folder / f"{_key(SOURCE, DESTINATION)}.lock"
    path.touch(mode=0o600)
    path.write_text('{"host": "gone", "pid": 1}')
    os.utime(path, (1, 1))
    real = lease_module.Lease._clear_away
    won: list[FileEntry] = []

    def late(lease: Any, holder: Any) -> None:
        if not won:
            with monkeypatch.context() as patch:
                patch.setattr(lease_module.Lease, "_clear_away", real)
                won.append(take(fast))
        real(lease, holder)

    monkeypatch.setattr(lease_module.Lease, "_clear_away", late)
    with pytest.raises(LockedError):
        take(slow)
    won[0].write(SENT, durable=True)
    assert won[0].load() == SENT
    won[0].release()


def test_f90_threads_that_race_for_one_lease_get_it_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    journal = FileJournal(tmp_path, Clock())
    inside: list[int] = []
    worst: list[int] = []

    def work() -> None:
        for _ in range(50):
            try:
                entry = take(journal)
            except LockedError:
                continue
            inside.append(1)
            worst.append(len(inside))
            inside.pop()
            entry.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert max(worst) == 1


@pytest.mark.parametrize("wrong", ["group", "world", "link", "owner", "file"])
def test_f88_a_folder_that_others_can_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    folder = tmp_path / "home" / "journal"
    folder.parent.mkdir()
    if wrong == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "real")
    elif wrong == "file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir(mode=0o700)
        folder.chmod({"group": 0o770, "world": 0o702}.get(wrong, 0o700))
    if wrong == "owner":
        uid = os.geteuid()
        monkeypatch.setattr(files.os, "geteuid", lambda: uid + 1)
    with pytest.raises(JournalError) as caught:
        FileJournal(folder.parent, Clock())
    assert caught.value.code == "Journal.Unsafe"
    monkeypatch.setenv("VOD_WIDGET_HOME", str(folder.parent))
    with pytest.raises(JournalError):
        FileJournal(None, Clock())


@pytest.mark.parametrize("wrong", ["group", "world", "link", "hard_link", "fifo"])
@pytest.mark.parametrize("name", ["entry", "done.jsonl"])
def test_f88_a_file_that_others_can_change_is_refused(journal: FileJournal, wrong: str, name: str) -> None:
    entry = take(journal)
    entry.write(SENT, durable=True)
    take_path = file_of(journal)
    journal.open("b", DESTINATION).finish({})
    path = take_path if name == "entry" else journal.folder / name
    other_name = journal.folder.parent / "other"
    if wrong == "link":
        path.rename(other_name)
        path.symlink_to(other_name)
    elif wrong == "hard_link":
        os.link(path, other_name)
    elif wrong == "fifo":
        path.unlink()
        os.mkfifo(path, 0o600)
    else:
        path.chmod({"group": 0o620, "world": 0o602}[wrong])
    other = again(journal)
    with pytest.raises(JournalError) as caught:
        if name == "entry":
            take(other).load()
        else:
            other.finished("b", DESTINATION)
    assert caught.value.code == "Journal.Unsafe"


def test_f88_a_link_in_the_place_of_the_lock_is_refused(journal: FileJournal, tmp_path: Path) -> None:
    entry = take(journal)
    (lock,) = journal.folder.glob("*.lock")
    entry.release()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock.symlink_to(victim)
    with pytest.raises(JournalError) as caught:
        take(journal)
    assert caught.value.code == "Journal.Unsafe"
    assert victim.read_text() == "precious"


def test_image_has_no_second_copy_since_no_later_process_could_go_on_with_it(journal: FileJournal) -> None:
    entry = take(journal)
    entry.write(replace(SENT, media_type=MediaType.IMAGE, reference_id="", upload_id=""), durable=True)
    assert not spare_of(file_of(journal)).exists()
    found = left(journal)
    assert found is not None and found.media_id == SENT.media_id


def test_own_results_are_known_without_reading_the_list_and_those_of_others_between_them_are_read(
    journal: FileJournal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(where: FileJournal, source: str) -> None:
        entry = where.open(source, DESTINATION)
        entry.write(replace(SENT, source_id=source), durable=True)
        entry.finish({"media_id": source})

    def result(source: str) -> str | None:
        found = journal.finished(source, DESTINATION)
        return found["media_id"] if found is not None else None

    finish(journal, "file:/a")
    assert result("file:/a") == "file:/a"
    finish(journal, "file:/b")
    with monkeypatch.context() as patched:
        patched.setattr(done_module, "open_file", lambda *_: pytest.fail("the list was opened"))
        assert result("file:/c") is None
    other = FileJournal(journal.folder.parent, clock)
    finish(other, "file:/c")
    finish(journal, "file:/d")
    other.close()
    for source in ("file:/a", "file:/b", "file:/c", "file:/d"):
        assert result(source) == source
