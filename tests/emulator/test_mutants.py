"""The list of mutants fits the code, and every one of them is noticed; by hand: python -m tests.emulator.mutants."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.emulator.mutants import mutants
from tests.helpers.mutation import ROOT, misfits


def test_every_mutant_fits_the_code_of_today_and_has_a_test() -> None:
    assert misfits(mutants()) == []


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
