"""Slice size and patience follow what comes and what does not."""

from __future__ import annotations

import pytest

from vod_widget.sources.pace import FIRST_SLICE_BYTES, LARGEST_SLICE_BYTES, SMALLEST_SLICE_BYTES, Pace

MIB = 1024 * 1024


def test_four_slices_fly_and_small_ones_more() -> None:
    assert Pace(4 * MIB).window_bytes == 16 * MIB
    assert Pace(64 * 1024).window_bytes == 2 * MIB


def test_the_first_slices_pass_a_server_of_half_a_mebibyte() -> None:
    head_bytes = 4096  # of the message that carries it: JSON of the comm, lengths of the frames
    assert FIRST_SLICE_BYTES + head_bytes < MIB // 2


@pytest.mark.parametrize("said", [0, 1, 10**12])
def test_what_a_page_says_is_kept_within_limits(said: int) -> None:
    assert SMALLEST_SLICE_BYTES <= Pace(said).slice_bytes <= LARGEST_SLICE_BYTES


def test_a_loss_halves_and_a_clean_run_doubles_again() -> None:
    pace = Pace(4 * MIB)
    pace.lost()
    assert pace.slice_bytes == 2 * MIB
    for _ in range(31):
        pace.came(0.1)
    assert pace.slice_bytes == 2 * MIB
    pace.came(0.1)
    assert pace.slice_bytes == 4 * MIB
    for _ in range(100):
        pace.came(0.1)
    assert pace.slice_bytes == 4 * MIB, "never above what the page said"


def test_a_size_that_was_lost_twice_is_not_tried_again() -> None:
    pace = Pace(2 * MIB)
    for _ in range(2):
        pace.lost()
        for _ in range(32):
            pace.came(0.1)
    for _ in range(1000):
        pace.came(0.1)
    assert pace.slice_bytes == MIB


def test_a_socket_that_drops_is_not_taken_for_a_limit() -> None:
    pace = Pace(4 * MIB)
    for _ in range(5):
        pace.came(0.1, MIB)
        pace.lost(MIB)
        assert (pace.slice_bytes, pace.timeout_s) == (4 * MIB, 8.0)
    pace.lost(MIB)
    assert pace.slice_bytes == 2 * MIB, "what is lost twice in a row may be too much"
    pace.came(0.1, MIB)
    pace.lost(2 * MIB)
    assert pace.slice_bytes == MIB, "so large a one never came"


def test_a_line_that_is_full_gets_smaller_slices_so_that_a_click_comes_through() -> None:
    pace = Pace(4 * MIB)
    bytes_per_s = 20 * MIB
    pace.came(pace.slice_bytes / bytes_per_s)
    for _ in range(200):
        pace.came(pace.window_bytes / bytes_per_s)
    assert pace.window_bytes / bytes_per_s <= 0.4
    bytes_per_s *= 8
    for _ in range(200):
        pace.came(pace.window_bytes / bytes_per_s)
    assert pace.slice_bytes == 4 * MIB, "and larger ones again when it is fast"


def test_a_slow_line_gets_fewer_slices_at_a_time_so_that_a_click_comes_through() -> None:
    pace = Pace(MIB // 4)
    bytes_per_s = 1_000_000 / 8
    for _ in range(100):
        pace.came(pace.window_bytes / bytes_per_s, pace.slice_bytes)
    assert pace.window_bytes == 2 * pace.slice_bytes, "one on its way while the other is read"
    bytes_per_s *= 100
    for _ in range(100):
        pace.came(pace.window_bytes / bytes_per_s, pace.slice_bytes)
    assert pace.window_bytes == 2 * MIB, "and more again when it is fast"


def test_a_long_way_is_not_taken_for_a_full_line() -> None:
    pace = Pace(4 * MIB)
    for _ in range(200):
        pace.came(0.5)
    assert pace.slice_bytes == 4 * MIB


def test_it_ends_at_the_smallest_slice() -> None:
    pace = Pace(4 * MIB)
    for _ in range(20):
        pace.lost()
    assert pace.slice_bytes == SMALLEST_SLICE_BYTES


def test_patience_follows_the_round_trip_and_doubles_with_each_loss() -> None:
    pace = Pace(MIB)
    assert pace.timeout_s == 10.0
    pace.came(0.05)
    assert pace.timeout_s == 4.0, "a lost socket is found out in seconds"
    pace.lost()
    assert pace.timeout_s == 8.0
    for _ in range(10):
        pace.lost()
    assert pace.timeout_s == 60.0
    for _ in range(50):
        pace.came(5.0)
    assert 29.0 < pace.timeout_s < 31.0, "a slow line is not lost"
