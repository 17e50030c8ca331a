"""Write docs/fault-matrix.md from the table, the tests and what came of them; no figure in it is typed by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.fault.finding import ROOT, Proof, missing
from tests.fault.matrix import CASES, KINDS, NOT_HERE, Case


@dataclass
class Outcome:
    """What became of one test function: its parameters are counted one by one."""

    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Why not, for each."""


_HEAD = """# The fault matrix

What can go wrong between a file and its video, what is promised then, and what came of the tests that try it.
Written by `python -m tests.fault`; no figure is typed by hand.

In the promises: R is what is sent a second time, k the parts of a file in flight, P the size of a part. *Wait*: the row
says how long and why. *Fail(code)*: the file ends in Failure with this stable code, and what was sent stays usable; a
code also stands for those that begin with it (`Auth.Refused`), and where the cloud gave one of its own, that one is shown.
*OK*: it ends in Success without anybody's help. Kinds of test: {kinds}.
"""


def render(found: Sequence[Proof], outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    """The whole page."""
    results = {case.id: _result(case, found, outcomes) for case in CASES}
    count = sum(result.startswith("holds") for result in results.values())
    checks = sum(outcome.passed for outcome in outcomes.values())
    now, commit = when()
    lines = [
        _HEAD.format(kinds=", ".join(f"{letter} {word}" for letter, word in KINDS.items())),
        f"**{count} of {len(CASES)} cases hold** ({checks:,} checks passed), {now}, commit {commit}.",
    ]
    group = ""
    for case in CASES:
        if case.group != group:
            group = case.group
            lines += ["", f"## {group}", "", "| case | fault | promise | tests | result | date | commit |"]
            lines.append("|---|---|---|---|---|---|---|")
        cells = (
            case.id,
            case.fault,
            case.promise,
            "<br>".join(_tests(case, found)),
            results[case.id],
            now,
            commit,
        )
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def when() -> tuple[str, str]:
    """Date and commit of a run."""
    return f"{datetime.now(UTC):%Y-%m-%d}", _commit()


def _tests(case: Case, found: Sequence[Proof]) -> list[str]:
    named = [f"{proof.kind}: [{proof.name}](../{proof.path.as_posix()})" for proof in found if case.id in proof.cases]
    return named + [
        f"{kind}: not here: {NOT_HERE[case.id, kind]}" for kind in case.kinds if (case.id, kind) in NOT_HERE
    ]


def _result(case: Case, found: Sequence[Proof], outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    ran = [outcomes.get((proof.path.as_posix(), proof.name), Outcome()) for proof in found if case.id in proof.cases]
    if lack := missing(case, tuple(found)):
        return f"open: no test of kind {', '.join(lack)}"
    if failed := sum(outcome.failed for outcome in ran):
        return f"**broken**: {failed} failed"
    if skipped := [reason for outcome in ran for reason in outcome.skipped]:
        return f"not shown: {skipped[0]}"
    passed = sum(outcome.passed for outcome in ran)
    if not passed:
        return "cannot be tested here" if all((case.id, kind) in NOT_HERE for kind in case.kinds) else "not run"
    return f"holds: {passed} passed"


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # The page itself is always changed by a run.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/fault-matrix.md")
        return git("rev-parse", "--short=10", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
