"""Other hosts than JupyterLab, and a kernel that restarts: Notebook 7 and Voila send a file; nothing looks alive that is not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.desk import PART_BYTES, Desk, keys
from tests.e2e.harness import ROOT, TOKEN, Lab, _end_with_parent, reserved_port
from tests.e2e.screen import TRANSFER_MS, Screen
from tests.helpers.media import Media
from tests.helpers.until import until
from vod_widget.emulator import Emulator, faults

FAULT_KIND = "B"

KEPT = """
import pathlib
print(sum(path.read_bytes().count(b"waiting") for path in pathlib.Path(os.environ["VOD_WIDGET_HOME"]).rglob("waiting-*.jsonl")))
"""


def _cells(emulator: Emulator, options: str = "") -> str:
    # Served by Voila nothing is typed in; the keys of this emulator are worth nothing elsewhere.
    return (
        "import vod_widget as vw\n"
        f"keys = vw.Credentials({emulator.access_key_id!r}, {emulator.access_key_secret!r})\n"
        f"vw.VODUploadWidget(credentials=keys, endpoint={emulator.endpoint!r}{options})"
    )


def _send(screen: Screen, emulator: Emulator, media: Media) -> None:
    screen.pick(media.m4a)
    screen.start()
    screen.state(media.m4a.name, "Success")
    assert emulator.object_path(screen.media_id(media.m4a.name)).read_bytes() == media.m4a.read_bytes()


def test_notebook_7_sends_a_file_of_the_browser(lab: Lab, page: Page, emulator: Emulator, media: Media) -> None:
    path = lab.add([_cells(emulator)])
    page.goto(f"{lab.url}/notebooks/{path}?token={TOKEN}", wait_until="domcontentloaded")
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=TRANSFER_MS)
    # No restart: the notebook can miss how one ends, and then waits for its kernel for good.
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    screen = Screen(page)
    _send(screen, emulator, media)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    screen.row(media.m4a.name).focus()
    for key in ("b", "a"):  # each alone adds a cell where it gets through
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    for session in lab.api("GET", "sessions"):
        if session["path"] == path:
            lab.api("DELETE", f"sessions/{session['id']}")


@contextlib.contextmanager
def _served(folder: Path, *command: str) -> Iterator[str]:
    """Run a server (`{port}` stands for its port) until the block ends; gives its address."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
    }
    with reserved_port() as port:
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *(word.format(port=port) for word in command)],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 -- it calls prctl and nothing that takes a lock
            )
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _answers(url), f"{command[0]} answers", within_s=100)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/favicon.ico", timeout=60).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _says_what_a_reload_costs(screen: Screen, unsent: Path) -> None:
    """Before anything is added, and when it is."""
    words = "loading it again ends its uploads"
    expect(screen.root.locator(".empty")).to_contain_text(words)
    screen.pick(unsent)
    expect(screen.root.get_by_role("status")).to_contain_text(words, timeout=TRANSFER_MS)


def _goes_on_by_itself_after_a_reload(page: Page, emulator: Emulator, path: Path) -> None:
    """The new page has another kernel, and the old kernel holds the file until its page has been silent for a while."""
    before = Screen(page)
    stall = emulator.faults.add(op="UploadPart", nth=3, action=faults.Stall())
    before.pick(path)
    before.start()
    until(lambda: stall.fired, "two parts are stored, the third on its way")
    assets = emulator.assets
    page.reload(wait_until="domcontentloaded")
    after = Screen(page)
    after.pick(path)
    after.start()
    stall.release()
    after.state(path.name, "Success")
    assert len(emulator.assets) == len(assets), "no second one was made"
    assert emulator.object_path(after.media_id(path.name)).read_bytes() == path.read_bytes()


def test_voila_serves_strangers_who_may_send_their_own_files_and_no_more(
    page: Page, emulator: Emulator, media: Media, long_mp4: Path, tmp_path: Path
) -> None:
    # How long a page may be silent before it is taken for gone is tested on a played clock.
    soon = "import vod_widget.widget.pages as pages\npages._SILENCE_ENDS_S = 4.5\n"
    options = f", policy=vw.Policy.public(), part_size_bytes={PART_BYTES}, parallel=1"
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(soon + _cells(emulator, options))],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    notebook = tmp_path / "served.ipynb"
    nbformat.write(book, notebook)
    with _served(tmp_path, "voila", str(notebook), "--no-browser", "--port={port}", "--Voila.ip=127.0.0.1") as url:
        page.goto(url, wait_until="domcontentloaded", timeout=100_000)
        screen = Screen(page)
        expect(screen.root).to_have_attribute("data-link", "live", timeout=TRANSFER_MS)
        expect(screen.root.locator(".empty")).to_contain_text("At most 100 files")
        assert screen.root.locator("[data-action=add-kernel]").count() == 0
        expect(screen.root.get_by_label("Credentials")).to_be_disabled()
        _says_what_a_reload_costs(screen, media.png)
        _send(screen, emulator, media)
        _goes_on_by_itself_after_a_reload(page, emulator, long_mp4)
    assert emulator.access_key_secret not in (tmp_path / "server.log").read_text("utf-8", "replace")


APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    {cell}
    return (widget,)


@app.cell
def _(widget):
    widget
    return
"""


def test_marimo_carries_the_widget_and_its_bytes(page: Page, emulator: Emulator, media: Media, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.format(cell=_cells(emulator).replace("\nvw.", "\nwidget = vw.").replace("\n", "\n    ")))
    serve = ("marimo", "-q", "run", str(app), "--headless", "--no-token", "--host", "127.0.0.1", "--port", "{port}")
    with _served(tmp_path, *serve) as url:
        page.goto(url, wait_until="domcontentloaded", timeout=100_000)
        screen = Screen(page)
        expect(screen.root).to_have_attribute("data-link", "live", timeout=TRANSFER_MS)
        _says_what_a_reload_costs(screen, media.png)
        _send(screen, emulator, media)
        screen.button(f"Remove {media.m4a.name}").click()
        expect(screen.row(media.m4a.name)).to_have_count(0)
        apart = """root => root.querySelector('[role=row][data-file-id]').getBoundingClientRect().top
            - root.querySelector('.hd').getBoundingClientRect().bottom"""
        assert screen.root.evaluate(apart) < 2, "marimo's own styles pull the list apart"


def test_a_cell_of_marimos_editor_goes_on_with_its_uploads_when_it_runs_again(
    page: Page, emulator: Emulator, long_mp4: Path, tmp_path: Path
) -> None:
    """It does so by itself whenever a cell above changes; the upload went on, and the new screen was empty."""
    options = f", part_size_bytes={PART_BYTES}, parallel=1"
    app = tmp_path / "app.py"
    cell = _cells(emulator, options).replace("\nvw.", "\nwidget = vw.").replace("\n", "\n    ") + "\n    widget"
    app.write_text(APP.format(cell=cell))
    serve = ("marimo", "-q", "edit", str(app), "--headless", "--no-token", "--host", "127.0.0.1", "--port", "{port}")
    with _served(tmp_path, *serve) as url:
        page.goto(url, wait_until="domcontentloaded", timeout=100_000)
        code = page.locator(".cm-content").first
        code.click(timeout=TRANSFER_MS)
        page.keyboard.press("Control+Enter")
        screen = Screen(page)
        expect(screen.root).to_have_attribute("data-link", "live", timeout=TRANSFER_MS)
        assert "ends its uploads" not in screen.root.inner_text(), "a reload of the editor keeps its kernel"
        stall = emulator.faults.add(op="UploadPart", nth=3, action=faults.Stall())
        screen.pick(long_mp4)
        screen.start()
        until(lambda: stall.fired, "a part is held")
        shown = screen.root.element_handle()
        code.click()
        page.keyboard.press("Control+Enter")
        page.wait_for_function("root => !root.isConnected", arg=shown)
        again = Screen(page)
        again.state(long_mp4.name, "Uploading")
        stall.release()
        again.state(long_mp4.name, "Success")
        assert len(emulator.assets) == 1
        assert emulator.object_path(again.media_id(long_mp4.name)).read_bytes() == long_mp4.read_bytes()


@pytest.mark.parametrize("end", ["restart", "hang and kill -9"])
def test_a_kernel_that_ends_is_seen_and_its_successor_brings_the_file_back(
    desk: Desk, page: Page, emulator: Emulator, long_mp4: Path, end: str
) -> None:
    with desk.hold(long_mp4, nth=3) as (notebook, screen, stall):
        video_id = notebook.run("print(widget.uploader.list_files()[0].video_id)")
        # That ten seconds are enough is shown on a played clock (frontend/test/connection.test.ts); here a busy machine may lag.
        if end == "restart":
            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        else:
            kernel = int(notebook.run("import os; print(os.getpid())"))
            os.kill(kernel, signal.SIGSTOP)
            expect(screen.root).to_have_attribute("data-link", "lost")
            expect(screen.button("Add files")).to_be_disabled()
            os.kill(kernel, signal.SIGKILL)
        expect(screen.root).to_have_attribute("data-link", "gone")
        expect(screen.button("Add files")).to_be_disabled()
        expect(screen.root).to_contain_text("The kernel restarted.")
        stall.release()
        notebook.wait_for_kernel()
        if end != "restart":
            page.locator(".jp-Dialog button", has_text="Ok").click()  # JupyterLab tells of the kernel that died
        notebook.run(keys(emulator))
        notebook.run_all()
        again = Screen(page)
        again.root.locator("[data-action=take-back]").click(timeout=TRANSFER_MS)
        again.state(long_mp4.name, "Stopped")
        again.start()
        again.state(long_mp4.name, "Success")
        assert again.media_id(long_mp4.name) == video_id
        assert emulator.object_path(video_id).read_bytes() == long_mp4.read_bytes()


def test_a_restart_from_another_tab_is_told_in_this_one(desk: Desk, page: Page, media: Media) -> None:
    with desk.show() as (notebook, screen):
        screen.pick(media.png)
        notebook.save()
        tab = page.context.new_page()
        with desk.lab.open(tab, notebook.path):
            there = Screen(tab)
            expect(there.row(media.png.name)).to_be_visible()
            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
            for one in (screen, there):
                expect(one.root).to_contain_text("The kernel restarted.")
                expect(one.button("Start")).to_have_attribute("aria-disabled", "true")


def test_f111_a_kernel_that_is_killed_loses_no_file_that_had_not_begun(
    desk: Desk, page: Page, emulator: Emulator, media: Media
) -> None:
    with desk.show() as (notebook, screen):
        screen.add_path(media.jpeg)
        screen.add_path(media.m4a)
        screen.pick(media.png)
        kernel = int(notebook.run("import os; print(os.getpid())"))
        until(lambda: notebook.run(KEPT).split() == ["2"], "both files of the kernel's machine are kept")
        os.kill(kernel, signal.SIGKILL)
        expect(screen.root).to_have_attribute("data-link", "gone")
        notebook.wait_for_kernel()
        page.locator(".jp-Dialog button", has_text="Ok").click()  # JupyterLab tells of the kernel that died
        notebook.run(keys(emulator))
        notebook.run_all()
        again = Screen(page)
        expect(again.root).to_contain_text("2 files of an earlier session are not finished.", timeout=TRANSFER_MS)
        again.root.locator("[data-action=take-back]").click()
        for path in (media.jpeg, media.m4a):
            again.state(path.name, "Stopped")
        expect(again.root.locator("[data-action=take-back]")).to_have_count(0)
        again.start()
        for path in (media.jpeg, media.m4a):
            again.state(path.name, "Success")
            assert emulator.object_path(again.media_id(path.name)).read_bytes() == path.read_bytes()
        assert len(emulator.assets) == 2
