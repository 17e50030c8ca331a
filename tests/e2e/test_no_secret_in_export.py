"""Keys given by every way in a real JupyterLab session are in no artefact: notebook, pages, wires, logs, files, history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, WebSocket

from tests.canary.search import files_of, hits
from tests.canary.world import SINKS, WAYS, World, opened
from tests.e2e.harness import Lab, Notebook
from tests.e2e.screen import Screen
from tests.emulator.raw import call
from tests.helpers.media import Media

WRONG = "Canary+wrong/typed=0001"


def _listen(page: Page) -> tuple[list[bytes], list[bytes]]:
    """Everything that the page says and hears over sockets."""
    said: list[bytes] = []
    heard: list[bytes] = []

    def watch(socket: WebSocket) -> None:
        for event, frames in (("framesent", said), ("framereceived", heard)):
            socket.on(
                event, lambda data, frames=frames: frames.append(data if isinstance(data, bytes) else data.encode())
            )

    page.on("websocket", watch)
    return said, heard


def _use_the_widget(screen: Screen, world: World, media: Media) -> list[str]:
    """Type and paste keys, wrong ones first; return the secrets that were given, one for each message."""
    emulator = world.emulator
    screen.type_keys(emulator.access_key_id, WRONG)
    screen.test_keys("is not matched")
    screen.add_path(media.mp4)
    screen.start()
    screen.state(media.mp4.name, "Failure")  # an error text is a place to leak, too
    screen.type_keys(emulator.access_key_id, emulator.access_key_secret)
    screen.test_keys("ready")
    screen.row(media.mp4.name).locator("[data-step=retry]").first.click()
    screen.state(media.mp4.name, "Success")
    asked = {"RoleArn": emulator.role_arn, "RoleSessionName": "typed"}
    role = call(emulator, "AssumeRole", asked).json
    screen.paste_keys(json.dumps(role))
    screen.add_path(media.png)
    screen.start()
    screen.state(media.png.name, "Success")
    made = call(emulator, "CreateUploadVideo", {"Title": "pasted", "FileName": media.m4a.name}).json
    screen.paste_keys(json.dumps(made))
    screen.add_path(media.m4a)
    screen.start()
    screen.state(media.m4a.name, "Success")
    assert screen.media_id(media.m4a.name) == made["VideoId"]
    world.told = (*world.told, WRONG, made["UploadAuth"])
    return [WRONG, emulator.access_key_secret, role["Credentials"]["AccessKeySecret"], made["UploadAuth"]]


def _state_of(page: Page) -> dict[str, bytes]:
    inputs = page.evaluate("() => [...document.querySelectorAll('input, textarea')].map(e => e.value)")
    storage = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")
    return {
        "page": page.content().encode(),
        "fields": json.dumps(inputs).encode(),
        "storage of the browser": storage.encode(),
    }


def _fail_verbosely(notebook: Notebook) -> None:
    """What a person sees who asked for long tracebacks; it goes into the notebook's output of another client."""
    notebook.run("%xmode Verbose")
    for code in (
        "up = vw.VODUpload(profile='half'); up.add_file(b'x', name='x.mp4'); up.run()",
        "widget.set_credentials('x', '')",
    ):
        try:
            notebook.run(code)
        except AssertionError:
            continue
        raise AssertionError(f"{code} should have raised")


def test_s1_s2_keys_of_every_way_are_nowhere(page: Page, media: Media, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != "ALIBABA_CLOUD_ECS_METADATA_DISABLED"}
    lab = Lab(tmp_path / "lab", environment={**environment, "PATH": path})
    home = tmp_path / "lab" / "home"
    said, heard = _listen(page)
    try:
        with opened(tmp_path, home) as world:
            cell = (
                "import vod_widget as vw\n"
                f"widget = vw.VODUploadWidget(endpoint={world.emulator.endpoint!r}, root={str(media.mp4.parent)!r})\n"
                "widget"
            )
            notebook_path = lab.add([cell])
            with lab.open(page, notebook_path) as notebook:
                notebook.run_all()
                given = _use_the_widget(Screen(page), world, media)
                notebook.run(f"from tests.canary import session; session.run({str(world.facts)!r})")
                notebook.run("print(repr(widget), widget.uploader, vars(widget.uploader).keys(), widget.get_state())")
                _fail_verbosely(notebook)
                saved = json.dumps(notebook.save(), ensure_ascii=False)
                assert "application/vnd.jupyter.widget-state+json" in saved, "state saving is on"
                places = _state_of(page)
            file = lab.root / notebook_path
            subprocess.run(
                [sys.executable, "-m", "nbconvert", "--to", "html", str(file)],
                env=lab.environment,
                check=True,
                capture_output=True,
                timeout=120,
            )
            ways = (world.folder / "ways.txt").read_text().splitlines()
            assert [line.split() for line in ways] == [[name, "Success"] for name in WAYS]
            places |= files_of(tmp_path, without=world.inputs)
            places = {name: blob for name, blob in places.items() if not name.startswith("emulator/")}
            places["messages to the browser"] = b"\n".join(heard)
            places["log of the emulator"] = repr(world.emulator.requests).encode()
            assert {f"sinks/{name}.txt" for name in SINKS} <= set(places)
            assert hits(places, world.secrets()) == {}
            for secret in given:
                frames = [frame for frame in said if json.dumps(secret)[1:-1].encode() in frame]
                assert len(frames) == 1, "each key travels in one message"
    finally:
        lab.close()
