"""One file's machine against a cloud in memory, with faults before and after every effect and orders at every step.

Each seed is a whole history (`tests/helpers/simulation.py`); its number replays it. The promises that are checked after every
move: one asset, success only with equal bytes, one end per run, nothing after it, upload ids durable before bytes, no parts
left after a cancel, never stuck, and Success once the trouble is over. VOD_SIM_RUNS=2000 runs more of each plan.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.helpers.simulation import PART, Plan, Simulation, Upload, Video
from vod_widget import effects as fx
from vod_widget.board import Board
from vod_widget.errors import (
    AccessDeniedError,
    AuthExpiredError,
    ConnectionLostError,
    NoSuchUploadError,
    RequestRefusedError,
    ServerFaultError,
    ThrottledError,
)
from vod_widget.model import Grant, MediaType, ObjectInfo, Part, Phase, RemotePart, UploadState
from vod_widget.progress import Ledger
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
    "patient": Plan(interrupt_ratio=0.1, interrupts=("cancel",), fault_ratio=0.5, patience_s=900.0),
    "killed_often": Plan(kill_ratio=0.05),
    "edited": Plan(edit_ratio=0.02, kill_ratio=0.01),
    "may_not_list_and_uploads_vanish": Plan(may_list=False, drop_upload_ratio=0.02),
    "may_not_head": Plan(may_head=False),
    "edited_and_may_not_head": Plan(may_head=False, edit_ratio=0.03, fault_ratio=0.3),
    "edited_and_no_crc": Plan(gives_crc=False, damage_ratio=0.0, edit_ratio=0.03, fault_ratio=0.3),
    "reference_id_makes_another_video": Plan(authority="own", repeats_reference=True, kill_ratio=0.03, fault_ratio=0.3),
    "no_crc": Plan(gives_crc=False, damage_ratio=0.0),
    "damage": Plan(damage_ratio=0.2),
    "full_disk": Plan(journal_fault_ratio=0.3),
    "cover": Plan(cover=True, interrupt_ratio=0.1),
    "cover_by_get_auth": Plan(cover=True, authority="get_auth", fault_ratio=0.3),
    "cover_by_sts": Plan(cover=True, authority="sts", expire_ratio=0.03),
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


def test_cancel_is_carried_out_also_when_the_file_is_wanted_again_before_the_step_in_flight_ends() -> None:
    run = Simulation(4, replace(CALM, size=3 * PART))
    run.in_trouble = False
    run.start()
    _until(run, lambda: _performing(run, fx.Init))
    run.interrupt("cancel")
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert [_done(run).count(name) for name in ("Init", "Abort", "CreateVideo")] == [2, 1, 1]


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


# ---- one rule each, which chance alone would let slip since another rule heals what it misses


def _calm(seed: int = 1, **changes: object) -> Simulation:
    run = Simulation(seed, replace(CALM, **{"size": 3 * PART + 5, **changes}))  # type: ignore[arg-type]
    run.in_trouble = False
    return run


def _until(run: Simulation, condition: Callable[[], object]) -> None:
    while not condition():
        assert run.step(), "the run ended before it came to this"


def _performing(run: Simulation, kind: type[fx.Effect]) -> bool:
    return any(isinstance(effect, kind) for _, effect, _ in run.performing)


def _outcome_of(run: Simulation, kind: type[fx.Effect], deliver: Callable[[int], list[object] | None]) -> None:
    """Take the effect that is being done, and bring another outcome than its own."""
    (item,) = [item for item in run.performing if isinstance(item[1], kind)]
    run.performing.remove(item)
    run.take(deliver(item[0]))


def _done(run: Simulation) -> list[str]:
    return [line.split("done ")[1].split(" ", 1)[1].split(" ")[0] for line in run.log if "  done " in line]


def _restarts(run: Simulation) -> list[str]:
    return [note.reason for note in run.notes if isinstance(note, fx.RestartedNote)]


def test_damaged_part_is_sent_again_alone() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.transfers)
    run.in_trouble, run.plan = True, replace(run.plan, damage_ratio=1.0)
    run.send(run.transfers[0])
    run.in_trouble = False
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == []
    assert run.sent_bytes <= run.plan.size + PART


def test_damage_inside_the_storage_is_seen_at_the_end_and_sent_again() -> None:
    run = _calm()
    complete = run.cloud.complete
    spoiled: list[int] = []

    def spoil(grant: Grant, upload_id: str, parts: tuple[Part, ...]) -> ObjectInfo:
        info = complete(grant, upload_id, parts)
        if spoiled:
            return info
        spoiled.append(1)
        key = grant.address.object
        run.cloud.objects[key] = tuple((v, a, b, True) for v, a, b, _ in run.cloud.objects[key])
        return run.cloud.info(run.cloud.objects[key])

    run.cloud.complete = spoil  # type: ignore[method-assign]
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == ["Integrity"]


def test_source_that_changes_after_its_last_part_is_no_success() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes == run.plan.size)
    run.version = 1
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert run.machine.error is not None
    assert run.machine.error.code == "Source.Changed"
    assert run.cloud.objects == {}


def test_remote_part_that_is_not_ours_is_sent_again_alone_on_resume() -> None:
    run = _calm(parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= 2 * PART)
    run.interrupt("stop")
    run.drain()
    (upload,) = run.cloud.uploads.values()
    version, start, end, _ = upload.parts[1]
    upload.parts[1] = (version, start, end, True)
    before = run.sent_bytes
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == []
    assert run.sent_bytes - before <= run.plan.size - PART + PART


def test_complete_whose_answer_was_lost_is_asked_for_and_nothing_is_sent_again() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: _performing(run, fx.Complete))
    (item,) = run.performing
    run.apply(item[1])
    _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, ConnectionLostError("lost", was_sent=True)))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes == run.plan.size
    assert _done(run).count("Complete") == 0  # ours was the only one


@pytest.mark.parametrize("blind", ["may_head", "gives_crc"])
@pytest.mark.parametrize("size", [50_000, 4 * PART])
def test_object_without_crc_that_an_earlier_version_left_is_no_proof(size: int, blind: str) -> None:
    run = _calm(size=size, **{blind: False})
    run.start()
    if size > PART:
        _until(run, lambda: _performing(run, fx.Complete))
        (item,) = run.performing
        run.apply(item[1])
        lost = ConnectionLostError("lost", was_sent=True)
        _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, lost))
        denied = AccessDeniedError("not now", status=403)
        for kind in (fx.Head, fx.FindVideo):
            _until(run, lambda kind=kind: _performing(run, kind))  # type: ignore[misc]
            _outcome_of(run, kind, lambda token: run.machine.fail(token, denied))
    else:
        _until(run, lambda: run.transfers)
        run.send(run.transfers[0])
        run.interrupt("stop")
    run.drain()
    assert run.cloud.objects
    run.version, run.plan = 1, replace(run.plan, size=4 * PART)
    run.bring_on()
    run.bring_on()
    _until(run, lambda: _performing(run, fx.Complete))
    dropped = ConnectionLostError("dropped before it arrived", was_sent=True)
    _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, dropped))
    run.drain()  # a success is compared with the file by the simulation
    assert run.machine.state is UploadState.SUCCESS
    assert "Complete" in _done(run)


def test_small_file_that_changed_while_its_answer_was_awaited_is_no_success() -> None:
    run = _calm(size=50_000)
    run.start()
    _until(run, lambda: run.transfers)
    token, effect, _ = run.transfers.pop()
    info, crc, _ = run.apply(effect)
    run.take(run.machine.succeed(token, (info, crc, "another")))
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert run.machine.error is not None and run.machine.error.code == "Source.Changed"


def test_small_file_that_changed_and_whose_answer_was_lost_is_no_success() -> None:
    run = _calm(size=50_000)
    run.start()
    _until(run, lambda: run.transfers)
    token, effect, _ = run.transfers.pop()
    run.apply(effect)
    run.take(run.machine.fail(token, ConnectionLostError("lost", was_sent=True)))
    _until(run, lambda: _performing(run, fx.CheckSource))
    _outcome_of(run, fx.CheckSource, lambda token: run.machine.succeed(token, "another"))
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert run.machine.error is not None and run.machine.error.code == "Source.Changed"


def test_state_of_an_asset_that_only_this_upload_can_have_filled_is_proof() -> None:
    run = _calm(may_head=False)
    run.start()
    _until(run, lambda: _performing(run, fx.Complete))
    (item,) = run.performing
    run.apply(item[1])
    lost = ConnectionLostError("lost", was_sent=True)
    _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, lost))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.machine.verified == "status"
    assert run.sent_bytes == run.plan.size


def test_create_whose_answer_was_lost_is_looked_up_before_anything_is_created() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: _performing(run, fx.CreateVideo))
    (item,) = run.performing
    run.apply(item[1])
    _outcome_of(run, fx.CreateVideo, lambda token: run.machine.fail(token, ConnectionLostError("lost", was_sent=True)))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert [name for name in _done(run) if name in {"CreateVideo", "FindVideo", "RefreshVideo"}] == [
        "FindVideo",
        "RefreshVideo",
    ]
    assert not any("CreateVideo" in line for line in run.log)  # the lost one was done by hand above
    assert len(run.cloud.assets) == 1


@pytest.mark.parametrize("then", ["retry", "kill"])
def test_create_whose_answer_was_lost_is_looked_up_by_the_next_run_too(then: str) -> None:
    run = _calm(repeats_reference=True)
    run.start()
    _until(run, lambda: _performing(run, fx.CreateVideo))
    (item,) = run.performing
    run.apply(item[1])
    if then == "kill":
        run.new_machine()
    else:
        lost = ConnectionLostError("lost", was_sent=True)
        _outcome_of(run, fx.CreateVideo, lambda token: run.machine.fail(token, lost))
        _until(run, lambda: _performing(run, fx.FindVideo))
        denied = AccessDeniedError("not now", status=403)
        _outcome_of(run, fx.FindVideo, lambda token: run.machine.fail(token, denied))
        run.drain()
        assert run.machine.state is UploadState.FAILURE
    run.heal()
    assert len(run.cloud.assets) == 1


def test_create_that_was_refused_is_not_looked_up_by_the_next_run() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: _performing(run, fx.CreateVideo))
    denied = AccessDeniedError("not allowed", status=403)
    _outcome_of(run, fx.CreateVideo, lambda token: run.machine.fail(token, denied))
    run.drain()
    run.heal()
    assert "FindVideo" not in _done(run)


def test_reference_id_that_exists_and_is_not_found_fails_instead_of_asking_for_ever() -> None:
    run = _calm()
    run.cloud.find = lambda video_id, reference_id: None  # type: ignore[method-assign]
    run.start()
    _until(run, lambda: _performing(run, fx.CreateVideo))
    (item,) = run.performing
    run.apply(item[1])
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert run.machine.error is not None
    assert run.machine.error.code == "Reference.Conflict"


def test_many_parts_that_expire_together_are_one_refresh() -> None:
    run = _calm(size=5 * PART, parallel=3)
    run.start()
    _until(run, lambda: run.machine.wants_transfer)
    while len(run.transfers) < 3:
        run.take_transfer()
    run.clock.t += 3001
    for item in list(run.transfers):
        run.send(item)
    late = run.outcomes.pop()
    while run.outcomes:
        run.deliver(run.outcomes[0])
    _until(run, lambda: "RefreshVideo" in _done(run) and run.transfers)
    run.outcomes.append(late)  # the last of the old ones comes when the new credential is there
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _done(run).count("RefreshVideo") == 1


def test_late_order_to_stop_does_not_leave_a_file_hashing_for_ever() -> None:
    run = _calm(parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.drain_threads()
    run.kill()
    run.start()
    _until(run, lambda: _performing(run, fx.HashParts))
    (item,) = run.performing
    item[2][0] = True  # the flag of an order that an earlier run got
    run.cancel_flag = [False]
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


@pytest.mark.parametrize("kind", [fx.CreateVideo, fx.Init])
def test_ids_that_came_while_the_file_stopped_are_written_down(kind: type[fx.Effect]) -> None:
    run = _calm()
    run.start()
    _until(run, lambda: _performing(run, kind))
    run.interrupt("stop")
    run.drain()
    saved = run.journal.checkpoint
    assert saved is not None
    assert saved.media_id
    assert bool(saved.upload_id) is (kind is fx.Init)
    run.kill()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.cloud.uploads == {}


def test_checkpoint_written_during_a_renewal_keeps_the_parts() -> None:
    run = _calm(size=5 * PART, authority="get_auth", parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= 2 * PART)
    run.clock.t += 0.9 * 3000
    _until(run, lambda: _done(run).count("GetAuth") == 2)
    _until(run, lambda: run.machine.ledger.accepted_bytes >= 3 * PART)
    run.drain_threads()
    saved = run.journal.checkpoint
    assert saved is not None
    assert len(saved.parts) >= 3


@pytest.mark.parametrize("size", [50_000, 4 * PART])
def test_credential_for_another_object_begins_again_there_whole(size: int) -> None:
    run = _calm(size=size, authority="app", parallel=1)
    run.start()
    _until(run, lambda: run.transfers)
    moved = run.cloud.create("")
    run.asset_of_app = moved.media_id
    run.machine.checkpoint = replace(run.machine.checkpoint, media_id="")  # it asks for its asset anew
    run.clock.t += 3001
    run.rng.random = lambda: 0.1  # type: ignore[method-assign]  # the application answers with a whole permission
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.machine.checkpoint.media_id == moved.media_id
    assert "Address.Changed" in _restarts(run) or size == 50_000


def test_renewal_that_moves_the_object_begins_again_there_whole() -> None:
    run = _calm(parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    (video,) = run.cloud.assets.values()
    video.key = "sv/elsewhere.mp4"
    run.clock.t += 0.9 * 3000
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert list(run.cloud.objects) == ["sv/elsewhere.mp4"]
    assert set(_restarts(run)) == {"Address.Changed"}


# ---- giving up, and what is left to do then


@pytest.mark.parametrize("when", ["at once", "later"])
def test_progress_that_a_cancel_brings_down_is_announced_when_the_file_runs_again(when: str) -> None:
    run = _calm(parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART and run.transfers)
    run.interrupt("cancel")
    if when == "later":
        run.drain()
        assert _restarts(run) == []
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == ["Canceled"]


@pytest.mark.parametrize("size", [50_000, 3 * PART])
def test_failed_file_that_is_canceled_at_rest_is_marked_in_the_journal(size: int) -> None:
    run = _calm(size=size)
    run.start()
    _until(run, lambda: run.transfers)
    token, _, _ = run.transfers.pop()
    run.take(run.machine.fail(token, RequestRefusedError("no such thing", status=400)))
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    run.interrupt("cancel")
    run.drain()
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.canceled
    assert run.cloud.uploads == {}
    assert not run.journal.held


def _cancel_while_nothing_can_be_aborted(run: Simulation) -> None:
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.cloud.may_abort = False
    run.interrupt("cancel")
    _until(run, lambda: run.was_warned("Abort") and not run.machine.busy)
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.canceled
    assert run.journal.checkpoint.upload_id


def test_abort_that_failed_is_tried_again_with_patience_and_holds_nothing_meanwhile() -> None:
    run = _calm(patience_s=600.0)
    _cancel_while_nothing_can_be_aborted(run)
    assert not run.journal.held
    run.clock.t += 100.0
    for _ in range(20):
        run.step()
    run.cloud.may_abort = True
    run.drain()
    assert run.cloud.uploads == {}
    assert run.journal.checkpoint is not None
    assert not run.journal.checkpoint.upload_id
    assert sum(isinstance(note, fx.Warned) for note in run.notes) == 1


@pytest.mark.parametrize("patience_s", [None, 600.0, 1e9])
def test_abort_is_not_tried_for_ever(patience_s: float | None) -> None:
    run = _calm(patience_s=patience_s)
    _cancel_while_nothing_can_be_aborted(run)
    began_s = run.clock.t
    while run.step():
        assert run.clock.t - began_s < 2000.0
    assert run.clock.t - began_s <= min(patience_s or 0.0, 900.0) + 30.0
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.upload_id


def test_abort_is_not_tried_again_once_the_file_is_wanted() -> None:
    run = _calm(patience_s=600.0)
    _cancel_while_nothing_can_be_aborted(run)
    run.cloud.may_abort = True
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert "Abort" not in _done(run)


def test_abort_is_not_tried_again_once_another_process_has_taken_the_file_up() -> None:
    run = _calm(patience_s=600.0)
    _cancel_while_nothing_can_be_aborted(run)
    run.cloud.may_abort = True
    assert run.journal.checkpoint is not None
    run.journal.checkpoint = replace(run.journal.checkpoint, canceled=False)
    run.drain()
    assert "Abort" not in _done(run)
    assert not run.journal.held


def test_cancel_long_after_asks_get_auth_for_the_permission_to_remove_the_parts() -> None:
    run = _calm(authority="get_auth")
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.interrupt("pause")
    run.drain()
    run.clock.t += 3600.0
    run.interrupt("cancel")
    run.drain()
    assert run.cloud.uploads == {}
    assert not run.was_warned("Abort")


def test_parts_of_an_image_whose_credential_ended_are_left_with_a_warning() -> None:
    run = _calm(media_type=MediaType.IMAGE)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.interrupt("pause")
    run.drain()
    run.clock.t += 3600.0
    run.interrupt("cancel")
    run.drain()
    assert run.was_warned("Abort")
    assert "RefreshVideo" not in _done(run)


@pytest.mark.parametrize("authority", ["own", "get_auth"])
def test_image_that_gets_another_id_says_so(authority: str) -> None:
    run = _calm(media_type=MediaType.IMAGE, size=50_000, authority=authority)
    run.start()
    _until(run, lambda: run.transfers)
    run.interrupt("pause")
    run.drain()
    assert not run.was_warned("Image.Again")
    run.clock.t += 3600.0
    run.heal()
    assert len(run.cloud.assets) == 2
    assert run.was_warned("Image.Again")


@pytest.mark.parametrize("size", [50_000, 3 * PART])
def test_image_that_goes_on_while_its_credential_lives_keeps_its_id(size: int) -> None:
    run = _calm(media_type=MediaType.IMAGE, size=size)
    run.start()
    _until(run, lambda: run.transfers)
    run.interrupt("pause")
    run.drain()
    run.heal()
    assert len(run.cloud.assets) == 1
    assert not run.was_warned("Image.Again")


STORED = {"media_id": "media0", "fingerprint": "v0", "verified": "crc64"}


@pytest.mark.parametrize(
    ("opened", "skip_uploaded", "skipped"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"finished": None}, True, False),
        ({"finished": {**STORED, "fingerprint": "v7"}}, True, False),
        ({"fingerprint_is_strong": False}, True, False),
    ],
    ids=["known", "known, but a new asset is wanted", "unknown", "other bytes", "a weak fingerprint"],
)
def test_file_is_skipped_only_when_the_journal_proves_that_these_bytes_are_stored(
    opened: dict[str, object], skip_uploaded: bool, skipped: bool
) -> None:
    run = _calm()
    run.machine.job = replace(run.machine.job, skip_uploaded=skip_uploaded)
    run.cloud.assets["media0"] = Video("media0", "sv/0.mp4", "")
    run.start()
    _until(run, lambda: _performing(run, fx.OpenEntry))
    answer = replace(fx.Opened("v0", run.plan.size, None, STORED), **opened)  # type: ignore[arg-type]
    run.journal.held = True
    _outcome_of(run, fx.OpenEntry, lambda token: run.machine.succeed(token, answer))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.machine.skipped is skipped
    assert run.sent_bytes == (0 if skipped else run.plan.size)


@pytest.mark.parametrize("expires", ["before it began", "while it is sent"])
def test_patience_is_not_spent_while_the_application_is_asked(expires: str) -> None:
    run = _calm(authority="app", patience_s=600.0)
    ask = run.ask

    def ask_slowly(token: int, expired: object) -> None:
        if expired is not None or expires == "before it began":
            run.clock.t += 1200.0
        ask(token, expired)  # type: ignore[arg-type]

    run.ask = ask_slowly  # type: ignore[method-assign]
    run.start()
    if expires == "while it is sent":
        _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
        run.clock.t += 3001.0
        _until(run, lambda: any(line.endswith("AuthExpiredError") for line in run.log))
    _until(run, lambda: run.transfers and run.machine.grant and run.machine.grant.auth.expires_at_s > run.clock.t)
    for token, _, _ in run.transfers:
        run.take(run.machine.fail(token, ConnectionLostError("reset", was_sent=True)))
    run.transfers.clear()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_keys_that_end_while_a_cancel_is_carried_out_do_not_expire_the_run_that_is_wanted_next() -> None:
    run = _calm(authority="sts")
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes)
    run.interrupt("pause")
    run.drain()
    run.ready()
    run.start()
    _until(run, lambda: _performing(run, fx.RefreshVideo))
    run.interrupt("cancel")
    run.ready()
    run.start()
    expired = AuthExpiredError("the keys ran out", code="InvalidSecurityToken.Expired")
    _outcome_of(run, fx.RefreshVideo, lambda token: run.machine.fail(token, expired))
    assert run.machine.state is UploadState.UPLOADING
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_object_without_a_sum_is_no_conflict_when_the_journal_lost_the_parts() -> None:
    run = _calm(gives_crc=False)
    run.start()
    _until(run, lambda: _performing(run, fx.Complete))
    run.apply(run.performing[0][1])
    run.performing.clear()
    run.kill()
    assert run.journal.checkpoint is not None
    run.journal.checkpoint = replace(run.journal.checkpoint, parts=())  # a power cut took them
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_faults_of_a_part_are_forgiven_when_another_is_accepted() -> None:
    board = Board(Ledger(3 * PART))
    board.plan(PART, ())
    first, second = board.take(0.0), board.take(0.0)
    assert first is not None
    assert second is not None
    assert [board.failed(first) for _ in range(3)] == [1, 2, 3]
    board.part_done(second)
    board.progress()
    assert board.failed(first) == 1


def test_faults_before_progress_do_not_count_against_what_follows() -> None:
    run = _calm(parallel=1)
    run.start()
    for _ in range(3):
        _until(run, lambda: run.transfers)
        token, _, _ = run.transfers.pop()
        run.take(run.machine.fail(token, ServerFaultError("500", status=500)))
        before = run.machine.ledger.accepted_bytes
        _until(run, lambda before=before: run.machine.ledger.accepted_bytes > before)  # type: ignore[misc]
    for _ in range(3):
        _until(run, lambda: _performing(run, fx.Complete))
        _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, ThrottledError("slow down", status=503)))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


@pytest.mark.parametrize("patience_s", [None, 300.0])
def test_answer_of_the_control_plane_forgives_the_faults_before_it(patience_s: float | None) -> None:
    run = _calm(patience_s=patience_s)
    run.start()
    for kind in (fx.CreateVideo, fx.Init):
        for _ in range(3):
            _until(run, lambda kind=kind: _performing(run, kind))  # type: ignore[misc]
            run.clock.t += 80.0
            _outcome_of(run, kind, lambda token: run.machine.fail(token, ThrottledError("slow down", status=503)))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_part_that_fails_after_its_file_was_stopped_is_no_attempt() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.transfers)
    token, _, _ = run.transfers.pop()
    run.interrupt("stop")
    run.take(run.machine.fail(token, ServerFaultError("500", status=500)))
    run.drain()
    assert run.machine.attempts == []
    assert not any(isinstance(note, fx.RetryNote) for note in run.notes)


def test_part_that_arrives_in_the_former_place_is_no_progress_in_the_new_one() -> None:
    run = _calm(size=5 * PART, parallel=2)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART and len(run.transfers) == 2)
    (video,) = run.cloud.assets.values()
    video.key = "sv/elsewhere.mp4"
    run.clock.t += 0.9 * 3000
    run.take(run.machine.refresh_ahead())
    _until(run, lambda: _performing(run, fx.RefreshVideo))
    late = run.transfers.pop()
    (item,) = [item for item in run.performing if isinstance(item[1], fx.RefreshVideo)]
    moved = run.apply(item[1])
    _outcome_of(run, fx.RefreshVideo, lambda token: run.machine.succeed(token, moved))
    _until(run, lambda: _performing(run, fx.SaveCheckpoint))  # the former upload is aborted, the new place noted
    token, effect, _ = late
    assert isinstance(effect, fx.SendPart)
    part = effect.part
    run.take(run.machine.succeed(token, (RemotePart(part.part_number, part.size_bytes, "etag", 1), 1)))
    assert run.machine.ledger.accepted_bytes == 0
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_last_of_many_words_counts() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: _performing(run, fx.Init))
    run.interrupt("cancel")
    run.ready()
    run.start()
    run.interrupt("stop")
    run.drain()
    assert run.machine.state is UploadState.STOPPED
    assert _done(run).count("OpenEntry") == 1
    run.heal()


def test_part_that_is_refused_while_its_credential_is_renewed_waits_a_second() -> None:
    run = _calm(size=3 * PART, parallel=3)
    run.start()
    _until(run, lambda: run.machine.wants_transfer)
    while len(run.transfers) < 3:
        run.take_transfer()
    run.clock.t += 0.85 * 3000.0
    run.take(run.machine.refresh_ahead())
    token, _, _ = run.transfers.pop()
    run.take(run.machine.fail(token, NoSuchUploadError("gone", status=404)))
    assert run.machine.wants_transfer == 0
    run.clock.t += 1.1
    assert run.machine.wants_transfer == 1
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_a_page_that_sends_parts_itself_is_given_no_more_at_a_time_than_it_has_lanes() -> None:
    run = _calm(size=5 * PART, parallel=5)
    run.machine.job = replace(run.machine.job, lanes=2)
    run.start()
    _until(run, lambda: run.machine.wants_transfer)
    assert run.machine.wants_transfer == 2
    run.take_transfer()
    run.take_transfer()
    assert run.machine.wants_transfer == 0
    assert run.machine.next_transfer() is None
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_credential_of_an_image_is_not_renewed_ahead_since_that_would_make_another() -> None:
    run = _calm(media_type=MediaType.IMAGE)
    run.start()
    _until(run, lambda: run.transfers)
    run.clock.t += 0.85 * 3000.0
    assert not run.machine.refresh_due()
    run.drain()
    assert len(run.cloud.assets) == 1


def test_upload_that_is_dropped_beside_an_object_of_an_earlier_version_is_begun_again() -> None:
    run = _calm(size=4 * PART, parallel=1)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.machine.checkpoint = replace(run.machine.checkpoint, completed_before=True)
    (video,) = run.cloud.assets.values()
    run.cloud.objects[video.key] = ((7, 0, 4 * PART, False),)
    run.cloud.uploads.clear()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == ["NoSuchUpload"]


def test_object_of_another_length_without_a_sum_is_no_proof() -> None:
    run = _calm(gives_crc=False)
    run.start()
    _until(run, lambda: _performing(run, fx.Complete))
    (video,) = run.cloud.assets.values()
    run.cloud.objects[video.key] = ((0, 0, 5, False),)
    dropped = ConnectionLostError("dropped before it arrived", was_sent=True)
    _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, dropped))
    run.drain()  # a success is compared with the file by the simulation
    assert run.machine.state is UploadState.SUCCESS
    assert run.sent_bytes == run.plan.size


def test_stored_object_of_another_length_is_sent_again_where_there_are_no_sums() -> None:
    run = _calm(gives_crc=False)
    complete = run.cloud.complete
    cut: list[int] = []

    def lose_the_end(grant: Grant, upload_id: str, parts: tuple[Part, ...]) -> ObjectInfo:
        info = complete(grant, upload_id, parts)
        if not cut:
            cut.append(1)
            run.cloud.objects[grant.address.object] = run.cloud.objects[grant.address.object][:-1]
        return info

    run.cloud.complete = lose_the_end  # type: ignore[method-assign]
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == ["Integrity"]


@pytest.mark.parametrize("is_given", [False, True], ids=["drawn by VOD", "given by the caller"])
def test_uploads_that_nobody_knows_are_swept_only_where_no_other_program_can_have_begun_them(is_given: bool) -> None:
    run = _calm()
    run.cloud.may_list_uploads = True
    run.cloud.uploads["another's"] = Upload("sv/1.mp4")
    run.machine.job = replace(run.machine.job, object="sv/1.mp4" if is_given else None)
    run.start()
    _until(run, lambda: _performing(run, fx.Init))
    lost = ConnectionLostError("lost", was_sent=True)
    _outcome_of(run, fx.Init, lambda token: run.machine.fail(token, lost))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert ("another's" in run.cloud.uploads) is is_given


def test_keys_that_expire_again_and_again_are_not_asked_for_ever() -> None:
    run = _calm(authority="sts")
    run.start()
    expired = AuthExpiredError("the keys ran out", code="InvalidSecurityToken.Expired")
    for _ in range(4):
        _until(run, lambda: _performing(run, fx.CreateVideo))
        _outcome_of(run, fx.CreateVideo, lambda token: run.machine.fail(token, expired))
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert "CreateVideo" not in _done(run)


def test_asset_that_the_application_names_may_hold_something_already() -> None:
    run = _calm(authority="app", gives_crc=False)
    grant = run.cloud.create("")
    run.asset_of_app = grant.media_id
    run.cloud.objects[grant.address.object] = ((7, 0, run.plan.size, False),)
    run.start()
    _until(run, lambda: _performing(run, fx.Complete))
    dropped = ConnectionLostError("dropped before it arrived", was_sent=True)
    _outcome_of(run, fx.Complete, lambda token: run.machine.fail(token, dropped))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert {version for version, *_ in run.cloud.objects[grant.address.object]} == {0}


def test_small_file_is_written_down_twice_before_its_bytes_leave() -> None:
    run = _calm(size=50_000)
    run.start()
    run.drain()
    assert _done(run).count("SaveCheckpoint") == 2  # before it is created, and what it is called


@pytest.mark.parametrize("faults", [1, 2])
def test_parts_of_a_former_version_are_removed_though_the_first_tries_fail(faults: int) -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.interrupt("pause")
    run.drain()
    run.version = 1
    run.bring_on()
    run.bring_on()
    for _ in range(faults):
        _until(run, lambda: _performing(run, fx.Abort))
        _outcome_of(run, fx.Abort, lambda token: run.machine.fail(token, ServerFaultError("500", status=500)))
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert run.cloud.uploads == {}
    assert not run.was_warned("Abort")


def test_file_that_leaves_the_list_keeps_its_entry_while_its_parts_cannot_be_removed() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.cloud.may_abort = False
    run.take(run.machine.interrupt(FileEvent.CANCEL, discard=True))
    run.drain()
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.canceled
    assert run.journal.checkpoint.upload_id in run.cloud.uploads


def test_canceled_file_that_is_wanted_again_is_no_longer_given_up_in_the_journal() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.interrupt("cancel")
    run.drain()
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.canceled
    run.ready()
    run.start()
    _until(run, lambda: run.transfers)
    assert not run.journal.checkpoint.canceled


def test_reference_id_of_an_asset_that_exists_wins_over_a_new_wish() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.transfers)
    run.kill()
    assert run.journal.checkpoint is not None
    under = run.journal.checkpoint.reference_id
    run.machine.job = replace(run.machine.job, reference_id="another-wish")
    run.start()
    _until(run, lambda: run.transfers)
    assert run.journal.checkpoint.reference_id == under
    assert [video.reference_id for video in run.cloud.assets.values()] == [under]


def _refuse_parts(run: Simulation, times: int) -> list[int]:
    """Let Complete say so many times that a part is not the one that it has."""
    complete, refused = run.cloud.complete, []

    def refuse(grant: Grant, upload_id: str, parts: tuple[Part, ...]) -> ObjectInfo:
        if len(refused) < times:
            refused.append(1)
            raise RequestRefusedError("a part is not there", status=400, code="Parts")
        return complete(grant, upload_id, parts)

    run.cloud.complete = refuse  # type: ignore[method-assign]
    return refused


def test_parts_that_complete_refuses_are_begun_again_where_nobody_may_list_them() -> None:
    run = _calm(may_list=False)
    _refuse_parts(run, 1)
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert _restarts(run) == ["Parts"]
    assert run.cloud.uploads == {}


@pytest.mark.parametrize("may_abort", [True, False])
def test_parts_that_are_refused_after_the_list_was_read_do_not_hold_up_the_next_try(may_abort: bool) -> None:
    run = _calm()
    run.cloud.may_abort = may_abort
    _refuse_parts(run, 2)
    run.start()
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert run.machine.error is not None
    assert run.machine.error.code == "Parts"
    assert run.machine.checkpoint.upload_id == ""
    assert bool(run.cloud.uploads) is not may_abort
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS


def test_upload_id_that_a_killed_process_left_is_made_durable_before_a_byte_goes_under_it() -> None:
    run = _calm()
    run.start()
    _until(run, lambda: run.transfers)
    run.kill()
    before = len(run.log)
    run.start()
    _until(run, lambda: run.transfers)
    upload_id = run.machine.checkpoint.upload_id
    assert any("done" in line and "SaveCheckpoint" in line and upload_id in line for line in run.log[before:])


@pytest.mark.parametrize("authority", ["own", "get_auth"])
def test_image_whose_credential_ends_while_its_parts_are_removed_makes_no_other_image(authority: str) -> None:
    run = _calm(media_type=MediaType.IMAGE, authority=authority)
    run.start()
    _until(run, lambda: run.machine.ledger.accepted_bytes >= PART)
    run.interrupt("cancel")
    _until(run, lambda: _performing(run, fx.Abort))
    run.clock.t += 3600.0
    run.drain()
    assert run.was_warned("Abort")
    assert len(run.cloud.assets) == 1


@pytest.mark.parametrize("renewal", ["good", "bad"])
def test_credential_that_ends_while_it_is_renewed_ahead_sends_no_more_parts(renewal: str) -> None:
    run = _calm(size=12 * PART)
    run.start()
    _until(run, lambda: len(run.transfers) == 3)
    run.clock.t += 0.85 * 3000.0
    run.take(run.machine.refresh_ahead())
    _until(run, lambda: _performing(run, fx.RefreshVideo))
    run.clock.t += 3000.0  # the answer takes long, and the credential ends meanwhile
    while run.transfers or run.outcomes or run.machine.wants_transfer:
        for _ in run.transfers[:]:
            run.send(run.transfers[0])
        for outcome in run.outcomes[:]:
            run.deliver(outcome)
        if run.machine.wants_transfer:
            run.take_transfer()
        assert sum("AuthExpiredError" in line for line in run.log) <= 3
    if renewal == "bad":
        _outcome_of(run, fx.RefreshVideo, lambda token: run.machine.fail(token, ServerFaultError("503", status=503)))
        assert run.machine.wants_transfer == 0
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert sum("AuthExpiredError" in line for line in run.log) <= 3


# ---- the cover


def _fail_cover(run: Simulation, kind: type[fx.Effect]) -> None:
    _until(run, lambda: _performing(run, kind))
    _outcome_of(run, kind, lambda token: run.machine.fail(token, ServerFaultError("503", status=503)))


def test_cover_whose_bytes_fail_is_sent_again_under_the_same_id() -> None:
    run = _calm(cover=True)
    run.start()
    for _ in range(3):
        _fail_cover(run, fx.PutCover)
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert len(run.cloud.covers) == 1


def test_cover_whose_create_gets_no_answer_is_created_once_more_and_said() -> None:
    run = _calm(cover=True)
    run.start()
    _fail_cover(run, fx.CreateCover)
    assert run.was_warned("Image.Unknown")
    _fail_cover(run, fx.CreateCover)
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert "CreateCover" not in _done(run)


def test_cover_whose_credential_ends_gets_a_second_id_and_never_a_third() -> None:
    run = _calm(cover=True)
    run.start()
    for _ in range(2):
        _until(run, lambda: _performing(run, fx.PutCover))
        run.clock.t += 3001.0
        _until(run, lambda: not _performing(run, fx.PutCover))
    run.drain()
    assert run.machine.state is UploadState.FAILURE
    assert len(run.cloud.covers) == 2
    run.heal()


@pytest.mark.parametrize("order", ["cancel", "stop", "pause"])
def test_cover_that_is_broken_off_by_an_order_is_not_sent_again(order: str) -> None:
    run = _calm(cover=True)
    run.start()
    _until(run, lambda: _performing(run, fx.PutCover))
    run.interrupt(order)
    run.drain_threads()
    run.drain()
    assert any("broken off" in line for line in run.log)
    assert "PutCover" not in _done(run)
    assert run.machine.state in {UploadState.CANCELED, UploadState.STOPPED}
    run.heal()
    assert len(run.cloud.covers) == 1


def test_cover_that_a_late_order_breaks_off_is_sent_when_the_file_is_wanted_again() -> None:
    run = _calm(cover=True)
    run.start()
    _until(run, lambda: _performing(run, fx.PutCover))
    run.interrupt("stop")
    run.drain_threads()
    run.ready()
    run.start()
    run.drain()
    assert run.machine.state is UploadState.SUCCESS
    assert len(run.cloud.covers) == 1
