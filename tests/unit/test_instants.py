"""Instants are read by one function, whatever the clouds and files write."""

from __future__ import annotations

import pytest

from vod_widget.instants import unix_s

NOON_S = 1_795_694_400.0


@pytest.mark.parametrize(
    "text",
    ["2026-11-26T12:00:00Z", "2026-11-26T12:00:00.000Z", " 2026-11-26T12:00:00 ", "2026-11-26T20:00:00+08:00"],
)
def test_an_instant_is_read_in_each_form(text: str) -> None:
    assert unix_s(text) == NOON_S


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "1795694400"])
def test_what_is_no_instant_is_none(text: str) -> None:
    assert unix_s(text) is None
