"""`vod-widget demo`: the quick start in JupyterLab, on an emulator of its own.

The emulator runs in this process, JupyterLab in a child. Kernels find the emulator through VOD_WIDGET_EMULATOR, a file
with its keys (which open nothing else) in a folder that only this user may read; so a kernel may be restarted and
goes on where it was. What Jupyter and IPython keep for a person (settings, workspaces, signatures, history, caches)
goes to the same folder, so that the demo changes nothing of the person's own. The main thread waits for a signal or
for the child to end, and takes everything down in reverse.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from vod_widget.credentials.emulator import is_answering
from vod_widget.errors import InvalidArgumentError, VODError

__all__ = ["run_demo"]

NOTEBOOK = "01-quickstart.ipynb"
_START_S = 120.0  # a cold disk, and a first start that builds its caches
_STOP_S = 10.0
_POLL_S = 0.1
_LOG_LINES = 15
_CELL_S = 120
_CACHE = "cache"
_KERNEL = "python3"
_RUNTIME = "runtime"

Say = Callable[[str], None]


def run_demo(
    *,
    folder: str | None,
    port: int | None,
    opens_browser: bool,
    is_check: bool,
    say: Say,
    complain: Say,
) -> int:
    """Run the demo until Ctrl-C, SIGTERM or the end of JupyterLab.

    Args:
        folder: Work folder, kept; None makes one that is removed.
        port: Port of JupyterLab, or None for the first free one.
        opens_browser: Whether JupyterLab opens a browser.
        is_check: Run the notebook without JupyterLab, and return.
        say: Prints a line.
        complain: Prints a line of an error.

    Returns:
        Exit status: 0, or 1 when a cell failed or JupyterLab could not be started.

    Raises:
        VODError: JupyterLab or the demo's files are missing.
    """
    _need("nbclient" if is_check else "jupyterlab")
    from vod_widget.emulator import Emulator

    with _scratch() as private, Emulator() as emulator:
        work = private / "work" if folder is None else Path(folder).expanduser().absolute()
        _fill(work)
        environment = {**_environment(emulator, private), **_jupyter_home(private)}
        if is_check:
            return _run_notebook(work / NOTEBOOK, environment, say, complain)
        return _run_lab(
            work,
            private,
            environment,
            port=port,
            opens_browser=opens_browser,
            say=say,
            complain=complain,
            note="" if folder is not None else "It is removed at the end; --dir DIR keeps one.",
        )


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise VODError(
            f"{package} is not installed",
            code="Demo.Missing",
            hint="Run: pip install 'vod_widget[demo]'",
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that only this user may read, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="vod_widget-demo-"))  # mode 0700
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _demo_files() -> Path:
    """Where the notebook and its samples are: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_demo", package.parent / "notebooks"):
        if (place / NOTEBOOK).is_file():
            return place
    raise VODError("the quick start is not in this installation", code="Demo.Missing", hint="Install vod_widget again.")


def _fill(work: Path) -> None:
    """Copy notebook and samples; what is there already is the person's and stays."""
    origin = _demo_files()
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / "samples").mkdir(exist_ok=True)
        for source in (origin / NOTEBOOK, *sorted((origin / "samples").iterdir())):
            target = work / source.relative_to(origin)
            if source.is_file() and not target.exists():
                shutil.copyfile(source, target)
    except OSError as error:
        raise InvalidArgumentError(
            f"{work} cannot be used: {error.strerror or error}", hint="Choose another folder with --dir."
        ) from error


def _environment(emulator: Any, private: Path) -> dict[str, str]:
    """What the child gets: where the emulator is, and a journal that ends with it."""
    facts = {
        "endpoint": emulator.endpoint,
        "access_key_id": emulator.access_key_id,
        "access_key_secret": emulator.access_key_secret,
        "region": emulator.region,
    }
    path = private / "emulator.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    state = private / "state"
    state.mkdir(mode=0o700)
    return {**os.environ, "VOD_WIDGET_EMULATOR": str(path), "VOD_WIDGET_HOME": str(state)}


def _jupyter_home(private: Path) -> dict[str, str]:
    """Folders of the demo's own for all that Jupyter and IPython write; what is installed is still found.

    The caches of a kernel (those of its completer) are moved by a kernel spec and not by the server's environment,
    which a browser that the server opens would inherit.
    """
    folders = {
        "JUPYTER_CONFIG_DIR": private / "config",
        "JUPYTER_DATA_DIR": private / "data",
        "JUPYTER_RUNTIME_DIR": private / _RUNTIME,
        "JUPYTERLAB_SETTINGS_DIR": private / "config" / "lab" / "user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": private / "config" / "lab" / "workspaces",
        "IPYTHONDIR": private / "ipython",
        "npm_config_cache": private / _CACHE / "npm",  # jupyter-lsp asks npm where it installs; npm logs that
    }
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
        "env": {"XDG_CACHE_HOME": str(private / _CACHE)},
    }
    spec = private / "data" / "kernels" / _KERNEL
    spec.mkdir(mode=0o700, parents=True)
    (spec / "kernel.json").write_text(json.dumps(kernel), "utf-8")
    # Nobody who tries this should first be asked about Jupyter's news, over the widget's corner.
    notices = private / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    notices.mkdir(mode=0o700, parents=True)
    (notices / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}), "utf-8")
    # In a virtual environment Jupyter would else prefer the kernel spec installed there to the one above.
    return {**{name: str(folder) for name, folder in folders.items()}, "JUPYTER_PREFER_ENV_PATH": "0"}


# Without a screen ---------------------------------------------------------------------------------------------------


def _run_notebook(path: Path, environment: Mapping[str, str], say: Say, complain: Say) -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=_CELL_S, kernel_name=_KERNEL, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        # Also here, and not for the kernel alone: its manager, in this process, looks for folders and makes them.
        with _environment_set(environment):
            client.execute()
    except CellExecutionError as error:
        complain(f"a cell of {path.name} failed: {error.ename}: {error.evalue}")
        return 1
    except (CellTimeoutError, DeadKernelError) as error:
        complain(f"{path.name} did not end: {type(error).__name__}")
        return 1
    cells = sum(1 for cell in notebook.cells if cell.cell_type == "code")
    say(f"{path.name}: {cells} cells ran on the emulator.")
    return 0


@contextmanager
def _environment_set(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# In JupyterLab ------------------------------------------------------------------------------------------------------


def _run_lab(
    work: Path,
    private: Path,
    environment: dict[str, str],
    *,
    port: int | None,
    opens_browser: bool,
    say: Say,
    complain: Say,
    note: str,
) -> int:
    runtime = private / _RUNTIME
    log_path = private / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", NOTEBOOK, "--LabApp.news_url="]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not opens_browser:
        command += ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container; JupyterLab refuses root without it
        command += ["--allow-root"]
    stop = threading.Event()
    with _signals_set(stop), log_path.open("wb") as log:
        # A session of its own: Ctrl-C goes to us alone, and JupyterLab is then asked to end without a question.
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and fixed words
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = _wait_for_url(child, runtime, stop)
            if url is not None:
                say(f"The quick start is at {url}")
                say(f"Work folder: {work} {note}".rstrip())
                say("It runs on the emulator of this command: no account, and nothing leaves this machine.")
                say("Stop it with Ctrl-C.")
                while not stop.wait(_POLL_S) and child.poll() is None:
                    pass
        finally:
            status = child.poll()
            _end(child)
    if stop.is_set() or status == 0:
        return 0
    complain("JupyterLab " + ("did not start in time" if status is None else f"ended with status {status}"))
    for line in log_path.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]:
        complain(f"  {line}")
    return 1


@contextmanager
def _signals_set(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set the event, also where a shell had them ignored."""
    names = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_url(child: subprocess.Popen[bytes], runtime: Path, stop: threading.Event) -> str | None:
    """Read where the server is and its token from the file that it writes; None when it did not come up."""
    path = runtime / f"jpserver-{child.pid}.json"
    for _ in range(int(_START_S / _POLL_S)):
        if stop.wait(_POLL_S) or child.poll() is not None:
            return None
        try:
            facts = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):  # not there yet, or half written
            continue
        if not is_answering(str(facts["url"])):
            continue  # the file comes a moment before the server listens
        token = facts.get("token")
        query = f"?{urlencode({'token': token})}" if token else ""
        return f"{facts['url']}lab/tree/{quote(NOTEBOOK)}{query}"
    return None


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, which ends its kernels; then insist."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        _kill_session(child)
        child.wait(_STOP_S)


def _kill_session(child: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
