"""The built files: the bundle as every widget's model carries it, and what a page asks for only when it needs it.

What a model carries goes to every page and into saved notebooks, so the bundle is packed, and the side panels and the
Chinese words stay out of it. No ipywidgets. Reads a disk; any thread.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path

from vod_widget.errors import InvalidArgumentError

__all__ = ["STATIC", "asset", "packed_bundle"]

STATIC = Path(__file__).parent / "static"
_FILES = {"panels": "panels.js", "chinese": "chinese.json"}

# A host imports the text of a module from a blob; this one does the same with what it unpacks.
_LOADER = """\
// vod_widget/widget/static/widget.js, packed: a saved notebook holds one in each of its widgets.
const packed = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
const plain = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")));
const url = URL.createObjectURL(new Blob([await plain.arrayBuffer()], { type: "text/javascript" }));
const bundle = await import(url);
URL.revokeObjectURL(url);
export default bundle.default;
"""


def packed_bundle() -> str:
    """Return a module that is the bundle, in half of its bytes."""
    data = zlib.compress((STATIC / "widget.js").read_bytes(), 9)
    return _LOADER % base64.b64encode(data).decode("ascii")


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
