"""JupyterLab in headless Chromium, as a person uses it: one server, a copied notebook, a page.

`Lab` starts the server with settings, data and kernels of its own; `Notebook` is one open notebook in one page. Every wait has
a deadline and says what was waited for. Nothing here knows the widget; that is `screen.py`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "end-to-end"
# No GPU, no sandbox (tests run as root in containers), and no request of the browser's own.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """Where Chromium is; a missing one fails the test, for a skipped browser test proves nothing."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("Chromium was not found; scripts/test installs it, or: apt-get install chromium")


def _end_with_parent() -> None:
    """Runs in the child: a test run that is killed leaves no server behind (prctl PR_SET_PDEATHSIG, Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port for a server that is started in the block; until it listens there, nobody else is given that port.

    Linux lets two sockets have one port while both reuse addresses and none of them listens, as servers do at first.
    """
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


class Lab:
    """One JupyterLab server on loopback.

    Args:
        folder: Empty folder for everything: settings, data, kernels, notebooks.
        python: Interpreter that has JupyterLab and the package.
        environment: Variables of the server and of its kernels.
        save_state: JupyterLab's setting "Save Widget State Automatically"; on, because it is the harder case for secrets.
        arguments: Further arguments of the server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        python: str = sys.executable,
        environment: dict[str, str] | None = None,
        save_state: bool = True,
        arguments: Sequence[str] = (),
    ) -> None:
        self.root = folder / "notebooks"
        self.root.mkdir(parents=True)
        self.log_path = folder / "server.log"
        self._settings(folder / "settings", save_state=save_state)
        self._kept = contextlib.ExitStack()
        port = self._kept.enter_context(reserved_port())
        self.url = f"http://127.0.0.1:{port}"
        home = folder / "home"
        home.mkdir()
        given = os.environ if environment is None else environment
        self.environment = {
            **given,
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (given.get("PYTHONPATH"), str(ROOT)))),
        }
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    python,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    "--expose-app-in-browser",
                    "--ServerApp.ip=127.0.0.1",
                    f"--ServerApp.port={port}",
                    "--ServerApp.port_retries=0",
                    f"--ServerApp.root_dir={self.root}",
                    f"--IdentityProvider.token={TOKEN}",
                    "--LabApp.news_url=",
                    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                    "--LabApp.extension_manager=readonly",
                    "--LanguageServerManager.autodetect=False",
                    *arguments,
                ],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 -- it calls prctl and nothing that takes a lock
            )
        self._wait_until_up()

    @staticmethod
    def _settings(folder: Path, *, save_state: bool) -> None:
        for plugin, values in {
            "@jupyterlab/apputils-extension/notification": {
                "fetchNews": "false",
                "checkForUpdates": False,
            },
            "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": save_state},
            "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
        }.items():
            path = folder / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the Jupyter server's REST API."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 100
        while True:
            try:
                self.api("GET", "status")
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    raise RuntimeError(f"JupyterLab did not start:\n{self.log()}") from error
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.1)
            else:
                return

    def log(self) -> str:
        """Everything that the server and its kernels wrote."""
        return self.log_path.read_text("utf-8", "replace")

    def add(self, notebook: Path | list[str], name: str | None = None) -> str:
        """Put a notebook into a folder of its own; returns its path for `open`.

        Args:
            notebook: A file to copy, or the sources of code cells.
            name: File name.
        """
        folder = self.root / uuid.uuid4().hex[:8]
        folder.mkdir()
        if isinstance(notebook, list):
            made = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(source) for source in notebook],
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            )
            path = folder / (name or "notebook.ipynb")
            nbformat.write(made, path)
        else:
            path = folder / (name or notebook.name)
            shutil.copy(notebook, path)
        return str(path.relative_to(self.root))

    @contextlib.contextmanager
    def open(self, page: Page, path: str) -> Iterator[Notebook]:
        """Open a notebook in a page and wait for its kernel; its kernel ends with the block."""
        notebook = Notebook(self, page, path)
        notebook.goto()
        try:
            yield notebook
        finally:
            for session in self.api("GET", "sessions"):
                if session["path"] == path:
                    self.api("DELETE", f"sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels."""
        self._kept.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(60)


class Notebook:
    """One notebook open in JupyterLab.

    Attributes:
        page: Playwright's page.
        path: Path below the server's root.
        errors: Errors that the page raised, oldest first.
    """

    def __init__(self, lab: Lab, page: Page, path: str) -> None:
        self.lab = lab
        self.page = page
        self.path = path
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def file(self) -> Path:
        """The notebook's file."""
        return self.lab.root / self.path

    def goto(self) -> None:
        """Load the page (again) and wait until the kernel can run cells."""
        workspace = uuid.uuid4().hex[:8]
        self.page.goto(
            f"{self.lab.url}/lab/workspaces/{workspace}/tree/{self.path}?token={TOKEN}",
            wait_until="domcontentloaded",
        )
        self.wait_for_kernel()

    def reload(self) -> None:
        """Reload the page as F5 does; the kernel lives on."""
        self.page.reload(wait_until="domcontentloaded")
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until the notebook is shown and its kernel is idle."""
        self.page.wait_for_function(
            """path => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                const kernel = panel?.sessionContext?.session?.kernel;
                return panel?.context?.path === path && panel.context.isReady
                    && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }""",
            arg=self.path,
            timeout=100_000,
        )

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a command of JupyterLab and wait for its end."""
        return self.page.evaluate(
            "([name, arguments]) => window.jupyterapp.commands.execute(name, arguments)"
            ".then(value => typeof value === 'object' ? null : value)",
            [name, arguments or {}],
        )

    def run_all(self) -> None:
        """Run every cell; fails with the traceback of a cell that raised."""
        self.command("notebook:run-all-cells")
        self.wait_for_kernel()
        failed = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells
                .flatMap(cell => cell.toJSON().outputs ?? [])
                .filter(output => output.output_type === 'error')
                .map(output => output.traceback.join('\\n'))"""
        )
        if failed:
            raise AssertionError(failed[0])

    def run(self, code: str) -> str:
        """Run code in the kernel beside the cells, as a second client would; returns its stdout.

        Raises:
            AssertionError: The code raised.
        """
        answer = self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false, silent: false});
                let text = '', error = null;
                future.onIOPub = message => {
                    if (message.header.msg_type === 'stream') text += message.content.text;
                    if (message.header.msg_type === 'error')
                        error = message.content.traceback.join('\\n');
                };
                const late = new Promise((_, reject) =>
                    setTimeout(() => reject(new Error('the kernel did not answer in 100 s')), 100000));
                await Promise.race([future.done, late]);
                return {text, error};
            }""",
            code,
        )
        if answer["error"]:
            raise AssertionError(answer["error"])
        return str(answer["text"]).strip()

    def save(self) -> dict[str, Any]:
        """Save as Ctrl+S does, again when an output comes meanwhile; returns the notebook as it lies on disk."""
        self.page.wait_for_function(
            """async () => {
                await window.jupyterapp.commands.execute('docmanager:save');
                return !window.jupyterapp.shell.currentWidget.context.model.dirty;
            }""",
            polling=100,
            timeout=60_000,
        )
        return json.loads(self.file.read_text("utf-8"))
