"""A comm of our own for every test of the shell; no kernel is needed."""

from __future__ import annotations

import pytest

from tests.widget.fakes import FakeComm, Rig


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> type[FakeComm]:
    import comm

    FakeComm.opened.clear()
    monkeypatch.setattr(comm, "create_comm", FakeComm)
    return FakeComm


@pytest.fixture
def rig() -> Rig:
    return Rig()
