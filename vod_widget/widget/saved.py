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

from vod_widget.interfaces import Clock

__all__ = ["SavedTable"]

_log = logging.getLogger(__name__)

SOON_S = 1.0
# A table has 40 KB at most; the page takes 100 KB/s of everything.
EVERY_S = 5.0


class SavedTable:
    """One output, by its display id.

    Args:
        words: Gives `text/plain` and `text/html` of now; None when the widget is gone.
        clock: Monotonic time.
        call_later: Calls a job at a monotonic time.
        language: That of the page before, when the same queue goes on.

    Attributes:
        language: Of the page that came last: the table is for whoever reads there.
    """

    def __init__(
        self,
        words: Callable[[], tuple[str, str] | None],
        clock: Clock,
        call_later: Callable[[float, Callable[[], None]], None],
        language: str = "en",
    ) -> None:
        self._words = words
        self._clock = clock
        self._call_later = call_later
        self.language = language
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

    def read_in(self, language: str) -> None:
        """Take the language of a page that comes."""
        before, self.language = self.language, language
        words = self._words() if language != before else None
        # A table that is empty yet is the same in all of them.
        if words is not None and words[1]:
            self.owe()

    def owe(self) -> None:
        """Note that it is not true any more, which is mended soon."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            if not self._shown or self._owed:
                return
            self._owed = True
            at_s = max(now_s + SOON_S, self._told_s + EVERY_S)
        self._call_later(at_s, self.settle)

    def settle(self) -> None:
        """Make it true, if it is not."""
        now_s = self._clock.monotonic_s()
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
