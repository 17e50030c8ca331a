"""The page in a real browser: it plays, it runs nothing, it complains of nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.harness import CHROMIUM_FLAGS, chromium_path
from tests.emulator.raw import call, create, grant_of, oss
from tests.helpers.media import Media
from vod_widget.emulator import Emulator

NASTY = "<script>document.title='bad'</script><img src=x onerror=\"document.title='bad'\">"


@pytest.mark.browser
@pytest.mark.slow
def test_videos_play_and_names_stay_names(emulator: Emulator, media: Media) -> None:
    from playwright.sync_api import sync_playwright

    film = create(emulator, Title=NASTY)
    oss(film, "PUT", "", media.mp4.read_bytes())
    picture = grant_of(call(emulator, "CreateUploadImage", {"ImageType": "default", "Title": NASTY}).json)
    oss(picture, "PUT", "", media.png.read_bytes())
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{emulator.endpoint}/")
        playing: Any = page.evaluate(
            """async () => {
                const video = document.querySelector("video");
                video.muted = true;
                await video.play();
                await new Promise((resolve) => video.addEventListener("timeupdate", resolve, { once: true }));
                const image = document.querySelector("img");
                await image.decode();
                return [video.videoWidth > 0, image.naturalWidth > 0, document.title];
            }"""
        )
        browser.close()
    assert playing == [True, True, "VOD emulator"]
    assert said == []
