"""Tokens and clocks, on a virtual clock: no expiry is seen by anybody, and no jump of the wall clock matters (F76-F81)."""

from __future__ import annotations

import pytest

from tests.fault.scripted import PART, Scripted
from tests.helpers.simulation import LIFE_S, SimClock
from vod_widget import effects as fx
from vod_widget.errors import ClockSkewError
from vod_widget.model import UploadState

FAULT_KIND = "S"


@pytest.mark.parametrize("authority", ["own", "get_auth"])
def test_f76_upload_of_three_hours_never_sees_an_expired_token(authority: str) -> None:
    run = Scripted(size=216 * PART, parallel=1, authority=authority)
    began_s = run.clock.t
    run.change(fx.SendPart, lambda value: (run.clock.__setattr__("t", run.clock.t + 50.0), value)[1], times=None)
    run.succeeds()
    took_s = run.clock.t - began_s
    assert took_s == 3 * 3600.0
    assert not [line for line in run.log if "AuthExpiredError" in line]
    renewals = run.count(fx.RefreshVideo) + run.count(fx.GetAuth) - (authority == "get_auth")
    assert took_s / LIFE_S <= renewals + 1
    assert renewals <= 1 + took_s / (0.8 * LIFE_S)


def test_f78_application_that_resumes_with_expired_tokens_is_asked_three_times() -> None:
    run = Scripted(size=6 * PART, parallel=1, authority="app")
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= PART)
    asked = run.ask
    questions: list[object] = []

    def answer_expired(token: int, expired: object) -> None:
        if expired is None:
            asked(token, None)
            return
        questions.append(expired)
        assert run.machine.grant is not None
        run.answer(token, run.machine.grant.auth)  # the same one, which has ended

    run.ask = answer_expired  # type: ignore[method-assign]
    run.clock.t += LIFE_S + 1
    run.fails("Auth.Expired")
    assert len(questions) == 3
    assert run.sent_bytes == PART
    run.ask = asked  # type: ignore[method-assign]
    run.succeeds(resent=PART)


class _JumpingClock(SimClock):
    """A wall clock that is set by somebody while the monotonic one goes on."""

    def __init__(self, t: float) -> None:
        self.t = t
        self.jumped_s = 0.0

    def now_s(self) -> float:
        return self.t + self.jumped_s


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
@pytest.mark.parametrize("at", ["create", "parts", "wait", "complete"])
def test_f80_wall_clock_that_jumps_by_a_day_disturbs_nothing(jump_s: float, at: str) -> None:
    run = Scripted(size=6 * PART)
    clock = _JumpingClock(run.clock.t)
    run.machine._clock = run.clock = clock  # the cloud keeps the true time below
    offset_s = [0.0]  # what the edges have learned

    def check(effect: str) -> None:
        if abs(clock.now_s() + offset_s[0] - clock.t) > 900.0:
            offset_s[0] = clock.t - clock.now_s()
            raise ClockSkewError(f"{effect} is signed with a wrong time", server_time_s=clock.t)

    perform, kinds = run.perform, (fx.CreateVideo, fx.RefreshVideo, fx.Init, fx.SendPart, fx.Complete)

    def judged(token: int, effect: fx.Effect, flag: list[bool]) -> None:
        if isinstance(effect, kinds):
            try:
                check(type(effect).__name__)
            except ClockSkewError as error:
                rule = run.spoil(type(effect), lambda error=error: error)
                perform(token, effect, flag)
                run.rules.remove(rule)
                return
        perform(token, effect, flag)

    run.perform = judged  # type: ignore[method-assign]
    run.start()
    match at:
        case "create":
            run.begins(fx.CreateVideo)
        case "parts":
            run.until(lambda: run.machine.ledger.accepted_bytes >= 2 * PART)
        case "wait":
            run.spoil(fx.SendPart, lambda: ClockSkewError("", server_time_s=None), times=0)
            run.until(lambda: run.machine.ledger.accepted_bytes >= PART)
        case "complete":
            run.begins(fx.Complete)
    began_s = clock.t
    clock.jumped_s = jump_s
    run.succeeds(resent=run.plan.parallel * PART)
    assert clock.t - began_s < 60.0  # no timer waited for the wall clock
    assert len(run.warned) <= 1


def test_f80_clock_that_is_set_right_again_after_it_was_learned_costs_one_more_try() -> None:
    run = Scripted(size=6 * PART, parallel=1)
    run.spoil(fx.SendPart, lambda: ClockSkewError("off", server_time_s=1.0), nth=1)
    run.spoil(fx.SendPart, lambda: ClockSkewError("off the other way", server_time_s=2.0), nth=3)
    run.succeeds()
    assert run.warned == ["Clock.Skew"]
    assert run.retries == []  # each is one more try at once, since bytes were accepted between them


@pytest.mark.parametrize("monotonic_stood", [True, False])
def test_f81_laptop_that_slept_for_eight_hours_renews_and_goes_on(monotonic_stood: bool) -> None:
    run = Scripted(size=8 * PART, parallel=3)
    run.start()
    run.until(lambda: run.machine.ledger.accepted_bytes >= 3 * PART)
    if monotonic_stood:  # Linux: CLOCK_MONOTONIC does not count suspended time
        run.machine._clock = clock = _JumpingClock(run.clock.t)
        clock.jumped_s = 8 * 3600.0
        run.cloud.clock = SimClock()
        run.cloud.clock.t = clock.now_s()
    else:
        run.clock.t += 8 * 3600.0
    run.succeeds(resent=3 * PART)
    assert run.count(fx.RefreshVideo) == 1
    assert run.machine.state is UploadState.SUCCESS
