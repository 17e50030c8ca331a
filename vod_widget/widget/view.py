"""What the screen shows, computed from frozen snapshots: rows, summary, filters, search, windows.

`Overview` knows of every file only what counting and searching need, so that ten thousand files cost one small object
each and a change costs one file; rows are made for the visible window alone. One place counts: every number of the
summary, of the filters and of the traits comes from here, so that two views never differ. Pure: no ipywidgets, no I/O,
no clock, not thread-safe; the publisher's thread owns it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vod_widget import errors
from vod_widget.model import Phase, UploaderState, UploadState
from vod_widget.secret import redact
from vod_widget.upload_info import FileSnapshot, Totals

__all__ = [
    "Overview",
    "Window",
    "error_facts",
    "next_step",
    "row",
    "summary",
]

_BUCKET_OF: Mapping[str, str] = {
    UploadState.UPLOADING: "uploading",
    UploadState.READY: "ready",
    UploadState.STOPPED: "stopped",
    UploadState.CANCELED: "stopped",
    UploadState.EXPIRED: "stopped",
    UploadState.FAILURE: "failed",
    UploadState.SUCCESS: "done",
}
_BUCKETS = ("uploading", "ready", "stopped", "failed", "done")
_ACTION_ORDER = ("retry", "pause", "resume", "cancel", "remove")


# ---- one file ---------------------------------------------------------------------------------------


def next_step(error: errors.VODError) -> str:
    """Choose the one button that helps: `retry`, `keys`, `pick_file` or `remove`."""
    while isinstance(error, errors.RetriesExhaustedError):
        error = error.last
    if isinstance(error, errors.SourceDetachedError):
        return "pick_file"
    if isinstance(error, (errors.CredentialError, errors.AuthExpiredError, errors.AccessDeniedError)):
        return "keys"
    if isinstance(
        error,
        (
            errors.UsageError,
            errors.NotFoundError,
            errors.AlreadyExistsError,
            errors.RequestRefusedError,
        ),
    ):
        return "remove"
    return "retry"


def error_facts(error: errors.VODError) -> dict[str, str]:
    """Say an error as the screen needs it: code, message, hint, next step; without any secret."""
    return {
        "code": error.code,
        "message": redact(error.message),
        "hint": redact(error.hint),
        "next_step": next_step(error),
    }


_KEYS_RAN_OUT = errors.AuthExpiredError("the keys ran out")


_PAGE_IS_GONE = errors.SourceDetachedError("the page that held the file is gone")


def row(file: FileSnapshot, *, owed: str = "") -> dict[str, Any]:
    """Make the row of one file as plain JSON.

    Args:
        file: Its snapshot.
        owed: What a page owes while the file's bytes are wanted: "" nothing, "Source.Waiting" an answer,
            "Source.Detached" the file itself, which the person must pick again.
    """
    error = file.error
    if error is None and file.state == UploadState.EXPIRED:
        error = _KEYS_RAN_OUT
    wait, phase = None, str(file.phase)
    if owed and file.state == UploadState.UPLOADING:
        wait, phase = {"seconds": 0.0, "reason": owed}, str(Phase.WAITING)
        if owed == _PAGE_IS_GONE.code:
            error = _PAGE_IS_GONE
    elif file.wait_s is not None and file.wait_reason:
        wait = {"seconds": _number(file.wait_s) or 0.0, "reason": str(file.wait_reason)}
    done = file.state == UploadState.SUCCESS
    return {
        "file_id": file.file_id,
        "name": file.name,
        "source": str(file.source),
        "media_type": str(file.media_type),
        "size_bytes": file.size_bytes or 0,
        "state": str(file.state),
        "phase": phase,
        "sent_bytes": file.sent_bytes,
        "progress": _ratio(file.loaded_percent),
        "speed_bytes_per_s": _number(file.speed_bytes_per_s) or 0.0,
        "time_left_s": _number(file.time_left_s),
        "video_id": file.video_id or "",
        "image_id": file.image_id or "",
        "title": file.title or "",
        "error": error_facts(error) if error is not None else None,
        "wait": wait,
        "duration_s": _number(file.duration_s) if done else None,
        "actions": [name for name in _ACTION_ORDER if name in file.actions],
    }


def _number(value: float | None) -> float | None:
    """Three decimals are below what any screen shows; NaN and infinity are not JSON."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 3)


def _ratio(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4) if math.isfinite(value) else 0.0


# ---- all files --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """What one page looks at.

    Attributes:
        first: Index of the first visible row under filter and search, from 0.
        count: Visible rows, at most `messages.MAX_VIEW_ROWS`.
        filter: One of `messages.FILTERS`.
        search: Part of the name, the title or the VideoId, in any case; "" for all.
    """

    first: int = 0
    count: int = 50
    filter: str = "all"
    search: str = ""


class _Entry:
    """What counting and searching need of one file."""

    __slots__ = ("bucket", "name", "size_bytes", "state", "words")

    def __init__(self, file: FileSnapshot) -> None:
        self.state = str(file.state)
        self.bucket = _BUCKET_OF.get(self.state, "ready")
        self.size_bytes = file.size_bytes or 0
        self.name = file.name
        parts = (file.name, file.title, file.video_id, file.image_id)
        self.words = "\n".join(part.casefold() for part in parts if part)


class Overview:
    """Every file of the queue, in its order, counted."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._counts = dict.fromkeys(_BUCKETS, 0)
        self._bytes = dict.fromkeys(_BUCKETS, 0)
        self._canceled = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, file_id: str) -> bool:
        return file_id in self._entries

    def states(self) -> dict[str, str]:
        """State of every file by its id."""
        return {file_id: entry.state for file_id, entry in self._entries.items()}

    def name_of(self, file_id: str) -> str:
        """Name of a file; "" when it is not there."""
        entry = self._entries.get(file_id)
        return entry.name if entry is not None else ""

    def replace(self, files: Iterable[FileSnapshot]) -> None:
        """Forget everything and take these files, in this order."""
        self.__init__()  # type: ignore[misc]  # starting over is exactly what is meant
        for file in files:
            self.put(file)

    def put(self, file: FileSnapshot) -> str | None:
        """Take a new or changed file; return the state it had before, None when it is new."""
        entry = _Entry(file)
        old = self._entries.get(file.file_id)
        if old is not None:
            self._count(old, -1)
        self._entries[file.file_id] = entry
        self._count(entry, 1)
        return old.state if old is not None else None

    def drop(self, file_id: str) -> None:
        """Forget a file; one that is not there is no error."""
        old = self._entries.pop(file_id, None)
        if old is not None:
            self._count(old, -1)

    def _count(self, entry: _Entry, by: int) -> None:
        self._counts[entry.bucket] += by
        self._bytes[entry.bucket] += by * entry.size_bytes
        self._canceled += by * (entry.state == UploadState.CANCELED)

    @property
    def counts(self) -> dict[str, int]:
        """Files under each filter; they sum to "all"."""
        return {"all": len(self._entries), **self._counts}

    @property
    def done(self) -> int:
        """Files in Success."""
        return self._counts["done"]

    @property
    def failed(self) -> int:
        """Files in Failure."""
        return self._counts["failed"]

    @property
    def canceled(self) -> int:
        """Files in Canceled."""
        return self._canceled

    def bytes_in(self, bucket: str) -> int:
        """Length of all files under one filter."""
        return self._bytes[bucket]

    def matching(self, window: Window) -> Sequence[str]:
        """Ids of all files under a window's filter and search, in the order of the queue."""
        search = window.search.strip().casefold()
        if window.filter == "all" and not search:
            return list(self._entries)
        return [
            file_id
            for file_id, entry in self._entries.items()
            if (window.filter in ("all", entry.bucket)) and (search in entry.words)
        ]


def summary(overview: Overview, totals: Totals, *, profile: dict[str, Any] | None, destination: str) -> dict[str, Any]:
    """Make the numbers above the list; done + failed + canceled + left = total, always."""
    counts = overview.counts
    settled = overview.done + overview.failed + overview.canceled
    state = str(totals.state)
    runs = state in (UploaderState.START, UploaderState.EXPIRE)
    return {
        "state": state,
        "total": counts["all"],
        "done": overview.done,
        "failed": overview.failed,
        "canceled": overview.canceled,
        "left": counts["all"] - settled,
        "counts": counts,
        "size_bytes": totals.size_bytes,
        "sent_bytes": totals.sent_bytes,
        "failed_bytes": overview.bytes_in("failed"),
        "done_bytes": overview.bytes_in("done"),
        "speed_bytes_per_s": _number(totals.speed_bytes_per_s) or 0.0,
        "time_left_s": _number(totals.time_left_s),
        "progress": _ratio(totals.progress),
        # start_upload takes Failure and Stopped files into the queue again.
        "can_start": not runs and counts["all"] - overview.done - overview.canceled > 0,
        "can_stop": runs,
        "profile": profile,
        "destination": destination,
    }
