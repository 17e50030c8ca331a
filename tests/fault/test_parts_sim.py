"""Parts, with a virtual clock: at most the faulty part is sent again, and no damaged one is ever completed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fault.scripted import PART, Scripted
from tests.helpers.simulation import LIFE_S, Upload, crc_of
from vod_widget import effects as fx
from vod_widget.errors import (
    AccessDeniedError,
    AuthExpiredError,
    ClockSkewError,
    ConnectError,
    ConnectionLostError,
    IntegrityError,
    KeysRefusedError,
    RequestTimeoutError,
    ServerFaultError,
    ThrottledError,
    VODError,
)
from vod_widget.model import MediaType, Phase, RemotePart, UploadState
from vod_widget.options import GIB, KIB, PARTS_MAX
from vod_widget.parts import OBJECT_MAX_BYTES, choose_part_size, plan_next

FAULT_KIND = "S"


def lost() -> VODError:
    return ConnectionLostError("the answer was lost", was_sent=True)


def test_f35_part_whose_answer_is_lost_is_sent_again_alone() -> None:
    run = Scripted()
    run.spoil(fx.SendPart, lost, when="after", part=2)
    run.succeeds(resent=PART)
    assert len(run.retries) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerFaultError("500", status=500),
        lambda: ServerFaultError("502", status=502),
        lambda: ServerFaultError("503", status=503, retry_after_s=5.0),
        lambda: ThrottledError("429", status=429),
        lambda: RequestTimeoutError("408", was_sent=True),
    ],
    ids=["500", "502", "503", "429", "408"],
)
def test_f36_part_that_the_server_refuses_waits_while_the_others_go_on(make: object) -> None:
    run = Scripted(size=6 * PART)
    run.spoil(fx.SendPart, make, part=1)  # type: ignore[arg-type]
    run.start()
    run.until(lambda: run.retries)
    began_s = run.clock.t
    run.until(lambda: run.machine.ledger.accepted_bytes == 5 * PART)
    assert run.clock.t == began_s  # all others, before the wait is over
    run.succeeds(resent=PART)


def test_f38_parts_that_expire_together_are_one_refresh() -> None:
    run = Scripted(size=8 * PART, parallel=4)
    run.start()
    run.until(lambda: run.machine.wants_transfer)
    while len(run.transfers) < 4:
        run.take_transfer()
    run.clock.t += LIFE_S + 1
    run.succeeds()
    assert len([line for line in run.log if "AuthExpiredError" in line]) >= 2
    assert run.count(fx.RefreshVideo) == 1
    assert run.retries == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: AccessDeniedError("no", status=403, code="AccessDenied"),
        lambda: KeysRefusedError("no", status=403, code="SignatureDoesNotMatch"),
        lambda: AuthExpiredError("no", status=403, code="InvalidAccessKeyId"),
    ],
    ids=["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"],
)
def test_f39_living_token_that_is_refused_is_renewed_once_and_then_final(make: object) -> None:
    k = 3
    run = Scripted(size=20 * PART, parallel=k)
    rule = run.spoil(fx.SendPart, make, times=None)  # type: ignore[arg-type]
    error = run.fails(rule.make().code)
    assert isinstance(error, KeysRefusedError)
    assert [note.is_common for note in run.notes if isinstance(note, fx.Failed)] == [False]  # no other file's business
    assert run.count(fx.RefreshVideo) == 1
    assert run.sent_bytes == 0
    assert rule.fired <= 2 * k  # what was in flight at the first refusal, and again at the second
    assert run.count(fx.Complete) == 0


def test_f39_image_that_is_refused_gets_no_second_id() -> None:
    run = Scripted(size=50_000, media_type=MediaType.IMAGE)
    run.spoil(fx.SendObject, lambda: AccessDeniedError("no", status=403, code="AccessDenied"), times=None)
    run.fails("AccessDenied")
    assert len(run.cloud.assets) == 1


def test_f39_second_token_may_be_the_good_one() -> None:
    run = Scripted(size=6 * PART)
    run.spoil(fx.SendPart, lambda: AccessDeniedError("no", status=403, code="AccessDenied"), times=3)
    run.succeeds(resent=3 * PART)
    assert run.count(fx.RefreshVideo) == 1


def test_f40_skewed_part_is_sent_again_at_once() -> None:
    run = Scripted()
    run.spoil(fx.SendPart, lambda: ClockSkewError("off", server_time_s=0.0, code="RequestTimeTooSkewed"))
    began_s = run.clock.t
    run.succeeds(resent=PART)
    assert run.clock.t == began_s
    assert run.warned == ["Clock.Skew"]


def test_f40_part_that_is_skewed_for_ever_is_a_failure() -> None:
    run = Scripted()
    run.spoil(fx.SendPart, lambda: ClockSkewError("skewed", code="RequestTimeTooSkewed"), times=None, part=1)
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.FAILURE
    assert run.count(fx.SendPart) <= 16  # the others forgive it what came before them


def test_f41_upload_that_the_storage_dropped_is_asked_for_before_it_is_begun_again() -> None:
    run = Scripted(size=6 * PART, parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes == 3 * PART)
    run.cloud.uploads.clear()
    run.succeeds(resent=6 * PART)
    assert run.count(fx.Init) == 2
    assert run.restarts_said == ["NoSuchUpload"]
    heads = [n for n, line in enumerate(run.log) if "done" in line and "Head" in line]
    inits = [n for n, line in enumerate(run.log) if "done" in line and "Init" in line]
    assert heads
    assert heads[0] < inits[1]


@pytest.mark.parametrize("code", ["InvalidDigest", "BadDigest"])
def test_f42_damage_that_the_storage_refuses_costs_one_part(code: str) -> None:
    run = Scripted()
    run.spoil(fx.SendPart, lambda: IntegrityError("damaged", code=code), part=2)
    run.succeeds(resent=PART)


def _damaged(value: tuple[RemotePart, int]) -> tuple[RemotePart, int]:
    remote, crc = value
    return RemotePart(remote.part_number, remote.size_bytes, remote.etag, (remote.crc64 or 0) ^ 1), crc


def _damage(run: Scripted, number: int) -> None:
    """What the storage holds of a part is not what was sent, as its answer and its list say too."""
    (upload,) = run.cloud.uploads.values()
    version, start, end, _ = upload.parts[number]
    upload.parts[number] = (version, start, end, True)


def test_f43_damaged_part_is_overwritten_under_its_number() -> None:
    run = Scripted()

    def store_damaged(value: tuple[RemotePart, int]) -> tuple[RemotePart, int]:
        _damage(run, value[0].part_number)
        return _damaged(value)

    run.change(fx.SendPart, store_damaged)
    run.succeeds(resent=PART)
    assert run.restarts_said == []


@pytest.mark.parametrize("may_list", [True, False])
def test_f43_damaged_part_is_not_completed_over_after_a_kill_either(may_list: bool) -> None:
    run = Scripted(size=4 * PART, parallel=1, may_list=may_list)

    def store_damaged(value: tuple[RemotePart, int]) -> tuple[RemotePart, int]:
        _damage(run, value[0].part_number)
        return _damaged(value)

    run.change(fx.SendPart, store_damaged, nth=2)
    run.start()
    run.until(lambda: run.retries)
    assert run.journal.checkpoint is not None
    run.kill()
    run.succeeds(resent=2 * PART)
    assert run.restarts_said == []  # seen before Complete, not after it


def test_f43_part_that_rots_in_the_storage_before_a_resume_is_sent_again() -> None:
    run = Scripted(size=4 * PART, parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= 2 * PART)
    run.drain_threads()
    run.kill()
    _damage(run, 1)
    run.succeeds(resent=PART + 2 * PART)  # the bad one, and what nobody had acknowledged
    assert run.restarts_said == []


@pytest.mark.parametrize("cheap", [True, False], ids=["local", "browser"])
def test_part_whose_bytes_the_file_has_no_more_after_a_restart_is_sent_again_alone(cheap: bool) -> None:
    run = Scripted(parallel=1)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= 2 * PART)
    run.drain_threads()
    run.new_machine()
    (upload,) = run.cloud.uploads.values()
    upload.parts.pop(3, None)  # it may have been on its way
    # Edited meanwhile in a way that its fingerprint does not show: what is read now has another sum in part 1.
    run.change(fx.HashParts, lambda crcs: (crcs[0] ^ 1, *crcs[1:]))
    run.machine.job = replace(run.machine.job, cheap_reads=cheap)
    before = run.sent_bytes
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes - before == run.plan.size - 2 * PART + PART * cheap
    assert run.count(fx.HashParts) == cheap


@pytest.mark.parametrize(
    ("spoil", "resent_parts"),
    [
        (lambda _: None, 0),
        (lambda upload: upload.parts.update({2: (*upload.parts[2][:3], True)}), 1),  # rotten in the storage
        (lambda upload: upload.parts.pop(1), 4),  # without it nobody knows where the others belong
        (lambda upload: upload.parts.update({1: (0, 0, 0, False)}), 4),
        (lambda upload: upload.parts.update({4: (0, 0, 9 * PART, False)}), 1),
    ],
    ids=["whole", "damaged", "first missing", "empty", "beyond the file"],
)
def test_parts_that_the_journal_lost_count_when_their_place_and_sum_are_the_files(
    spoil: Callable[[Upload], object], resent_parts: int
) -> None:
    run = Scripted(parallel=1, size=5 * PART)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes == 4 * PART)
    run.drain_threads()
    run.new_machine()
    (upload,) = run.cloud.uploads.values()
    spoil(upload)
    assert run.journal.checkpoint is not None
    run.journal.checkpoint = replace(run.journal.checkpoint, parts=())  # a power cut took them
    before = run.sent_bytes
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes - before == (1 + resent_parts) * PART
    assert run.restarts_said == []


def test_f44_sum_that_never_fits_fails_and_the_part_does_not_count() -> None:
    run = Scripted(size=3 * PART)
    wrong = run.change(fx.SendPart, _damaged, part=2, times=None)
    run.fails("Integrity")
    assert wrong.fired == 1 + 3
    assert run.machine.ledger.accepted_bytes == 2 * PART
    assert run.count(fx.Complete) == 0
    wrong.times = 0
    run.succeeds(resent=4 * PART)


def _without_sum(value: tuple[RemotePart, int]) -> tuple[RemotePart, int]:
    remote, crc = value
    return RemotePart(remote.part_number, remote.size_bytes, remote.etag, None), crc


def test_f45_answers_without_a_sum_are_proven_by_the_list_of_parts() -> None:
    run = Scripted(size=5 * PART, parallel=1)
    run.change(fx.SendPart, _without_sum, times=None)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes == 5 * PART)
    _damage(run, 3)
    run.succeeds(resent=PART)
    assert run.restarts_said == []
    assert run.machine.verified == "crc64"


def test_f45_damage_that_only_the_list_shows_does_not_go_on_for_ever() -> None:
    run = Scripted(size=2 * PART, parallel=1)

    def store_damaged(value: tuple[RemotePart, int]) -> tuple[RemotePart, int]:
        _damage(run, value[0].part_number)
        return _without_sum(value)

    run.change(fx.SendPart, store_damaged, times=None)
    run.fails("Integrity")
    assert run.sent_bytes <= 2 * PART * 4
    assert run.count(fx.Complete) == 0


def test_f45_without_any_sum_the_success_says_that_only_the_length_was_compared() -> None:
    run = Scripted(gives_crc=False, may_list=False)
    run.succeeds()
    assert run.machine.verified == "length"
    assert run.warned == ["NoCrc"]


def test_f46_wrong_etag_is_read_again_from_the_list() -> None:
    run = Scripted(size=4 * PART)
    wrong = lambda v: (RemotePart(v[0].part_number, v[0].size_bytes, "0" * 32, v[0].crc64), v[1])  # noqa: E731
    run.change(fx.SendPart, wrong, nth=2)
    run.succeeds()
    assert run.count(fx.ListParts) == 1
    assert run.count(fx.Complete) == 2


@pytest.mark.slow
def test_f53_network_that_is_gone_for_ten_minutes_is_waited_for_and_found_within_half_a_minute() -> None:
    for seed in range(40):
        run = Scripted(seed, size=12 * PART, patience_s=900.0)
        run.start()
        run.until(lambda: run.machine.ledger.accepted_bytes >= 3 * PART)  # noqa: B023
        sent = run.sent_bytes
        began_s = run.clock.t
        gone = [
            run.spoil(kind, lambda: ConnectError("refused", was_sent=False, code="Network.Refused"), times=None)
            for kind in (fx.SendPart, fx.Complete, fx.Head, fx.RefreshVideo, fx.ListParts)
        ]
        run.until(lambda: run.clock.t - began_s >= 600.0)  # noqa: B023
        assert run.machine.state is UploadState.UPLOADING
        assert run.machine.phase in {Phase.WAITING, Phase.SENDING}
        assert run.sent_bytes == sent
        for rule in gone:
            rule.times = 0
        back_s = run.clock.t
        run.until(lambda: run.sent_bytes > sent)  # noqa: B023
        assert run.clock.t - back_s <= 30.0
        run.succeeds(resent=run.plan.parallel * PART)


def test_f53_row_says_how_long_it_waits_and_why() -> None:
    run = Scripted(size=2 * PART, parallel=1, patience_s=900.0)
    run.spoil(fx.SendPart, lambda: ConnectError("refused", was_sent=False, code="Network.Refused"), times=None)
    run.start()
    run.until(lambda: run.machine.phase is Phase.WAITING)
    assert run.machine.wait_reason == "Network.Refused"
    assert run.machine.wait_until_s is not None
    assert 0.0 <= run.machine.wait_until_s - run.clock.t <= 30.0


@pytest.mark.slow
def test_f54_half_of_the_requests_reset_costs_less_than_two_and_a_half_times_the_file() -> None:
    sent = whole = 0
    for seed in range(200):
        run = Scripted(seed, size=12 * PART, patience_s=900.0, steps=0)
        run.plan = run.plan.__class__(**{**vars(run.plan), "fault_ratio": 0.0})
        chance = run.rng.random

        def reset(run: Scripted = run, chance: object = chance) -> None:
            rule = run.spoil(fx.SendPart, lost, times=None, when="after")
            rule.strikes = lambda effect: isinstance(effect, fx.SendPart) and chance() < 0.5  # type: ignore[method-assign, operator]

        reset()
        run.succeeds(resent=100 * run.plan.size)
        sent += run.sent_bytes
        whole += run.plan.size
    assert 1.5 * whole < sent <= 2.5 * whole


def test_f57_late_second_success_of_a_part_counts_once() -> None:
    run = Scripted(size=3 * PART, parallel=1)
    run.start()
    run.begins(fx.SendPart)
    token, effect, _ = run.transfers[0]
    run.until(lambda: run.outcomes)
    (told,) = run.outcomes
    run.deliver(told)
    assert run.machine.ledger.accepted_bytes == PART
    crc = crc_of((0, effect.part.start, effect.part.end, False))  # type: ignore[attr-defined]
    assert run.machine.succeed(token, (RemotePart(1, PART, f"etag-{crc:x}", crc), crc)) == []
    assert run.machine.ledger.accepted_bytes == PART
    run.succeeds()


def test_f57_part_that_was_stored_twice_counts_once() -> None:
    run = Scripted(size=3 * PART)
    run.spoil(fx.SendPart, lost, when="after", part=1, times=2)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes == 3 * PART)
    run.succeeds(resent=2 * PART)
    assert sum(isinstance(note, fx.PartAccepted) for note in run.notes) == 3 + 1  # and one as the sending began


@pytest.mark.parametrize("size", [40 * GIB, OBJECT_MAX_BYTES - 7, OBJECT_MAX_BYTES])
def test_f58_larger_files_get_larger_parts_so_that_ten_thousand_are_enough(size: int) -> None:
    part = choose_part_size(size, 100 * KIB)
    count = -(-size // part)
    assert count <= PARTS_MAX
    last = plan_next(size, part, count - 1, (count - 1) * part)
    assert last is not None
    assert last.end == size
    assert plan_next(size, part, count, size) is None


def test_f58_file_beyond_the_largest_object_is_refused_at_add() -> None:
    with pytest.raises(VODError) as caught:
        choose_part_size(OBJECT_MAX_BYTES + 1)
    assert caught.value.code == "Restriction.Size"
