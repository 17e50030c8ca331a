"""Sums over the files of a queue, kept up with each change, so that asking for them is cheap at any number of files.

Floor 3; everything runs under the queue's condition.
"""

from __future__ import annotations

from .model import UploadState
from .record import Record

__all__ = ["Sums"]


class Sums:
    """How many files are in each state, and how many bytes.

    Attributes:
        counts: Files by state.
        size_bytes: Bytes of all files.
        state_bytes: Bytes of the files of each state.
        accepted_bytes: Acknowledged bytes.
        found_bytes: Those of them that the storage had before their file ran.
        progress_bytes: What the fractions of all files stand for.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(UploadState, 0)
        self.size_bytes = 0
        self.state_bytes = dict.fromkeys(UploadState, 0)
        self.accepted_bytes = self.found_bytes = 0
        self.progress_bytes = 0
        self._counted: dict[str, tuple[int, int, int]] = {}

    def add(self, record: Record) -> None:
        """Count a new file."""
        self.size_bytes += record.size_bytes
        self.counts[record.state] += 1
        self.state_bytes[record.state] += record.size_bytes

    def remove(self, record: Record) -> None:
        """Count a file no more; it is marked as removed."""
        self.counts[record.state] -= 1
        self.state_bytes[record.state] -= record.size_bytes
        self.size_bytes -= record.size_bytes
        accepted, found, progress = self._counted.pop(record.file_id, (0, 0, 0))
        self.accepted_bytes -= accepted
        self.found_bytes -= found
        self.progress_bytes -= progress

    def move(self, record: Record, before: UploadState) -> None:
        """Count a file under its new state; `before` is the one that it was counted under."""
        if record.removed:
            return
        self.counts[before] -= 1
        self.state_bytes[before] -= record.size_bytes
        self.counts[record.state] += 1
        self.state_bytes[record.state] += record.size_bytes

    def resize(self, record: Record, state: UploadState, size_bytes: int) -> None:
        """Note that a file has another length; `state` is the one that it is counted under."""
        grown = size_bytes - record.size_bytes
        record.size_bytes = size_bytes
        if not record.removed:
            self.size_bytes += grown
            self.state_bytes[state] += grown

    def count_bytes(self, record: Record) -> None:
        """Take a file's acknowledged bytes and its fraction as they are now."""
        if record.file_id not in self._counted and not record.has_bytes:
            return
        if record.removed:
            return
        accepted, found, progress = self._counted.get(record.file_id, (0, 0, 0))
        now = record.accepted_bytes, record.found_bytes, record.progress_bytes
        if now == (accepted, found, progress):
            return
        self.accepted_bytes += now[0] - accepted
        self.found_bytes += now[1] - found
        self.progress_bytes += now[2] - progress
        self._counted[record.file_id] = now
