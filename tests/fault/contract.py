"""The reliability contract of the README: what is promised, in figures, and by which cases it is shown.

`python -m tests.fault` writes the table between two marks of the README from this list and from what came of the tests; the
figures are those of the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.fault.finding import ROOT, Proof
from tests.fault.report import Outcome
from tests.security.matrix import requirements_of
from tests.simulation.test_simulation import FAULTS
from vod_widget import concurrency, lifetime, stalls
from vod_widget.options import MIB

BEGIN = "<!-- written by scripts/fault-matrix: begin -->"
END = "<!-- written by scripts/fault-matrix: end -->"

_FAR_MIB, _NEAR_MIB = concurrency._FIRST_FAR_BYTES // MIB, concurrency._FIRST_NEAR_BYTES // MIB


@dataclass(frozen=True)
class Promise:
    """One row."""

    id: str
    text: str
    figure: str
    cases: tuple[str, ...]
    """Ids of the fault matrix (F...) and of security (S...)."""


def _f(*ranges: tuple[int, int] | int) -> tuple[str, ...]:
    return tuple(f"F{n}" for r in ranges for n in ([r] if isinstance(r, int) else range(r[0], r[1] + 1)))


PROMISES = (
    Promise(
        "C1",
        "Success means that the stored object is byte for byte one version of your file",
        f"{FAULTS:,} injected faults in every run of the tests; `python -m tests.simulation --faults N` for more",
        _f(*((42, 46), 51, 70, 72, 75, 145)),
    ),
    Promise(
        "C2",
        "a file that changes, shrinks or is replaced is never stored as a mix",
        "every kind is seen",
        _f((95, 102), 106, 107),
    ),
    Promise(
        "C3",
        "one file is one VideoId, also when the answer of Create is lost or the process is killed",
        "0 duplicates",
        _f((4, 9), 29, 112, 113),
    ),
    Promise(
        "C4",
        "after a kill -9, a restart or a power cut at most the parts in flight go again, and nothing after a lost Complete",
        f"{concurrency.START_LONG} x {_FAR_MIB} MiB at first, {concurrency.START_NEAR} x {_NEAR_MIB} at a near end; then parts "
        f"of {concurrency._PART_S:.0f} s of the line each",
        _f(7, 66, 68, (84, 87), (111, 114)),
    ),
    Promise(
        "C5",
        "a fault of the network or the service heals by itself, or fails with a code that says why not",
        "75 cases",
        _f((1, 75)),
    ),
    Promise(
        "C6",
        "an outage of a quarter of an hour is ridden out",
        "goes on at most 30 s after the network is back",
        _f(53, 54),
    ),
    Promise(
        "C7", "an expired credential is not seen", "renewed at 80 % of its life; once for all parts", _f(38, 76, 74, 81)
    ),
    Promise(
        "C8",
        "cancel is clean, also without a network and after a restart",
        "at once in every state; 0 bytes left behind",
        _f((122, 125), 127),
    ),
    Promise("C9", "Ctrl-C gives the prompt back", "under 1 s; no request after a stop", _f(109, 110)),
    Promise(
        "C10",
        "nothing hangs in silence: every call has a deadline",
        f"a read of a dead disk or mount: {stalls.STALL_S:.0f} s; the end of the process: {lifetime.EXIT_GRACE_S:.0f} s",
        _f(22, (47, 49), 73, 101, 119),
    ),
    Promise(
        "C11",
        "threads, descriptors and the journal stay bounded",
        "2 descriptors and 1 lost thread a file at most; 2 KB of journal",
        _f(93, 101, 117, 118, 127, 143, 144),
    ),
    Promise(
        "C12",
        "progress never falls without a word and is 1 only after the proof",
        "0 violations in the same runs as C1",
        _f(21, 57, 128, 145),
    ),
    Promise(
        "C13",
        "secrets reach no notebook, log, journal, error or URL",
        "0 hits in 22 sinks",
        ("S1", "S2", "S4", "S5", "S6", "F94"),
    ),
    Promise(
        "C14",
        "a public page may send its own files and nothing else",
        "every message x every policy",
        ("S15", "S16", "S17", "S18", "S28"),
    ),
    Promise(
        "C15",
        "every failure has a stable code and one next step, and can be retried",
        "[the table of codes](docs/reference.md)",
        _f(9, 13, 14, 18, 20, 84, 87),
    ),
    Promise(
        "C16",
        "what a simulated history breaks is replayed by its seed",
        "one command, printed with the failure",
        _f(
            145,
        ),
    ),
)

_TO_RUN = "`scripts/fault-matrix` tries every case, and writes what came of it here and into `docs/fault-matrix.md`."

_LIMITS = (
    "Not promised: a notebook that you run can do what you can; the emulator is not the cloud, and what is tested is the documented\n"
    "behaviour; a lost answer of InitiateMultipartUpload may leave an entry without bytes in the storage."
)


def block(found: Sequence[Proof], outcomes: Mapping[tuple[str, str], Outcome], said: str = "") -> str:
    """The table with its marks; without outcomes it says only what is promised.

    Args:
        found: Every test that proves a case of the fault matrix.
        outcomes: What became of each test that ran, by file and name.
        said: Date and commit of the run.
    """
    lines = [
        BEGIN,
        "",
        "| | promise | figure | shown by |" + (" came of it |" if outcomes else ""),
        "|---|---|---|---|" + ("---|" if outcomes else ""),
    ]
    for promise in PROMISES:
        ran = [outcomes[key] for key in _keys(promise.cases, found, outcomes) if key in outcomes]
        passed, failed = sum(o.passed for o in ran), sum(o.failed for o in ran)
        result = f"**{failed} failed**" if failed else f"{passed:,} checks passed" if passed else "not run"
        cells = [promise.id, promise.text, promise.figure, _shown(promise.cases), *([result] if outcomes else [])]
        lines.append("| " + " | ".join(cells) + " |")
    tail = f"{said} Each case: [the fault matrix](docs/fault-matrix.md)." if outcomes else _TO_RUN
    return "\n".join([*lines, "", tail, "", _LIMITS, "", END])


def _keys(
    cases: Iterable[str], found: Sequence[Proof], outcomes: Mapping[tuple[str, str], Outcome]
) -> set[tuple[str, str]]:
    wanted = set(cases)
    keys = {(proof.path.as_posix(), proof.name) for proof in found if wanted & set(proof.cases)}
    return keys | {key for key in outcomes if wanted & set(requirements_of(key[1]))}


def _shown(cases: Sequence[str]) -> str:
    """Ids, those that follow one another as a range: F4-F9, F29."""
    runs: list[list[str]] = []
    for case in cases:
        follows = runs and runs[-1][-1] == f"{case[0]}{int(case[1:]) - 1}"
        if follows:
            runs[-1].append(case)
        else:
            runs.append([case])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def write_readme(text: str) -> None:
    """Put the block into the README, between its marks."""
    path = ROOT / "README.md"
    page = path.read_text("utf-8")
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    path.write_text(before + text + after, "utf-8")
