"""Initiating a multipart upload, with a virtual clock: no byte leaves before its upload id is durable (F25-F32)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.memory import MemoryCloud, queue
from tests.fault.scripted import Scripted
from tests.helpers.simulation import LIFE_S
from vod_widget import effects as fx
from vod_widget.addresses import check_address
from vod_widget.errors import (
    AuthExpiredError,
    ConnectionLostError,
    EndpointRefusedError,
    JournalError,
    NotFoundError,
    RequestTimeoutError,
    RestrictionError,
    ServerFaultError,
    VODError,
)
from vod_widget.model import UploadAddress

FAULT_KIND = "S"


def lost() -> VODError:
    return ConnectionLostError("the answer was lost", was_sent=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConnectionLostError("reset", was_sent=False),
        lambda: ServerFaultError("500", status=500),
        lambda: ServerFaultError("503", status=503),
        lambda: RequestTimeoutError("silence", was_sent=True),
    ],
    ids=["reset", "500", "503", "timeout"],
)
def test_f25_init_that_fails_is_tried_again(make: object) -> None:
    run = Scripted()
    run.spoil(fx.Init, make, times=2)  # type: ignore[arg-type]
    run.succeeds()
    assert run.count(fx.Init) == 3
    assert len(run.retries) == 2


@pytest.mark.parametrize("may_list", [True, False])
def test_f26_lost_init_leaves_one_empty_entry_that_is_removed_where_uploads_may_be_listed(may_list: bool) -> None:
    run = Scripted()
    run.cloud.may_list_uploads = may_list
    run.spoil(fx.Init, lost, when="after", times=2)
    run.succeeds()
    left = list(run.cloud.uploads.values())
    assert len(left) == (0 if may_list else 2)
    assert all(upload.parts == {} for upload in left)


def test_f26_uploads_are_not_listed_where_nothing_was_lost_nor_removed_in_a_place_of_the_callers_own() -> None:
    run = Scripted()
    run.succeeds()
    assert run.count(fx.ListUploads) == 0


@pytest.mark.parametrize("may_list", [True, False])
def test_f29_kill_between_the_answer_and_the_journal_is_a_lost_init(may_list: bool) -> None:
    run = Scripted()
    run.cloud.may_list_uploads = may_list
    run.start()
    run.begins(fx.Init)
    (item,) = run.performing
    run.apply(item[1])
    run.new_machine()
    run.succeeds()
    assert [upload.parts for upload in run.cloud.uploads.values()] == ([] if may_list else [{}])


def test_f28_upload_id_that_cannot_be_noted_sends_no_part_and_is_aborted() -> None:
    run = Scripted()
    run.start()
    run.begins(fx.Init)
    full = run.spoil(fx.SaveCheckpoint, lambda: JournalError("no space left"), times=None)
    error = run.fails("Journal.Write")
    assert isinstance(error, VODError)
    assert run.sent_bytes == 0
    assert run.count(fx.SendPart) == 0
    assert len(run.retries) == 3
    assert run.cloud.uploads == {}
    full.times = 0
    run.succeeds()


def test_f28_disk_that_is_free_again_lets_the_same_upload_go_on() -> None:
    run = Scripted()
    run.start()
    run.begins(fx.Init)
    run.spoil(fx.SaveCheckpoint, lambda: JournalError("no space left"), times=2)
    run.succeeds()
    assert run.count(fx.Init) == 1
    assert len(run.retries) == 2


def test_f30_bucket_that_does_not_exist_fails_at_once() -> None:
    run = Scripted()
    run.spoil(fx.Init, lambda: NotFoundError("no such bucket", status=404, code="Bucket"), times=None)
    run.fails("Bucket")
    assert run.count(fx.Init) == 1


def test_f31_expired_token_at_init_is_renewed() -> None:
    run = Scripted()
    run.spoil(fx.Init, lambda: AuthExpiredError("ran out", status=403, code="SecurityTokenExpired"))
    run.succeeds()
    assert run.count(fx.RefreshVideo) == 1
    assert run.retries == []


def test_f31_token_that_ran_out_while_the_queue_was_stopped_is_renewed() -> None:
    run = Scripted()
    run.start()
    run.begins(fx.Init)
    run.clock.t += LIFE_S + 1
    run.succeeds()


@pytest.mark.parametrize(
    "key",
    ["/sv/1.mp4", "\\sv\\1.mp4", "sv/\x00.mp4", "sv/\n.mp4", "sv/\u2028.mp4", "k" * 1024, "é" * 512, "sv/../x", ""],
    ids=lambda key: ascii(key)[:20],
)
def test_f32_key_that_oss_does_not_take_is_refused(key: str) -> None:
    with pytest.raises(EndpointRefusedError) as caught:
        check_address(UploadAddress("https://oss-cn-shanghai.aliyuncs.com", "b-1", key), None, loopback_allowed=False)
    assert caught.value.code == "Name"


def test_f32_wanted_key_is_refused_at_add_and_the_list_stays_as_it_was(tmp_path: Path) -> None:
    cloud = MemoryCloud()
    with queue(cloud, tmp_path) as up:
        with pytest.raises(RestrictionError) as caught:
            up.add_file(b"x", name="clip.mp4", object="/sv/1.mp4")
        assert caught.value.code == "Name"
        assert caught.value.file_name == "clip.mp4"
        assert up.list_files() == []
        assert cloud.calls == []


def test_f32_longest_key_is_taken() -> None:
    key = "é" * 511
    address = UploadAddress("https://oss-cn-shanghai.aliyuncs.com", "bucket-1", key)
    assert check_address(address, None, loopback_allowed=False).object == key
