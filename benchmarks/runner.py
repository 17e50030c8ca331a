"""Runs variants in interleaved rounds, each in a fresh process, and reduces what they measured.

What is compared is compared within one row: a row's variants take turns, so that a busy minute hits all of them alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .sink import HERE, Sink
from .venvs import python_of

Sample = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One competitor of a row.

    Attributes:
        name: For the table.
        driver: Program below `drivers/`.
        peer: Environment of a peer, or None for our own.
        spec: What the driver is told, over the row's own.
        rounds: Most rounds, for the slow ones; None is the row's.
    """

    name: str
    driver: str
    peer: str | None = None
    spec: Sample = field(default_factory=dict)
    rounds: int | None = None


@dataclass(frozen=True)
class Verdict:
    """One line of the table of bars.

    Attributes:
        what: What was compared.
        value: What was measured.
        bar: What is asked, in words.
        met: Whether it is met; None when it could not be judged.
        stretch: The further wish, in words.
    """

    what: str
    value: str
    bar: str
    met: bool | None
    stretch: str = ""


class Ratio(float):
    """A ratio of medians.

    Attributes:
        rounds: The same ratio within each round.
    """

    rounds: tuple[float, ...]

    def __new__(cls, value: float, rounds: Iterable[float] = ()) -> Self:
        """Make one."""
        made = super().__new__(cls, value)
        made.rounds = tuple(rounds)
        return made


class Measured:
    """Samples of one row, by variant."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}

    def add(self, name: str, sample: Sample) -> None:
        """Note one run."""
        self.samples.setdefault(name, []).append(sample)

    def values(self, name: str, key: str) -> list[float]:
        """Every value of one figure."""
        return [float(s[key]) for s in self.samples.get(name, ()) if s.get(key) is not None]

    def median(self, name: str, key: str) -> float:
        """The median of one figure; NaN without any."""
        values = self.values(name, key)
        return statistics.median(values) if values else float("nan")

    def ratio(self, name: str, key: str, to: str) -> Ratio:
        """The median of one variant's figure over that of another one."""
        pairs = zip(self.samples.get(name, ()), self.samples.get(to, ()), strict=False)
        rounds = (float(one[key]) / float(other[key]) for one, other in pairs if one.get(key) and other.get(key))
        return Ratio(self.median(name, key) / self.median(to, key), rounds)


def run_variant(variant: Variant, spec: Sample, sink: Sink, *, prefix: Sequence[str] = (), timeout_s: float) -> Sample:
    """Run one variant once and return its figures, with the sink's own.

    A peer that fails has got as far as the sink saw it get, in the time until then: `failed` says why.
    """
    python = str(python_of(variant.peer)) if variant.peer else sys.executable
    sink.ask("reset")
    command = [*prefix, python, str(HERE / "drivers" / f"{variant.driver}.py"), json.dumps(spec)]
    began_s = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=str(HERE.parent), env=_env()
        )
    except subprocess.TimeoutExpired:
        return _unfinished(began_s, sink)
    lines = done.stdout.strip().splitlines()
    if done.returncode and variant.peer and done.stderr.strip():
        why = done.stderr.strip().splitlines()[-1].partition(":")[0].rpartition(".")[2]
        return {**_unfinished(began_s, sink), "failed": why}
    if done.returncode or not lines:
        raise RuntimeError(f"{variant.name} failed:\n{done.stderr[-2000:]}")
    sample: Sample = json.loads(lines[-1])
    return {**sample, **_of_sink(sink)}


def _unfinished(began_s: float, sink: Sink) -> Sample:
    """What a run that did not end had sent, and in how long: its start and its imports are no part of that."""
    ended_s, seen = time.monotonic(), _of_sink(sink)
    return {"unfinished_s": ended_s - (seen.get("sink_first_byte_at") or began_s), **seen}


def _env() -> dict[str, str]:
    import os

    kept = {k: v for k, v in os.environ.items() if not k.startswith("VOD_WIDGET_")}
    return {**kept, "PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": ""}


def _of_sink(sink: Sink) -> Sample:
    stats = sink.ask("stats")
    return {f"sink_{name}": value for name, value in stats.items()}


def interleave(
    variants: Iterable[Variant],
    rounds: int,
    make_spec: Callable[[Variant], Sample],
    sink: Sink,
    *,
    prefix: Sequence[str] = (),
    timeout_s: float = 600.0,
    say: Callable[[str], None] = lambda _text: None,
    after: Callable[[Sample], None] = lambda _sample: None,
) -> Measured:
    """Run every variant once in each round."""
    measured = Measured()
    chosen = list(variants)
    for number in range(rounds):
        for variant in chosen:
            if variant.rounds is not None and number >= variant.rounds:
                continue
            sample = run_variant(variant, make_spec(variant), sink, prefix=prefix, timeout_s=timeout_s)
            after(sample)
            measured.add(variant.name, sample)
            wall, failed = sample.get("wall_s"), sample.get("failed")
            ended = f"failed with {failed}" if failed else "not finished"
            say(f"  {number + 1}/{rounds} {variant.name}: " + (f"{wall:.2f} s" if wall else ended))
    return measured


def files_for(folder: Path, count: int, size_bytes: int, extension: str) -> list[str]:
    """Files of the pattern: one for large sizes, hard links with names of their own for many small ones."""
    from .sink import pattern_file

    first = pattern_file(folder, size_bytes, extension)
    if count == 1:
        return [str(first)]
    made = []
    for n in range(count):
        path = folder / f"many{n}{extension}"
        if not path.exists():
            path.write_bytes(first.read_bytes())
        made.append(str(path))
    return made
