"""`vod-widget demo`: one command, no account; and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import vod_widget as vw
from tests.helpers.media import Media
from vod_widget.cli import demo, main
from vod_widget.errors import InvalidArgumentError, VODError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go, so that the test sees what is left of them."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def leftovers(scratch: Path) -> list[str]:
    return [path.name for path in scratch.iterdir() if path.name.startswith(("vod_widget-", "vod-emulator-"))]


@pytest.mark.slow
def test_quick_start_runs_without_a_screen_and_leaves_nothing(scratch: Path, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vod_widget", "demo", "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"01-quickstart\.ipynb: \d+ cells ran on the emulator\.\n", done.stdout)
    assert leftovers(scratch) == []
    assert not (home / "vod_widget").exists(), "the demo has a journal of its own"


@pytest.mark.slow
def test_failing_cell_exits_with_one_and_says_which_error(
    scratch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / demo.NOTEBOOK)
    assert main(["demo", "--check", "--dir", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"vod-widget: a cell of {demo.NOTEBOOK} failed: ZeroDivisionError: division by zero\n"
    assert leftovers(scratch) == []


@pytest.fixture
def running(scratch: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str], Path]]:
    """A demo that has printed where it is: the process, its lines, its work folder."""
    work = tmp_path / "work"
    process = subprocess.Popen(
        [sys.executable, "-m", "vod_widget", "demo", "--no-browser", "--dir", str(work)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(250, process.kill)
    watchdog.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        yield process, lines, work
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=60)


def processes_below(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(entry.parent.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_lab_opens_with_the_quick_start_and_ctrl_c_takes_it_all_down(
    running: tuple[subprocess.Popen[str], list[str], Path], scratch: Path, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, lines, work = running
    found = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/lab/tree/01-quickstart\.ipynb\?token=\w+", "".join(lines))
    assert found, "".join(lines)
    with urllib.request.urlopen(found.group(), timeout=60) as answer:
        assert b"jupyterlab" in answer.read().lower()
    assert sorted(path.name for path in work.iterdir() if not path.name.startswith(".")) == [demo.NOTEBOOK, "samples"]
    (private,) = scratch.glob("vod_widget-demo-*")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    keys = private / "emulator.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    facts = json.loads(keys.read_text())
    assert set(facts) == {"endpoint", "access_key_id", "access_key_secret", "region"}
    assert facts["access_key_secret"] not in "".join(lines)

    # What a kernel of it does: the profile "emulator" is the demo's.
    monkeypatch.setenv("VOD_WIDGET_EMULATOR", str(keys))
    (row,) = vw.upload(media.png, profile="emulator")
    assert row.image_url.startswith(facts["endpoint"])

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert leftovers(scratch) == []
    assert processes_below(private) == []
    assert (work / demo.NOTEBOOK).exists()


@pytest.mark.slow
def test_lab_that_cannot_start_says_why(scratch: Path, emulator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    taken = emulator.endpoint.rpartition(":")[2]
    assert main(["demo", "--no-browser", "--port", taken]) == 1
    err = capsys.readouterr().err
    assert "vod-widget: JupyterLab ended with status" in err
    assert "port" in err.lower()
    assert leftovers(scratch) == []


def test_files_of_the_person_are_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / demo.NOTEBOOK
    mine.write_text("mine")
    demo._fill(tmp_path)
    assert mine.read_text() == "mine"
    assert (tmp_path / "samples" / "clip.mp4").read_bytes() == (ROOT / "notebooks/samples/clip.mp4").read_bytes()


def test_work_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgumentError, match="--dir"):
        demo._fill(tmp_path / "file")


def test_missing_jupyterlab_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(VODError, match=r"pip install 'vod_widget\[demo\]'"):
        demo.run_demo(folder=None, port=None, opens_browser=False, is_check=False, say=str, complain=str)
