"""The lists of mutants fit the code of today: a mutant whose text or test has gone notices nothing any more.

That each is noticed is shown by `tests/simulation/test_mutants.py` and `tests/emulator/test_mutants.py`.
"""

from __future__ import annotations

import pytest

from tests.emulator.mutants import mutants as of_the_emulator
from tests.helpers.mutation import misfits
from tests.simulation.mutants import mutants as of_the_core


@pytest.mark.slow
def test_every_mutant_fits_the_code_of_today_and_has_a_test() -> None:
    assert misfits(of_the_core()) == []
    assert misfits(of_the_emulator()) == []
    assert len(of_the_core()) >= 200
