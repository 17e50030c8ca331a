"""The widget in a real kernel, without a browser: messages reach it while a cell runs, and headless execution works."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vod_widget.emulator.faults import Stall

FAULT_KIND = "P"

pytestmark = pytest.mark.slow

MAKE = "import vod_widget as vw\nwidget = vw.VODUploadWidget(locale='en')\nwidget"


class Kernel:
    """A kernel and what it published."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(kernel_name="python3")
        self.published: list[dict[str, Any]] = []

    def pump(self, condition: Any, what: str, within_s: float = 20.0) -> Any:
        """Read what the kernel publishes until the condition gives something."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            found = condition()
            if found:
                return found
            try:
                self.published.append(self.client.get_iopub_msg(timeout=0.1))
            except queue.Empty:
                continue
        raise AssertionError(f"in {within_s} s this did not happen: {what}")

    def run(self, code: str) -> str:
        number: str = self.client.execute(code)
        return number

    def idle(self, parent: str) -> bool:
        return any(
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == parent
            for m in self.published
        )

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
        features = self.client.kernel_info(reply=True, timeout=20)["content"].get("supported_features", [])
        if "kernel subshells" not in features:
            return None
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        return str(self.client.get_control_msg(timeout=20)["content"]["subshell_id"])

    def widget(self) -> str:
        cell = self.run(MAKE)
        self.pump(lambda: self.idle(cell), "the widget is made", within_s=60)
        errors = [m["content"] for m in self.published if m["msg_type"] == "error"]
        assert errors == []
        return next(
            str(m["content"]["comm_id"])
            for m in self.published
            if m["msg_type"] == "comm_open" and "_esm" in m["content"]["data"]["state"]
        )


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    pytest.importorskip("jupyter_client")
    made = Kernel()
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel(now=True)
    made.manager.cleanup_resources()


def test_a_page_gets_its_answers_from_an_idle_kernel(kernel: Kernel) -> None:
    comm_id = kernel.widget()
    kernel.say(comm_id, 1, "hello", version=2, locale="en")
    answer = kernel.pump(lambda: kernel.answer(1), "hello is answered")
    assert answer["ok"] is True
    bundle = next(m["content"]["data"] for m in kernel.published if m["msg_type"] in ("execute_result", "display_data"))
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}


def test_keys_typed_into_the_page_are_in_no_log_of_the_kernel_at_debug(kernel: Kernel) -> None:
    comm_id = kernel.widget()
    kernel.say(comm_id, 1, "hello", version=2, locale="en")
    kernel.pump(lambda: kernel.answer(1), "hello is answered")
    listening = kernel.run(
        "import io, logging\nkept = io.StringIO()\nhandler = logging.StreamHandler(kept)\n"
        "loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]\n"
        "for one in loggers: one.setLevel(logging.DEBUG); one.addHandler(handler)\n"
        "get_ipython().kernel.log.setLevel(logging.DEBUG)"
    )
    kernel.pump(lambda: kernel.idle(listening), "the logs are kept")
    keys = {"access_key_id": "LTAI5tCanaryCanary0001", "access_key_secret": "CanarySecret 0123456789"}
    kernel.say(comm_id, 2, "set_credentials", **keys, security_token="CanaryToken0123456789", region="cn-shanghai")
    kernel.pump(lambda: kernel.answer(2), "the keys are answered")
    asked = kernel.run(
        "for one in loggers: one.removeHandler(handler)\n"
        "text = kept.getvalue()\nprint('seen', text.count('set_credentials') > 0, text.count('Can' + 'ary'))"
    )
    kernel.pump(lambda: kernel.idle(asked), "the logs are read")
    said = "".join(m["content"].get("text", "") for m in kernel.published if m["msg_type"] == "stream")
    assert said.splitlines()[-1] == "seen True 0"


@pytest.mark.parametrize("busy", ["time.sleep(0.01)", "sum(range(10_000))"])
def test_f120_a_click_is_answered_while_a_cell_runs(kernel: Kernel, busy: str) -> None:
    subshell = kernel.subshell()
    if subshell is None:
        pytest.skip("this kernel has no subshells: nothing gets through a blocking cell")
    comm_id = kernel.widget()
    kernel.say(comm_id, 1, "hello", subshell, version=2, locale="en")
    kernel.pump(lambda: kernel.answer(1), "hello is answered")
    # The cell also changes the queue, so that the widget publishes on its comm while the cell blocks the main shell.
    cell = kernel.run(
        "import time\nprint('begun', flush=True)\nuntil = time.monotonic() + 4\n"
        f"widget.add(b'x' * 10, name='a.mp4')\nwhile time.monotonic() < until: {busy}"
    )
    kernel.pump(lambda: any(m["msg_type"] == "stream" for m in kernel.published), "the cell runs")
    for number in (2, 3, 4):
        kernel.say(comm_id, number, "stop", subshell)
        kernel.pump(lambda number=number: kernel.answer(number), "the click is answered", within_s=10)
        assert not kernel.idle(cell), "the answer came after the cell"
    kernel.pump(lambda: kernel.idle(cell), "the cell ends")


def test_a_notebook_runs_without_any_browser_and_saves_little() -> None:
    import json

    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    source = [MAKE, "widget.add(b'x' * 10, name='a.mp4')\nwidget.choose_profile('emulator')\nlen(widget.run())"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in source])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    assert book.cells[1].outputs[-1]["data"]["text/plain"] == "1"
    states = book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    [ours] = [s["state"] for s in states if "_esm" in s["state"]]
    assert (ours["state"], ours["done"], ours["progress"]) == ("End", 1, 1.0)
    assert len(json.dumps({k: v for k, v in ours.items() if k not in ("_esm", "_css")})) < 4_000


def test_f111_after_a_restart_of_the_kernel_the_upload_goes_on_under_its_id(
    kernel: Kernel, emulator: Any, tmp_path: Path
) -> None:
    part = 102_400
    path = tmp_path / "talk.mp4"
    path.write_bytes(bytes(range(256)) * (part * 4 // 256))
    where = f"endpoint={emulator.endpoint!r}, checkpoint_dir={str(tmp_path / 'journal')!r}"
    keys = f"credentials=vw.Credentials({emulator.access_key_id!r}, {emulator.access_key_secret!r})"
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    kernel.run(
        f"import vod_widget as vw\nwidget = vw.VODUploadWidget({where}, {keys}, part_size_bytes={part}, parallel=1)\n"
        f"widget.add({str(path)!r})\nwidget.uploader.start_upload()"
    )
    kernel.pump(lambda: stall.fired, "part 2 is on its way", within_s=60)
    # The end of the process waits for a part that is on its way. (A loop of jupyter_client belongs to its thread.)
    soon = threading.Timer(0.3, stall.release)
    soon.start()
    kernel.manager.restart_kernel(now=False)
    soon.join(30)
    kernel.client.wait_for_ready(timeout=60)
    resumed = kernel.run(
        f"import vod_widget as vw\nup = vw.resume({keys}, {where})\n(file,) = up.list_files()\nstate = str(file.state)\n"
        "(row,) = up.run(20)\nprint(state, row.state, row.video_id, row.sent_bytes, flush=True)"
    )
    kernel.pump(lambda: kernel.idle(resumed), "the new kernel went on", within_s=60)
    out = [m["content"] for m in kernel.published if m["msg_type"] == "stream"]
    said = "".join(content["text"] for content in out if content["name"] == "stdout").split()
    assert [m["content"] for m in kernel.published if m["msg_type"] == "error"] == []
    (asset,) = emulator.assets
    assert said[:3] == ["Stopped", "Success", asset.media_id]
    assert int(said[3]) == 2 * part, "the part that was on its way counts"
    assert emulator.object_path(asset.media_id).read_bytes() == path.read_bytes()
    assert emulator.unfinished_uploads == []
