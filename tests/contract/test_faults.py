"""Faults of the network, the service and the process: the upload heals, once, and with the file's own bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.contract.support import LONG_S, PART, AppServer, file_of, keys, ops, reached, runs, stored, uploader
from tests.helpers.media import pattern_bytes
from tests.helpers.until import until
from vod_widget.emulator import Emulator
from vod_widget.emulator.faults import (
    CorruptBody,
    Drop,
    ErrorIn200,
    ExpireToken,
    NoCrc,
    Reset,
    Stall,
    Status,
    Throttle,
    Truncate,
    WrongCrc,
)
from vod_widget.emulator.switches import Switches

FAULT_KIND = "L"

SMALL_SIZE = 50_000
LARGE_SIZE = 4 * PART + 17
FAULTS: dict[str, dict[str, Any]] = {
    "reset": {"action": Reset()},
    "500": {"action": Status(500)},
    "503": {"action": Status(503, "ServiceUnavailable")},
    "lost": {"action": Drop(), "when": "after"},
    "500_after": {"action": Status(500), "when": "after"},
    "cut": {"action": Truncate(5), "when": "after"},
}
OPS = {
    "CreateUploadVideo": SMALL_SIZE,
    "PutObject": SMALL_SIZE,
    "InitiateMultipartUpload": LARGE_SIZE,
    "UploadPart": LARGE_SIZE,
    "CompleteMultipartUpload": LARGE_SIZE,
}


def _bytes_sent(emulator: Any) -> int:
    return sum(r.body_bytes for r in emulator.requests if r.op in {"UploadPart", "PutObject"})


def _heals(emulator: Any, tmp_path: Path, op: str, fault: str) -> None:
    """One video, the file's bytes, nothing more sent than the fault may cost, and no word of a failure."""
    armed = emulator.faults.add(op=op, **FAULTS[fault])
    with uploader(emulator, tmp_path) as up:
        path = file_of(tmp_path, size=OPS[op])
        info = up.add_file(path)
        runs(up)
        assert armed.fired == 1
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1
        most = PART if op == "UploadPart" else SMALL_SIZE if op == "PutObject" else 0
        assert _bytes_sent(emulator) <= OPS[op] + most
        assert [u for u in emulator.unfinished_uploads if u.stored_bytes] == []
        assert up.heard.names().count("on_upload_succeed") == 1
        assert up.heard.names().count("on_upload_failed") == 0
        shares = up.heard.shares(info)
        assert shares == sorted(shares)


@pytest.mark.parametrize("fault", FAULTS)
def test_f4_f5_f10_create_heals_with_one_video(emulator: Any, tmp_path: Path, fault: str) -> None:
    _heals(emulator, tmp_path, "CreateUploadVideo", fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_put_of_a_small_file_heals(emulator: Any, tmp_path: Path, fault: str) -> None:
    _heals(emulator, tmp_path, "PutObject", fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_f25_f26_f27_init_heals(emulator: Any, tmp_path: Path, fault: str) -> None:
    _heals(emulator, tmp_path, "InitiateMultipartUpload", fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_f33_f35_f36_f50_part_heals_and_is_sent_again_alone(emulator: Any, tmp_path: Path, fault: str) -> None:
    _heals(emulator, tmp_path, "UploadPart", fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_f65_f66_f70_complete_heals_without_a_byte(emulator: Any, tmp_path: Path, fault: str) -> None:
    _heals(emulator, tmp_path, "CompleteMultipartUpload", fault)


@pytest.mark.parametrize("op", ["PutObject", "CompleteMultipartUpload"])
def test_f66_object_that_is_stored_although_the_answer_was_lost_is_not_sent_again(
    emulator: Any, tmp_path: Path, op: str
) -> None:
    emulator.faults.add(op=op, action=Drop(), when="after")
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=OPS[op]))
        runs(up)
        assert info.state == "Success", info.error
        assert _bytes_sent(emulator) == OPS[op]
        assert stored(emulator, info) == path.read_bytes()


@pytest.mark.parametrize("op", ["PutObject", "CompleteMultipartUpload"])
def test_f66_stored_object_whose_answer_was_lost_is_a_success_without_any_retry_too(
    emulator: Any, tmp_path: Path, op: str
) -> None:
    emulator.faults.add(op=op, action=Drop(), when="after")
    with uploader(emulator, tmp_path, retry_count=0) as up:
        info = up.add_file(path := file_of(tmp_path, size=OPS[op]))
        runs(up)
        assert info.state == "Success", info.error
        assert ops(emulator, op) == [op]
        assert stored(emulator, info) == path.read_bytes()


def test_f5_lost_create_is_looked_up_by_its_reference_id(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Drop(), when="after")
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert ops(emulator)[:3] == ["CreateUploadVideo", "GetVideoInfo", "RefreshUploadVideo"]
        assert info.video_id == emulator.assets[0].media_id


def test_f6_lost_create_whose_look_up_fails_too_is_never_created_twice(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Drop(), when="after")
    emulator.faults.add(op="GetVideoInfo", action=Status(500), times=2)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Success", info.error
        assert ops(emulator, "CreateUploadVideo") == ["CreateUploadVideo"]
        assert len(emulator.assets) == 1


def test_retry_count_zero_fails_at_the_first_fault_and_a_retry_goes_on(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", nth=3, action=Status(500))
    with uploader(emulator, tmp_path, retry_count=0, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Failure"
        kept = info.accepted_bytes
        assert kept >= 2 * PART
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert _bytes_sent(emulator) <= LARGE_SIZE + PART
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1


def test_retries_end_after_retry_count_with_the_clouds_code(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CreateUploadVideo", action=Throttle(), times=None)
    with uploader(emulator, tmp_path, retry_count=2) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert info.error.code == "Throttling.User"
        assert len(ops(emulator, "CreateUploadVideo")) == 3
        assert up.heard.names().count("on_upload_retry") == 2


def test_progress_gives_new_retries(emulator: Any, tmp_path: Path) -> None:
    for part in range(1, 6):
        emulator.faults.add(op="UploadPart", part_number=part, action=Status(500))
    with uploader(emulator, tmp_path, retry_count=1, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()


# ---------------------------------------------------------------- tokens


def test_f38_token_that_dies_in_mid_upload_is_refreshed_once_for_all_parts(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", nth=4, action=ExpireToken())
    with uploader(emulator, tmp_path, parallel=4) as up:
        info = up.add_file(path := file_of(tmp_path, size=12 * PART))
        runs(up)
        assert info.state == "Success", info.error
        assert ops(emulator, "RefreshUploadVideo") == ["RefreshUploadVideo"]
        assert stored(emulator, info) == path.read_bytes()
        assert _bytes_sent(emulator) <= 12 * PART + 4 * PART


def test_f74_token_that_dies_between_last_part_and_complete(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="CompleteMultipartUpload", action=ExpireToken())
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert _bytes_sent(emulator) == LARGE_SIZE
        assert stored(emulator, info) == path.read_bytes()


def test_tokens_that_die_again_and_again_end_in_expiry(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="PutObject", action=ExpireToken(), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert info.error.code in {"Auth.Expired", "SecurityTokenExpired"}
        assert 1 <= len(ops(emulator, "RefreshUploadVideo")) <= 3


def test_answer_for_another_video_at_expiry_never_mixes_two_objects(emulator: Any, tmp_path: Path) -> None:
    """The application creates a new video instead of refreshing: the file goes there whole, or fails; never half."""
    app = AppServer(emulator)

    def create(info: Any) -> None:
        got = app.create_upload_video("t", info.name)
        up.set_upload_auth_and_address(info, got["UploadAuth"], got["UploadAddress"], got["VideoId"])

    emulator.faults.add(op="UploadPart", nth=3, action=ExpireToken())
    with uploader(emulator, tmp_path, on_upload_started=create, on_upload_token_expired=create, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert info.video_id == emulator.assets[1].media_id


# ---------------------------------------------------------------- integrity


@pytest.mark.parametrize("action", [CorruptBody(), WrongCrc()], ids=["damaged body", "wrong sum"])
@pytest.mark.parametrize("op", ["UploadPart", "PutObject"])
def test_f43_damage_on_the_way_is_seen_and_sent_again(emulator: Any, tmp_path: Path, op: str, action: Any) -> None:
    emulator.faults.add(op=op, action=action)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=OPS[op]))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert up.results()[0].verified == "crc64"


def test_f44_damage_that_never_ends_is_no_success(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", part_number=2, action=CorruptBody(), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Failure"
        assert info.error.code == "Integrity"
        assert ops(emulator, "CompleteMultipartUpload") == []


def test_f45_storage_without_sums_is_checked_by_length_and_says_so(emulator: Any, tmp_path: Path) -> None:
    for op in ("UploadPart", "CompleteMultipartUpload", "HeadObject"):
        emulator.faults.add(op=op, action=NoCrc(), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert up.results()[0].verified == "length"
        assert stored(emulator, info) == path.read_bytes()


def test_f70_error_inside_a_200_of_complete_is_no_success(emulator: Any, tmp_path: Path) -> None:
    fault = emulator.faults.add(op="CompleteMultipartUpload", action=ErrorIn200())
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert fault.fired == 1
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()


def test_f41_upload_that_the_storage_dropped_is_begun_again_under_the_same_video(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="UploadPart", nth=3, action=Status(404, "NoSuchUpload"))
    with uploader(emulator, tmp_path, parallel=1) as up:
        restarts: list[Any] = []
        up.subscribe(lambda e: restarts.append(e) if type(e).__name__ == "Restarted" else None)
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1
        assert [event.reason for event in restarts] == ["NoSuchUpload"]
        assert _bytes_sent(emulator) <= 2 * LARGE_SIZE


# ---------------------------------------------------------------- the source


@pytest.mark.parametrize("how", ["longer", "shorter", "rewritten", "replaced"])
def test_source_that_changes_while_it_is_sent_is_no_success(emulator: Any, tmp_path: Path, how: str) -> None:
    path = file_of(tmp_path, size=LARGE_SIZE)
    stall = emulator.faults.add(op="UploadPart", nth=2, action=Stall())
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path)
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        up.start_upload()
        reached(stall)
        match how:
            case "longer":
                with path.open("ab") as file:
                    file.write(b"more")
            case "shorter":
                with path.open("r+b") as file:
                    file.truncate(LARGE_SIZE - PART)
            case "rewritten":
                with path.open("r+b") as file:
                    file.write(pattern_bytes("other", LARGE_SIZE))
            case "replaced":
                other = file_of(tmp_path, "other.bin", LARGE_SIZE)
                other.replace(path)
        stall.release()
        assert up.wait(LONG_S)
        assert info.state == "Failure"
        assert info.error.code == "Source.Changed"
        assert ops(emulator, "CompleteMultipartUpload") == []
        assert good.state == "Success"
        assert up.retry_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 2
        assert emulator.unfinished_uploads == []


def test_source_that_vanishes_before_its_turn_fails_with_its_name(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(path := file_of(tmp_path))
        good = up.add_file(file_of(tmp_path, "good.mp4"))
        path.unlink()
        runs(up)
        assert info.state == "Failure"
        assert info.error.code.startswith("Source.")
        assert "clip.mp4" in str(info.error)
        assert good.state == "Success"


# ---------------------------------------------------------------- the process


def test_new_uploader_goes_on_where_an_abandoned_one_stopped(emulator: Any, tmp_path: Path) -> None:
    path = file_of(tmp_path, size=6 * PART)
    stall = emulator.faults.add(op="UploadPart", nth=4, action=Stall(), times=None)
    with uploader(emulator, tmp_path, parallel=1) as first:
        old = first.add_file(path)
        first.start_upload()
        reached(stall)
        first.stop_upload()
        stall.release()
        assert first.wait(LONG_S)
        kept = old.accepted_bytes
    until(lambda: len(ops(emulator, "UploadPart")) == 4, "what was on its way has ended")
    emulator.faults.clear()
    before = _bytes_sent(emulator)
    with uploader(emulator, tmp_path) as second:
        info = second.add_file(path)
        runs(second)
        assert info.state == "Success", info.error
        assert info.video_id == old.video_id
        assert info.reference_id == old.reference_id
        assert (
            _bytes_sent(emulator) - before <= 6 * PART - kept
        )  # less when the last part was stored and nobody was told
        assert stored(emulator, info) == path.read_bytes()
        assert len(emulator.assets) == 1
        assert emulator.unfinished_uploads == []


def _fail_while_parts_are_sent(emulator: Any, up: Any, info: Any) -> None:
    emulator.faults.add(op="UploadPart", nth=3, action=Status(403, "AccessDenied"), times=None)
    runs(up)
    assert info.state == "Failure"
    assert emulator.unfinished_uploads
    emulator.faults.clear()


def test_parts_that_could_not_be_removed_are_removed_when_the_service_is_back(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path, patience_s=300.0, parallel=1) as up:
        info = up.add_file(file_of(tmp_path, size=LARGE_SIZE))
        _fail_while_parts_are_sent(emulator, up, info)
        aborts = emulator.faults.add(
            op="AbortMultipartUpload", action=Status(503, headers={"Retry-After": "0"}), times=3
        )
        assert up.cancel_file(info) is True
        assert up.wait(LONG_S)
        assert info.state == "Canceled"
        until(lambda: not emulator.unfinished_uploads, "the parts were removed")
        assert aborts.fired == 3
        assert up.heard.names().count("on_upload_canceled") == 1


def test_parts_of_a_canceled_file_are_removed_although_the_file_is_gone(emulator: Any, tmp_path: Path) -> None:
    with uploader(emulator, tmp_path, parallel=1) as up:
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        _fail_while_parts_are_sent(emulator, up, info)
        path.unlink()
        assert up.cancel_file(info) is True
        until(lambda: not emulator.unfinished_uploads, "the parts were removed")
        assert up.wait(LONG_S)


@pytest.mark.parametrize("op", ["CreateUploadVideo", "PutObject"])
def test_failed_file_that_is_canceled_does_not_come_back(emulator: Any, tmp_path: Path, op: str) -> None:
    emulator.faults.add(op=op, action=Status(403, "AccessDenied"), times=None)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path))
        runs(up)
        assert info.state == "Failure"
        assert up.cancel_file(info) is True
        assert up.wait(LONG_S)
    with vw.resume(tmp_path / "journal", credentials=keys(emulator), endpoint=emulator.endpoint) as again:
        assert again.list_files() == []


def test_cover_whose_bytes_fail_is_sent_again_under_the_same_image_id(emulator: Any, tmp_path: Path) -> None:
    emulator.faults.add(op="PutObject", action=Status(503), times=3)
    with uploader(emulator, tmp_path) as up:
        info = up.add_file(file_of(tmp_path, size=LARGE_SIZE), cover=str(file_of(tmp_path, "cover.jpg")))
        runs(up)
        assert info.state == "Success", info.error
        assert ops(emulator, "CreateUploadImage") == ["CreateUploadImage"]


def test_cancel_while_the_cover_is_sent_sends_nothing_more(emulator: Any, tmp_path: Path) -> None:
    stall = emulator.faults.add(op="PutObject", action=Stall(), times=None)
    with uploader(emulator, tmp_path, max_bandwidth_bytes_per_s=300_000) as up:
        info = up.add_file(file_of(tmp_path), cover=str(file_of(tmp_path, "cover.jpg", size=900_000)))
        up.start_upload()
        reached(stall)
        assert up.cancel_file(info) is True
        stall.release()
        assert up.wait(LONG_S)
        assert info.state == "Canceled"
        assert ops(emulator, "CreateUploadImage", "CreateUploadVideo") == ["CreateUploadImage"]
        assert len(ops(emulator, "PutObject")) <= 1


def test_earlier_version_of_a_file_never_passes_for_the_one_on_the_disk(tmp_path: Path) -> None:
    with (
        Emulator(switches=Switches(upload_token_may_head=False)) as emulator,
        uploader(emulator, tmp_path, retry_count=1) as up,
    ):
        emulator.faults.add(op="CompleteMultipartUpload", action=Drop(), when="after")
        emulator.faults.add(op="GetVideoInfo", action=Status(503), times=None)
        info = up.add_file(path := file_of(tmp_path, size=LARGE_SIZE))
        runs(up)
        assert info.state == "Failure"
        path.write_bytes(pattern_bytes("edited", LARGE_SIZE))
        emulator.faults.clear()
        emulator.faults.add(op="CompleteMultipartUpload", action=Drop(), when="before")
        runs(up)
        assert info.state == "Success", info.error
        assert stored(emulator, info) == path.read_bytes()


def test_f7_lost_create_is_looked_up_by_the_next_process(tmp_path: Path) -> None:
    with Emulator(switches=Switches(reference_id_repeated="new")) as emulator:
        emulator.faults.add(op="CreateUploadVideo", action=Drop(), when="after")
        emulator.faults.add(op="GetVideoInfo", action=Status(503), times=None)
        with uploader(emulator, tmp_path, retry_count=1) as up:
            info = up.add_file(path := file_of(tmp_path))
            runs(up)
            assert info.state == "Failure"
        with uploader(emulator, tmp_path) as up:
            info = up.add_file(path)
            runs(up)
            assert info.state == "Success", info.error
        assert len(emulator.assets) == 1
