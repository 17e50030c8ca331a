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

__all__ = ["as_html", "as_text", "invitation"]

# English, Chinese. The screen's words live in the front-end, which a saved notebook does not have.
_WORDS = {
    "invitation": (
        "The upload widget needs a running kernel. Run the cell to go on.",
        "上传组件需要运行中的内核。运行此单元格即可继续。",
    ),
    "done_of": ("{done} of {total} files done", "共 {total} 个文件，完成 {done} 个"),
    "failed": ("{failed} failed", "失败 {failed} 个"),
    "more": ("{more} more. Run the cell to go on.", "另有 {more} 个。运行此单元格即可继续。"),
    "go_on": ("Run the cell to go on.", "运行此单元格即可继续。"),
    "name": ("Name", "名称"),
    "size": ("Size", "大小"),
    "state": ("State", "状态"),
    "media_id": ("VideoId or ImageId", "VideoId 或 ImageId"),
    "cause": ("Cause", "原因"),
    "Success": ("✓ Done", "✓ 完成"),
    "Failure": ("✕ Failed", "✕ 失败"),
    "Canceled": ("Canceled", "已取消"),
}

# A notebook is saved with every cell's output: the newest rows are enough, the sum says the rest.
_MAX_ROWS = 200
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def _say(key: str, locale: str, **values: int) -> str:
    return _WORDS[key][locale == "zh-CN"].format(**values)


def invitation(locale: str) -> str:
    """Stands for a widget that has nothing to show yet; it stays true whatever comes."""
    return f"<p>{_say('invitation', locale)}</p>"


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


def as_html(
    summary: Mapping[str, Any], results: Sequence[Mapping[str, Any]], *, region: str, now_s: float, locale: str
) -> str:
    """Make the table of the files that ended.

    Args:
        summary: `state`, `total`, `done`, `failed`.
        results: One dict a finished file.
        region: Where they went.
        now_s: Unix time of now.
        locale: "zh-CN" is Chinese, all else English.
    """
    utc = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    size_bytes = sum(result["size_bytes"] for result in results if result["state"] == "Success")
    done = _say("done_of", locale, done=summary["done"], total=summary["total"])
    said = [done, size_words(size_bytes), region, utc]
    if summary["failed"]:
        said.insert(1, _say("failed", locale, failed=summary["failed"]))
    caption = " · ".join(part for part in said if part)
    shown = results[-_MAX_ROWS:]
    body = "".join(_row(result, locale) for result in shown)
    more = len(results) - len(shown)
    foot = _say("more", locale, more=more) if more else _say("go_on", locale)
    head = "".join(f"<th>{_say(key, locale)}</th>" for key in ("name", "size", "state", "media_id", "cause"))
    return (
        f"<table><caption>{_safe(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead>"
        f'<tbody>{body}</tbody><tfoot><tr><td colspan="5">{_safe(foot)}</td></tr></tfoot></table>'
    )


def _row(result: Mapping[str, Any], locale: str) -> str:
    cause = ""
    if result["error_code"]:
        cause = f"{result['error_code']}: {redact(result['error_message'] or '')}"
    cells = (
        result["name"],
        size_words(result["size_bytes"]),
        _say(result["state"], locale) if result["state"] in _WORDS else result["state"],
        result["video_id"] or result["image_id"] or "",
        cause,
    )
    return f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in cells)}</tr>"


def _safe(text: object) -> str:
    return html.escape(str(text), quote=True)
