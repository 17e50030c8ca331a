"""The list of mutants fits the code, and every one of them is noticed; by hand: python -m tests.emulator.mutants."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from tests.emulator.mutants import ROOT, _load

MUTANTS = _load()


def test_every_mutant_fits_the_code_of_today() -> None:
    for mutant in MUTANTS:
        ast.parse(mutant.source())


def test_every_mutant_has_a_test() -> None:
    functions: dict[str, set[str]] = {}
    for mutant in MUTANTS:
        module, _, name = mutant.test.partition("::")
        if module not in functions:
            tree = ast.parse((ROOT / "tests" / "emulator" / f"{module}.py").read_text(encoding="utf-8"))
            functions[module] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions[module], mutant


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(300)
def test_every_mutant_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.emulator.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
