"""A quarter of a minute of the soak in every run of the tests; ten minutes: python -m tests.soak --minutes 10."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.soak.__main__ import Soak

FAULT_KIND = "LP"


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_f146_a_quarter_of_a_minute_of_faults_and_kills_on_real_sockets(tmp_path: Path) -> None:
    soak = Soak(tmp_path, seed=1, kill_every_s=4.0, files_at_once=12, keeps=True)
    try:
        figures = soak.run(12.0)
    finally:
        soak.close()
    assert soak.kills >= 2
    assert soak.traffic.struck
    assert "0 violations" in figures
