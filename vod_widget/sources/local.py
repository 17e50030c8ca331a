"""A file on a disk of this machine.

The path is checked when the file is added; the handle is opened at the first read and held until `close`, so that a
hundred thousand queued files hold no descriptor. A handle that is held keeps the bytes of a deleted file readable, and
a file that was replaced under the same name is told apart by device, inode, size and both times. Any thread may read.
Floor 2: imports floors 0-1 and the standard library.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vod_widget.errors import (
    InvalidArgumentError,
    RestrictionError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
)
from vod_widget.metadata import clean_name
from vod_widget.model import SourceKind

from .held import Handle, Identity

__all__ = ["LocalSource"]

# O_NONBLOCK: opening a FIFO that replaced the file must not wait for a writer. O_NOCTTY: nor take a terminal over.
_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _flag, 0)

_CAN_ASK_FOR_US = os.access in os.supports_effective_ids

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


_SWAP = threading.Lock()
"""Guards which handle a source holds and whether it starts over; never held over I/O, so one will do for all."""


class _Folders:
    """Remembers where the folder of the last file really lies: a list of files has few folders.

    A folder that is still the same one by device and inode was not set to another place since.
    """

    def __init__(self) -> None:
        self._last: tuple[str, tuple[int, int], str] = ("", (0, 0), "")

    def real_of(self, folder: str, leaf: str) -> str | None:
        """Return the path of a file of the folder without the folder's links; None when the folder has none.

        Args:
            folder: Absolute, with the slash at its end.
            leaf: The file's name there.
        """
        try:
            real = self._real(folder)
        except OSError:
            return os.path.realpath(folder + leaf)
        return None if real == folder else real + leaf

    def _real(self, folder: str) -> str:
        found = os.stat(folder)  # noqa: PTH116 - a Path for each of many files costs more than the call
        key = (found.st_dev, found.st_ino)
        last = self._last
        if last[:2] != (folder, key):
            last = self._last = (folder, key, os.path.join(os.path.realpath(folder), ""))  # noqa: PTH118 - as above
        return last[2]


_folders = _Folders()


class LocalSource:
    """A regular file, read by position.

    A source that was closed may be used again (a retry): `fingerprint` then takes the file as it is at that moment,
    `size_bytes` included.

    Args:
        path: The file; a symbolic link is followed.
        name: Name for people and for VOD; default: the path's last part.
        roots: When given, the file must lie inside one of these folders after every link is resolved.

    Raises:
        SourceNotFoundError: Missing (code `Source.Missing`), not readable (`Source.Permission`), or no regular file
            (`Source.NotAFile`).
        RestrictionError: Empty (`EmptyFile`), or outside of `roots` (`Source.Outside`).
    """

    __slots__ = ("_expected", "_folder", "_handle", "_is_fresh", "_leaf", "_real", "_roots", "name", "size_bytes")
    kind: SourceKind = SourceKind.LOCAL
    block_bytes: int = 1024 * 1024
    cheap_reads: bool = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        roots: Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        # Not resolve(): a link that is set to another file must show as a change.
        text = os.path.abspath(path if isinstance(path, str) else os.fsdecode(path))  # noqa: PTH100 - absolute() keeps ".."
        folder, slash, leaf = text.rpartition(os.sep)
        # Folder and name apart, and the name once: a hundred thousand files have few folders.
        self._folder = sys.intern(folder + slash)
        # A backslash that is left in a leaf parts no folders here: what stands before it belongs to the name.
        self.name = clean_name(name if name is not None else leaf.replace("\\", "_"))
        self._leaf = self.name if self.name == leaf else leaf
        self._roots = None if roots is None else tuple(os.path.realpath(root) for root in roots)
        self._handle: Handle | None = None
        self._is_fresh = False  # True after close(): the next fingerprint starts over
        found, is_link = self._look(text)
        self._expected = found.trace
        self.size_bytes = found.size_bytes
        real = os.path.realpath(text) if is_link else _folders.real_of(self._folder, self._leaf)
        self._real = None if real is None or real == text else real

    @property
    def path(self) -> Path:
        """The file's absolute path, as it was given."""
        return Path(self._text)

    @property
    def source_id(self) -> str:
        """`file:` and the path, with links resolved when the file was added."""
        return f"file:{self._real or self._text}"

    @property
    def _text(self) -> str:
        return self._folder + self._leaf

    def __repr__(self) -> str:
        return f"LocalSource({self._text!r}, {self.size_bytes} bytes)"

    def fingerprint(self) -> str:
        """Return device, inode, size, mtime_ns and ctime_ns of the file that the path names now.

        While a handle is held and the path is gone, the answer is the last one as long as size and mtime of the held
        file are the same: a deleted file is sent to its end.

        Raises:
            SourceNotFoundError: The file is gone, or something else has its name.
            RestrictionError: A file that was closed before is empty now (`EmptyFile`).
        """
        handle = self._enter()
        if handle is None:
            return self._look_afresh()
        try:
            held = Identity.of(os.fstat(handle.descriptor))
            try:
                # Another file under our name gives its own identity, an edit of ours changes both.
                return str(Identity.of(os.stat(self._text)))  # noqa: PTH116 - as above
            except FileNotFoundError:
                return str(handle.identity if held.same_but_for_links(handle.identity) else held)
        except OSError as exc:
            raise self._failed(exc) from exc
        finally:
            handle.leave()

    def read(self, start: int, end: int) -> memoryview:
        """Return exactly the bytes `start`..`end`.

        Args:
            start: First byte, >= 0.
            end: Byte after the last, at most `size_bytes`.

        Raises:
            SourceChangedError: Another file than the one that was added, or it is shorter now.
            SourceError: The disk gave an error; the text has the position.
        """
        self._check_range(start, end)
        buffer = memoryview(bytearray(end - start))
        self.read_into(start, buffer)
        return buffer

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes from `start` on; see `read`."""
        end = start + len(buffer)
        self._check_range(start, end)
        handle = self._enter() or self._open_handle()
        offset = start
        try:
            while offset < end:
                count = handle.read(buffer[offset - start :], offset)
                if not count:
                    raise SourceChangedError(
                        f"the file ends at byte {offset}, but it had {self.size_bytes} bytes", file_name=self.name
                    )
                offset += count
        except OSError as exc:
            raise SourceError(f"reading at byte {offset} failed: {exc.strerror or exc}", file_name=self.name) from exc
        finally:
            handle.leave()

    def read_ready(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer from its front with what is in memory; return how many bytes that were.

        0 also when the file system cannot tell (NFS, FUSE), and after an error: `read_into` waits, and says what is
        wrong.
        """
        handle = self._enter()
        if handle is None:
            return 0
        try:
            return handle.read_ready(buffer, start)
        finally:
            handle.leave()

    def close(self) -> None:
        """Let go of the handle; readers at work finish first. May be called twice."""
        with _SWAP:
            handle, self._handle = self._handle, None
            self._is_fresh = True
        if handle is not None:
            handle.close()

    # Inside ----------------------------------------------------------------------------------------------------------

    def _check_range(self, start: int, end: int) -> None:
        if not 0 <= start <= end <= self.size_bytes:
            raise InvalidArgumentError(
                f"bytes {start}..{end} are not inside the {self.size_bytes} bytes", file_name=self.name
            )

    def _enter(self) -> Handle | None:
        with _SWAP:
            handle = self._handle
        return handle if handle is not None and handle.enter() else None

    def _look_afresh(self) -> str:
        try:
            identity = Identity.of(_stat_regular(self._text))
        except OSError as exc:
            # Nothing was read of it: whoever tries again takes the file that is there by then.
            self._is_fresh = True
            raise self._failed(exc) from exc
        with _SWAP:
            starts_over, self._is_fresh = self._is_fresh, False
        if starts_over:
            if identity.size_bytes == 0:
                raise self._empty()
            self._expected, self.size_bytes = identity.trace, identity.size_bytes
        return str(identity)

    def _open_handle(self) -> Handle:
        """Open the file that was added, not another one of the same name; return the handle, entered."""
        descriptor, found = self._open()
        if found.trace != self._expected:
            os.close(descriptor)
            raise SourceChangedError("the file changed since it was added or last looked at", file_name=self.name)
        mine = Handle(descriptor, found)
        mine.enter()
        with _SWAP:
            rival = self._handle
            if rival is None:
                self._handle = mine
        if rival is not None:  # two threads opened at once; this one keeps its own for one read
            mine.close()
        return mine

    def _look(self, text: str) -> tuple[Identity, bool]:
        """Look at the file that is added: what it is, and whether its path is a link; it must be readable."""
        try:
            found = os.lstat(text)
            is_link = stat.S_ISLNK(found.st_mode)
            is_plain = not is_link and self._roots is None
            if is_plain:
                _refuse_irregular(found)
                if not os.access(text, os.R_OK, effective_ids=_CAN_ASK_FOR_US):
                    raise PermissionError(errno.EACCES, "not readable")
        except OSError as exc:
            raise self._failed(exc) from exc
        except ValueError as exc:  # a NUL inside the path
            raise self._impossible() from exc
        if not is_plain:  # where it leads, and whether that is inside a root, is told by the open file alone
            descriptor, identity = self._open()
            os.close(descriptor)
            return identity, is_link
        if found.st_size == 0:
            raise self._empty()
        return Identity.of(found), False

    def _open(self) -> tuple[int, Identity]:
        try:
            before = _stat_regular(self._text)  # first, since opening a device can act on it
            descriptor = os.open(self._text, _FLAGS)
        except OSError as exc:
            raise self._failed(exc) from exc
        except ValueError as exc:
            raise self._impossible() from exc
        try:
            return descriptor, self._judge(descriptor, before)
        except OSError as exc:
            os.close(descriptor)
            raise self._failed(exc) from exc
        except BaseException:
            os.close(descriptor)
            raise

    def _judge(self, descriptor: int, before: os.stat_result) -> Identity:
        """Check the opened file itself; its path may name another one by now."""
        found = os.fstat(descriptor)
        _refuse_irregular(found)
        if not os.path.samestat(before, found):
            raise SourceChangedError("the file was replaced while it was opened", file_name=self.name)
        self._check_roots(found)
        if found.st_size == 0:
            raise self._empty()
        return Identity.of(found)

    def _check_roots(self, found: os.stat_result) -> None:
        """The opened file must be the one that the resolved path names, and that path must be inside a root."""
        if self._roots is None:
            return
        real = os.path.realpath(self._text)
        is_inside = any(os.path.commonpath((real, root)) == root for root in self._roots)
        with suppress(OSError):
            named = Path(real).lstat()
            if is_inside and os.path.samestat(named, found):
                return
        raise RestrictionError(
            "the file lies outside of the folders that may be used",
            code="Source.Outside",
            hint="Move it into one of the allowed folders, or allow its folder.",
            file_name=self.name,
        )

    def _impossible(self) -> SourceNotFoundError:
        return SourceNotFoundError("the path is not one that can exist", file_name=self.name)

    def _empty(self) -> RestrictionError:
        return RestrictionError(
            "the file is empty (0 bytes), and VOD keeps no empty asset",
            code="EmptyFile",
            hint="Check how the file was written, then add it again.",
            file_name=self.name,
        )

    def _failed(self, exc: OSError) -> SourceError:
        if isinstance(exc, SourceError):
            return exc
        if isinstance(exc, _IrregularError):
            return SourceNotFoundError(
                f"{self._text} is {exc.what}, not a regular file",
                code="Source.NotAFile",
                hint="Choose a file; a folder's files are added by a pattern such as folder/*.mp4.",
                file_name=self.name,
            )
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return SourceNotFoundError(f"{self._text} does not exist", file_name=self.name)
        if exc.errno in (errno.EACCES, errno.EPERM):
            return SourceNotFoundError(
                f"{self._text} may not be read by this user",
                code="Source.Permission",
                hint="Give this user the right to read it, then try again.",
                file_name=self.name,
            )
        if exc.errno in (errno.EMFILE, errno.ENFILE):
            return SourceError(
                f"{self._text} cannot be opened now: {exc.strerror or exc}",
                code="Source.Busy",
                hint="Close other files, or allow more of them (ulimit -n), then retry.",
                file_name=self.name,
            )
        return SourceError(f"{self._text} cannot be opened: {exc.strerror or exc}", file_name=self.name)


class _IrregularError(OSError):
    """Not a regular file; never leaves this module."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def _refuse_irregular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _IrregularError(next((what for test, what in _KINDS if test(found.st_mode)), "something else"))


def _stat_regular(path: str) -> os.stat_result:
    found = os.stat(path)  # noqa: PTH116 - a Path for each of many files costs more than the call
    _refuse_irregular(found)
    return found
