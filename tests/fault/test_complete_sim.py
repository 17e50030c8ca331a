"""Listing and completing, with a virtual clock: an answer in doubt is asked for, and nothing is stored twice (F59-F75)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.fault.scripted import PART, Scripted
from tests.helpers.simulation import LIFE_S, crc_of_all
from vod_widget import effects as fx
from vod_widget.errors import (
    ConnectionLostError,
    IntegrityError,
    RequestRefusedError,
    RequestTimeoutError,
    ServerFaultError,
    UnexpectedAnswerError,
    VODError,
)
from vod_widget.model import Grant, ObjectInfo, Part, PartsPage, RemotePart, UploadState

FAULT_KIND = "S"


def lost() -> VODError:
    return ConnectionLostError("the answer was lost", was_sent=True)


def stopped(**changes: Any) -> Scripted:
    """A file of which four parts are stored, stopped, and about to go on in the same process."""
    run = Scripted(**{"size": 6 * PART, "parallel": 1, **changes})
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= 4 * PART)
    run.interrupt("stop")
    run.to_rest()
    run.done.clear()
    return run


def sent_after(run: Scripted, parts: int) -> None:
    """It goes on, and sends so many parts more."""
    before = run.sent_bytes
    run.succeeds(resent=run.plan.size)
    assert run.sent_bytes - before == parts * PART


def unsent(run: Scripted) -> int:
    (upload,) = run.cloud.uploads.values()
    return 6 - len(upload.parts)


# ---- list parts


@pytest.mark.parametrize(
    "make", [lost, lambda: ServerFaultError("500", status=500), lambda: ConnectionLostError("reset", was_sent=False)]
)
def test_f59_list_that_fails_is_asked_again(make: Any) -> None:
    run = stopped()
    run.spoil(fx.ListParts, make, times=2)
    sent_after(run, unsent(run))
    assert run.count(fx.ListParts) == 3


def test_f60_page_that_fails_is_repeated_alone() -> None:
    run = stopped()
    run.cloud.page_parts = 1
    pages = len(next(iter(run.cloud.uploads.values())).parts)
    assert pages >= 4
    run.spoil(fx.ListParts, lost, nth=2)
    sent_after(run, unsent(run))
    assert run.count(fx.ListParts) == pages + 1


@pytest.mark.slow
def test_f60_ten_thousand_parts_are_ten_pages() -> None:
    run = stopped()
    (upload,) = run.cloud.uploads.values()
    for number in range(7, 10_001):  # parts that are not ours count for the pages all the same
        upload.parts[number] = (9, 0, 1, False)
    assert len(upload.parts) > 9_000
    sent_after(run, 6 - sum(number <= 6 for number in upload.parts))
    assert run.count(fx.ListParts) == 10


@pytest.mark.parametrize("bad", ["size", "crc"])
def test_f61_listed_part_that_is_not_ours_is_sent_again_alone(bad: str) -> None:
    run = stopped()

    def spoil(page: PartsPage) -> PartsPage:
        first, *others = page.parts
        wrong = replace(first, size_bytes=5) if bad == "size" else replace(first, crc64=7)
        return PartsPage((wrong, *others), page.following)

    run.change(fx.ListParts, spoil)
    sent_after(run, unsent(run) + 1)
    assert run.restarts_said == []


def test_f62_acknowledged_part_that_the_list_omits_is_sent_again() -> None:
    run = stopped()
    run.change(fx.ListParts, lambda page: PartsPage(page.parts[1:], page.following))
    sent_after(run, unsent(run) + 1)


def test_f63_part_numbers_that_are_not_ours_stay_out_of_complete() -> None:
    run = stopped()
    (upload,) = run.cloud.uploads.values()
    upload.parts[77] = (9, 0, 10, False)
    completed: list[tuple[Part, ...]] = []
    complete = run.cloud.complete

    def watch(grant: Grant, upload_id: str, parts: tuple[Part, ...]) -> ObjectInfo:
        completed.append(parts)
        return complete(grant, upload_id, parts)

    run.cloud.complete = watch  # type: ignore[method-assign]
    sent_after(run, 6 - (len(upload.parts) - 1))
    assert [part.part_number for part in completed[0]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("marker", [1, 0, 10_001])
def test_f64_listing_without_an_end_fails_once_its_marker_repeats(marker: int) -> None:
    run = stopped()
    pages = iter([1, marker, marker, marker])
    run.change(fx.ListParts, lambda _: PartsPage((RemotePart(1, PART, "e", 1),), next(pages)), times=None)
    error = run.fails("Protocol")
    assert isinstance(error, UnexpectedAnswerError)
    assert run.count(fx.ListParts) == 2


# ---- complete


def test_f65_complete_that_never_arrived_is_repeated() -> None:
    run = Scripted()
    run.spoil(fx.Complete, lambda: ConnectionLostError("reset", was_sent=False), times=3)
    run.succeeds()
    assert run.count(fx.Complete) == 4
    assert run.count(fx.Head) == 0


def test_f66_complete_whose_answer_is_lost_is_asked_for_and_not_repeated() -> None:
    run = Scripted()
    run.spoil(fx.Complete, lost, when="after")
    run.succeeds()
    assert (run.count(fx.Complete), run.count(fx.Head)) == (1, 1)
    assert run.machine.verified == "crc64"


def test_f66_no_retry_is_needed_for_a_file_that_is_stored() -> None:
    run = Scripted()
    run.machine.policy = replace(run.machine.policy, retry_count=0)
    run.spoil(fx.Complete, lost, when="after")
    run.succeeds()


def test_f67_without_the_right_to_look_the_state_of_the_asset_decides() -> None:
    run = Scripted(may_head=False)
    run.spoil(fx.Complete, lost, when="after")
    run.succeeds()
    assert run.machine.verified == "status"
    assert run.count(fx.FindVideo) == 1


def test_f67_asset_that_still_waits_for_bytes_lets_it_complete_again_and_never_upload_again() -> None:
    run = Scripted(may_head=False)
    run.spoil(fx.Complete, lost)
    run.succeeds()
    assert run.count(fx.Complete) == 2
    assert run.retries


def test_f68_kill_after_a_complete_that_was_executed_sends_nothing_again() -> None:
    run = Scripted()
    run.start()
    run.begins(fx.Complete)
    (item,) = run.performing
    run.apply(item[1])
    run.new_machine()
    run.succeeds()
    assert run.count(fx.SendPart) == 3 + 1  # those of the first process
    assert run.count(fx.Complete) == 0


def test_f69_second_complete_that_finds_no_upload_is_asked_for() -> None:
    run = Scripted()
    run.spoil(fx.Complete, lost, when="after")
    run.spoil(fx.Head, lambda: ServerFaultError("500", status=500), times=2)
    run.change(fx.Head, lambda _: None, nth=3)  # the object is not shown yet
    run.succeeds()
    assert run.count(fx.Complete) == 2
    assert run.restarts_said == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("code", ["InternalError", "CallbackFailed", "Protocol"])
def test_f70_answer_that_does_not_say_success_is_none_until_it_was_looked_at(when: str, code: str) -> None:
    run = Scripted()
    run.spoil(fx.Complete, lambda: UnexpectedAnswerError("not a success", status=200, code=code), when=when)
    run.succeeds()
    assert run.count(fx.Head) == 1
    assert run.count(fx.Complete) == (2 if when == "before" else 1)


def test_f71_part_that_complete_misses_is_listed_and_sent_again_once() -> None:
    run = Scripted(size=6 * PART)
    run.start()
    run.begins(fx.Complete)
    (upload,) = run.cloud.uploads.values()
    del upload.parts[3]
    run.succeeds(resent=PART)
    assert run.count(fx.Complete) == 2


@pytest.mark.parametrize("code", ["InvalidPart", "EntityTooSmall", "InvalidPartOrder"])
def test_f71_parts_that_are_refused_twice_fail(code: str) -> None:
    run = Scripted(size=6 * PART)
    run.spoil(fx.Complete, lambda: RequestRefusedError(code, status=400, code="Parts"), times=None)
    run.fails("Parts")
    assert run.count(fx.Complete) == 2
    assert run.sent_bytes == 6 * PART


def _stored_damaged(run: Scripted, times: int) -> None:
    complete, left = run.cloud.complete, [times]

    def spoil(grant: Grant, upload_id: str, parts: tuple[Part, ...]) -> ObjectInfo:
        info = complete(grant, upload_id, parts)
        if not left[0]:
            return info
        left[0] -= 1
        key = grant.address.object
        run.cloud.objects[key] = tuple((v, a, b, True) for v, a, b, _ in run.cloud.objects[key])
        return run.cloud.info(run.cloud.objects[key])

    run.cloud.complete = spoil  # type: ignore[method-assign]


def test_f72_object_with_another_crc_is_no_success_and_is_sent_once_more_under_the_same_video() -> None:
    run = Scripted()
    _stored_damaged(run, 1)
    run.succeeds(resent=run.plan.size)
    assert run.restarts_said == ["Integrity"]


def test_f72_second_object_with_another_crc_is_a_failure() -> None:
    run = Scripted()
    _stored_damaged(run, 99)
    error = run.fails("Integrity")
    assert isinstance(error, IntegrityError)
    assert run.sent_bytes == 2 * run.plan.size
    assert run.machine.ledger.loaded_percent < 1.0
    assert len(run.cloud.assets) == 1


def test_f72_object_of_a_lost_complete_that_is_damaged_is_ours_to_send_again() -> None:
    run = Scripted()
    _stored_damaged(run, 1)
    run.spoil(fx.Complete, lost, when="after")
    run.succeeds(resent=run.plan.size)
    assert run.restarts_said == ["NoSuchUpload"]


def test_f73_complete_that_takes_too_long_is_asked_for() -> None:
    run = Scripted()
    run.spoil(fx.Complete, lambda: RequestTimeoutError("300 s", was_sent=True), when="after")
    run.succeeds()
    assert run.count(fx.Complete) == 1


def test_f74_token_that_expires_before_complete_is_renewed_and_nothing_is_sent_again() -> None:
    run = Scripted()
    run.start()
    run.begins(fx.Complete)
    run.clock.t += LIFE_S + 1
    run.succeeds()
    assert run.count(fx.RefreshVideo) == 1
    assert run.restarts_said == []


def _complete_elsewhere(run: Scripted, version: int) -> None:
    """Another program completes the object, and with it the upload id goes."""
    (video,) = run.cloud.assets.values()
    run.cloud.objects[video.key] = ((version, 0, run.plan.size, False),)
    run.cloud.uploads.clear()


def _same_sum(run: Scripted) -> None:
    """Make the simulation's stand-in for a CRC the same for one piece as for the parts it holds."""
    pieces = tuple((0, at, min(at + PART, run.plan.size), False) for at in range(0, run.plan.size, PART))
    run.change(fx.Head, lambda info: info and replace(info, crc64=crc_of_all(pieces)), times=None)
    run.change(fx.HashParts, lambda _: (crc_of_all(pieces),), times=None)


@pytest.mark.parametrize("accepted", [2, 6])
def test_f75_same_bytes_that_another_program_completed_are_a_success(accepted: int) -> None:
    run = Scripted(size=6 * PART, parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= accepted * PART)
    _complete_elsewhere(run, 0)
    _same_sum(run)
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.SUCCESS, run.machine.error
    assert run.restarts_said == []
    assert run.sent_bytes <= (accepted + 1) * PART


@pytest.mark.parametrize("accepted", [2, 6])
def test_f75_other_bytes_that_another_program_completed_are_a_conflict_and_stay(accepted: int) -> None:
    run = Scripted(size=6 * PART, parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= accepted * PART)
    _complete_elsewhere(run, 7)
    error = run.fails("Conflict")
    assert "add it again" in error.hint
    assert [pieces[0][0] for pieces in run.cloud.objects.values()] == [7]


def test_f75_upload_that_is_gone_without_an_object_is_no_conflict() -> None:
    run = Scripted(size=6 * PART, parallel=1)
    run.start()
    run.begins(fx.Complete)
    run.cloud.uploads.clear()
    run.succeeds(resent=6 * PART)
    assert run.restarts_said == ["NoSuchUpload"]


def test_f59_what_the_storage_had_before_is_no_sign_of_a_fast_line() -> None:
    run = stopped()
    before = run.machine.ledger.accepted_bytes
    assert run.machine.ledger.found_bytes == 0
    run.wants()
    run.until(lambda: run.machine.wants_transfer)
    ledger = run.machine.ledger
    assert ledger.found_bytes == ledger.accepted_bytes >= before
    run.succeeds(resent=PART)
    assert ledger.accepted_bytes - ledger.found_bytes <= 2 * PART
