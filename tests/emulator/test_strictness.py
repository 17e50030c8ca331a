"""Every point of strictness is shown by a test and proved by a mutant."""

from __future__ import annotations

import importlib
import inspect

from tests.emulator.mutant_list import MUTANTS
from tests.emulator.strictness import POINTS, claims


def test_every_point_has_a_line() -> None:
    assert {claim.point for claim in claims()} == set(range(1, POINTS + 1))


def test_every_line_has_its_tests() -> None:
    for claim in claims():
        for name in claim.tests:
            module, _, function = name.partition("::")
            found = getattr(importlib.import_module(f"tests.emulator.{module}"), function, None)
            assert inspect.isfunction(found), f"{claim.point}: {name} is gone"


def test_every_line_is_proved_by_a_mutant() -> None:
    proving = {test for _, old, new, test in MUTANTS if old != new}
    bare = [f"{claim.point} {claim.mistake}: {claim.tests}" for claim in claims() if not proving & set(claim.tests)]
    assert not bare, "\n".join(bare)
