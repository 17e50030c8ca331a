"""Threads of the core: callbacks in order, a slow one holds up its own file only, pools and limits that end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from vod_widget.dispatcher import Dispatcher
from vod_widget.system import SystemClock
from vod_widget.workers import Pool, Rate, Timers

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


def test_idle_is_told_once_everything_returned() -> None:
    idle = threading.Event()
    dispatcher = Dispatcher(SystemClock(), on_idle=idle.set)
    dispatcher.post("a", lambda: None)
    assert idle.wait(LONG_S)
    assert dispatcher.idle
    assert dispatcher.close(LONG_S)


def test_pool_runs_everything_on_few_threads_and_ends() -> None:
    pool, done, ran = Pool("vod-test", 3, lambda _wait_s, _job: None), threading.Event(), []
    for number in range(100):
        pool.submit(lambda n=number: (ran.append(n), done.set() if n == 99 else None))
    assert done.wait(LONG_S)
    names = {t.name for t in threading.enumerate() if t.name.startswith("vod-test")}
    assert len(names) <= 3
    assert pool.close(LONG_S)
    assert not [t for t in threading.enumerate() if t.name.startswith("vod-test")]


def test_timers_run_in_the_order_of_their_time() -> None:
    timers, ran, done = Timers("vod-test-timer", SystemClock()), [], threading.Event()
    timers.after(0.06, lambda: (ran.append("late"), done.set()))
    timers.after(0.01, lambda: ran.append("soon"))
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
