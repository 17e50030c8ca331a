"""What a widget's model carries to every page, and into notebooks that keep widget state."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from vod_widget import VODUploadWidget
from vod_widget.widget.assets import STATIC

ROOT = Path(__file__).parents[2]


def test_a_model_carries_the_bundle_that_is_committed_in_half_of_its_bytes() -> None:
    carried = str(VODUploadWidget._esm)
    found = re.search(r'atob\("([A-Za-z0-9+/=]+)"\)', carried)
    assert found is not None
    bundle = (STATIC / "widget.js").read_bytes()
    assert zlib.decompress(base64.b64decode(found[1])) == bundle
    assert len(carried) < 0.6 * len(bundle)


@pytest.mark.slow
def test_while_the_front_end_is_worked_on_a_model_carries_the_file_itself() -> None:
    program = "from vod_widget import VODUploadWidget as W; print(type(W._esm).__name__, len(str(W._esm)))"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "ANYWIDGET_HMR": "1"}
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["FileContents", str(len((STATIC / "widget.js").read_text(encoding="utf-8")))], (
        ran.stderr
    )
