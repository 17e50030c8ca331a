"""A process that is killed, interrupted, ended or forked at any point: one video, the file's bytes, few of them twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, file_of, keys, ops, reached, runs, stored
from tests.contract.support import uploader as here
from tests.fault import victims
from tests.helpers.invariants import Stored, Witness
from tests.helpers.until import until
from vod_widget.emulator.faults import Drop, Stall, Status

FAULT_KIND = "P"
PART = victims.PART
SIZE = 4 * PART + 17
SMALL_SIZE = 50_000

Start = Callable[..., ForkServerProcess]


@pytest.fixture
def start(emulator: Any, tmp_path: Path) -> Iterator[Start]:
    """Start a victim; it is gone when the test ends."""
    started: list[ForkServerProcess] = []

    def begin(target: Callable[..., None], *args: Any) -> ForkServerProcess:
        process = victims.start(target, emulator, tmp_path / "journal", *args)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.join(LONG_S)


def kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join(LONG_S)
    assert process.exitcode == -signal.SIGKILL


def sent_bytes(emulator: Any) -> int:
    return sum(r.body_bytes for r in emulator.requests if r.op in {"UploadPart", "PutObject"})


def goes_on(emulator: Any, tmp_path: Path, path: Path, **options: Any) -> Any:
    """The next process: everything of the former one counts."""
    emulator.faults.clear()
    witness = Witness(PART)
    with here(emulator, tmp_path, **options) as up:
        witness.watch(up)
        info = up.add_file(path)
        witness.story(info.file_id, path.name).exists(path)
        runs(up)
        assert info.state == "Success", info.error
        names = up.heard.names()
        assert (names.count("on_upload_succeed"), names.count("on_upload_failed"), names[-1]) == (1, 0, "on_upload_end")
    assert stored(emulator, info) == path.read_bytes()
    witness.check(Stored.of_emulator(emulator))
    return info


CALLS = [
    ("CreateUploadVideo", 1, "before"),
    ("CreateUploadVideo", 1, "after"),
    ("InitiateMultipartUpload", 1, "before"),
    ("InitiateMultipartUpload", 1, "after"),
    ("UploadPart", 1, "before"),
    ("UploadPart", 1, "after"),
    ("UploadPart", 3, "before"),
    ("UploadPart", 5, "after"),
    ("CompleteMultipartUpload", 1, "before"),
    ("CompleteMultipartUpload", 1, "after"),
    ("PutObject", 1, "before"),
    ("PutObject", 1, "after"),
]


@pytest.mark.parametrize(("op", "nth", "when"), CALLS)
def test_f112_a_process_killed_at_any_call_is_taken_up_by_the_next(
    emulator: Any, tmp_path: Path, start: Start, op: str, nth: int, when: str
) -> None:
    path = file_of(tmp_path, size=SMALL_SIZE if op == "PutObject" else SIZE)
    stall = emulator.faults.add(op=op, nth=nth, when=when, action=Stall())
    victim = start(victims.upload, str(path))
    until(lambda: stall.fired, f"the victim reached {op}")
    kill(victim)
    goes_on(emulator, tmp_path, path)
    assert sent_bytes(emulator) <= path.stat().st_size + PART
    if op == "CompleteMultipartUpload":
        assert sent_bytes(emulator) == SIZE


@pytest.mark.parametrize("when", ["before", "torn", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 9])
def test_f29_f112_a_process_killed_at_any_write_of_the_journal_is_taken_up_by_the_next(
    emulator: Any, tmp_path: Path, start: Start, number: int, when: str
) -> None:
    """Writes: reference id, video id, upload id, five parts, the result."""
    path = file_of(tmp_path, size=SIZE)
    victim = start(victims.upload_and_die_at_write, str(path), number, when)
    victim.join(LONG_S)
    assert victim.exitcode == -signal.SIGKILL
    if number == 9:  # nothing is left to do, or everything is there
        emulator.faults.clear()
    goes_on(emulator, tmp_path, path, skip_uploaded=True)
    assert sent_bytes(emulator) <= SIZE + PART
    zero_byte_entries = len(emulator.unfinished_uploads)
    assert zero_byte_entries <= (1 if number == 3 and when != "after" else 0)


def test_f113_twenty_kills_in_a_row_cost_a_part_each_at_most(emulator: Any, tmp_path: Path, start: Start) -> None:
    # What a kill leaves on its way may arrive all the same and counts for the next run, so there are parts for all kills.
    size = 24 * PART
    path = file_of(tmp_path, size=size)
    for kills in range(20):
        emulator.faults.clear()
        # At a part that is not there yet, now before and now after it was stored.
        op, when = ("UploadPart", "before") if kills % 3 else ("UploadPart", "after")
        stall = emulator.faults.add(op=op, when=when, action=Stall())
        complete = emulator.faults.add(op="CompleteMultipartUpload", action=Stall())
        victim = start(victims.upload, str(path))
        until(lambda s=stall, c=complete: s.fired or c.fired, "the victim is at work")
        kill(victim)
    goes_on(emulator, tmp_path, path)
    assert sent_bytes(emulator) <= size + 20 * PART


def test_f7_a_kill_after_a_lost_create_makes_no_second_video(emulator: Any, tmp_path: Path, start: Start) -> None:
    path = file_of(tmp_path, size=SIZE)
    emulator.faults.add(op="CreateUploadVideo", when="after", action=Drop())
    look = emulator.faults.add(op="GetVideoInfo", action=Stall())
    victim = start(victims.upload, str(path))
    until(lambda: look.fired, "the victim looks it up")
    kill(victim)
    goes_on(emulator, tmp_path, path)


def test_f68_a_kill_after_a_lost_complete_sends_nothing_again(emulator: Any, tmp_path: Path, start: Start) -> None:
    path = file_of(tmp_path, size=SIZE)
    emulator.faults.add(op="CompleteMultipartUpload", when="after", action=Drop())
    head = emulator.faults.add(op="HeadObject", action=Stall())
    victim = start(victims.upload, str(path))
    until(lambda: head.fired, "the victim asks for the object")
    kill(victim)
    goes_on(emulator, tmp_path, path)
    assert sent_bytes(emulator) == SIZE
    assert ops(emulator, "CompleteMultipartUpload").count("CompleteMultipartUpload") <= 2


def test_f89_a_second_process_is_told_who_holds_the_file_and_others_are_not_disturbed(
    emulator: Any, tmp_path: Path, start: Start
) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    first = start(victims.upload, str(path))
    until(lambda: stall.fired, "the first process is at work")
    with here(emulator, tmp_path) as up:
        info = up.add_file(path)
        other = up.add_file(file_of(tmp_path, "other.mp4"))
        runs(up)
        assert (info.state, info.error.code, info.error.pid) == ("Failure", "Locked", first.pid)
        assert str(first.pid) in str(info.error)
        assert other.state == "Success"
        kill(first)  # the lock of a dead process is nobody's
        emulator.faults.clear()
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
    assert len(emulator.assets) == 2
    assert sent_bytes(emulator) <= SIZE + PART + other.size_bytes


def test_f89_upload_waits_for_the_result_of_the_other_process(emulator: Any, tmp_path: Path, start: Start) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    first = start(victims.upload, str(path))
    until(lambda: stall.fired, "the first process is at work")
    with here(emulator, tmp_path) as up:
        info = up.add_file(path)
        runs(up)
        assert info.error.code == "Locked"
    stall.release()
    (row,) = vw.upload(
        path, endpoint=emulator.endpoint, credentials=keys(emulator), checkpoint_dir=str(tmp_path / "journal")
    )
    first.join(LONG_S)
    assert first.exitcode == 0
    assert row.state == "Success", row.error_message
    assert [asset.media_id for asset in emulator.assets] == [row.video_id]
    assert sent_bytes(emulator) == SIZE


@pytest.mark.parametrize("then", ["stop", "go on"])
def test_f109_ctrl_c_gives_the_prompt_back_and_the_queue_goes_on_or_stops_as_told(
    emulator: Any, tmp_path: Path, start: Start, then: str
) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    ours, theirs = Pipe()
    victim = start(victims.interrupted_run, str(path), theirs)
    assert ours.recv() == "running"
    until(lambda: stall.fired, "the victim is at work")
    os.kill(victim.pid, signal.SIGINT)
    assert ours.poll(LONG_S / 2), "the prompt waits for no request: this one ends after a minute"
    assert ours.recv() == "interrupted"
    ours.send(then)
    if then == "stop":
        assert ours.recv() == "Stopped"
        stall.release()
        emulator.faults.clear()
        ours.send("close")
        victim.join(LONG_S)
        # The one that hangs is cut a second after the stop, on a busy machine before the server has noted it.
        assert len(ops(emulator, "UploadPart")) <= 3, "no request is a zombie"
        goes_on(emulator, tmp_path, path)
        assert sent_bytes(emulator) <= SIZE + PART
    else:
        stall.release()
        assert ours.recv() == "Success"
        ours.send("close")
        victim.join(LONG_S)


def test_f110_a_callback_that_is_interrupted_ends_alone(emulator: Any, tmp_path: Path, start: Start) -> None:
    ours, theirs = Pipe()
    start(victims.interrupted_callback, str(file_of(tmp_path, size=SIZE)), theirs)
    assert ours.recv() == ("Success", 1)


@pytest.mark.parametrize("answers", [True, False], ids=["it is answered", "it hangs"])
def test_f119_a_process_that_ends_lets_its_parts_arrive(
    emulator: Any, tmp_path: Path, start: Start, answers: bool
) -> None:
    """The part on its way ends when it can, the next does not begin, and nothing that arrived has to go twice."""
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    ours, theirs = Pipe()
    victim = start(victims.start_and_leave, str(path), LONG_S if answers else 0.1, theirs)
    until(lambda: stall.fired, "part 2 is on its way", within_s=LONG_S)
    ours.send("leave")
    assert ours.recv() == "leaving"
    if answers:
        stall.release()
    assert ours.recv() == ((2 if answers else 1) * PART, "Stopped")
    victim.join(LONG_S)
    stall.release()
    goes_on(emulator, tmp_path, path)
    assert sent_bytes(emulator) <= SIZE + (0 if answers else PART)


def test_f114_a_polite_kill_of_the_command_lets_its_parts_arrive(emulator: Any, tmp_path: Path, start: Start) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    ours, theirs = Pipe()
    options = ["--parallel", "1", "--part-size-bytes", str(PART), "--checkpoint-dir", str(tmp_path / "journal")]
    victim = start(victims.command, ["upload", str(path), *options], theirs)
    until(lambda: stall.fired, "part 2 is on its way")
    os.kill(victim.pid, signal.SIGTERM)
    assert ours.recv() == "leaving"
    assert not ours.poll(0.1), "it does not go before the part has its answer"
    stall.release()
    status, said = ours.recv()
    assert status == 130
    assert "what was sent is kept" in said
    assert len(ops(emulator, "UploadPart")) == 2, "nothing new began"
    victim.join(LONG_S)
    (left,) = vw.journal.FileJournal(tmp_path / "journal", vw.system.SystemClock()).unfinished()
    assert [part.part_number for part in left.parts] == [1, 2]


def test_f115_a_forked_child_has_no_part_in_the_upload(emulator: Any, tmp_path: Path, start: Start) -> None:
    path = file_of(tmp_path, size=SIZE)
    ours, theirs = Pipe()
    start(victims.forking, str(path), theirs)
    said, status = ours.recv()
    assert status == 0
    assert said == "forked from|True|True"
    assert ours.recv() == "Success"
    assert sent_bytes(emulator) == SIZE
    assert len(emulator.assets) == 1


def test_f123_a_cancel_without_a_network_is_carried_out_by_the_next_process(emulator: Any, tmp_path: Path) -> None:
    path = file_of(tmp_path, size=SIZE)
    stall = emulator.faults.add(op="UploadPart", part_number=3, action=Stall())
    with here(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path)
        up.start_upload()
        reached(stall)
        emulator.faults.add(op="AbortMultipartUpload", action=Status(503), times=None)
        assert up.cancel_file(info) is True
        assert info.state == "Canceled"
        stall.release()
        assert up.wait(LONG_S)
        assert emulator.unfinished_uploads
    emulator.faults.clear()
    options = {"credentials": keys(emulator), "endpoint": emulator.endpoint}
    with vw.resume(tmp_path / "journal", **options) as again:
        until(lambda: not emulator.unfinished_uploads, "the parts were removed")
        assert again.wait(LONG_S)
        assert [info.state for info in again.list_files()] in ([], ["Canceled"])
    with vw.resume(tmp_path / "journal", **options) as third:
        assert third.list_files() == []
