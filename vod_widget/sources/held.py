"""A file that is held open: which version of it, by how many readers, and what of it can be read without waiting.

Any thread may read. Floor 2: imports the standard library.
"""

from __future__ import annotations

import errno
import os
import threading
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Handle", "Identity"]

_IF_READY: int | None = getattr(os, "RWF_NOWAIT", None)
"""Flag of a read that takes what is in memory and waits for nothing; Linux has it."""

_TRACE = (1 << 60) - 1
"""As many bits as Python keeps in the smallest number that is more than 30 bits long."""


class Identity(NamedTuple):
    """What tells one version of a file from another. ctime sees an edit whose mtime was set back."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        """Take it from what the system says of the file."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def __str__(self) -> str:
        return ":".join(map(str, self))

    @property
    def trace(self) -> int:
        """What will do until the file is opened again: a hundred thousand queued files keep one each."""
        return hash(self) & _TRACE

    def same_but_for_links(self, other: Identity) -> bool:
        """Deleting or moving a file away touches its ctime; its bytes are still ours."""
        return self[:-1] == other[:-1]


class Handle:
    """A descriptor that is closed when the last reader has left.

    Closing it under a reader would let the system give its number to another file, whose bytes would then be sent.
    """

    def __init__(self, descriptor: int, identity: Identity) -> None:
        self.descriptor = descriptor
        self.identity = identity
        self._ready_flags = _IF_READY  # None: there is no such read
        self._guard = threading.Lock()
        self._readers = 0
        self._is_closed = False

    def enter(self) -> bool:
        """Begin to read; False when it is closed, and then `leave` must not be called."""
        with self._guard:
            if self._is_closed:
                return False
            self._readers += 1
            return True

    def leave(self) -> None:
        """Cease to read; the last one closes what `close` left open."""
        with self._guard:
            self._readers -= 1
            is_last = self._is_closed and self._readers == 0
        if is_last:
            os.close(self.descriptor)

    def close(self) -> None:
        """Let nobody enter any more, and close it as soon as nobody reads; may be called twice."""
        with self._guard:
            is_idle = not self._is_closed and self._readers == 0
            self._is_closed = True
        if is_idle:
            os.close(self.descriptor)

    def read(self, buffer: memoryview, offset: int) -> int:
        """Read without moving a shared position, so that many threads may read one descriptor."""
        return os.preadv(self.descriptor, [buffer], offset)

    def read_ready(self, buffer: memoryview, offset: int) -> int:
        """Read what is in memory, maybe nothing; it waits for no disk and for no server."""
        flags = self._ready_flags
        if flags is None:
            return 0
        try:
            return os.preadv(self.descriptor, [buffer], offset, flags)
        except OSError as exc:
            if exc.errno == errno.EOPNOTSUPP:
                self._ready_flags = 0 if _is_in_memory(self.identity.device) else None
            return 0


@cache
def _is_in_memory(device: int) -> bool:
    """Whether a file system is a tmpfs: it has no read that does not wait, and needs none."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    # Id, parent, device, ..., a dash, type, ... (proc_pid_mountinfo(5)); a blank in a path is written in octal.
    return any(mount.split(" ")[2] == number and mount.partition(" - ")[2].startswith("tmpfs ") for mount in mounts)
