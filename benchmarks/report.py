"""Turns what was measured into `docs/benchmarks.md`; nothing in there was written by hand."""

from __future__ import annotations

import json
import platform
import ssl
import statistics
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .rows import ROWS, Outcome
from .runner import Sample
from .sink import HERE
from .venvs import PEERS, version_of

RESULTS = HERE / "results"

HOW = """Written by `python -m benchmarks`, not by hand. Variants of a row take turns, each run is a fresh process;
figures are medians, with the least and the most in brackets. CPU is user and system time of the client's process around
the upload. Ratios are those of the medians, with the least and the most within one round in brackets: they are what to
trust, the more the closer these are; wall times depend on what else the machine does. A run of a
peer that failed counts with what it had sent by then."""

SLOW = "**There was no C compiler: the sink was the one in Python, and it may be what was measured.**"


def save(name: str, outcome: Outcome, *, is_slow_sink: bool) -> None:
    """Keep one row as JSON, with the day and the commit at which it was measured."""
    RESULTS.mkdir(exist_ok=True)
    table = [
        [variant, runs_of(samples), *(_cell([s.get(key) for s in samples], f, d) for _, key, f, d in outcome.columns)]
        for variant, samples in outcome.measured.samples.items()
    ]
    kept = {
        "title": outcome.title,
        "text": outcome.text,
        "columns": ["variant", "runs", *(heading for heading, *_ in outcome.columns)],
        "table": table,
        "verdicts": [[v.what, v.value, v.bar, v.met, v.stretch] for v in outcome.verdicts],
        "when": _run("date", "-u", "+%Y-%m-%d %H:%M"),
        "commit": _run("git", "rev-parse", "--short", "HEAD"),
        "slow_sink": is_slow_sink,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


def runs_of(samples: list[Sample]) -> str:
    """How many runs there were, and what those that failed failed with."""
    failed = [str(s["failed"]) for s in samples if "failed" in s]
    return f"{len(samples)}" + (f" ({len(failed)} failed: {', '.join(sorted(set(failed)))})" if failed else "")


def _cell(values: list[Any], factor: float, digits: int) -> str:
    found = [float(v) * factor for v in values if v is not None]
    if not found:
        return "-"
    text = f"{statistics.median(found):.{digits}f}"
    return text if len(found) == 1 else f"{text} ({min(found):.{digits}f}-{max(found):.{digits}f})"


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE).stdout.strip()


def machine() -> str:
    """The machine and the versions, in one paragraph."""
    cpu = next(
        (ln.partition(":")[2].strip() for ln in _lines(Path("/proc/cpuinfo")) if ln.startswith("model name")),
        platform.processor(),
    )
    import os

    peers = ", ".join(f"{peer} {version_of(peer)}" for peer in PEERS)
    own = ", ".join(f"{name} {version(name)}" for name in ("oss2", "requests", "urllib3", "fastcrc"))
    return (
        f"{os.cpu_count()} x {cpu}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{ssl.OPENSSL_VERSION}. Ours: {own}. Peers: {peers}."
    )


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def text() -> str:
    """The whole report, from every row that was ever kept."""
    rows = {
        name: json.loads((RESULTS / f"{name}.json").read_text()) for name in ROWS if (RESULTS / f"{name}.json").exists()
    }
    out = [
        "# Benchmarks",
        "",
        HOW,
        "",
        machine(),
        "",
        "## Bars",
        "",
        "| row | what | measured | bar | met | stretch |",
        "|---|---|---|---|---|---|",
    ]
    for name, kept in rows.items():
        for what, value, bar, met, stretch in kept["verdicts"]:
            word = {True: "yes", False: "**no**", None: "?"}[met]
            out.append(f"| {name} | {what} | {value} | {bar} | {word} | {stretch} |")
    for name, kept in rows.items():
        out += ["", f"## {name}: {kept['title']}", "", kept["text"], ""]
        out += [f"Measured {kept['when']} UTC at {kept['commit']}.", ""]
        if kept["slow_sink"]:
            out += [SLOW, ""]
        out += ["| " + " | ".join(kept["columns"]) + " |", "|" + "---|" * len(kept["columns"])]
        out += ["| " + " | ".join(str(cell) for cell in line) + " |" for line in kept["table"]]
    return "\n".join(out) + "\n"


def write() -> Path:
    """Write `docs/benchmarks.md`."""
    target = HERE.parent / "docs" / "benchmarks.md"
    target.write_text(text())
    return target
