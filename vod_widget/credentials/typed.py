"""Tell whether a key stands in the text of a cell, which is saved with the notebook and in IPython's history.

Looks at the cells of the running IPython, if there is one; never imports it. Any thread.
"""

from __future__ import annotations

import sys
from typing import Final

from vod_widget.secret import Secret

from .profile import Notice

__all__ = ["typed_notice"]

# Shorter texts stand in many cells without being a key.
_LEAST_LETTERS: Final = 8


def typed_notice(secret: Secret) -> tuple[Notice, ...]:
    """Return the warning for a key that was typed into a cell, or nothing."""
    if not _is_in_a_cell(secret):
        return ()
    return (
        Notice(
            "Auth.Typed",
            "The access key secret stands in the text of a cell and is saved with the notebook. Move it into a profile "
            "(aliyun configure) or type it into the widget, remove the cell, and replace the key if the notebook was "
            "shared.",
        ),
    )


def _is_in_a_cell(secret: Secret) -> bool:
    interactive = sys.modules.get("IPython")
    try:
        shell = interactive.get_ipython() if interactive is not None else None
        cells = list(shell.user_ns.get("In", ())) if shell is not None else []
    except Exception:  # a host that only looks like IPython
        return False
    value = secret.reveal()
    return len(value) >= _LEAST_LETTERS and any(isinstance(cell, str) and value in cell for cell in cells)
