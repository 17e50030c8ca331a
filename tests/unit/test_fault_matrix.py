"""The fault matrix and the tests agree: no test names a case that there is not, and each says of what kind it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.finding import Proof, cases_of, missing, open_cases, proofs
from tests.fault.matrix import CASES, KINDS, NOT_HERE
from tests.fault.report import Outcome, render

FOUND = proofs()


def test_the_matrix_has_146_cases_in_order() -> None:
    assert [case.id for case in CASES] == [f"F{number}" for number in range(1, 147)]
    assert all(case.kinds and set(case.kinds) <= set(KINDS) for case in CASES)


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("test_f5_lost_answer_makes_no_second_video", ("F5",)),
        ("test_f65_f66_complete_is_asked_for", ("F65", "F66")),
        ("test_f5", ()),
        ("test_file_is_sent", ()),
        ("test_first_f5_then_f6", ()),
    ],
)
def test_a_name_says_its_cases(name: str, cases: tuple[str, ...]) -> None:
    assert cases_of(name) == cases


def test_tests_name_known_cases_and_their_modules_a_kind() -> None:
    known = {case.id for case in CASES}
    assert [proof for proof in FOUND if not set(proof.cases) <= known] == []
    assert [proof for proof in FOUND if not proof.kind or not set(proof.kind) <= set(KINDS)] == []
    assert [key for key in NOT_HERE if key not in {(case.id, kind) for case in CASES for kind in case.kinds}] == []


def test_every_case_has_a_test_of_each_kind_that_it_asks_for_or_a_reason_why_not() -> None:
    assert open_cases(FOUND) == {}


def test_a_case_is_open_until_each_kind_of_test_is_there() -> None:
    case = next(case for case in CASES if case.kinds == "SL" and (case.id, "S") not in NOT_HERE)
    assert missing(case, ()) == "SL"
    assert case.id in open_cases(())


def test_the_page_tells_holding_broken_skipped_and_open_cases_apart() -> None:
    path = Path("tests/fault/test_some.py")
    proofs_ = [Proof(path, f"test_{name.lower()}_some", "L", (name,)) for name in ("F2", "F22", "F33", "F34")]
    outcomes = [Outcome(passed=3), Outcome(passed=2, failed=1), Outcome(skipped=["no disk"]), Outcome()]
    page = render(proofs_, {(path.as_posix(), p.name): outcome for p, outcome in zip(proofs_, outcomes, strict=True)})
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines() if line.startswith("| F")}
    assert list(rows) == [case.id for case in CASES]
    assert "| holds: 3 passed |" in rows["F2"]
    assert "| **broken**: 1 failed |" in rows["F22"]
    assert "| not shown: no disk |" in rows["F33"]
    assert "| not run |" in rows["F34"]
    assert "| open: no test of kind S, L |" in rows["F1"]
    assert "**1 of 146 cases hold**" in page
