"""Find the tests that prove a case: by their names, without importing them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fault.matrix import CASES, NOT_HERE, Case

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"test((?:_f\d+)+)_")


@dataclass(frozen=True)
class Proof:
    """One test that proves one case or several."""

    path: Path
    """Within the project."""
    name: str
    kind: str
    """Letters of `matrix.KINDS`, mostly one; empty when its module does not say."""
    cases: tuple[str, ...]


def cases_of(name: str) -> tuple[str, ...]:
    """The ids in a test's name; nothing when it proves no case."""
    found = _NAMED.match(name)
    return tuple("F" + number for number in found[1].split("_f")[1:]) if found else ()


def proofs(root: Path = ROOT / "tests") -> tuple[Proof, ...]:
    """Every test below `root` that has an id in its name, in the order of files and lines."""
    return tuple(proof for path in sorted(root.rglob("test_*.py")) for proof in _of_module(path))


def _of_module(path: Path) -> Iterator[Proof]:
    text = path.read_text("utf-8")
    if "def test_f" not in text:
        return
    module = ast.parse(text)
    kind = ""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FAULT_KIND":
            kind = str(ast.literal_eval(node.value))
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (cases := cases_of(node.name)):
            yield Proof(path.relative_to(ROOT), node.name, kind, cases)


def missing(case: Case, found: tuple[Proof, ...]) -> str:
    """The kinds of test that a case still lacks, those without a reason."""
    kinds = {kind for proof in found if case.id in proof.cases for kind in proof.kind}
    return "".join(kind for kind in case.kinds if kind not in kinds and (case.id, kind) not in NOT_HERE)


def open_cases(found: tuple[Proof, ...]) -> dict[str, str]:
    """The cases that are not proven by every kind of test that they ask for, with the kinds they lack."""
    return {case.id: lack for case in CASES if (lack := missing(case, found))}
