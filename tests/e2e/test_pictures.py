"""Small pictures of files in a real browser, a cover from a video's first frame, and pictures that are a trap."""

from __future__ import annotations

import base64
import io
import shutil
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageChops, ImageOps, ImageStat
from playwright.sync_api import Locator, expect

from tests.e2e.desk import Desk
from tests.e2e.screen import TRANSFER_MS
from tests.helpers.media import Media


def _bomb(path: Path, side: int = 20_000) -> Path:
    """A PNG of 50 kB that unpacks to 1.6 GB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = zlib.compress(bytes((side // 8 + 1) * side), 1)
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b""))
    return path


def _differs(canvas: Locator, source: Path) -> float:
    """Mean distance per channel, 0 to 255, between a small picture and what should be in it."""
    expect(canvas).to_have_count(1, timeout=TRANSFER_MS)
    data = canvas.evaluate("canvas => canvas.toDataURL()").partition(",")[2]
    shown = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    wanted = ImageOps.fit(Image.open(source).convert("RGB"), shown.size)
    return max(ImageStat.Stat(ImageChops.difference(shown, wanted)).mean)


def test_rows_show_small_pictures_and_none_of_what_is_broken_or_huge(desk: Desk, media: Media, tmp_path: Path) -> None:
    kernel, browser = tmp_path / "kernel", tmp_path / "browser"
    for folder, prefix in ((kernel, "k-"), (browser, "b-")):
        folder.mkdir()
        for path in (media.png, media.jpeg):
            shutil.copy(path, folder / f"{prefix}{path.name}")
        _bomb(folder / f"{prefix}huge.png")
        (folder / f"{prefix}broken.png").write_bytes(media.png.read_bytes()[:60])
    shutil.copy(media.mp4, browser / f"b-{media.mp4.name}")
    (browser / "b-broken.mp4").write_bytes(media.mp4.read_bytes()[:400])
    with desk.show(kernel) as (_, screen):
        screen.root.evaluate("root => { root.style.height = '760px'; }")  # as by its handle: every row is drawn
        screen.add_path(f"{kernel}/*")
        screen.pick(*sorted(browser.iterdir()))
        picture = {
            path.name: screen.row(path.name).locator("canvas") for path in (*kernel.iterdir(), *browser.iterdir())
        }
        for name, source in (
            (f"k-{media.png.name}", media.png),
            (f"k-{media.jpeg.name}", media.jpeg),
            (f"b-{media.png.name}", media.png),
            (f"b-{media.jpeg.name}", media.jpeg),
            # The second that is shown is the one that this image is of.
            (f"b-{media.mp4.name}", media.jpeg),
        ):
            assert _differs(picture[name], source) < 12, name
        screen.start()
        for name, canvas in picture.items():
            screen.state(name, "Success")
            if "broken" in name or "huge" in name:
                expect(canvas).to_have_count(0)
                expect(screen.row(name).locator(".kd svg")).to_have_count(1)


def test_a_cover_is_the_first_frame_or_a_picture_and_never_a_huge_one(desk: Desk, media: Media, tmp_path: Path) -> None:
    with desk.show(tmp_path) as (notebook, screen):
        screen.pick(media.mp4)
        screen.button(f"Open details of {media.mp4.name}").click()
        panel = screen.root.get_by_role("complementary")
        cover = panel.get_by_label("Cover")

        def choose(path: Path) -> None:
            with desk.page.expect_file_chooser() as chooser:
                panel.locator("[data-action=cover-pick]").click()
            chooser.value.set_files(str(path))

        choose(_bomb(tmp_path / "huge.webp"))
        expect(screen.root.get_by_role("status").last).to_contain_text("huge.webp is no picture")
        choose(media.jpeg)
        expect(cover).to_have_value(media.jpeg.name)
        panel.locator("[data-action=cover-frame]").click()
        expect(cover).to_have_value(f"{media.mp4.stem}.jpg")
        screen.start()
        screen.state(media.mp4.name, "Success")
        url = notebook.run("print(widget.uploader.list_files()[0].cover_url)")
        assert desk.emulator.asset(screen.media_id(media.mp4.name)).cover_url == url
        (stored,) = [asset for asset in desk.emulator.assets if asset.media_id != screen.media_id(media.mp4.name)]
        frame = Image.open(desk.emulator.object_path(stored.media_id))
        wanted = Image.open(media.jpeg).convert("RGB").resize(frame.size)
        assert max(ImageStat.Stat(ImageChops.difference(frame.convert("RGB"), wanted)).mean) < 12
