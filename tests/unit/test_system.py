"""The machine's clock and chance keep what the Protocols promise."""

from __future__ import annotations

import re
import time

import pytest

from vod_widget.errors import InvalidArgumentError
from vod_widget.system import SystemClock, SystemRandomness


def test_the_clock_is_this_machines() -> None:
    clock = SystemClock()
    before, after = time.time(), time.time() + 60
    assert before <= clock.now_s() <= after
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first


@pytest.mark.parametrize("length", [1, 2, 31, 32])
def test_hex_has_the_wished_length_and_never_repeats(length: int) -> None:
    chance = SystemRandomness()
    drawn = [chance.hex(length) for _ in range(20)]
    assert all(re.fullmatch(rf"[0-9a-f]{{{length}}}", text) for text in drawn)
    assert length < 31 or len(set(drawn)) == 20


def test_hex_needs_a_length() -> None:
    with pytest.raises(InvalidArgumentError):
        SystemRandomness().hex(0)


def test_uniform_stays_inside() -> None:
    chance = SystemRandomness()
    drawn = [chance.uniform(2.0, 3.0) for _ in range(50)]
    assert all(2.0 <= number <= 3.0 for number in drawn)
    assert len(set(drawn)) > 1
