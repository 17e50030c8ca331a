"""The vendor's quirks E1 to E34 of the protocol reference: each sane behaviour that replaces one, as a test.

Not ours, with the reason:
- E20 `clear(state)` and E21 (`callback` of addFile, `index` of startUpload): left out on purpose; that they are no arguments
  and no method is tested all the same.
- E26 `window.onbeforeunload`: there is no window in the kernel; the widget's front-end sets none (tested there).
- E28 undeclared names of the mini program SDK: a mistake of one file of JavaScript; the calls that it broke are tested as
  E10 and in `test_seed_programs.py`.
- E29 errors of `wx` without name, code and message: there is no `wx`; that every error carries code and text is tested.
"""

from __future__ import annotations

import base64
import inspect
import json
import logging
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
    ops,
    reached,
    runs,
    stored,
    uploader,
)
from tests.helpers.until import until
from vod_widget.emulator.faults import ExpireToken, Reset, Stall, Status
from vod_widget.parts import choose_part_size


def test_e01_cancel_always_wins(emulator: Any, tmp_path: Path) -> None:
    """A cancel in the first phase of a small file was ignored."""
    stall = emulator.faults.add(op="PutObject", action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        first = up.add_file(file_of(tmp_path, "a.mp4"))
        second = up.add_file(file_of(tmp_path, "b.mp4"))
        up.start_upload()
        reached(stall)
        assert up.cancel_file(first) is True
        stall.release()
        assert up.wait(LONG_S)
        assert (first.state, second.state) == ("Canceled", "Success")
        assert up.heard.of(first) == ["on_file_added", "on_upload_canceled"]
        assert up.heard.names()[-1] == "on_upload_end"


def test_e02_cancel_then_resume_forgets_the_upload_id_and_keeps_the_video(emulator: Any, tmp_path: Path) -> None:
    stall = emulator.faults.add(op="UploadPart", nth=3, action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=4 * PART))
        up.start_upload()
        reached(stall)
        up.cancel_file(info)
        stall.release()
        assert up.wait(LONG_S)
        assert emulator.unfinished_uploads == []
        emulator.faults.clear()
        before = len(emulator.requests)
        up.resume_file(info)
        runs(up)
        assert info.state == "Success", info.error
        later = [r.op for r in emulator.requests[before:]]
        assert later[:2] == ["RefreshUploadVideo", "InitiateMultipartUpload"]
        assert later.count("UploadPart") == 4
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1


def test_e03_deleting_an_earlier_file_leaves_the_running_one_alone(emulator: Any, tmp_path: Path) -> None:
    stall = emulator.faults.add(op="PutObject", nth=2, action=Stall())
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        infos = [up.add_file(file_of(tmp_path, f"{n}.mp4")) for n in range(3)]
        up.start_upload()
        reached(stall)
        assert up.delete_file(0)
        up.stop_upload()
        assert [info.state for info in infos[1:]] == ["Stopped", "Ready"]
        stall.release()
        assert up.wait(LONG_S)
        runs(up)
        assert [info.state for info in up.list_files()] == ["Success", "Success"]


def test_e04_stop_while_credentials_are_fetched_is_safe_and_late_ones_start_nothing(
    emulator: Any, tmp_path: Path
) -> None:
    app = AppServer(emulator)
    asked: list[Any] = []
    with uploader(emulator, tmp_path, on_upload_started=asked.append) as up:
        info = up.add_file(file_of(tmp_path))
        up.start_upload()
        until(lambda: asked, "on_upload_started came")
        up.stop_upload()
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])
        assert up.wait(LONG_S)
        assert (up.state, info.state) == ("Stop", "Stopped")
        assert ops(emulator, "PutObject") == []


def test_e05_bad_upload_auth_fails_that_file_and_the_queue_goes_on(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        auth = "{}" if info.name == "a.mp4" else got["UploadAuth"]
        up.set_upload_auth_and_address(info, auth, got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer, parallel_files=1) as up:
        first = up.add_file(file_of(tmp_path, "a.mp4"))
        second = up.add_file(file_of(tmp_path, "b.mp4"))
        runs(up)
        assert (first.state, first.error.code) == ("Failure", "InvalidUploadAuth")
        assert second.state == "Success"


def test_e06_expiry_without_a_handler_fails_with_the_expiry_code(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    emulator.faults.add(op="PutObject", action=ExpireToken())
    with uploader(emulator, tmp_path, on_upload_started=answer) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert info.error.code in {"SecurityTokenExpired", "InvalidAccessKeyId"}
        assert up.state == "End"


def test_e07_end_comes_once_also_when_the_last_file_fails_and_never_for_nothing(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", nth=2, action=Status(400, "InvalidParameter"))
    with uploader(emulator, tmp_path, parallel_files=1) as up:
        up.start_upload()
        assert up.wait(LONG_S)
        assert up.heard.names() == []
        up.add_file(file_of(tmp_path, "a.mp4"))
        last = up.add_file(file_of(tmp_path, "b.mp4"))
        runs(up)
        assert last.state == "Failure"
        assert up.heard.names()[-2:] == ["on_upload_failed", "on_upload_end"]
        assert up.heard.args("on_upload_end") == [(last,)]


@pytest.mark.parametrize("action", [Reset(), Status(500), Status(503)], ids=["reset", "500", "503"])
def test_e08_all_transient_faults_are_retried_within_retry_count(emulator: Any, tmp_path: Path, action: Any) -> None:
    emulator.faults.add(op="PutObject", action=action, times=3)
    with uploader(emulator, tmp_path, retry_count=3) as up:
        info = up.add_file(path := file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()


def test_e08_retry_duration_is_the_least_wait(emulator: Any, tmp_path: Path) -> None:
    waits: list[float] = []
    emulator.faults.add(op="CreateUploadVideo", action=Status(500))
    with uploader(emulator, tmp_path, retry_duration=0.05) as up:
        up.subscribe(lambda e: waits.append(e.wait_s) if type(e).__name__ == "RetryScheduled" else None)
        up.add_file(file_of(tmp_path))
        runs(up)
        assert len(waits) == 1
        assert 0.05 <= waits[0] <= 0.1


def test_e09_wrong_key_is_no_expiry_and_no_loop(emulator: Any, tmp_path: Path) -> None:
    expired: list[Any] = []
    wrong = vw.Credentials(emulator.access_key_id, "wrong")
    with uploader(emulator, tmp_path, credentials=wrong, on_upload_token_expired=expired.append) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.error.code == "SignatureDoesNotMatch"
        assert expired == []
        assert ops(emulator) == ["CreateUploadVideo"]


def test_e10_resume_with_sts_token_refreshes_by_the_video_id(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def token() -> tuple[str, str, str]:
        got = app.assume_role()
        return got["AccessKeyId"], got["AccessKeySecret"], got["SecurityToken"]

    def started(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    def expired(info: Any) -> None:
        assert up.resume_upload_with_sts_token(*token(), "2099-01-01T00:00:00Z", info) is True

    emulator.faults.add(op="UploadPart", nth=2, action=ExpireToken())
    with uploader(emulator, tmp_path, on_upload_started=started, on_upload_token_expired=expired) as up:
        info = up.add_file(path := file_of(tmp_path, size=3 * PART))
        runs(up)
        assert info.state == "Success", info.error
        (refresh,) = [r for r in emulator.requests if r.op == "RefreshUploadVideo"]
        assert refresh.query["VideoId"] == info.video_id
        assert stored(emulator, info) == path.read_bytes()


def test_e11_empty_file_is_refused_and_not_added(tmp_path: Path) -> None:
    with vw.VODUpload() as up:
        with pytest.raises(vw.VODError) as caught:
            up.add_file(file_of(tmp_path, size=0))
        assert caught.value.code == "EmptyFile"
        assert up.list_files() == []


@pytest.mark.parametrize("data", ['{"Vod":{"Title":"test","CateId":"234"}"}', "{}", '{"Title":"x"}', "7", "null"])
def test_e12_user_data_is_checked(tmp_path: Path, data: str) -> None:
    with vw.VODUpload() as up:
        with pytest.raises(vw.VODError, match=r"clip\.mp4"):
            up.add_file(file_of(tmp_path), user_data=data)
        assert up.list_files() == []
        assert up.add_file(file_of(tmp_path), user_data={"Vod": {"Title": "test"}}).title == "test"


def test_e13_title_defaults_to_the_file_name_in_sts_mode(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def started(info: Any) -> None:
        got = app.assume_role()
        up.set_sts_token(info, got["AccessKeyId"], got["AccessKeySecret"], got["SecurityToken"])

    with uploader(emulator, tmp_path, on_upload_started=started) as up:
        info = up.add_file(file_of(tmp_path, "talk.mp4"))
        runs(up)
        assert info.state == "Success", info.error
        assert emulator.asset(info.video_id).title == "talk.mp4"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("my_jpg.mp4", "video"), ("png.mov", "video"), ("a.JPG", "image"), ("a.mp4.png", "image"), ("b.mp3", "audio")],
)
def test_e14_kind_goes_by_the_real_extension(tmp_path: Path, name: str, kind: str) -> None:
    with vw.VODUpload() as up:
        assert up.add_file(file_of(tmp_path, name)).media_type == kind
        with pytest.raises(vw.VODError):
            up.add_file(file_of(tmp_path, "xpng"))


def test_e15_checkpoint_of_a_run_that_never_stopped_is_honoured(emulator: Any, tmp_path: Path) -> None:
    """As after a crash: nobody called stop; the killed process itself is in `test_faults.py`."""
    stall = emulator.faults.add(op="UploadPart", nth=3, action=Stall(), times=None)
    path = file_of(tmp_path, size=4 * PART)
    with uploader(emulator, tmp_path, parallel=1) as first:
        old = first.add_file(path)
        first.start_upload()
        reached(stall)
        until(lambda: old.accepted_bytes >= 2 * PART, "two parts were accepted")
        stall.release()
    emulator.faults.clear()
    with uploader(emulator, tmp_path) as second:
        info = second.add_file(path)
        runs(second)
        assert info.video_id == old.video_id
        assert second.results()[0].sent_bytes <= 2 * PART


def test_e16_two_files_of_one_name_size_and_time_do_not_collide(emulator: Any, tmp_path: Path) -> None:
    import os

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [file_of(tmp_path / folder, "same.mp4", 3 * PART, seed=folder) for folder in "ab"]
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    stall = emulator.faults.add(op="UploadPart", nth=2, action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=1) as up:
        up.add_file(paths[0])
        up.start_upload()
        reached(stall)
        up.stop_upload()
        stall.release()
        assert up.wait(LONG_S)
    emulator.faults.clear()
    with uploader(emulator, tmp_path) as up:
        infos = [up.add_file(path) for path in reversed(paths)]
        runs(up)
        assert [stored(emulator, info) for info in infos] == [path.read_bytes() for path in reversed(paths)]


def test_e17_part_size_is_whole_and_within_the_limits() -> None:
    for size in (1, 10**9, 10**12, 48 * 1024**4):
        part = choose_part_size(size, 102_400)
        assert isinstance(part, int)
        assert part >= 102_400
        assert -(-size // part) <= 10_000
    assert choose_part_size(10**12, 102_400) % 1024 == 0


def test_e18_a_failed_file_is_a_failure_not_stopped(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", nth=2, action=Status(400, "InvalidArgument"))
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=3 * PART))
        runs(up)
        assert info.state == "Failure"
        assert up.results()[0].state == "Failure"
        assert up.snapshot().files[0].state == "Failure"


def test_e19_zero_and_false_can_be_set(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Status(500))
    with uploader(emulator, tmp_path, retry_count=0, retry_duration=0.0, skip_uploaded=False) as up:
        assert (up.retry_count, up.retry_duration, up.skip_uploaded) == (0, 0.0, False)
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert ops(emulator) == ["CreateUploadVideo"]


def test_e20_e21_dead_arguments_are_left_out() -> None:
    assert not hasattr(vw.VODUpload, "clear")
    assert "callback" not in inspect.signature(vw.VODUpload.add_file).parameters
    assert list(inspect.signature(vw.VODUpload.start_upload).parameters) == ["self"]


def test_e22_cancel_is_false_when_nothing_changes(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        done = up.add_file(file_of(tmp_path, "a.mp4"))
        canceled = up.add_file(file_of(tmp_path, "b.mp4"))
        assert up.cancel_file(canceled) is True
        assert up.cancel_file(canceled) is False
        runs(up)
        assert up.cancel_file(done) is False
        assert (done.state, canceled.state) == ("Success", "Canceled")
        assert up.heard.names().count("on_upload_canceled") == 1


def test_e23_region_of_one_credential_does_not_change_the_option(emulator: Any, tmp_path: Path) -> None:
    app = AppServer(emulator)

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        auth = json.loads(base64.b64decode(got["UploadAuth"]))
        if info.name == "a.mp4":
            auth["Region"] = "cn-beijing"
        text = base64.b64encode(json.dumps(auth).encode()).decode()
        up.set_upload_auth_and_address(info, text, got["UploadAddress"], got["VideoId"])

    with uploader(emulator, tmp_path, on_upload_started=answer, parallel_files=1) as up:
        first = up.add_file(file_of(tmp_path, "a.mp4"))
        second = up.add_file(file_of(tmp_path, "b.mp4"))
        runs(up)
        assert first.region == "cn-beijing"
        assert second.region == "cn-shanghai"
        assert up.region == "cn-shanghai"


def test_e24_notification_header_only_when_set_and_not_on_parts(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path, "a.mp4", 2 * PART))
        up.add_file(file_of(tmp_path, "b.mp4", 2 * PART), user_data={"Vod": {"Title": "told"}})
        up.add_file(file_of(tmp_path, "c.mp4"))
        runs(up)
        told = [(r.op, r.key) for r in emulator.requests if "x-oss-notification" in r.headers]
        second = up.list_files()[1]
        assert {key for _, key in told} == {second.object}
        assert {op for op, _ in told} == {"InitiateMultipartUpload", "CompleteMultipartUpload"}
        for r in emulator.requests:
            assert r.headers.get("x-oss-notification", "x") != ""


def test_e25_nobody_is_told_about_the_upload(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        up.add_file(file_of(tmp_path, size=2 * PART))
        runs(up)
        assert set(ops(emulator)) == {
            "CreateUploadVideo",
            "InitiateMultipartUpload",
            "UploadPart",
            "CompleteMultipartUpload",
        }


@pytest.mark.parametrize("op", ["PutObject", "UploadPart"])
def test_e27_a_403_of_the_storage_is_no_success(emulator: Any, tmp_path: Path, op: str) -> None:
    emulator.faults.add(op=op, action=Status(403, "AccessDenied"), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=2 * PART if op == "UploadPart" else 1000))
        runs(up)
        assert (info.state, info.error.code) == ("Failure", "AccessDenied")
        assert "on_upload_succeed" not in up.heard.names()


@pytest.mark.parametrize("status", [400, 403, 404, 409, 418])
@pytest.mark.parametrize("op", ["CreateUploadVideo", "PutObject"])
def test_e29_every_failure_is_reported_with_code_and_message(
    emulator: Any, tmp_path: Path, op: str, status: int
) -> None:
    emulator.faults.add(op=op, action=Status(status, ""), times=None)
    with uploader(emulator, tmp_path, retry_count=1) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        ((_, code, message),) = up.heard.args("on_upload_failed")
        assert code
        assert "clip.mp4" in message
        assert up.heard.names()[-1] == "on_upload_end"


def test_e30_progress_is_a_fraction_and_bytes(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=3 * PART))
        runs(up)
        for _, total, share in up.heard.args("on_upload_progress"):
            assert total == 3 * PART
            assert 0 <= share <= 1
        assert info.loaded_percent == 1


def test_e31_refused_puts_are_no_success(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="PutObject", action=Status(400, "InvalidArgument"), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        (row,) = up.run(LONG_S)
        assert (row.state, row.error_code) == ("Failure", "InvalidArgument")
        assert row.video_id == info.video_id  # the asset exists and is named


def test_e32_unreadable_answers_are_typed_errors(emulator: Any, tmp_path: Path) -> None:
    from vod_widget.emulator.faults import Truncate
    from vod_widget.errors import VODError

    emulator.faults.add(op="CreateUploadVideo", action=Truncate(7), when="after", times=None)
    with uploader(emulator, tmp_path, retry_count=0) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert isinstance(info.error, VODError)
        assert info.error.code != "Internal"


def test_e33_progress_is_bytes_and_never_falls(emulator: Any, tmp_path: Path) -> None:
    for part in (2, 4):
        emulator.faults.add(op="UploadPart", part_number=part, action=Reset(after_body_bytes=PART // 2))
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=5 * PART))
        runs(up)
        shares = up.heard.shares(info)
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)


def test_e34_no_secret_in_log_repr_or_journal(emulator: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = AppServer(emulator)
    secrets = [emulator.access_key_secret]

    def answer(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        auth = json.loads(base64.b64decode(got["UploadAuth"]))
        secrets.extend((got["UploadAuth"], auth["AccessKeySecret"], auth["SecurityToken"]))
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    caplog.set_level(logging.DEBUG)
    logging.getLogger("aliyunsdkcore").setLevel(logging.WARNING)  # the test's own AcsClient
    emulator.faults.add(op="UploadPart", nth=2, action=Status(500))
    with uploader(emulator, tmp_path, on_upload_started=answer, credentials=None) as up:
        info = up.add_file(file_of(tmp_path, size=3 * PART))
        runs(up)
        in_state(info, "Success")
        journal = b"".join(p.read_bytes() for p in (tmp_path / "journal").rglob("*") if p.is_file())
        shown = f"{caplog.text} {info!r} {up!r} {up.snapshot()} {up.results()} {up.heard}"
        assert len(secrets) == 4
        for secret in secrets:
            assert secret not in shown
            assert secret.encode() not in journal
