"""Run the fault matrix and write what came of it.

    python -m tests.fault               every case; writes docs/fault-matrix.md and the contract of the README
    python -m tests.fault F5 F12        these cases alone; writes nothing
    python -m tests.fault --open        which cases have no test of a kind that they ask for; runs nothing

What follows `--` goes to pytest.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence

import pytest

from tests.fault.contract import block, write_readme
from tests.fault.finding import ROOT, Proof, cases_of, open_cases, proofs
from tests.fault.matrix import CASES
from tests.fault.report import Outcome, render, when
from tests.security.matrix import proofs as security_proofs
from tests.security.matrix import requirements_of


class Recorder:
    """A plugin of pytest: keeps the tests that name a case, and what became of each."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.outcomes: dict[tuple[str, str], Outcome] = defaultdict(Outcome)
        """By file within the project and name of the function."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if self.wanted & {*cases_of(_name(item)), *requirements_of(_name(item))}]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> object:
        report = yield
        outcome = self.outcomes[item.path.relative_to(ROOT).as_posix(), _name(item)]
        if report.failed:
            outcome.failed += 1
        elif report.skipped:
            outcome.skipped.append(str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr))
        elif report.when == "call":
            outcome.passed += 1
        return report


def _name(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", None) or item.name)


def main(arguments: Sequence[str]) -> int:
    """Run the cases; the exit code is pytest's, or 1 while a case is open."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="F<n>", help="these cases alone")
    parser.add_argument("--open", action="store_true", help="list the cases without a test, run nothing")
    cut = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:cut])
    every = frozenset(case.id for case in CASES)
    wanted = frozenset(name.upper() for name in options.cases) or every
    if unknown := sorted(wanted - every):
        parser.error(f"no such case: {', '.join(unknown)}")
    found = proofs()
    lacking = {name: kinds for name, kinds in open_cases(found).items() if name in wanted}
    for name, kinds in lacking.items():
        print(f"{name} lacks a test of kind {', '.join(kinds)}")
    if options.open:
        print(f"{len(lacking)} of {len(wanted)} cases are open")
        return 1 if lacking else 0

    files = {str(ROOT / proof.path) for proof in _proving(found, wanted)}
    security = security_proofs(ROOT / "tests") if wanted == every else {}  # the contract of the README wants these too
    files |= {str(ROOT / "tests" / name.split("::")[0]) for names in security.values() for name in names}
    recorder = Recorder(wanted | security.keys())
    code = int(pytest.main(["-q", "-p", "no:cacheprovider", *sorted(files), *arguments[cut + 1 :]], plugins=[recorder]))
    if wanted == every:
        (ROOT / "docs" / "fault-matrix.md").write_text(render(found, recorder.outcomes), "utf-8")
        date, commit = when()
        write_readme(block(found, recorder.outcomes, f"Measured {date} at commit {commit}."))
        print("written: docs/fault-matrix.md and the contract of README.md")
    return code or (1 if lacking else 0)


def _proving(found: Sequence[Proof], wanted: frozenset[str]) -> list[Proof]:
    return [proof for proof in found if wanted & set(proof.cases)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
