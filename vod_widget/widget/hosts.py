"""What a host does with its kernel when the page is loaded again. Imports no host: it is there or it is not needed."""

from __future__ import annotations

import os
import sys

__all__ = ["reload_ends_the_kernel"]


def reload_ends_the_kernel() -> bool:
    """Tell, in the thread that runs the cell, whether each load of the page gets a kernel of its own.

    The old one then ends with its uploads. Voila does so, and says who it is by a variable of CGI (0.5.13); so does
    marimo when it serves a notebook as an app. The page says so in words; it must not have the browser ask before it
    leaves, for Voila ends the kernel while the browser still asks, also if the person then stays.
    """
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return True
    try:
        return bool(sys.modules["marimo"].app_meta().mode == "run")
    except (KeyError, AttributeError):
        return False
