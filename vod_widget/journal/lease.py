"""Locks for file systems that have none (some NFS, FUSE and network mounts): a file that only one can make.

`O_CREAT | O_EXCL` is exclusive everywhere. The holder writes who it is and touches the file every ten seconds; one that
was not touched for a minute belongs to a dead process. A holder of this machine whose process is gone is known at once.
Ages are taken by the file system's own clock (a file that was written just now), since machines that share a folder
need not agree on the time. Any thread.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import threading
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from .files import locked_error, open_file, write_all

__all__ = ["Lease", "LeaseKeeper"]

HEARTBEAT_S = 10.0
STALE_S = 60.0
"""Six heartbeats: a machine that swaps or a server that is away for half a minute loses nothing."""


class LeaseKeeper:
    """Touches the leases of one journal, on one thread that lives as long as there is one."""

    def __init__(self) -> None:
        self._cond = threading.Condition()
        self._leases: weakref.WeakSet[Lease] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def lease(self, path: str) -> Lease:
        """Make a lease that this keeper touches while it is held."""
        return Lease(Path(path), self)

    def add(self, lease: Lease) -> None:
        """Begin to touch it."""
        with self._cond:
            self._leases.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="vod-lease", daemon=True)
                self._thread.start()

    def drop(self, lease: Lease) -> None:
        """Touch it no more."""
        with self._cond:
            self._leases.discard(lease)
            self._cond.notify_all()

    def beat(self) -> None:
        """Touch every lease that is held."""
        with self._cond:
            leases = list(self._leases)
        for lease in leases:
            lease.touch()

    def forget(self) -> None:
        """Start anew in a forked child, which has no thread; takes no lock that a lost thread may hold."""
        self._cond = threading.Condition()
        self._leases = weakref.WeakSet()
        self._thread = None

    def _work(self) -> None:
        while True:
            with self._cond:
                self._cond.wait_for(lambda: not self._leases, HEARTBEAT_S)
                if not self._leases:
                    self._thread = None
                    return
            self.beat()


class Lease:
    """One lease, with the methods of `files.Lock`."""

    def __init__(self, path: Path, keeper: LeaseKeeper) -> None:
        self.path = path
        self._keeper = keeper
        # Of the file that we made. It stays open, so that no later file can have its inode.
        self._descriptor = -1

    def take(self) -> None:
        """Take it now or fail.

        Raises:
            LockedError: A process that lives, or another machine that was heard of within a minute, holds it.
            OSError: The folder is gone or cannot be written.
        """
        for _ in range(3):
            if self._make():
                return
            holder = _read(self.path)
            if holder is not None and not self._is_dead(holder):
                raise locked_error(holder.get("pid") if holder.get("host") == _this_host() else None)
            if holder is not None:
                self._clear_away(holder)
        raise locked_error(None)

    def is_lost(self) -> bool:
        """Tell whether the file that we made is there no more: removed, or taken over after a long silence."""
        if self._descriptor < 0:
            return True
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self.path.lstat())
        except OSError:
            return True

    def touch(self) -> None:
        """Say that the holder lives."""
        with suppress(OSError):
            if not self.is_lost():
                os.utime(self.path, follow_symlinks=False)

    def release(self) -> None:
        """Let go; may be called twice."""
        self._keeper.drop(self)
        with suppress(OSError):
            if not self.is_lost():
                self.path.unlink()
        self.forget()

    def forget(self) -> None:
        """Drop what a forked child inherited; the parent goes on holding it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    def _make(self) -> bool:
        try:
            descriptor = open_file(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        try:
            write_all(descriptor, json.dumps({**_me(), "nonce": secrets.token_hex(8)}).encode())
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                self.path.unlink()
            raise
        self._descriptor = descriptor
        self._keeper.add(self)
        return True

    def _is_dead(self, holder: dict[str, Any]) -> bool:
        if holder.get("host") == _this_host() and isinstance(holder.get("pid"), int) and not _lives(holder["pid"]):
            return True
        try:
            touched_s = self.path.lstat().st_mtime
        except FileNotFoundError:
            return False  # let go a moment ago; the next try makes it
        return self._now_s() - touched_s > STALE_S

    def _now_s(self) -> float:
        """The time by the clock that stamps the files here."""
        probe = self.path.with_name(f"{self.path.stem}.{secrets.token_hex(4)}.probe")
        descriptor = open_file(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(descriptor, b".")
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            with suppress(OSError):
                probe.unlink()

    def _clear_away(self, holder: dict[str, Any]) -> None:
        """Take a dead one's file away; when somebody made a new one meanwhile, give that back to them."""
        aside = self.path.with_name(f"{self.path.stem}.{secrets.token_hex(4)}.stale")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        with suppress(OSError):
            if _read(aside) != holder:
                os.link(aside, self.path)
            aside.unlink()


def _read(path: Path) -> dict[str, Any] | None:
    """Read who holds a lease; {} when it cannot be told (torn, or another program's), None when there is none."""
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        found = json.loads(os.read(descriptor, 1000) or b"{}")
    except ValueError:
        return {}
    finally:
        os.close(descriptor)
    return found if isinstance(found, dict) else {}


def _me() -> dict[str, Any]:
    return {"host": _this_host(), "pid": os.getpid()}


@cache
def _this_host() -> str:
    """What tells machines, and containers with process numbers of their own, apart."""
    words = [socket.gethostname()]
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            words.append(file.read().strip())
        words.append(os.readlink("/proc/self/ns/pid"))  # a name such as pid:[4026531836]
    return "/".join(words)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as exc:
        return exc.errno == errno.EPERM
    return True
