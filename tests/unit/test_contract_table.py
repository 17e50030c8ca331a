"""The contract of the README names cases that exist, and its rows are those of the list."""

from __future__ import annotations

from pathlib import Path

from tests.fault.contract import BEGIN, END, PROMISES, _shown, block
from tests.fault.finding import Proof
from tests.fault.matrix import CASES
from tests.fault.report import Outcome
from tests.security.matrix import REQUIREMENTS

README = Path(__file__).parents[2] / "README.md"


def test_every_row_of_the_contract_names_cases_that_exist() -> None:
    known = {case.id for case in CASES} | set(REQUIREMENTS)
    assert [promise.id for promise in PROMISES] == [f"C{n}" for n in range(1, len(PROMISES) + 1)]
    for promise in PROMISES:
        assert promise.cases
        assert [case for case in promise.cases if case not in known] == [], promise.id


def test_the_readme_has_the_rows_that_the_command_writes() -> None:
    page = README.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line.rstrip("| ").split(" | ")[:4] for line in page.splitlines() if line.startswith("| C")]
    assert rows == [[f"| {p.id}", p.text, p.figure, _shown(p.cases)] for p in PROMISES], "run scripts/fault-matrix"


def test_a_row_counts_what_came_of_its_tests() -> None:
    path = Path("tests/x.py")
    found = [Proof(path, "test_f4_a", "L", ("F4",)), Proof(path, "test_f1_b", "L", ("F1",))]
    outcomes = {
        ("tests/x.py", "test_f4_a"): Outcome(passed=3),
        ("tests/x.py", "test_f1_b"): Outcome(passed=1, failed=2),
        ("tests/y.py", "test_s1_c"): Outcome(passed=5),
    }
    rows = {line.split(" ")[1]: line for line in block(found, outcomes, "Measured.").splitlines() if line[:3] == "| C"}
    assert rows["C3"].endswith("| 3 checks passed |")
    assert rows["C5"].endswith("| **2 failed** |")
    assert rows["C13"].endswith("| 5 checks passed |")
    assert rows["C6"].endswith("| not run |")
    assert _shown(("F4", "F5", "F6", "F9", "S1", "S2")) == "F4-F6, F9, S1-S2"
