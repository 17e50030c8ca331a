"""Two tabs on one kernel: each scrolls, filters and searches by itself, and both hear the truth."""

from __future__ import annotations

import json
from typing import Any

from tests.widget.fakes import Rig
from vod_widget.model import UploaderState, UploadState


def open_page(rig: Rig, **view: Any) -> tuple[int, str]:
    hello = rig.hello()
    rig.data(
        "view",
        token=hello["token"],
        **{"first": 0, "count": 20, "filter": "all", "search": "", "sort": "queue", "descending": False, **view},
    )
    rig.run(0.2)
    return hello["page"], hello["token"]


def last(rig: Rig, page: int) -> dict[str, Any]:
    return [m for m in rig.screen.of("snapshot", "rows") if m["page"] == page][-1]


def ids(message: dict[str, Any]) -> list[str]:
    return [row["file_id"] for row in message["rows"]]


def test_each_page_has_its_own_window_filter_and_numbers(rig: Rig) -> None:
    files = rig.uploader.add_many(100)
    rig.uploader.put(files[70], state=UploadState.SUCCESS)
    a, a_token = open_page(rig)
    b, b_token = open_page(rig, filter="done")
    rig.data("ping", token=a_token)
    rig.run(0.5)
    assert (ids(last(rig, a)), ids(last(rig, b))) == (files[:20], [files[70]])
    rig.screen.messages.clear()
    rig.data("view", token=a_token, first=50, count=10, filter="all", search="", sort="queue", descending=False)
    rig.run(0.5)
    assert {m["page"] for m in rig.screen.of("snapshot", "rows")} == {a}
    rig.uploader.put(files[3], state=UploadState.SUCCESS)
    rig.data("ping", token=b_token)
    rig.run(1.0)
    assert ids(last(rig, b)) == [files[3], files[70]]
    assert last(rig, a)["summary"]["done"] == last(rig, b)["summary"]["done"] == 2
    for page, token in ((a, a_token), (b, b_token)):
        numbers = [m["seq"] for m in rig.screen.of("snapshot", "rows") if m["page"] == page]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert rig.data("ping", token=token)["seq"] == numbers[-1]


def test_a_new_page_asks_who_is_there_and_one_that_is_gone_costs_nothing(rig: Rig) -> None:
    files = rig.uploader.add_many(5)
    gone, _ = open_page(rig)
    there, token = open_page(rig)
    assert len(rig.screen.of("who")) == 1
    rig.screen.messages.clear()
    rig.uploader.put(files[0], state=UploadState.UPLOADING)
    rig.run(3.0)
    assert {m["page"] for m in rig.screen.of("snapshot", "rows")} == {there}
    assert gone != there
    assert rig.data("ping", token=token)["seq"] > 0


def test_a_page_that_answers_the_roll_goes_on_at_once_with_a_snapshot(rig: Rig) -> None:
    files = rig.uploader.add_many(5)
    first, token = open_page(rig)
    open_page(rig)
    rig.screen.messages.clear()
    rig.data("ping", token=token)
    rig.run(0.2)
    [message] = [m for m in rig.screen.of("snapshot") if m["page"] == first]
    assert ids(message) == files


def test_several_pages_share_one_budget_of_bytes(rig: Rig) -> None:
    files = rig.uploader.add_many(200, quiet=True)
    rig.uploader.turn(UploaderState.START)
    tokens = [open_page(rig, count=100, first=n * 20)[1] for n in range(4)]
    for token in tokens:
        rig.data("ping", token=token)
    rig.run(5.0)
    rig.screen.messages.clear()
    for step in range(100):
        for file_id in files:
            rig.uploader.put(file_id, state=UploadState.UPLOADING, sent_bytes=step * 100)
        rig.run(0.1)
        if step % 50 == 0:
            for token in tokens:
                rig.data("ping", token=token)
    said = rig.screen.of("snapshot", "rows")
    assert sum(len(json.dumps(m)) for m in said) <= 10 * 100_000
    assert len({m["page"] for m in said}) == 4, "none of them starves"
