"""What the papers print as Python runs as printed, on the emulator and with the profile file that the reference prints."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipywidgets import Widget

import vod_widget as vw
from tests.helpers.media import Media
from tests.helpers.reference_texts import CONFIG_JSON
from vod_widget.emulator import Emulator

ROOT = Path(__file__).resolve().parents[1]


def _blocks(paper: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / paper).read_text("utf-8"), re.DOTALL)


async def _run(block: str, names: dict[str, Any]) -> Any:
    """Run a block as a notebook's cell: `await` is allowed, and the value of its last line is returned."""
    *before, last = ast.parse(block).body
    if isinstance(last, ast.Expr):
        last = ast.Assign(targets=[ast.Name("_", ast.Store())], value=last.value)
    module = ast.fix_missing_locations(ast.Module([*before, last], []))
    code = compile(module, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ran = types.FunctionType(code, names)()
    if inspect.iscoroutine(ran):
        await ran
    return names.get("_")


@pytest.fixture
def names(home: Path, tmp_path: Path, media: Media, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The world of a reader: two videos in the working folder."""
    (tmp_path / "clips").mkdir()
    shutil.copy(media.mp4, tmp_path / "clips" / "one.mp4")
    shutil.copy(media.mp4, tmp_path / "talk.mp4")
    monkeypatch.chdir(tmp_path)
    yield {"vw": vw}
    Widget.close_all()  # nobody holds those of a cell


def test_five_minutes_of_the_readme(
    names: dict[str, Any],
    home: Path,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = home / ".aliyun" / "config.json"
    config.parent.mkdir()
    config.write_text(
        CONFIG_JSON.replace("<id>", emulator.access_key_id).replace("<secret>", emulator.access_key_secret)
    )
    config.chmod(0o600)
    monkeypatch.setenv("VOD_WIDGET_ENDPOINT", emulator.endpoint)
    first, second = _blocks("README.md")
    (row,) = asyncio.run(_run(first, names))
    assert emulator.object_path(row.video_id).read_bytes() == Path("clips/one.mp4").read_bytes()
    sent = len(emulator.requests)
    (again,) = asyncio.run(_run(first, names))
    assert again.video_id == row.video_id
    assert [r.op for r in emulator.requests[sent:] if r.op.startswith(("Put", "Upload"))] == []
    capsys.readouterr()
    (talk,) = asyncio.run(_run(second, names))
    names["up"].close()
    assert capsys.readouterr().out == f"talk.mp4 {talk.video_id}\n"
    assert emulator.object_path(talk.video_id).read_bytes() == Path("talk.mp4").read_bytes()


def test_the_emulator_of_the_reference(names: dict[str, Any]) -> None:
    asyncio.run(_run(_blocks("docs/reference.md")[0], names))
    assert names["row"].state == "Success"
