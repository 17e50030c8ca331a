"""`upload`: send files, wait, and give a table back; run again, it sends nothing twice.

The caller's thread adds, waits and draws the bar; the queue's own threads send. A row that cannot be added or fails
is a row of the result. What another process is sending already is waited for, and its result taken.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vod_widget.errors import LockedError, VODError
from vod_widget.interfaces import Clock
from vod_widget.lifetime import TERM_GRACE_S, Terminated
from vod_widget.system import SystemClock
from vod_widget.upload_info import UploadInfo
from vod_widget.uploader import VODUpload

from .bar import Bar, open_bar
from .results import Results, Row, row_of
from .table import Item, read_items, split_keywords

__all__ = ["PATIENCE_S", "add_item", "finish", "results_of", "upload"]

PATIENCE_S = 900.0
"""A batch runs unattended: it rides out an outage of a quarter of an hour."""
_TICK_S = 0.2
_POLL_S = 0.5
"""How often the lock of another process is tried; it is a file on this machine."""
_LOOKS_PER_NEWS = 20
"""Reading the other's checkpoint means reading the whole folder, so that is done every 10 s only."""
_CLOSE_S = 10.0
_CLOSE_IN_A_HURRY_S = 0.25
"""Per kind of thread: whoever pressed Ctrl-C gets the prompt back within a second."""


def upload(
    files: Any,
    *,
    profile: str | None = None,
    credentials: Any = None,
    get_auth: Callable[..., Any] | None = None,
    progress: bool | None = None,
    **metadata_and_options: Any,
) -> Results:
    """Upload files, wait, and return a row for each, in the order given.

    It is idempotent: a file that the journal knows as stored at this destination is not sent again, an unfinished one
    goes on under its id. A file that cannot be sent is a row with a code; the others go on. Works in scripts, in
    notebooks and inside a running event loop; Ctrl-C stops it and keeps what was sent.

    Args:
        files: A path, a pattern such as `clips/*.mp4` (`**` for folders below), a folder (the media files below it), a
            list of these, a `DataFrame`, or a list of dicts. A table has a column `path` or `file`, and may have
            columns of metadata (`title`, `tags`, `cover`, `user_data`, ... as in `VODUpload.add_file`), which win over
            keywords; its other columns are kept in the result.
        profile: Name of a profile; "emulator" is the built-in one.
        credentials: `Credentials`, or a function that returns them.
        get_auth: A function that returns the answer of the VOD operation.
        progress: True shows a bar, False does not, None shows it in a terminal and in a notebook.
        **metadata_and_options: Metadata for every file, and options of `VODUpload`. Defaults that differ from its:
            `patience_s=900`, `skip_uploaded=True`.

    Returns:
        `Results`: rows with `.failed`, `.succeeded`, `.raise_for_failures()`, `.to_frame()`.

    Raises:
        InvalidArgumentError: An unknown keyword (with the nearest one), a bad value, or a table without paths.
        SourceNotFoundError: The only pattern or folder given has no file (code `Source.NoMatch`).
        MissingCredentialError: No credentials were found.
        KeyboardInterrupt: It was interrupted; the journal is kept.
    """
    options, metadata = split_keywords(metadata_and_options)
    options = {"patience_s": PATIENCE_S, "skip_uploaded": True, **options}
    items, index = read_items(files, metadata)
    uploader = VODUpload(profile=profile, credentials=credentials, get_auth=get_auth, **options)
    close_s = _CLOSE_S
    try:
        added = _add_all(uploader, items, metadata)
        if uploader.list_files():
            finish(uploader, progress=progress)
        outcome = {result.file_id: result for result in uploader.results()}
        return Results([_row(one, outcome) for one in added], index=index)
    except KeyboardInterrupt as interrupt:
        close_s = _CLOSE_IN_A_HURRY_S
        if isinstance(interrupt, Terminated):
            uploader._end_with_process(TERM_GRACE_S)
        interrupt.add_note("What was sent is kept: run the same call again, or vod_widget.resume().")
        raise
    finally:
        uploader.close(close_s)


def finish(uploader: VODUpload, *, progress: bool | None = None) -> None:
    """Start a queue and wait until nothing is left to do, files that other processes send included.

    Args:
        uploader: The queue.
        progress: As for `upload`.

    Raises:
        MissingCredentialError: No credentials were found.
    """
    clock = SystemClock()
    uploader.start_upload()
    bar = open_bar(progress, uploader.totals().size_bytes, clock)
    try:
        _follow(uploader, bar)
        _wait_for_others(uploader, bar, clock)
    finally:
        bar.close()


def results_of(uploader: VODUpload) -> Results:
    """Return the rows of a queue's files, in list order."""
    return Results(row_of(result, columns={}, path=result.source, name=result.name) for result in uploader.results())


@dataclass(slots=True)
class _Added:
    """One item and what the queue made of it."""

    item: Item
    info: UploadInfo | None = None
    error: VODError | None = None
    is_shared: bool = False


def add_item(uploader: VODUpload, item: Item, metadata: Mapping[str, Any]) -> UploadInfo:
    """Add one item to a queue.

    Raises:
        VODError: It cannot be added, whatever was wrong with the row.
    """
    try:
        if item.error is not None:
            raise item.error
        return uploader.add_file(item.file, **{**metadata, **item.fields})
    except VODError as error:
        error.file_name = error.file_name or item.name
        raise
    except (TypeError, ValueError, OverflowError) as error:  # a value that no check of ours foresaw
        raise VODError(
            f"a value of the row cannot be used ({type(error).__name__})",
            code="InvalidArgument",
            hint="Check the types of its columns.",
            file_name=item.name,
        ) from error


def _add_all(uploader: VODUpload, items: list[Item], metadata: Mapping[str, Any]) -> list[_Added]:
    added: list[_Added] = []
    first: dict[str, _Added] = {}
    for item in items:
        one = _Added(item)
        try:
            one.info = add_item(uploader, item, metadata)
            first[os.path.realpath(item.path)] = one
        except VODError as error:
            # The same file with the same words twice in a table is one asset, and each row gets its id.
            twin = first.get(os.path.realpath(item.path))
            if error.code == "AlreadyQueued" and twin is not None and twin.item.fields == item.fields:
                one.info, one.is_shared = twin.info, True
            else:
                one.error = error
        added.append(one)
    return added


def _row(one: _Added, outcome: Mapping[str, Any]) -> Row:
    result = outcome.get(one.info.file_id) if one.info is not None else None
    path = result.source if result is not None else one.item.path
    return row_of(
        result, columns=one.item.columns, path=path, name=one.item.name, error=one.error, is_shared=one.is_shared
    )


def _follow(uploader: VODUpload, bar: Bar) -> None:
    while not uploader.wait(_TICK_S):
        bar.show(uploader.totals())
    bar.show(uploader.totals())


def _locked(uploader: VODUpload) -> list[UploadInfo]:
    return [info for info in uploader.list_files() if isinstance(info.error, LockedError)]


def _wait_for_others(uploader: VODUpload, bar: Bar, clock: Clock) -> None:
    """Wait for files that other uploaders hold, then take their result or go on with what they left."""
    waiting = _locked(uploader)
    if not waiting:
        return
    journal = uploader._authority.journal()
    destination = uploader._app.destination
    assert destination is not None
    pause = threading.Event()
    news: Any = None
    news_at_s = clock.monotonic_s()
    looks = 0
    while waiting:
        free = [info for info in waiting if _is_free(journal, info._record.source.source_id, destination.label)]
        for info in free:
            uploader.retry_file(info)
        if free:
            _follow(uploader, bar)
            news_at_s = clock.monotonic_s()
        elif looks % _LOOKS_PER_NEWS == 0:
            now = [(c.source_id, c.media_id, len(c.parts)) for c in journal.unfinished()]
            if now != news:
                news, news_at_s = now, clock.monotonic_s()
        looks += 1
        waiting = _locked(uploader)
        if not waiting or clock.monotonic_s() - news_at_s > (uploader.patience_s or 0.0):
            return
        error = waiting[0].error
        pid = error.pid if isinstance(error, LockedError) else None
        bar.show(uploader.totals(), f"waiting for {len(waiting)} of process {pid}" if pid else "waiting for others")
        pause.wait(_POLL_S)


def _is_free(journal: Any, source_id: str, destination: str) -> bool:
    try:
        journal.look(source_id, destination)
    except LockedError:
        return False
    except VODError:
        return True  # the queue's own try says what is wrong
    return True
