"""What the queue's helpers read of `VODUpload`: options and callbacks, as a Protocol. Floor 4; types only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Callback", "Caller"]

Callback = Callable[..., Any]


class Caller(Protocol):
    """The options, plain attributes and callbacks of a queue; `VODUpload` documents each."""

    user_id: str
    region: str
    retry_count: int
    retry_duration: float
    patience_s: float | None
    part_size_bytes: int | None
    parallel: int | None
    max_bandwidth_bytes_per_s: int | None
    timeout_s: float
    skip_uploaded: bool
    endpoint: str | None
    checkpoint_dir: str | None
    profile: str | None
    credentials: Any
    get_auth: Callback | None
    on_upload_started: Callback | None
    on_upload_token_expired: Callback | None
    on_upload_end: Callback | None
