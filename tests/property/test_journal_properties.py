"""A mutilated checkpoint gives an earlier state or none, never one that was not written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vod_widget.journal.lines import State, part_line, read_lines
from vod_widget.model import Checkpoint, MediaType, Part

pytestmark = pytest.mark.slow

TEXT = st.text(st.characters(codec=None, categories=None), max_size=20)
PARTS = st.builds(
    lambda number, start, length, etag, crc64: Part(number, start, start + length, etag, crc64),
    st.integers(1, 10_000),
    st.integers(0, 2**48),
    st.integers(0, 2**33),
    TEXT,
    st.none() | st.integers(0, 2**64 - 1),
)
CHECKPOINTS = st.builds(
    Checkpoint,
    file_id=TEXT,
    source_id=TEXT,
    destination=TEXT,
    fingerprint=TEXT,
    name=TEXT,
    size_bytes=st.integers(0, 2**50),
    media_type=st.sampled_from(MediaType),
    reference_id=TEXT,
    media_id=TEXT,
    upload_id=TEXT,
    part_size_bytes=st.integers(0, 2**33),
    canceled=st.booleans(),
    metadata=st.dictionaries(st.sampled_from(["title", "tags"]), TEXT | st.lists(TEXT, max_size=3) | st.none()),
)
HISTORY = st.lists(st.one_of(st.tuples(CHECKPOINTS, st.booleans()), PARTS), max_size=12)


def _write(history: list[Any], first: Checkpoint) -> tuple[bytes, list[Checkpoint | None]]:
    """The lines of a history, and the state after each of them."""
    state = State(first, {}, 1.0)
    data = state.lines()
    states: list[Checkpoint | None] = [None, state.whole()]
    for step in history:
        if isinstance(step, Part):
            state.parts[step.part_number] = step
            data += part_line(step)
        else:
            before = state.checkpoint
            state.checkpoint, is_reset = step
            if is_reset:
                state.parts = {}
            assert before is not None
            data += state.checkpoint_line(is_reset=True) if is_reset else state.change_line(before)
        states.append(state.whole())
    return data, states


@given(CHECKPOINTS, HISTORY)
def test_what_was_written_is_read(first: Checkpoint, history: list[Any]) -> None:
    data, states = _write(history, first)
    state, verdict = read_lines(data)
    assert (state.whole(), verdict) == (states[-1], "")
    assert read_lines(state.lines())[0].whole() == states[-1], "also after it was written anew"


@given(CHECKPOINTS, HISTORY, st.data())
def test_a_mutilated_file_never_invents_a_state(first: Checkpoint, history: list[Any], draw: Any) -> None:
    data, states = _write(history, first)
    at = draw.draw(st.integers(0, len(data) - 1))
    junk = draw.draw(st.binary(max_size=8))
    length = draw.draw(st.integers(0, 40))
    harmed = data[:at] + junk + data[at + length :]
    state, verdict = read_lines(harmed)
    if verdict in ("", "torn"):
        # Dropping whole lines is the one harm that no line can show by itself; the etags and CRCs show it later.
        known = {part for s in states if s is not None for part in s.parts}
        bare = {repr(replace(s, parts=())) for s in states if s is not None}
        got = state.whole()
        assert got is None or (repr(replace(got, parts=())) in bare and set(got.parts) <= known)
    else:
        assert state.checkpoint is None or repr(state.checkpoint) in {
            repr(replace(s, parts=())) for s in states if s is not None
        }
