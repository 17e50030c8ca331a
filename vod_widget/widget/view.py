"""What the screen shows, computed from frozen snapshots: rows, summary, filters, search, windows.

`Overview` knows of every file only what counting and searching need, so that ten thousand files cost one small object
each and a change costs one file; rows are made for the visible window alone. One place counts: every number of the
summary, of the filters and of the traits comes from here, so that two views never differ. Pure: no ipywidgets, no I/O,
no clock, not thread-safe; the publisher's thread owns it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vod_widget import errors
from vod_widget.doctor_words import fix_words
from vod_widget.model import Phase, UploaderState, UploadState
from vod_widget.names import natural_key
from vod_widget.secret import redact
from vod_widget.upload_info import FileSnapshot, Totals, UploadInfo

__all__ = [
    "Overview",
    "Window",
    "error_facts",
    "hint_zh",
    "is_held_elsewhere",
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
# What moves first, then what wants a person.
_STATE_ORDER = ("uploading", "failed", "stopped", "ready", "done")
_MAX_SORTED = 16
_CAUSES_TOLD = 3
# They travel with every summary while files are sent.
_CAUSE_CHARACTERS = 200
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
    if error.code.startswith("OperationDenied"):
        return "retry"  # once the service is activated for the account
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


def retry_helps(error: errors.VODError) -> bool:
    """Tell whether another try may do better: what was refused for itself is refused again."""
    return next_step(error) != "remove"


def hint_zh(error: errors.VODError) -> str:
    """Say in Chinese what to do next; "" where only English is known."""
    said = fix_words("error", {}, error, "zh")
    return "" if said == error.hint else redact(said)


def error_facts(error: errors.VODError) -> dict[str, str]:
    """Say an error as the screen needs it: code, message, hint, next step; without any secret."""
    return {
        "code": error.code,
        "message": redact(error.message),
        "hint": redact(error.hint),
        "hint_zh": hint_zh(error),
        "next_step": next_step(error),
    }


def is_held_elsewhere(file: FileSnapshot | UploadInfo) -> bool:
    """Tell whether a file only failed because another process holds it."""
    return file.state == UploadState.FAILURE and isinstance(file.error, errors.LockedError)


_KEYS_RAN_OUT = errors.AuthExpiredError("the keys ran out")


_PAGE_IS_GONE = errors.SourceDetachedError("the page that held the file is gone")


def row(file: FileSnapshot, *, owed: str = "", answered: bool = False) -> dict[str, Any]:
    """Make the row of one file as plain JSON.

    Args:
        file: Its snapshot.
        owed: What a page owes while the file's bytes are wanted: "" nothing, "Source.Waiting" an answer,
            "Source.Detached" the file itself, which the person must pick again. "Locked": the kernel of the page before
            still holds it, and it goes on as soon as that one lets go.
        answered: True when other keys came since it failed for its keys.
    """
    error = file.error
    if error is None and file.state == UploadState.EXPIRED:
        error = _KEYS_RAN_OUT
    wait, phase = None, str(file.phase)
    if owed == _PAGE_IS_GONE.code and file.state in (UploadState.UPLOADING, UploadState.READY):
        error = _PAGE_IS_GONE
    if owed and (file.state == UploadState.UPLOADING or owed == errors.LockedError.default_code):
        wait, phase = {"seconds": 0.0, "reason": owed}, str(Phase.WAITING)
    elif file.wait_s is not None and file.wait_reason:
        wait = {"seconds": _number(file.wait_s) or 0.0, "reason": str(file.wait_reason)}
    done = file.state == UploadState.SUCCESS
    facts = error_facts(error) if error is not None else None
    if facts is not None and answered:
        facts["next_step"] = "retry"
    return {
        "file_id": file.file_id,
        "name": file.name,
        "source": str(file.source),
        "media_type": str(file.media_type),
        "size_bytes": file.size_bytes or 0,
        "state": str(file.state),
        "phase": phase,
        # As the sums above the list count them: bytes of a request that broke stay counted, as its percent does.
        "sent_bytes": int(file.loaded_percent * file.size_bytes) if file.size_bytes else 0,
        "kept_bytes": file.accepted_bytes,
        "progress": _ratio(file.loaded_percent),
        "speed_bytes_per_s": _number(file.speed_bytes_per_s) or 0.0,
        "time_left_s": _number(file.time_left_s),
        "video_id": file.video_id or "",
        "image_id": file.image_id or "",
        # Only what a link may lead to; the address of a video is asked for when somebody wants to see it.
        "view_url": file.image_url if done and (file.image_url or "").startswith(("https://", "http://")) else "",
        "can_play": done and bool(file.video_id),
        "title": file.title or "",
        "error": facts,
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
        sort: One of `messages.SORTS`; "queue" is the order in which files start.
        descending: True turns the order round.
    """

    first: int = 0
    count: int = 50
    filter: str = "all"
    search: str = ""
    sort: str = "queue"
    descending: bool = False


class _Entry:
    """What counting and searching need of one file."""

    __slots__ = ("bucket", "cause", "helps", "name", "size_bytes", "sort_name", "state", "waits", "words")

    def __init__(self, file: FileSnapshot, *, waits: bool) -> None:
        self.state = str(file.state)
        self.waits = waits
        self.bucket = "ready" if waits else _BUCKET_OF.get(self.state, "ready")
        self.size_bytes = file.size_bytes or 0
        error = file.error if self.bucket == "failed" else None
        self.cause = (error.code, error.message) if error is not None else None
        self.helps = self.bucket == "failed" and (error is None or retry_helps(error))
        self.name = file.name
        self.sort_name = natural_key(file.name)
        parts = (file.name, file.title, file.video_id, file.image_id)
        self.words = "\n".join(part.casefold() for part in parts if part)


_SORT_KEYS: Mapping[str, Callable[[_Entry], Any]] = {
    "name": lambda entry: entry.sort_name,
    "size": lambda entry: entry.size_bytes,
    "state": lambda entry: _STATE_ORDER.index(entry.bucket),
}


class Overview:
    """Every file of the queue, in its order, counted."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._counts = dict.fromkeys(_BUCKETS, 0)
        self._bytes = dict.fromkeys(_BUCKETS, 0)
        self._canceled = 0
        self._waiting = 0
        self._retryable = 0
        # How often each code; the text of one file stands for all of them.
        self._causes: dict[str, int] = {}
        self._said: dict[str, str] = {}
        # The last sorted lists; what they depend on changes far more rarely than bytes move.
        self._sorted: dict[Window, list[str]] = {}

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

    def replace(
        self, files: Iterable[FileSnapshot], *, waits: Callable[[FileSnapshot], bool] = lambda _file: False
    ) -> None:
        """Forget everything and take these files, in this order; `waits` as for `put`."""
        self.__init__()  # type: ignore[misc]  # starting over is exactly what is meant
        for file in files:
            self.put(file, waits=waits(file))

    def put(self, file: FileSnapshot, *, waits: bool = False) -> str | None:
        """Take a new or changed file; return the state it had before, None when it is new.

        Args:
            file: Its snapshot.
            waits: True when it goes on by itself whatever its state says: it counts as one that is ready.
        """
        entry = _Entry(file, waits=waits)
        old = self._entries.get(file.file_id)
        if old is not None:
            self._count(old, -1)
        if old is None or (old.bucket, old.size_bytes, old.words) != (entry.bucket, entry.size_bytes, entry.words):
            self._sorted.clear()
        self._entries[file.file_id] = entry
        self._count(entry, 1)
        return old.state if old is not None else None

    def drop(self, file_id: str) -> None:
        """Forget a file; one that is not there is no error."""
        old = self._entries.pop(file_id, None)
        if old is not None:
            self._count(old, -1)
            self._sorted.clear()

    def _count(self, entry: _Entry, by: int) -> None:
        self._counts[entry.bucket] += by
        self._bytes[entry.bucket] += by * entry.size_bytes
        self._canceled += by * (entry.state == UploadState.CANCELED)
        self._waiting += by * entry.waits
        self._retryable += by * entry.helps
        if entry.cause is not None:
            code, text = entry.cause
            self._causes[code] = self._causes.get(code, 0) + by
            self._said.setdefault(code, text)

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
    def waiting(self) -> int:
        """Files that the core counts as failed and that go on by themselves."""
        return self._waiting

    @property
    def canceled(self) -> int:
        """Files in Canceled."""
        return self._canceled

    @property
    def retryable(self) -> int:
        """Files in Failure that may do better at another try."""
        return self._retryable

    def causes(self) -> list[tuple[str, str, int]]:
        """Why files failed: code, the text of one of them, how many; the most frequent three."""
        often = sorted(((n, code) for code, n in self._causes.items() if n), key=lambda pair: (-pair[0], pair[1]))
        return [(code, redact(self._said[code])[:_CAUSE_CHARACTERS], n) for n, code in often[:_CAUSES_TOLD]]

    def bytes_in(self, bucket: str) -> int:
        """Length of all files under one filter."""
        return self._bytes[bucket]

    def matching(self, window: Window) -> Sequence[str]:
        """Ids of all files under a window's filter and search, in its order."""
        search = window.search.strip().casefold()
        key = Window(0, 0, window.filter, search, window.sort, window.descending)
        if window.filter == "all" and not search and window.sort == "queue":
            return list(self._entries)[:: -1 if window.descending else 1]
        known = self._sorted.get(key)
        if known is not None:
            return known
        found = [
            file_id
            for file_id, entry in self._entries.items()
            if (window.filter in ("all", entry.bucket)) and (search in entry.words)
        ]
        if window.sort == "queue":
            found = found[:: -1 if window.descending else 1]
        else:
            by = _SORT_KEYS[window.sort]
            # Stable: equal ones stay in the order of the queue, whichever way round.
            found.sort(key=lambda file_id: by(self._entries[file_id]), reverse=window.descending)
        if len(self._sorted) > _MAX_SORTED:
            self._sorted.clear()
        self._sorted[key] = found
        return found


class Stopwatch:
    """How long the queue ran in all, over every stop and start; an empty list begins anew."""

    def __init__(self) -> None:
        self._seen_s: float | None = None
        self._ran_s = 0.0

    def ran_s(self, now_s: float, totals: Totals) -> float:
        """Seconds so far.

        Args:
            now_s: Monotonic time, not before that of the last call.
            totals: The queue's, now.
        """
        if self._seen_s is not None:
            self._ran_s += now_s - self._seen_s
        self._seen_s = now_s if totals.state == UploaderState.START else None
        if totals.total == 0:
            self._ran_s = 0.0
        return self._ran_s


def summary(
    overview: Overview,
    totals: Totals,
    *,
    profile: dict[str, Any] | None,
    destination: str,
    took_s: float = 0.0,
) -> dict[str, Any]:
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
        "retryable": overview.retryable,
        "canceled": overview.canceled,
        "left": counts["all"] - settled,
        "counts": counts,
        "size_bytes": totals.size_bytes,
        "sent_bytes": totals.sent_bytes,
        "failed_bytes": overview.bytes_in("failed"),
        "causes": overview.causes(),
        "done_bytes": overview.bytes_in("done"),
        # A number that runs would be a change of its own at each look.
        "took_s": 0.0 if runs else round(took_s, 1),
        "speed_bytes_per_s": _number(totals.speed_bytes_per_s) or 0.0,
        "time_left_s": _number(totals.time_left_s),
        "progress": _ratio(totals.progress),
        # start_upload takes Failure and Stopped files into the queue again.
        "can_start": not runs and counts["all"] - overview.done - overview.canceled > 0,
        "can_stop": runs,
        "profile": profile,
        "destination": destination,
    }
