"""What people and their callbacks do to a whole queue at every moment, on the cloud in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, file_of, in_state, runs
from tests.fault.memory import GOOD, MemoryCloud, queue
from tests.helpers.invariants import Footprint
from tests.helpers.media import pattern_bytes
from tests.helpers.until import until
from vod_widget import effects as fx
from vod_widget.engine import Engine
from vod_widget.errors import InvalidStateError, VODError
from vod_widget.journal import FileJournal
from vod_widget.system import SystemClock

FAULT_KIND = "S"
SIZE = 4 * PART + 17


class GatedCloud(MemoryCloud):
    """A cloud in memory that a test can hold at any call."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: dict[str, tuple[threading.Event, threading.Event]] = {}
        self.parts_sent = 0

    def hold(self, op: str) -> threading.Event:
        """From now on calls of `op` wait until `open`; the event tells that one has come."""
        come, go = threading.Event(), threading.Event()
        self.gates[op] = come, go
        return come

    def let_go(self, op: str) -> None:
        self.gates.pop(op)[1].set()

    def does(self, op: str, act: Callable[[], Any]) -> Any:
        gate = self.gates.get(op)
        if gate is not None:
            gate[0].set()
            assert gate[1].wait(LONG_S)
        if op == "UploadPart":
            with self.lock:
                self.parts_sent += 1
        return super().does(op, act)


def content(cloud: MemoryCloud, info: Any) -> bytes:
    return cloud.objects[cloud.videos[info.video_id][0]]


def whole(cloud: MemoryCloud, info: Any, path: Path) -> None:
    assert info.state == "Success", info.error
    assert content(cloud, info) == path.read_bytes()


# ---------------------------------------------------------------- the process


@pytest.mark.parametrize(
    "op", ["CreateUploadVideo", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_f116_a_worker_without_memory_fails_its_file_and_leaves_no_lock(tmp_path: Path, op: str) -> None:
    cloud = MemoryCloud()
    cloud.spoil(op, MemoryError)
    with queue(cloud, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=SIZE))
        others = [up.add_file(file_of(tmp_path, f"other{n}.mp4")) for n in range(3)]
        runs(up)
        states = [f.state for f in (info, *others)]
        assert sorted(states) == ["Failure", "Success", "Success", "Success"]
        failed = next(f for f in (info, *others) if f.state == "Failure")
        assert failed.error.code == "Internal"
        assert up.retry_file(failed) is True, "its journal entry and its place in the queue are free"
        assert up.wait(LONG_S)
        whole(cloud, info, path)
    assert len(cloud.videos) == 4


# ---------------------------------------------------------------- commands


def test_f125_deleting_a_file_that_is_sent_is_a_cancel_and_the_others_keep_their_ids(tmp_path: Path) -> None:
    cloud = GatedCloud()
    come = cloud.hold("UploadPart")
    with queue(cloud, tmp_path, parallel=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", SIZE)) for n in range(3)]
        up.start_upload()
        assert come.wait(LONG_S)
        sending = next(f for f in infos if f.state == "Uploading")
        assert up.delete_file(infos.index(sending)) is True
        assert sending not in up.list_files()
        left = up.list_files()
        assert [f.file_id for f in left] == [f.file_id for f in infos if f is not sending]
        cloud.let_go("UploadPart")
        assert up.wait(LONG_S)
        assert [f.state for f in left] == ["Success"] * 2
        assert sending.state == "Canceled"
        assert up.heard.of(sending)[-1] == "on_upload_canceled"
    assert cloud.uploads == {}
    assert len(cloud.objects) == 2


@pytest.mark.parametrize("has_run", [False, True], ids=["before any start", "while others run"])
@pytest.mark.parametrize("how", ["cancel_file", "delete_file", "clean_list"])
def test_f122_f125_a_file_that_is_given_up_before_its_turn_loses_what_an_earlier_process_left_too(
    tmp_path: Path, how: str, has_run: bool
) -> None:
    cloud = GatedCloud()
    path = file_of(tmp_path, "left.mp4", SIZE)
    come = cloud.hold("UploadPart")
    with queue(cloud, tmp_path, parallel=1) as up:
        up.add_file(path)
        up.start_upload()
        assert come.wait(LONG_S)
        up.stop_upload()
        cloud.let_go("UploadPart")
    assert len(cloud.uploads) == 1
    with queue(cloud, tmp_path, parallel_files=1) as up:
        if has_run:
            busy = cloud.hold("PutObject")
            up.add_file(b"x" * 100, name="first.mp4")
            up.start_upload()
            assert busy.wait(LONG_S)
        info = up.add_file(path)
        up.clean_list() if how == "clean_list" else getattr(up, how)(info)
        assert info.state == "Canceled"
        until(lambda: not cloud.uploads, "the parts were removed")
        until(lambda: "on_upload_canceled" in up.heard.of(info), "the person is told")
        if has_run:
            cloud.let_go("PutObject")
    assert up.heard.of(info).count("on_upload_canceled") == 1
    assert len(cloud.videos) == 1 + has_run
    left = FileJournal(tmp_path / "journal", SystemClock()).unfinished()
    assert [(c.name, c.upload_id, c.canceled) for c in left if c.name == "left.mp4"] == (
        [("left.mp4", "", True)] if how == "cancel_file" else []
    )


def test_f122_next_file_waits_for_the_bytes_of_a_canceled_one_where_files_go_one_after_another(tmp_path: Path) -> None:
    cloud = GatedCloud()
    come = cloud.hold("PutObject")
    with queue(cloud, tmp_path, parallel_files=1) as up:
        first, second = up.add_file(b"x" * 100, name="first.mp4"), up.add_file(b"y" * 100, name="second.mp4")
        up.start_upload()
        assert come.wait(LONG_S)
        up.cancel_file(first)
        assert (first.state, second.state) == ("Canceled", "Ready")
        cloud.let_go("PutObject")
        until(lambda: second.state == "Success", "its bytes have ended")


def test_f122_queue_ends_only_when_the_bytes_of_its_last_file_have_ended_though_it_was_canceled(tmp_path: Path) -> None:
    cloud = GatedCloud()
    come = cloud.hold("PutObject")
    with queue(cloud, tmp_path) as up:
        info = up.add_file(b"x" * 100, name="first.mp4")
        up.start_upload()
        assert come.wait(LONG_S)
        up.cancel_file(info)
        assert (info.state, up.state) == ("Canceled", "Start")
        cloud.let_go("PutObject")
        until(lambda: up.state == "End", "its bytes have ended")


@pytest.mark.parametrize("callback", ["on_upload_succeed", "on_upload_progress", "on_file_added", "on_upload_end"])
def test_f126_files_may_be_deleted_from_any_callback_and_while_the_list_is_read(tmp_path: Path, callback: str) -> None:
    cloud = MemoryCloud()
    deleted: list[bool] = []

    def delete(*_: Any) -> None:
        ready = [f for f in up.list_files() if f.state == "Success" or callback == "on_file_added"]
        deleted.extend(up.delete_file(info) for info in ready)

    with queue(cloud, tmp_path, **{callback: delete}) as up:
        for _ in range(2):  # so that some have ended when the callbacks of the others come, however late they do
            for number in range(10):
                up.add_file(b"x" * (100 + number), name=f"{number}.mp4")
            runs(up)
        until(lambda: any(deleted), "the callback has run")


def test_f127_cleaning_the_list_under_a_hundred_uploads_leaves_nothing(tmp_path: Path) -> None:
    cloud = GatedCloud()
    come = cloud.hold("UploadPart")
    before = Footprint.take()
    with queue(cloud, tmp_path) as up:
        infos = [up.add_file(pattern_bytes(n, 2 * PART), name=f"{n}.mp4") for n in range(100)]
        up.start_upload()
        assert come.wait(LONG_S)
        up.clean_list()
        assert up.list_files() == []
        cloud.let_go("UploadPart")
        assert up.wait(LONG_S)
        until(lambda: not cloud.uploads, "the parts were removed")
        assert {f.state for f in infos} == {"Canceled"}
        assert cloud.objects == {}
        assert up.totals().size_bytes == 0
    before.check()


@pytest.mark.slow
def test_f128_stopping_and_starting_a_thousand_times_sends_no_part_twice_at_a_time(tmp_path: Path) -> None:
    cloud = GatedCloud()
    starts: list[str] = []
    with queue(cloud, tmp_path, parallel=2) as up:
        path = file_of(tmp_path, size=60 * PART)
        info = up.add_file(path)
        up.subscribe(lambda e: starts.append(e.state) if type(e).__name__ == "UploaderStateChanged" else None)
        stops = 0
        for number in range(1000):
            up.start_upload()
            if number % 97 == 0:
                up.wait(0.01)
            if up.state == "End":
                break
            up.stop_upload()
            stops += 1
        runs(up)
        whole(cloud, info, path)
        assert up.heard.names().count("on_upload_succeed") == 1
    # Each stop may cost what was in flight, two parts; in truth most cost none.
    assert cloud.parts_sent <= 60 + 2 * stops
    assert len(cloud.videos) == 1
    assert starts.count("Start") <= stops + 2


def test_f128_part_that_was_taken_when_the_queue_stopped_does_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes between the moment in which a sender takes a part and that in which it begins."""
    cloud, perform = GatedCloud(), Engine.perform
    stopped: list[int] = []

    def stops_before(engine: Engine, record: Any, machine: Any, effect: Any) -> Any:
        if isinstance(effect, fx.SendPart) and not stopped:
            stopped.append(1)
            up.stop_upload()
        return perform(engine, record, machine, effect)

    monkeypatch.setattr(Engine, "perform", stops_before)
    with queue(cloud, tmp_path, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=SIZE))
        runs(up)
        assert (info.state, cloud.parts_sent, info.sent_bytes) == ("Stopped", 0, 0)
        runs(up)
        whole(cloud, info, path)


def test_f129_stopping_from_the_progress_callback_locks_nothing(tmp_path: Path) -> None:
    cloud, stopped = MemoryCloud(), threading.Event()
    # One part is stored and told; the next is held until then, or a late callback would find the file sent.
    cloud.hold("UploadPart", lambda _key: cloud.count("UploadPart") == 1, stopped)

    def stop(*_: Any) -> None:
        if not stopped.is_set():
            up.stop_upload()
            stopped.set()

    with queue(cloud, tmp_path, parallel=1, on_upload_progress=stop) as up:
        info = up.add_file(path := file_of(tmp_path, size=40 * PART))
        runs(up)
        assert info.state == "Stopped"
        runs(up)
        whole(cloud, info, path)


def test_f130_resuming_what_needs_none_changes_nothing_and_sends_nothing(tmp_path: Path) -> None:
    cloud = GatedCloud()
    with queue(cloud, tmp_path) as up:
        done = up.add_file(file_of(tmp_path, "done.mp4"))
        runs(up)
        calls = list(cloud.calls)
        assert up.resume_file(done) is False
        assert up.wait(LONG_S)
        assert cloud.calls == calls
        come = cloud.hold("PutObject")
        running = up.add_file(file_of(tmp_path, "running.mp4"))
        up.start_upload()
        assert come.wait(LONG_S)
        assert up.resume_file(running) is False
        for index in (2, -1, 99):
            with pytest.raises(IndexError):
                up.resume_file(index)
        cloud.let_go("PutObject")
        assert up.wait(LONG_S)
        assert cloud.count("PutObject") == 2


def test_f131_an_unfinished_file_is_refused_and_after_its_success_it_is_a_new_asset(tmp_path: Path) -> None:
    cloud = GatedCloud()
    path = file_of(tmp_path)
    with queue(cloud, tmp_path) as up, queue(cloud, tmp_path) as elsewhere:
        come = cloud.hold("PutObject")
        up.add_file(path)
        with pytest.raises(InvalidStateError) as caught:
            up.add_file(path)
        assert caught.value.code == "AlreadyQueued"
        up.start_upload()
        assert come.wait(LONG_S)
        other = elsewhere.add_file(path)
        runs(elsewhere)
        assert (other.state, other.error.code) == ("Failure", "Locked")
        cloud.let_go("PutObject")
        assert up.wait(LONG_S)
        assert elsewhere.retry_file(other) is True
        assert elsewhere.wait(LONG_S)
        whole(cloud, other, path)
        assert len(cloud.videos) == 1, "a retry asks for the file, which is there now"
        again = up.add_file(path)
        runs(up)
        whole(cloud, again, path)
        assert len(cloud.videos) == 2
        come = cloud.hold("PutObject")
        up.add_file(path)
        up.start_upload()
        assert come.wait(LONG_S)
        third = elsewhere.add_file(path)
        runs(elsewhere)
        assert third.error.code == "Locked"
        up.cancel_file(up.list_files()[-1])
        cloud.let_go("PutObject")
        assert up.wait(LONG_S)
        assert elsewhere.retry_file(third) is True
        assert elsewhere.wait(LONG_S)
        assert not elsewhere.results()[-1].skipped, "what was stored long before is not what was asked for"


def test_f132_options_changed_in_mid_upload_count_for_new_files_only(tmp_path: Path) -> None:
    cloud = GatedCloud()
    come = cloud.hold("UploadPart")
    with queue(cloud, tmp_path, parallel=1) as up:
        first = up.add_file(path := file_of(tmp_path, size=6 * PART))
        up.start_upload()
        assert come.wait(LONG_S)
        up.part_size_bytes = 2 * PART
        up.region = "cn-beijing"
        up.set_credentials(vw.Credentials("other-key", GOOD.access_key_secret))
        second = up.add_file(other := file_of(tmp_path, "second.mp4", 6 * PART))
        cloud.let_go("UploadPart")
        assert up.wait(LONG_S)
        whole(cloud, first, path)
        whole(cloud, second, other)
    assert cloud.parts_sent == 6 + 3


BAD_CALLS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("no auth", lambda up, f: up.set_upload_auth_and_address(f, None, "x", "v")),
    ("a number", lambda up, f: up.set_upload_auth_and_address(f, 5, 6, 7)),
    ("no file", lambda up, _: up.set_upload_auth_and_address(None, "a", "b", "v")),
    ("no id", lambda up, f: up.set_sts_token(f, None, "s", "t")),
    ("an empty token", lambda up, f: up.set_sts_token(f, "i", "s", "")),
    ("bytes", lambda up, f: up.set_sts_token(f, b"i", "s", "t")),
    ("a huge auth", lambda up, f: up.resume_upload_with_auth("A" * 2_000_000, f)),
    ("no auth to resume", lambda up, f: up.resume_upload_with_auth(None, f)),
    ("a bad time", lambda up, f: up.resume_upload_with_sts_token("i", "s", "t", "tomorrow", f)),
    ("an unknown option", lambda up, _: setattr(up, "paralell", 3)),
    ("a negative number", lambda up, _: setattr(up, "parallel", -1)),
    ("a text for a number", lambda up, _: setattr(up, "part_size_bytes", "many")),
    ("a callback that is none", lambda up, _: setattr(up, "on_upload_end", "later")),
    ("a huge title", lambda up, _: up.add_file(b"x", name="y.mp4", title="t" * 1_000_000)),
    ("a text for an index", lambda up, _: up.cancel_file("0")),
]


@pytest.mark.parametrize(("what", "call"), BAD_CALLS, ids=[what for what, _ in BAD_CALLS])
def test_f133_bad_values_are_refused_before_anything_changes(
    tmp_path: Path, what: str, call: Callable[[Any, Any], Any]
) -> None:
    with queue(MemoryCloud(), tmp_path) as up:
        info = up.add_file(b"x", name="clip.mp4")
        before = up.snapshot()
        with pytest.raises((TypeError, ValueError, AttributeError, VODError)):
            call(up, info)
        assert up.snapshot().totals == before.totals
        assert [f.state for f in up.snapshot().files] == ["Ready"]
        runs(up)
        assert info.state == "Success", info.error


EVENTS = [
    "on_file_added",
    "on_upload_started",
    "on_upload_progress",
    "on_upload_retry",
    "on_upload_succeed",
    "on_upload_end",
]


@pytest.mark.parametrize("event", EVENTS)
def test_f134_a_callback_that_raises_is_logged_and_harms_nobody(
    tmp_path: Path, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = MemoryCloud()
    cloud.spoil("PutObject", lambda: VODError("not used"), times=0)
    from vod_widget.errors import ServerFaultError

    cloud.spoil("CreateUploadVideo", lambda: ServerFaultError("500", status=500))
    raised: list[int] = []

    def fail(*_: Any) -> None:
        raised.append(1)
        raise ZeroDivisionError("of the caller")

    caplog.set_level(logging.ERROR, "vod_widget")
    with queue(cloud, tmp_path, **{event: fail}) as up:
        info = up.add_file(path := file_of(tmp_path))
        runs(up)
        whole(cloud, info, path)
        assert raised
        assert caplog.text.count("ZeroDivisionError: of the caller") == len(raised)
        assert up.heard.names().count("on_upload_succeed") == 1


def test_f135_a_callback_that_blocks_holds_up_its_own_file_only_and_progress_is_coalesced(tmp_path: Path) -> None:
    """Ten minutes are one event here; the queue of what waits is looked at instead."""
    cloud = MemoryCloud()
    blocked, release = threading.Event(), threading.Event()
    heard: list[str] = []

    def progress(info: Any, *_: Any) -> None:
        if info.name == "slow.mp4":
            heard.append("progress")
            blocked.set()
            assert release.wait(LONG_S)

    def succeed(info: Any) -> None:
        if info.name == "slow.mp4":
            heard.append("succeed")

    with queue(cloud, tmp_path, on_upload_progress=progress, on_upload_succeed=succeed) as up:
        slow = up.add_file(slow_path := file_of(tmp_path, "slow.mp4", 30 * PART))
        others = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(20)]
        up.start_upload()
        assert blocked.wait(LONG_S)
        for info in (*others, slow):
            in_state(info, "Success")
        assert heard == ["progress"], "its later events wait in order"
        (waiting,) = (jobs for key, jobs in up._dispatcher._strands.items() if key == slow.file_id)
        # One for each part, and the ticks between them as one.
        assert len(waiting) <= 2 * 30 + 5
        release.set()
        assert up.wait(LONG_S)
        assert heard[-1] == "succeed"
        assert heard.count("succeed") == 1
        whole(cloud, slow, slow_path)


@pytest.mark.slow
def test_f143_many_queued_files_are_started_at_once_and_kept_small(tmp_path: Path) -> None:
    """Of the hundred thousand, so many that the growth shows; time and memory are measured by `python -m benchmarks`."""
    import tracemalloc

    cloud = GatedCloud()
    come = cloud.hold("CreateUploadVideo")
    with queue(cloud, tmp_path, checkpoint_dir=str(tmp_path / "j")) as up:
        data = b"x" * 10
        up.add_file(data, name="warm.mp4")
        tracemalloc.start()
        for number in range(1000):
            up.add_file(data + number.to_bytes(4, "big"), name=f"{number}.mp4")
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert used / 1000 * 100_000 < 500 * 1024 * 1024
        up.start_upload()
        assert come.wait(LONG_S)
        assert len([t for t in threading.enumerate() if t.name.startswith("vod-")]) <= 40
        up.stop_upload()
        cloud.let_go("CreateUploadVideo")
        assert up.wait(LONG_S)
        assert up.totals().total == 1001
