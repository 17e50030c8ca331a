"""The rules that choose how many requests are in flight and how large a part is, without a socket."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vod_widget.board import Board
from vod_widget.concurrency import (
    MOST,
    MOST_WITH_BBR,
    MOST_WITH_LOSS,
    PAGE_LANES,
    START,
    START_LONG,
    START_NEAR,
    Concurrency,
)
from vod_widget.errors import RequestTimeoutError, ThrottledError
from vod_widget.model import LinkFacts, Part
from vod_widget.options import GIB, KIB, MIB, PART_MAX_BYTES, PARTS_MAX
from vod_widget.parts import OBJECT_MAX_BYTES, choose_part_size, fill_gaps, fitting, plan_next
from vod_widget.progress import Ledger

FAULT_KIND = "S"

TICK_S = 0.1
SEGMENT_BYTES = 1448
FAR = LinkFacts(answer_s=0.1, rtt_s=0.1, queue_s=0.0, congestion="cubic")


class Line:
    """A line on which `rate(count)` bytes a second go through `count` connections, and a share of them is lost."""

    def __init__(self, rate: Callable[[int], float], link: LinkFacts = FAR, loss: float = 0.0) -> None:
        self.link, self.loss = link, loss
        self.rules = Concurrency(0.0)
        self.rules.learn(link)
        self.rate = rate
        self.now_s = 0.0
        self.moved = 0.0

    def confirmed(self, moved: int) -> int:
        """What the system says that the other end has."""
        return moved

    def run(
        self, seconds: float, *, is_full: bool = True, left_bytes: float = math.inf, from_page: bool = False
    ) -> list[int]:
        counts = []
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            self.moved += self.rate(self.rules.count) * TICK_S
            sent = self.moved / SEGMENT_BYTES
            facts = replace(
                self.link,
                sent_segments=int(sent),
                lost_segments=int(sent * self.loss),
                delivered_bytes=self.confirmed(int(self.moved)),
            )
            self.rules.learn(facts)
            left = left_bytes - self.moved
            self.rules.sample(self.now_s, int(self.moved), is_full=is_full, left_bytes=left, from_page=from_page)
            counts.append(self.rules.count)
        return counts


def test_it_starts_with_few_where_answers_come_at_once() -> None:
    assert Line(lambda n: n, LinkFacts(answer_s=0.0002)).rules.count == START_NEAR
    assert Line(lambda n: n, LinkFacts(answer_s=0.03)).rules.count == START
    assert Line(lambda n: n, LinkFacts(answer_s=0.3)).rules.count == START_LONG


def test_an_end_that_shows_as_near_only_later_gets_few_too() -> None:
    rules = Line(lambda n: n, LinkFacts(answer_s=0.007)).rules
    assert rules.count == START
    rules.learn(LinkFacts(answer_s=0.0002))
    assert rules.count == START_NEAR


def test_what_has_grown_or_was_throttled_is_not_begun_anew_when_it_shows_as_near() -> None:
    line = Line(lambda n: n * 500_000.0)
    line.run(3)
    grown = line.rules.count
    line.rules.learn(LinkFacts(answer_s=0.0002))
    assert line.rules.count == grown > START
    throttled = Line(lambda n: n).rules
    throttled.throttled(10.0)
    throttled.learn(LinkFacts(answer_s=0.0002))
    assert throttled.count == START // 2


NEAR = LinkFacts(answer_s=0.0006, rtt_s=7e-6, queue_s=0.0045, congestion="cubic")
"""As a far end on this machine showed that read 30 MB/s from each connection."""


def test_at_a_near_end_that_reads_slowly_from_each_it_grows_although_a_queue_seems_to_stand() -> None:
    line = Line(lambda n: min(n * 30e6, 500e6), NEAR)
    line.run(12)
    assert 16 <= line.rules.count <= 36


def test_at_a_near_end_a_page_is_what_is_slow_and_gets_no_more() -> None:
    line = Line(lambda n: min(n * 30e6, 500e6), NEAR)
    assert set(line.run(12, from_page=True)) == {START_NEAR}


def test_at_a_near_end_that_is_full_two_stay_two_however_uneven_it_runs() -> None:
    uneven = itertools.cycle((1.0, 1.0, 0.94, 1.07, 1.07, 1.07, 0.95))
    line = Line(lambda _: 500e6, NEAR)
    counts = []
    for share in itertools.islice(uneven, 120):
        line.rate = partial(lambda share, _: 500e6 * share, share)
        counts += line.run(0.5)
    assert counts[-1] == START_NEAR
    assert sum(n > START_NEAR for n in counts) < len(counts) / 10


@pytest.mark.parametrize("is_known_before", [False, True])
def test_a_page_that_sends_parts_itself_gets_lanes_enough_however_near_the_kernel_is(is_known_before: bool) -> None:
    rules = Concurrency(0.0)
    if is_known_before:
        rules.learn(LinkFacts(answer_s=0.0002))
    rules.expect_page()
    rules.learn(LinkFacts(answer_s=0.0002))
    assert rules.count == PAGE_LANES
    rules.throttled(2.0)
    rules.expect_page()
    assert rules.count == PAGE_LANES // 2, "a storage that asks for less is heard"


def test_where_each_connection_is_limited_by_itself_it_grows_fast_to_the_most() -> None:
    line = Line(lambda n: n * 500_000.0)
    line.run(6)
    assert line.rules.count == MOST


def test_it_grows_until_the_line_is_full_and_stays_near() -> None:
    line = Line(lambda n: min(n, 20) * 1e6)
    line.run(60)
    assert 18 <= line.rules.count <= 48


def test_more_that_brings_nothing_is_taken_back_and_tried_less_and_less() -> None:
    line = Line(lambda _: 25e6)
    counts = line.run(300)
    assert counts[-1] == START
    assert sum(n > START for n in counts) < len(counts) / 10
    probes = [i for i, (a, b) in enumerate(itertools.pairwise(counts)) if b > a]
    waits = [b - a for a, b in itertools.pairwise(probes)]
    assert waits == sorted(waits)


def test_with_bbr_fewer_are_enough() -> None:
    line = Line(lambda n: n * 500_000.0, replace(FAR, congestion="bbr"), loss=0.01)
    line.run(30)
    assert line.rules.count == MOST_WITH_BBR


def test_with_bbr_a_long_line_keeps_what_it_began_with() -> None:
    line = Line(lambda n: n * 500_000.0, replace(FAR, answer_s=0.3, rtt_s=0.3, congestion="bbr"), loss=0.01)
    line.run(30)
    assert line.rules.count == START_LONG


@pytest.mark.parametrize(("rtt_s", "queue_s"), [(0.1, 0.04), (0.3, 0.05), (0.02, 0.01)])
def test_a_queue_in_the_line_means_that_it_is_full(rtt_s: float, queue_s: float) -> None:
    line = Line(lambda n: n * 500_000.0, LinkFacts(rtt_s, rtt_s, queue_s, congestion="cubic"), loss=0.001)
    start = line.rules.count
    line.run(30)
    assert line.rules.count == start


def test_a_queue_that_comes_and_goes_is_one() -> None:
    """Samples fall between its waves: the line is full although no queue stands at the end of a window."""
    line = Line(lambda n: n * 500_000.0, loss=0.001)
    for n in range(100):
        line.link = replace(FAR, queue_s=0.05 if n % 3 == 0 else 0.0)
        line.run(TICK_S)
    assert line.rules.count == START


def test_a_goodput_that_rises_by_itself_is_left_alone() -> None:
    line = Line(lambda _: 1e6 * 1.3**line.now_s)
    line.run(10)
    assert line.rules.count == START


def test_nothing_is_tried_for_what_is_nearly_over() -> None:
    line = Line(lambda n: n * 500_000.0, loss=0.001)
    assert line.run(3, left_bytes=START * 500_000.0 * 2.4)[-1] == START
    growing = Line(lambda n: n * 500_000.0, loss=0.001)
    assert growing.run(3, left_bytes=START * 500_000.0 * 30)[-1] > 2 * START
    grown = Line(lambda n: n * 500_000.0, loss=0.001)
    assert grown.run(6, left_bytes=START * 500_000.0 * 6)[-1] == 2 * START, "one try was worth it, a second was not"


def test_losses_without_a_queue_let_it_grow_at_once_and_further() -> None:
    line = Line(lambda n: n * 500_000.0, loss=0.001)
    line.run(3.2)
    assert line.rules.count == MOST_WITH_LOSS


@pytest.mark.parametrize("filled_by", [START, START + START // 2])
def test_what_filled_a_lossy_line_is_kept_and_no_more_is_tried(filled_by: int) -> None:
    line = Line(lambda n: min(n, filled_by) * 500_000.0, loss=0.001)
    counts = []
    for _ in range(200):
        line.link = replace(FAR, queue_s=0.06 if line.rules.count > filled_by else 0.0)
        counts += line.run(TICK_S)
    assert counts[-1] == max(counts) == 2 * START


def test_new_connections_may_cost_at_first_what_they_bring_later() -> None:
    """Their slow start overruns the line: for a window less goes through, then more and more."""
    line = Line(lambda _: 0.0, loss=0.001)
    grown_at_s, before = -10.0, START

    def rate(count: int) -> float:
        nonlocal grown_at_s, before
        if count != before:
            grown_at_s, before = line.now_s, count
        since_s = line.now_s - grown_at_s
        return count * 500_000.0 * (0.4 if since_s < 0.55 else 0.5 if since_s < 1.05 else 1.0)

    line.rate = rate
    counts = line.run(12)
    assert counts == sorted(counts)
    assert counts[-1] == MOST_WITH_LOSS


@pytest.mark.parametrize(
    ("link", "cut"),
    [
        (FAR, 4),
        (replace(FAR, congestion="bbr"), 2),  # bbr makes the connections even
        (replace(FAR, queue_s=0.06), 2),  # these losses are those of a full line
    ],
)
def test_where_losses_are_the_limit_the_last_parts_are_smaller(link: LinkFacts, cut: int) -> None:
    """One connection may be much slower than the others: none is given much at once."""
    line = Line(lambda n: n * 500_000.0, link, loss=0.001)
    line.rules.fixed = 16
    line.run(5)
    assert line.rules.part_size_bytes(16 * MIB) == 16 * MIB // (16 * cut)


def test_the_very_last_parts_take_two_round_trips_since_each_costs_one() -> None:
    line = Line(lambda n: n * 500_000.0, replace(FAR, answer_s=0.4, rtt_s=0.4))
    line.rules.fixed = 16
    line.run(5)
    assert line.rules.part_size_bytes(MIB) == pytest.approx(2 * 0.4 * 500_000, abs=64 * KIB)


@pytest.mark.parametrize(("answer_s", "size"), [(0.0002, 64 * MIB), (0.1, MIB)])
def test_the_first_parts_are_small_where_it_is_not_known_how_fast_they_go(answer_s: float, size: int) -> None:
    assert Line(lambda n: n, LinkFacts(answer_s)).rules.part_size_bytes(GIB) == size


def test_at_a_near_end_a_file_has_few_parts_since_each_costs_as_much_as_a_megabyte() -> None:
    """No rate is known of a file that is over in half a second."""
    rules, left_bytes, sizes = Line(lambda n: n, LinkFacts(0.0002)).rules, GIB, []
    while left_bytes:
        sizes.append(min(left_bytes, rules.part_size_bytes(left_bytes)))
        left_bytes -= sizes[-1]
    assert len(sizes) <= 40
    assert max(sizes[-2:]) <= MIB


def test_the_last_parts_of_one_connection_are_no_smaller_since_nobody_shares_them() -> None:
    line = Line(lambda n: n * 1e9, LinkFacts(0.0002))
    line.rules.fixed = 1
    line.run(5)
    assert line.rules.part_size_bytes(32 * MIB) >= 32 * MIB


def test_the_rate_is_what_was_confirmed() -> None:
    """Bytes that went into the system come in jumps of whole pieces."""
    line = Line(lambda n: n * 1e6)
    line.rules.fixed = 4
    line.confirmed = lambda moved: moved * 3 // 4  # type: ignore[method-assign]
    line.run(5)
    assert line.rules.part_size_bytes(GIB) == pytest.approx(0.75e6 * 2, abs=64 * KIB)


def test_what_a_browser_sends_by_itself_counts_although_no_connection_of_ours_carried_it() -> None:
    line = Line(lambda n: n * 1e6)
    line.rules.fixed = 4
    line.confirmed = lambda moved: moved // 100  # type: ignore[method-assign]
    line.run(5)
    assert line.rules.part_size_bytes(GIB) == pytest.approx(1e6 * 2, abs=64 * KIB)


def test_a_pause_between_files_does_not_make_the_parts_small() -> None:
    line = Line(lambda n: n * 1e6)
    line.rules.fixed = 4
    line.run(5)
    before = line.rules.part_size_bytes(GIB)
    line.rate = lambda _: 1000.0
    line.run(5, is_full=False)
    assert line.rules.part_size_bytes(GIB) == before


def test_a_pool_that_is_not_full_says_nothing() -> None:
    line = Line(lambda n: n * 500_000.0)
    line.run(30, is_full=False)
    assert line.rules.count == START


def test_a_count_that_a_person_chose_is_fixed() -> None:
    line = Line(lambda n: n * 500_000.0)
    line.rules.fixed = 3
    line.run(30)
    line.rules.throttled(line.now_s)
    assert line.rules.count == 3


def test_f36_throttling_halves_once_a_second_and_eight_good_parts_give_one_back() -> None:
    rules = Line(lambda n: n).rules
    rules.throttled(10.0)
    rules.throttled(10.5)
    assert rules.count == START // 2
    for _ in range(8):
        rules.part_stored(11.0)
    assert rules.count == START // 2 + 1
    for _ in range(8 * START):
        rules.part_stored(12.0)
    assert rules.count == START


def test_each_request_that_stalled_takes_one_and_an_outage_half() -> None:
    rules = Line(lambda n: n).rules
    late = RequestTimeoutError("silent for a minute", was_sent=False)
    for second in (10.0, 15.0, 20.0):
        rules.ended(second, late)
    assert rules.count == START - 3
    for _ in range(START):
        rules.ended(30.0, late)
    assert rules.count == (START - 3) // 2


def test_f36_a_storage_that_answers_that_it_waited_too_long_halves() -> None:
    rules = Line(lambda n: n).rules
    rules.ended(10.0, RequestTimeoutError("HTTP 408", code="RequestTimeout"))
    assert rules.count == START // 2


def test_parts_are_as_large_after_a_fall_as_before_for_each_connection_is_as_fast() -> None:
    line = Line(lambda n: n * 2e6)
    line.run(1.0)
    before = line.rules.part_size_bytes(100 * GIB)
    line.rules.ended(line.now_s, ThrottledError("503", status=503))
    assert line.rules.count == START // 2
    assert line.rules.part_size_bytes(100 * GIB) == before


def test_throttling_never_ends_below_one() -> None:
    rules = Line(lambda n: n).rules
    for second in range(20):
        rules.throttled(float(second * 2))
    assert rules.count == 1


@pytest.mark.parametrize(
    ("rate", "least", "most"),
    [
        (2_000.0, 128 * KIB, 128 * KIB),
        (312_500.0, 512 * KIB, 2 * MIB),
        (2e6, 3 * MIB, 5 * MIB),
        (3e8, 128 * MIB, 128 * MIB),
    ],
)
def test_parts_follow_the_rate_of_one_connection(rate: float, least: int, most: int) -> None:
    line = Line(lambda n: n * rate)
    line.rules.fixed = 4
    line.run(5)
    assert least <= line.rules.part_size_bytes(100 * GIB) <= most


def test_the_last_parts_are_small_so_that_all_end_together() -> None:
    line = Line(lambda n: n * 2e6)
    line.rules.fixed = 8
    line.run(5)
    assert line.rules.part_size_bytes(16 * MIB) == MIB
    assert 256 * KIB <= line.rules.part_size_bytes(MIB) <= 512 * KIB


def test_under_a_bandwidth_limit_all_senders_end_a_part_every_few_seconds() -> None:
    rules = Line(lambda n: n).rules
    rules.fixed = 4
    assert rules.part_size_bytes(GIB, 1_000_000) <= 1_000_000


@given(
    st.integers(1, 10**14),
    st.integers(256 * KIB, 128 * MIB),
    st.integers(0, PARTS_MAX - 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_cut_with_any_sizes_never_needs_more_numbers_than_there_are(
    size: int, wished: int, before: int, done: float, may_shrink: bool
) -> None:
    offset = int(size * done)
    part = plan_next(size, wished, before, offset, may_shrink=may_shrink)
    if part is None:
        assert offset >= size
        return
    left = size - part.end
    numbers = PARTS_MAX - part.part_number
    assert left == 0 or numbers > 0
    assert left <= numbers * max(wished, part.size_bytes)


@pytest.mark.parametrize("size", [10**11, 10**12, 48 * 10**12, OBJECT_MAX_BYTES])
def test_a_file_that_needs_every_number_ends_with_small_parts_too(size: int) -> None:
    rules = Line(lambda n: n * 2e6).rules
    board = Board(Ledger(size))
    board.plan(choose_part_size(size), [], exact=False)
    sizes = []
    while (part := board.take(0.0, rules.part_size_bytes)) is not None:
        sizes.append(part.size_bytes)
    assert sum(sizes) == size
    assert len(sizes) <= PARTS_MAX
    assert max(sizes) <= PART_MAX_BYTES
    assert max(sizes) < 1.1 * size / PARTS_MAX
    if size < 0.9 * OBJECT_MAX_BYTES:  # the largest of all has no number to spare
        assert sizes[-2] < 0.02 * max(sizes)


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=30))
def test_what_was_missing_between_stored_parts_is_filled_exactly(cut: list[tuple[int, bool]]) -> None:
    parts, end = [], 0
    for number, (size, _) in enumerate(cut, start=1):
        parts.append(Part(number, end, end + size))
        end += size
    stored = [p for p, (_, kept) in zip(parts, cut, strict=True) if kept]

    assert fitting(stored) == tuple(stored)
    whole = sorted([*stored, *fill_gaps(stored)], key=lambda p: p.part_number)
    assert [p.part_number for p in whole] == list(range(1, len(whole) + 1))
    assert all(a.end == b.start for a, b in itertools.pairwise(whole))
    assert not whole or whole[0].start == 0


def test_missing_parts_of_one_size_are_filled_with_that_size() -> None:
    stored = [Part(1, 0, 100), Part(5, 400, 437)]
    assert [p.size_bytes for p in fill_gaps(stored)] == [100, 100, 100]


def test_parts_of_another_cut_do_not_fit() -> None:
    stored = (Part(1, 0, 100), Part(2, 50, 200), Part(3, 100, 300), Part(4, 100, 180))
    assert [p.part_number for p in fitting(stored)] == [1]
