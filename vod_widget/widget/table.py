"""The results as one static table, for whoever opens the saved notebook without a kernel.

Plain `<table>`, no script, no style that a viewer would strip, no colour that carries meaning; every text is escaped,
for it comes from file names and from the cloud. Pure.
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence
from typing import Any

from vod_widget.secret import redact

__all__ = ["INVITATION", "as_html", "as_text"]

INVITATION = "<p>The upload widget needs a running kernel. Run the cell to go on.</p>"
"""Stands for a widget that has nothing to show yet; it stays true whatever comes."""

# A notebook is saved with every cell's output: the newest rows are enough, the sum says the rest.
_MAX_ROWS = 200
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size_words(size_bytes: float) -> str:
    """Say a size with three digits and a decimal unit."""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else (1 if value >= 9.995 else 2)
    return f"{value:.{digits}f} {_UNITS[unit]}"


def as_text(summary: Mapping[str, Any]) -> str:
    """Say the state of the queue in one line."""
    parts = [f"{summary['done']} of {summary['total']} files done"]
    if summary["failed"]:
        parts.append(f"{summary['failed']} failed")
    return f"VODUploadWidget({summary['state']}: {', '.join(parts)})"


def as_html(summary: Mapping[str, Any], results: Sequence[Mapping[str, Any]], *, region: str, now_s: float) -> str:
    """Make the table of the files that ended.

    Args:
        summary: `state`, `total`, `done`, `failed`.
        results: One dict a finished file.
        region: Where they went.
        now_s: Unix time of now.
    """
    utc = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    size_bytes = sum(result["size_bytes"] for result in results if result["state"] == "Success")
    said = [f"{summary['done']} of {summary['total']} files done", size_words(size_bytes), region, utc]
    if summary["failed"]:
        said.insert(1, f"{summary['failed']} failed")
    caption = " · ".join(part for part in said if part)
    shown = results[-_MAX_ROWS:]
    body = "".join(_row(result) for result in shown)
    more = len(results) - len(shown)
    foot = (f"{more} more. " if more else "") + "Run the cell to go on."
    return (
        f"<table><caption>{_safe(caption)}</caption>"
        "<thead><tr><th>Name</th><th>Size</th><th>State</th><th>VideoId or ImageId</th><th>Cause</th></tr></thead>"
        f'<tbody>{body}</tbody><tfoot><tr><td colspan="5">{_safe(foot)}</td></tr></tfoot></table>'
    )


def _row(result: Mapping[str, Any]) -> str:
    words = {"Success": "✓ Done", "Failure": "✕ Failed"}
    cause = ""
    if result["error_code"]:
        cause = f"{result['error_code']}: {redact(result['error_message'] or '')}"
    cells = (
        result["name"],
        size_words(result["size_bytes"]),
        words.get(result["state"], result["state"]),
        result["video_id"] or result["image_id"] or "",
        cause,
    )
    return f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in cells)}</tr>"


def _safe(text: object) -> str:
    return html.escape(str(text), quote=True)
