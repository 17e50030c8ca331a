"""The turn to work: one thread at a time, for no longer than it works, and never a reason to hang."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from vod_widget import baton

LONG_S = 10.0


@pytest.fixture
def run():
    threads: list[threading.Thread] = []

    def start(job: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=job))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(LONG_S)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "_PATIENCE_S", LONG_S)


def test_one_works_at_a_time_and_the_next_when_it_is_away(run: Callable[[Callable[[], None]], None]) -> None:
    ran: list[str] = []
    first_has_it, second_waits, second_is_done = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        baton.take()
        first_has_it.set()
        second_waits.wait(LONG_S)
        ran.append("first")
        with baton.away, baton.away:
            second_is_done.wait(LONG_S)
        ran.append("first again")
        baton.give()

    def second() -> None:
        first_has_it.wait(LONG_S)
        second_waits.set()
        baton.take()
        ran.append("second")
        baton.give()
        second_is_done.set()

    run(first)
    run(second)
    assert second_is_done.wait(LONG_S)
    baton.take()
    baton.give()
    assert ran[:2] == ["first", "second"]


def test_who_hangs_loses_it(run: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "_PATIENCE_S", 0.01)
    hangs, goes_on, works = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> None:
        baton.take()
        hangs.set()
        goes_on.wait(LONG_S)
        baton.give()

    def other() -> None:
        baton.take()
        works.set()
        baton.give()

    run(stuck)
    assert hangs.wait(LONG_S)
    run(other)
    assert works.wait(LONG_S)
    goes_on.set()


def test_a_thread_without_turns_needs_none(run: Callable[[Callable[[], None]], None]) -> None:
    has_it, may_end = threading.Event(), threading.Event()

    def holder() -> None:
        baton.take()
        has_it.set()
        may_end.wait(LONG_S)
        baton.give()

    run(holder)
    assert has_it.wait(LONG_S)
    with baton.away:
        pass  # would wait for the holder
    may_end.set()
