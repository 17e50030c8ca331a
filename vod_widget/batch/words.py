"""How tables and sizes are written, as text and as static HTML. Pure.

Names and messages come from disks, callers and the cloud: control characters never reach a terminal, and every cell of
HTML is escaped with its quotes.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

__all__ = ["count_words", "html_table", "one_line", "size_words", "text_table"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
# Control, format (marks that turn the direction of text), surrogate and the two separators that end a line.
_UNSAFE_KINDS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_CELL_MAX = 60


def size_words(size_bytes: float) -> str:
    """Say a size with three digits and a decimal unit; bytes are exact."""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 99.95 else (1 if value >= 9.995 else 2)
    return f"{value:.{digits}f} {_UNITS[unit]}"


def count_words(number: int, word: str) -> str:
    """Say `1 file` or `2 files`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def one_line(text: object) -> str:
    """Make any text safe for one line of a terminal."""
    return "".join("\ufffd" if unicodedata.category(char) in _UNSAFE_KINDS else char for char in str(text))


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, cell_max: int = _CELL_MAX) -> str:
    """Align rows under their heads, for people.

    Args:
        head: One title a column.
        rows: Cells; long ones are cut, but for those of the last column.
        cell_max: Longest cell, characters.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    cells = [[*(_cut(cell, cell_max) for cell in row[:-1]), row[-1]] for row in cells]
    widths = [max(_columns(row[column]) for row in [head, *cells]) for column in range(len(head))]
    lines = [head, ["-" * width for width in (*widths[:-1], min(widths[-1], cell_max))], *cells]
    return "\n".join("  ".join(map(_pad, line, widths)).rstrip() for line in lines)


def _columns(text: str) -> int:
    """Count the columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str, foot: str = "") -> str:
    """Make one static table: no script, no style that a viewer would strip, no colour that carries meaning."""
    body = "".join(f"<tr>{''.join(_cell(cell, 'td') for cell in row)}</tr>" for row in rows)
    tail = f'<tfoot><tr><td colspan="{len(head)}">{_safe(foot)}</td></tr></tfoot>' if foot else ""
    titles = "".join(_cell(text, "th") for text in head)
    return (
        f"<table><caption>{_safe(caption)}</caption><thead><tr>{titles}</tr></thead><tbody>{body}</tbody>{tail}</table>"
    )


def _cell(value: object, tag: str) -> str:
    return f'<{tag} style="text-align:left">{_safe(value)}</{tag}>'


def _safe(value: object) -> str:
    return html.escape(one_line(value), quote=True)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
