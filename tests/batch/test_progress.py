"""The bar: tqdm where somebody looks, a line every half minute where nobody does, nothing when it is off."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import pytest

import vod_widget as vw
from tests.helpers.media import Media
from vod_widget.batch.bar import open_bar
from vod_widget.model import UploaderState, UploadState
from vod_widget.upload_info import Totals


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


def totals(sent_bytes: int, done: int = 1, failed: int = 1) -> Totals:
    return Totals(
        state=UploaderState.START,
        counts=dict.fromkeys(UploadState, 0),
        done=done,
        failed=failed,
        canceled=0,
        total=3,
        size_bytes=1000,
        done_bytes=0,
        failed_bytes=0,
        sent_bytes=sent_bytes,
        accepted_bytes=0,
        speed_bytes_per_s=10.0,
        time_left_s=None,
        progress=sent_bytes / 1000,
    )


def test_terminal_shows_one_total_bar_with_files_done_and_failed(
    to: dict[str, Any], media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    vw.upload([media.mp4, media.png, "missing.mp4"], **to)
    last = terminal.getvalue().replace("\n", "").split("\r")[-1]
    assert "100%" in last
    assert "2 of 2 files" in last


def test_bar_never_falls_and_never_passes_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar: Any = open_bar(None, 1000, Clock())
    seen = []
    for sent_bytes in (500, 300, 2000):
        bar.show(totals(sent_bytes))
        seen.append(bar._bar.n)
    bar.close()
    assert seen == [500, 500, 1000]
    assert "1 of 3 files, 1 failed" in terminal.getvalue()


def test_without_a_terminal_nothing_is_written(
    to: dict[str, Any], media: Media, capsys: pytest.CaptureFixture[str]
) -> None:
    vw.upload(media.png, **to)
    assert capsys.readouterr() == ("", "")


def test_off_is_silent_in_a_terminal_too(to: dict[str, Any], media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    vw.upload(media.png, progress=False, **to)
    assert terminal.getvalue() == ""


def test_wanted_without_a_terminal_gives_a_line_each_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    bar = open_bar(True, 1000, clock)
    for at_s in range(0, 91, 5):
        clock.at_s = at_s
        bar.show(totals(10 * at_s))
    bar.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Uploading: 30% of 1.00 kB, 1 of 3 files, 1 failed, 10 bytes/s"
    assert len(lines) == 3


def test_unasked_without_a_terminal_goes_to_the_log_only(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    bar = open_bar(None, 1000, clock)
    clock.at_s = 31
    with caplog.at_level(logging.INFO, "vod_widget"):
        bar.show(totals(100), "waiting for others")
    assert [record.getMessage() for record in caplog.records] == [
        "uploading: 10% of 1.00 kB, waiting for others, 10 bytes/s"
    ]
    assert capsys.readouterr().err == ""
