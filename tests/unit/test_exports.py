"""The public surface: what `import vod_widget` gives, and what it leaves alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vod_widget

PACKAGE = Path(vod_widget.__file__).parent
# Loaded on first use only: a script that uploads needs no Jupyter, a widget needs no pandas.
HEAVY = (
    "IPython",
    "aiohttp",
    "aliyunsdkcore",
    "aliyunsdkvod",
    "anywidget",
    "cryptography",
    "ipywidgets",
    "jupyter_client",
    "jupyter_core",
    "jupyterlab",
    "nest_asyncio",
    "numpy",
    "oss2",
    "pandas",
    "requests",
    "tqdm",
    "traitlets",
)


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names_are_sorted_and_real() -> None:
    assert vod_widget.__all__ == sorted(vod_widget.__all__)
    assert len(set(vod_widget.__all__)) == len(vod_widget.__all__)
    missing = [name for name in vod_widget.__all__ if not hasattr(vod_widget, name)]
    assert missing == []


def test_dir_shows_the_public_names_and_an_unknown_one_is_named() -> None:
    assert set(vod_widget.__all__) <= set(dir(vod_widget))
    with pytest.raises(AttributeError, match="uplaod"):
        getattr(vod_widget, "uplaod")  # noqa: B009 -- the attribute form is a useless expression


def test_public_names_have_a_docstring() -> None:
    bare = [
        name
        for name in vod_widget.__all__
        if not name.startswith("__") and not (getattr(vod_widget, name).__doc__ or "").strip()
    ]
    assert bare == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_module_says_what_lives_in_it(path: Path) -> None:
    assert (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()


@pytest.mark.slow
def test_import_loads_no_cloud_library_no_table_library_and_no_jupyter() -> None:
    loaded = _run(f"import sys, vod_widget\nprint(','.join(name for name in {HEAVY!r} if name in sys.modules))")
    assert loaded == ""


@pytest.mark.slow
def test_the_core_works_without_jupyter() -> None:
    blocked = ("IPython", "anywidget", "ipywidgets", "jupyterlab", "pandas")
    out = _run(
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        "import vod_widget as vw\n"
        "uploader = vw.VODUpload()\n"
        "print(uploader.list_files())\n"
        "uploader.close()"
    )
    assert out == "[]"


@pytest.mark.slow
def test_import_applies_no_nest_asyncio_and_starts_no_thread() -> None:
    out = _run(
        "import asyncio, threading\n"
        "before = asyncio.run\n"
        "import vod_widget\n"
        "print(asyncio.run is before, threading.active_count())"
    )
    assert out == "True 1"
