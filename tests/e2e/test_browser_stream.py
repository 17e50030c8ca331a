"""Files of the browser over hosts that lose sockets and take small messages only: never a wrong byte, never a hang."""

from __future__ import annotations

import copy
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.harness import Lab
from tests.e2e.proxy import Proxy
from tests.e2e.screen import Screen
from tests.helpers.until import until
from vod_widget.emulator import Emulator

MIB = 1024 * 1024


# As strict as JupyterLab (eval) and anywidget (a module from a blob) bear: no worker from a blob, no foreign address.
STRICT = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self'; connect-src 'self' ws:"
)


@pytest.fixture
def narrow_lab(tmp_path_factory: pytest.TempPathFactory, _isolated_session: None) -> Iterator[Lab]:
    """A server that closes the socket at a message of 1 MiB, and whose pages may do little."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"websocket_max_message_size": MIB, "headers": {"Content-Security-Policy": STRICT}}
    limit = f"--ServerApp.tornado_settings={settings}"
    running = Lab(tmp_path_factory.mktemp("narrow"), environment={**os.environ, "PATH": path}, arguments=[limit])
    try:
        yield running
    finally:
        running.close()


def _video(folder: Path, mib: int) -> Path:
    path = folder / "talk.mp4"
    path.write_bytes(random.Random(mib).randbytes(mib * MIB))
    return path


def _cell(emulator: Emulator, options: str = "") -> str:
    return (
        "import os, vod_widget as vw\n"
        f"keys = vw.Credentials({emulator.access_key_id!r}, {emulator.access_key_secret!r})\n"
        f"widget = vw.VODUploadWidget(endpoint={emulator.endpoint!r}, credentials=keys{options})\n"
        "widget"
    )


def test_a_socket_that_drops_in_the_middle_costs_no_byte(
    lab: Lab, page: Page, emulator: Emulator, tmp_path: Path
) -> None:
    video = _video(tmp_path, 24)
    proxy = Proxy(int(lab.url.rpartition(":")[2]))
    through = copy.copy(lab)
    through.url = proxy.url
    try:
        with through.open(page, lab.add([_cell(emulator)])) as notebook:
            notebook.run_all()
            screen = Screen(page)
            screen.pick(video)
            proxy.cut_after(12 * MIB)
            screen.start()
            screen.state(video.name, "Success")
            stored = emulator.object_path(screen.media_id(video.name)).read_bytes()
    finally:
        proxy.close()
    assert proxy.cuts == 1
    assert stored == video.read_bytes()


def test_a_server_of_small_messages_and_a_strict_page_get_the_file_through_the_kernel_in_smaller_slices(
    narrow_lab: Lab, page: Page, emulator: Emulator, tmp_path: Path
) -> None:
    video = _video(tmp_path, 6)
    blocked: list[str] = []
    page.on("console", lambda said: blocked.append(said.text) if "Content Security Policy" in said.text else None)
    options = f", direct=True, part_size_bytes={MIB}"
    with narrow_lab.open(page, narrow_lab.add([_cell(emulator, options)])) as notebook:
        notebook.run_all()
        screen = Screen(page)
        screen.pick(video)
        screen.start()
        screen.state(video.name, "Success")
        assert emulator.object_path(screen.media_id(video.name)).read_bytes() == video.read_bytes()
        # Less than the server carries; which size is tried while its socket comes back is chance.
        told = "print(any(said < 2**20 for said in widget.slice_bytes.values()))"
        until(lambda: notebook.run(told) == "True", "the probe tells")
        screen.root.locator("[data-action=credentials-details]").click()
        expect(screen.root.get_by_role("complementary")).to_be_visible()
    assert [what for what in ("worker", emulator.endpoint) if not any(what in text for text in blocked)] == []
