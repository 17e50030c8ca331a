"""Names, files and documents that come from elsewhere do no harm, and the package itself runs nothing it was given."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest

from tests.helpers.raw_server import RawServer, answering
from tests.protocol.support import WallClock, address, upload_auth
from vod_widget import errors
from vod_widget.errors import JournalError
from vod_widget.journal import FileJournal
from vod_widget.metadata import clean_name
from vod_widget.oss import OssStore
from vod_widget.system import SystemClock

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vod_widget"

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no permission bits; its access list does the work")


@posix
@pytest.mark.parametrize(
    ("mode", "is_taken"),
    [
        (0o700, True),
        (0o750, True),
        (0o755, True),
        (0o711, True),
        (0o770, False),
        (0o707, False),
        (0o777, False),
        (0o720, False),
    ],
)
def test_s14_a_journal_that_others_may_write_is_refused(tmp_path: Path, mode: int, is_taken: bool) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    folder.chmod(mode)
    if is_taken:
        FileJournal(tmp_path, SystemClock()).close()
    else:
        with pytest.raises(JournalError) as caught:
            FileJournal(tmp_path, SystemClock())
        assert caught.value.code == "Journal.Unsafe"


_PARTS = ["../", "..\\", "/", "C:", "C:\\", "\\\\server\\share\\", "file:///", "~/", ""]
_NAMES = ["passwd", "con", "NUL.mp4", "aux.tar.gz", "com1", "lpt9.txt", "..", ".", "...", " ", "a.mp4 ", "a.mp4."]
_MARKS = ["", "\u202e", "\u2066", "\x00", "\x1b[31m", "\r\n", "\ufeff", "\u2028"]
CORPUS = [f"{mark}{part}{name}" for part in _PARTS for name in _NAMES for mark in _MARKS]


def test_s20_three_hundred_hostile_names_are_plain_names_afterwards() -> None:
    assert len(CORPUS) >= 300
    for name in CORPUS:
        clean = clean_name(name)
        assert clean
        assert clean == Path(clean).name, name
        assert "/" not in clean
        assert "\\" not in clean
        assert ":" not in clean[:2]
        assert all(unicodedata.category(char) not in {"Cc", "Cf", "Zl", "Zp"} for char in clean), repr(name)
        assert unicodedata.is_normalized("NFC", clean)
        assert len(clean.encode()) <= 255
        assert clean.split(".")[0].lower().strip() not in {"con", "nul", "aux", "com1", "lpt9", ""} or clean == "file"
        assert clean_name(clean) == clean


_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n > 1 else b"&a;" * 10) for n in range(1, 10))
    + b"]><InitiateMultipartUploadResult><UploadId>&a9;</UploadId></InitiateMultipartUploadResult>"
)


@pytest.mark.parametrize(
    "body",
    [
        _BOMB,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><InitiateMultipartUploadResult/>',
        b"<InitiateMultipartUploadResult><UploadId>"
        + b"a" * 10_000_000
        + b"</UploadId></InitiateMultipartUploadResult>",
        b"<" * 100_000,
    ],
    ids=["billion laughs", "outside entity", "10 MB", "deep"],
)
def test_s26_a_document_that_explodes_or_never_ends_is_refused(body: bytes) -> None:
    store = OssStore(WallClock(), pool_size=1, read_timeout_s=60)
    try:
        with RawServer(answering((200, body, {}))) as server:
            with pytest.raises(errors.VODError) as caught:
                store.open(upload_auth(), address(server.endpoint)).init_multipart({})
            assert caught.value.code
            assert len(str(caught.value)) < 1000
    finally:
        store.close()


def _sources() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts]


def test_s27_nothing_that_runs_data_is_imported_or_called() -> None:
    modules = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}
    calls = {"eval", "exec", "compile", "__import__"}
    found: list[str] = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [f"{path.name}: {a.name}" for a in node.names if a.name.split(".")[0] in modules]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found += [f"{path.name}: {node.module}"] if (node.module or "").split(".")[0] in modules else []
            elif isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                found += [f"{path.name}: {name}()"] if name in calls else []
                shell = [k for k in node.keywords if k.arg == "shell" and ast.unparse(k.value) != "False"]
                found += [f"{path.name}: shell"] if shell else []
    assert found == []


def test_s27_the_linter_watches_every_rule_of_security_but_assert() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    security = [rule for rule in lint["ignore"] if rule.startswith("S") and rule[1:].isdigit()]
    assert security == ["S101"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "S",
            "--ignore",
            "S101",
            "--quiet",
            str(PACKAGE),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


_IMPORT = """
import asyncio, sys
run = asyncio.run
import vod_widget
heavy = ["oss2", "aliyunsdkcore", "aliyunsdkvod", "requests", "pandas", "ipywidgets", "anywidget", "IPython", "aiohttp",
         "nest_asyncio", "cryptography", "jupyter_server", "traitlets", "tqdm"]
print([name for name in heavy if name in sys.modules], asyncio.run is run)
"""


def test_s36_importing_the_package_loads_nothing_heavy_and_patches_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[] True"


def test_s38_the_threat_model_and_a_private_way_to_report_are_told() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for word in ("private", "do not open a public issue", "What is protected, and from whom", "saved notebook"):
        assert word in text
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "SECURITY.md" in readme
