"""The demo and the person's home: what Jupyter and IPython keep goes to the demo's own folder, and ends with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Settings of the person who runs the tests would lead the writing elsewhere, and prove nothing.
_LEADING = ("JUPYTER", "IPYTHON", "XDG_", "VOD_WIDGET_")


@pytest.fixture
def person(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose home is empty."""
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEADING)}
    return {**kept, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}


def in_home(person: dict[str, str]) -> list[str]:
    home = Path(person["HOME"])
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


@pytest.mark.slow
def test_check_leaves_the_home_as_it_was(person: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vod_widget", "demo", "--check"],
        env=person,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert in_home(person) == []
    assert list(Path(person["TMPDIR"]).iterdir()) == []


@pytest.fixture
def server(person: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a demo's JupyterLab, with its token."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vod_widget", "demo", "--no-browser", "--dir", str(tmp_path / "work")],
        env=person,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(250, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+", line):
                yield found.group()
                break
        else:
            pytest.fail("".join(lines))
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=60)


def ask(address: str, path: str, *, method: str = "GET", body: Any = None) -> Any:
    base, _, token = address.partition("lab/tree/")
    request = urllib.request.Request(
        f"{base}{path}",
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"token {token.partition('token=')[2]}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content else None


@pytest.mark.slow
def test_theme_workspace_and_notebook_saved_in_the_demo_are_not_the_persons(
    server: str, person: dict[str, str]
) -> None:
    theme = "lab/api/settings/@jupyterlab/apputils-extension:themes"
    ask(server, theme, method="PUT", body={"raw": '{"theme": "JupyterLab Dark"}'})
    assert ask(server, theme)["settings"] == {"theme": "JupyterLab Dark"}
    ask(server, "lab/api/workspaces/default", method="PUT", body={"data": {}, "metadata": {"id": "default"}})
    notebook = ask(server, "api/contents/01-quickstart.ipynb")
    ask(server, "api/contents/01-quickstart.ipynb", method="PUT", body=notebook)  # signs it
    kernel = ask(server, "api/kernels", method="POST", body={"name": "python3"})
    assert kernel["name"] == "python3"
    assert in_home(person) == []


@pytest.mark.slow
def test_front_ends_that_are_installed_are_found_all_the_same(server: str) -> None:
    with urllib.request.urlopen(server, timeout=60) as answer:
        page = answer.read().decode()
    found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found, page[:500]
    names = {extension["name"] for extension in json.loads(found.group(1))["federated_extensions"]}
    assert {"@jupyter-widgets/jupyterlab-manager", "anywidget"} <= names
