"""A key in the text of a cell is warned of, wherever it came from then."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from vod_widget.credentials import resolve
from vod_widget.model import Credentials

from .helpers import CANARY, KEY_ID, TOKEN, keys_env


def shell(monkeypatch: pytest.MonkeyPatch, *cells: Any) -> None:
    running = SimpleNamespace(user_ns={"In": list(cells)})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: running))


def codes(**given: Any) -> list[str]:
    return [notice.code for notice in resolve(**given).notices]  # type: ignore[attr-defined]


def test_s3_a_key_that_stands_in_a_cell_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shell(monkeypatch, "", f"up = VODUpload(credentials=Credentials('{KEY_ID}', '{CANARY}'))")
    with caplog.at_level(logging.WARNING):
        assert codes(credentials=Credentials(KEY_ID, CANARY)) == ["Auth.Typed", "Auth.LongLived"]
        assert codes(credentials=Credentials("STS.x", CANARY, TOKEN)) == ["Auth.Typed"]
        assert codes(env=keys_env()) == ["Auth.Typed", "Auth.LongLived"], "%env writes it into a cell, too"
    assert "Move it into a profile" in caplog.text
    assert CANARY not in caplog.text


def test_a_key_from_elsewhere_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shell(monkeypatch, "", "up = VODUpload(profile='prod')", None)
    assert codes(credentials=Credentials(KEY_ID, CANARY)) == ["Auth.LongLived"]
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert codes(credentials=Credentials(KEY_ID, CANARY)) == ["Auth.LongLived"]
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    assert codes(credentials=Credentials(KEY_ID, CANARY)) == ["Auth.LongLived"]
