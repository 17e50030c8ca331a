"""Bytes that a page sends when it is asked: any order, any repeat, bounded, with deadlines."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.until import until
from tests.widget.fakes import FakeClock
from vod_widget.errors import InvalidArgumentError, SourceChangedError, SourceDetachedError, SourceError
from vod_widget.model import SourceKind
from vod_widget.sources.browser import SLICE_BYTES, WINDOW_BYTES, BrowserSource
from vod_widget.sources.slices import Read, Slices

FAULT_KIND = "W"

MIB = 1024 * 1024


class Page:
    """Holds a file and remembers what it was asked for; answers when the test says so."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pulls: list[tuple[int, int, int]] = []
        self.most_in_flight = 0
        self.answered: set[int] = set()
        self.source: Any = None

    def pull(self, pull_id: int, offset: int, length: int) -> None:
        self.pulls.append((pull_id, offset, length))
        open_bytes = sum(n for i, _, n in set(self.pulls) if i not in self.answered)
        self.most_in_flight = max(self.most_in_flight, open_bytes)

    def answer(self, pull: tuple[int, int, int]) -> None:
        pull_id, offset, length = pull
        self.answered.add(pull_id)
        self.source.deliver(pull_id, offset, self.data[offset : offset + length])

    def open_pulls(self) -> list[tuple[int, int, int]]:
        return [p for p in dict.fromkeys(self.pulls) if p[0] not in self.answered]


class Reading:
    """One `read` in a thread of its own."""

    def __init__(self, source: BrowserSource, start: int, end: int) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

        def work() -> None:
            try:
                self.result = bytes(source.read(start, end))
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=work, name="vod-test-read", daemon=True)
        self.thread.start()

    def ended(self) -> Reading:
        self.thread.join(60)
        assert not self.thread.is_alive(), "the read did not end"
        return self

    def failed(self) -> BaseException:
        error = self.ended().error
        assert error is not None
        return error


class Desk:
    def __init__(self, size_bytes: int = 20 * MIB, *, patience_s: float = 900.0) -> None:
        self.clock = FakeClock()
        self.page = Page(random.Random(size_bytes).randbytes(size_bytes))
        self.source = BrowserSource("talk.mp4", size_bytes, 7, self.page.pull, self.clock, patience_s=patience_s)
        self.page.source = self.source
        self.readings: list[Reading] = []

    def read(self, start: int, end: int) -> Reading:
        reading = Reading(self.source, start, end)
        self.readings.append(reading)
        return reading

    def asked(self, count: int) -> None:
        until(lambda: len(self.page.pulls) >= count, f"{count} pulls (there are {len(self.page.pulls)})")

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.source.wake()


@pytest.fixture
def make() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def desk(*args: Any, **keys: Any) -> Desk:
        desks.append(Desk(*args, **keys))
        return desks[-1]

    yield desk
    for each in desks:

        def have_ended(desk: Desk = each) -> bool:
            desk.source.close()  # again and again: a read that begins after it asks the page anew
            return not any(reading.thread.is_alive() for reading in desk.readings)

        until(have_ended, "the reads ended")


def test_a_read_gives_exactly_the_bytes_asked_for(make: Callable[..., Desk]) -> None:
    desk = make(5 * MIB + 3)
    reading = desk.read(1, 5 * MIB + 3)
    desk.asked(3)
    for pull in desk.page.open_pulls():
        desk.page.answer(pull)
    assert reading.ended().result == desk.page.data[1:]


def test_f139_slices_may_come_in_any_order_and_twice(make: Callable[..., Desk]) -> None:
    desk = make(8 * MIB)
    reading = desk.read(0, 8 * MIB)
    desk.asked(4)
    pulls = desk.page.open_pulls()
    for pull in [pulls[3], pulls[1], pulls[3], pulls[0], pulls[1], pulls[2], pulls[2]]:
        desk.page.answer(pull)
    assert reading.ended().result == desk.page.data


def test_a_slice_that_three_later_ones_overtook_is_asked_for_once_more_at_once(make: Callable[..., Desk]) -> None:
    desk = make(24 * MIB)
    reading = desk.read(0, 24 * MIB)
    desk.asked(4)
    lost, *rest = desk.page.open_pulls()
    for pull in rest[:2]:
        desk.page.answer(pull)
    desk.asked(6)
    assert desk.page.pulls.count(lost) == 1, "two may come before it by chance"
    desk.page.answer(rest[2])
    until(lambda: desk.page.pulls.count(lost) == 2, "it is asked for again")

    def others() -> list[tuple[int, int, int]]:
        return [pull for pull in desk.page.open_pulls() if pull != lost]

    for _ in range(8):
        until(lambda: bool(others()), "the rest is asked for")
        desk.page.answer(others()[0])
    assert desk.page.pulls.count(lost) == 2, "what is lost again waits for its time: it may be too large"
    desk.page.answer(lost)
    assert reading.ended().result == desk.page.data
    assert desk.source.slice_bytes == SLICE_BYTES, "it says nothing of the size"


def test_a_slice_that_waits_behind_others_which_come_is_late_and_not_lost() -> None:
    slices = Slices(MIB)
    slices.reads.append(Read(0, 4 * MIB))
    asked = slices.plan(0.0)
    assert len(asked) == 4
    for nth, (pull_id, offset, length) in enumerate(asked, 1):
        now_s = 8.0 * nth  # nothing is asked for again before ten seconds
        assert slices.plan(now_s) == []
        pull = slices.find(pull_id)
        assert pull is not None
        slices.take(pull_id, pull, offset, bytes(length), now_s)
    assert slices.pulls == {}


def test_f140_at_most_the_window_is_asked_for_over_all_reads(make: Callable[..., Desk]) -> None:
    desk = make(64 * MIB)
    readings = [desk.read(n * 8 * MIB, (n + 1) * 8 * MIB) for n in range(4)]
    while any(r.thread.is_alive() for r in readings):
        until(lambda: desk.page.open_pulls() or not any(r.thread.is_alive() for r in readings), "a pull or the end")
        for pull in desk.page.open_pulls()[:1]:
            assert desk.source.buffered_bytes <= 4 * WINDOW_BYTES
            desk.page.answer(pull)
    assert desk.page.most_in_flight <= WINDOW_BYTES
    assert b"".join(r.ended().result for r in readings) == desk.page.data[: 32 * MIB]
    assert desk.source.buffered_bytes == 0


def test_f140_reads_that_wait_for_credit_hold_no_memory(make: Callable[..., Desk]) -> None:
    desk = make(64 * MIB)
    for n in range(8):
        desk.read(n * 8 * MIB, (n + 1) * 8 * MIB)
    desk.asked(4)
    assert desk.source.buffered_bytes == 8 * MIB


@pytest.mark.parametrize(
    ("offset_by", "length", "pull_id"),
    [
        (1, SLICE_BYTES, 0),
        (-1, SLICE_BYTES, 0),
        (2**63, SLICE_BYTES, 0),
        (0, SLICE_BYTES - 1, 0),
        (0, SLICE_BYTES + 1, 0),
    ],
)
def test_f139_a_wrong_slice_is_refused_and_the_right_one_still_counts(
    make: Callable[..., Desk], offset_by: int, length: int, pull_id: int
) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    with pytest.raises(InvalidArgumentError) as caught:
        desk.source.deliver(pull_id, offset_by, b"x" * length)
    assert caught.value.code == "Slice.Range"
    desk.page.answer(desk.page.pulls[0])
    assert reading.ended().result == desk.page.data


@pytest.mark.parametrize("pull_id", [-1, 1, 2**62])
def test_f139_a_slice_that_nobody_asked_for_is_refused_and_not_kept(make: Callable[..., Desk], pull_id: int) -> None:
    desk = make(2 * MIB)
    desk.read(0, 2 * MIB)
    desk.asked(1)
    for _ in range(100):
        with pytest.raises(InvalidArgumentError) as caught:
            desk.source.deliver(pull_id, 0, desk.page.data)
    assert caught.value.code == "Slice.Unknown"
    assert desk.source.buffered_bytes == 0


def test_f139_a_slice_after_the_end_is_ignored(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.page.answer(desk.page.pulls[0])
    reading.ended()
    desk.source.deliver(0, 0, desk.page.data)
    assert desk.source.buffered_bytes == 0


def test_an_unanswered_pull_is_asked_again_in_halves(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.pass_time(9.9)
    assert len(desk.page.pulls) == 1
    desk.pass_time(0.2)
    desk.asked(3)
    assert [pull[1:] for pull in desk.page.pulls[1:]] == [(0, MIB), (MIB, MIB)]
    for pull in desk.page.pulls[1:]:
        desk.page.answer(pull)
    assert reading.ended().result == desk.page.data


def test_a_slice_that_comes_late_spares_the_halves(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.pass_time(10)
    desk.asked(3)
    desk.page.answer(desk.page.pulls[0])
    assert reading.ended().result == desk.page.data
    for pull in desk.page.pulls[1:]:
        desk.page.answer(pull)  # they come too, and change nothing


def test_a_slice_that_comes_after_one_of_its_halves_does_not_count_twice(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.pass_time(10)
    desk.asked(3)
    desk.page.answer(desk.page.pulls[2])
    desk.page.answer(desk.page.pulls[0])
    assert reading.thread.is_alive()
    desk.page.answer(desk.page.pulls[1])
    assert reading.ended().result == desk.page.data


@pytest.mark.parametrize("limit", [MIB - 100, 300_000, 40_000])
def test_a_host_that_drops_large_slices_gets_smaller_ones_until_they_come(
    make: Callable[..., Desk], limit: int
) -> None:
    desk = make(3 * MIB, patience_s=1e6)
    reading = desk.read(0, 3 * MIB)
    taken = 0
    while reading.thread.is_alive():
        until(lambda n=taken: len(desk.page.pulls) > n or not reading.thread.is_alive(), "a pull or the end")
        fresh = desk.page.pulls[taken:]
        taken += len(fresh)
        for pull in fresh:
            if pull[2] <= limit:
                desk.page.answer(pull)
        if any(pull[2] > limit for pull in fresh):
            desk.pass_time(61)
    assert reading.ended().result == desk.page.data
    assert any(length <= limit for _, _, length in desk.page.pulls), "the size followed the limit"


def test_what_was_lost_is_asked_for_again_within_the_window(make: Callable[..., Desk]) -> None:
    desk = make(8 * MIB)
    desk.read(0, 8 * MIB)
    desk.asked(4)
    desk.pass_time(10)
    desk.asked(8)
    assert [pull[2] for pull in desk.page.pulls[4:]] == [MIB] * 4, "half the size, and four of them"


def test_a_socket_that_drops_under_many_reads_is_one_loss_and_costs_no_size(make: Callable[..., Desk]) -> None:
    desk = make(8 * MIB)
    for k in range(8):
        reading = desk.read(k * MIB, (k + 1) * MIB)
        desk.asked(k + 1)
        desk.clock.advance(0.1)
        if k < 4:
            desk.page.answer(desk.page.pulls[k])
            reading.ended()
    for _ in range(4):  # each becomes overdue by itself
        desk.pass_time(1)
        desk.pass_time(0.1)
    desk.asked(12)
    assert sorted(desk.page.pulls[8:]) == sorted(desk.page.pulls[4:8]), "each once, and whole"
    assert desk.source.slice_bytes == 2 * MIB


def test_a_minute_of_silence_is_told_and_ends_with_the_next_slice(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    desk.read(0, 4 * MIB)
    desk.asked(2)
    desk.pass_time(59)
    assert not desk.source.waits_for_browser
    desk.pass_time(2)
    assert desk.source.waits_for_browser
    desk.page.answer(desk.page.pulls[0])
    assert not desk.source.waits_for_browser


def test_silence_while_nobody_reads_is_no_waiting(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    desk.clock.advance(3600)
    assert not desk.source.waits_for_browser
    desk.read(0, 2 * MIB)
    desk.asked(1)
    assert not desk.source.waits_for_browser


def test_a_page_that_stays_away_ends_the_read_after_the_patience(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB, patience_s=30.0)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.source.detach()
    desk.pass_time(29)
    assert reading.thread.is_alive()
    desk.pass_time(1)
    assert isinstance(reading.failed(), SourceDetachedError)


def test_a_page_that_is_silent_for_ever_ends_the_read_too(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB, patience_s=100.0)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.pass_time(101)
    assert isinstance(reading.failed(), SourceDetachedError)


def test_f106_a_new_page_goes_on_from_what_is_missing(make: Callable[..., Desk]) -> None:
    desk = make(8 * MIB)
    reading = desk.read(0, 8 * MIB)
    desk.asked(4)
    first, *rest = desk.page.open_pulls()
    desk.page.answer(first)
    desk.source.detach()
    late = desk.page.pulls[1]
    new = Page(desk.page.data)
    new.source = desk.source
    desk.source.attach(new.pull)
    until(lambda: len(new.pulls) == 3, "the missing slices are asked of the new page")
    assert sorted(p[1] for p in new.pulls) == sorted(p[1] for p in rest)
    desk.source.deliver(late[0], late[1], b"\0" * late[2])  # the old page's answer must not count
    for pull in new.open_pulls():
        new.answer(pull)
    assert reading.ended().result == desk.page.data


def test_a_doubted_page_that_answers_keeps_its_file(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    desk.read(0, 4 * MIB)
    desk.asked(2)
    desk.source.suspect()
    desk.asked(4)
    assert desk.source.is_doubted
    desk.page.answer(desk.page.pulls[0])
    desk.pass_time(10)
    assert (desk.source.is_doubted, desk.source.is_detached) == (False, False)


def test_a_doubted_page_that_says_nothing_loses_its_file_in_seconds(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    desk.read(0, 4 * MIB)
    desk.asked(2)
    desk.source.suspect()
    desk.asked(4)
    desk.pass_time(5.1)
    until(lambda: desk.source.is_detached, "the silent page loses the file")


def test_a_doubt_while_nobody_reads_counts_from_the_first_question(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    desk.source.suspect()
    desk.pass_time(3600)
    desk.read(0, 2 * MIB)
    desk.asked(1)
    assert not desk.source.is_detached
    desk.pass_time(5.1)
    until(lambda: desk.source.is_detached, "the silent page loses the file")


def test_f107_a_file_that_changed_fails_for_good(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    reading = desk.read(0, 4 * MIB)
    desk.asked(2)
    desk.source.fail(0, "changed")
    assert isinstance(reading.failed(), SourceChangedError)
    with pytest.raises(SourceChangedError):
        desk.source.read(0, 1)


def test_a_page_that_cannot_read_fails_the_read_that_asked(make: Callable[..., Desk]) -> None:
    desk = make(8 * MIB)
    one, two = desk.read(0, 2 * MIB), None
    desk.asked(1)
    two = desk.read(2 * MIB, 4 * MIB)
    desk.asked(2)
    desk.source.fail(0, "read")
    assert one.failed().code == "Source.Read"  # type: ignore[attr-defined]
    desk.page.answer(desk.page.pulls[1])
    assert two.ended().result == desk.page.data[2 * MIB : 4 * MIB]


def test_a_page_that_lost_the_file_makes_it_wait(make: Callable[..., Desk]) -> None:
    desk = make(2 * MIB)
    reading = desk.read(0, 2 * MIB)
    desk.asked(1)
    desk.source.fail(0, "gone")
    assert desk.source.is_detached
    assert reading.thread.is_alive()


def test_close_wakes_every_read_and_a_retry_may_read_again(make: Callable[..., Desk]) -> None:
    desk = make(4 * MIB)
    readings = [desk.read(0, 2 * MIB), desk.read(2 * MIB, 4 * MIB)]
    desk.asked(2)
    desk.source.close()
    desk.source.close()
    assert [type(r.failed()) for r in readings] == [SourceError, SourceError]
    again = desk.read(0, 2 * MIB)
    desk.asked(3)
    desk.page.answer(desk.page.pulls[2])
    assert again.ended().result == desk.page.data[: 2 * MIB]


def test_a_read_that_ends_gives_its_credit_back(make: Callable[..., Desk]) -> None:
    desk = make(32 * MIB)
    desk.read(0, 8 * MIB)
    desk.asked(4)
    desk.source.close()
    desk.readings[0].ended()
    desk.read(8 * MIB, 16 * MIB)
    desk.asked(8)


@pytest.mark.parametrize("size_bytes", [0, -1])
def test_f141_an_impossible_size_is_refused(size_bytes: int) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        BrowserSource("a.mp4", size_bytes, 0, None, FakeClock())
    assert caught.value.code == "EmptyFile"


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 1), (0, 11), (11, 12)])
def test_a_range_outside_the_file_is_refused(start: int, end: int) -> None:
    source = BrowserSource("a.mp4", 10, 0, None, FakeClock())
    with pytest.raises(InvalidArgumentError):
        source.read(start, end)
    assert source.read(10, 10) == b""


def test_it_tells_what_the_engine_must_know() -> None:
    source = BrowserSource("C:\\clips\\..\\a.mp4", 10, 77, None, FakeClock())
    assert (source.name, source.kind, source.cheap_reads) == ("a.mp4", SourceKind.BROWSER, False)
    assert source.source_id == "browser:a.mp4:10:77"
    assert source.fingerprint() == source.source_id
    edged = BrowserSource("a.mp4", 10, 77, None, FakeClock(), edges="00ff")
    assert edged.source_id == source.source_id, "the same row of the journal"
    assert edged.fingerprint() != source.fingerprint(), "but what was sent of other content does not count"
    assert source.is_detached
    assert repr(source) == "BrowserSource('a.mp4', 10 bytes, detached)"
