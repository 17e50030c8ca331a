"""The table of results that stays in the notebook: an output beside the widget's, kept true as files end.

What a cell shows is written when it runs, before anything was sent, so whoever opens the saved notebook without a
kernel would see nothing of what came of it. Therefore the cell gets a second output, empty at first and hidden by the
style sheet while a live widget stands beside it, and this one alone is replaced later: replacing the output of a widget
draws it anew. Where nobody keeps outputs (a script, marimo) nothing happens. No import of IPython: it is
there or it is not needed. Called from any thread.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["SavedTable"]

_log = logging.getLogger(__name__)

SOON_S = 1.0
# A table has 40 KB at most; the page takes 100 KB/s of everything.
EVERY_S = 5.0


class SavedTable:
    """One output, by its display id.

    Args:
        words: Gives `text/plain` and `text/html` of now; None when the widget is gone.
    """

    def __init__(self, words: Callable[[], tuple[str, str] | None]) -> None:
        self._words = words
        self._display_id = f"vod-widget-{secrets.token_hex(8)}"
        self._lock = threading.Lock()  # guards the three below; never held while something is published
        self._awaited = False
        self._shown = False
        self._owed = False
        self._told_s = float("-inf")

    def show_after_cell(self) -> bool:
        """Put the output behind those of the cell that runs now, once; False where nobody keeps outputs."""
        shell = _kernel_shell()
        if shell is None:
            return False
        with self._lock:
            if self._awaited:
                return True
            self._awaited = True

        def at_the_end() -> None:
            shell.events.unregister("post_execute", at_the_end)
            with self._lock:
                self._awaited, self._shown, self._owed = False, True, False
            self._publish(update=False)

        shell.events.register("post_execute", at_the_end)
        return True

    def owe(self, now_s: float) -> float | None:
        """Note that it is not true any more; return the time for `settle`, None when that is agreed already."""
        with self._lock:
            if not self._shown or self._owed:
                return None
            self._owed = True
            return max(now_s + SOON_S, self._told_s + EVERY_S)

    def settle(self, now_s: float) -> None:
        """Make it true, if it is not."""
        with self._lock:
            owed, self._owed = self._owed and self._shown, False
            if owed:
                self._told_s = now_s
        if owed:
            self._publish(update=True)

    def _publish(self, *, update: bool) -> None:
        shell, words = _kernel_shell(), self._words()
        if shell is None or words is None:
            return
        text, html = words
        data = {"text/plain": text, "text/html": f'<div class="vod-saved">{html}</div>'}
        try:
            shell.display_pub.publish(data, {}, transient={"display_id": self._display_id}, update=update)
        except Exception as error:
            _log.debug("the table of results could not be saved: %s", type(error).__name__)


def _kernel_shell() -> Any:
    """IPython's shell inside a kernel, or None: a terminal would print the table."""
    try:
        shell = sys.modules["IPython"].get_ipython()
    except (KeyError, AttributeError):
        return None
    return shell if getattr(shell, "kernel", None) is not None else None
