"""Built files that a page asks for only when it needs them: the side panels, the Chinese words.

Every widget's model carries the bundle; what few pages need stays out of it. No ipywidgets. Reads a disk; any thread.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from vod_widget.errors import InvalidArgumentError

__all__ = ["STATIC", "asset"]

STATIC = Path(__file__).parent / "static"
_FILES = {"panels": "panels.js", "chinese": "chinese.json"}


def asset(name: str, sha256: str) -> str:
    """Return the text of a built file.

    Args:
        name: "panels" or "chinese".
        sha256: The sum that the bundle in the page knows, in hex digits: names were shortened alike in both, so a file
            of another build would do anything.

    Raises:
        InvalidArgumentError: The page's bundle is of another version (code "Version").
    """
    data = (STATIC / _FILES[name]).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InvalidArgumentError(
            "this page was made by another version of vod_widget than the kernel has now",
            code="Version",
            hint="Restart the kernel and run the cell again.",
        )
    return data.decode("utf-8")
