"""What an earlier kernel left unfinished on the way to the same place, and how it comes back into this queue.

A kernel that restarts forgets its queue; the journal does not. Reads the journal, so workers run it. No ipywidgets.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vod_widget.errors import LockedError, VODError
from vod_widget.model import Checkpoint

if TYPE_CHECKING:
    from vod_widget.upload_info import UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["Unfinished"]

_log = logging.getLogger(__name__)
_MAX_LOOKED_AT = 200
# A look takes the lock of each entry for a moment: two pages ask at once, and each took the other's look for sending.
_LOOKING = threading.RLock()
_LOOK_S = 5.0  # a dead disk must not hold up the next one for good


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Look while nobody else does, in this process."""
    alone = _LOOKING.acquire(timeout=_LOOK_S)
    try:
        yield
    finally:
        if alone:
            _LOOKING.release()


class Unfinished:
    """Counts and takes back.

    Args:
        uploader: The queue into which they come.
    """

    def __init__(self, uploader: VODUpload) -> None:
        self._uploader = uploader
        self._looks = threading.Lock()

    def _found(self, *, of: frozenset[str] | None = None) -> list[Checkpoint]:
        """Return what belongs to this queue's destination and is sent by nobody.

        Args:
            of: Only of these sources; None leaves out what is in the queue.
        """
        from vod_widget.restoring import still_unfinished

        uploader = self._uploader
        label = uploader._authority.resolve(required=False).label
        journal = uploader._authority.journal()
        here = {record.source.source_id for record in list(uploader._queue.records)}
        found = []
        with _alone():
            for checkpoint in journal.unfinished()[-_MAX_LOOKED_AT:]:
                if checkpoint.destination != label or checkpoint.canceled:
                    continue
                if checkpoint.source_id in here if of is None else checkpoint.source_id not in of:
                    continue
                try:
                    journal.open(checkpoint.source_id, checkpoint.destination).release()
                except LockedError:
                    continue
                found.append(checkpoint)
        return still_unfinished(journal, found)

    def count(self) -> dict[str, int]:
        """Return how many files can go on, and how many would if a browser brought them again; never raises."""
        from vod_widget.restoring import can_open

        try:
            found = self._found()
        except VODError:
            return {"files": 0, "browser": 0}
        except Exception as error:
            _log.debug("the journal could not be read: %s", type(error).__name__)
            return {"files": 0, "browser": 0}
        files = sum(can_open(one.source_id) for one in found)
        browser = sum(one.source_id.startswith("browser:") for one in found)
        return {"files": files, "browser": browser}

    def go_on(self, waiting: Sequence[tuple[str, UploadInfo]]) -> None:
        """Retry files that somebody else held, as soon as nobody does and they are unfinished; never raises.

        One that was finished meanwhile is left alone: sent again, it would be there twice.

        Args:
            waiting: Files of this queue that failed so, each with the id of its source.
        """
        if not self._looks.acquire(blocking=False):
            return  # a slow disk must not gather more threads
        try:
            free = {one.source_id for one in self._found(of=frozenset(source_id for source_id, _ in waiting))}
            for source_id, info in waiting:
                if source_id in free and isinstance(info.error, LockedError):
                    self._uploader.retry_file(info)
        except VODError as error:
            _log.debug("a file that was held could not go on: %s", error.code)
        finally:
            self._looks.release()

    def take_back(self) -> int:
        """Bring them into the queue, in Stopped, under their ids; return how many came.

        Raises:
            VODError: No keys, or the journal cannot be used.
        """
        from vod_widget.restoring import Left, take_back

        with _alone():
            found = self._found()
            self._uploader._prepare()
            return take_back(self._uploader, self._uploader._authority.journal(), found, Left())
