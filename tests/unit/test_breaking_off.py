"""Which requests end at once when nobody wants them, and which have a moment for their answer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from vod_widget.record import Transfer
from vod_widget.scheduler import Scheduler


def test_request_that_is_out_has_a_second_for_its_answer_and_one_that_is_leaving_none() -> None:
    later: list[tuple[float, Callable[[], None]]] = []
    queue: Any = SimpleNamespace(_timers=SimpleNamespace(after=lambda wait_s, job: later.append((wait_s, job))))
    cut: list[str] = []
    leaving, out = Transfer(), Transfer()
    leaving.hold(lambda: cut.append("leaving"))
    out.hold(lambda: cut.append("out"))
    out.is_out = True
    Scheduler._break_off(queue, (out, leaving))
    assert cut == ["leaving"]
    ((wait_s, job),) = later
    assert 0.5 <= wait_s <= 2.0
    job()
    assert cut == ["leaving", "out"]


def test_request_that_is_broken_off_before_it_connects_ends_when_it_does() -> None:
    cut: list[str] = []
    transfer = Transfer()
    transfer.cut()
    assert transfer.was_cut is False
    transfer.hold(lambda: cut.append("connecting"))
    assert (cut, transfer.was_cut) == (["connecting"], True)


def test_answer_that_comes_in_that_second_is_the_end_of_the_request() -> None:
    later: list[Callable[[], None]] = []
    queue: Any = SimpleNamespace(_timers=SimpleNamespace(after=lambda _wait_s, job: later.append(job)))
    cut: list[str] = []
    out = Transfer()
    out.hold(lambda: cut.append("out"))
    out.is_out = True
    Scheduler._break_off(queue, (out,))
    out.hold(None)
    later[0]()
    assert (cut, out.was_cut) == ([], False)
