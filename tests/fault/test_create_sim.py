"""Create and refresh, with a virtual clock: whatever happens to an answer, one file is one video (F1-F24)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fault.scripted import Scripted
from tests.helpers.simulation import LIFE_S, PART
from vod_widget import effects as fx
from vod_widget._answer import Answer
from vod_widget._vod_faults import rpc_error
from vod_widget.addresses import check_address
from vod_widget.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ClockSkewError,
    ConnectError,
    ConnectionLostError,
    EndpointRefusedError,
    KeysRefusedError,
    NotFoundError,
    RetriesExhaustedError,
    ServerFaultError,
    UnexpectedAnswerError,
    VODError,
)
from vod_widget.model import UploadAddress, VideoStatus

FAULT_KIND = "S"


def lost() -> VODError:
    return ConnectionLostError("the answer was lost", was_sent=True)


def no_dns() -> VODError:
    return ConnectError("no address", was_sent=False, code="Network.Dns")


def test_f1_dns_that_fails_is_waited_for_and_no_byte_is_sent_meanwhile() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, no_dns, times=3)
    run.start()
    run.until(lambda: len(run.retries) == 3)
    assert run.sent_bytes == 0
    assert [note.error.code for note in run.retries] == ["Network.Dns"] * 3
    assert run.machine.wait_reason == "Network.Dns"
    assert run.machine.wait_until_s is not None
    run.succeeds()


def test_f1_dns_that_never_comes_back_ends_with_its_code() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, no_dns, times=None)
    error = run.fails("Network.Dns")
    assert isinstance(error, RetriesExhaustedError)
    assert run.count(fx.CreateVideo) == 4  # retry_count is 3
    assert run.cloud.assets == {}
    run.rules.clear()
    run.succeeds()


def test_f4_reset_before_the_server_acts_makes_one_video() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: ConnectionLostError("reset", was_sent=False), times=2)
    run.succeeds()
    assert run.count(fx.FindVideo) == 0  # it never left: there is nothing to look for


def test_f5_create_whose_answer_is_lost_is_looked_up_and_refreshed() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost, when="after")
    run.succeeds()
    assert (run.count(fx.CreateVideo), run.count(fx.FindVideo), run.count(fx.RefreshVideo)) == (1, 1, 1)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_f6_no_second_create_until_a_lookup_has_said_none(times: int) -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost, when="after")
    run.spoil(fx.FindVideo, lambda: ServerFaultError("500", status=500), times=times)
    if times == 3:  # the lost create is a failure too: the budget of three retries is spent
        run.fails("Server.Fault")
        assert run.count(fx.CreateVideo) == 1
    run.succeeds()
    assert run.count(fx.CreateVideo) == 1


def test_f6_lookup_that_says_none_lets_it_create_again_under_the_same_reference() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost)  # it may have arrived; it had not
    run.succeeds()
    assert run.count(fx.CreateVideo) == 2
    assert run.log.index(next(x for x in run.log if "FindVideo" in x and "done" in x)) > 0


def test_f7_kill_after_a_lost_create_finds_the_video_by_its_reference() -> None:
    run = Scripted(repeats_reference=True)  # a service that would make a second one
    run.start()
    run.begins(fx.CreateVideo)
    (item,) = run.performing
    run.apply(item[1])
    run.new_machine()
    run.succeeds()
    assert run.count(fx.CreateVideo) == 0


def test_f8_reference_that_exists_is_treated_as_a_lost_answer() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: AlreadyExistsError("ReferenceIdExists", status=400, code="ReferenceIdExists"))
    run.start()
    run.begins(fx.CreateVideo)
    (item,) = run.performing
    run.cloud.create(item[1].reference_id)  # a create of ours that nobody heard of
    run.succeeds()
    assert run.count(fx.RefreshVideo) == 1


@pytest.mark.parametrize("foreign", ["title", "size"])
def test_f8_foreign_video_under_the_reference_is_a_conflict(foreign: str) -> None:
    run = Scripted()
    run.machine.job = replace(run.machine.job, reference_id="orders-4711")
    theirs = run.cloud.create("orders-4711")
    title = "another film" if foreign == "title" else run.machine.job.metadata.title
    size = 999 if foreign == "size" else None
    run.change(fx.FindVideo, lambda _: VideoStatus(theirs.media_id, "Normal", title, size), times=None)
    run.fails("Reference.Conflict")
    assert run.sent_bytes == 0
    assert run.count(fx.RefreshVideo) == 0


def test_f9_lookup_that_is_not_permitted_spells_both_choices_out_and_never_creates_twice() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost, when="after")
    run.spoil(fx.FindVideo, lambda: AccessDeniedError("no right", status=403), times=None)
    error = run.fails("Create.Unknown")
    assert "console" in error.hint
    assert "add it again" in error.hint
    assert run.machine.checkpoint.reference_id in error.hint
    run.wants()
    run.to_rest()
    assert run.count(fx.CreateVideo) == 1
    run.rules.clear()
    run.succeeds()


def test_f9_wrong_keys_at_the_lookup_are_said_as_that() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost, when="after")
    run.spoil(fx.FindVideo, lambda: KeysRefusedError("no", status=400, code="SignatureDoesNotMatch"), times=None)
    run.fails("SignatureDoesNotMatch")
    run.rules.clear()
    run.succeeds()
    assert run.count(fx.CreateVideo) == 1


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize("when", ["before", "after"])
def test_f10_fault_of_the_server_may_have_had_its_effect(status: int, when: str) -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: ServerFaultError("no", status=status), when=when)
    run.succeeds()
    assert run.count(fx.FindVideo) == 1
    assert run.count(fx.CreateVideo) == (2 if when == "before" else 1)


@pytest.mark.parametrize("patience_s", [None, 900.0])
def test_f11_retry_after_is_waited_for(patience_s: float | None) -> None:
    run = Scripted(patience_s=patience_s)
    run.spoil(fx.CreateVideo, lambda: ServerFaultError("busy", status=503, retry_after_s=7.0))
    began_s = run.clock.t
    run.succeeds()
    assert 7.0 <= run.retries[0].wait_s <= 8.0
    assert run.clock.t - began_s >= 7.0


def test_f13_wrong_keys_fail_at_once_without_the_string_to_sign() -> None:
    body = (
        b'{"Code": "SignatureDoesNotMatch", "Message": "Specified signature is not matched with our calculation. '
        b'server string to sign is:POST&%2F&AccessKeyId%3DLTAIsentinel%26SecurityToken%3DCAISsentinel"}'
    )
    answer = Answer(400, {}, body)
    data = {"Code": "SignatureDoesNotMatch", "Message": body.decode()[58:-2], "RequestId": "R-1"}
    error = rpc_error("CreateUploadVideo", answer, data, now_s=0.0, with_reference=True)
    assert isinstance(error, KeysRefusedError)
    assert "sentinel" not in str(error)
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: error, times=None)
    assert run.fails("SignatureDoesNotMatch") is error
    assert run.count(fx.CreateVideo) == 1
    assert run.retries == []
    assert [note.is_common for note in run.notes if isinstance(note, fx.Failed)] == [True]


def test_f14_missing_right_is_named() -> None:
    data = {"Code": "Forbidden.RAM", "Message": "User not authorized to operate on the specified resource."}
    error = rpc_error("CreateUploadVideo", Answer(403, {}, b""), data, now_s=0.0, with_reference=True)
    assert isinstance(error, AccessDeniedError)
    assert error.default_code == "Permission"
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: error, times=None)
    assert "vod:CreateUploadVideo" in run.fails("Forbidden.RAM").hint
    assert run.count(fx.CreateVideo) == 1
    assert [note.is_common for note in run.notes if isinstance(note, fx.Failed)] == [False]


def test_f15_wrong_clock_costs_one_try_no_wait_and_one_word() -> None:
    run = Scripted()
    skewed = lambda: ClockSkewError("20 minutes off", server_time_s=run.clock.t + 1200.0)  # noqa: E731
    run.spoil(fx.CreateVideo, skewed)
    run.spoil(fx.SendPart, skewed)
    began_s = run.clock.t
    run.succeeds()
    assert run.warned == ["Clock.Skew"]
    assert run.retries == []
    assert run.clock.t == began_s


def test_f15_server_whose_clock_cannot_be_followed_is_not_asked_for_ever() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: ClockSkewError("off", code="InvalidTimeStamp.Expired"), times=None)
    run.fails("InvalidTimeStamp.Expired")
    assert run.count(fx.CreateVideo) == 2


def test_f17_unreadable_permission_is_asked_for_again_and_fails_with_its_code() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lambda: UnexpectedAnswerError("not base64", code="Protocol.Auth"), when="after")
    run.spoil(fx.RefreshVideo, lambda: UnexpectedAnswerError("not base64", code="Protocol.Auth"), times=None)
    run.fails("Protocol.Auth")
    assert len(run.cloud.assets) == 1
    run.rules.clear()
    run.succeeds()


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example",
        "http://203.0.113.7",
        "https://oss-cn-shanghai.aliyuncs.com@evil.example",
        "https://oss-cn-shanghai.aliyuncs.com.evil.example",
        "http://127.0.0.1:9",
        "https://169.254.169.254",
    ],
)
def test_f18_address_outside_the_list_gets_no_byte_and_no_token(endpoint: str) -> None:
    run = Scripted()
    with pytest.raises(EndpointRefusedError):
        check_address(UploadAddress(endpoint, "bucket-1", "sv/1.mp4"), None, loopback_allowed=False)
    run.change(
        fx.CreateVideo, lambda grant: replace(grant, address=replace(grant.address, endpoint=endpoint)), times=None
    )
    error = run.fails("Endpoint.Refused")
    assert "@" not in str(error).replace("***@", "")
    assert run.sent_bytes == 0
    assert not {fx.Init, fx.SendPart, fx.SendObject, fx.Head} & set(run.done)


def test_f18_plain_http_of_the_vendor_becomes_https() -> None:
    address = UploadAddress("http://oss-cn-shanghai.aliyuncs.com", "bucket-1", "sv/1.mp4")
    assert check_address(address, None, loopback_allowed=False).endpoint.startswith("https://")


def test_f19_refresh_whose_answer_is_lost_is_repeated_freely() -> None:
    run = Scripted()
    run.spoil(fx.CreateVideo, lost, when="after")
    run.spoil(fx.RefreshVideo, lost, when="after", times=2)
    run.succeeds()
    assert run.count(fx.RefreshVideo) == 3


def test_f20_video_that_was_deleted_meanwhile_is_never_replaced_by_itself() -> None:
    run = Scripted(parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= PART)
    run.cloud.assets.clear()
    run.clock.t += LIFE_S + 1
    error = run.fails("Video.Gone")
    assert isinstance(error, NotFoundError)
    assert "add it again" in error.hint
    assert run.count(fx.CreateVideo) == 1


def test_f21_refresh_to_another_key_begins_again_there_and_says_so() -> None:
    run = Scripted(parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= PART)
    (video,) = run.cloud.assets.values()
    video.key = "sv/elsewhere.mp4"
    run.clock.t += 0.9 * LIFE_S
    run.succeeds(resent=run.plan.size)
    assert list(run.cloud.objects) == ["sv/elsewhere.mp4"]
    assert run.restarts_said == ["Address.Changed"]
    assert run.cloud.uploads == {}  # the old one was aborted


def test_f17_permission_that_claims_to_live_for_days_is_refused() -> None:
    run = Scripted(authority="get_auth")
    longer = 13 * 3600.0
    run.change(fx.GetAuth, lambda g: replace(g, auth=replace(g.auth, expires_at_s=g.auth.issued_at_s + longer)))
    run.fails("InvalidUploadAuth")
    assert run.count(fx.Init) == 0
