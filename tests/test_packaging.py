"""What is published works: sdist and wheel are built, and the wheel runs its demo in an empty environment."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _run(*command: str | Path, env: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clean_environment(outside_environment: dict[str, str]) -> dict[str, str]:
    """pip as this machine has it set up, and nothing of the environment that runs the tests."""
    unwanted = ("VOD_WIDGET_", "ALIBABA_CLOUD_", "PYTHON", "VIRTUAL_ENV", "JUPYTER")
    return {k: v for k, v in outside_environment.items() if not k.startswith(unwanted)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, clean_environment: dict[str, str]) -> tuple[Path, Path]:
    """(sdist, wheel): the wheel is built from the sdist, so the sdist is whole."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", folder, ROOT, env=clean_environment, cwd=folder)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def test_wheel_holds_what_runs_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = wheel.namelist()
    wanted = {
        "vod_widget/__init__.py",
        "vod_widget/py.typed",
        "vod_widget/widget/static/widget.js",
        "vod_widget/widget/static/panels.js",
        "vod_widget/widget/static/chinese.json",
        "vod_widget/policies/upload.json",
        "vod_widget/_demo/01-quickstart.ipynb",
        "vod_widget/_demo/samples/clip.mp4",
    }
    assert wanted <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vod_widget"}
    assert [n for n in names if "node_modules" in n or "/frontend/" in n or n.endswith(".map")] == []
    assert [n for n in names if n.endswith("licenses/LICENSE")] != []


def test_sdist_holds_source_and_tests_and_no_leftovers(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "tests/conftest.py", "scripts/test"} <= names
    assert {"vod_widget/widget/frontend/package-lock.json"} <= names
    assert [n for n in names if "node_modules" in n or n.startswith((".venv", ".git/"))] == []


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, built: tuple[Path, Path], clean_environment: dict[str, str]
) -> Path:
    """`bin` of an empty environment with the wheel and its demo extra."""
    faulthandler.cancel_dump_traceback_later()  # pip may take longer than a hanging test is given
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    _run(folder / "bin/pip", "install", "-qq", "--no-compile", f"{built[1]}[demo]", env=clean_environment, cwd=folder)
    return folder / "bin"


def test_installed_dependencies_fit_together(installed: Path, clean_environment: dict[str, str]) -> None:
    _run(installed / "pip", "check", env=clean_environment, cwd=installed)


def _environment_of_a_person(home: Path, clean: dict[str, str], folder: Path) -> dict[str, str]:
    wanted = {k: v for k, v in clean.items() if k in ("LANG", "LC_ALL", "TMPDIR")}
    return {**wanted, "HOME": str(home), "PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}


@pytest.fixture
def demo_url(installed: Path, clean_environment: dict[str, str], home: Path, tmp_path: Path) -> Iterator[str]:
    """`vod-widget demo --no-browser` from the wheel; gives the address that it prints."""
    folder = tmp_path / "person"
    folder.mkdir()
    running = subprocess.Popen(
        [installed / "vod-widget", "demo", "--no-browser"],
        env=_environment_of_a_person(home, clean_environment, installed),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    watchdog = threading.Timer(250, running.kill)
    watchdog.start()
    lines = []
    try:
        for line in running.stdout:
            lines.append(line)
            found = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/lab\S*token=\w+", line)
            if found:
                break
        else:
            pytest.fail("the demo printed no address:\n" + "".join(lines))
        drain = threading.Thread(target=running.stdout.read, daemon=True)
        drain.start()
        yield found.group()
    finally:
        watchdog.cancel()
        running.send_signal(signal.SIGINT)
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(60)
        running.stdout.close()


def test_demo_of_the_wheel_opens_jupyterlab_with_the_quick_start(demo_url: str) -> None:
    with urllib.request.urlopen(demo_url, timeout=60) as answer:
        assert b"jupyterlab" in answer.read().lower()
    assert "01-quickstart.ipynb" in demo_url


def test_quick_start_runs_from_the_wheel(
    installed: Path, clean_environment: dict[str, str], home: Path, tmp_path: Path
) -> None:
    env = _environment_of_a_person(home, clean_environment, installed)
    said = _run(installed / "vod-widget", "demo", "--check", env=env, cwd=tmp_path)
    assert re.search(r"01-quickstart.ipynb: \d+ cells ran", said)
    assert list(tmp_path.glob("*.ipynb")) == [], "the demo leaves nothing behind"
