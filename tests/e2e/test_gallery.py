"""Every state of the committed bundle in Chromium: nothing raises, nothing overflows, and axe has no serious finding."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.gallery import serious, show

STATES = (
    *("empty", "running", "selected", "detail", "failed", "problem", "expired", "done"),
    *("credentials", "keys", "browse", "address", "several", "menu", "left", "many", "restarted"),
)
CASES = (
    *((state, "light", "en", 900) for state in STATES),
    *((state, "dark", "en", 900) for state in ("running", "detail", "failed", "done", "credentials")),
    *((state, "light", "zh-CN", 320) for state in ("running", "failed", "several")),
    ("empty", "dark", "zh-CN", 320),
    ("failed", "light", "en", 560),
    *((state, "bare-dark", "en", 900) for state in ("running", "failed", "credentials")),
)
# Lines whose end would be cut off unseen, since their frame hides it.
LINES = ".bar, .sum, .filt:not([role=toolbar]), .sh, .foot"


@pytest.fixture(scope="module")
def bare(browser: Browser) -> Iterator[Page]:
    """One page for all states; it remembers what was raised in it."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def test_the_gallery_names_every_state(bare: Page) -> None:
    show(bare, "empty")
    assert set(bare.evaluate("() => window.states")) == set(STATES)


@pytest.mark.parametrize(("state", "theme", "locale", "width_px"), CASES, ids=str)
def test_a_state_keeps_nobody_out(bare: Page, state: str, theme: str, locale: str, width_px: int) -> None:
    raised: list[str] = []
    bare.on("pageerror", lambda error: raised.append(str(error)))
    show(bare, state, theme=theme, locale=locale, width_px=width_px)
    assert raised == []
    assert serious(bare) == []
    root = bare.locator(".vod-widget")
    assert root.evaluate("root => root.scrollWidth <= root.clientWidth"), "nothing is cut off at the side"
    assert (
        bare.locator(LINES).evaluate_all(
            "lines => lines.filter(line => line.scrollWidth > line.clientWidth + 1).map(line => line.className)"
        )
        == []
    ), "nor inside"


@pytest.mark.parametrize(("theme", "ground"), [("bare-dark", "rgb(18, 18, 18)"), ("bare-light", "rgb(255, 255, 255)")])
def test_a_host_without_jupyterlabs_colours_is_followed_by_its_colour_scheme(
    bare: Page, theme: str, ground: str
) -> None:
    """In marimo's dark theme the widget was a white sheet with black boxes to tick."""
    show(bare, "running", theme=theme)
    root = bare.locator(".vod-widget")
    expect(root).to_have_css("background-color", ground)
    assert bare.evaluate("() => getComputedStyle(document.body).backgroundColor") == ground


def test_a_failure_is_told_in_chinese_alone(bare: Page) -> None:
    show(bare, "problem", locale="zh-CN")
    words = bare.locator("aside").inner_text()
    assert "此账号尚未开通视频点播" in words, "the panels, a file of their own, know what the page has learned"
    assert re.findall(r"[a-z]+ [a-z]+ [a-z]+", words) == []


def test_a_person_with_a_keyboard_reaches_everything(bare: Page) -> None:
    show(bare, "running")
    bare.locator("[data-action=stop]").focus()
    seen = []
    for _ in range(14):
        bare.keyboard.press("Tab")
        seen.append(
            bare.evaluate(
                "() => document.activeElement.dataset.action ?? document.activeElement.dataset.filter"
                " ?? document.activeElement.getAttribute('role') ?? document.activeElement.tagName"
            )
        )
    order = ["add", "clear", "credentials", "credentials-details", "all", "done"]
    assert [name for name in seen if name in order] == order
    assert "row" in seen, "the list is one stop"
    row = bare.locator("[role=row][data-file-id]").first
    row.focus()
    bare.keyboard.press("ArrowDown")
    bare.keyboard.press("Enter")
    expect(bare.locator("aside")).to_be_visible()
    bare.keyboard.press("Escape")
    expect(bare.locator("aside")).to_have_count(0)
    expect(bare.locator("[role=row][data-file-id]").nth(1), "the focus comes back").to_be_focused()
    bare.keyboard.press("ArrowRight")
    bare.keyboard.press("ArrowRight")
    assert bare.evaluate("() => document.activeElement.closest('[role=row]') !== null")


def test_nothing_moves_for_whoever_asked_for_less_motion(bare: Page) -> None:
    moving = (
        "() => [...document.querySelectorAll('.vod-widget *')].filter(e => {const s = getComputedStyle(e);"
        " return s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0.01}).length"
    )
    show(bare, "running")
    assert bare.evaluate(moving) > 0
    bare.emulate_media(reduced_motion="reduce")
    assert bare.evaluate(moving) == 0
    bare.emulate_media(reduced_motion="no-preference")


def test_beside_other_widgets_it_is_as_wide_as_a_telephone_at_least(page: Page) -> None:
    show(page, "running")
    page.evaluate(
        """() => {
            const cell = document.querySelector('#cell');
            cell.style.width = 'auto';
            cell.parentElement.style.display = 'flex';
        }"""
    )
    box = page.locator(".vod-widget").bounding_box()
    assert box is not None
    assert box["width"] == 320


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_what_can_be_done_to_selected_files_ends_where_the_panel_begins(bare: Page, locale: str) -> None:
    for width_px in (850, 900, 1000, 1100, 1240):
        show(bare, "several", locale=locale, width_px=width_px)
        line = bare.locator(".filt")
        assert line.evaluate("line => line.scrollWidth <= line.clientWidth"), width_px
        expect(bare.locator("[data-action=clear-selection]")).to_have_accessible_name(
            {"en": "Clear selection", "zh-CN": "取消选择"}[locale]
        )


def test_facts_of_a_file_have_the_whole_width_also_in_the_output_of_a_cell(bare: Page) -> None:
    show(bare, "detail")
    # As JupyterLab 4 has it; it would leave a third of the panel empty, and cut every id.
    output = ".jp-OutputArea-output"
    bare.add_style_tag(content=f"{output} dt {{ float: left; width: 20% }} {output} dd {{ float: left; width: 80% }}")
    bare.locator("#cell").evaluate("cell => cell.classList.add('jp-OutputArea-output')")
    bare.locator("head style").nth(1).evaluate("ours => document.head.append(ours)")
    bare.get_by_role("tab").nth(1).click()
    cut = "e => e.scrollWidth > e.clientWidth"
    expect(bare.locator("aside dd .mono").first).to_be_visible()
    ids = [one for one in bare.locator("aside dd .mono").all() if len(one.inner_text()) == 32]
    assert len(ids) >= 1
    assert [one.inner_text() for one in ids if one.evaluate(cut)] == []


def test_a_name_that_is_cut_is_no_higher_than_others(bare: Page) -> None:
    show(bare, "running", width_px=760)
    heights = bare.locator(".row .nm").evaluate_all("names => names.map(name => name.getBoundingClientRect().height)")
    assert bare.locator(".row .nm .cut").count() > 0
    assert set(heights) == {16}


@pytest.mark.parametrize("width_px", [900, 320])
def test_a_row_is_dragged_by_its_picture_to_where_the_line_stands(page: Page, width_px: int) -> None:
    show(page, "running", width_px=width_px)
    names = page.locator("[role=row][data-file-id] .nm")
    before = names.evaluate_all("names => names.map(name => name.dataset.name)")
    boxes = [one.bounding_box() for one in page.locator("[role=row][data-file-id] .th").all()[:3]]
    first, _, third = ((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes if box)
    page.locator("[role=row][data-file-id]").first.hover()  # the panels come when somebody comes near
    page.locator("[data-action=details]").first.click()
    page.keyboard.press("Escape")
    expect(page.locator("aside")).to_have_count(0)
    page.mouse.move(*third)
    page.mouse.down()
    page.mouse.move(first[0] + 20, first[1] - 10, steps=6)
    page.mouse.up()
    expect(names.first).to_have_attribute("data-name", before[2])
    assert names.evaluate_all("names => names.map(name => name.dataset.name)")[:3] == [before[2], *before[:2]]
    assert page.evaluate("() => getSelection().toString()") == ""


def test_rows_are_chosen_with_shift_by_their_boxes_and_beside_them(page: Page) -> None:
    show(page, "running")
    rows = page.locator("[role=row][data-file-id]")
    rows.nth(0).locator("label").click()
    rows.nth(2).locator("label").click(modifiers=["Shift"])
    expect(page.locator(".nsel")).to_have_text("3 selected")
    rows.nth(1).locator(".nm").click()
    rows.nth(4).locator(".nm").click(modifiers=["Shift"])
    expect(page.locator(".nsel")).to_have_text("5 selected")
    assert page.evaluate("() => getSelection().toString()") == ""
    rows.nth(4).locator("label").click(modifiers=["Shift"])
    expect(page.locator(".nsel"), "from the row that was pressed alone last").to_have_text("1 selected")
