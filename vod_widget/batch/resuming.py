"""`resume`: the unfinished files of an earlier process, back in a queue under their ids.

The journal is shared by many uploaders, so it may hold files of several destinations; one queue has one. Without
options the newest destination whose keys are still found is taken, and the others are named in a warning. Runs in the
caller's thread; reads files, sends nothing but the clean-up of files that were canceled.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vod_widget.addresses import is_loopback_url
from vod_widget.credentials.emulator import is_answering
from vod_widget.errors import VODError
from vod_widget.model import Checkpoint
from vod_widget.restoring import Left, take_back
from vod_widget.uploader import VODUpload

from .sending import PATIENCE_S
from .words import count_words, one_line

__all__ = ["resume"]

_NAMES_SHOWN = 5


def resume(checkpoint_dir: str | Path | None = None, **options: Any) -> VODUpload:
    """Bring back the unfinished files of an earlier process, in `Stopped`, with the same ids; `run()` goes on.

    Nothing is sent before the queue is started, except that parts of files that were canceled while the network was
    away are removed now. A file whose source is gone is a row in `Failure` (`Source.Missing`); put it back and retry.
    Files that came from a browser, from memory or from an address with a `?` (which may hold a signature, so it is not
    kept) cannot be brought back, and those of another destination, or that another process sends, are left where they
    are: a warning counts and names them.

    Args:
        checkpoint_dir: Folder of the journal; None is VOD_WIDGET_HOME, else the platform's state folder.
        **options: Options of `VODUpload`. What is not given is taken from the files' own entries: profile, region or
            endpoint, user_id. Defaults that differ from its: `patience_s=900`, `skip_uploaded=True`.

    Returns:
        The queue; empty when there is nothing to go on with.

    Raises:
        InvalidArgumentError: An unknown option or a bad value.
        JournalError: The folder cannot be used.
        MissingCredentialError: There are files, and no credentials were found.
        CredentialError: There are files, and what was found cannot be used.
    """
    options = {"patience_s": PATIENCE_S, "skip_uploaded": True, "checkpoint_dir": checkpoint_dir, **options}
    empty = VODUpload(**options)  # also checks the options
    journal = empty._authority.journal()
    missed = _Missed()
    taken: list[Checkpoint] = []
    uploader: VODUpload | None = None
    error: VODError | None = None
    for destination, checkpoints in _by_destination(journal.unfinished()):
        if uploader is None:
            try:
                uploader = _uploader_for(destination, checkpoints[-1], options)
            except VODError as raised:
                error = error or raised
        if uploader is not None and not taken:
            taken = checkpoints
        else:
            missed.elsewhere += checkpoints
    if uploader is None:
        if error is not None:
            empty.close()
            raise error
        uploader = empty
    else:
        empty.close()
        try:
            take_back(uploader, journal, taken, missed)
        except BaseException:
            uploader.close()
            raise
    missed.warn()
    return uploader


def _by_destination(unfinished: Iterable[Checkpoint]) -> list[tuple[str, list[Checkpoint]]]:
    """Group by destination, the one that was used last first; files in the order in which they began."""
    groups: dict[str, list[Checkpoint]] = {}
    for checkpoint in unfinished:
        group = groups.pop(checkpoint.destination, [])
        groups[checkpoint.destination] = [*group, checkpoint]
    return list(reversed(groups.items()))


def _uploader_for(destination: str, newest: Checkpoint, options: Mapping[str, Any]) -> VODUpload | None:
    """Make a queue that goes to this destination; None when it would go elsewhere.

    Raises:
        VODError: Its profile or keys are no longer found.
    """
    known = _known_options(destination, newest)
    where = known.get("endpoint")
    if is_loopback_url(where) and "endpoint" not in options and not is_answering(str(where)):
        return None  # an emulator that has ended took its videos along
    if "region" in options or "endpoint" in options:
        known = {name: value for name, value in known.items() if name not in {"region", "endpoint"}}
    if options.get("credentials") is not None:
        known.pop("profile", None)
    uploader = VODUpload(**{**known, **options})
    try:
        uploader._prepare()
        ready = uploader._app.destination
        if ready is not None and ready.label == destination:
            return uploader
    except BaseException:
        uploader.close()
        raise
    uploader.close()
    return None


def _known_options(destination: str, newest: Checkpoint) -> dict[str, Any]:
    """Read back what `Authority.resolve` wrote: endpoint or region, user id, account."""
    where, _, rest = destination.partition("|")
    user_id, _, account = rest.rpartition("|")
    known: dict[str, Any] = {"user_id": user_id, "endpoint" if "://" in where else "region": where}
    if newest.profile and account != "application":
        known["profile"] = newest.profile
    return known


@dataclass(slots=True)
class _Missed(Left):
    """What stays in the journal."""

    elsewhere: list[Checkpoint] = field(default_factory=list)

    def warn(self) -> None:
        """Say it, one warning a cause."""
        texts = []
        if self.no_source:
            texts.append(
                f"{_named(self.no_source)} came from a browser, from memory or from an address with a '?', and cannot "
                "be brought back; add the same file again to go on."
            )
        for pid in dict.fromkeys(pid for _, pid in self.held):
            who = f"process {pid}" if pid else "another uploader"
            texts.append(f"{_named(c for c, other in self.held if other == pid)}: {who} is sending that now.")
        for destination, checkpoints in _by_destination(self.elsewhere):
            known = _known_options(destination, checkpoints[-1])
            where = known.get("endpoint") or known.get("region")
            if is_loopback_url(where) and not is_answering(str(where)):
                texts.append(
                    f"{_named(checkpoints)}: the emulator at {one_line(where)} has ended; start it again if it has a "
                    "data folder, else add the same file again."
                )
                continue
            profile = f", profile {known['profile']!r}" if "profile" in known else ""
            belong = "belongs" if len(checkpoints) == 1 else "belong"
            texts.append(
                f"{_named(checkpoints)} {belong} to another destination ({one_line(where)}{profile}) and were left; "
                "call resume() with its options to go on."
            )
        for text in texts:
            warnings.warn(text, UserWarning, stacklevel=3)


def _named(checkpoints: Iterable[Checkpoint]) -> str:
    names = [one_line(checkpoint.name) for checkpoint in checkpoints]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{count_words(len(names), 'unfinished file')} ({', '.join(names[:_NAMES_SHOWN])}{more})"
