"""Files of the browser over hosts that lose sockets and take small messages only: never a wrong byte, never a hang."""

from __future__ import annotations

import copy
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.harness import Lab
from tests.e2e.proxy import Proxy
from tests.e2e.screen import Screen
from tests.helpers.until import until
from vod_widget.emulator import Emulator

MIB = 1024 * 1024


@pytest.fixture
def narrow_lab(tmp_path_factory: pytest.TempPathFactory, _isolated_session: None) -> Iterator[Lab]:
    """A server that closes the socket at a message of 1 MiB."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    limit = f"--ServerApp.tornado_settings={{'websocket_max_message_size': {MIB}}}"
    running = Lab(tmp_path_factory.mktemp("narrow"), environment={**os.environ, "PATH": path}, arguments=[limit])
    try:
        yield running
    finally:
        running.close()


def _video(folder: Path, mib: int) -> Path:
    path = folder / "talk.mp4"
    path.write_bytes(random.Random(mib).randbytes(mib * MIB))
    return path


def _cell(emulator: Emulator) -> str:
    return (
        "import os, vod_widget as vw\n"
        f"keys = vw.Credentials({emulator.access_key_id!r}, {emulator.access_key_secret!r})\n"
        f"widget = vw.VODUploadWidget(endpoint={emulator.endpoint!r}, credentials=keys)\n"
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


def test_a_server_with_a_limit_of_one_mebibyte_gets_smaller_slices(
    narrow_lab: Lab, page: Page, emulator: Emulator, tmp_path: Path
) -> None:
    video = _video(tmp_path, 6)
    with narrow_lab.open(page, narrow_lab.add([_cell(emulator)])) as notebook:
        notebook.run_all()
        screen = Screen(page)
        screen.pick(video)
        screen.start()
        screen.state(video.name, "Success")
        assert emulator.object_path(screen.media_id(video.name)).read_bytes() == video.read_bytes()
        until(lambda: notebook.run("print(list(widget.slice_bytes.values()))") == "[262144]", "the probe tells")
