"""The widget as a person sees it: buttons by their names, rows by their file, through the stable hooks of the design."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# A transfer of a small file on loopback, with a slow machine in mind.
TRANSFER_MS = 100_000


class Screen:
    """One `VODUploadWidget` in a page.

    Args:
        page: The page.
        nth: Which of the widgets in it, from 0.

    Attributes:
        root: The widget's root element.
    """

    def __init__(self, page: Page, nth: int = 0) -> None:
        self.page = page
        self.root = page.locator(".vod-widget").nth(nth)
        expect(self.root).to_be_visible(timeout=TRANSFER_MS)

    def button(self, name: str) -> Locator:
        """A button by its accessible name, e.g. "Start" or "Cancel clip.mp4"."""
        return self.root.get_by_role("button", name=name, exact=True)

    def row(self, name: str) -> Locator:
        """The row of a file."""
        return self.root.locator("[role=row][data-file-id]").filter(has=self.page.locator(f'[data-name="{name}"]'))

    def start(self) -> None:
        """Press Start."""
        self.button("Start").click()

    def add_path(self, path: Path | str) -> None:
        """Add files, From the kernel's files, type a path, Add."""
        self.button("Add files").click()
        self.root.locator("[role=menuitem][data-action=add-kernel]").click()
        field = self.root.locator("input[data-action=path]")
        expect(field).not_to_have_value("")  # the folder was listed; it would overwrite what is typed before
        field.fill(str(path))
        self.root.locator("[data-action=add-paths]").click()
        expect(field).to_have_count(0)

    def pick(self, *paths: Path) -> None:
        """Choose files in the browser's dialog."""
        self.root.locator("input[type=file]").set_input_files([str(path) for path in paths])
        for path in paths:
            expect(self.row(path.name)).to_be_visible()

    def state(self, name: str, state: str) -> None:
        """Wait until a file's row has a state (the API's word)."""
        expect(self.row(name)).to_have_attribute("data-state", state, timeout=TRANSFER_MS)

    def media_id(self, name: str) -> str:
        """The VideoId or ImageId that the row shows, whole."""
        return self.row(name).locator(".id [title]").first.get_attribute("title") or ""

    def choose_profile(self, value: str) -> None:
        """Choose in the select "Credentials"."""
        self.root.get_by_label("Credentials", exact=True).first.select_option(value=value)

    def type_keys(self, access_key_id: str, access_key_secret: str) -> None:
        """Open "Enter keys", fill the fields and send them."""
        self.root.get_by_label("Credentials", exact=True).first.select_option(label="Enter keys for this session…")
        panel = self.root.get_by_role("complementary")
        panel.get_by_label("AccessKey ID").fill(access_key_id)
        panel.get_by_label("AccessKey Secret").fill(access_key_secret)
        panel.get_by_role("button", name="Use these keys").click()
        expect(panel).to_have_count(0)  # the kernel answered that it took them

    def paste_keys(self, text: str) -> None:
        """Open "Enter keys", paste an answer of AssumeRole or CreateUploadVideo and send it."""
        self.root.get_by_label("Credentials", exact=True).first.select_option(label="Enter keys for this session…")
        panel = self.root.get_by_role("complementary")
        panel.get_by_role("button", name="Paste JSON").click()
        panel.get_by_label("JSON with the keys").fill(text)
        panel.get_by_role("button", name="Use these keys").click()
        expect(panel).to_have_count(0)

    def test_keys(self, words: str) -> None:
        """Press Test in the panel and wait for what it says."""
        self.root.locator("[data-action=credentials-details]").click()
        self.button("Test").click()
        expect(self.root.locator(".told")).to_contain_text(words, timeout=TRANSFER_MS)
        self.root.locator("[data-action=credentials-details]").click()
        expect(self.root.get_by_role("complementary")).to_have_count(0)
