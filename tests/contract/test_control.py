"""The list and its commands: add, delete, cancel, pause, resume, retry, stop, clean, in each state and in each phase."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import (
    LONG_S,
    PART,
    AppServer,
    file_of,
    in_state,
    keys,
    ops,
    reached,
    runs,
    stored,
    uploader,
)
from tests.helpers.until import until
from vod_widget.emulator.faults import ExpireToken, Stall, Status
from vod_widget.model import LinkFacts, UploadState
from vod_widget.options import BROWSER_PART_BYTES, GIB, MIB
from vod_widget.progress import SpeedMeter
from vod_widget.sources.browser import BrowserSource
from vod_widget.system import SystemClock

FAULT_KIND = "L"
COMMANDS = ("cancel_file", "pause_file", "resume_file", "retry_file", "delete_file")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bad", [0, -1, 7])
def test_bad_index_is_an_index_error(command: str, bad: int, tmp_path: Any) -> None:
    with vw.VODUpload() as up:
        if bad:
            up.add_file(file_of(tmp_path))
        with pytest.raises(IndexError):
            getattr(up, command)(bad)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bad", ["0", None, 1.0, True])
def test_what_is_neither_index_nor_info_is_refused(command: str, bad: Any, tmp_path: Any) -> None:
    with vw.VODUpload() as up:
        up.add_file(file_of(tmp_path))
        up.add_file(file_of(tmp_path, "b.mp4"))
        with pytest.raises(vw.VODError, match="UploadInfo"):
            getattr(up, command)(bad)


@pytest.mark.parametrize("command", COMMANDS)
def test_info_that_left_the_list_changes_nothing(command: str, tmp_path: Any) -> None:
    with vw.VODUpload() as up, vw.VODUpload() as other:
        gone = up.add_file(file_of(tmp_path))
        assert up.delete_file(gone) is True
        foreign = other.add_file(file_of(tmp_path))
        assert getattr(up, command)(gone) is False
        assert getattr(up, command)(foreign) is False


# state -> what each command returns, and the state after it
TABLE = {
    "Ready": {"cancel_file": "Canceled", "pause_file": "Stopped", "resume_file": None, "retry_file": None},
    "Uploading": {"cancel_file": "Canceled", "pause_file": "Stopped", "resume_file": None, "retry_file": None},
    "Expired": {"cancel_file": "Canceled", "pause_file": "Stopped", "resume_file": None, "retry_file": None},
    "Success": {"cancel_file": None, "pause_file": None, "resume_file": None, "retry_file": None},
    "Failure": {"cancel_file": "Canceled", "pause_file": None, "resume_file": "Ready", "retry_file": "Success"},
    "Canceled": {"cancel_file": None, "pause_file": None, "resume_file": "Ready", "retry_file": None},
    "Stopped": {"cancel_file": "Canceled", "pause_file": None, "resume_file": "Ready", "retry_file": None},
}


def _bring(up: Any, info: Any, emulator: Any, state: str) -> Callable[[], None]:
    """Bring the only file into a state; returns what lets go of it."""
    match state:
        case "Ready":
            pass
        case "Uploading":
            stall = emulator.faults.add(op="CreateUploadVideo", action=Stall())
            up.start_upload()
            reached(stall)
            return stall.release
        case "Expired":
            up.on_upload_started = lambda i: _answer(up, emulator, i)
            up.on_upload_token_expired = lambda i: None
            emulator.faults.add(op="PutObject", action=ExpireToken())
            up.start_upload()
            in_state(info, "Expired")
        case "Success":
            runs(up)
        case "Failure":
            emulator.faults.add(op="CreateUploadVideo", action=Status(400, "InvalidParameter"))
            runs(up)
        case "Canceled":
            up.cancel_file(info)
        case "Stopped":
            up.pause_file(info)
    assert info.state == state
    return lambda: None


def _answer(up: Any, emulator: Any, info: Any) -> None:
    got = AppServer(emulator).create_upload_video("t", info.name)
    up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])


@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("command", ["cancel_file", "pause_file", "resume_file", "retry_file"])
@pytest.mark.parametrize("by", ["index", "info"])
def test_f122_what_a_command_does_in_each_state(
    emulator: Any, tmp_path: Any, state: str, command: str, by: str
) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        let_go = _bring(up, info, emulator, state)
        try:
            wanted = TABLE[state][command]
            did = getattr(up, command)(0 if by == "index" else info)
            assert did is (wanted is not None)
            if wanted == "Success":
                let_go()
                assert up.wait(LONG_S)
            elif wanted == "Ready" and up.state in {"Start", "Expire"}:
                assert info.state in {"Ready", "Uploading", "Success"}
                return
            assert info.state == (wanted or state)
            if command == "pause_file" and did:
                assert info.phase == "paused"
        finally:
            let_go()


@pytest.mark.parametrize("state", TABLE)
def test_delete_in_each_state_takes_the_file_off_the_list(emulator: Any, tmp_path: Any, state: str) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        let_go = _bring(up, info, emulator, state)
        assert up.delete_file(info) is True
        assert up.list_files() == []
        assert up.delete_file(info) is False
        let_go()
        assert up.wait(LONG_S)
        assert up.totals().total == 0
        # The same file may be added again at once.
        again = up.add_file(file_of(tmp_path))
        up.on_upload_started = None
        runs(up)
        assert again.state == "Success", again.error


def test_deleting_other_files_does_not_move_the_running_one(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="CreateUploadVideo", nth=2, action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(4)]
        up.start_upload()
        reached(stall)
        assert up.delete_file(0) is True
        assert up.list_files() == infos[1:]
        assert up.cancel_file(0) is True  # the running one is index 0 now
        assert infos[1].state == "Canceled"
        stall.release()
        assert up.wait(LONG_S)
        assert [info.state for info in up.list_files()] == ["Canceled", "Success", "Success"]
        assert up.heard.names().count("on_upload_end") == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cancel_file", "pause_file"])
def test_file_that_is_given_up_leaves_its_place_although_its_request_gets_no_answer(
    emulator: Any, tmp_path: Any, how: str
) -> None:
    stall = emulator.faults.add(op="PutObject", action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        first, second = up.add_file(file_of(tmp_path, "first.mp4")), up.add_file(file_of(tmp_path, "second.mp4"))
        up.start_upload()
        reached(stall)
        assert getattr(up, how)(first) is True
        in_state(second, UploadState.SUCCESS)  # the deadlines of the request are longer than this wait
        assert stall.fired == 1
        assert "on_upload_retry" not in up.heard.of(first)


def test_delete_and_clean_from_inside_callbacks(emulator: Any, tmp_path: Any) -> None:
    def forget(info: Any) -> None:
        assert up.delete_file(info) is True
        if info.name == "2.mp4":
            up.clean_list()

    # So that the list is cleaned before the fourth file is through, however late the callback comes.
    emulator.faults.add(op="PutObject", nth=4, action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1, on_upload_succeed=forget) as up:
        for n in range(5):
            up.add_file(file_of(tmp_path, f"{n}.mp4"))
        up.start_upload()
        assert up.wait(LONG_S)
        until(lambda: up.list_files() == [], "the list is empty")
        assert up.heard.names().count("on_upload_succeed") == 3
        assert emulator.unfinished_uploads == []


def test_clean_list_in_mid_upload_leaves_nothing_behind(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="UploadPart", nth=2, action=Stall(), times=None)
    with uploader(emulator, tmp_path) as up:
        for n in range(3):
            up.add_file(file_of(tmp_path, f"{n}.mp4", 3 * PART))
        up.start_upload()
        reached(stall)
        up.clean_list()
        assert up.list_files() == []
        stall.release()
        assert up.wait(LONG_S)
        assert emulator.unfinished_uploads == []
        assert up.totals().total == 0
        assert up.heard.names().count("on_upload_canceled") == 3
        file = up.add_file(file_of(tmp_path, "0.mp4", 3 * PART))
        runs(up)
        assert file.state == "Success"


def test_stop_keeps_what_was_sent_and_start_goes_on(emulator: Any, tmp_path: Any) -> None:
    path = file_of(tmp_path, size=6 * PART)
    stall = emulator.faults.add(op="UploadPart", nth=4, action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path)
        up.start_upload()
        reached(stall)
        up.stop_upload()
        assert info.state == "Stopped"
        assert up.state == "Stop"
        stall.release()
        assert up.wait(LONG_S)
        kept = info.accepted_bytes
        assert kept >= 3 * PART
        emulator.faults.clear()
        before = sum(r.body_bytes for r in emulator.requests if r.op == "UploadPart")
        runs(up)
        assert info.state == "Success"
        sent = sum(r.body_bytes for r in emulator.requests if r.op == "UploadPart") - before
        assert sent <= 6 * PART - kept + PART
        assert stored(emulator, info) == path.read_bytes()
        assert ops(emulator, "CreateUploadVideo", "InitiateMultipartUpload") == [
            "CreateUploadVideo",
            "InitiateMultipartUpload",
        ]
        assert up.heard.names().count("on_upload_end") == 1


def test_stop_from_the_progress_callback(emulator: Any, tmp_path: Any) -> None:
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        if not stopped.is_set():
            stopped.set()
            up.stop_upload()

    with uploader(emulator, tmp_path, on_upload_progress=stop) as up:
        info = up.add_file(file_of(tmp_path, size=5 * PART))
        up.start_upload()
        assert up.wait(LONG_S)
        assert stopped.is_set()
        assert info.state in {"Stopped", "Success"}
        runs(up)
        assert info.state == "Success"


def test_f128_stop_and_start_fifty_times(emulator: Any, tmp_path: Any) -> None:
    paths = [file_of(tmp_path, f"{n}.mp4", 3 * PART + n) for n in range(3)]
    with uploader(emulator, tmp_path) as up:
        infos = [up.add_file(path) for path in paths]
        pause = threading.Event()
        for turn in range(50):
            up.start_upload()
            pause.wait(0.001 * (turn % 7))
            up.stop_upload()
        runs(up)
        assert [info.state for info in infos] == ["Success"] * 3, [info.error for info in infos]
        for path, info in zip(paths, infos, strict=True):
            assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 3
        assert emulator.unfinished_uploads == []
        assert [up.heard.of(info).count("on_upload_succeed") for info in infos] == [1, 1, 1]


def test_start_twice_is_one_start(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        up.start_upload()
        up.start_upload()
        assert up.wait(LONG_S)
        assert info.state == "Success"
        assert len(emulator.assets) == 1


def test_start_requeues_failed_and_stopped_files_but_not_canceled_ones(emulator: Any, tmp_path: Any) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(400, "InvalidParameter"))
    stall = emulator.faults.add(op="CreateUploadVideo", nth=2, action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(3)]
        up.cancel_file(2)
        up.start_upload()
        reached(stall)
        up.pause_file(1)
        stall.release()
        assert up.wait(LONG_S)
        assert [info.state for info in infos] == ["Failure", "Stopped", "Canceled"]
        runs(up)
        assert [info.state for info in infos] == ["Success", "Success", "Canceled"]


def test_retry_failed_tries_the_failed_ones_only(emulator: Any, tmp_path: Any) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(400, "InvalidParameter"), times=2)
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(4)]
        up.cancel_file(3)
        runs(up)
        assert up.retry_failed() == 2
        assert up.wait(LONG_S)
        assert [info.state for info in infos] == ["Success", "Success", "Success", "Canceled"]
        assert up.retry_failed() == 0


def test_resume_while_running_starts_the_file_and_otherwise_only_readies_it(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="CreateUploadVideo", action=Stall())
    with uploader(emulator, tmp_path) as up:
        first = up.add_file(file_of(tmp_path, "a.mp4"))
        second = up.add_file(file_of(tmp_path, "b.mp4"))
        up.cancel_file(second)
        up.start_upload()
        reached(stall)
        assert up.resume_file(second) is True
        in_state(second, "Success")
        stall.release()
        assert up.wait(LONG_S)
        third = up.add_file(file_of(tmp_path, "c.mp4"))
        up.cancel_file(third)
        assert up.resume_file(third) is True
        assert (third.state, up.state) == ("Ready", "End")
        assert first.state == "Success"


@pytest.mark.parametrize("how", ["cancel", "pause", "stop"])
@pytest.mark.parametrize(
    "op", ["CreateUploadVideo", "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
)
def test_f122_person_wins_in_every_phase_and_resume_keeps_the_video(
    emulator: Any, tmp_path: Any, op: str, how: str
) -> None:
    path = file_of(tmp_path, size=3 * PART + 1)
    stall = emulator.faults.add(op=op, action=Stall(), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path)
        up.start_upload()
        reached(stall)
        if how == "stop":
            up.stop_upload()
        else:
            assert getattr(up, f"{how}_file")(info) is True
        wanted = "Canceled" if how == "cancel" else "Stopped"
        assert info.state == wanted
        stall.release()
        assert up.wait(LONG_S)
        assert info.state == wanted
        assert info.phase == ("paused" if how == "pause" else "")
        assert up.heard.names().count("on_upload_canceled") == (how == "cancel")
        assert "on_upload_succeed" not in up.heard.names()
        assert "on_upload_failed" not in up.heard.names()
        if how == "cancel":
            assert emulator.unfinished_uploads == []
        emulator.faults.clear()
        video_id = info.video_id
        up.resume_file(info)
        runs(up)
        assert info.state == "Success", info.error
        assert info.video_id == (video_id or info.video_id)
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1
        assert emulator.unfinished_uploads == []


def test_cancel_of_a_stopped_file_removes_its_parts(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="UploadPart", nth=3, action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(file_of(tmp_path, size=4 * PART))
        up.start_upload()
        reached(stall)
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S)
        assert emulator.unfinished_uploads
        assert up.cancel_file(info) is True
        until(lambda: not emulator.unfinished_uploads, "the parts were removed")
        assert up.wait(LONG_S)


def test_parallel_files_one_is_the_vendors_strict_order(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4", PART + n)) for n in range(5)]
        runs(up)
        ends = [args[0] for name, args in up.heard if name == "on_upload_succeed"]
        assert ends == infos
        kinds = ops(emulator)
        assert kinds == [
            "CreateUploadVideo",
            "PutObject",
            *["CreateUploadVideo", "InitiateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload"]
            * 4,
        ]


def test_files_start_in_list_order(emulator: Any, tmp_path: Any) -> None:
    started: list[Any] = []
    with uploader(emulator, tmp_path, on_upload_started=started.append, credentials=_keys(emulator)) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(12)]
        runs(up)
        assert sorted(started, key=infos.index) == infos


def _keys(emulator: Any) -> Any:
    return vw.Credentials(emulator.access_key_id, emulator.access_key_secret)


def test_bandwidth_limit_may_be_changed_while_running(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path, max_bandwidth_bytes_per_s=PART // 4, parallel=2) as up:
        info = up.add_file(file_of(tmp_path, size=12 * PART))
        up.start_upload()
        until(lambda: info.sent_bytes > 0, "bytes moved")
        assert up.wait(0.2) is False
        up.max_bandwidth_bytes_per_s = None
        assert up.wait(LONG_S)
        assert info.state == "Success"


def test_limit_that_is_lifted_leaves_no_small_parts_behind(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="InitiateMultipartUpload", action=Stall())
    with uploader(emulator, tmp_path, max_bandwidth_bytes_per_s=100_000, parallel=1, part_size_bytes=None) as up:
        info = up.add_file(file_of(tmp_path, size=6 * MIB))
        up.start_upload()
        reached(stall)
        up.max_bandwidth_bytes_per_s = None
        stall.release()
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
    # As many as without any limit at most, where the first ones are of 1 MiB; 16 of the size that the limit wanted.
    assert 0 < ops(emulator, "UploadPart").count("UploadPart") <= 6


def test_what_a_limit_holds_back_says_nothing_of_the_line(emulator: Any, tmp_path: Any) -> None:
    full: list[bool] = []
    stalls = emulator.faults.add(op="UploadPart", action=Stall(), times=None)
    with uploader(emulator, tmp_path, max_bandwidth_bytes_per_s=100 * MIB, parallel=2) as up:
        sample = up._queue.concurrency.sample
        up._queue.concurrency.sample = lambda *args, **more: (full.append(more["is_full"]), sample(*args, **more))
        up._queue.meter = Moving(MIB)
        up.add_file(file_of(tmp_path, size=8 * PART))
        up.start_upload()
        until(lambda: full and full[-1], "both requests are under way, far below the limit")
        up.max_bandwidth_bytes_per_s = MIB
        until(lambda: not full[-1], "the limit holds them back")
        up._queue.meter = Moving(MIB // 2)
        until(lambda: full[-1], "the line does")
        stalls.release()
        up.max_bandwidth_bytes_per_s = None
        runs(up)


def test_file_of_a_page_under_a_limit_goes_through_the_kernel_in_parts_of_one_slice() -> None:
    source = BrowserSource("a.mp4", GIB, 0, None, SystemClock())
    with vw.VODUpload() as up:
        up._queue.concurrency.learn(LinkFacts(answer_s=0.0002))
        assert up._queue._part_size_bytes(source, 1e9, GIB) == BROWSER_PART_BYTES


class Moving(SpeedMeter):
    """A meter of a line that always moves as many bytes a second."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__()
        self._rate = bytes_per_s

    def sample(self, total_bytes: int, now_s: float) -> None:
        """Whatever moves."""


def test_adding_while_running_is_picked_up(emulator: Any, tmp_path: Any) -> None:
    stall = emulator.faults.add(op="CreateUploadVideo", action=Stall())
    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path, "a.mp4"))
        up.start_upload()
        reached(stall)
        late = up.add_file(file_of(tmp_path, "b.mp4"))
        in_state(late, "Success")
        stall.release()
        assert up.wait(LONG_S)
        assert up.heard.names().count("on_upload_end") == 1


def test_update_metadata_before_the_start_only(emulator: Any, tmp_path: Any) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        assert up.update_metadata(info, title="Better", tags=["a", "b"]) is True
        with pytest.raises(vw.VODError, match="Title"):
            up.update_metadata(info, title="x" * 129)
        with pytest.raises(vw.VODError, match="colour"):
            up.update_metadata(info, colour="red")
        runs(up)
        asset = emulator.asset(info.video_id)
        assert (asset.title, asset.tags) == ("Better", "a,b")
        assert up.update_metadata(info, title="Late") is False


def test_fewer_senders_while_parts_fly_do_not_stop_the_queue(emulator: Any, tmp_path: Path) -> None:
    stalls = [emulator.faults.add(op="UploadPart", part_number=n, action=Stall()) for n in range(1, 9)]
    with uploader(emulator, tmp_path, parallel=8) as up:
        up.add_file(file_of(tmp_path, size=20 * PART))
        up.start_upload()
        until(lambda: all(stall.fired for stall in stalls), "eight parts are on their way")
        up.parallel = 2
        for stall in stalls:
            stall.release()
        assert up.wait(LONG_S)
        assert up.results()[0].state == UploadState.SUCCESS


def test_files_in_backoff_leave_the_room_to_others(emulator: Any, tmp_path: Path) -> None:
    busy = emulator.faults.add(op="PutObject", action=Status(503, "ServiceUnavailable", "busy"), times=15)
    with uploader(emulator, tmp_path, parallel=2, retry_count=1, retry_duration=LONG_S) as up:
        bad = [up.add_file(file_of(tmp_path, f"bad{n}.mp4", seed=f"b{n}")) for n in range(15)]
        up.start_upload()
        reached(busy, 15)  # only then: many files are sent side by side, and the fault would meet the good one too
        good = up.add_file(file_of(tmp_path, "good.mp4", seed="good"))
        until(lambda: good.state == UploadState.SUCCESS, "the file behind those in backoff is done")
        assert {info.state for info in bad} == {UploadState.UPLOADING}


def test_file_removed_and_added_again_at_once_is_uploaded(emulator: Any, tmp_path: Path) -> None:
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    with uploader(emulator, tmp_path) as up:
        path = file_of(tmp_path, size=4 * PART)
        first = up.add_file(path)
        up.start_upload()
        until(lambda: stall.fired, "part 2 is on its way")
        assert up.delete_file(first)
        again = up.add_file(path)
        stall.release()
        assert up.wait(LONG_S)
        assert again.state == UploadState.SUCCESS
        assert not emulator.unfinished_uploads


def test_info_of_another_queue_is_refused(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as one, uploader(emulator, tmp_path) as two:
        info = two.add_file(file_of(tmp_path))
        with pytest.raises(vw.VODError, match="another uploader"):
            one.set_sts_token(info, "STS.abcdefgh", "secret", "token")
        assert two.run(LONG_S)[0].state == UploadState.SUCCESS


def test_closed_queue_starts_nothing(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path))
    with pytest.raises(vw.VODError, match="closed"):
        up.start_ready()
    assert up.retry_failed() == 0


def test_retry_that_cannot_start_keeps_the_failure(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(403, "Forbidden.RAM", "no"), times=1)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        up.run(LONG_S)
        assert info.state == UploadState.FAILURE
        up.credentials, up.profile = None, "nobody"
        with pytest.raises(vw.VODError):
            up.retry_file(info)
        assert info.state == UploadState.FAILURE
        assert info.error is not None


def test_closing_tells_what_has_happened_first(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        up.start_upload()
        until(lambda: info.state == UploadState.SUCCESS, "the file is done")
        up.close()
        assert "on_upload_succeed" in up.heard.of(info)


def test_coroutine_of_a_plain_function_does_not_hang_a_wait_in_its_loop(emulator: Any, tmp_path: Path) -> None:
    ran: list[str] = []

    async def later(info: Any) -> None:
        await asyncio.sleep(0)
        ran.append(info.name)

    async def cell() -> bool:
        with vw.VODUpload(endpoint=emulator.endpoint, credentials=keys(emulator), checkpoint_dir=tmp_path / "j") as up:
            up.on_upload_succeed = lambda info: later(info)  # noqa: PLW0108 - a plain function is the point
            up.add_file(file_of(tmp_path))
            up.start_upload()
            return up.wait(LONG_S)

    assert asyncio.run(cell())
    assert ran


@pytest.mark.parametrize("call", ["wait", "run"])
def test_an_interrupt_comes_out_without_the_frames_below(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def interrupted(_timeout_s: float | None) -> bool:
        raise KeyboardInterrupt

    with vw.VODUpload() as up:
        monkeypatch.setattr(up, "_wait_blocking", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            getattr(up, call)()
    assert [entry.name for entry in caught.traceback][1:] == [call, "without_frames"], "IPython draws each frame"
