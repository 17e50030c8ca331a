"""The widget in a real kernel, without a browser: messages reach it while a cell runs, and headless execution works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.until import until
from tests.widget.kernels import MAKE, VERSIONS, Kernel, SilentKernelError
from vod_widget.emulator.faults import Stall

FAULT_KIND = "P"

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    pytest.importorskip("jupyter_client")
    made = Kernel()
    yield made
    made.close()


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


@pytest.mark.parametrize("version", VERSIONS)
def test_f120_controls_work_in_every_kernel_idle_busy_and_by_interrupt(version: str) -> None:
    # Beside load 7.1.0 was silent in three of a hundred runs before it was mended from outside, and may be before that.
    for kernels_left in (2, 1, 0) if version == "7.1.0" else (0,):
        try:
            _f120(version)
        except SilentKernelError:
            if not kernels_left:
                raise
        else:
            break


def _f120(version: str) -> None:
    kernel = Kernel(version)
    try:
        assert kernel.finish("import ipykernel; print(ipykernel.__version__)").strip() == version
        comm_id = kernel.widget()
        subshell = kernel.subshell()
        kernel.ask(comm_id, 1, "hello", subshell, version=2, locale="en")
        kernel.ask(comm_id, 2, "stop", subshell)
        assert (subshell is None) == version.startswith("6.")
        if subshell is not None:
            # The cell changes the queue, so that the widget publishes on its comm while the cell blocks the main shell;
            # it ends when the clicks have reached the core, so nothing here depends on the clock.
            cell = kernel.run(
                "import time\nwidget.add(b'x' * 10, name='a.mp4')\nprint('begun', flush=True)\n"
                "until = time.monotonic() + 90\n"
                "while widget.uploader.list_files() and time.monotonic() < until: sum(range(1000))\n"
                "assert not widget.uploader.list_files(), 'no click came through'"
            )
            kernel.pump(lambda: "begun" in kernel.said(cell), "the cell runs")
            kernel.ask(comm_id, 3, "pause", subshell, file_ids=["none"])
            assert not kernel.idle(cell), "the answer came after the cell"
            kernel.ask(comm_id, 4, "clear", subshell, which="all")
            kernel.pump(lambda: kernel.idle(cell), "the cell ends", within_s=100)
        if version == "7.1.0":
            manager = "get_ipython().kernel.shell_channel_thread.manager"
            assert kernel.finish(f"print(type({manager}._shell_socket).__name__)").strip() == "ZMQStream"
        kernel.finish(
            "from vod_widget.emulator import faults\nfrom vod_widget import Emulator\nemulator = Emulator().start()\n"
            "keys = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)\n"
            "widget = vw.VODUploadWidget(credentials=keys, endpoint=emulator.endpoint)\n"
            "stall = emulator.faults.add(op='PutObject', action=faults.Stall())\n"
            "widget.add(b'x' * 10, name='b.mp4')\nwidget.start()"
        )
        waiting = kernel.run("print('waits', flush=True)\nwidget.wait()")
        kernel.pump(lambda: kernel.said(waiting), "it waits")
        kernel.manager.interrupt_kernel()
        kernel.pump(lambda: kernel.idle(waiting), "the interrupt ends the wait")
        errors = [m["content"]["ename"] for m in kernel.published if m["msg_type"] == "error"]
        assert errors == ["KeyboardInterrupt"]
        said = kernel.finish("stall.release()\nprint(widget.wait(60), widget.uploader.list_files()[0].state)")
        assert said.strip() == "True Success"
    finally:
        kernel.close()


def test_running_the_cell_again_and_again_leaves_nothing_behind(kernel: Kernel) -> None:
    kernel.finish(MAKE, cell_id="the-cell")
    kernel.finish(
        "import comm, gc, threading\n"
        "from ipywidgets.widgets.widget import _instances\n"
        "from tests.helpers.until import until\n"
        "from vod_widget.widget.view import _Entry\n"
        "for k in range(200): widget.add(str(k).encode(), name=f'{k}.mp4')\n"
        "known = []\n"
        "def threads():\n"
        "    known or known.append(threading.active_count())\n"
        "    until(lambda: threading.active_count() <= known[0], 'the threads of the former screen end')\n"
        "    return known[0]\n"
        "def counts():\n"
        "    until(lambda: widget.total == 200, 'the new screen knows the files')\n"
        "    running = threads()\n"
        "    gc.collect()\n"
        "    entries = sum(type(thing) is _Entry for thing in gc.get_objects())\n"
        "    print(len(comm.get_comm_manager().comms), len(_instances), running, entries)"
    )
    seen = set()
    for _ in range(10):
        kernel.finish(MAKE, cell_id="the-cell")
        seen.add(kernel.finish("counts()"))
    assert len(seen) == 1
    # The last line of the cell keeps every one of the widgets in IPython's history.
    assert kernel.finish("print(len({id(one) for one in Out.values()}))").strip() == "11"


def test_f111_after_a_restart_of_the_kernel_the_upload_goes_on_under_its_id(
    kernel: Kernel, emulator: Any, tmp_path: Path
) -> None:
    part = 102_400
    path = tmp_path / "talk.mp4"
    path.write_bytes(bytes(range(256)) * (part * 4 // 256))
    where = f"endpoint={emulator.endpoint!r}, checkpoint_dir={str(tmp_path / 'journal')!r}"
    keys = f"credentials=vw.Credentials({emulator.access_key_id!r}, {emulator.access_key_secret!r})"
    stall = emulator.faults.add(op="UploadPart", part_number=2, action=Stall())
    # Whether the next part begins before the kernel stops the queue is chance. If so the storage has its bytes, and may
    # take them when it is let go, though nobody waits for the answer any more.
    rest = emulator.faults.add(op="UploadPart", part_number=3, times=None, action=Stall())
    ends = tmp_path / "the kernel ends"
    kernel.run(
        f"import vod_widget as vw\nwidget = vw.VODUploadWidget({where}, {keys}, part_size_bytes={part}, parallel=1)\n"
        f"widget.add({str(path)!r})\nwidget.uploader.start_upload()\n"
        f"import atexit, pathlib\natexit.register(pathlib.Path({str(ends)!r}).touch)"
    )
    kernel.pump(lambda: stall.fired, "part 2 is on its way", within_s=60)

    def let_go() -> None:
        until(ends.exists, "the kernel ends")
        stall.release()

    # The end of the process waits for a part that is on its way. (A loop of jupyter_client belongs to its thread.)
    letting_go = threading.Thread(target=let_go, daemon=True)
    letting_go.start()
    kernel.manager.shutdown_wait_time = 60.0
    kernel.manager.restart_kernel(now=False)
    letting_go.join(60)
    rest.release()
    kernel.client.wait_for_ready(timeout=60)
    resumed = kernel.run(
        f"import vod_widget as vw\nup = vw.resume({keys}, {where})\n(file,) = up.list_files()\nstate = str(file.state)\n"
        "(row,) = up.run(60)\nprint(state, row.state, row.video_id, row.sent_bytes, flush=True)"
    )
    kernel.pump(lambda: kernel.idle(resumed), "the new kernel went on", within_s=60)
    out = [m["content"] for m in kernel.published if m["msg_type"] == "stream"]
    said = "".join(content["text"] for content in out if content["name"] == "stdout").split()
    assert [m["content"] for m in kernel.published if m["msg_type"] == "error"] == []
    (asset,) = emulator.assets
    assert said[:3] == ["Stopped", "Success", asset.media_id]
    assert int(said[3]) in (part, 2 * part), "the part that was on its way counts"
    assert emulator.object_path(asset.media_id).read_bytes() == path.read_bytes()
    assert emulator.unfinished_uploads == []
