"""The proof that the emulator's checks are tested: take any one out, and a test fails.

    python -m tests.emulator.mutants                  all of them
    python -m tests.emulator.mutants --sample 12      a part, spread over the files
    python -m tests.emulator.mutants -k oss_auth      those whose file or text has this

Each mutant is a file of `vod_widget/emulator`, a piece of its text that stands there once, what stands
there instead, and the one test that must fail then. Nothing is written: a mutant lives in the import
system of a forked child, which runs its own test and no other.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "vod_widget.emulator"
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Mutant:
    """One change that a test must notice."""

    module: str
    old: str
    new: str
    test: str

    @property
    def path(self) -> Path:
        return ROOT / "vod_widget" / "emulator" / f"{self.module}.py"

    def source(self) -> str:
        """The mutated source."""
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.module}: {self.old!r} stands there {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)

    def __str__(self) -> str:
        return f"{self.module}: {self.old.strip()}  ->  {self.new.strip()}"


def _load() -> tuple[Mutant, ...]:
    from tests.emulator.mutant_list import MUTANTS

    return tuple(Mutant(*row) for row in MUTANTS)


class _Loader(importlib.machinery.SourceFileLoader):
    text = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._name = f"{PACKAGE}.{mutant.module}"
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        loader = _Loader(fullname, str(self._mutant.path))
        loader.text = self._mutant.source()
        spec.loader = loader
        return spec


def _child(mutant: Mutant, output: Path) -> int:
    """Run the mutant's test; 1: it failed, as it must."""
    import pytest

    sys.meta_path.insert(0, _Finder(mutant))
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    module, _, name = mutant.test.partition("::")
    target = f"{ROOT / 'tests' / 'emulator' / module}.py::{name}"
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:threadexception", "--timeout", "50"]
    return int(pytest.main(["-x", "-q", "--no-header", "--tb=line", "--rootdir", str(ROOT), *plugins, target]))


def run(mutants: Sequence[Mutant], workers: int, folder: Path) -> list[tuple[Mutant, str]]:
    """Run mutants, some at a time, and return those that no test noticed, with what pytest said."""
    # What every child needs is imported once, here; never the package itself.
    import aiohttp.web  # noqa: F401
    import pytest  # noqa: F401

    assert PACKAGE not in sys.modules, "mutants need a process that has not imported the emulator"
    waiting = list(enumerate(mutants))
    running: dict[int, tuple[Mutant, Path, float]] = {}
    survivors = []
    while waiting or running:
        while waiting and len(running) < workers:
            number, mutant = waiting.pop(0)
            output = folder / f"{number}.txt"
            pid = os.fork()
            if not pid:
                code = 99
                try:
                    code = _child(mutant, output)
                except BaseException as exc:
                    output.write_text(f"the mutant could not be run: {exc!r}", encoding="utf-8")
                finally:
                    os._exit(code)
            running[pid] = (mutant, output, time.monotonic() + _DEADLINE_S)
        pid, status = os.wait()
        mutant, output, _ = running.pop(pid)
        if os.waitstatus_to_exitcode(status) != 1:
            survivors.append((mutant, output.read_text(encoding="utf-8", errors="replace")[-800:]))
    return survivors


def sample(mutants: Sequence[Mutant], count: int) -> list[Mutant]:
    """Return so many, evenly spread over the list."""
    step = max(1, len(mutants) // count)
    return list(mutants[::step][:count])


def main(argv: Sequence[str] | None = None) -> int:
    """Run and report; the exit status is 1 when a mutant survived."""
    import tempfile

    parser = argparse.ArgumentParser(description="Run mutants of the emulator, each against its own test.")
    parser.add_argument("--sample", type=int, default=0, metavar="N")
    parser.add_argument("-k", default="", metavar="TEXT")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="WORKERS")
    args = parser.parse_args(argv)
    mutants: Sequence[Mutant] = [mutant for mutant in _load() if args.k in f"{mutant} {mutant.test}"]
    if args.sample:
        mutants = sample(mutants, args.sample)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        survivors = run(mutants, args.j, Path(folder))
    for mutant, said in survivors:
        sys.stdout.write(f"SURVIVED {mutant}\n    {mutant.test}\n{said}\n")
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants noticed in {took_s:.0f} s\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
