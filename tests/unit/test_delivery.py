"""Threads of the core: callbacks in order, a slow one holds up its own file only, a crew and limits that end."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence

import pytest

from tests.helpers.until import until
from vod_widget import dispatcher as dispatcher_module
from vod_widget.crew import Crew
from vod_widget.dispatcher import Dispatcher
from vod_widget.system import SystemClock
from vod_widget.workers import Rate, Timers

LONG_S = 10.0


@pytest.fixture
def dispatcher():
    made = Dispatcher(SystemClock())
    yield made
    assert made.close(LONG_S)


def drained(dispatcher: Dispatcher) -> None:
    idle = threading.Event()
    dispatcher.when_idle(idle.set)
    assert idle.wait(LONG_S)


def test_jobs_of_one_file_run_in_order(dispatcher: Dispatcher) -> None:
    ran: list[int] = []
    for number in range(200):
        dispatcher.post("a", lambda n=number: ran.append(n))
    drained(dispatcher)
    assert ran == list(range(200))


def test_a_blocked_callback_does_not_hold_up_another_file(dispatcher: Dispatcher) -> None:
    gate, begun, other = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def block() -> None:
        begun.set()
        gate.wait(LONG_S)
        order.append("a1")

    dispatcher.post("a", block)
    dispatcher.post("a", lambda: order.append("a2"))
    assert begun.wait(LONG_S)
    dispatcher.post("b", other.set)
    while not other.wait(0.05):
        dispatcher.help_if_slow()
    assert order == []
    gate.set()
    drained(dispatcher)
    assert order == ["a1", "a2"]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_callback_that_raises_harms_no_other(dispatcher: Dispatcher, error: type[BaseException]) -> None:
    ran = threading.Event()

    def fail() -> None:
        raise error

    dispatcher.post("a", fail)
    dispatcher.post("a", ran.set)
    assert ran.wait(LONG_S)


def test_only_the_newest_waiting_progress_is_kept(dispatcher: Dispatcher) -> None:
    gate, ran = threading.Event(), []
    dispatcher.post("a", lambda: gate.wait(LONG_S))
    for number in range(50):
        dispatcher.post("a", lambda n=number: ran.append(n), coalesce="progress")
    dispatcher.post("a", lambda: ran.append("end"))
    gate.set()
    drained(dispatcher)
    assert ran[-1] == "end"
    assert ran[-2] == 49
    assert len(ran) <= 3


def test_coroutines_run_to_their_end_before_the_next_job(dispatcher: Dispatcher) -> None:
    ran: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0)
        ran.append("coroutine")

    dispatcher.post("a", slow)
    dispatcher.post("a", lambda: ran.append("next"))
    drained(dispatcher)
    assert ran == ["coroutine", "next"]


def test_what_nobody_waits_for_comes_together_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "_REST_S", 3600.0)
    dispatcher, heard, ended = Dispatcher(SystemClock(), may_rest=lambda: True), [], threading.Event()
    dispatcher.post("a", lambda: heard.append("a"))
    until(lambda: dispatcher._rests, "it rests")
    dispatcher.post("a", lambda: heard.append("progress"))
    assert heard == ["a"]
    dispatcher.post("b", lambda: heard.append("question"), at_once=True)
    until(lambda: len(heard) == 3 and dispatcher._rests, "a question ends the rest")
    assert heard == ["a", "progress", "question"]
    dispatcher.when_idle(ended.set)
    assert ended.wait(LONG_S), "so does the end"
    assert dispatcher.close(LONG_S)


def test_idle_is_told_once_everything_returned() -> None:
    idle = threading.Event()
    dispatcher = Dispatcher(SystemClock(), on_idle=idle.set)
    dispatcher.post("a", lambda: None)
    assert idle.wait(LONG_S)
    assert dispatcher.idle
    assert dispatcher.close(LONG_S)


def crew_of(size: int, sends: Sequence[Callable[[], None]] = ()) -> Crew:
    lock, waiting = threading.RLock(), deque(sends)
    return Crew(
        "vod-test",
        lock,
        take=lambda: waiting.popleft() if waiting else None,
        wanted=lambda: len(waiting),
        size=lambda: size,
        is_needed=lambda: True,
        later=lambda _wait_s, _job: None,
    )


def ends(crew: Crew) -> bool:
    with crew._work:
        threads = crew.close()
    return crew.join(threads, LONG_S)


def test_crew_runs_everything_on_few_threads_and_ends() -> None:
    ran: list[int] = []
    requests = [lambda n=n: ran.append(n) for n in range(100, 150)]  # type: ignore[misc]
    crew = crew_of(3, requests)
    for number in range(100):
        crew.submit(lambda n=number: ran.append(n))
    until(lambda: len(ran) == 150, "all jobs and requests")
    assert sorted(ran) == list(range(150))
    assert len({t.name for t in threading.enumerate() if t.name.startswith("vod-test")}) <= 3
    assert ends(crew)
    assert not [t for t in threading.enumerate() if t.name.startswith("vod-test")]


def test_crew_goes_on_with_what_follows_and_hands_the_rest_to_others() -> None:
    crew, free, ran = crew_of(2), threading.Event(), {}

    def note(what: str) -> None:
        ran[what] = threading.current_thread()

    def first() -> None:
        note("first")
        crew.follow(lambda: (note("second"), free.wait(LONG_S)))
        crew.follow(lambda: (note("other"), free.set()))  # else "second" would wait in vain

    crew.submit(first)
    until(lambda: len(ran) == 3, "all three")
    assert ran["first"] is ran["second"] is not ran["other"]
    assert ends(crew)


def test_crew_survives_a_job_that_fails() -> None:
    crew, ran = crew_of(1), threading.Event()
    crew.submit(lambda: 1 // 0)
    crew.submit(ran.set)
    assert ran.wait(LONG_S)
    assert ends(crew)


def test_timers_run_in_the_order_of_their_time() -> None:
    clock = Stepped()
    timers, ran, done = Timers("vod-test-timer", clock), [], threading.Event()
    timers.after(0.06, lambda: (ran.append("late"), done.set()))
    timers.after(0.01, lambda: ran.append("soon"))
    assert not ran
    clock.now += 1.0
    assert done.wait(LONG_S)
    assert ran == ["soon", "late"]
    assert timers.close(LONG_S)


class Stepped:
    """A clock that a wait moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def now_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


def test_rate_lets_so_much_pass_a_second() -> None:
    clock = Stepped()
    rate = Rate(1000.0, clock, burst_s=0.1)
    began = clock.now
    for _ in range(50):
        assert rate.take(100.0, clock)
    assert clock.now - began == pytest.approx(4.8, abs=0.2)


def test_rate_without_a_limit_never_waits() -> None:
    clock = Stepped()
    assert Rate(None, clock).take(1e12, clock)
    assert clock.now == 100.0


def test_rate_gives_up_when_it_is_stopped() -> None:
    clock = Stepped()
    rate = Rate(1.0, clock, burst_s=0.0)
    stopped = threading.Event()
    stopped.set()
    assert rate.take(1.0, clock)
    assert not rate.take(1.0, stopped)
