"""A notebook with the widget in it: its cell, its keys, and a part of an upload that is held on its way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.harness import Lab, Notebook
from tests.e2e.screen import Screen
from tests.helpers.until import until
from vod_widget.emulator import Emulator, faults

PART_BYTES = 102_400


def keys(emulator: Emulator) -> str:
    """Code that puts the emulator's keys into the kernel's environment, so that no cell holds them.

    The journal is that of this emulator, so that no test is offered what another one left.
    """
    return (
        "import os\n"
        f"os.environ['VOD_WIDGET_HOME'] = os.path.expanduser('~/journal-{emulator.endpoint.rpartition(':')[2]}')\n"
        f"os.environ['ALIBABA_CLOUD_ACCESS_KEY_ID'] = {emulator.access_key_id!r}\n"
        f"os.environ['ALIBABA_CLOUD_ACCESS_KEY_SECRET'] = {emulator.access_key_secret!r}"
    )


def cell(emulator: Emulator, root: Path | str = "/", options: str = "") -> str:
    """A cell that shows the widget."""
    return (
        "import vod_widget as vw\n"
        f"widget = vw.VODUploadWidget(endpoint={emulator.endpoint!r}, root={str(root)!r}{options})\n"
        "widget"
    )


@dataclass
class Desk:
    """The server, a page and a cloud.

    Attributes:
        lab: JupyterLab.
        page: The browser's page.
        emulator: Where uploads go.
    """

    lab: Lab
    page: Page
    emulator: Emulator

    @contextlib.contextmanager
    def show(self, root: Path | str = "/", options: str = "") -> Iterator[tuple[Notebook, Screen]]:
        """Open a notebook whose cell shows the widget; no error may come to the page until the end."""
        with self.lab.open(self.page, self.lab.add([cell(self.emulator, root, options)])) as notebook:
            notebook.run(keys(self.emulator))
            notebook.run_all()
            yield notebook, Screen(self.page)
            assert notebook.errors == []

    @contextlib.contextmanager
    def hold(
        self,
        path: Path,
        nth: int = 2,
        *,
        picked: bool = False,
        part_size_bytes: int = PART_BYTES,
        sent: Sequence[Path] = (),
    ) -> Iterator[tuple[Notebook, Screen, faults.Stall]]:
        """Show the widget with a file of which a part is on its way and stays there until the stall is released.

        What is sent again meanwhile, since a machine took longer than a client waits for an answer, stays there as well.

        Args:
            path: The file, of several parts.
            nth: The part that is held.
            picked: Choose it in the browser, not on the kernel's machine.
            part_size_bytes: Of a part.
            sent: Small files that are sent before, picked in the browser.
        """
        with self.show(path.parent, f", part_size_bytes={part_size_bytes}, parallel=1") as (notebook, screen):
            for small in sent:
                screen.pick(small)
                screen.start()
                screen.state(small.name, "Success")
            stall = self.emulator.faults.add(op="UploadPart", nth=nth, times=None, action=faults.Stall())
            try:
                (screen.pick if picked else screen.add_path)(path)
                screen.start()
                until(lambda: stall.fired, "a part is held")
                yield notebook, screen, stall
            finally:
                stall.release()
