"""The book in which an emulator with a data folder writes its state down.

What lives here: `Book` (what state owners call), `NoBook` (nothing is kept) and `SqliteBook`. Standard library
only; every call happens under the lock of `Cloud`.

Theory: state owners put and drop records as they change; `commit` ends the change when the lock is
released, which is before the answer leaves. So whatever was answered with success is in the book.
What that promises: it outlives the process, also by SIGKILL, since the operating system has the
bytes by then. After a power cut the newest records may be missing, and objects whose bytes never
reached the disk are dropped at the start (`durable`): nothing waits for the disk at each answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Protocol

_VERSION = 1


class Book(Protocol):
    """Keep records by kind and name."""

    def put(self, kind: str, name: str, record: Any) -> None:
        """Write a dataclass or a dict down; an older one of that name is replaced."""

    def drop(self, kind: str, name: str) -> None:
        """Forget a record; absent ones are fine."""

    def read(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a kind, oldest first."""

    def commit(self) -> None:
        """End a change: all of it is kept, or nothing."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Let go of the file. Idempotent."""


class NoBook:
    """Keep nothing: the state ends with the process."""

    def put(self, kind: str, name: str, record: Any) -> None:
        """Do nothing."""

    def drop(self, kind: str, name: str) -> None:
        """Do nothing."""

    def read(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield nothing."""
        del kind
        return iter(())

    def commit(self) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class SqliteBook:
    """Keep records in one file.

    Args:
        path: The file; made with mode 0600 when absent.

    Raises:
        OSError: Another emulator uses it, or it is not ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)
        # Calls come from several threads, one at a time.
        self._database = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.Error as exc:
            self._database.close()
            if "locked" in str(exc):
                raise BlockingIOError(f"{path.parent} is in use by another emulator") from exc
            raise OSError(f"{path} cannot be read as an emulator's state: {exc}") from exc
        # What the change so far has put, or dropped (None), by kind and name: written once, when it ends.
        self._changed: dict[tuple[str, str], Any] = {}
        self._cleared = False
        self._is_open = True

    def __repr__(self) -> str:
        return f"<SqliteBook {self._path}>"

    def _prepare(self) -> None:
        run = self._database.execute
        # The lock is held as long as the file is open; it goes with the process, however that ends.
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=NORMAL")  # a power cut costs the newest records, never the file
        run("PRAGMA wal_autocheckpoint=8000")  # 32 MB: each moves pages and waits for the disk
        run("BEGIN EXCLUSIVE")
        version = run("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"version {version} is not known here")
        run("CREATE TABLE IF NOT EXISTS records (kind TEXT, name BLOB, record TEXT, PRIMARY KEY (kind, name))")
        run(f"PRAGMA user_version={_VERSION}")
        run("COMMIT")

    def put(self, kind: str, name: str, record: Any) -> None:
        """Write a record down, as it is when the change ends."""
        if self._is_open:
            self._changed[kind, name] = record

    def drop(self, kind: str, name: str) -> None:
        """Forget a record."""
        if self._is_open:
            self._changed[kind, name] = None

    def read(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a kind."""
        rows = self._database.execute("SELECT record FROM records WHERE kind = ? ORDER BY rowid", (kind,)).fetchall()
        return (json.loads(row[0]) for row in rows)

    def commit(self) -> None:
        """End a change."""
        if not (self._changed or self._cleared):
            return
        changed, self._changed = self._changed, {}
        put = [(kind, _bytes(name), _ENCODE(record)) for (kind, name), record in changed.items() if record is not None]
        dropped = [(kind, _bytes(name)) for (kind, name), record in changed.items() if record is None]
        run = self._database
        try:
            run.execute("BEGIN")
            if self._cleared:
                run.execute("DELETE FROM records")
            if dropped:
                run.executemany("DELETE FROM records WHERE kind = ? AND name = ?", dropped)
            # An update keeps the row, and with it the order of age.
            run.executemany(
                "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET record = excluded.record",
                put,
            )
            run.execute("COMMIT")
            self._cleared = False
        except sqlite3.Error as exc:
            with suppress(sqlite3.Error):
                run.execute("ROLLBACK")
            raise OSError(f"{self._path} could not be written: {exc}") from exc

    def clear(self) -> None:
        """Forget everything."""
        if self._is_open:
            self._changed.clear()
            self._cleared = True

    def close(self) -> None:
        """Write the last change and close the file."""
        if self._is_open:
            self.commit()
            self._is_open = False
            self._database.close()


def _fields(record: object) -> dict[str, Any]:
    """Return a dataclass as json takes it; `asdict` would copy it first, which costs more than writing."""
    if not is_dataclass(record):
        raise TypeError(f"{record!r} cannot be written down")
    return vars(record)


# Made once: `json.dumps` with an argument of its own makes one at each call.
_ENCODE = json.JSONEncoder(default=_fields).encode


def _bytes(name: str) -> bytes:
    """Return a name as sqlite takes it: keys of objects may hold lone surrogates."""
    return name.encode("utf-8", "surrogateescape")
