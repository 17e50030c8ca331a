"""Small checks of what callers pass to `VODUpload`. Floor 4, pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from .errors import InvalidArgumentError
from .model import Credentials

__all__ = ["checked_reference", "sts_keys"]

_REFERENCE = re.compile(r"[A-Za-z0-9_-]{6,64}")


def checked_reference(reference_id: str | None, name: str) -> str:
    """Source: CreateUploadVideo, ReferenceId: 6 to 64 of letters, digits, - and _, unique for the account."""
    if reference_id is None:
        return ""
    if not isinstance(reference_id, str) or not _REFERENCE.fullmatch(reference_id):
        raise InvalidArgumentError(
            "reference_id must have 6 to 64 letters, digits, - or _", code="Option", file_name=name
        )
    return reference_id


def _instant(value: Any) -> float | None:
    """Read the vendor's expireTime: Unix seconds or milliseconds, or ISO text in UTC."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.timestamp()
    try:
        number = float(value)
    except (TypeError, ValueError):
        try:
            return _utc(datetime.fromisoformat(str(value))).timestamp()
        except ValueError:
            raise InvalidArgumentError("expire_time must be Unix seconds or ISO text in UTC") from None
    return number / 1000 if number > 1e11 else number


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def sts_keys(key_id: str, key_secret: str, token: str, expire_time: Any) -> Credentials:
    """Make credentials of an STS token's parts.

    Raises:
        InvalidArgumentError: A part is missing; the text names it, never a value.
    """
    given = (("access_key_id", key_id), ("access_key_secret", key_secret), ("security_token", token))
    missing = [name for name, value in given if not isinstance(value, str) or not value.strip()]
    if missing:
        del key_id, key_secret, token, given
        raise InvalidArgumentError(f"{missing[0]} is empty", code="Auth.Incomplete")
    return Credentials(key_id, key_secret, token, _instant(expire_time), place="STS token")
