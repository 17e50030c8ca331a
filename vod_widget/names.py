"""File names that are safe to show and to send, whatever they were. Floor 1, pure."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["NAME_MAX_BYTES", "clean_name", "extension_of", "natural_key", "shorten_name"]

NAME_MAX_BYTES = 255  # what the common file systems take; VOD states no limit

# Controls, line separators, marks that turn the direction of text, and the byte order mark: a name made with them can
# show as another one (`gpj.exe` read backwards).
_UNSAFE_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_RESERVED_NAMES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?\Z", re.DOTALL)

# Most names are clean as they are; a hundred thousand of them should not be taken apart.
_PLAIN_NAME = re.compile(r"(?=.{1,200}\Z)[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")

# Longer numbers are no counters, and int() of a thousand digits is slow.
_DIGITS = re.compile(r"(\d{1,18})")


def natural_key(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort as people count: clip-9 stands before clip-10, and what begins with a digit before what does not."""
    parts = _DIGITS.split(name.casefold())
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part)


def clean_name(name: str) -> str:
    """Turn any text into a file name that is safe to show and to send, never to open.

    The last part of a path (of either kind of slash), without drive, controls, marks that turn the text's direction
    and Windows' reserved names, in Unicode's normal form C, at most 255 bytes with the extension kept. Cleaning a clean
    name changes nothing.

    Args:
        name: What a browser, a person or a file system gave.

    Returns:
        A name that is not empty; "file" when nothing was left.
    """
    text = str(name)
    if _PLAIN_NAME.fullmatch(text) and not _RESERVED_NAMES.match(text):
        return text
    text = "".join("_" if "\ud800" <= char <= "\udfff" else char for char in text)
    before = None
    while text != before:  # taking one thing away can lay another bare: " C:nul" has three
        before, text = text, _clean_once(text)
    return text if text.strip("._ ") else "file"


def _clean_once(text: str) -> str:
    text = unicodedata.normalize("NFC", _UNSAFE_IN_NAMES.sub("", text))
    text = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    text = re.sub(r"\A[A-Za-z]:", "", text)
    text = text.strip().rstrip(". ")
    if _RESERVED_NAMES.match(text):
        text = f"_{text}"
    return shorten_name(text, NAME_MAX_BYTES)


def shorten_name(text: str, limit_bytes: int) -> str:
    """Shorten a name, its extension kept."""
    if len(text.encode()) <= limit_bytes:
        return text
    stem, dot, extension = text.rpartition(".")
    if not dot or not stem or len(extension.encode()) > 16:
        return _cut(text, limit_bytes).rstrip(". ")
    tail = f".{extension}"
    return _cut(stem, limit_bytes - len(tail.encode())).rstrip(". ") + tail


def _cut(text: str, limit_bytes: int) -> str:
    """Shorten at the boundary of a character."""
    return text.encode()[:limit_bytes].decode("utf-8", "ignore")


def extension_of(name: str) -> str:
    """Return the real extension in lower case without the dot, or "" when there is none."""
    base = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = base.rpartition(".")
    return extension.lower() if dot and stem else ""
