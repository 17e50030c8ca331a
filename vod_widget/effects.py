"""What a file's machine wants done, and what it announces: plain values, no behaviour.

An `Effect` is work that a driver performs, answering with a value or an error; the table below says with which value.
A `Note` is news for the callbacks and listeners; it has no answer. Floor 1, pure.

    OpenEntry       Opened              Init            str (upload id)
    CheckSource     str (fingerprint)   SendPart        (RemotePart, int: our CRC)
    HashParts       tuple[int, ...]     SendObject      (ObjectInfo, int: our CRC, str: fingerprint after it)
    SaveCheckpoint  None                ListParts       PartsPage
    CloseEntry      None                Complete        ObjectInfo
    AskApp          Grant, UploadAuth,  Head            ObjectInfo or None
                    Credentials, None   Abort           None
    GetAuth         Grant               ListUploads     tuple[str, ...] (upload ids)
    CreateVideo     Grant               FindVideo       VideoStatus or None
    RefreshVideo    Grant               CreateCover     Grant
    CreateImage     Grant               PutCover        str (URL)
                                        Timer           None, when the time has come
    SavePart, StopSending, Wake         no answer
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from .errors import VODError
from .model import Checkpoint, Credentials, Grant, Part

__all__ = [
    "WITH_BYTES",
    "Abort",
    "AskApp",
    "AuthKind",
    "Canceled",
    "CheckSource",
    "CloseEntry",
    "Closing",
    "Complete",
    "CreateCover",
    "CreateImage",
    "CreateVideo",
    "Effect",
    "Failed",
    "FindVideo",
    "GetAuth",
    "HashParts",
    "Head",
    "Init",
    "ListParts",
    "ListUploads",
    "Note",
    "OpenEntry",
    "Opened",
    "PartAccepted",
    "PutCover",
    "RefreshVideo",
    "RestartedNote",
    "RetryNote",
    "SaveCheckpoint",
    "SavePart",
    "SendObject",
    "SendPart",
    "StopSending",
    "Succeeded",
    "Timer",
    "Wake",
    "Warned",
]


class Effect:
    """Base of the work that a machine asks for."""

    __slots__ = ()


class AuthKind(enum.StrEnum):
    """`context.kind` of `get_auth`; the vendor's newer SDKs use these words."""

    CREATE_VIDEO = "create-video"
    REFRESH_VIDEO = "refresh-video"
    CREATE_IMAGE = "create-image"
    CREATE_ATTACHED_MEDIA = "create-attached-media"


class Closing(enum.Enum):
    """How a journal entry is let go."""

    FINISH = "done, found again by skip_uploaded"
    DISCARD = "forgotten"
    RELEASE = "kept for later"


@dataclass(frozen=True, slots=True)
class Opened:
    """Answer of `OpenEntry`.

    Attributes:
        fingerprint: The source now.
        size_bytes: Its length now.
        checkpoint: What an earlier run left, or None.
        finished: Result of a finished entry with its "fingerprint", or None.
        finished_at_s: When it was, Unix time; 0 while nobody asked.
        fingerprint_is_strong: False when the same fingerprint does not prove the same bytes.
    """

    fingerprint: str
    size_bytes: int
    checkpoint: Checkpoint | None = None
    finished: dict[str, Any] | None = None
    finished_at_s: float = 0.0
    fingerprint_is_strong: bool = True


@dataclass(frozen=True, slots=True)
class OpenEntry(Effect):
    """Take the journal entry and look at the source.

    Attributes:
        needs_source: False when parts are only to be removed, for which the source may be gone.
    """

    needs_source: bool = True


@dataclass(frozen=True, slots=True)
class CheckSource(Effect):
    """Look at the source again."""


@dataclass(frozen=True, slots=True)
class HashParts(Effect):
    """Read these ranges of the source and sum them."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class SaveCheckpoint(Effect):
    """Write the checkpoint; the next effect waits until it is written."""

    checkpoint: Checkpoint
    durable: bool


@dataclass(frozen=True, slots=True)
class SavePart(Effect):
    """Append one acknowledged part; nothing waits for it."""

    part: Part
    upload_id: str


@dataclass(frozen=True, slots=True)
class CloseEntry(Effect):
    """Let the journal entry go."""

    how: Closing
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AskApp(Effect):
    """Fire on_upload_started, or on_upload_token_expired when `expired`, and take the application's answer."""

    expired: VODError | None = None


@dataclass(frozen=True, slots=True)
class GetAuth(Effect):
    """Call `get_auth`."""

    kind: AuthKind
    media_id: str
    reference_id: str


@dataclass(frozen=True, slots=True)
class CreateVideo(Effect):
    """CreateUploadVideo; `credentials` None means the queue's own."""

    reference_id: str
    credentials: Credentials | None
    cover_url: str | None = None


@dataclass(frozen=True, slots=True)
class FindVideo(Effect):
    """GetVideoInfo by one of the two ids."""

    video_id: str
    reference_id: str
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class RefreshVideo(Effect):
    """RefreshUploadVideo."""

    video_id: str
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class CreateImage(Effect):
    """CreateUploadImage."""

    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class CreateCover(Effect):
    """CreateUploadImage, or `get_auth`, for the cover."""

    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class PutCover(Effect):
    """PutObject of the cover; answers its URL. Broken by `StopSending`."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class SendObject(Effect):
    """PutObject of the whole file."""

    grant: Grant
    part: Part


@dataclass(frozen=True, slots=True)
class Init(Effect):
    """InitiateMultipartUpload."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class SendPart(Effect):
    """UploadPart."""

    grant: Grant
    upload_id: str
    part: Part


WITH_BYTES = (SendPart, SendObject)
"""For `isinstance`: a union of the two is made anew at each look, and takes three times as long to ask."""


@dataclass(frozen=True, slots=True)
class ListParts(Effect):
    """One page of ListParts: what follows part `after`."""

    grant: Grant
    upload_id: str
    after: int = 0


@dataclass(frozen=True, slots=True)
class ListUploads(Effect):
    """ListMultipartUploads: the unfinished uploads of this very object."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Complete(Effect):
    """CompleteMultipartUpload."""

    grant: Grant
    upload_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Head(Effect):
    """HeadObject."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Abort(Effect):
    """AbortMultipartUpload."""

    grant: Grant
    upload_id: str


@dataclass(frozen=True, slots=True)
class Timer(Effect):
    """Answer after so many seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Wake(Effect):
    """Ask the machine for transfers again after so many seconds; no answer."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class StopSending(Effect):
    """Break the requests of this file that carry bytes; no answer, each of them answers by itself."""


class Note:
    """Base of the news of a machine."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PartAccepted(Note):
    """The storage acknowledged bytes."""


@dataclass(frozen=True, slots=True)
class Succeeded(Note):
    """Stored and verified; the last note of a file."""


@dataclass(frozen=True, slots=True)
class Failed(Note):
    """No retry cures it.

    Attributes:
        error: Why.
        is_common: Whether every other file that the queue's own keys are for would fail alike.
    """

    error: VODError
    is_common: bool = False


@dataclass(frozen=True, slots=True)
class Canceled(Note):
    """The person gave up."""


@dataclass(frozen=True, slots=True)
class RetryNote(Note):
    """A fault will be tried again."""

    attempt: int
    error: VODError
    wait_s: float


@dataclass(frozen=True, slots=True)
class RestartedNote(Note):
    """The file begins again at byte 0."""

    reason: str


@dataclass(frozen=True, slots=True)
class Warned(Note):
    """The person should know; nothing stops."""

    code: str
    message: str
