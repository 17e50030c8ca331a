"""Keys typed into the widget are in no artefact: saved notebook, page, exported page, server log, files of the kernel."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.harness import Lab
from tests.e2e.screen import Screen
from tests.helpers.media import Media
from vod_widget.emulator import Emulator

SECRET = 'Canary+sEcret/for"tests=7731'


def _forms(secret: str) -> dict[str, bytes]:
    """The ways in which a text may lie in a file."""
    raw = secret.encode()
    forms = {
        "plain": raw,
        "hex": raw.hex().encode(),
        "url": urllib.parse.quote(secret, safe="").encode(),
        "json": json.dumps(secret)[1:-1].encode(),
    }
    # base64 at its three alignments, without the characters that neighbours change.
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        forms[f"base64+{shift}"] = text[-(-shift * 8 // 6) : -1]
    return forms


def _found(blob: bytes) -> list[str]:
    return [name for name, form in _forms(SECRET).items() if form in blob]


@pytest.mark.parametrize("form", sorted(_forms(SECRET)))
def test_the_search_itself_finds_each_form(form: str) -> None:
    assert form in _found(b"before " + _forms(SECRET)[form] + b" after")


def test_s1_s2_typed_keys_are_nowhere(lab: Lab, page: Page, media: Media, tmp_path: Path) -> None:
    with Emulator(data_dir=tmp_path / "emulator", access_key_secret=SECRET) as emulator:
        cell = (
            "import vod_widget as vw\n"
            f"widget = vw.VODUploadWidget(endpoint={emulator.endpoint!r}, root={str(media.mp4.parent)!r})\n"
            "widget"
        )
        path = lab.add([cell])
        heard: list[bytes] = []
        page.on(
            "websocket",
            lambda socket: socket.on(
                "framereceived", lambda data: heard.append(data if isinstance(data, bytes) else data.encode())
            ),
        )
        with lab.open(page, path) as notebook:
            notebook.run_all()
            screen = Screen(page)
            screen.type_keys(emulator.access_key_id, SECRET + "-wrong")
            screen.add_path(media.mp4)
            screen.start()
            screen.state(media.mp4.name, "Failure")  # an error text is a place to leak, too
            screen.type_keys(emulator.access_key_id, SECRET)
            screen.row(media.mp4.name).locator("[data-step=retry]").first.click()
            screen.state(media.mp4.name, "Success")
            notebook.run("print(repr(widget), widget.uploader, vars(widget.uploader).keys(), widget.get_state())")
            saved = json.dumps(notebook.save(), ensure_ascii=False)
            assert "application/vnd.jupyter.widget-state+json" in saved, "state saving is on"
            inputs = page.evaluate("() => [...document.querySelectorAll('input, textarea')].map(e => e.value)")
            dom = page.content() + json.dumps(inputs)
            storage = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
        file = lab.root / path
        subprocess.run(
            [sys.executable, "-m", "nbconvert", "--to", "html", str(file)],
            env=lab.environment,
            check=True,
            capture_output=True,
            timeout=120,
        )
        places = {
            "saved notebook": file.read_bytes(),
            "exported page": file.with_suffix(".html").read_bytes(),
            "page": dom.encode(),
            "storage of the browser": storage.encode(),
            "messages to the browser": b"\n".join(heard),
            "server log": lab.log().encode(),
        }
        for other in sorted(p for p in lab.root.parent.rglob("*") if p.is_file()):
            places[str(other.relative_to(lab.root.parent))] = other.read_bytes()
    assert {name: _found(blob) for name, blob in places.items() if _found(blob)} == {}
