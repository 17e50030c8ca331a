"""The proof that the emulator's checks are tested: take any one out, and a test fails.

    python -m tests.emulator.mutants                  all of them
    python -m tests.emulator.mutants -k oss_auth      those whose file or text has this

Each mutant is a file of `vod_widget/emulator`, a piece of its text that stands there once, what stands
there instead, and the one test that must fail then. Nothing is written: everything is imported and collected once,
and each mutant lives in a forked child, which changes the code in place and runs its own test and no other.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import traceback
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
PACKAGE = "vod_widget.emulator"


@dataclass(frozen=True)
class Mutant:
    """One change that a test must notice."""

    module: str
    old: str
    new: str
    test: str

    @property
    def is_control(self) -> bool:
        """Tell whether nothing changes: then its test must pass, or `apply` itself breaks things."""
        return self.old == self.new

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


def apply(mutant: Mutant) -> None:
    """Put the mutated code into the module that is imported already, wherever it is known by name.

    Functions keep their identity and get other code; constants are replaced in every module that took them.
    """
    module = sys.modules[f"{PACKAGE}.{mutant.module}"]
    fresh = types.ModuleType(module.__name__)
    exec(compile(mutant.source(), str(mutant.path), "exec", dont_inherit=True), fresh.__dict__)
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if name.startswith("__") or new is old:
            continue
        if isinstance(new, type) and isinstance(old, type):
            _change_class(old, new)
        elif not _take_code(old, new) and _text(new) != _text(old):
            for other in [known for title, known in sys.modules.items() if title.startswith(PACKAGE)]:
                if name in vars(other) and vars(other)[name] is old:
                    setattr(other, name, new)


def _change_class(old: type, new: type) -> None:
    for name, value in vars(new).items():
        if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            continue
        known = vars(old).get(name)
        if not _take_code(known, value) and _text(known) != _text(value):
            setattr(old, name, value)


def _text(value: object) -> str:
    return re.sub(r"0x[0-9a-f]+", "", repr(value))


def _take_code(old: Any, new: Any) -> bool:
    """Give a function, or what is made of functions, the code of another; False: these are no such things."""
    if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
        if len(old.__code__.co_freevars) != len(new.__code__.co_freevars):
            return False
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        return True
    if type(old) is not type(new):
        return False
    inside = [name for name in ("fget", "fset", "func", "__func__", "__wrapped__") if getattr(old, name, None)]
    taken = [_take_code(getattr(old, name), getattr(new, name)) for name in inside]
    if hasattr(old, "cache_clear"):
        old.cache_clear()
    return bool(taken) and all(taken)


class _Runner:
    """A pytest plugin that runs mutants in place of tests, each in a forked child."""

    def __init__(self, mutants: Sequence[Mutant], workers: int, folder: Path) -> None:
        self._mutants = mutants
        self._workers = workers
        self._folder = folder
        self.survivors: list[tuple[Mutant, str]] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        waiting = list(enumerate(self._mutants))
        running: dict[int, tuple[Mutant, Path]] = {}
        while waiting or running:
            while waiting and len(running) < self._workers:
                number, mutant = waiting.pop(0)
                output = self._folder / f"{number}.txt"
                running[self._start(session, mutant, output)] = (mutant, output)
            pid, status = os.wait()
            mutant, output = running.pop(pid)
            if os.waitstatus_to_exitcode(status) != (0 if mutant.is_control else 1):
                said = output.read_text(encoding="utf-8", errors="replace")[-800:]
                self.survivors.append((mutant, said))
        return True

    def _start(self, session: pytest.Session, mutant: Mutant, output: Path) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 99
        try:
            sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            code = _notice(session, mutant)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def _notice(session: pytest.Session, mutant: Mutant) -> int:
    """Run the mutant's test; 1: it failed, as it must."""
    module, _, name = mutant.test.partition("::")
    wanted = [
        item
        for item in session.items
        if item.path.stem == module and (not name or getattr(item, "originalname", item.name) == name)
    ]
    assert wanted, "its test was not collected"
    apply(mutant)
    for item, following in zip(wanted, [*wanted[1:], None], strict=True):
        reports = runtestprotocol(item, log=False, nextitem=following)
        if any(report.failed for report in reports):
            return 1
    return 0


def run(mutants: Sequence[Mutant], workers: int, folder: Path) -> list[tuple[Mutant, str]]:
    """Run mutants, some at a time, and return those that no test noticed, with what was said."""
    files = sorted({str(HERE / f"{mutant.test.partition('::')[0]}.py") for mutant in mutants})
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:threadexception", "--timeout", "50"]
    runner = _Runner(mutants, workers, folder)
    code = pytest.main(["-s", "-q", "--no-header", "--rootdir", str(ROOT), *plugins, *files], [runner])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), "the tests could not be collected"
    return runner.survivors


def controls(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return one for each module that changes nothing."""
    first = {mutant.module: mutant for mutant in reversed(mutants)}
    return [replace(mutant, new=mutant.old) for mutant in first.values()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run and report; the exit status is 1 when a mutant survived."""
    import tempfile

    parser = argparse.ArgumentParser(description="Run mutants of the emulator, each against its own test.")
    parser.add_argument("-k", default="", metavar="TEXT")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="WORKERS")
    args = parser.parse_args(argv)
    mutants: Sequence[Mutant] = [mutant for mutant in _load() if args.k in f"{mutant} {mutant.test}"]
    mutants = [*controls(mutants), *mutants]
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        survivors = run(mutants, args.j, Path(folder))
    for mutant, said in survivors:
        verdict = "BROKEN BY NO CHANGE" if mutant.is_control else "SURVIVED"
        sys.stdout.write(f"{verdict} {mutant}\n    {mutant.test}\n{said}\n")
    took_s = time.monotonic() - began_s
    passed = len(mutants) - len(survivors)
    sys.stdout.write(f"{passed} of {len(mutants)} mutants and controls as they must be, in {took_s:.0f} s\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
