"""What the core tells its listeners: frozen events, each with a sequence number and the file's id.

Floor 0. Delivered by the thread that delivers callbacks, in order per file.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Drained",
    "Event",
    "FileAdded",
    "FileMoved",
    "FileRemoved",
    "Progress",
    "Restarted",
    "RetryScheduled",
    "StateChanged",
    "UploaderStateChanged",
    "Warned",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events.

    Attributes:
        seq: Grows by one with every event of one uploader.
        file_id: The file that it is about; "" for the uploader itself.
    """

    seq: int
    file_id: str


@dataclass(frozen=True, slots=True)
class FileAdded(Event):
    """A file joined the queue."""


@dataclass(frozen=True, slots=True)
class FileMoved(Event):
    """A file has another place in the queue."""


@dataclass(frozen=True, slots=True)
class FileRemoved(Event):
    """A file left the queue."""


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """A file changed its state or phase."""

    state: str
    phase: str


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """Bytes moved.

    Attributes:
        sent_bytes: Given to the socket for this attempt; may fall on a retry.
        accepted_bytes: Acknowledged by the storage.
        total_bytes: Length of the file.
        loaded_percent: Fraction 0..1 that never falls without `Restarted`; 1 only after verification.
    """

    sent_bytes: int
    accepted_bytes: int
    total_bytes: int
    loaded_percent: float


@dataclass(frozen=True, slots=True)
class RetryScheduled(Event):
    """A fault will be tried again.

    Attributes:
        attempt: Number of the attempt that failed, from 1.
        code: Code of the fault.
        message: Its text.
        wait_s: Seconds until the next attempt.
    """

    attempt: int
    code: str
    message: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Restarted(Event):
    """The file begins again at byte 0; progress falls.

    Attributes:
        reason: Stable code of the cause.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """Something that the person should know and that stops nothing.

    Attributes:
        code: Stable code.
        message: One sentence.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class UploaderStateChanged(Event):
    """The queue changed its state."""

    state: str


@dataclass(frozen=True, slots=True)
class Drained(Event):
    """Nothing is left to do; comes once per run, last."""

    succeeded: int
    failed: int
    canceled: int
