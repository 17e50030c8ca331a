"""The command-line tools that run notebooks without a browser: they end, and leave a summary in words and a small state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.widget.kernels import ROOT

pytestmark = pytest.mark.slow

CELLS = [
    "import vod_widget as vw\nwidget = vw.VODUploadWidget(profile='emulator')\nwidget",
    "widget.add(b'a' * 10, name='<b>one.mp4')\nwidget.add(b'b' * 20, name='two.png')\nresults = widget.run()",
    "print([str(row.state) for row in results])\nprint(widget)",
]
TOOLS = {
    "nbconvert": "jupyter nbconvert --execute in.ipynb --to notebook --output out.ipynb",
    "papermill": "papermill --no-progress-bar in.ipynb out.ipynb",
    "nbclient": "jupyter execute in.ipynb --output out.ipynb",
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_notebook_runs_and_says_what_came_of_it(tool: str, tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(book, tmp_path / "in.ipynb")
    ran = subprocess.run(
        [sys.executable, "-m", *TOOLS[tool].split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=250,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    made = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    (shown, saved), _, [summary] = (cell.outputs for cell in made.cells)
    assert summary["text"].splitlines() == ["['Success', 'Success']", "VODUploadWidget(End: 2 of 2 files done)"]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    assert saved["data"]["text/plain"] == "VODUploadWidget(End: 2 of 2 files done)"
    assert saved["data"]["text/html"].count("✓ Done") == 2
    assert "&lt;b&gt;one.mp4" in saved["data"]["text/html"]
    states = made.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert len(json.dumps(states)) < 100_000
    [ours] = [s["state"] for s in states.values() if "_esm" in s["state"]]
    assert (ours["state"], ours["done"], ours["progress"]) == ("End", 2, 1.0)
    assert len(json.dumps({k: v for k, v in ours.items() if k not in ("_esm", "_css")})) < 4_000
