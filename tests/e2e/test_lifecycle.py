"""From the first run of a cell to the saved notebook: nothing is lost, nothing is left behind, nothing looks alive that is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.desk import PART_BYTES, Desk, cell, keys
from tests.e2e.screen import TRANSFER_MS, Screen
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget.emulator.faults import Stall


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
        assert len(json.dumps(states)) < 100_000
        page.goto("about:blank")
        for session in desk.lab.api("GET", "sessions"):
            desk.lab.api("DELETE", f"sessions/{session['id']}")
        notebook.goto()
        table = page.locator(".vod-saved table")
        expect(table).to_be_visible(timeout=TRANSFER_MS)
        for words in (path.name, *ids):
            expect(table).to_contain_text(words)


# What the widget's own module, which anywidget loads from a blob, has registered with the page and not taken back.
KEPT = """
(() => {
    const ours = () => new Error().stack.includes('blob:');
    const kept = window.kept = { timers: new Set(), listeners: new Set(), observers: new Set() };
    const { setInterval, clearInterval, ResizeObserver } = window;
    window.setInterval = (...args) => {
        const id = setInterval(...args);
        if (ours()) kept.timers.add(id);
        return id;
    };
    window.clearInterval = (id) => (kept.timers.delete(id), clearInterval(id));
    for (const target of [window, document]) {
        const { addEventListener, removeEventListener } = target;
        target.addEventListener = (type, handler, options) => {
            if (ours()) kept.listeners.add(handler);
            addEventListener.call(target, type, handler, options);
        };
        target.removeEventListener = (type, handler, options) => {
            kept.listeners.delete(handler);
            removeEventListener.call(target, type, handler, options);
        };
    }
    window.ResizeObserver = class extends ResizeObserver {
        constructor(...args) { super(...args); if (ours()) kept.observers.add(this); }
        disconnect() { kept.observers.delete(this); super.disconnect(); }
    };
})()
"""


def test_cleared_outputs_and_cells_that_run_again_leave_no_listener_timer_or_observer(
    desk: Desk, page: Page, media: Media
) -> None:
    page.add_init_script(KEPT)

    def kept() -> list[int]:
        return page.evaluate("() => Object.values(kept).map(one => one.size)")

    with desk.show() as (notebook, screen):
        screen.pick(media.png)
        assert kept() == [2, 1, 1], "the heartbeat and the clock of the view; leaving the page; the size of the view"
        screen.button("Add files").click()
        assert kept() == [2, 2, 1], "an open menu listens for clicks beside it"
        notebook.command("notebook:clear-cell-output")
        until(lambda: kept() == [1, 1, 0], "only the model is left: its heartbeat, and leaving the page")
        for _ in range(5):
            notebook.run_all()
        expect(Screen(page).row(media.png.name)).to_be_visible()
        until(lambda: kept() == [2, 1, 1], "of five runs only the last one's is left")
        notebook.run("widget.close()")
        until(lambda: kept() == [0, 0, 0], "nothing is left")


def test_two_views_and_two_tabs_are_equal_and_each_looks_where_it_wants(
    desk: Desk, page: Page, media: Media, long_mp4: Path
) -> None:
    desk.emulator.faults.add(op="UploadPart", nth=2, times=None, action=Stall())
    shown = cell(desk.emulator, options=f", part_size_bytes={PART_BYTES}, parallel=1")
    linked = (
        "import ipywidgets\n"
        "bar = ipywidgets.FloatProgress(max=1.0)\n"
        "ipywidgets.jslink((widget, 'progress'), (bar, 'value'))\n"
        "bar"
    )
    with desk.lab.open(page, desk.lab.add([shown, "widget", linked])) as notebook:
        notebook.run(keys(desk.emulator))
        notebook.run_all()
        left, right = Screen(page, nth=0), Screen(page, nth=1)
        left.pick(media.png)
        left.start()
        right.state(media.png.name, "Success")
        expect(page.locator(".widget-hprogress .progress-bar")).to_have_attribute("style", re.compile("width: 100%"))
        notebook.save()
        tab = page.context.new_page()
        with desk.lab.open(tab, notebook.path):
            there = Screen(tab)
            there.state(media.png.name, "Success")
            there.add_path(long_mp4)
            there.root.locator("[data-filter=done]").click()
            expect(there.row(long_mp4.name)).to_have_count(0)
            there.start()
            for screen in (left, right):
                screen.state(long_mp4.name, "Uploading")
                expect(screen.button("Start")).to_have_attribute("aria-disabled", "true")
                expect(screen.row(media.png.name)).to_be_visible()
            expect(there.row(long_mp4.name)).to_have_count(0)
            right.button(f"Cancel {long_mp4.name}").click()
            there.root.locator("[data-filter=all]").click()
            for screen in (left, right, there):
                screen.state(long_mp4.name, "Canceled")
                expect(screen.button(f"Resume {long_mp4.name}")).to_be_enabled()
                assert screen.media_id(media.png.name) == left.media_id(media.png.name)
