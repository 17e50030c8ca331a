"""The proof that the rules of one file, of the journal and of retries are tested: change any one, and a test fails.

    python -m tests.simulation.mutants              all of them, with who noticed each and how long it took
    python -m tests.simulation.mutants -k journal   those whose module, text or test has this
    python -m tests.simulation.mutants --quick      without those that only many histories of the simulator notice, or a
                                                    test that waits a minute for what does not come

The list is in `mutant_list.py`; the runner is `tests/helpers/mutation.py`.
"""

from __future__ import annotations

import os
import sys

from tests.helpers.mutation import Mutant, main
from tests.simulation.mutant_list import MUTANTS

LONG = ("simulation/test_simulation::", "widget/test_left_waiting::")
"""Tests that may take a minute to notice a mutant."""

SEEDS = "60"
"""Histories of a plan that a mutant may have before it counts as unnoticed."""


def mutants() -> tuple[Mutant, ...]:
    """The list."""
    return tuple(Mutant(f"vod_widget.{module}", old, new, test) for module, old, new, test in MUTANTS)


if __name__ == "__main__":
    os.environ.setdefault("VOD_SIM_SEEDS", SEEDS)
    chosen = mutants()
    arguments = sys.argv[1:]
    if "--quick" in arguments:
        arguments.remove("--quick")
        chosen = tuple(m for m in chosen if not m.test.startswith(LONG))
    sys.exit(main(chosen, "the rules of a file", arguments))
