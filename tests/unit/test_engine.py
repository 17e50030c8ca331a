"""What the engine does with answers that come at odd moments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vod_widget import effects as fx
from vod_widget.engine import Engine
from vod_widget.errors import InvalidStateError
from vod_widget.model import Part

UPLOAD = "u1"
SAVE = fx.SavePart(Part(1, 0, 10, "ETAG", 5), UPLOAD)
MACHINE: Any = SimpleNamespace(checkpoint=SimpleNamespace(upload_id=UPLOAD))


def engine() -> Engine:
    nothing: Any = None
    return Engine(store=nothing, api=nothing, clock=nothing, bandwidth=nothing, pace=nothing, settings=nothing)


class Released:
    """A journal entry that is let go: by whom, the test says."""

    def __init__(self, record: Any, *, by_another_thread: bool) -> None:
        self.record = record
        self.by_another_thread = by_another_thread

    def add_part(self, _part: Part) -> None:
        if self.by_another_thread:
            self.record.run.entry = None
        raise InvalidStateError("the journal entry was released before")


@pytest.mark.parametrize("rests", [True, False])
def test_a_part_that_comes_as_its_file_comes_to_rest_is_no_fault(rests: bool) -> None:
    record: Any = SimpleNamespace(machine=MACHINE, run=SimpleNamespace(turn=object(), entry=None))
    record.run.entry = Released(record, by_another_thread=rests)
    if rests:
        engine().perform(record, MACHINE, SAVE)
        assert record.run.entry is None
    else:
        with pytest.raises(InvalidStateError):
            engine().perform(record, MACHINE, SAVE)


def test_part_of_an_upload_that_was_begun_again_meanwhile_is_not_written_behind_the_new_one() -> None:
    written: list[Part] = []
    entry = SimpleNamespace(add_part=written.append)
    record: Any = SimpleNamespace(machine=MACHINE, run=SimpleNamespace(turn=object(), entry=entry))
    engine().perform(record, MACHINE, fx.SavePart(SAVE.part, "u0"))
    assert written == []
    engine().perform(record, MACHINE, SAVE)
    assert written == [SAVE.part]
