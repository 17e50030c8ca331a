"""The harness itself, with ten lines of widget: it clicks, sends, saves and reloads."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.harness import Lab

WIDGET = '''
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = """
    export default { render({ model, el }) {
        el.classList.add("counter");
        const button = document.createElement("button");
        const show = () => { button.textContent = `count ${model.get("value")}`; };
        button.onclick = () => model.send({ kind: "more" });
        model.on("change:value", show); show(); el.append(button);
    } }
    """
    value = traitlets.Int(0).tag(sync=True)
    def __init__(self):
        super().__init__()
        self.on_msg(lambda _, message, buffers: setattr(self, "value", self.value + 1))
counter = Counter()
counter
'''


def test_a_click_reaches_the_kernel_and_its_state_lives_through_save_and_reload(lab: Lab, page: Page) -> None:
    with lab.open(page, lab.add([WIDGET, "print('done')"])) as notebook:
        notebook.run_all()
        button = page.locator(".counter button")
        expect(button).to_have_text("count 0")
        button.click()
        expect(button).to_have_text("count 1")
        assert notebook.run("print(counter.value)") == "1"
        saved = notebook.save()
        assert "widgets" in saved["metadata"], "the setting that saves widget state is on"
        notebook.reload()
        expect(page.locator(".counter button")).to_have_text("count 1")
        assert notebook.errors == []
