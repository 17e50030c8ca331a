"""Words of the machine: its job, its control flow, and the constants that its steps share. Floor 1, pure."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from vod_widget import effects as fx
from vod_widget.errors import VODError
from vod_widget.model import MediaType, ObjectInfo, UploadMetadata

__all__ = [
    "ABORT_PATIENCE_S",
    "ABORT_TRIES",
    "COUNT_AS_PROGRESS",
    "DAMAGES_MAX",
    "IMAGE_CREATES_MAX",
    "NOT_ABANDONED",
    "UNPROVEN_ROUNDS",
    "Drained",
    "Found",
    "Interrupted",
    "Job",
    "Out",
    "Parked",
    "RenewAhead",
    "Restart",
    "Steps",
    "as_error",
]

Steps = Generator[fx.Effect | fx.Note, Any, Any]
Out = fx.Note | tuple[int, fx.Effect]

NOT_ABANDONED = (
    fx.CreateVideo,
    fx.RefreshVideo,
    fx.CreateImage,
    fx.GetAuth,
    fx.CreateCover,
    fx.PutCover,
    fx.Init,
    fx.Complete,
    fx.Abort,
    fx.OpenEntry,
    fx.SaveCheckpoint,
    fx.CloseEntry,
)
"""Effects whose outcome must be known before anything else is done with the file: each leaves something behind."""

COUNT_AS_PROGRESS = (
    fx.CreateVideo,
    fx.RefreshVideo,
    fx.CreateImage,
    fx.GetAuth,
    fx.CreateCover,
    fx.PutCover,
    fx.Init,
    fx.ListParts,
)
"""A good answer to one of these ends a streak of faults. Head and FindVideo are not here: they are asked between two
tries of the same call, which would then be tried for ever."""

ABORT_TRIES = 3
"""Tries to remove parts before anything else is done with the file."""

ABORT_PATIENCE_S = 900.0
"""With patience, the longest for which the parts of a file that was given up are tried to be removed after that."""

IMAGE_CREATES_MAX = 2

DAMAGES_MAX = 3
"""Times that one part is sent again because it arrived damaged; the success of others changes nothing."""

UNPROVEN_ROUNDS = 3
"""Times that parts whose answers had no sum are sent again because the list of parts shows another one."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the machine must know of one file; fixed for its life.

    Attributes:
        file_id: Our id.
        name: File name.
        size_bytes: Length, >= 1.
        media_type: Kind of asset.
        source_id: Stable identity of the source.
        destination: Account and region, as the journal names them.
        metadata: Checked metadata.
        reference_id: The caller's idempotency key, or "" to draw one.
        cheap_reads: Whether a resumed part may be read and hashed again.
        has_cover: Whether a cover must be uploaded before the asset is created.
        part_size_bytes: Exact part size, or None.
        first_part_bytes: Size to begin with where none is exact; a file up to it is one request. None: the usual.
        lanes: Most parts that may be on their way at a time, or None.
        skip_uploaded: Whether a finished entry with the same fingerprint ends the file at once.
        wanted_since_s: The same for one that was finished after this Unix time; None: never.
        asks_app: Whether the application wants to hear of the file before it begins, or alone gives authority.
        get_auth: Whether `get_auth` is set.
        own_authority: Whether the queue has credentials of its own.
        loopback_allowed: Whether plain http to loopback is allowed.
        endpoint: Override of the storage's endpoint, or None.
        bucket: Override, or None.
        object: Override, or None.
        profile: Name of the profile, for the journal.
    """

    file_id: str
    name: str
    size_bytes: int
    media_type: MediaType
    source_id: str
    destination: str
    metadata: UploadMetadata
    reference_id: str = ""
    cheap_reads: bool = True
    has_cover: bool = False
    part_size_bytes: int | None = None
    first_part_bytes: int | None = None
    lanes: int | None = None
    skip_uploaded: bool = False
    wanted_since_s: float | None = None
    asks_app: bool = True
    get_auth: bool = False
    own_authority: bool = False
    loopback_allowed: bool = False
    endpoint: str | None = None
    bucket: str | None = None
    object: str | None = None
    profile: str = ""


class Interrupted(BaseException):  # never leaves this module
    """The person wants something else."""


class Restart(Exception):  # never leaves this module
    """The object must be begun again; `is_said` when the person was told already."""

    def __init__(self, reason: str, last: VODError | None = None, *, is_said: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last = last
        self.is_said = is_said


class Parked(fx.Effect):
    """Wait until the board is done, or until something is thrown."""


class Drained(fx.Effect):
    """Wait until nothing is in flight."""


def as_error(raised: Exception) -> VODError:
    """Turn a mistake of ours into a failure of the file, without the text, which nobody has checked for secrets."""
    return VODError(f"an internal error ({type(raised).__name__})")


class RenewAhead(VODError):
    """80 % of the credential's life has passed."""


class Found(Exception):
    """The object is complete already."""

    def __init__(self, info: ObjectInfo) -> None:
        super().__init__()
        self.info = info
