"""The log of requests that tests read, without secrets.

What lives here: `RequestRecord`, masking, and `RequestLog`. Standard library only; the log has
its own lock, since the server writes and tests read.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

# Enough for any test; a demo that runs for days must not grow.
MAX_RECORDS = 200_000
_SECRET_NAMES = frozenset(
    {
        "authorization",
        "x-oss-security-token",
        "security-token",
        "securitytoken",
        "x-acs-security-token",
        "signature",
        "x-oss-signature",
        "accesskeysecret",
        "oidctoken",
        "cookie",
    }
)
MASK = "***"


@dataclass(frozen=True)
class RequestRecord:
    """One request as the emulator saw it."""

    number: int
    """From 1, in the order of arrival."""
    op: str
    """RPC action or OSS operation; "" when it had none."""
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    """Query and form; secret values are masked."""
    headers: Mapping[str, str]
    """Lower-case names; secret values are masked."""
    status: int
    """0: the connection was closed without an answer."""
    code: str
    """Error code, "" for success; Reset, Dropped or IncompleteBody without an answer."""
    body_bytes: int
    """Bytes of the body that arrived."""
    bucket: str = ""
    key: str = ""
    upload_id: str = ""
    part_number: int | None = None
    faults: tuple[str, ...] = ()
    """Names of the injected actions that struck."""
    secure: bool = False
    request_id: str = field(default="")


def masked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return pairs as a dict with secret values replaced."""
    return {name: MASK if name.lower() in _SECRET_NAMES and value else value for name, value in pairs}


class RequestLog:
    """Append and read records."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[RequestRecord] = deque(maxlen=MAX_RECORDS)
        self._count = 0

    def next_number(self) -> int:
        """Count an arrival."""
        with self._lock:
            self._count += 1
            return self._count

    def add(self, record: RequestRecord) -> None:
        """Append."""
        with self._lock:
            self._records.append(record)

    def records(self) -> list[RequestRecord]:
        """Return a copy, oldest answer first."""
        with self._lock:
            return list(self._records)

    def last(self, count: int) -> list[RequestRecord]:
        """Return the newest so many, oldest first."""
        with self._lock:
            newest = list(islice(reversed(self._records), count))
        return newest[::-1]

    def clear(self) -> None:
        """Forget the records; numbers go on."""
        with self._lock:
            self._records.clear()
