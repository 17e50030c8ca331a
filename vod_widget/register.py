"""Finds a file of the queue by its id or by its source.

Floor 3; everything runs under the queue's condition.
"""

from __future__ import annotations

from collections.abc import Sequence

from .model import UploadState
from .record import Record

__all__ = ["Register"]


class Register:
    """The files of a queue, by id and by source.

    A hundred thousand files have few folders: the source's folder is a key once, and the rest of its id is mostly the
    very text that is the file's name. Ids are put in order when the first one is asked for: a program that only adds
    and starts never does.

    Args:
        records: All files of the queue; read only.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._by_id: dict[str, Record] | None = None
        self._by_folder: dict[str, dict[str, Record]] = {}

    def add(self, record: Record) -> bool:
        """Note a file; it takes the place of a stored one of the same source.

        Returns:
            False when one of the same source is in the list that is not stored yet; nothing is changed then.
        """
        folder, leaf = self._split(record.source.source_id)
        inside = self._by_folder.get(folder)
        if inside is None:
            inside = self._by_folder[folder] = {}
        elif (known := inside.get(leaf)) is not None and known.state is not UploadState.SUCCESS:
            return False
        inside[record.name if leaf == record.name else leaf] = record
        if self._by_id is not None:
            self._by_id[record.file_id] = record
        return True

    def remove(self, record: Record) -> None:
        """Forget a file; a later one of the same source stays."""
        if self._by_id is not None:
            self._by_id.pop(record.file_id, None)
        folder, leaf = self._split(record.source.source_id)
        inside = self._by_folder.get(folder, {})
        if inside.get(leaf) is record:
            del inside[leaf]
            if not inside:
                del self._by_folder[folder]

    def by_id(self, file_id: str) -> Record | None:
        """The file of an id, or None."""
        if self._by_id is None:
            self._by_id = {record.file_id: record for record in self._records}
        return self._by_id.get(file_id)

    @staticmethod
    def _split(source_id: str) -> tuple[str, str]:
        folder, _, leaf = source_id.rpartition("/")
        return folder, leaf
