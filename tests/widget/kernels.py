"""Real kernels of several ipykernel versions, spoken to as a front-end does, without any browser.

The version of the environment is used as it is; others are put beside it once (pip, into the environment's folder) and
come first on the kernel's path.
"""

from __future__ import annotations

import importlib.metadata
import os
import queue
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAKE = "import vod_widget as vw\nwidget = vw.VODUploadWidget(locale='en')\nwidget"
VERSIONS = ("6.31.0", "7.1.0", "7.4.0")


def overlay(version: str) -> Path | None:
    """Return the folder of an ipykernel that is not the environment's own, None for that one."""
    if importlib.metadata.version("ipykernel") == version:
        return None
    folder = Path(sys.prefix, "kernels", version)
    if not (folder / "ipykernel").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, f"ipykernel=={version}"], check=True, timeout=120)
    return folder


class SilentKernelError(AssertionError):
    """What was waited for did not come; ipykernel 7.0 to 7.3 can overlook a request for good (its issue 1554)."""


class Kernel:
    """A kernel and what it published.

    Args:
        version: Of ipykernel; None is the environment's.
    """

    def __init__(self, version: str | None = None) -> None:
        from jupyter_client.manager import start_new_kernel

        folder = overlay(version) if version is not None else None
        path = os.pathsep.join(str(place) for place in (folder, ROOT) if place is not None)
        environment = {**os.environ, "PYTHONPATH": path}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=environment)
        self.published: list[dict[str, Any]] = []

    def pump(self, condition: Any, what: str, within_s: float = 60.0) -> Any:
        """Read what the kernel publishes until the condition gives something.

        Raises:
            SilentKernelError: It did not in time.
        """
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            found = condition()
            if found:
                return found
            try:
                self.published.append(self.client.get_iopub_msg(timeout=0.1))
            except queue.Empty:
                continue
        raise SilentKernelError(f"in {within_s} s this did not happen: {what}")

    def run(self, code: str, cell_id: str | None = None) -> str:
        """Begin to run code, as a cell of that id if one is named; return the id of the request."""
        if cell_id is None:
            return str(self.client.execute(code))
        message = self.client.session.msg("execute_request", {"code": code, "silent": False, "store_history": True})
        message["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def idle(self, parent: str) -> bool:
        return any(
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == parent
            for m in self.published
        )

    def said(self, parent: str) -> str:
        """Give what a request has printed so far."""
        mine = [m for m in self.published if m["parent_header"].get("msg_id") == parent]
        return "".join(m["content"]["text"] for m in mine if m["msg_type"] == "stream")

    def answer(self, number: int) -> dict[str, Any] | None:
        for message in self.published:
            if message["msg_type"] != "comm_msg":
                continue
            content = message["content"]["data"].get("content") or {}
            if content.get("kind") == "answer" and content["id"] == number:
                return dict(content)
        return None

    def say(self, comm_id: str, number: int, kind: str, subshell: str | None = None, **keys: Any) -> None:
        data = {"method": "custom", "content": {"id": number, "kind": kind, **keys}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def subshell(self) -> str | None:
        """Open a subshell as JupyterLab does for a widget's messages; None when the kernel has none."""
        features = self.client.kernel_info(reply=True, timeout=60)["content"].get("supported_features", [])
        if "kernel subshells" not in features:
            return None
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        return str(self.client.get_control_msg(timeout=60)["content"]["subshell_id"])

    def widget(self) -> str:
        cell = self.run(MAKE)
        self.pump(lambda: self.idle(cell), "the widget is made", within_s=100)
        errors = [m["content"] for m in self.published if m["msg_type"] == "error"]
        assert errors == []
        return next(
            str(m["content"]["comm_id"])
            for m in self.published
            if m["msg_type"] == "comm_open" and "_esm" in m["content"]["data"]["state"]
        )

    def finish(self, code: str, within_s: float = 60.0, cell_id: str | None = None) -> str:
        """Run a cell to its end; return what it printed.

        Raises:
            AssertionError: It raised, or did not end.
        """
        number = self.run(code, cell_id)
        self.pump(lambda: self.idle(number), f"this ended: {code[:60]}", within_s=within_s)
        mine = [m for m in self.published if m["parent_header"].get("msg_id") == number]
        assert not [m["content"] for m in mine if m["msg_type"] == "error"]
        return self.said(number)

    def ask(self, comm_id: str, number: int, kind: str, subshell: str | None = None, **keys: Any) -> float:
        """Say one thing and wait for its answer; return the seconds that it took."""
        begun_s = time.monotonic()
        self.say(comm_id, number, kind, subshell, **keys)
        self.pump(lambda: self.answer(number), f"{kind} is answered", within_s=100)
        return time.monotonic() - begun_s

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
