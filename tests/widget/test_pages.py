"""Whose file is whose, and what a reload does to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.until import until
from tests.widget.fakes import Rig, failure
from tests.widget.test_browser_source import Reading
from vod_widget.errors import InvalidStateError, RetriesExhaustedError, SourceDetachedError
from vod_widget.model import UploaderState, UploadState
from vod_widget.sources.pace import FIRST_SLICE_BYTES
from vod_widget.widget.policy import Policy

FAULT_KIND = "W"

OFFER = {"client_id": "c1", "name": "talk.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": "video/mp4"}


def offer(rig: Rig, token: str = "", kind: str = "offer_files", **changes: Any) -> dict[str, Any]:
    keys: dict[str, Any] = {"files": [{**OFFER, **changes}]}
    if token:
        keys["token"] = token
    return rig.data(kind, **keys)


def source_of(rig: Rig, file_id: str) -> Any:
    return rig.uploader.infos[file_id].raw


def read_all(rig: Rig, file_id: str) -> Reading:
    source = source_of(rig, file_id)
    before = pulls(rig)
    reading = Reading(source, 0, source.size_bytes)
    until(lambda: pulls(rig) - before, "the page is asked for the slice")
    return reading


def pulls(rig: Rig) -> set[tuple[str, int]]:
    """Which slices pages were asked for; a read asks in a thread of its own."""
    rig.run()
    return {(pull["file_id"], pull["pull_id"]) for pull in rig.screen.of("pull")}


def feed(rig: Rig, token: str, data: bytes = b"12345") -> dict[str, Any]:
    pull = rig.screen.of("pull")[-1]
    keys = {name: pull[name] for name in ("file_id", "pull_id", "offset")}
    return rig.ask("slice", [memoryview(data)], token=token, **keys)


def test_an_offered_file_is_pulled_and_fed(rig: Rig) -> None:
    token = rig.hello()["token"]
    [added] = offer(rig, token)["added"]
    assert (added["client_id"], added["name"]) == ("c1", "talk.mp4")
    reading = read_all(rig, added["file_id"])
    assert rig.screen.of("pull")[-1] == {
        "kind": "pull",
        "file_id": added["file_id"],
        "pull_id": 0,
        "offset": 0,
        "length": 5,
    }
    assert feed(rig, token)["ok"] is True
    assert reading.ended().result == b"12345"


def test_no_pull_leaves_before_the_answer_that_names_the_file(rig: Rig) -> None:
    token = rig.hello()["token"]
    real = rig.uploader.add_file
    readings: list[Reading] = []

    def add_and_read_at_once(file: Any, **metadata: Any) -> Any:
        info = real(file, **metadata)
        readings.append(Reading(file, 0, 5))
        until(lambda: file._slices.reads, "the engine reads at once")
        return info

    rig.uploader.add_file = add_and_read_at_once  # type: ignore[method-assign]
    offer(rig, token)
    until(lambda: rig.publisher._outbox or rig.screen.of("pull"), "the pull is posted")
    rig.run()
    kinds = [m["kind"] for m in rig.screen.messages]
    assert kinds.index("pull") > max(n for n, kind in enumerate(kinds) if kind == "answer")
    feed(rig, token)
    assert readings[0].ended().result == b"12345"


def test_s17_another_page_may_not_feed_nor_spoil_a_file(rig: Rig) -> None:
    mine, other = rig.hello()["token"], rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    reading = read_all(rig, added["file_id"])
    assert feed(rig, other, b"EVIL!")["error"]["code"] == "Owner"
    assert feed(rig, "made-up", b"EVIL!")["error"]["code"] == "Owner"
    pull = {"file_id": added["file_id"], "pull_id": 0}
    assert rig.code("slice_error", token=other, reason="changed", **pull) == "Owner"
    feed(rig, mine)
    assert reading.ended().result == b"12345"


def test_s17_a_public_page_may_not_touch_another_page_s_file() -> None:
    rig = Rig(policy=Policy.public())
    mine, other = rig.hello()["token"], rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    keys = {"file_ids": [added["file_id"]]}
    assert rig.code("remove", token=other, **keys) == "Owner"
    assert rig.code("remove", **keys) == "Owner", "with two pages, one that does not say who it is owns nothing"
    assert rig.data("clear", which="all", token=mine) == {"removed": 1}


def test_a_public_page_may_take_its_own_file_off_the_list_once_it_is_stored() -> None:
    rig = Rig(policy=Policy.public())
    mine, other = rig.hello()["token"], rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    rig.uploader.put(added["file_id"], state=UploadState.SUCCESS)
    keys = {"file_ids": [added["file_id"]]}
    assert rig.code("remove", token=other, **keys) == "Owner"
    assert rig.code("clear", which="done", token=other) == "Owner"
    assert rig.data("remove", token=mine, **keys) == {"changed": 1}


def test_equal_files_of_one_message_are_two_files(rig: Rig) -> None:
    token = rig.hello()["token"]
    looks = {"name": "a.mp4", "size_bytes": 5, "last_modified_ms": 1, "type": "video/mp4", "edges": ""}
    answer = rig.data("offer_files", token=token, files=[{**looks, "client_id": "c1"}, {**looks, "client_id": "c2"}])
    assert len({one["file_id"] for one in answer["added"]}) + len(answer["refused"]) == 2


def test_a_lone_public_page_need_not_say_who_it_is() -> None:
    rig = Rig(policy=Policy.public())
    rig.hello()
    [added] = offer(rig)["added"]
    assert rig.data("cancel", file_ids=[added["file_id"]]) == {"changed": 1}


def test_clear_all_of_a_public_page_leaves_the_author_s_files() -> None:
    rig = Rig(policy=Policy.public())
    rig.hello()
    rig.uploader.add_many(2)
    offer(rig)
    assert rig.data("clear", which="all") == {"removed": 1}
    assert len(rig.uploader.infos) == 2


def test_f106_after_a_reload_the_row_waits_and_the_same_file_brings_it_back(rig: Rig) -> None:
    old = rig.hello()["token"]
    [added] = offer(rig, old)["added"]
    file_id = added["file_id"]
    rig.uploader.put(file_id, state=UploadState.UPLOADING)
    reading = read_all(rig, file_id)
    new = rig.hello()["token"]
    rig.clock.advance(5.1)
    source_of(rig, file_id).wake()
    until(lambda: source_of(rig, file_id).is_detached, "the old page is given up")
    rig.publisher.refresh([file_id])
    rig.run(1.0)
    row = rig.data("detail", file_id=file_id)["row"]
    assert (row["wait"]["reason"], row["error"]["next_step"]) == ("Source.Detached", "pick_file")
    before = pulls(rig)
    assert offer(rig, new, "reoffer_files")["added"][0]["file_id"] == file_id
    until(lambda: pulls(rig) - before, "the slice is asked for again")
    assert feed(rig, old)["error"]["code"] == "Owner"
    assert feed(rig, new)["ok"] is True
    assert reading.ended().result == b"12345"


def test_after_a_reload_a_file_that_has_not_begun_waits_to_be_picked_as_well(rig: Rig) -> None:
    old = rig.hello()["token"]
    [added] = offer(rig, old)["added"]
    new = rig.hello()["token"]
    rig.run(6.0)
    row = rig.data("detail", file_id=added["file_id"], token=new)["row"]
    assert (row["state"], row["error"]["next_step"]) == ("Ready", "pick_file")
    assert offer(rig, new, "reoffer_files")["added"][0]["file_id"] == added["file_id"]
    rig.run()
    row = rig.data("detail", file_id=added["file_id"], token=new)["row"]
    assert (row["state"], row["error"]) == ("Ready", None)


def test_a_page_that_was_given_up_gets_its_files_back_when_it_speaks(rig: Rig) -> None:
    mine = rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    rig.hello()
    rig.run(6.0)
    assert source_of(rig, added["file_id"]).is_detached
    rig.data("ping", token=mine)
    assert not source_of(rig, added["file_id"]).is_detached
    reading = read_all(rig, added["file_id"])
    feed(rig, mine)
    assert reading.ended().result == b"12345"


def test_a_page_that_is_left_gives_up_its_files_at_once_until_it_speaks_again(rig: Rig) -> None:
    mine = rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    rig.data("bye", token=mine)
    assert rig.pages.owed() == {added["file_id"]: "Source.Detached"}
    rig.hello()  # without a token: the next page, not this one
    assert rig.pages.owed() == {added["file_id"]: "Source.Detached"}
    rig.data("ping", token=mine)
    assert rig.pages.owed() == {added["file_id"]: "Source.Detached"}, "what it had begun to say"
    rig.clock.advance(2.0)
    rig.data("ping", token=mine)
    assert rig.pages.owed() == {}, "the person was asked, and stayed"


@pytest.mark.parametrize("end", ["bye", "silence"])
def test_where_the_next_page_has_another_kernel_this_one_lets_go_of_what_its_page_was_sending(end: str) -> None:
    rig = Rig(reload_ends=True)
    mine = rig.hello()["token"]
    [sending] = offer(rig, mine)["added"]
    [done] = offer(rig, mine, name="other.mp4")["added"]
    infos = rig.uploader.infos
    rig.uploader.put(sending["file_id"], state=UploadState.UPLOADING)
    rig.uploader.put(done["file_id"], state=UploadState.FAILURE)
    reading = read_all(rig, sending["file_id"])
    if end == "bye":
        rig.data("bye", token=mine)
    else:
        rig.clock.advance(10.4)
        rig.pages.owed()
        assert infos[sending["file_id"]].state == UploadState.UPLOADING
        rig.clock.advance(0.1)
        rig.pages.owed()
    assert [infos[one["file_id"]].state for one in (sending, done)] == [UploadState.STOPPED, UploadState.FAILURE]
    rig.clock.advance(2.0)
    rig.data("ping", token=mine)
    assert [infos[one["file_id"]].state for one in (sending, done)] == [UploadState.READY, UploadState.FAILURE]
    rig.pages.close()
    assert isinstance(reading.failed(), Exception)


def test_a_page_that_spoke_seldom_is_waited_for_longer_but_no_more_than_a_minute() -> None:
    rig = Rig(reload_ends=True)
    mine = rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    info = rig.uploader.infos[added["file_id"]]
    rig.uploader.put(added["file_id"], state=UploadState.UPLOADING)
    rig.clock.advance(10.0)
    rig.data("ping", token=mine)
    reading = read_all(rig, added["file_id"])
    rig.clock.advance(29.9)
    rig.pages.owed()
    assert info.state == UploadState.UPLOADING
    rig.data("ping", token=mine)
    rig.clock.advance(60.0)
    rig.pages.owed()
    assert info.state == UploadState.STOPPED
    rig.pages.close()
    assert isinstance(reading.failed(), Exception)


def test_a_page_that_answers_the_roll_keeps_its_files(rig: Rig) -> None:
    mine = rig.hello()["token"]
    [added] = offer(rig, mine)["added"]
    rig.hello()
    rig.data("ping", token=mine)
    rig.run(60.0)
    assert not source_of(rig, added["file_id"]).is_detached


def test_a_page_of_which_nothing_is_heard_for_two_minutes_loses_all_its_files(rig: Rig) -> None:
    mine = rig.hello()["token"]
    [wanted] = offer(rig, mine)["added"]
    [idle] = offer(rig, mine, name="other.mp4")["added"]
    reading = read_all(rig, wanted["file_id"])
    rig.clock.advance(119.0)
    assert rig.pages.owed() == {wanted["file_id"]: "Source.Waiting"}
    rig.clock.advance(1.1)
    assert set(rig.pages.owed()) == {wanted["file_id"], idle["file_id"]}
    assert set(rig.pages.owed().values()) == {"Source.Detached"}
    rig.pages.close()
    assert isinstance(reading.failed(), Exception)


def test_the_same_file_offered_plainly_after_a_reload_is_no_second_file(rig: Rig) -> None:
    [added] = offer(rig, rig.hello()["token"])["added"]
    new = rig.hello()["token"]
    assert offer(rig, new)["added"][0]["file_id"] == added["file_id"]
    assert len(rig.uploader.infos) == 1


@pytest.mark.parametrize("kind", ["offer_files", "reoffer_files"])
def test_a_page_is_told_how_far_a_file_is_that_it_brings_back_and_whether_it_goes_on(rig: Rig, kind: str) -> None:
    [new] = offer(rig, rig.hello()["token"])["added"]
    assert "progress" not in new
    info = rig.uploader.infos[new["file_id"]]
    told = []
    for queue, state in [("Start", "Uploading"), ("Start", "Stopped"), ("Stop", "Stopped"), ("Start", "Ready")]:
        rig.uploader.put(info.file_id, state=UploadState(state), loaded_percent=0.5)
        rig.uploader.turn(UploaderState(queue))
        [back] = offer(rig, rig.hello()["token"], kind)["added"]
        told.append((back["progress"], back["goes_on"]))
    assert told == [(0.5, True), (0.5, False), (0.5, False), (0.5, True)]


@pytest.mark.parametrize("change", [{"name": "other.mp4"}, {"size_bytes": 6}, {"last_modified_ms": 2}])
def test_another_file_does_not_take_the_place_of_a_waiting_one(rig: Rig, change: dict[str, Any]) -> None:
    offer(rig, rig.hello()["token"])
    new = rig.hello()["token"]
    data = offer(rig, new, "reoffer_files", **change)
    assert (data["added"], [r["code"] for r in data["refused"]]) == ([], ["Source.NoMatch"])


def test_a_stranger_may_not_take_over_a_file_whose_page_may_still_live() -> None:
    rig = Rig(policy=Policy.public())
    mine = rig.hello()["token"]
    offer(rig, mine)
    other = rig.hello()["token"]
    real = rig.uploader.add_file

    def refuse(file: Any, **metadata: Any) -> Any:
        raise InvalidStateError("in the list already", code="AlreadyQueued")

    rig.uploader.add_file = refuse  # type: ignore[method-assign]
    assert offer(rig, other)["refused"][0]["code"] == "AlreadyQueued"
    rig.uploader.add_file = real  # type: ignore[method-assign]


def test_a_file_that_failed_for_want_of_its_page_is_tried_again_with_it(rig: Rig) -> None:
    token = rig.hello()["token"]
    [added] = offer(rig, token)["added"]
    source_of(rig, added["file_id"]).detach()
    error = RetriesExhaustedError(SourceDetachedError("gone"), ())
    rig.uploader.put(added["file_id"], **failure(error))
    offer(rig, rig.hello()["token"], "reoffer_files")
    assert rig.uploader.infos[added["file_id"]].state == UploadState.READY


@pytest.mark.parametrize("state", [UploadState.STOPPED, UploadState.CANCELED, UploadState.FAILURE])
def test_a_read_ends_when_the_file_rests(rig: Rig, state: UploadState) -> None:
    token = rig.hello()["token"]
    [added] = offer(rig, token)["added"]
    reading = read_all(rig, added["file_id"])
    rig.uploader.put(added["file_id"], state=state)
    assert reading.failed().code == "Source.Closed"  # type: ignore[attr-defined]


def test_a_done_or_removed_file_is_dropped_by_the_page(rig: Rig) -> None:
    token = rig.hello()["token"]
    [done] = offer(rig, token)["added"]
    [removed] = offer(rig, token, name="b.mp4")["added"]
    rig.uploader.put(done["file_id"], state=UploadState.SUCCESS)
    rig.data("remove", file_ids=[removed["file_id"]])
    assert [m["file_id"] for m in rig.screen.of("drop")] == [done["file_id"], removed["file_id"]]
    assert rig.code("slice", [b"x"], token=token, file_id=done["file_id"], pull_id=0, offset=0) == "Slice.Unknown"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size_bytes": 0}, "EmptyFile"),
        ({"size_bytes": -1}, "EmptyFile"),
        ({"size_bytes": 10**18}, "FileTooLarge"),
        ({"size_bytes": 11}, "FileTooLarge"),
    ],
)
def test_f141_s18_sizes_that_cannot_be_or_are_not_allowed_are_refused(change: dict[str, Any], code: str) -> None:
    rig = Rig(policy=Policy.public(max_file_bytes=10))
    rig.hello()
    assert offer(rig, **change)["refused"][0]["code"] == code
    assert rig.uploader.calls == []


def test_s18_count_and_sum_are_limited_and_told_apart() -> None:
    rig = Rig(policy=Policy.public(max_files=2, max_total_bytes=10))
    rig.hello()
    assert offer(rig)["added"]
    assert offer(rig, name="b.mp4", size_bytes=6)["refused"][0]["code"] == "Limit.Bytes"
    assert offer(rig, name="b.mp4", size_bytes=4)["added"]
    assert offer(rig, name="c.mp4", size_bytes=1)["refused"][0]["code"] == "Limit"


@pytest.mark.parametrize(
    "name", ["../../etc/a.mp4", "C:\\Windows\\a.mp4", "\\\\host\\share\\a.mp4", "a\0.mp4", "/abs/a.mp4", "\u202ea.mp4"]
)
def test_s20_a_name_is_never_a_path(rig: Rig, name: str) -> None:
    rig.hello()
    [added] = offer(rig, name=name)["added"]
    assert added["name"] == "a.mp4"


def test_closing_ends_every_read(rig: Rig) -> None:
    token = rig.hello()["token"]
    reading = read_all(rig, offer(rig, token)["added"][0]["file_id"])
    rig.pages.close()
    assert isinstance(reading.failed(), Exception)


def test_a_silent_page_is_told_on_the_row_without_any_event(rig: Rig) -> None:
    token = rig.hello()["token"]
    [added] = offer(rig, token)["added"]
    rig.uploader.put(added["file_id"], state=UploadState.UPLOADING)
    from vod_widget.model import UploaderState

    rig.uploader.turn(UploaderState.START)
    reading = read_all(rig, added["file_id"])
    rig.run(1.0)
    for _ in range(7):
        rig.clock.advance(9.0)
        rig.data("ping")
        rig.run(1.0)
    row = rig.screen.of("rows", "snapshot")[-1]["rows"][0]
    assert row["wait"]["reason"] == "Source.Waiting"
    assert [m["facts"]["name"] for m in rig.screen.of("note")] == ["talk.mp4"]
    feed(rig, token)
    reading.ended()


def test_f106_a_row_takes_back_only_the_file_with_the_same_ends(rig: Rig) -> None:
    old = rig.hello()["token"]
    [added] = offer(rig, old, edges="00000000000000aa")["added"]
    source_of(rig, added["file_id"]).detach()
    new = rig.hello()["token"]
    for edges in ("00000000000000ab", ""):
        answer = offer(rig, new, "reoffer_files", edges=edges)
        assert [refused["code"] for refused in answer["refused"]] == ["Source.NoMatch"], edges
    [again] = offer(rig, new, "reoffer_files", edges="00000000000000aa")["added"]
    assert again["file_id"] == added["file_id"]


def test_slices_are_small_until_the_page_has_told_what_its_host_carries(rig: Rig) -> None:
    token = rig.hello()["token"]
    size = 20 * 1024 * 1024
    [added] = offer(rig, token, size_bytes=size)["added"]
    source = source_of(rig, added["file_id"])
    assert source.slice_bytes == FIRST_SLICE_BYTES
    rig.data("reach", token=token, slice_bytes=4 * 1024 * 1024)
    assert source.slice_bytes == 4 * 1024 * 1024
    [second] = offer(rig, token, name="b.mp4", size_bytes=size)["added"]
    assert source_of(rig, second["file_id"]).slice_bytes == 4 * 1024 * 1024
    assert rig.pages.reaches == {1: 4 * 1024 * 1024}


def test_a_page_tells_for_itself_only(rig: Rig) -> None:
    mine, other = rig.hello()["token"], rig.hello()["token"]
    [added] = offer(rig, mine, size_bytes=10**7)["added"]
    rig.data("reach", token=other, slice_bytes=65_536)
    assert source_of(rig, added["file_id"]).slice_bytes == FIRST_SLICE_BYTES
    assert rig.code("reach", token="made-up", slice_bytes=65_536) == "Owner"
