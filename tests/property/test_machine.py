"""One file's machine against a cloud in memory, with faults before and after every effect and orders at every step.

Each seed is a whole history (`tests/helpers/simulation.py`); its number replays it. The promises that are checked after every
move: one asset, success only with equal bytes, one end per run, nothing after it, upload ids durable before bytes, no parts
left after a cancel, never stuck, and Success once the trouble is over. VOD_SIM_RUNS=2000 runs more of each plan.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from tests.helpers.simulation import PART, Plan, Simulation
from vod_widget import effects as fx
from vod_widget.model import MediaType, Phase, UploadState
from vod_widget.states import FileEvent

RUNS = int(os.environ.get("VOD_SIM_RUNS", "40"))

SIZES = (50_000, PART, PART + 1, 3 * PART + 5, 5 * PART)
PLANS = {
    "usual": Plan(),
    "own_keys_only": Plan(authority="own", interrupt_ratio=0.0),
    "sts": Plan(authority="sts", expire_ratio=0.03),
    "application": Plan(authority="app", expire_ratio=0.03),
    "get_auth": Plan(authority="get_auth", expire_ratio=0.03),
    "orders_all_the_time": Plan(interrupt_ratio=0.3),
    "cancel_and_resume": Plan(interrupt_ratio=0.2, interrupts=("cancel",)),
    "faults_half_the_time": Plan(fault_ratio=0.5, interrupt_ratio=0.01),
    "killed_often": Plan(kill_ratio=0.05),
    "edited": Plan(edit_ratio=0.02, kill_ratio=0.01),
    "may_not_list_and_uploads_vanish": Plan(may_list=False, drop_upload_ratio=0.02),
    "may_not_head": Plan(may_head=False),
    "no_crc": Plan(gives_crc=False, damage_ratio=0.0),
    "damage": Plan(damage_ratio=0.2),
    "full_disk": Plan(journal_fault_ratio=0.3),
    "image": Plan(media_type=MediaType.IMAGE),
    "image_by_get_auth": Plan(media_type=MediaType.IMAGE, authority="get_auth"),
    "everything": Plan(interrupt_ratio=0.2, fault_ratio=0.3, expire_ratio=0.05, edit_ratio=0.01, kill_ratio=0.02),
}


@pytest.mark.parametrize("name", PLANS)
def test_promises_hold_whatever_happens(name: str) -> None:
    counts: Counter[str] = Counter()
    for seed in range(RUNS):
        run = Simulation(seed, replace(PLANS[name], size=SIZES[seed % len(SIZES)]))
        run.run()
        counts += run.counts
    assert counts.total() > RUNS  # the plan did bring trouble


def test_same_seed_gives_the_same_history() -> None:
    first, second = Simulation(7, PLANS["everything"]), Simulation(7, PLANS["everything"])
    first.run()
    second.run()
    assert first.log == second.log


# ---- every order at every step, without chance


CALM = Plan(
    fault_ratio=0.0,
    journal_fault_ratio=0.0,
    interrupt_ratio=0.0,
    kill_ratio=0.0,
    expire_ratio=0.0,
    damage_ratio=0.0,
    drop_upload_ratio=0.0,
)


def _steps_of_a_calm_run(plan: Plan) -> int:
    run = Simulation(1, plan)
    run.in_trouble = False
    run.start()
    steps = 0
    while run.step():
        steps += 1
    assert run.machine.state is UploadState.SUCCESS
    return steps


@pytest.mark.parametrize("authority", ["own", "sts", "app", "get_auth"])
@pytest.mark.parametrize("size", [50_000, 3 * PART + 5])
@pytest.mark.parametrize("order", ["stop", "pause", "cancel", "kill", "cancel_and_resume", "stop_and_start"])
def test_an_order_at_every_step_of_a_calm_run(order: str, size: int, authority: str) -> None:
    plan = replace(CALM, size=size, authority=authority)
    for at in range(_steps_of_a_calm_run(plan)):
        run = Simulation(1, plan)
        run.in_trouble = False
        run.start()
        for _ in range(at):
            run.step()
        if run.machine.state is UploadState.SUCCESS:
            continue
        if order == "kill":
            run.kill()
            run.start()
        else:
            run.interrupt(order.split("_", maxsplit=1)[0])
            if "_and_" in order and run.machine.state is not UploadState.UPLOADING:
                run.ready()
                run.start()
        run.drain()
        match order:
            case "stop" | "pause":
                # An order that came while the success was written down changes nothing.
                assert run.machine.state in {UploadState.STOPPED, UploadState.SUCCESS}
                if run.machine.state is UploadState.STOPPED:
                    assert run.machine.phase is (Phase.PAUSED if order == "pause" else Phase.NONE)
            case "cancel":
                assert run.machine.state in {UploadState.CANCELED, UploadState.SUCCESS}
                assert not run.cloud.uploads
            case _:
                assert run.machine.state is UploadState.SUCCESS
        run.heal()
        assert run.sent_bytes <= 2 * size + 3 * PART


def test_resume_after_stop_sends_only_what_was_not_accepted() -> None:
    run = Simulation(3, replace(CALM, size=5 * PART, parallel=1))
    run.in_trouble = False
    run.start()
    while run.machine.ledger.accepted_bytes < 3 * PART:
        run.step()
    run.interrupt("stop")
    run.drain()
    before = run.sent_bytes
    run.bring_on()
    run.bring_on()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes - before <= 2 * PART


def test_cancel_then_delete_forgets_the_journal_entry() -> None:
    run = Simulation(4, replace(CALM, size=3 * PART))
    run.in_trouble = False
    run.start()
    while not run.machine.ledger.accepted_bytes:
        run.step()
    run.take(run.machine.interrupt(FileEvent.CANCEL, discard=True))
    run.drain()
    assert run.journal.checkpoint is None
    assert run.cloud.uploads == {}


def test_success_that_is_being_written_down_wins_over_a_late_cancel() -> None:
    run = Simulation(5, replace(CALM, size=50_000))
    run.in_trouble = False
    run.start()
    while not any(isinstance(e, fx.CloseEntry) for _, e, _ in run.performing):
        assert run.step()
    assert run.machine.interrupt(FileEvent.CANCEL) is None
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert [type(n).__name__ for n in run.notes if isinstance(n, fx.Succeeded | fx.Canceled)] == ["Succeeded"]


def test_a_lost_put_answer_is_waited_for_and_looked_up_before_bytes_go_again() -> None:
    run = Simulation(6, replace(CALM, size=50_000))
    run.in_trouble = False
    run.start()
    while not run.transfers:
        run.step()
    run.in_trouble = True
    run.plan = replace(run.plan, fault_ratio=1.0)
    run.rng.randrange = lambda n: 0  # type: ignore[method-assign]  # every fault loses the answer
    run.send(run.transfers[0])
    run.in_trouble = False
    run.deliver(run.outcomes[0])
    assert run.machine.wants_transfer == 0
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes == 50_000
