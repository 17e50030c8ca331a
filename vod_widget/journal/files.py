"""Files and locks of the journal: ours alone, no link followed, gone with the process.

Source of the rules: the journal decides where bytes go, so who can write it can redirect an upload. The only door to
`filelock`, for systems without flock. Paths are texts: a `Path` made and taken apart for each of many files costs more
than the calls of the system. Any thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

from vod_widget.baton import away
from vod_widget.errors import JournalError, LockedError

if TYPE_CHECKING:
    from pathlib import Path

    from vod_widget.interfaces import Clock

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def failed(what: str, exc: OSError) -> JournalError:
    """Say what the operating system said."""
    return JournalError(f"{what}: {exc.strerror or exc}")


def unsafe(path: str | Path, why: str) -> JournalError:
    """Say that a file or folder is not ours alone."""
    return JournalError(
        f"{path} {why}, so another user could change what is sent",
        code="Journal.Unsafe",
        hint=f"Remove it, or make it yours alone (chmod go-w {path}), or pass another checkpoint_dir.",
    )


def check_owner(path: str | Path, found: os.stat_result, *, is_folder: bool) -> None:
    """Refuse what another user could have made or could change.

    Raises:
        JournalError: Code `Journal.Unsafe`.
    """
    is_right_kind = stat.S_ISDIR(found.st_mode) if is_folder else stat.S_ISREG(found.st_mode)
    if not is_right_kind:
        raise unsafe(path, "is a link or something else" if is_folder else "is no regular file")
    if hasattr(os, "geteuid"):  # Windows keeps rights elsewhere
        if found.st_uid != os.geteuid():
            raise unsafe(path, f"belongs to user {found.st_uid}")
        if found.st_mode & 0o022:
            raise unsafe(path, "may be written by others")
        if not is_folder and found.st_nlink > 1:
            raise unsafe(path, "has a second name")


def open_file(path: str | Path, flags: int) -> int:
    """Open a file of ours: no link followed, 0600, owner and rights checked on the handle."""
    try:
        descriptor = os.open(path, flags | _NOFOLLOW, 0o600)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.EMLINK):
            raise unsafe(path, "is a link") from exc
        raise
    try:
        check_owner(path, os.fstat(descriptor), is_folder=False)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def write_all(descriptor: int, data: bytes) -> None:
    """Write until nothing is left; a disk that fills up takes a piece first."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


_NO_FOLDER_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR)
_QUICK_S = 0.0001


class Disk:
    """Waits until what was written survives a power cut.

    Others work meanwhile, but for a folder in memory, where the wait is shorter than the change of threads. The least
    of the last waits tells, since a busy machine lengthens any of them.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits_s: deque[float] = deque((1.0,), maxlen=8)

    def sync(self, descriptor: int) -> None:
        """Make the bytes of a file survive.

        Raises:
            OSError: The disk failed, so they may be lost.
        """
        with away if min(self._waits_s) > _QUICK_S else nullcontext():
            began_s = self._clock.monotonic_s()
            os.fsync(descriptor)
            self._waits_s.append(self._clock.monotonic_s() - began_s)

    def sync_folder(self, folder: Path) -> None:
        """Make a new name survive; file systems that cannot are let off.

        Raises:
            OSError: The disk failed, so the name may be lost.
        """
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                self.sync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as exc:
            if exc.errno not in _NO_FOLDER_SYNC:
                raise


class AnyLock(Protocol):
    """What an entry needs of its lock: `Lock`, or `lease.Lease` where the file system has none."""

    def take(self) -> None:
        """Take it now, or raise `LockedError`."""

    def is_lost(self) -> bool:
        """Tell whether somebody removed what we hold."""

    def release(self) -> None:
        """Let go."""

    def forget(self) -> None:
        """Drop it without a trace: it is a parent process's."""


class Lock:
    """One flock'ed file. It is removed at release, so each taker checks that the name is still the file it locked."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = -1
        self._other: Any = None

    def take(self) -> None:
        """Take it now or fail.

        Raises:
            LockedError: Somebody holds it, in this process or another.
            OSError: The file system has no locks, or the folder is gone.
        """
        if fcntl is None:
            self._take_by_filelock()
            return
        for _ in range(100):
            descriptor = open_file(self.path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_named(descriptor):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                    self.descriptor = descriptor
                    return
            except BlockingIOError:
                pid = os.pread(descriptor, 20, 0).strip()
                os.close(descriptor)
                raise locked_error(int(pid) if pid.isdigit() else None) from None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was released and removed between open and flock
        raise locked_error(None)

    def is_lost(self) -> bool:
        """Tell whether somebody removed the file that we hold."""
        return fcntl is not None and not self._is_named(self.descriptor)

    def _is_named(self, descriptor: int) -> bool:
        if descriptor < 0:
            return False
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._other is not None:  # pragma: no cover - Windows
            self._other.release()
            self._other = None
        if self.descriptor >= 0:
            with suppress(OSError):
                if not self.is_lost():
                    os.unlink(self.path)
            os.close(self.descriptor)
            self.descriptor = -1

    def forget(self) -> None:
        """Drop what a forked child inherited; the parent goes on holding it."""
        if self.descriptor >= 0:
            with suppress(OSError):
                os.close(self.descriptor)
            self.descriptor = -1

    def _take_by_filelock(self) -> None:  # pragma: no cover - Windows
        import filelock

        other = filelock.FileLock(self.path, timeout=0)
        try:
            other.acquire()
        except filelock.Timeout:
            raise locked_error(None) from None
        self._other = other


_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def locks_work(path: str) -> bool:
    """Try whether this file system locks, and whether its locks exclude: some only say that they do.

    Raises:
        OSError: Files cannot be made there at all.
    """
    first, second = Lock(path), Lock(path)
    try:
        first.take()
    except LockedError:
        return True  # somebody probes at this moment
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise
        with suppress(OSError):
            os.unlink(path)
        return False
    try:
        second.take()
    except LockedError:
        return True
    finally:
        first.release()
    second.release()
    return False


def locked_error(pid: int | None) -> LockedError:
    """Say who holds an entry."""
    who = "another process" if pid is None else f"process {pid}"
    if pid == os.getpid():
        who = "another uploader of this process"
    return LockedError(f"{who} is sending this file to this destination", pid=pid)


def stamp(path: str | Path) -> list[int]:
    """Tell one writing of a file from another."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_ino, found.st_mtime_ns]
