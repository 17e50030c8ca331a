"""A disk in memory under the real journal: it tears writes, fills up, fails, and forgets what was not synced.

`installed` puts it where the modules of `vod_widget.journal` find `os`, `fcntl` and `Path`. One disk outlives many
processes; `kill` closes what a process held, `power_cut` also takes what was never synced: of a file any piece from its
synced length on, of the folder any number of the last renames, unlinks and new names.
"""

from __future__ import annotations

import errno
import io
import os
import pathlib
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import vod_widget.journal as journal_module
from vod_widget.journal import done, entry, files, growing

__all__ = ["Disk", "installed"]

_FIRST_FD = 1_000_000
Hook = Callable[[str, str], OSError | None]
"""(operation, name) -> the error that it fails with, or None; may raise to end the process."""


class _Stat:
    __slots__ = ("st_dev", "st_ino", "st_mode", "st_mtime_ns", "st_nlink", "st_size", "st_uid")

    def __init__(self, ino: int, size: int, mtime_ns: int, *, is_folder: bool = False) -> None:
        self.st_ino, self.st_size, self.st_mtime_ns = ino, size, mtime_ns
        self.st_mode = (stat.S_IFDIR | 0o700) if is_folder else (stat.S_IFREG | 0o600)
        self.st_uid, self.st_nlink, self.st_dev = os.geteuid(), 1, 1


class _Inode:
    __slots__ = ("data", "ino", "mtime_ns", "synced")

    def __init__(self, ino: int) -> None:
        self.ino = ino
        self.data = bytearray()
        self.synced = b""
        self.mtime_ns = ino


class Disk:
    """Files of one folder tree.

    Attributes:
        hook: Asked before every operation that may fail.
        ops: Operations so far.
    """

    def __init__(self) -> None:
        self.hook: Hook = lambda _op, _name: None
        self.names: dict[str, _Inode] = {}
        self.folders: set[str] = {"/"}
        self.ops = 0
        self._synced_names: dict[str, _Inode] = {}
        self._unsynced: list[tuple[str, _Inode | None]] = []  # what happened to names since the folder was synced
        self._open: dict[int, tuple[_Inode, str, int]] = {}
        self._locks: dict[int, int] = {}  # inode -> descriptor
        self._numbers = 0
        self._next_fd = _FIRST_FD

    def _before(self, op: str, name: str) -> None:
        self.ops += 1
        error = self.hook(op, name)
        if error is not None:
            raise error

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    @property
    def open_files(self) -> int:
        """Descriptors that are open."""
        return len(self._open)

    def content(self) -> bytes:
        """Every byte that stands here, for a search."""
        return b"\n".join(bytes(inode.data) for inode in self.names.values())

    def durable(self, path: Any) -> bytes:
        """What is sure to stand under a name after a power cut."""
        inode = self._synced_names.get(str(path))
        return inode.synced if inode is not None else b""

    # ---- what `os` offers

    def open(self, path: Any, flags: int, _mode: int = 0o777) -> int:
        name = str(path)
        inode = self.names.get(name)
        if name in self.folders:
            inode = _Inode(0)
        elif inode is None:
            if not flags & os.O_CREAT or str(pathlib.PurePosixPath(name).parent) not in self.folders:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
            self._before("create", name)
            inode = _Inode(self._number())
            self._rename(name, inode)
        if flags & os.O_TRUNC and inode.data:
            inode.data.clear()
            inode.mtime_ns = self._number()
        self._next_fd += 1
        self._open[self._next_fd] = (inode, name, flags)
        return self._next_fd

    def _rename(self, name: str, inode: _Inode | None) -> None:
        if inode is None:
            self.names.pop(name, None)
        else:
            self.names[name] = inode
        self._unsynced.append((name, inode))

    def close(self, fd: int) -> None:
        inode, _, _ = self._open.pop(fd)
        if self._locks.get(inode.ino) == fd:
            del self._locks[inode.ino]

    def write(self, fd: int, data: Any) -> int:
        inode, name, _ = self._open[fd]
        raw = bytes(data)
        try:
            self._before("write", name)
        except OSError as error:
            # A disk that fills up, or breaks, takes a piece first.
            taken = len(raw) * (self.ops % 5) // 5
            if error.errno == errno.ENOSPC and taken:
                inode.data += raw[:taken]
                inode.mtime_ns = self._number()
            raise
        except BaseException:
            inode.data += raw[: len(raw) * (self.ops % 7) // 6]  # the process died in the middle
            raise
        inode.data += raw
        inode.mtime_ns = self._number()
        return len(raw)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return bytes(self._open[fd][0].data[offset : offset + length])

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        inode = self._open[fd][0]
        inode.data[offset : offset + len(data)] = data
        return len(data)

    def fstat(self, fd: int) -> _Stat:
        inode, name, _ = self._open[fd]
        return _Stat(inode.ino, len(inode.data), inode.mtime_ns, is_folder=name in self.folders)

    def ftruncate(self, fd: int, length: int) -> None:
        inode, name, _ = self._open[fd]
        if length < len(inode.data):
            self._before("truncate", name)
            del inode.data[length:]
            inode.mtime_ns = self._number()

    def fsync(self, fd: int) -> None:
        inode, name, _ = self._open[fd]
        self._before("fsync", name)
        if name in self.folders:
            self._synced_names = dict(self.names)
            self._unsynced.clear()
        else:
            inode.synced = bytes(inode.data)

    def fdopen(self, fd: int, mode: str) -> _File:
        return _File(self, fd, writes="w" in mode)

    def stat(self, path: Any) -> _Stat:
        name = str(path)
        if name in self.folders:
            return _Stat(0, 0, 0, is_folder=True)
        inode = self.names.get(name)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return _Stat(inode.ino, len(inode.data), inode.mtime_ns)

    def unlink(self, path: Any) -> None:
        name = str(path)
        if name not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        self._before("unlink", name)
        self._rename(name, None)

    def replace(self, path: Any, target: Any) -> None:
        name, to = str(path), str(target)
        if name not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        self._before("rename", name)
        inode = self.names[name]
        self._rename(to, inode)
        self._rename(name, None)

    def flock(self, fd: int, _how: int) -> None:
        ino = self._open[fd][0].ino
        if self._locks.setdefault(ino, fd) != fd:
            raise BlockingIOError(errno.EWOULDBLOCK, "held")

    # ---- what happens to a process

    def kill(self) -> None:
        """The process is gone: its descriptors and locks with it."""
        self._open.clear()
        self._locks.clear()

    def power_cut(self, rng: random.Random) -> None:
        """The power is gone: of what was not synced, any beginning is there, in order."""
        self.kill()
        names = dict(self._synced_names)
        for name, inode in self._unsynced[: rng.randint(0, len(self._unsynced))]:
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        self.names = names
        self._synced_names = dict(names)
        self._unsynced.clear()
        for inode in {id(inode): inode for inode in names.values()}.values():
            data = bytes(inode.data)
            if data.startswith(inode.synced):
                kept = rng.randint(len(inode.synced), len(data))
                # Some file systems keep the new length without the bytes.
                tail = b"\0" * (len(data) - kept) if rng.random() < 0.2 else b""
                inode.data = bytearray(data[:kept] + tail)
            elif rng.random() < 0.5:
                inode.data = bytearray(inode.synced)
            inode.synced = bytes(inode.data)


class _File(io.RawIOBase):
    """What `os.fdopen` returns, as far as the journal needs it."""

    def __init__(self, disk: Disk, fd: int, *, writes: bool) -> None:
        super().__init__()
        self._disk, self._fd, self._at, self._writes = disk, fd, 0, writes

    def fileno(self) -> int:
        return self._fd

    def readable(self) -> bool:
        return not self._writes

    def writable(self) -> bool:
        return self._writes

    def read(self, size: int = -1) -> bytes:
        data = self._disk.pread(self._fd, 1 << 30 if size < 0 else size, self._at)
        self._at += len(data)
        return data

    def readline(self, _size: int | None = -1) -> bytes:
        data = self._disk.pread(self._fd, 1 << 30, self._at)
        line = data[: data.find(b"\n") + 1] or data
        self._at += len(line)
        return line

    def seek(self, offset: int, _whence: int = 0) -> int:
        self._at = offset
        return offset

    def write(self, data: Any) -> int:
        return self._disk.write(self._fd, data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._fd in self._disk._open:
                self._disk.close(self._fd)


class _Os:
    """`os` for the journal: the disk where it touches files, else the real one."""

    def __init__(self, disk: Disk) -> None:
        for name in ("open", "close", "write", "pread", "pwrite", "fstat", "ftruncate", "fsync", "fdopen"):
            setattr(self, name, getattr(disk, name))
        self.stat = self.lstat = disk.stat
        self.unlink, self.replace = disk.unlink, disk.replace
        for name in dir(os):
            if name.startswith(("O_", "E")) or name in {"path", "environ", "fspath", "geteuid", "strerror"}:
                setattr(self, name, getattr(os, name))

    @staticmethod
    def getpid() -> int:
        """The same in every process: a lock holds it in digits, and how many are written decides what a tear leaves."""
        return 31_234


class _Fcntl:
    LOCK_EX, LOCK_NB = 2, 4

    def __init__(self, disk: Disk) -> None:
        self.flock = disk.flock


class _Path(pathlib.PosixPath):
    """A path on the disk that is installed."""

    disk: Disk

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        del mode
        if str(self) in self.disk.folders:
            if not exist_ok:
                raise FileExistsError(errno.EEXIST, "exists", str(self))
            return
        if parents:
            self.disk.folders |= {str(parent) for parent in self.parents}
        self.disk.folders.add(str(self))

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        del follow_symlinks
        return self.disk.stat(self)

    def lstat(self) -> Any:
        return self.disk.stat(self)

    def exists(self) -> bool:
        return str(self) in self.disk.names or str(self) in self.disk.folders

    def is_dir(self) -> bool:
        return str(self) in self.disk.folders

    def unlink(self, missing_ok: bool = False) -> None:
        if missing_ok and str(self) not in self.disk.names:
            return
        self.disk.unlink(self)

    def replace(self, target: Any) -> Any:
        self.disk.replace(self, target)
        return target

    def glob(self, pattern: str) -> Iterator[Any]:
        suffix = pattern.removeprefix("*")
        for name in sorted(self.disk.names):
            if name.endswith(suffix) and name.rpartition("/")[0] == str(self):
                yield _Path(name)


@contextmanager
def installed(disk: Disk) -> Iterator[Disk]:
    """Let the journal of this process live on `disk`."""
    fake: Any = _Os(disk)
    places: list[tuple[Any, str, Any]] = [
        (journal_module, "os", fake),
        (journal_module, "Path", _Path),
        (entry, "os", fake),
        (growing, "os", fake),
        (entry, "Path", _Path),
        (done, "os", fake),
        (files, "os", fake),
        (files, "fcntl", _Fcntl(disk)),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    _Path.disk = disk
    for module, name, value in places:
        setattr(module, name, value)
    try:
        yield disk
    finally:
        for module, name, value in before:
            setattr(module, name, value)
