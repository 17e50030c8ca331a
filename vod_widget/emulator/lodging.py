"""Temporary data folders: one for each emulator without `data_dir`, and none that outlives its process for long.

A process that is killed (a kernel that restarts at once, a kill -9) removes nothing, and what was uploaded may be
gigabytes. So each folder holds a file that its owner keeps locked; the system lets go of it with the process, and
whoever makes the next folder removes those that nobody holds. Imports nothing of the package; called from any thread.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where what a killed process leaves stays
    fcntl = None

__all__ = ["Lodging"]

_PREFIX = "vod-emulator-"
_OWNER = "owner.lock"


class Lodging:
    """A new temporary folder of mode 0700, which `remove` deletes and the next one after this process's death.

    Attributes:
        folder: Where it is.
    """

    def __init__(self) -> None:
        _remove_left()
        self._pid = os.getpid()
        self._held: int | None = None
        while True:
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            if fcntl is None:  # pragma: no cover - Windows
                return
            self._held = _hold(self.folder / _OWNER, may_create=True)
            if self._held is not None:
                return
            # Somebody who cleans up took it for left between the making and the lock.
            shutil.rmtree(self.folder, ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder; twice is harmless. In a forked child nothing happens: it is the parent's."""
        if os.getpid() != self._pid:
            return
        held, self._held = self._held, None
        _remove(self.folder)
        if held is not None:
            os.close(held)


def _hold(path: Path, *, may_create: bool = False) -> int | None:
    """Lock a file and return its descriptor; None when another process holds it or it is gone."""
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if may_create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        # A file system without locks: nobody can tell there whether a folder is left, so all stay.
        if may_create:
            return descriptor
    os.close(descriptor)
    return None


def _remove_left() -> None:
    """Remove the folders of this user whose process is dead."""
    if fcntl is None:  # pragma: no cover - Windows
        return
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            # One that is not ours, or from before there were locks, is left alone.
            with suppress(OSError):
                if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                    continue
                held = _hold(folder / _OWNER)
                if held is not None:
                    _remove(folder)
                    os.close(held)


def _remove(folder: Path) -> None:
    """Delete a folder, its lock last: whoever is killed on the way leaves one that the next can tell."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name == _OWNER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
    shutil.rmtree(folder, ignore_errors=True)
