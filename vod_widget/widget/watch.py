"""What the core says, brought into the overview: which files changed, which ended, what there is to note about them.

Events only name files, and one may be lost; so files are asked for, and when the core's own numbers differ the whole
list is. Of the publisher's thread alone. Imports words, the frozen copies of `upload_info`, and `view`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from vod_widget.errors import LockedError, VODError
from vod_widget.model import SourceKind, UploadState
from vod_widget.secret import redact
from vod_widget.upload_info import FileSnapshot, Totals, UploaderSnapshot

from .view import Overview, is_held_elsewhere, row

__all__ = ["Core", "Watch"]

_log = logging.getLogger(__name__)

_ENDED = frozenset({str(UploadState.SUCCESS), str(UploadState.FAILURE), str(UploadState.CANCELED)})
_MESSAGE_CHARACTERS = 200
_NOTE_CODES = {
    UploadState.SUCCESS: "file_done",
    UploadState.FAILURE: "file_failed",
    UploadState.EXPIRED: "keys_needed",
}


class Core(Protocol):
    """What is asked of the uploader; every call is cheap and returns frozen copies."""

    def totals(self) -> Totals:
        """The numbers of the queue."""

    def file_snapshot(self, file_id: str) -> FileSnapshot | None:
        """One file; None or an error when it is not in the queue."""

    def snapshot(self) -> UploaderSnapshot:
        """Everything, in the order of the queue."""


class Watch:
    """Keeps the overview true.

    Args:
        core: The uploader.
        finished: Is told of files that ended, and of ones that did not stay so; may raise.
        is_answered: Tells whether other keys came since a file failed by an error.
        reload_ends: True when each load of the page has another kernel: a file that the one of the page before still
            holds waits for it, and has not failed.

    Attributes:
        overview: What is known of all files.
        notes: What happened since it was last emptied: facts by code, the latest last.
        short_since_s: Monotonic time since when files are missing (or too many); None while none are.
    """

    def __init__(
        self,
        core: Core,
        finished: Callable[[Sequence[FileSnapshot], Sequence[str]], None],
        is_answered: Callable[[str, VODError | None], bool],
        *,
        reload_ends: bool = False,
    ) -> None:
        self.overview = Overview()
        self.notes: dict[str, list[dict[str, Any]]] = {}
        self.short_since_s: float | None = None
        self._core = core
        self._finished = finished
        self._is_answered = is_answered
        self._reload_ends = reload_ends
        self._owed: dict[str, str] = {}

    def row(self, file_id: str) -> dict[str, Any] | None:
        """What a page is told of a file; None when it has left the queue."""
        file = self._file(file_id)
        if file is None:
            return None
        return row(file, owed=self._owed.get(file_id, ""), answered=self._is_answered(file_id, file.error))

    def differs_from(self, totals: Totals) -> bool:
        """Whether the core counts otherwise."""
        own = self.overview
        mine = (len(own), own.done, own.failed + own.waiting, own.canceled)
        return mine != (totals.total, totals.done, totals.failed, totals.canceled)

    def note_shortness(self, now_s: float, totals: Totals) -> None:
        """Note since when the number of files differs: while others change there is no quiet moment to ask."""
        if len(self.overview) == totals.total:
            self.short_since_s = None
        elif self.short_since_s is None:
            self.short_since_s = now_s

    def update(self, dirty: Sequence[str], *, whole: bool) -> set[str]:
        """Bring the overview up to date; return the ids of files that may look different now.

        Args:
            dirty: Files to ask for.
            whole: Ask for the whole list instead.
        """
        ended: list[FileSnapshot] = []
        gone: list[str] = []
        changed = self._update_all(ended, gone) if whole else self._update_some(dirty, ended, gone)
        if ended or gone:
            try:
                self._finished(ended, gone)
            except Exception:
                _log.debug("an observer of results failed", exc_info=True)
        return changed

    def _update_all(self, ended: list[FileSnapshot], gone: list[str]) -> set[str]:
        files = list(self._core.snapshot().files)
        before = self.overview.states()
        self.overview.replace(files, waits=self._waits)
        for file in files:
            _sort_by_end(file, before.pop(file.file_id, None), ended, gone)
        gone += before
        return {file.file_id for file in files}

    def _update_some(self, dirty: Sequence[str], ended: list[FileSnapshot], gone: list[str]) -> set[str]:
        for file_id in dirty:
            file = self._file(file_id)
            if file is None:
                self.overview.drop(file_id)
                gone.append(file_id)
                continue
            before = self.overview.put(file, waits=self._waits(file))
            self._note_change(file, before)
            _sort_by_end(file, before, ended, gone)
        return set(dirty)

    def owed(self, owed: Mapping[str, str]) -> set[str]:
        """Take note of what pages owe, codes by file id; return the files for which it is another code than before."""
        before, self._owed = self._owed, dict(owed)
        for file_id in owed.keys() - before.keys():
            if owed[file_id] != LockedError.default_code:
                self._note("file_waiting_browser", {"name": self.overview.name_of(file_id)})
        return {f for f in owed.keys() | before.keys() if owed.get(f) != before.get(f)}

    def _waits(self, file: FileSnapshot) -> bool:
        """Tell whether a file goes on by itself as soon as the kernel of the page before lets go of it."""
        return self._reload_ends and file.source == SourceKind.BROWSER and is_held_elsewhere(file)

    def _file(self, file_id: str) -> FileSnapshot | None:
        try:
            return self._core.file_snapshot(file_id)
        except (LookupError, ValueError):
            return None

    def _note_change(self, file: FileSnapshot, before: str | None) -> None:
        state = str(file.state)
        code = _NOTE_CODES.get(UploadState(state))
        if code is None or before in {None, state} or self._waits(file):
            return
        facts: dict[str, Any] = {"name": file.name}
        if code == "file_failed":
            facts["code"] = file.error.code if file.error is not None else "Internal"
            # Of a code that the page has no words for, it is all that can be said.
            facts["message"] = redact(file.error.message)[:_MESSAGE_CHARACTERS] if file.error is not None else ""
        self._note(code, facts)

    def _note(self, code: str, facts: dict[str, Any]) -> None:
        self.notes.setdefault(code, []).append(facts)


def _sort_by_end(file: FileSnapshot, before: str | None, ended: list[FileSnapshot], gone: list[str]) -> None:
    state = str(file.state)
    if state in _ENDED and state != before:
        ended.append(file)
    elif state not in _ENDED and before in _ENDED:
        gone.append(file.file_id)
