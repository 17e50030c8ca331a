"""Finds a file of the queue by its id or by its source.

Floor 3; everything runs under the queue's condition.
"""

from __future__ import annotations

from .record import Record

__all__ = ["Register"]


class Register:
    """The files of a queue, by id and by source.

    A hundred thousand files have few folders: the source's folder is a key once, and the rest of its id is mostly the
    very text that is the file's name.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_folder: dict[str, dict[str, Record]] = {}

    def add(self, record: Record) -> None:
        """Note a file; it takes the place of an earlier one of the same source."""
        self._by_id[record.file_id] = record
        folder, leaf = self._split(record.source.source_id)
        self._by_folder.setdefault(folder, {})[record.name if leaf == record.name else leaf] = record

    def remove(self, record: Record) -> None:
        """Forget a file; a later one of the same source stays."""
        self._by_id.pop(record.file_id, None)
        folder, leaf = self._split(record.source.source_id)
        inside = self._by_folder.get(folder, {})
        if inside.get(leaf) is record:
            del inside[leaf]
            if not inside:
                del self._by_folder[folder]

    def by_id(self, file_id: str) -> Record | None:
        """The file of an id, or None."""
        return self._by_id.get(file_id)

    def by_source(self, source_id: str) -> Record | None:
        """The file that was added last with this source, or None."""
        folder, leaf = self._split(source_id)
        return self._by_folder.get(folder, {}).get(leaf)

    @staticmethod
    def _split(source_id: str) -> tuple[str, str]:
        folder, _, leaf = source_id.rpartition("/")
        return folder, leaf
