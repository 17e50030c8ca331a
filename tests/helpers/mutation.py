"""Mutants: small changes of the code that a test must notice; the runner, shared by every list of them.

Each mutant is a module, a piece of its text that stands there once, what stands there instead, and the one test that must
fail then. Nothing is written: everything is imported and collected once, and each mutant lives in a forked child, which
changes the code in place and runs its own test and no other. A control changes nothing, and its test must pass.
"""

from __future__ import annotations

import argparse
import ast
import enum
import gc
import importlib
import os
import re
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parents[2]
PACKAGE = "vod_widget"


@dataclass(frozen=True)
class Mutant:
    """One change that a test must notice.

    Attributes:
        module: Dotted name.
        old: A piece of its text that stands there once.
        new: What stands there instead.
        test: `folder/test_file::test_name` below `tests`; without a name any test of the file.
    """

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
        whole = ROOT.joinpath(*self.module.split("."))
        return whole / "__init__.py" if whole.is_dir() else whole.with_suffix(".py")

    @property
    def test_path(self) -> Path:
        return ROOT / "tests" / f"{self.test.partition('::')[0]}.py"

    @property
    def test_name(self) -> str:
        return self.test.partition("::")[2]

    def source(self) -> str:
        """The mutated source."""
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.module}: {self.old!r} stands there {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)

    def __str__(self) -> str:
        return f"{self.module.removeprefix(PACKAGE + '.')}: {self.old.strip()}  ->  {self.new.strip()}"


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant.

    Attributes:
        mutant: Which.
        is_right: Noticed, or for a control passed.
        took_s: Seconds.
        said: What its test said.
    """

    mutant: Mutant
    is_right: bool
    took_s: float
    said: str


def apply(mutant: Mutant) -> None:
    """Put the mutated code into the module that is imported already, wherever it is known by name.

    Functions keep their identity and get other code; constants are replaced in every module that took them.
    """
    module = importlib.import_module(mutant.module)  # some are loaded on first use
    fresh = types.ModuleType(module.__name__)
    fresh.__package__, fresh.__spec__, fresh.__file__ = module.__package__, module.__spec__, module.__file__
    exec(compile(mutant.source(), str(mutant.path), "exec", dont_inherit=True), fresh.__dict__)
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if name.startswith("__") or new is old:
            continue
        if isinstance(new, type) and isinstance(old, type):
            _change_class(old, new)
        elif not _take_code(old, new) and _text(new) != _text(old):
            value = _known_members(new, module)
            for other in [known for title, known in sys.modules.items() if title.startswith(PACKAGE)]:
                if name in vars(other) and vars(other)[name] is old:
                    setattr(other, name, value)


def _change_class(old: type, new: type) -> None:
    for name, value in vars(new).items():
        if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            continue
        known = vars(old).get(name)
        if not _take_code(known, value) and _text(known) != _text(value):
            setattr(old, name, value)


def _known_members(value: Any, module: types.ModuleType) -> Any:
    """A table whose members of enums are those that everybody else has."""
    if isinstance(value, dict):
        return {_known_members(k, module): _known_members(v, module) for k, v in value.items()}
    if isinstance(value, tuple | frozenset | set | list):
        return type(value)(_known_members(item, module) for item in value)
    if isinstance(value, enum.Enum):
        known = vars(module).get(type(value).__name__)
        return known[value.name] if isinstance(known, type) and issubclass(known, enum.Enum) else value
    return value


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
        self.verdicts: list[Verdict] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        waiting = list(enumerate(self._mutants))
        running: dict[int, tuple[Mutant, Path, float]] = {}
        # What is loaded stays: a child whose collector walked through all of it would copy every page.
        gc.collect()
        gc.freeze()
        while waiting or running:
            while waiting and len(running) < self._workers:
                number, mutant = waiting.pop(0)
                output = self._folder / f"{number}.txt"
                running[self._start(session, mutant, output)] = (mutant, output, time.monotonic())
            pid, status = os.wait()
            mutant, output, began_s = running.pop(pid)
            is_right = os.waitstatus_to_exitcode(status) == (0 if mutant.is_control else 1)
            said = output.read_text(encoding="utf-8", errors="replace")[-800:]
            self.verdicts.append(Verdict(mutant, is_right, time.monotonic() - began_s, said))
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
            # A place of its own for temporary folders: pytest's would be numbered after all that other children left.
            own = output.with_suffix("")
            own.mkdir()
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(own)
            code = _notice(session, mutant)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def _notice(session: pytest.Session, mutant: Mutant) -> int:
    """Run the mutant's test; 1: it failed, as it must."""
    name = mutant.test_name
    wanted = [
        item
        for item in session.items
        if item.path == mutant.test_path and name in ("", item.name, getattr(item, "originalname", item.name))
    ]
    assert wanted, "its test was not collected"
    apply(mutant)
    for item, following in zip(wanted, [*wanted[1:], None], strict=True):
        reports = runtestprotocol(item, log=False, nextitem=following)
        if any(report.failed for report in reports):
            return 1
    return 0


def run(mutants: Sequence[Mutant], workers: int) -> list[Verdict]:
    """Run mutants, some at a time."""
    files = sorted({str(mutant.test_path) for mutant in mutants})
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:threadexception", "--timeout", "50"]
    plugins += ["--tb", "native"]  # most fail, and nobody reads why; the others cost a third of the whole
    with tempfile.TemporaryDirectory() as folder:
        runner = _Runner(mutants, workers, Path(folder))
        code = pytest.main(["-s", "-q", "--no-header", "--rootdir", str(ROOT), *plugins, *files], [runner])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), "the tests could not be collected"
    return runner.verdicts


def controls(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return one for each module that changes nothing."""
    first = {mutant.module: mutant for mutant in reversed(mutants)}
    return [replace(mutant, new=mutant.old) for mutant in first.values()]


def misfits(mutants: Sequence[Mutant]) -> list[str]:
    """What is wrong with the list itself: texts that do not fit the code of today, tests that are not there."""
    wrong = []
    functions: dict[Path, set[str]] = {}
    for mutant in mutants:
        try:
            compile(mutant.source(), str(mutant.path), "exec", dont_inherit=True)  # a third of what a tree costs
        except (ValueError, SyntaxError) as exc:
            wrong.append(f"{mutant}: {exc}")
        if mutant.test_path not in functions:
            tree = ast.parse(mutant.test_path.read_text(encoding="utf-8"))
            functions[mutant.test_path] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        name = mutant.test_name.partition("[")[0]
        if name and name not in functions[mutant.test_path]:
            wrong.append(f"{mutant}: there is no {mutant.test}")
    return wrong


def main(mutants: Sequence[Mutant], what: str, argv: Sequence[str] | None = None) -> int:
    """Run and report; the exit status is 1 when a mutant survived.

    Args:
        mutants: The list.
        what: What they are mutants of.
        argv: Arguments of the command.
    """
    parser = argparse.ArgumentParser(description=f"Run mutants of {what}, each against its own test.")
    parser.add_argument("-k", default="", metavar="TEXT", help="those whose module, text or test has this")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="WORKERS")
    args = parser.parse_args(argv)
    chosen = [mutant for mutant in mutants if args.k in f"{mutant} {mutant.test}"]
    chosen = [*controls(chosen), *chosen]
    began_s = time.monotonic()
    verdicts = run(chosen, args.j)
    for verdict in verdicts:
        mutant = verdict.mutant
        if verdict.is_right:
            word = "control passes" if mutant.is_control else "noticed"
            sys.stdout.write(f"{verdict.took_s:5.1f} s  {word}: {mutant}\n         by {mutant.test}\n")
        else:
            word = "BROKEN BY NO CHANGE" if mutant.is_control else "SURVIVED"
            sys.stdout.write(f"{word} {mutant}\n    {mutant.test}\n{verdict.said}\n")
    right = sum(verdict.is_right for verdict in verdicts)
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"{right} of {len(verdicts)} mutants and controls of {what} as they must be, in {took_s:.0f} s\n")
    return 0 if right == len(verdicts) else 1
