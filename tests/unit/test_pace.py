"""The account's limits of control calls are kept before the service enforces them."""

from __future__ import annotations

from collections import Counter

from vod_widget.pace import CallPace


class Stepped:
    """A clock that a wait moves."""

    now = 100.0

    def now_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


def _calls(pace: CallPace, clock: Stepped, count: int, region: str = "cn-shanghai", *, loopback: bool = False) -> float:
    began = clock.now
    for _ in range(count):
        pace.take("CreateUploadVideo", region, is_loopback=loopback)
    return clock.now - began


def test_each_region_has_the_vendors_limit() -> None:
    clock = Stepped()
    pace = CallPace(clock, waits=clock)
    assert 9.9 < _calls(pace, clock, 800) < 10.5
    assert 9.9 < _calls(CallPace(clock, waits=clock), clock, 400, "eu-central-1") < 10.5


def test_no_second_has_more_calls_than_the_limit_not_even_the_first() -> None:
    clock = Stepped()
    pace = CallPace(clock, lambda: 80.0, waits=clock)
    seconds: Counter[int] = Counter()
    for _ in range(400):
        pace.take("CreateUploadImage", "", is_loopback=True)
        seconds[int(clock.now)] += 1
    assert max(seconds.values()) <= 80
    assert 400 / (clock.now - 100.0) > 0.95 * 80


def test_operations_do_not_share_a_bucket() -> None:
    clock = Stepped()
    pace = CallPace(clock, waits=clock)
    for _ in range(80):
        pace.take("CreateUploadVideo", "cn-shanghai", is_loopback=False)
        pace.take("RefreshUploadVideo", "cn-shanghai", is_loopback=False)
    assert clock.now - 100.0 < 1.1


def test_this_machine_has_no_limit_until_it_refuses() -> None:
    clock = Stepped()
    pace = CallPace(clock, waits=clock)
    assert _calls(pace, clock, 600, loopback=True) == 0
    clock.now += 1.0
    pace.ended("CreateUploadVideo", was_throttled=True)
    assert 1.9 < _calls(pace, clock, 600, loopback=True) < 2.1  # half of what it was


def test_a_refusal_halves_once_a_second_and_good_calls_give_it_back() -> None:
    clock = Stepped()
    pace = CallPace(clock, lambda: 80.0, waits=clock)
    pace.take("CreateUploadVideo", "", is_loopback=False)
    for _ in range(50):
        pace.ended("CreateUploadVideo", was_throttled=True)
    assert 0.9 < _calls(pace, clock, 39) < 1.1
    for _ in range(6):
        clock.now += 1.0
        pace.ended("CreateUploadVideo", was_throttled=False)
    assert 0.9 < _calls(pace, clock, 78) < 1.1


def test_rate_grows_only_after_a_whole_second_without_a_refusal() -> None:
    clock = Stepped()
    pace = CallPace(clock, lambda: 80.0, waits=clock)
    pace.take("CreateUploadVideo", "", is_loopback=False)
    for wait_s, was_throttled in ((0.0, True), (0.9, True), (0.9, False)):
        clock.now += wait_s
        pace.ended("CreateUploadVideo", was_throttled=was_throttled)
    assert 0.9 < _calls(pace, clock, 39) < 1.1


def test_a_limit_that_is_changed_counts_at_once() -> None:
    clock = Stepped()
    limit = [10.0]
    pace = CallPace(clock, lambda: limit[0], waits=clock)
    _calls(pace, clock, 10)
    limit[0] = 100.0
    assert _calls(pace, clock, 100) < 1.2
