"""Every mutant of the emulator is noticed; by hand: python -m tests.emulator.mutants."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.mutation import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(900)  # it shares its cores with another process of tests
def test_every_mutant_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.emulator.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=890,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
