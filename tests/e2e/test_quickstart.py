"""The quick start as the README promises it: run the cells, add files, press Start, get an id for each."""

from __future__ import annotations

import hashlib
import re
import shutil

from playwright.sync_api import Page

from tests.e2e.harness import ROOT, Lab
from tests.e2e.screen import Screen
from tests.helpers.media import Media

STORED = """
import gc, hashlib
from vod_widget.emulator import Emulator
(emulator,) = [thing for thing in gc.get_objects() if type(thing) is Emulator]
for media_id in {ids!r}:
    print(hashlib.sha256(emulator.object_path(media_id).read_bytes()).hexdigest())
"""


def test_quick_start_from_the_first_cell_to_an_id_for_each_file(lab: Lab, page: Page, media: Media) -> None:
    path = lab.add(ROOT / "notebooks" / "01-quickstart.ipynb")
    folder = (lab.root / path).parent
    shutil.copytree(ROOT / "notebooks" / "samples", folder / "samples")
    with lab.open(page, path) as notebook:
        notebook.run_all()
        screen = Screen(page)
        screen.add_path("samples/clip.mp4")
        screen.pick(media.m4a, media.jpeg)
        screen.start()
        files = [folder / "samples" / "clip.mp4", media.m4a, media.jpeg]
        for file in files:
            screen.state(file.name, "Success")
        ids = [screen.media_id(file.name) for file in files]
        assert [i for i in ids if not re.fullmatch(r"[0-9a-f]{32}", i)] == []
        assert len(set(ids)) == 3
        stored = notebook.run(STORED.format(ids=ids)).split()
        assert stored == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        assert notebook.errors == []
