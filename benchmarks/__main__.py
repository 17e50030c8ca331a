"""`python -m benchmarks [ROW ...] [--quick] [--rounds N]`: measure, print, and write `docs/benchmarks.md`."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import report, wan_rows, widget_table
from .rows import ROWS, Outcome, Setting
from .sink import build, scratch

__all__ = ["wan_rows", "widget_table"]  # they enter their rows in the table


def main() -> int:
    """Run the rows that were asked for; returns 1 when one misses its bar."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure against the peers and the limit."
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, nothing is written")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--no-write", action="store_true", help="print only")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    missed = 0
    for name in options.rows or ROWS:
        print(f"{name}: {ROWS[name].__doc__}", flush=True)
        with scratch() as folder:
            outcome = ROWS[name](
                Setting(options.quick, options.rounds, Path(folder), lambda line: print(line, flush=True))
            )
        show(outcome)
        missed += sum(v.met is False for v in outcome.verdicts)
        if not options.quick and not options.no_write:
            report.save(name, outcome, is_slow_sink=build()[0] is None)
            print(f"wrote {report.write()}", flush=True)
    return 1 if missed and not options.quick else 0


def show(outcome: Outcome) -> None:
    """Print one row."""
    print(f"\n{outcome.title}")
    for variant, samples in outcome.measured.samples.items():
        cells = [
            f"{heading} {report._cell([s.get(key) for s in samples], factor, digits)}"
            for heading, key, factor, digits in outcome.columns
        ]
        print(f"  {variant}: " + ", ".join((f"runs {report.runs_of(samples)}", *cells)))
    for v in outcome.verdicts:
        word = {True: "met", False: "MISSED", None: "?"}[v.met]
        print(f"  {word}: {v.what}: {v.value} (bar {v.bar}{', stretch ' + v.stretch if v.stretch else ''})")
    print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
