"""How much is said, and that the truth always arrives."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from tests.widget.fakes import FakeUploader, Mirror, Rig, failure
from tests.widget.test_pages import OFFER
from vod_widget import events
from vod_widget.errors import ConnectionLostError, LockedError
from vod_widget.model import Phase, UploaderState, UploadState

FAULT_KIND = "W"


def looking(rig: Rig, count: int = 20, **view: Any) -> None:
    rig.hello()
    rig.data(
        "view",
        **{"first": 0, "count": count, "filter": "all", "search": "", "sort": "queue", "descending": False, **view},
    )
    rig.run(0.2)
    rig.screen.messages.clear()
    rig.screen.traits.clear()


def said(rig: Rig) -> list[dict[str, Any]]:
    return rig.screen.of("snapshot", "rows", "note")


def test_nothing_is_said_and_nothing_is_due_while_nothing_happens(rig: Rig) -> None:
    rig.uploader.add_many(10)
    looking(rig)
    rig.run(10.0)
    rig.screen.messages.clear()
    asked = rig.uploader.file_snapshots
    assert rig.publisher.step() is None
    rig.clock.advance(3600)
    assert rig.publisher.step() is None
    assert (said(rig), rig.uploader.file_snapshots) == ([], asked)


def test_only_changed_rows_of_the_window_are_sent(rig: Rig) -> None:
    ids = rig.uploader.add_many(100)
    looking(rig)
    rig.uploader.put(ids[3], state=UploadState.UPLOADING)
    rig.uploader.put(ids[50], state=UploadState.UPLOADING)
    rig.run(0.5)
    [message] = rig.screen.of("rows")
    assert [row["file_id"] for row in message["rows"]] == [ids[3]]
    assert message["summary"]["counts"]["uploading"] == 2


def test_files_whose_event_was_lost_are_found_while_others_change_without_a_pause(rig: Rig) -> None:
    ids = rig.uploader.add_many(10)
    looking(rig)
    rig.uploader.add_many(5, quiet=True)
    for tick in range(40):
        rig.uploader.put(ids[tick % 10], state=UploadState.UPLOADING, sent_bytes=tick)
        rig.run(0.1)
    assert rig.screen.of("snapshot", "rows")[-1]["summary"]["total"] == 15


def test_a_file_that_enters_or_leaves_the_window_makes_a_snapshot(rig: Rig) -> None:
    ids = rig.uploader.add_many(30)
    looking(rig)
    rig.uploader.delete_file(rig.uploader.infos[ids[0]])
    rig.run(0.5)
    [message] = said(rig)
    assert message["kind"] == "snapshot"
    assert [row["file_id"] for row in message["rows"]] == ids[1:21]


def test_who_scrolls_need_not_wait_for_the_pace_of_the_bars(rig: Rig) -> None:
    [file_id, *_] = rig.uploader.add_many(100)
    looking(rig)
    rig.uploader.put(file_id, state=UploadState.UPLOADING)
    while not said(rig):
        rig.run(0.02)  # until the bars were shown just now
    began_s = rig.clock.at_s
    for first in (20, 40):
        rig.say({"kind": "view", "id": first, "first": first, "count": 20, "filter": "all", "search": "", "sort": "queue",
                 "descending": False})  # fmt: skip
        rig.run()
        assert len(rig.screen.of("snapshot")) == 1, "the next one waits a tenth of a second"
    assert rig.clock.at_s == began_s


def test_the_end_of_a_file_need_not_wait_for_the_pace_of_its_bar(rig: Rig) -> None:
    [file_id] = rig.uploader.add_many(1)
    looking(rig)
    rig.uploader.put(file_id, state=UploadState.UPLOADING)
    rig.run(1.0)
    rig.uploader.put(file_id, sent_bytes=10)
    rig.screen.messages.clear()
    while not said(rig):
        rig.run(0.02)  # until the bar was shown just now
    rig.screen.messages.clear()
    rig.uploader.put(file_id, state=UploadState.SUCCESS)
    rig.run(0.12)
    assert [row["state"] for message in rig.screen.of("rows", "snapshot") for row in message["rows"]] == ["Success"]


def test_a_filter_follows_the_states(rig: Rig) -> None:
    ids = rig.uploader.add_many(30)
    looking(rig, filter="done")
    rig.uploader.put(ids[7], state=UploadState.SUCCESS, video_id="v7")
    rig.run(1.0)
    snapshot = rig.screen.of("snapshot")[-1]
    assert (snapshot["matching"], [row["video_id"] for row in snapshot["rows"]]) == (1, ["v7"])


def test_a_view_beyond_the_end_is_empty_and_says_how_many_there_are(rig: Rig) -> None:
    rig.uploader.add_many(5)
    looking(rig)
    rig.data("view", first=1000, count=20, filter="all", search="", sort="queue", descending=False)
    rig.run(0.2)
    message = rig.screen.of("snapshot")[-1]
    assert (message["first"], message["matching"], message["rows"]) == (1000, 5, [])


def test_sequence_numbers_grow_by_one(rig: Rig) -> None:
    ids = rig.uploader.add_many(30)
    looking(rig)
    for number in range(40):
        rig.uploader.put(ids[number % 30], sent_bytes=number * 1000)
        rig.run(0.3)
    numbers = [m["seq"] for m in rig.screen.of("snapshot", "rows")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 10


def storm(rig: Rig, ids: list[str], seconds: float, changes_per_s: int) -> list[tuple[float, dict[str, Any]]]:
    """Change files at random for a while; return what was sent and when."""
    chance = random.Random(7)
    sent: list[tuple[float, dict[str, Any]]] = []
    step_s = 0.02
    for _ in range(int(seconds / step_s)):
        for _ in range(int(changes_per_s * step_s)):
            file_id = chance.choice(ids)
            info = rig.uploader.infos[file_id]
            if info.state == UploadState.READY:
                rig.uploader.put(file_id, state=UploadState.UPLOADING, phase=Phase.SENDING)
            elif chance.random() < 0.1:
                rig.uploader.put(file_id, state=UploadState.SUCCESS, video_id="v" * 32)
            else:
                rig.uploader.put(file_id, sent_bytes=min(info.size_bytes, info.sent_bytes + 10_000))
        before = len(rig.screen.messages), len(rig.screen.traits)
        rig.run(step_s)
        sent += [(rig.clock.at_s, m) for m in rig.screen.messages[before[0] :]]
        sent += [(rig.clock.at_s, {"kind": "traits", **t}) for t in rig.screen.traits[before[1] :]]
    return sent


@pytest.mark.slow
def test_f142_f143_ten_thousand_files_cost_at_most_twenty_messages_and_a_hundred_kilobytes_a_second(rig: Rig) -> None:
    ids = rig.uploader.add_many(10_000, quiet=True)
    rig.uploader.turn(UploaderState.START)
    looking(rig, count=30)
    asked = rig.uploader.snapshots
    sent = storm(rig, ids, seconds=5.0, changes_per_s=1000)
    for second in range(5):
        begin_s = sent[0][0] + second
        window = [m for at_s, m in sent if begin_s <= at_s < begin_s + 1.0]
        assert len(window) <= 20
        assert sum(len(json.dumps(m)) for m in window) <= 100_000
    assert rig.uploader.snapshots == asked, "a full snapshot costs O(files) and must stay the exception"


@pytest.mark.slow
def test_f142_a_quiet_widget_beside_many_sends_at_most_four_messages_a_second(rig: Rig) -> None:
    ids = rig.uploader.add_many(1_000, quiet=True)
    rig.uploader.turn(UploaderState.START)
    looking(rig, count=12)
    sent = storm(rig, ids, seconds=10.0, changes_per_s=100)
    assert len(sent) <= 4 * 10 + 4


@pytest.mark.slow
def test_large_windows_stay_within_the_bytes_as_well(rig: Rig) -> None:
    ids = rig.uploader.add_many(200, quiet=True)
    rig.uploader.turn(UploaderState.START)
    looking(rig, count=200)
    sent = storm(rig, ids, seconds=10.0, changes_per_s=2000)
    assert sum(len(json.dumps(m)) for _, m in sent) <= 10 * 100_000


@pytest.mark.parametrize("seed", range(8))
def test_f138_the_last_state_arrives_whatever_was_lost(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    ids = rig.uploader.add_many(25)
    looking(rig, count=25)
    page, seen = Mirror(), 0
    rig.uploader.turn(UploaderState.START)
    for number in range(60):
        file_id = chance.choice(ids)
        rig.uploader.put(file_id, state=chance.choice([UploadState.UPLOADING, UploadState.SUCCESS]))
        if number == 59:
            rig.uploader.turn(UploaderState.END)
        rig.run(chance.choice([0.0, 0.05, 0.5]))
        for message in rig.screen.messages[seen:]:
            if chance.random() < 0.5:
                page.take(message)
        seen = len(rig.screen.messages)
    rig.run(5.0)
    # The one that repeats the final truth gets through.
    page.take(rig.screen.of("snapshot", "rows")[-1])
    assert {f: r["state"] for f, r in page.rows.items()} == {f: str(i.state) for f, i in rig.uploader.infos.items()}
    assert page.summary["state"] == "End"
    assert rig.screen.traits[-1]["state"] == "End"
    assert rig.screen.traits[-1]["done"] == page.summary["done"]


def test_the_end_is_repeated_once_as_a_snapshot(rig: Rig) -> None:
    [only] = rig.uploader.add_many(1)
    looking(rig)
    rig.uploader.put(only, state=UploadState.SUCCESS)
    rig.run(20.0)
    assert [m["kind"] for m in rig.screen.of("rows", "snapshot")] == ["rows", "snapshot"]


def test_f137_after_a_failed_send_the_next_message_is_a_snapshot(rig: Rig) -> None:
    ids = rig.uploader.add_many(5)
    looking(rig)
    rig.screen.fail = True
    rig.uploader.put(ids[0], state=UploadState.UPLOADING)
    rig.run(3.0)
    rig.screen.fail = False
    rig.run(3.0)
    last = rig.screen.of("snapshot")[-1]
    assert last["rows"][0]["state"] == "Uploading"


def test_f137_a_dead_front_end_costs_a_send_a_second_at_most(rig: Rig) -> None:
    ids = rig.uploader.add_many(5)
    looking(rig)
    rig.screen.fail = True
    rig.uploader.put(ids[0], state=UploadState.UPLOADING)
    before = rig.screen.attempts
    rig.run(30.0)
    assert rig.screen.attempts - before <= 2 * 31


def test_no_page_no_rows_but_traits(rig: Rig) -> None:
    ids = rig.uploader.add_many(3)
    rig.uploader.put(ids[0], state=UploadState.SUCCESS)
    rig.run(2.0)
    assert said(rig) == []
    assert (rig.screen.traits[-1]["done"], rig.screen.traits[-1]["total"]) == (1, 3)


def test_a_silent_page_gets_no_rows_until_it_speaks_again(rig: Rig) -> None:
    ids = rig.uploader.add_many(3)
    looking(rig)
    rig.run(60.0)
    rig.screen.messages.clear()
    rig.uploader.put(ids[0], state=UploadState.UPLOADING)
    rig.run(2.0)
    assert said(rig) == []
    rig.data("ping")
    rig.run(0.2)
    assert rig.screen.of("snapshot")[-1]["rows"][0]["state"] == "Uploading"


def test_a_state_of_the_queue_shows_at_once_in_the_traits(rig: Rig) -> None:
    rig.uploader.add_many(1)
    rig.run(1.5)
    rig.uploader.turn(UploaderState.START)
    rig.run(0.5)
    assert rig.screen.traits[-1]["state"] == "Start"


def test_notes_are_gathered(rig: Rig) -> None:
    ids = rig.uploader.add_many(12)
    looking(rig)
    for file_id in ids[:10]:
        rig.uploader.put(file_id, state=UploadState.SUCCESS)
    rig.uploader.put(ids[10], **failure(ConnectionLostError("lost")))
    rig.run(3.0)
    notes = {m["code"]: m["facts"] for m in rig.screen.of("note")}
    assert notes["file_done"]["count"] == 10
    assert notes["file_failed"] == {
        "name": "clip-00010.mp4",
        "code": "Network.Lost",
        "message": "lost",
        "count": 1,
    }


@pytest.mark.parametrize(("reload_ends", "failed", "notes"), [(True, 0, []), (False, 1, ["Locked"])])
def test_a_file_that_the_kernel_of_the_page_before_holds_waits_and_has_not_failed(
    reload_ends: bool, failed: int, notes: list[str]
) -> None:
    rig = Rig(reload_ends=reload_ends)
    looking(rig)
    [added] = rig.data("offer_files", files=[OFFER])["added"]
    rig.run(0.5)
    rig.uploader.put(added["file_id"], **failure(LockedError("held")))
    rig.run(4.0)
    summary = said(rig)[-1]["summary"]
    assert (summary["failed"], summary["left"], summary["counts"]["ready"]) == (failed, 1 - failed, 1 - failed)
    assert summary["causes"] == [("Locked", "held", 1)][:failed]
    assert [note["facts"]["code"] for note in rig.screen.of("note")] == notes
    rig.screen.messages.clear()
    rig.run(10.0)
    assert [m for m in said(rig) if m["kind"] == "snapshot"] == [], "the numbers of the core and ours do not quarrel"


def test_results_follow_ends_and_restarts(rig: Rig) -> None:
    a, b = rig.uploader.add_many(2)
    rig.run(0.5)
    rig.uploader.put(a, state=UploadState.SUCCESS)
    rig.uploader.put(b, **failure(ConnectionLostError("lost")))
    rig.run(1.0)
    assert rig.screen.ended == [a, b] or rig.screen.ended == [b, a]
    rig.uploader.put(b, state=UploadState.READY, error=None)
    rig.run(1.0)
    assert rig.screen.gone == [b]


def test_f143_a_flood_of_new_files_asks_for_the_list_once_not_for_each(rig: Rig) -> None:
    looking(rig)
    asked = rig.uploader.file_snapshots
    rig.uploader.add_many(10_000)
    rig.run(1.0)
    assert rig.uploader.file_snapshots - asked < 200
    assert rig.screen.of("snapshot")[-1]["matching"] == 10_000


def test_an_event_of_an_unknown_file_harms_nothing(rig: Rig) -> None:
    rig.uploader.add_many(1)
    looking(rig)
    rig.uploader.emit(events.StateChanged, "ghost", state="Uploading", phase="")
    rig.run(1.0)
    assert all(m["summary"]["total"] == 1 for m in rig.screen.of("rows", "snapshot"))


def test_a_core_that_raises_does_not_end_the_thread() -> None:
    from tests.helpers.until import until

    rig = Rig()
    rig.uploader.add_many(1)
    rig.publisher._clock = rig.uploader.clock = Steady()  # type: ignore[assignment]
    asked: list[int] = []

    def not_yet() -> Any:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("not now")
        return FakeUploader.totals(rig.uploader)

    rig.uploader.totals = not_yet  # type: ignore[method-assign]
    rig.publisher.start()
    until(lambda: asked, "the publisher asked")
    rig.uploader.put("f000001", state=UploadState.SUCCESS)
    until(lambda: any(t["done"] == 1 for t in rig.screen.traits), "the publisher went on")
    rig.publisher.close()


class Steady:
    """The machine's clock."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()
