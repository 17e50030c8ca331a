"""What the screen and the methods of the widget do alike: act on files, add paths, clear, move.

No ipywidgets. Any thread; adding paths may hang with a disk, so a worker runs it for a page.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vod_widget.addresses import is_loopback_url
from vod_widget.errors import InvalidStateError, RestrictionError, SourceNotFoundError, VODError
from vod_widget.model import UploaderState, UploadState
from vod_widget.secret import redact
from vod_widget.sources import WebSource

from .paths import KernelFiles
from .policy import Policy

if TYPE_CHECKING:
    from vod_widget.upload_info import UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["Commands"]

# Each move walks the list; a page that selects a hundred thousand files has Sort for that.
_MAX_MOVED = 1_000


class Commands:
    """What the screen and the methods of the widget do alike.

    Args:
        uploader: The core.
        files: Files of the kernel's machine.
        policy: Limits.
    """

    def __init__(self, uploader: VODUpload, files: KernelFiles, policy: Policy) -> None:
        self._uploader = uploader
        self._files = files
        self._policy = policy

    def infos(self, file_ids: Iterable[str]) -> list[UploadInfo]:
        """The live files of these ids; unknown ids are left out."""
        wanted = set(file_ids)
        return [info for info in self._uploader.list_files() if info.file_id in wanted]

    def add(self, file: Any, metadata: Mapping[str, Any]) -> UploadInfo:
        """Add one file as `VODUpload.add_file` does; the error for a folder or a pattern names `add_paths`."""
        try:
            return self._uploader.add_file(file, **metadata)
        except SourceNotFoundError as error:
            if isinstance(file, (str, os.PathLike)) and (glob.has_magic(os.fspath(file)) or Path(file).is_dir()):
                error.hint = "add() takes single files; widget.add_paths(...) takes folders and patterns such as *.mp4."
            raise

    def apply(self, action: str, infos: Iterable[UploadInfo]) -> int:
        """Do `cancel`, `pause`, `resume`, `retry` or `remove` to files; return how many changed."""
        if action == "retry":
            return self._uploader._retry_files(infos)
        act = {
            "cancel": self._uploader.cancel_file,
            "pause": self._uploader.pause_file,
            "resume": self._uploader.resume_file,
            "remove": self._uploader.delete_file,
        }[action]
        changed = 0
        for info in infos:
            try:
                changed += bool(act(info))
            except (IndexError, InvalidStateError):
                # It left the list, or its state turned meanwhile: nothing to change any more.
                continue
        if action == "resume" and changed and self._uploader.totals().state is UploaderState.END:
            # A queue that ended by itself goes on for the files that the person wants again, and for these alone;
            # one that was stopped waits for Start.
            self._uploader.start_ready()
        return changed

    def move(self, infos: Iterable[UploadInfo], where: str) -> int:
        """Move files in the list: `first`, `up`, `down` or `last`; files start in list order. Return how many moved."""
        listed = self._uploader.list_files()
        wanted = set(infos)
        chosen = [info for info in listed if info in wanted][:_MAX_MOVED]
        if where == "first":
            return sum(self._uploader.move_file(info, index) for index, info in enumerate(chosen))
        if where == "last":
            return sum(self._uploader.move_file(info, len(listed)) for info in chosen)
        by = -1 if where == "up" else 1
        moved = 0
        for info in chosen if by < 0 else reversed(chosen):
            index = listed.index(info)
            # What is at the edge, or behind a neighbour that is moved too, keeps its place.
            if 0 <= index + by < len(listed) and listed[index + by] not in wanted:
                listed.insert(index + by, listed.pop(index))
                moved += self._uploader.move_file(info, index + by)
        return moved

    def place(self, infos: Iterable[UploadInfo], before: str) -> int:
        """Move files before another one, all of them in the order of the list; return how many moved.

        Args:
            infos: The files.
            before: Id of the other file, which may be one of them; "" for the end of the list.
        """
        listed = self._uploader.list_files()
        wanted = set(infos)
        chosen = [info for info in listed if info in wanted][:_MAX_MOVED]
        ids = [info.file_id for info in listed]
        if before and before not in ids:
            return 0  # it left the list meanwhile, and with it the place
        behind = listed[ids.index(before) :] if before else []
        anchor = next((info for info in behind if info not in wanted), None)
        moved = 0
        # From the last on, each before the one that follows it: what stands right already is not moved at all.
        for info in reversed(chosen):
            listed.remove(info)
            index = len(listed) if anchor is None else listed.index(anchor)
            listed.insert(index, info)
            moved += self._uploader.move_file(info, index)
            anchor = info
        return moved

    def clear(self, which: str) -> int:
        """Take many files off the list: `done`, `failed` (and canceled) or `all`; return how many."""
        if which == "all":
            count = self._uploader.totals().total
            self._uploader.clean_list()
            return count
        return self.apply("remove", self.meant_by(which))

    def meant_by(self, which: str) -> list[UploadInfo]:
        """The files that `clear` means."""
        states = {
            "done": {UploadState.SUCCESS},
            "failed": {UploadState.FAILURE, UploadState.CANCELED},
            "all": set(UploadState),
        }[which]
        return [info for info in self._uploader.list_files() if info.state in states]

    def add_paths(self, paths: Iterable[str]) -> dict[str, Any]:
        """Add files, folders and globs of the kernel's machine; one refusal a path or file, never an exception."""
        added: list[dict[str, str]] = []
        refused: list[dict[str, str]] = []
        room = self._policy.max_files - self._uploader.totals().total
        for path in paths:
            left_out: list[SourceNotFoundError] = []
            try:
                found = self._files.expand(path, max_files=max(0, room - len(added)), refused=left_out)
            except VODError as error:
                refused.append(_refusal(path, error))
                continue
            refused += [_refusal(path, error) for error in left_out]
            for real in found:
                try:
                    info = self._uploader.add_file(self._files.open(real))
                except VODError as error:
                    refused.append(_refusal(real, error))
                else:
                    added.append({"file_id": info.file_id, "name": info.name})
        return {"added": added, "refused": refused}

    def add_addresses(self, urls: Iterable[str]) -> dict[str, Any]:
        """Add files behind https addresses; the kernel reads them. One refusal an address, never an exception."""
        added: list[dict[str, str]] = []
        refused: list[dict[str, str]] = []
        loopback = is_loopback_url(self._uploader.endpoint or os.environ.get("VOD_WIDGET_ENDPOINT"))
        for url in urls:
            try:
                if self._uploader.totals().total >= self._policy.max_files:
                    raise RestrictionError("the list is full", code="Limit", hint="")
                info = self._uploader.add_file(WebSource(url.strip(), loopback_allowed=loopback))
            except VODError as error:
                # What follows the question mark may be a signature.
                shown = url.partition("#")[0].partition("?")[0]
                refused.append({**_refusal(shown, error), "address": shown})
            else:
                added.append({"file_id": info.file_id, "name": info.name})
        return {"added": added, "refused": refused}


def _refusal(path: str, error: VODError) -> dict[str, str]:
    name = os.path.basename(path.rstrip("/")) or path  # noqa: PTH119 -- an address is no Path
    return {"name": error.file_name or name, "code": error.code, "message": redact(error.message)}
