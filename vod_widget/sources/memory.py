"""Bytes that the caller already holds.

Floor 2: imports floors 0-1. Frozen after construction, so any thread may read.
"""

from __future__ import annotations

from vod_widget.crc64 import crc64
from vod_widget.errors import InvalidArgumentError, RestrictionError
from vod_widget.metadata import clean_name
from vod_widget.model import SourceKind

__all__ = ["MemorySource"]


class MemorySource:
    """A snapshot of bytes: what the caller does to a bytearray afterwards does not reach the upload.

    Args:
        data: The bytes. Immutable ones are kept as they are, others are copied once.
        name: File name with its extension.

    Raises:
        InvalidArgumentError: `data` are not bytes, or the name is empty.
        RestrictionError: No bytes (code `EmptyFile`).
    """

    kind: SourceKind = SourceKind.MEMORY
    block_bytes: int = 1024 * 1024
    cheap_reads: bool = True

    def __init__(self, data: bytes | bytearray | memoryview, name: str) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InvalidArgumentError(f"data must be bytes, not {type(data).__name__}")
        if not isinstance(name, str) or not name.strip():
            raise InvalidArgumentError(
                "bytes have no name of their own", hint='Pass name="talk.mp4"; its extension tells the kind.'
            )
        self.name = clean_name(name)
        self._view = memoryview(data if isinstance(data, bytes) else bytes(data))
        self.size_bytes = len(self._view)
        if not self.size_bytes:
            raise RestrictionError(
                "there are no bytes, and VOD keeps no empty asset",
                code="EmptyFile",
                hint="Check where the bytes come from, then add them again.",
                file_name=self.name,
            )
        self.source_id = f"memory:{crc64(self._view):016x}:{self.size_bytes}"

    def __repr__(self) -> str:
        return f"MemorySource({self.name!r}, {self.size_bytes} bytes)"

    def fingerprint(self) -> str:
        """Return the CRC-64 and the length; a snapshot never changes."""
        return self.source_id

    def read(self, start: int, end: int) -> memoryview:
        """Return the bytes `start`..`end` without a copy.

        Args:
            start: First byte, >= 0.
            end: Byte after the last, at most `size_bytes`.
        """
        if not 0 <= start <= end <= self.size_bytes:
            raise InvalidArgumentError(
                f"bytes {start}..{end} are not inside the {self.size_bytes} bytes", file_name=self.name
            )
        return self._view[start:end]

    def close(self) -> None:
        """Do nothing: a retry needs the bytes again, and they go with this object."""
