"""Kills, cancels, a full disk and odd sizes at every point of one file, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fault.scripted import PART, Scripted
from vod_widget import effects as fx
from vod_widget.errors import ConnectError, JournalError
from vod_widget.model import UploadState

FAULT_KIND = "S"
SIZE = 3 * PART + 5
PARALLEL = 3

# Every effect that leaves something behind or asks for something, in the order of a file's run.
POINTS: list[type[fx.Effect]] = [
    fx.OpenEntry,
    fx.SaveCheckpoint,
    fx.CreateVideo,
    fx.Init,
    fx.SendPart,
    fx.CheckSource,
    fx.Complete,
    fx.CloseEntry,
]


def at(run: Scripted, kind: type[fx.Effect], nth: int = 1) -> tuple[int, fx.Effect, list[bool]]:
    """Go on until the nth effect of a kind is asked for and not done."""
    run.wants()
    run.until(lambda: run.done[kind] >= nth - 1 and waiting(run, kind) is not None)
    found = waiting(run, kind)
    assert found is not None
    return found


def waiting(run: Scripted, kind: type[fx.Effect]) -> tuple[int, fx.Effect, list[bool]] | None:
    return next((item for item in (*run.performing, *run.transfers) if isinstance(item[1], kind)), None)


def kill(run: Scripted, has_effect: bool, item: tuple[int, fx.Effect, list[bool]] | None = None) -> None:
    """Kill the process; the request under way had its effect, or not."""
    if item is not None and has_effect:
        run.apply(item[1])
    run.kills += 1
    run.new_machine()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("has_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", POINTS, ids=lambda kind: kind.__name__)
def test_f112_a_kill_before_or_after_any_effect_costs_the_parts_in_flight(
    kind: type[fx.Effect], has_effect: bool, seed: int
) -> None:
    run = Scripted(seed, size=SIZE)
    item = at(run, kind)
    kill(run, has_effect, item)
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.SUCCESS
    assert len(run.cloud.assets) == 1
    assert len(run.cloud.objects) == 1
    assert run.sent_bytes <= SIZE + PARALLEL * PART
    if kind in {fx.Complete, fx.CloseEntry}:
        assert run.sent_bytes == SIZE
    assert [u for u in run.cloud.uploads.values() if u.parts] == []


@pytest.mark.parametrize("nth", [2, 3])
@pytest.mark.parametrize("has_effect", [False, True], ids=["before", "after"])
def test_f112_a_kill_at_the_later_checkpoints_and_parts(nth: int, has_effect: bool) -> None:
    for kind in (fx.SaveCheckpoint, fx.SendPart):
        for seed in range(4):
            run = Scripted(seed, size=SIZE)
            kill(run, has_effect, at(run, kind, nth))
            run.succeeds(resent=PARALLEL * PART)


@pytest.mark.parametrize("seed", range(20))
def test_f113_twenty_kills_in_a_row(seed: int) -> None:
    run = Scripted(seed, size=SIZE)
    for number in range(20):
        run.wants()
        for _ in range(run.rng.randrange(1, 40)):
            if not run.step():
                break
        if run.machine.state is UploadState.SUCCESS and not run.machine.busy:
            break
        item = next(iter((*run.performing, *run.transfers)), None)
        kill(run, bool(number % 2), item)
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.SUCCESS
    assert len(run.cloud.assets) == 1
    assert run.sent_bytes <= SIZE + run.kills * PARALLEL * PART


def run_to(run: Scripted, kind: type[fx.Effect], nth: int = 1) -> None:
    at(run, kind, nth)


def run_to_wait(run: Scripted) -> None:
    run.spoil(fx.Init, lambda: ConnectError("away", was_sent=False), times=2)
    run.wants()
    run.until(lambda: str(run.machine.phase) == "waiting")


def run_to_expiry(run: Scripted) -> None:
    from vod_widget.errors import AuthExpiredError

    run.spoil(fx.SendPart, lambda: AuthExpiredError("ran out", code="SecurityTokenExpired"), part=2)
    run.wants()
    run.until(lambda: waiting(run, fx.RefreshVideo) is not None)


def run_and_stop(run: Scripted) -> None:
    at(run, fx.SendPart, 2)
    run.interrupt("stop")
    run.to_rest()


def run_and_fail(run: Scripted) -> None:
    from vod_widget.errors import AccessDeniedError

    run.spoil(fx.SendPart, lambda: AccessDeniedError("no", status=403), part=3, times=None)
    run.wants()
    run.to_rest()
    assert run.machine.state is UploadState.FAILURE
    run.rules.clear()


CANCEL_AT: dict[str, Callable[[Scripted], None]] = {
    "ready": lambda run: None,
    "opening": lambda run: run_to(run, fx.OpenEntry),
    "writing the reference id": lambda run: run_to(run, fx.SaveCheckpoint),
    "creating": lambda run: run_to(run, fx.CreateVideo),
    "initiating": lambda run: run_to(run, fx.Init),
    "sending the first part": lambda run: run_to(run, fx.SendPart),
    "sending the last part": lambda run: run_to(run, fx.SendPart, 4),
    "looking at the source": lambda run: run_to(run, fx.CheckSource),
    "waiting for a retry": run_to_wait,
    "expired": run_to_expiry,
    "stopped": run_and_stop,
    "failed": run_and_fail,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("state", CANCEL_AT)
def test_f122_a_cancel_in_each_of_twelve_states_is_at_once_and_leaves_no_parts(state: str, seed: int) -> None:
    run = Scripted(seed, size=SIZE)
    CANCEL_AT[state](run)
    began = run.clock.t
    run.interrupt("cancel")
    assert run.machine.state is UploadState.CANCELED, "before anything else is asked of the network"
    assert run.clock.t == began
    run.to_rest()
    assert run.machine.state is UploadState.CANCELED
    assert [note for note in run.notes if isinstance(note, fx.Canceled)] == [fx.Canceled()]
    assert [u for u in run.cloud.uploads.values() if u.parts] == []
    if state == "ready":
        return
    run.ready()
    run.succeeds(resent=SIZE, videos=max(1, len(run.cloud.assets)))
    assert len(run.cloud.assets) == 1, "wanted again, it is the same video"


@pytest.mark.parametrize("seed", range(4))
def test_f123_a_cancel_without_a_network_is_carried_out_after_a_restart(seed: int) -> None:
    run = Scripted(seed, size=SIZE)
    at(run, fx.SendPart, 3)
    run.spoil(fx.Abort, lambda: ConnectError("away", was_sent=False), times=None)
    run.interrupt("cancel")
    run.to_rest()
    assert run.machine.state is UploadState.CANCELED
    tombstone = run.journal.checkpoint
    assert tombstone is not None
    assert tombstone.canceled
    assert tombstone.upload_id in run.cloud.uploads
    run.rules.clear()
    kill(run, has_effect=False)
    # What `resume` does with a tombstone: the file comes back as canceled, to be cleaned up.
    run.machine.checkpoint = tombstone
    run.machine._known_before = True
    run.interrupt("cancel")
    run.to_rest()
    assert run.cloud.uploads == {}


@pytest.mark.parametrize("failures", [1, 3, 4])
@pytest.mark.parametrize("patience_s", [None, 600.0])
def test_f84_f122_a_cancel_whose_journal_cannot_be_read_is_tried_again_and_else_said(
    failures: int, patience_s: float | None
) -> None:
    run = Scripted(size=SIZE, patience_s=patience_s)
    at(run, fx.SendPart, 3)
    run.interrupt("pause")
    run.to_rest()
    run.spoil(fx.OpenEntry, lambda: JournalError("an error of the disk"), times=failures)
    run.interrupt("cancel")
    run.to_rest()
    assert run.machine.state is UploadState.CANCELED
    carried_out = failures < 3 or patience_s is not None
    assert bool(run.cloud.uploads) is not carried_out
    assert run.warned == ["Abort"] * (failures >= 3)
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.canceled is carried_out
    assert not run.journal.held


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [fx.Complete, fx.CloseEntry, fx.Head])
def test_f124_a_cancel_that_races_with_the_end_is_one_of_both_and_says_what_is_stored(
    kind: type[fx.Effect], seed: int
) -> None:
    run = Scripted(seed, size=SIZE)
    if kind is fx.Head:
        run.change(fx.Complete, lambda info: None)  # without a sum in its answer, the object is asked for
    at(run, kind)
    run.interrupt("cancel")
    run.to_rest()
    endings = [type(note).__name__ for note in run.notes if isinstance(note, fx.Succeeded | fx.Canceled | fx.Failed)]
    assert len(endings) == 1
    if endings == ["Canceled"]:
        assert run.machine.state is UploadState.CANCELED
        if run.cloud.objects:
            assert "Stored" in run.warned
    else:
        assert endings == ["Succeeded"]
        assert run.machine.state is UploadState.SUCCESS
    assert [u for u in run.cloud.uploads.values() if u.parts] == []


@pytest.mark.parametrize("seed", range(4))
def test_f84_a_journal_that_loses_every_part_costs_bytes_and_nothing_else(seed: int) -> None:
    """Checkpoints get through, lines of parts never do; then the process is killed."""
    run = Scripted(seed, size=SIZE)
    real = run.apply

    def apply(effect: fx.Effect) -> Any:
        return None if isinstance(effect, fx.SavePart) else real(effect)

    run.apply = apply  # type: ignore[method-assign]
    at(run, fx.SendPart, 3)
    assert run.journal.checkpoint is not None
    assert run.journal.checkpoint.parts == ()
    kill(run, has_effect=True, item=waiting(run, fx.SendPart))
    run.apply = real  # type: ignore[method-assign]
    run.succeeds(resent=SIZE)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_f84_a_checkpoint_that_cannot_be_written_is_waited_for_and_nothing_passes_it(nth: int) -> None:
    run = Scripted(size=SIZE)
    rule = run.spoil(fx.SaveCheckpoint, lambda: JournalError("no space"), nth=nth, times=2)
    run.succeeds()  # the simulator itself refuses a part, or a create, that is not written down
    assert rule.fired == 2
    assert len(run.retries) == 2


def test_f84_a_disk_that_stays_full_is_the_files_failure() -> None:
    run = Scripted(size=SIZE)
    run.spoil(fx.SaveCheckpoint, lambda: JournalError("no space"), times=None)
    run.fails("Journal.Write")
    assert run.cloud.assets == {}


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 2 * PART])
@pytest.mark.parametrize("seed", range(3))
def test_f108_every_size_around_a_part_is_sent_whole(size: int, seed: int) -> None:
    run = Scripted(seed, size=size)
    run.succeeds()
    assert run.sent_bytes == size
    assert run.count(fx.SendObject) == (1 if size <= PART else 0)
    (pieces,) = run.cloud.objects.values()
    assert sum(end - start for _, start, end, _ in pieces) == size


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hours", [0.2, 8, 48])
def test_f81_f121_a_machine_that_sleeps_in_mid_upload_wakes_up_with_a_new_credential(hours: float, seed: int) -> None:
    run = Scripted(seed, size=SIZE)
    at(run, fx.SendPart, 2)
    run.clock.t += hours * 3600
    run.succeeds(resent=PARALLEL * PART)
    assert run.count(fx.RefreshVideo) == (1 if hours > 0.7 else 0)


@pytest.mark.slow
def test_f144_the_largest_file_has_ten_thousand_parts_at_most() -> None:
    """What the machine keeps for each is a number of fields; the rest of the memory is k parts, which `parallel` says."""
    size = 48_800_000_000_000
    run = Scripted(size=size)
    run.say = lambda *_: None  # type: ignore[method-assign]
    run.wants()
    run.to_rest(400_000)
    assert run.machine.state is UploadState.SUCCESS
    (pieces,) = run.cloud.objects.values()
    assert 5_000 < len(pieces) <= 10_000
    assert sum(end - start for _, start, end, _ in pieces) == size
