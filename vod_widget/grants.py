"""Who may send, and where: keys, the upload credential of one file, the place of its object.

Frozen values only, shared by any threads; the secrets in them show nothing. `model` gives these words on. Floor 0:
imports `errors`, `secret` and `instants`, does no I/O.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from .errors import CredentialError, InvalidArgumentError
from .instants import unix_s
from .secret import Secret, mask

__all__ = ["Credentials", "Grant", "UploadAddress", "UploadAuth"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an account or of a role, as the vendor names them.

    Attributes:
        access_key_id: The id; shown masked only.
        access_key_secret: The secret key.
        security_token: Token of a temporary key, or None.
        expires_at_s: Unix time at which a temporary key ends, or None when unknown.
        place: Where it was found, in words ("environment", "inline", a file); for display.
    """

    access_key_id: str
    access_key_secret: Secret
    security_token: Secret | None = None
    expires_at_s: float | None = None
    place: str = "inline"

    def __init__(
        self,
        access_key_id: str,
        access_key_secret: Secret | str,
        security_token: Secret | str | None = None,
        expires_at_s: float | None = None,
        place: str = "inline",
    ) -> None:
        problem = ""
        if not isinstance(access_key_id, str) or not access_key_id.strip():
            problem = "access_key_id is empty"
        elif not _holds_text(access_key_secret):
            problem = "access_key_secret is empty"
        elif security_token and not _holds_text(security_token):
            problem = "security_token is not a text"
        if problem:
            # A traceback that shows local variables must not show a key.
            del access_key_id, access_key_secret, security_token
            raise InvalidArgumentError(problem, code="Auth.Incomplete")
        put = object.__setattr__
        put(self, "access_key_id", access_key_id.strip())
        put(self, "access_key_secret", _secret(access_key_secret))
        put(self, "security_token", _secret(security_token) if security_token else None)
        put(self, "expires_at_s", expires_at_s)
        put(self, "place", place)

    @property
    def masked_id(self) -> str:
        """The id as it may be shown."""
        return mask(self.access_key_id)

    def __repr__(self) -> str:
        kind = "temporary" if self.security_token else "long-lived"
        return f"Credentials({self.masked_id}, {kind}, from {self.place})"


def _holds_text(value: object) -> bool:
    return isinstance(value, Secret) or (isinstance(value, str) and bool(value.strip()))


def _secret(value: Secret | str) -> Secret:
    return value if isinstance(value, Secret) else Secret(value.strip())


@dataclass(frozen=True, slots=True)
class UploadAuth:
    """The decoded temporary credential of one media file.

    Attributes:
        credentials: The STS key and token.
        expires_at_s: Unix time at which it ends.
        issued_at_s: Unix time at which we got it; with `expires_at_s` it gives the life.
        region: Region that the service states, or None.
    """

    credentials: Credentials
    expires_at_s: float
    issued_at_s: float
    region: str | None = None

    @classmethod
    def decode(cls, text: str, *, now_s: float) -> UploadAuth:
        """Decode the base64 JSON of an UploadAuth.

        Args:
            text: The string that the service gave.
            now_s: Unix time of now, to turn a duration into an instant.

        Raises:
            CredentialError: Not base64, not JSON, or a field is missing; the text names the field, never a value.

        Source: https://www.alibabacloud.com/help/en/vod/user-guide/upload-urls-and-credentials, read 2026-11.
            `Expiration` is a duration in seconds as a text; `ExpireUTCTime` is the instant and wins.
        """
        data, problem = _decode_object(text)
        missing = [
            name for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration") if not data.get(name)
        ]
        expires_at_s = _instant(data, now_s) if not problem and not missing else None
        if not problem and missing:
            problem = f"lacks {', '.join(missing)}"
        elif not problem and expires_at_s is None:
            problem = "states no readable expiry"
        if problem or expires_at_s is None:
            # A traceback that shows local variables must not show a key.
            del text, data
            raise _not_decoded("UploadAuth", problem)
        return cls(
            credentials=Credentials(
                str(data["AccessKeyId"]),
                str(data["AccessKeySecret"]),
                str(data["SecurityToken"]),
                expires_at_s=expires_at_s,
                place="upload auth",
            ),
            expires_at_s=expires_at_s,
            issued_at_s=now_s,
            region=str(data["Region"]) if data.get("Region") else None,
        )


def _instant(data: dict[str, Any], now_s: float) -> float | None:
    utc = unix_s(str(data.get("ExpireUTCTime") or ""))
    if utc is not None:
        return utc
    raw = str(data["Expiration"])
    try:
        return now_s + float(raw)
    except ValueError:
        return unix_s(raw)


def _decode_object(text: str) -> tuple[dict[str, Any], str]:
    """Decode base64 of a JSON object; the problem in words instead of an error, whose frames would hold the text."""
    if not isinstance(text, str) or not text.strip():
        return {}, "is empty"
    try:
        data = json.loads(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        data = None
    return (data, "") if isinstance(data, dict) else ({}, "is not base64 of a JSON object")


def _not_decoded(what: str, problem: str) -> CredentialError:
    return CredentialError(
        f"the {what} {problem}",
        code="InvalidUploadAuth",
        hint=f"Pass the {what} exactly as ApsaraVideo VOD returned it.",
    )


@dataclass(frozen=True, slots=True)
class UploadAddress:
    """The decoded place of one object.

    Attributes:
        endpoint: Scheme and host of the storage, without the bucket.
        bucket: Bucket name.
        object: Object key.
    """

    endpoint: str
    bucket: str
    object: str

    @classmethod
    def decode(cls, text: str) -> UploadAddress:
        """Decode the base64 JSON of an UploadAddress.

        Raises:
            CredentialError: Not base64, not JSON, or a field is missing.
        """
        data, problem = _decode_object(text)
        missing = [n for n in ("Endpoint", "Bucket", "FileName") if not data.get(n)]
        if problem or missing:
            del text, data  # somebody may have passed an UploadAuth here
            raise _not_decoded("UploadAddress", problem or f"lacks {', '.join(missing)}")
        return cls(str(data["Endpoint"]), str(data["Bucket"]), str(data["FileName"]))


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to send one file: who, where, and which asset it becomes.

    Attributes:
        auth: The temporary credential.
        address: The place of the object.
        media_id: VideoId, or ImageId for an image.
        image_url: ImageURL of an image, else None.
        request_id: RequestId of the answer that gave it, else None.
    """

    auth: UploadAuth
    address: UploadAddress
    media_id: str
    image_url: str | None = None
    request_id: str | None = None
