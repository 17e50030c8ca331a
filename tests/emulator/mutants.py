"""The proof that the emulator's checks are tested: take any one out, and a test fails.

    python -m tests.emulator.mutants                  all of them
    python -m tests.emulator.mutants -k oss_auth      those whose file or text has this

The list is in `mutant_list.py` and `mutant_list_beside.py`: a file of `vod_widget/emulator`, a piece of its text, what stands there instead, and the
test of this folder that must fail then. The runner is `tests/helpers/mutation.py`.
"""

from __future__ import annotations

import sys

from tests.helpers.mutation import Mutant, main


def mutants() -> tuple[Mutant, ...]:
    """The list."""
    from tests.emulator import mutant_list, mutant_list_beside

    listed = mutant_list.MUTANTS + mutant_list_beside.MUTANTS
    return tuple(Mutant(f"vod_widget.emulator.{file}", old, new, f"emulator/{test}") for file, old, new, test in listed)


if __name__ == "__main__":
    sys.exit(main(mutants(), "the emulator"))
