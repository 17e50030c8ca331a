"""The sums over a queue are those of its files, whatever became of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vod_widget.model import UploadState
from vod_widget.sums import Sums

WAITING, RUNNING = list(UploadState)[:2]


def seen(sums: Sums) -> tuple[Any, ...]:
    counts = {state: (n, sums.state_bytes[state]) for state, n in sums.counts.items() if n or sums.state_bytes[state]}
    return counts, sums.size_bytes, sums.accepted_bytes, sums.found_bytes, sums.progress_bytes


def record(file_id: str, size_bytes: int) -> Any:
    return SimpleNamespace(
        file_id=file_id,
        size_bytes=size_bytes,
        state=WAITING,
        removed=False,
        has_bytes=True,
        accepted_bytes=0,
        found_bytes=0,
        progress_bytes=0,
    )


def test_sums_follow_every_change_of_a_file_and_forget_one_that_is_removed() -> None:
    sums = Sums()
    one, two = record("1", 100), record("2", 30)
    sums.add(one)
    sums.add(two)
    assert seen(sums) == ({WAITING: (2, 130)}, 130, 0, 0, 0)
    one.state = RUNNING
    sums.move(one, WAITING)
    for accepted in (40, 60):
        one.accepted_bytes, one.found_bytes, one.progress_bytes = accepted, 10, accepted + 5
        sums.count_bytes(one)
    assert seen(sums) == ({WAITING: (1, 30), RUNNING: (1, 100)}, 130, 60, 10, 65)
    sums.resize(two, WAITING, 50)
    assert seen(sums) == ({WAITING: (1, 50), RUNNING: (1, 100)}, 150, 60, 10, 65)
    sums.remove(one)
    assert seen(sums) == ({WAITING: (1, 50)}, 50, 0, 0, 0)
    one.removed = True
    sums.move(one, WAITING)
    sums.count_bytes(one)
    sums.resize(one, RUNNING, 70)
    assert seen(sums) == ({WAITING: (1, 50)}, 50, 0, 0, 0)
