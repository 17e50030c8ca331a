"""One total bar over all files: tqdm where somebody looks, a line now and then where nobody does.

Updated by the thread that waits for the batch, so that a slow terminal or front-end never holds up a transfer.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Protocol

from vod_widget.interfaces import Clock
from vod_widget.upload_info import Totals

from .words import count_words, size_words

__all__ = ["Bar", "open_bar"]

_log = logging.getLogger("vod_widget")

# A log of a night must stay readable.
LINE_EVERY_S = 30.0


class Bar(Protocol):
    """Shows how far a batch is."""

    def show(self, totals: Totals, note: str = "") -> None:
        """Take the present sums; cheap, may be called several times a second."""

    def close(self) -> None:
        """Show the end; may be called twice."""


class _Silent:
    def show(self, totals: Totals, note: str = "") -> None:
        pass

    def close(self) -> None:
        pass


class _TqdmBar:
    """tqdm's own bar: `tqdm.auto` chooses between a notebook's and a terminal's."""

    def __init__(self, total_bytes: int) -> None:
        from tqdm.auto import tqdm

        class Quiet(tqdm):  # type: ignore[type-arg]
            monitor_interval = 0  # no thread of tqdm's own

        self._bar: Any = Quiet(
            total=total_bytes, desc="Uploading", unit="B", unit_scale=True, dynamic_ncols=True, mininterval=0.2
        )

    def show(self, totals: Totals, note: str = "") -> None:
        self._bar.set_postfix_str(note or _counts(totals), refresh=False)
        more = max(0, min(totals.sent_bytes, self._bar.total) - int(self._bar.n))
        if more:
            self._bar.update(more)
        else:
            self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """Where nobody looks: one line every half minute."""

    def __init__(self, clock: Clock, *, is_wanted: bool) -> None:
        self._clock = clock
        self._is_wanted = is_wanted
        self._last_s = clock.monotonic_s()

    def show(self, totals: Totals, note: str = "") -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._last_s < LINE_EVERY_S:
            return
        self._last_s = now_s
        speed = f", {size_words(totals.speed_bytes_per_s)}/s" if totals.speed_bytes_per_s else ""
        line = f"{totals.progress:.0%} of {size_words(totals.size_bytes)}, {note or _counts(totals)}{speed}"
        if self._is_wanted and sys.stderr is not None:
            sys.stderr.write(f"Uploading: {line}\n")
            sys.stderr.flush()
        else:
            _log.info("uploading: %s", line)

    def close(self) -> None:
        pass


def open_bar(progress: bool | None, total_bytes: int, clock: Clock) -> Bar:
    """Choose how progress is shown.

    Args:
        progress: True shows it, False does not, None shows it in a terminal and in a notebook.
        total_bytes: Length of all files.
        clock: Time of the lines.
    """
    if progress is False:
        return _Silent()
    if _is_notebook() or (sys.stderr is not None and sys.stderr.isatty()):
        return _TqdmBar(total_bytes)
    return _Lines(clock, is_wanted=progress is True)


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _counts(totals: Totals) -> str:
    failed = f", {totals.failed} failed" if totals.failed else ""
    return f"{totals.done} of {count_words(totals.total, 'file')}{failed}"
