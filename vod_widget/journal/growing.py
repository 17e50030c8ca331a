"""A file of lines under a lock: appended to, and now and then written anew beside itself and renamed.

What an entry (`entry`) and a list of waiting files (`waiting`) have in common: there is always one good file, whatever
a kill, a full disk or somebody who removes the folder does. The holder of the lock orders the calls. Any worker thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from .files import AnyLock, Disk, open_file, remove, stamp, write_all

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GrowingFile", "Place"]


class Place(Protocol):
    """The folder that such a file stands in."""

    folder: Path
    disk: Disk

    def restore_folder(self) -> bool:
        """Make the folder again when somebody removed it; True when that was needed."""


class GrowingFile:
    """One file of lines.

    Args:
        place: Its folder.
        stem: Its path without the suffix.
        lock: Held by the caller; taken again when somebody removed the folder.

    Attributes:
        path: The file.
        size_bytes: Length that it must have; -1: it is written anew at the next write.
    """

    def __init__(self, place: Place, stem: str, lock: AnyLock) -> None:
        self.path = f"{stem}.jsonl"
        self.size_bytes = -1
        self._temp = f"{stem}.tmp"
        self._place = place
        self._lock = lock
        self._is_synced = False  # its bytes survive a power cut
        self._is_named = False  # so does its name

    @property
    def is_known(self) -> bool:
        """Whether there is a file that can be appended to."""
        return self.size_bytes >= 0

    @property
    def is_safe(self) -> bool:
        """Whether all of it survives a power cut."""
        return self._is_synced and self._is_named

    def try_append(self, data: bytes, *, durable: bool) -> bool:
        """Append; False when the file is not the one that we left (removed, cut, or never written).

        Args:
            data: Whole lines.
            durable: True: they survive a power cut when this returns. False: they survive a killed process.

        Raises:
            OSError: Not written; the next write is anew.
        """
        if self.size_bytes < 0 or self._lock.is_lost():
            return False
        try:
            descriptor = open_file(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return False
        try:
            if os.fstat(descriptor).st_size != self.size_bytes:
                return False
            try:
                write_all(descriptor, data)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, self.size_bytes)
                raise
            # Until all is well: what a sync that failed has left is not known, and the next write is anew.
            size_bytes, self.size_bytes, self._is_synced = self.size_bytes + len(data), -1, False
            if durable:
                self._place.disk.sync(descriptor)
                self._is_synced = True
                if not self._is_named:
                    self._place.disk.sync_folder(self._place.folder)
                    self._is_named = True
            self.size_bytes = size_bytes
        finally:
            os.close(descriptor)
        return True

    def rewrite(self, data: bytes, *, durable: bool) -> None:
        """Write all of it beside the file and rename it, so that there is always one good file.

        Raises:
            LockedError: The folder was made again, and somebody else was faster.
            OSError: Not written; the former content stays.
        """
        if self._place.restore_folder() or self._lock.is_lost():
            self._lock.forget()
            self._lock.take()
        try:
            descriptor = open_file(self._temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                write_all(descriptor, data)
                if durable or stamp(self.path):  # never trade a durable file for one that is not
                    self._place.disk.sync(descriptor)
            finally:
                os.close(descriptor)
            # Until here the file is as it was, and where it was whole it can still be appended to.
            self.size_bytes, self._is_named = -1, False
            os.replace(self._temp, self.path)
        except OSError:
            with suppress(OSError):
                os.unlink(self._temp)
            raise
        if durable:
            self._place.disk.sync_folder(self._place.folder)
        self.size_bytes = len(data)
        self._is_synced = self._is_named = durable

    def remove(self) -> None:
        """Take it away, if it is there.

        Raises:
            OSError: It could not be.
        """
        remove(self.path)
        remove(self._temp)
        self.size_bytes = -1
