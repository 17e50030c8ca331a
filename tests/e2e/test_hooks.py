"""The hooks that other people's tests use, from the sentence that promises them alone, not from our helpers.

Root `.vod-widget`; each row `role="row"` with `data-file-id` and `data-state`; buttons by accessible name: "Start", "Stop",
"Add files", "Clear", and in a row "Cancel …", "Pause …", "Resume …", "Retry …", "Remove …" followed by the file's name; rows
can take the focus, at least six are drawn; one `input[type=file]` inside the root; the profile chooser is a labelled
`select` "Credentials".
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.desk import PART_BYTES, Desk
from tests.e2e.gallery import serious
from tests.e2e.screen import TRANSFER_MS
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget.emulator.faults import Stall, Status


def test_the_promised_hooks_hold_for_a_file_of_every_state(
    desk: Desk, page: Page, media: Media, long_mp4: Path, tmp_path: Path
) -> None:
    long_name = "the last of a series, of which a row shows both ends but holds the whole name.mp4"
    names = ["failed.mp4", "canceled.mp4", "paused.mp4", "running.mp4", "queued.mp4", long_name]
    for name in names:
        shutil.copy(long_mp4, tmp_path / name)
    options = f", part_size_bytes={PART_BYTES}, parallel=1, parallel_files=1, retry_count=0"
    with desk.show(tmp_path, options) as (notebook, _):
        root = page.locator(".vod-widget")

        def button(name: str):
            return root.get_by_role("button", name=name, exact=True)

        def row(name: str):
            return root.locator("[role=row][data-file-id][data-state]").filter(has_text=name)

        def has_state(name: str, state: str) -> None:
            expect(row(name)).to_have_attribute("data-state", state, timeout=TRANSFER_MS)

        expect(root).to_have_count(1)
        expect(root.locator("input[type=file]")).to_have_count(1)
        expect(root.get_by_label("Credentials", exact=True)).to_be_visible()
        assert root.get_by_label("Credentials", exact=True).evaluate("element => element.tagName") == "SELECT"
        for name in ("Start", "Stop", "Add files", "Clear"):
            expect(button(name)).to_be_visible()

        root.locator("input[type=file]").set_input_files([str(media.png)])
        has_state(media.png.name, "Ready")
        button("Start").click()
        has_state(media.png.name, "Success")

        desk.emulator.faults.add(op="CreateUploadVideo", action=Status(403, "Forbidden.RAM", "not for you"))

        # All before the first begins: a file that is let go on ahead of the next hold could be done before it.
        first, second, third = (desk.emulator.faults.add(op="UploadPart", nth=nth, action=Stall()) for nth in (1, 2, 3))
        root.locator("input[type=file]").set_input_files([str(tmp_path / name) for name in names])
        expect(root.locator("[role=row][data-file-id]")).to_have_count(7)
        button("Start").click()
        has_state("failed.mp4", "Failure")
        has_state("canceled.mp4", "Uploading")
        expect(button("Stop")).to_be_enabled()
        until(lambda: first.fired, "a part is held")
        button("Cancel canceled.mp4").click()
        has_state("canceled.mp4", "Canceled")
        first.release()
        has_state("paused.mp4", "Uploading")
        until(lambda: second.fired, "a part is held")
        button("Pause paused.mp4").click()
        has_state("paused.mp4", "Stopped")
        second.release()
        has_state("running.mp4", "Uploading")
        until(lambda: third.fired, "a part is held")
        has_state("queued.mp4", "Ready")

        promised = {
            "failed.mp4": ("Retry", "Remove"),
            "canceled.mp4": ("Resume", "Remove"),
            "paused.mp4": ("Resume", "Remove"),
            "running.mp4": ("Pause", "Cancel"),
            long_name: ("Remove",),
            media.png.name: ("Remove",),
        }
        for name, actions in promised.items():
            for action in actions:
                expect(button(f"{action} {name}")).to_be_enabled()
            row(name).first.focus()
            expect(row(name).first).to_be_focused()
        drawn = root.locator("[role=row][data-file-id]")
        assert drawn.count() >= 6
        ids = drawn.evaluate_all("rows => rows.map(row => row.dataset.fileId)")
        assert len(set(ids)) == len(ids)
        known = notebook.run("print(*(info.file_id for info in widget.uploader.list_files()))").split()
        assert set(ids) == set(known)

        assert serious(page) == []
        button("Retry failed.mp4").click()
        has_state("failed.mp4", "Ready")
        button("Stop").click()
        has_state("running.mp4", "Stopped")
        third.release()
        notebook.run("widget.locale = 'zh-CN'")
        expect(root.locator("[data-action=start]")).to_have_text("开始")
        for action in ("start", "stop", "add", "clear"):
            expect(root.locator(f".bar [data-action={action}]")).to_have_count(1)
        for action in ("resume", "remove"):
            expect(row("running.mp4").locator(f"[data-action={action}]")).to_be_enabled()
