"""The widget in JupyterLab against the emulator: add, start, watch, cancel, pause, resume, reload."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.desk import PART_BYTES, Desk, cell
from tests.e2e.harness import Lab
from tests.e2e.screen import TRANSFER_MS, Screen
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget.emulator import Emulator

FAULT_KIND = "B"

ID = re.compile(r"[0-9a-f]{32}")


def test_a_kernel_file_and_browser_files_arrive_whole_and_get_their_ids(
    desk: Desk, emulator: Emulator, media: Media
) -> None:
    with desk.show(media.mp4.parent) as (notebook, screen):
        screen.add_path(media.mp4)
        screen.pick(media.m4a, media.png, media.jpeg)
        screen.state(media.mp4.name, "Ready")
        screen.start()
        for path in media:
            screen.state(path.name, "Success")
            media_id = screen.media_id(path.name)
            assert ID.fullmatch(media_id), f"{path.name}: {media_id!r}"
            assert emulator.object_path(media_id).read_bytes() == path.read_bytes()
        # The traits may follow the rows by a second.
        traits = "print(widget.done, widget.failed, widget.total, widget.progress)"
        until(lambda: notebook.run(traits) == "4 0 4 1.0", "the traits are true")
        ids = notebook.run("for r in widget.results: print(r['name'], r['video_id'] or r['image_id'])")
        assert sorted(ids.splitlines()) == sorted(f"{p.name} {screen.media_id(p.name)}" for p in media)


def test_cancel_in_flight_leaves_nothing_behind(desk: Desk, emulator: Emulator, long_mp4: Path) -> None:
    with desk.hold(long_mp4) as (_, screen, stall):
        screen.state(long_mp4.name, "Uploading")
        screen.button(f"Cancel {long_mp4.name}").click()
        screen.state(long_mp4.name, "Canceled")
        stall.release()
        expect(screen.button(f"Resume {long_mp4.name}")).to_be_enabled()
        until(lambda: emulator.unfinished_uploads == [], "the parts are removed from the storage")


def test_pause_keeps_what_was_sent_and_resume_goes_on_under_the_same_id(
    desk: Desk, emulator: Emulator, long_mp4: Path
) -> None:
    with desk.hold(long_mp4, nth=3) as (notebook, screen, stall):
        video_id = notebook.run("print(widget.uploader.list_files()[0].video_id)")
        screen.button(f"Pause {long_mp4.name}").click()
        screen.state(long_mp4.name, "Stopped")
        stall.release()
        screen.button(f"Resume {long_mp4.name}").click()
        screen.state(long_mp4.name, "Success")
        assert screen.media_id(long_mp4.name) == video_id
        assert emulator.object_path(video_id).read_bytes() == long_mp4.read_bytes()


def test_f136_reload_shows_the_truth_also_of_what_happened_meanwhile(
    desk: Desk, page: Page, media: Media, long_mp4: Path
) -> None:
    with desk.hold(long_mp4, sent=[media.jpeg]) as (notebook, screen, stall):
        image_id = screen.media_id(media.jpeg.name)
        notebook.save()
        page.goto("about:blank")
        stall.release()
        notebook.goto()
        again = Screen(page)
        again.state(long_mp4.name, "Success")
        again.state(media.jpeg.name, "Success")
        assert again.media_id(media.jpeg.name) == image_id


def test_f106_a_browser_file_goes_on_when_it_is_picked_again_after_a_reload(
    desk: Desk, page: Page, emulator: Emulator, long_mp4: Path
) -> None:
    with desk.hold(long_mp4, nth=3, picked=True) as (notebook, _, stall):
        video_id = notebook.run("print(widget.uploader.list_files()[0].video_id)")
        notebook.save()
        notebook.reload()
        again = Screen(page)
        pick = again.row(long_mp4.name).locator("[data-step=pick_file]")
        with page.expect_file_chooser(timeout=TRANSFER_MS) as chooser:
            pick.click(timeout=TRANSFER_MS)
        chooser.value.set_files(str(long_mp4))
        expect(again.root.get_by_role("status")).to_have_text(re.compile(rf"{long_mp4.name} goes on from [1-9]\d? %\."))
        stall.release()
        again.state(long_mp4.name, "Success")
        assert again.media_id(long_mp4.name) == video_id
        assert emulator.object_path(video_id).read_bytes() == long_mp4.read_bytes()


def test_f107_a_browser_file_that_changes_on_disk_fails_and_is_never_mixed(
    desk: Desk, emulator: Emulator, long_mp4: Path, tmp_path: Path
) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(long_mp4.read_bytes() * 30)
    with desk.hold(path, picked=True, part_size_bytes=10 * PART_BYTES) as (notebook, screen, stall):
        path.write_bytes(long_mp4.read_bytes()[::-1] * 30)
        stall.release()
        screen.state(path.name, "Failure")
        assert notebook.run("print(widget.uploader.list_files()[0].error.code)") == "Source.Changed"
    assert all(r.op != "CompleteMultipartUpload" for r in emulator.requests)


def test_running_the_cell_again_goes_on_with_what_it_sends(
    desk: Desk, page: Page, emulator: Emulator, long_mp4: Path
) -> None:
    with desk.hold(long_mp4, nth=3, picked=True) as (notebook, _, stall):
        notebook.run("before = widget.uploader")
        notebook.run_all()
        stall.release()
        again = Screen(page)
        again.state(long_mp4.name, "Success")
        expect(page.locator(".vod-widget")).to_have_count(1)
        assert notebook.run("print(widget.uploader is before)") == "True"
        assert emulator.object_path(again.media_id(long_mp4.name)).read_bytes() == long_mp4.read_bytes()


def test_wrong_keys_are_told_in_the_row_and_the_right_ones_finish_the_file(
    lab: Lab, page: Page, emulator: Emulator, media: Media
) -> None:
    with lab.open(page, lab.add([cell(emulator, media.mp4.parent)])) as notebook:
        notebook.run_all()
        screen = Screen(page)
        screen.add_path(media.mp4)
        screen.type_keys(emulator.access_key_id, "not-the-secret-of-this-key-0000")
        screen.start()
        screen.state(media.mp4.name, "Failure")
        expect(screen.row(media.mp4.name)).to_contain_text("keys")
        screen.type_keys(emulator.access_key_id, emulator.access_key_secret)
        screen.row(media.mp4.name).locator("[data-step=retry]").first.click()
        screen.state(media.mp4.name, "Success")
        video_id = screen.media_id(media.mp4.name)
        assert emulator.object_path(video_id).read_bytes() == media.mp4.read_bytes()
        assert notebook.errors == []


def test_no_key_pressed_in_the_widget_reaches_the_notebook(desk: Desk, page: Page, media: Media) -> None:
    with desk.show(media.mp4.parent) as (_, screen):
        screen.add_path(media.mp4)
        before = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON()")
        places = {
            "search": screen.root.get_by_label("Search names"),
            "keys": screen.root.get_by_label("Credentials", exact=True),
            "clear": screen.button("Clear"),
            "row": screen.row(media.mp4.name),
            "path": screen.root.locator("input[data-action=path]"),
        }
        for name, place in places.items():
            if name == "path":
                screen.button("Add files").click()
                screen.root.locator("[role=menuitem][data-action=add-kernel]").click()
                expect(place).not_to_have_value("")
                place.fill("")
            place.focus()
            for key in ("b", "a", "d", "d", "x", "z", "m", "0", "0", "Shift+M", "Control+s", "Control+Shift+Minus"):
                page.keyboard.press(key)
            assert screen.root.evaluate("root => root.contains(document.activeElement)"), name
            if name == "path":
                expect(place).to_have_value("baddxzm00M")
                screen.button("Close").first.click()
            elif name == "search":
                expect(place).to_have_value("baddxzm00M")
                place.fill("")
        screen.row(media.mp4.name).focus()
        for key in ("Shift+Enter", "Control+Enter", "Alt+Enter"):
            page.keyboard.press(key)
        after = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON()")
        assert [one["source"] for one in after["cells"]] == [one["source"] for one in before["cells"]]
        assert [one.get("execution_count") for one in after["cells"]] == [1]
        assert page.locator(".jp-Dialog").count() == 0, "two zeros ask for a restart of the kernel"
