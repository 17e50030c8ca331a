"""Fixtures of the browser tests: one JupyterLab for all, one Chromium a module, one page a test."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.e2e.desk import PART_BYTES, Desk
from tests.e2e.harness import CHROMIUM_FLAGS, ROOT, Lab, chromium_path
from tests.helpers.media import make_mp4
from vod_widget.emulator import Emulator

# Playwright's own five seconds are too few on a busy machine; what comes at once is not waited for.
expect.set_options(timeout=60_000)

# Read before the tests, which see none of a person's variables.
_PICTURES = Path(os.environ.get("VOD_WIDGET_PICTURES") or ROOT / "test-output" / "pictures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            # Chromium, a server and a kernel are three programs that are not ours. Only here: all other tests have one try.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, _isolated_session: None) -> Iterator[Lab]:
    """The JupyterLab server of this run."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    running = Lab(tmp_path_factory.mktemp("lab"), environment={**os.environ, "PATH": path})
    try:
        yield running
    finally:
        running.close()


# Not for the whole session: Playwright keeps an event loop running in this thread, in which other tests' asyncio.run fails.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path(), headless=True, args=list(CHROMIUM_FLAGS))
        try:
            yield running
        finally:
            running.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty page with no cookies, English, 1280 x 900.

    How it looks when the test ends is kept as a picture: in the folder that VOD_WIDGET_PICTURES names, else in
    test-output/pictures.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(60_000)
    try:
        shown = context.new_page()
        yield shown
        # A page that hangs has failed its test already. A JPEG costs a third of the time of a PNG.
        with contextlib.suppress(Error):
            shown.screenshot(path=_PICTURES / f"{request.node.name}.jpg", type="jpeg", quality=80, timeout=3_000)
    finally:
        context.close()


@pytest.fixture
def desk(lab: Lab, page: Page, emulator: Emulator) -> Desk:
    """JupyterLab, a page and a cloud, for `desk.show` and `desk.hold`."""
    return Desk(lab, page, emulator)


@pytest.fixture(scope="session")
def long_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of several parts of the least size."""
    path = make_mp4(tmp_path_factory.mktemp("long") / "long.mp4", seconds=24, size=(640, 360))
    assert path.stat().st_size > 3 * PART_BYTES
    return path
