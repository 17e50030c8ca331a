"""The house: imports go down only, and each outside library has one door.

Read from the source with `ast`, so that imports inside functions count too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "vod_widget"

# From below: name, whether its units may import one another, units. A unit is a folder or a file of the package.
FLOORS: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
    (
        "0 words",
        True,
        ("_version", "errors", "secret", "instants", "grants", "model", "events", "options", "interfaces"),
    ),
    (
        "1 rules",
        True,
        (
            "states",
            "parts",
            "retry",
            "progress",
            "crc64",
            "names",
            "fields",
            "metadata",
            "addresses",
            "effects",
            "board",
            "concurrency",
            "machine",
        ),
    ),
    # Both clouds need one way to make a session without redirects and proxies, and one map of its faults.
    ("2 base of the edges", True, ("baton", "_http")),
    ("2 edges", False, ("oss", "vod_api", "journal", "credentials", "sources", "system")),
    (
        "3 engine",
        True,
        (
            "workers",
            "dispatcher",
            "stalls",
            "record",
            "register",
            "pace",
            "crew",
            "sums",
            "digests",
            "body",
            "engine",
        ),
    ),
    (
        "4 queue",
        True,
        (
            *("upload_info", "caller", "arguments", "traits", "owner", "load", "acting", "scheduler", "snapshots"),
            *(
                "application",
                "authority",
                "lifetime",
                "library",
                "keeping",
                "uploader",
                "restoring",
                "doctor",
                "doctor_words",
            ),
        ),
    ),
    ("5 faces", False, ("batch", "fleet", "widget")),
    ("6 program", False, ("cli",)),
    ("6 doors", False, ("__main__", "__init__")),
)
# A unit that is one file with helpers beside it.
PART_OF = {
    "_vod_probes": "vod_api",
    "_vod_signing": "vod_api",
    "_vod_answers": "vod_api",
    "_vod_hosts": "vod_api",
    "_answer": "_http",
    "_connection": "_http",
    "_exchange": "_http",
    "_hosts": "_http",
    "_link": "_http",
    "_http_faults": "_http",
    "_oss_answers": "oss",
    "_oss_faults": "oss",
    "_vod_faults": "vod_api",
}
# The emulator is a separate program: it judges the client, so it shares no code with it.
APART = "emulator"
MAY_START_THE_EMULATOR = {"__init__", "cli", "credentials", "uploader", "widget", "batch"}

# Library -> the only unit that may import it.
DOORS = {
    "oss2": {"oss"},
    "aliyunsdkcore": {"vod_api"},
    "aliyunsdkvod": {"vod_api"},
    "requests": {"_http", "oss", "vod_api", "credentials"},
    "aiohttp": {"emulator"},
    "cryptography": {"emulator"},
    "anywidget": {"widget"},
    "ipywidgets": {"widget"},
    "nest_asyncio": {"uploader"},
    "filelock": {"journal"},
    "platformdirs": {"journal", "credentials", "cli"},
    "fastcrc": {"crc64", "emulator"},
    "tqdm": {"batch", "cli"},
    "pandas": {"batch"},
}

# Lines of code (docstrings, comments and blank lines aside) beyond which a file is asked to split; and who may not.
LONGEST_LINES = 450
LONGER: dict[str, str] = {}


def _modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "node_modules" not in p.parts)


def _unit(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return PART_OF.get(parts[0], parts[0])


def _floor(unit: str) -> int | None:
    return next((number for number, (_, _, units) in enumerate(FLOORS) if unit in units), None)


def _imports(path: Path) -> set[tuple[str, str | None]]:
    """(top package, unit of vod_widget or None) of every import of a file, at any depth."""
    here = ("vod_widget", *path.relative_to(PACKAGE).parts[:-1])
    found: set[tuple[str, str | None]] = set()

    def add(dotted: tuple[str, ...], names: list[str]) -> None:
        if dotted[0] != "vod_widget":
            found.add((dotted[0], None))
        elif len(dotted) > 1:
            found.add(("vod_widget", PART_OF.get(dotted[1], dotted[1])))
        else:  # `from . import oss`, `import vod_widget`
            for name in names or ["__init__"]:
                known = (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
                found.add(("vod_widget", PART_OF.get(name, name) if known else "__init__"))

    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(tuple(alias.name.split(".")), [])
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            dotted = (*base, *(node.module.split(".") if node.module else ()))
            add(dotted, [alias.name for alias in node.names])
    return found


def _wrong_imports(unit: str, wanted: str) -> str | None:
    """Why `unit` may not import `wanted`, or None when it may."""
    if unit == wanted:
        return None
    if unit == APART:
        return "the emulator imports nothing else of vod_widget"
    if wanted == APART:
        return None if unit in MAY_START_THE_EMULATOR else "only a few may start the emulator"
    high, low = _floor(unit), _floor(wanted)
    if high is None or low is None:
        return f"{unit if high is None else wanted} has no floor; give it one in FLOORS"
    if low < high or (low == high and FLOORS[high][1]):
        return None
    return f"floor {FLOORS[high][0]} imports floor {FLOORS[low][0]}"


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_and_libraries_come_in_by_their_door(path: Path) -> None:
    unit = _unit(path)
    wrong = []
    for top, wanted in sorted(_imports(path), key=str):
        if wanted is not None:
            reason = _wrong_imports(unit, wanted)
            if reason:
                wrong.append(f"{unit} -> {wanted}: {reason}")
        elif unit not in DOORS.get(top, {unit}):
            wrong.append(f"{unit} -> {top}: only {sorted(DOORS[top])} may import it")
    assert wrong == []


def test_every_module_has_a_floor() -> None:
    units = {_unit(path) for path in _modules()} - {APART}
    assert sorted(unit for unit in units if _floor(unit) is None) == []


def test_no_two_units_need_each_other() -> None:
    needs: dict[str, set[str]] = {}
    for path in _modules():
        wanted = {unit for top, unit in _imports(path) if unit is not None}
        needs.setdefault(_unit(path), set()).update(wanted - {_unit(path)})
    while True:  # take away whoever needs nobody that is left
        free = [unit for unit, wanted in needs.items() if not wanted & needs.keys()]
        if not free:
            break
        for unit in free:
            del needs[unit]
    # The package's own __init__ names everybody, and `__version__` is read from it.
    assert needs.keys() - {"__init__"} == set()


@pytest.mark.parametrize("floor", [0, 1])
def test_words_and_rules_do_no_io(floor: int) -> None:
    forbidden = {"socket", "threading", "subprocess", "asyncio", "http", "ssl", "tempfile", "urllib3", "requests"}
    wrong = []
    for path in _modules():
        if _floor(_unit(path)) == floor:
            wrong += [f"{path.name} -> {top}" for top, _ in _imports(path) if top in forbidden]
    assert wrong == []


def _code_lines(path: Path) -> int:
    """Lines that hold code: no blank line, no comment, no docstring."""
    text = path.read_text("utf-8")
    docs: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docs.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if number not in docs and line.strip() and not line.strip().startswith("#")
    )


def test_no_file_grows_beyond_what_one_head_holds() -> None:
    long = {
        str(path.relative_to(PACKAGE)): _code_lines(path) for path in _modules() if _code_lines(path) > LONGEST_LINES
    }
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "a file became short again: take it off the list"


def test_nothing_sleeps_or_prints() -> None:
    wrong = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name == "time.sleep" or (name == "print" and _unit(path) not in ("cli", "__main__", APART)):
                    wrong.append(f"{path.name}:{node.lineno} {name}")
    assert wrong == []


@pytest.mark.parametrize(
    ("unit", "wanted", "allowed"),
    [
        ("oss", "model", True),
        ("oss", "journal", False),
        ("engine", "oss", True),
        ("parts", "engine", False),
        ("machine", "parts", True),
        ("emulator", "model", False),
        ("engine", "emulator", False),
        ("stranger", "model", False),
    ],
)
def test_the_rule_itself(unit: str, wanted: str, allowed: bool) -> None:
    assert (_wrong_imports(unit, wanted) is None) == allowed


def test_imports_are_read_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vod_widget"
    (folder / "widget").mkdir(parents=True)
    (folder / "oss.py").write_text("")
    module = folder / "widget" / "view.py"
    module.write_text(
        "import oss2.api\nfrom .. import oss\nfrom ..model import Part\nfrom . import policy\n"
        "def f():\n    from vod_widget.engine import x\n    import vod_widget\n"
    )
    monkeypatch.setitem(globals(), "PACKAGE", folder)
    assert _imports(module) == {
        ("oss2", None),
        ("vod_widget", "oss"),
        ("vod_widget", "model"),
        ("vod_widget", "widget"),
        ("vod_widget", "engine"),
        ("vod_widget", "__init__"),
    }
