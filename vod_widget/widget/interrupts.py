"""What an interrupt of a wait says. In the thread that runs the cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vod_widget.lifetime import Terminated
from vod_widget.model import UploaderState

if TYPE_CHECKING:
    from vod_widget.uploader import VODUpload

__all__ = ["interruptible"]

T = TypeVar("T")


def interruptible(uploader: VODUpload, wait: Callable[[], T]) -> T:
    """Wait; an interrupt ends that with a sentence, and without the frames below.

    Raises:
        KeyboardInterrupt: With the sentence that is true of the queue now: keys may still have been looked for.
    """
    try:
        return wait()
    except Terminated:
        raise
    except KeyboardInterrupt:
        runs = uploader.totals().state in (UploaderState.START, UploaderState.EXPIRE)
        words = "the uploads go on; Stop in the widget halts them" if runs else "nothing is being sent"
        raise KeyboardInterrupt(f"the wait ended, {words}") from None
