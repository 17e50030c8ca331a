"""What an earlier kernel left unfinished on the way to the same place, and how it comes back into this queue.

A kernel that restarts forgets its queue; the journal does not: files that had begun have an entry there, those that had
not are in the list of their queue. Reads the journal, so workers run it. No ipywidgets.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vod_widget.errors import LockedError, VODError
from vod_widget.keeping import can_open
from vod_widget.model import Checkpoint, Waiting

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


class _Known(NamedTuple):
    """A list of an earlier kernel, as it was read; it is asked for whenever the queue grows, and seldom another one."""

    stamp: list[int]
    files: list[Waiting]
    is_damaged: bool


class Unfinished:
    """Counts and takes back.

    Args:
        uploader: The queue into which they come.
    """

    def __init__(self, uploader: VODUpload) -> None:
        self._uploader = uploader
        self._looks = threading.Lock()
        self._lists: dict[str, _Known] = {}

    def _begun(self) -> list[Checkpoint]:
        """Return what has begun on the way to this queue's destination, also what is in the queue or held."""
        label = self._uploader._authority.resolve(required=False).label
        unfinished = self._uploader._authority.journal().unfinished()
        return [one for one in unfinished if one.destination == label and not one.canceled]

    def _found(self, begun: Sequence[Checkpoint], *, of: frozenset[str] | None = None) -> list[Checkpoint]:
        """Return those of them that nobody sends.

        Args:
            begun: What has begun.
            of: Only of these sources; None leaves out what is in the queue.
        """
        from vod_widget.restoring import still_unfinished

        uploader = self._uploader
        journal = uploader._authority.journal()
        here = {record.source.source_id for record in list(uploader._queue.records)}
        wanted = [one for one in begun if (one.source_id not in here if of is None else one.source_id in of)]
        found = []
        with _alone():
            for checkpoint in wanted[-_MAX_LOOKED_AT:]:
                try:
                    journal.look(checkpoint.source_id, checkpoint.destination)
                except LockedError:
                    continue
                found.append(checkpoint)
        return still_unfinished(journal, found)

    def count(self) -> dict[str, int]:
        """Return how many files can go on, and how many would if a browser brought them again; never raises."""
        try:
            begun = self._begun()
            found = self._found(begun)
            waiting = self._waiting(frozenset(one.source_id for one in begun))
        except VODError:
            return {"files": 0, "browser": 0}
        except Exception as error:
            _log.debug("the journal could not be read: %s", type(error).__name__)
            return {"files": 0, "browser": 0}
        files = sum(can_open(one.source_id) for one in found) + waiting
        browser = sum(one.source_id.startswith("browser:") for one in found)
        return {"files": files, "browser": browser}

    def _waiting(self, begun: frozenset[str]) -> int:
        """Return how many files that had not begun could come; a list of which nothing is wanted any more goes."""
        from vod_widget.restoring import sort_waiting

        uploader = self._uploader
        journal = uploader._authority.journal()
        place = uploader._keep_waiting().place()
        with _alone(), contextlib.closing(journal.left_waiting()) as found_lists:
            # Held only to see that its process has ended: whoever looks at the same time must see it, too.
            lists = [(left, left.stamp()) for left in found_lists]
        before, self._lists = self._lists, {}
        source_ids: set[str] = set()
        over: dict[str, list[int]] = {}
        for left, stamp in lists:
            known = before.get(left.path)
            if known is None or known.stamp != stamp:
                try:
                    known = _Known(stamp, list(left.read().values()), left.is_damaged)
                except VODError as error:  # one that cannot be read must not hide the others
                    _log.debug("a list of waiting files was left out: %s", error.code)
                    continue
            found = sort_waiting(uploader, known.files, place, begun)
            source_ids |= {one.checkpoint.source_id for one in found.mine}
            if found.mine or found.others or known.is_damaged:
                self._lists[left.path] = known
            else:
                over[left.path] = stamp
        if over:
            with _alone(), contextlib.closing(journal.left_waiting()) as found_lists:
                for left in found_lists:
                    if over.get(left.path) == left.stamp():
                        with contextlib.suppress(VODError):  # it is looked at again next time
                            left.discard()
        return len(source_ids)

    def go_on(self, waiting: Sequence[tuple[str, UploadInfo]]) -> None:
        """Retry files that somebody else held, as soon as nobody does and they are unfinished; never raises.

        One that was finished meanwhile is left alone: sent again, it would be there twice.

        Args:
            waiting: Files of this queue that failed so, each with the id of its source.
        """
        if not self._looks.acquire(blocking=False):
            return  # a slow disk must not gather more threads
        try:
            of = frozenset(source_id for source_id, _ in waiting)
            free = {one.source_id for one in self._found(self._begun(), of=of)}
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
        from vod_widget.restoring import Left, take_back, take_waiting

        uploader = self._uploader
        with _alone():
            begun = self._begun()
            found = self._found(begun)
            uploader._check_open()
            self._lists = {}
            journal = uploader._authority.journal()
            taken = 0
            if found:
                uploader._prepare()
                taken = take_back(uploader, journal, found, Left())
            source_ids = frozenset(one.source_id for one in begun)
            return taken + take_waiting(uploader, journal, uploader._keep_waiting(), source_ids)
