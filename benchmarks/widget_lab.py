"""JupyterLab in headless Chromium for measurements: spoken to by the DevTools protocol, without its Network domain.

Playwright reads throughput three to four times too low. Memory is what the kernel of Linux says of a process (VmRSS);
CPU is its user and system time. Everything runs on this machine, so only ratios of one run mean anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import websocket

from tests.e2e.harness import CHROMIUM_FLAGS, TOKEN, Lab, chromium_path
from tests.widget.kernels import overlay

MIB = 1024 * 1024


class Chromium:
    """One headless Chromium with one page.

    Args:
        folder: Empty folder for its profile.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [
                chromium_path(),
                "--headless=new",
                *CHROMIUM_FLAGS,
                f"--user-data-dir={folder}",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                "--window-size=1280,900",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port_file = folder / "DevToolsActivePort"
        until(port_file.exists, "Chromium listens", 30)
        until(lambda: len(port_file.read_text().split()) >= 2, "Chromium tells its port", 10)
        port = int(port_file.read_text().split()[0])
        targets: list[dict[str, Any]] = []

        def has_page() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                targets[:] = [t for t in json.load(answer) if t["type"] == "page"]
            return bool(targets)

        until(has_page, "Chromium has a page", 20)
        self._socket = websocket.create_connection(
            targets[0]["webSocketDebuggerUrl"], timeout=120, suppress_origin=True, enable_multithread=True
        )
        self._next = 0
        self._lock = threading.Lock()
        # JupyterLab has no current notebook in a page without focus.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Page.bringToFront")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One call of the DevTools protocol."""
        with self._lock:
            self._next += 1
            self._socket.send(json.dumps({"id": self._next, "method": method, "params": params}))
            while True:
                answer = json.loads(self._socket.recv())
                if answer.get("id") == self._next:
                    break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def run(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def until(self, expression: str, what: str, within_s: float) -> None:
        """Wait until an expression is true."""
        until(lambda: bool(self.run(expression)), what, within_s)

    def choose_files(self, paths: Sequence[Path]) -> None:
        """Choose files in the widget's file input, as the dialog would."""
        node = self.call("Runtime.evaluate", expression="document.querySelector('.vod-widget input[type=file]')")
        self.call("DOM.setFileInputFiles", files=[str(p) for p in paths], objectId=node["result"]["objectId"])

    def renderer_pids(self) -> list[int]:
        """Processes that run pages."""
        return [pid for pid in _descendants(self._process.pid) if b"--type=renderer" in _command(pid)]

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(Exception):
            self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)


def until(true: Callable[[], bool], what: str, within_s: float) -> None:
    """Wait for something; ends with what was waited for when it does not come."""
    deadline_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"in {within_s:g} s this did not happen: {what}")
        time.sleep(0.05)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def rss_bytes(pids: Sequence[int]) -> int:
    """Resident memory of processes together."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total


def cpu_s(pid: int, thread_name: str = "") -> float:
    """User and system time of a process, or of its threads whose name begins so, seconds."""
    tick = os.sysconf("SC_CLK_TCK")
    files = [Path(f"/proc/{pid}/stat")] if not thread_name else list(Path(f"/proc/{pid}/task").glob("*/stat"))
    total = 0.0
    for file in files:
        with contextlib.suppress(OSError):
            head, _, tail = file.read_text().rpartition(")")
            if head.partition("(")[2].startswith(thread_name[:15]):
                fields = tail.split()
                total += (int(fields[11]) + int(fields[12])) / tick
    return total


class Peak:
    """Watches the resident memory of processes: `with Peak(pids) as peak: ...; peak.grown_bytes`."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = list(pids)
        self.base_bytes = rss_bytes(self._pids)
        self.peak_bytes = self.base_bytes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak", daemon=True)

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, rss_bytes(self._pids))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def grown_bytes(self) -> int:
        """Most memory over that at the beginning."""
        return self.peak_bytes - self.base_bytes


class Desk:
    """A server, a browser and one open notebook.

    Attributes:
        lab: The server.
        chromium: The browser.
        kernel_pid: Process of the notebook's kernel.
    """

    def __init__(
        self, folder: Path, cells: list[str], *, arguments: Sequence[str], page_script: str, ipykernel: str | None
    ) -> None:
        for name in ("lab", "chromium"):
            (folder / name).mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "VOD_WIDGET_HOME": str(folder / "journal")}
        other = overlay(ipykernel) if ipykernel else None
        if other is not None:
            environment["PYTHONPATH"] = str(other)
        self.lab = Lab(folder / "lab", environment=environment, arguments=arguments)
        try:
            self.chromium = Chromium(folder / "chromium")
        except BaseException:
            self.lab.close()
            raise
        if page_script:
            self.chromium.call("Page.enable")
            self.chromium.call("Page.addScriptToEvaluateOnNewDocument", source=page_script)
        self.path = self.lab.add(cells)
        self.open()
        self.kernel_pid = int(self.python("import os; print(os.getpid())"))

    def open(self) -> None:
        """Load the page (again) and wait until its kernel is idle."""
        space = uuid.uuid4().hex[:8]
        self.chromium.call("Page.navigate", url=f"{self.lab.url}/lab/workspaces/{space}/tree/{self.path}?token={TOKEN}")
        self.chromium.until(
            f"""(() => {{
                const panel = window.jupyterapp?.shell?.currentWidget;
                const kernel = panel?.sessionContext?.session?.kernel;
                return panel?.context?.path === {json.dumps(self.path)} && panel.context.isReady
                    && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }})()""",
            "the notebook is open and its kernel idle",
            90,
        )

    def run_all(self, within_s: float = 120) -> None:
        """Run every cell."""
        self.chromium.run(
            "window.done = false, window.jupyterapp.commands.execute('notebook:run-all-cells')"
            ".then(() => (window.done = true)), null"
        )
        self.chromium.until("window.done", "all cells ran", within_s)

    def python(self, code: str) -> str:
        """Run code in the kernel beside the cells; returns its stdout."""
        answer = self.chromium.run(
            """(async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                let text = '', error = null;
                future.onIOPub = message => {
                    if (message.header.msg_type === 'stream') text += message.content.text;
                    if (message.header.msg_type === 'error') error = message.content.traceback.join('\\n');
                };
                await Promise.race([future.done, new Promise(r => setTimeout(r, 60000))]);
                return {text, error};
            })("""
            + json.dumps(code)
            + ")"
        )
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return str(answer["text"]).strip()

    def close(self) -> None:
        """End browser and server."""
        self.chromium.close()
        self.lab.close()


@contextlib.contextmanager
def desk(
    cells: list[str], *, arguments: Sequence[str] = (), page_script: str = "", ipykernel: str | None = None
) -> Iterator[Desk]:
    """A desk in a temporary folder that goes away with the block.

    Args:
        cells: Sources of the notebook's cells.
        arguments: Further arguments of the server.
        page_script: Runs in the page before anything else.
        ipykernel: Version of the kernel; None: the environment's.
    """
    with tempfile.TemporaryDirectory(prefix="vod-bench-", ignore_cleanup_errors=True) as folder:
        made = Desk(Path(folder), cells, arguments=arguments, page_script=page_script, ipykernel=ipykernel)
        try:
            yield made
        finally:
            made.close()


def random_file(path: Path, size_bytes: int) -> Path:
    """A file without any repetition, so that a slice at a wrong place shows."""
    with path.open("wb") as file:
        for _ in range(0, size_bytes, 16 * MIB):
            file.write(os.urandom(min(16 * MIB, size_bytes - file.tell())))
    return path


def sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which the fraction `q` lies."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=1000, method="inclusive")[min(998, round(q * 1000) - 1)]


def say(what: str, value: str, goal: str = "", *, good: bool | None = None) -> None:
    """Print one line of a result."""
    mark = "" if good is None else ("ok  " if good else "MISS")
    print(f"{mark:4} {what:44} {value:>22}   {goal}", flush=True)
