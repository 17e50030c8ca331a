"""From the first run of a cell to the saved notebook: nothing is lost, nothing is left behind, nothing looks alive that is not."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.desk import Desk
from tests.e2e.screen import TRANSFER_MS
from tests.helpers.media import Media
from tests.helpers.until import until


def test_a_saved_notebook_shows_what_came_of_it_without_a_kernel(
    desk: Desk, page: Page, media: Media, tmp_path: Path
) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.m4a"
    path.write_bytes(media.m4a.read_bytes())
    with desk.show() as (notebook, screen):
        screen.pick(path, media.png)
        screen.start()
        screen.state(path.name, "Success")
        screen.state(media.png.name, "Success")
        expect(page.locator(".vod-saved")).to_be_hidden()
        ids = [screen.media_id(path.name), screen.media_id(media.png.name)]

        def saved() -> str:
            outputs = notebook.save()["cells"][0]["outputs"]
            return "".join("".join(output["data"].get("text/html", "")) for output in outputs)

        until(lambda: all(media_id in saved() for media_id in ids), "the saved notebook names both files")
        assert "<img" not in saved()
        states = notebook.save()["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
        [ours] = [one["state"] for one in states.values() if "_esm" in one["state"]]
        assert len(json.dumps({name: ours[name] for name in ours if name not in ("_esm", "_css")})) < 4_000
        page.goto("about:blank")
        for session in desk.lab.api("GET", "sessions"):
            desk.lab.api("DELETE", f"sessions/{session['id']}")
        notebook.goto()
        table = page.locator(".vod-saved table")
        expect(table).to_be_visible(timeout=TRANSFER_MS)
        for words in (path.name, *ids):
            expect(table).to_contain_text(words)
