"""The two state tables, of a file and of the queue, and what a person may do in each state.

Rules of this file: everything about transitions lives here; a pair that is not in a table is illegal, raises, and
changes nothing. The tables also grey the buttons and draw the picture in the documentation. Floor 1, pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from .errors import InvalidStateError
from .model import Phase, UploaderState, UploadState

__all__ = [
    "FILE_TABLE",
    "UPLOADER_TABLE",
    "FileEvent",
    "UploaderEvent",
    "actions",
    "next_file_state",
    "next_uploader_state",
]


class FileEvent(enum.Enum):
    """What can happen to one file."""

    START = "its turn came"
    SUCCEED = "stored and verified"
    FAIL = "a fault that no retry cures"
    EXPIRE = "the caller must give new credentials"
    AUTHORIZE = "the caller gave new credentials"
    CANCEL = "the person gave up"
    STOP = "the queue was halted"
    PAUSE = "the person keeps it for later"
    RESUME = "the person wants it again"
    REQUEUE = "the queue was started again"


class UploaderEvent(enum.Enum):
    """What can happen to the queue."""

    START = "start_upload"
    STOP = "stop_upload"
    EXPIRE = "nothing can run until new credentials come"
    AUTHORIZE = "new credentials came"
    DRAIN = "nothing is left to do"


_S, _F = UploadState, FileEvent

FILE_TABLE: Mapping[tuple[UploadState, FileEvent], UploadState] = MappingProxyType(
    {
        (_S.READY, _F.START): _S.UPLOADING,
        (_S.READY, _F.CANCEL): _S.CANCELED,
        (_S.READY, _F.PAUSE): _S.STOPPED,
        (_S.READY, _F.FAIL): _S.FAILURE,
        (_S.UPLOADING, _F.SUCCEED): _S.SUCCESS,
        (_S.UPLOADING, _F.FAIL): _S.FAILURE,
        (_S.UPLOADING, _F.EXPIRE): _S.EXPIRED,
        (_S.UPLOADING, _F.CANCEL): _S.CANCELED,
        (_S.UPLOADING, _F.STOP): _S.STOPPED,
        (_S.UPLOADING, _F.PAUSE): _S.STOPPED,
        (_S.EXPIRED, _F.AUTHORIZE): _S.UPLOADING,
        (_S.EXPIRED, _F.FAIL): _S.FAILURE,
        (_S.EXPIRED, _F.CANCEL): _S.CANCELED,
        (_S.EXPIRED, _F.STOP): _S.STOPPED,
        (_S.EXPIRED, _F.PAUSE): _S.STOPPED,
        (_S.FAILURE, _F.CANCEL): _S.CANCELED,
        (_S.FAILURE, _F.RESUME): _S.READY,
        (_S.FAILURE, _F.REQUEUE): _S.READY,
        (_S.STOPPED, _F.CANCEL): _S.CANCELED,
        (_S.STOPPED, _F.RESUME): _S.READY,
        (_S.STOPPED, _F.REQUEUE): _S.READY,
        (_S.CANCELED, _F.RESUME): _S.READY,
    }
)

_U, _E = UploaderState, UploaderEvent

UPLOADER_TABLE: Mapping[tuple[UploaderState, UploaderEvent], UploaderState] = MappingProxyType(
    {
        (_U.INIT, _E.START): _U.START,
        (_U.STOP, _E.START): _U.START,
        (_U.END, _E.START): _U.START,
        (_U.START, _E.STOP): _U.STOP,
        (_U.START, _E.EXPIRE): _U.EXPIRE,
        (_U.START, _E.DRAIN): _U.END,
        (_U.EXPIRE, _E.AUTHORIZE): _U.START,
        (_U.EXPIRE, _E.STOP): _U.STOP,
        (_U.EXPIRE, _E.DRAIN): _U.END,
    }
)

LEFT_TO_DO = frozenset({_S.READY, _S.UPLOADING, _S.EXPIRED})
"""A queue with a file in one of these has not ended."""


def next_file_state(state: UploadState, event: FileEvent) -> UploadState:
    """Return the state after `event`; raise `InvalidStateError` when the table has no such pair."""
    try:
        return FILE_TABLE[state, event]
    except KeyError:
        raise InvalidStateError(f"{event.name.lower()} is not possible in state {state}") from None


def next_uploader_state(state: UploaderState, event: UploaderEvent) -> UploaderState:
    """Return the state after `event`; raise `InvalidStateError` when the table has no such pair."""
    try:
        return UPLOADER_TABLE[state, event]
    except KeyError:
        raise InvalidStateError(f"{event.name.lower()} is not possible in state {state}") from None


def actions(state: UploadState, phase: Phase) -> frozenset[str]:
    """Return the buttons of a row: `cancel`, `pause`, `resume`, `retry`, `remove`."""
    if state in {_S.UPLOADING, _S.EXPIRED}:
        busy = {"cancel", "pause"}
        return frozenset(busy | {"retry"} if phase is Phase.WAITING else busy)
    return {
        _S.READY: frozenset({"remove"}),
        _S.SUCCESS: frozenset({"remove"}),
        _S.FAILURE: frozenset({"retry", "remove"}),
        _S.CANCELED: frozenset({"resume", "remove"}),
        # Cancel gives up what was sent and keeps the row; Remove takes the row, too.
        _S.STOPPED: frozenset({"resume", "cancel", "remove"}),
    }[state]
