"""Where bytes lie: files on disk, or memory for simulations.

What lives here: `Blob` (some stored bytes with their checksums), `Sink` (where a body is
streamed to) and the two `BlobStore`s. It imports `crc64` only. A sink is used by one thread at
a time, possibly a helper thread of the server; the stores' other methods are called under the
lock of `Cloud`.

File names come from a hash and a counter, never from a client's text, so no key can leave the
folder.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from vod_widget.emulator import crc64

# Copies inside the kernel go in steps so that a stop is never far away.
_COPY_STEP_BYTES = 64 << 20
Block = bytes | memoryview


@dataclass(frozen=True)
class Blob:
    """Stored bytes, finished and unchangeable."""

    name: str
    size_bytes: int
    md5_hex: str
    """Upper-case, as in an ETag."""
    crc64: int


class Sink(Protocol):
    """Take a body block by block, computing its checksums on the way."""

    @property
    def size_bytes(self) -> int:
        """Bytes taken so far."""

    def write(self, blocks: Iterable[Block]) -> None:
        """Append blocks."""

    def finish(self) -> Blob:
        """Close and return what was stored."""

    def discard(self) -> None:
        """Close and forget; also after `finish` has not been reached. Idempotent."""


class BlobStore(Protocol):
    """Keep blobs by name."""

    def sink(self, hint: str) -> Sink:
        """Open a new blob; `hint` (bucket and key) only flavours its name by a hash."""

    def read(self, blob: Blob, start: int, size: int) -> bytes:
        """Read at most `size` bytes from `start`."""

    def remove(self, blobs: Iterable[Blob]) -> None:
        """Delete at the next `sweep`; names that are gone already are fine."""

    def sweep(self) -> None:
        """Delete for good what `remove` named."""

    def keep_only(self, names: Collection[str]) -> None:
        """Delete every blob but these; once, at the start."""

    def has(self, blob: Blob) -> bool:
        """Tell whether the bytes are there, by their number."""

    def join(self, blobs: Sequence[Blob], hint: str) -> Blob:
        """Copy blobs into one; the originals stay. Checksums: CRC combined, MD5 empty."""

    def path(self, blob: Blob) -> Path | None:
        """Return the file of a blob; None in memory."""

    def clear(self) -> None:
        """Delete everything."""


def combined_crc64(blobs: Iterable[Blob]) -> int:
    """Return the checksum of blobs laid end to end."""
    total = 0
    for blob in blobs:
        total = crc64.combine(total, blob.crc64, blob.size_bytes)
    return total


class _Names:
    """Make unique blob names; safe from any thread, since `next` of a count is one step."""

    def __init__(self, salt: str = "") -> None:
        self._salt = salt
        self._count = itertools.count(1)

    def new(self, hint: str) -> str:
        digest = hashlib.sha256(hint.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{digest[:40]}-{self._salt}-{next(self._count)}"


class _FileSink:
    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file: BinaryIO | None = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc64 = 0
        self.size_bytes = 0

    def write(self, blocks: Iterable[Block]) -> None:
        assert self._file is not None, "write after finish"
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[self._file.write(view) :]
            self._md5.update(block)
            self._crc64 = crc64.update(block, self._crc64)
            self.size_bytes += len(block)

    def finish(self) -> Blob:
        assert self._file is not None, "finish twice"
        self._file.close()
        self._file = None
        digest = self._md5.hexdigest().upper()
        return Blob(self._path.name, self.size_bytes, digest, self._crc64)

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)


class DiskBlobs:
    """One file for each blob in one private folder.

    Args:
        folder: Made with mode 0700 when absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._names = _Names(secrets.token_hex(4))  # unlike those of an earlier process
        self._doomed: list[str] = []

    def sink(self, hint: str) -> Sink:
        """Open a new file."""
        return _FileSink(self._folder / self._names.new(hint))

    def read(self, blob: Blob, start: int, size: int) -> bytes:
        """Read at most `size` bytes from `start`."""
        with (self._folder / blob.name).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(size)

    def remove(self, blobs: Iterable[Blob]) -> None:
        """Mark files; they are needed until the change that frees them is written down."""
        self._doomed.extend(blob.name for blob in blobs)

    def sweep(self) -> None:
        """Delete the marked files."""
        doomed, self._doomed = self._doomed, []
        for name in doomed:
            (self._folder / name).unlink(missing_ok=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Delete files that no record names: bodies whose request was never answered."""
        for path in self._folder.iterdir():
            if path.name not in names:
                path.unlink(missing_ok=True)

    def has(self, blob: Blob) -> bool:
        """Compare the file's length."""
        try:
            return (self._folder / blob.name).stat().st_size == blob.size_bytes
        except OSError:
            return False

    def join(self, blobs: Sequence[Blob], hint: str) -> Blob:
        """Concatenate inside the kernel where it can (copy_file_range)."""
        name = self._names.new(hint)
        with (self._folder / name).open("xb", buffering=0) as target:
            for blob in blobs:
                with (self._folder / blob.name).open("rb", buffering=0) as source:
                    _append(source, target, blob.size_bytes)
        size_bytes = sum(blob.size_bytes for blob in blobs)
        return Blob(name, size_bytes, "", combined_crc64(blobs))

    def path(self, blob: Blob) -> Path:
        """Return the blob's file."""
        return self._folder / blob.name

    def clear(self) -> None:
        """Delete every file of the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _append(source: BinaryIO, target: BinaryIO, size_bytes: int) -> None:
    left = size_bytes
    if hasattr(os, "copy_file_range"):
        try:
            while left:
                step = min(left, _COPY_STEP_BYTES)
                done = os.copy_file_range(source.fileno(), target.fileno(), step)
                if not done:
                    break
                left -= done
        except OSError:
            # Some file systems refuse (EXDEV, EINVAL, ENOSYS): go on with plain copies.
            source.seek(size_bytes - left)
    if left:
        shutil.copyfileobj(source, target, 1 << 20)


class _MemorySink:
    def __init__(self, home: MemoryBlobs, name: str) -> None:
        self._home = home
        self._name = name
        self._data = bytearray()
        self.size_bytes = 0

    def write(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self._data += block
            self.size_bytes += len(block)

    def finish(self) -> Blob:
        data = bytes(self._data)
        self._home.data[self._name] = data
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
        return Blob(self._name, len(data), digest, crc64.update(data))

    def discard(self) -> None:
        self._data.clear()


class MemoryBlobs:
    """Blobs in a dict, for simulations with small bodies."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self._names = _Names()

    def sink(self, hint: str) -> Sink:
        """Open a new blob."""
        return _MemorySink(self, self._names.new(hint))

    def read(self, blob: Blob, start: int, size: int) -> bytes:
        """Read at most `size` bytes from `start`."""
        return self.data[blob.name][start : start + size]

    def remove(self, blobs: Iterable[Blob]) -> None:
        """Forget blobs."""
        for blob in blobs:
            self.data.pop(blob.name, None)

    def sweep(self) -> None:
        """Do nothing: `remove` was enough."""

    def keep_only(self, names: Collection[str]) -> None:
        """Do nothing: memory begins empty."""

    def has(self, blob: Blob) -> bool:
        """Look into the dict."""
        return blob.name in self.data

    def join(self, blobs: Sequence[Blob], hint: str) -> Blob:
        """Concatenate."""
        name = self._names.new(hint)
        self.data[name] = b"".join(self.data[blob.name] for blob in blobs)
        return Blob(name, len(self.data[name]), "", combined_crc64(blobs))

    def path(self, blob: Blob) -> None:
        """Return None: there is no file."""
        del blob

    def clear(self) -> None:
        """Forget everything."""
        self.data.clear()
