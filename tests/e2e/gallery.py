"""The widget's screen in a bare page: the committed bundle, JupyterLab's own theme variables, a kernel that plays each state."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.e2e.harness import ROOT

FRONTEND = ROOT / "vod_widget" / "widget" / "frontend"
STATIC = ROOT / "vod_widget" / "widget" / "static"
ASSETS = {"panels": "panels.js", "chinese": "chinese.json"}
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"


@cache
def _script() -> str:
    """The page's script: gallery.ts with the bundle in it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "gallery.js")
        esbuild = FRONTEND / "node_modules" / ".bin" / "esbuild"
        subprocess.run(
            [esbuild, "test/gallery.ts", "--bundle", "--format=iife", "--charset=utf8", f"--outfile={out}"],
            cwd=FRONTEND,
            check=True,
            capture_output=True,
        )
        return out.read_text("utf-8")


@cache
def _theme(name: str) -> str:
    if name.startswith("bare-"):
        return f":root {{ color-scheme: {name.removeprefix('bare-')} }}"
    text = (THEMES / f"theme-{name}-extension" / "index.css").read_text("utf-8")
    return text.replace("</", "<\\/")


def show(page: Page, state: str, *, theme: str = "light", locale: str = "en", width_px: int = 900) -> None:
    """Show one state and wait until it stands still.

    Args:
        page: Any page; what it shows is replaced.
        state: One of `STATES` of gallery.ts.
        theme: `light` or `dark`, JupyterLab's; `bare-dark` is a dark host that has none of its variables (marimo).
        locale: `en` or `zh-CN`.
        width_px: Width of the cell.
    """
    css = (STATIC / "widget.css").read_text("utf-8")
    named = "" if theme.startswith("bare-") else f" data-jp-theme-light='{str(theme == 'light').lower()}'"
    page.set_viewport_size({"width": width_px + 32, "height": 720})
    page.set_content(
        f"<!doctype html><html lang='{locale}'><head><title>VOD upload</title><style>{_theme(theme)}</style><style>{css}"
        "</style><style>body{margin:0;padding:16px;background:var(--jp-layout-color1,Canvas);"
        "font-family:var(--jp-ui-font-family)}</style></head>"
        f"<body{named}><main><h1 hidden>Notebook</h1>"
        f"<div id='cell' style='width:{width_px}px'></div></main></body></html>"
    )
    page.add_script_tag(content=_script())
    assets = {name: (STATIC / file).read_text("utf-8") for name, file in ASSETS.items()}
    page.evaluate("([state, locale, assets]) => window.show(state, locale, assets)", [state, locale, assets])


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out, as readable lines."""
    page.add_script_tag(path=FRONTEND / "node_modules" / "axe-core" / "axe.min.js")
    found: dict[str, Any] = page.evaluate("() => axe.run('.vod-widget', {resultTypes: ['violations']})")
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]
