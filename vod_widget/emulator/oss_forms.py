"""PostObject: a browser's form with a file in it.

What lives here: `FormReader`, which takes the body block by block and gives the file's bytes, and
`judge`, which reads the policy. It imports `errors`, `signatures`, `oss_auth`; used under the
lock of `Cloud`.

Theory: fields come first and are small, the file is the last one and may be large. When its
first byte arrives, everything but its length is known, so the policy is judged then and a bad
form is refused before anything is stored.

Source: OSS "PostObject" (fields, policy, errors), "Limits" (key 8 KB, value 2 MB).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from time import strptime
from typing import Any

from vod_widget.emulator import signatures, strict_json
from vod_widget.emulator.errors import OssError, access_denied, oss_invalid_argument

MAX_NAME_BYTES = 8 << 10
MAX_VALUE_BYTES = 2 << 20
_V1_FIELDS = ("ossaccesskeyid", "policy", "signature")
_V4_FIELDS = ("x-oss-credential", "x-oss-date", "policy", "x-oss-signature")
_EXPIRATION = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,3})?Z")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart/form-data body.

    Raises:
        OssError: RequestIsNotMultiPartContent.
    """
    message = Message()
    message["Content-Type"] = content_type
    found = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not isinstance(found, str) or not found:
        raise OssError(
            400, "RequestIsNotMultiPartContent", "Bucket POST must be of the enclosure-type multipart/form-data."
        )
    return found.encode("latin-1", "replace")


class FormReader:
    """Read a form incrementally.

    Args:
        boundary: From Content-Type.
        on_file: Called with the fields when the file begins; may raise OssError.
    """

    def __init__(self, boundary: bytes, on_file: Callable[[FormReader], None]) -> None:
        self._mark = b"\r\n--" + boundary
        self._on_file = on_file
        # A CRLF in front makes the first boundary like all others.
        self._data = bytearray(b"\r\n")
        self._state = "preamble"
        self._name = ""
        self.fields: dict[str, str] = {}
        """Lower-case names."""
        self.file_name = ""
        self.file_type = ""
        self.has_file = False

    def feed(self, block: bytes) -> bytes:
        """Take bytes of the body; return bytes of the file.

        Raises:
            OssError: The form is not well-formed, or `on_file` refused it.
        """
        self._data += block
        file_bytes = bytearray()
        while self._step(file_bytes):
            pass
        return bytes(file_bytes)

    def close(self) -> None:
        """Say that the body has ended.

        Raises:
            OssError: It ended too early, or had no file.
        """
        if self._state != "end":
            raise _malformed()
        if not self.has_file:
            raise _one_file()

    def _step(self, file_bytes: bytearray) -> bool:
        """Use up one item of the data; False: more is needed."""
        match self._state:
            case "end":
                self._data.clear()
                return False
            case "preamble":
                return self._until_mark(None, "after-mark")
            case "after-mark":
                return self._after_mark()
            case "head":
                return self._head()
            case "file":
                return self._until_mark(file_bytes, "after-mark")
            case _:
                return self._value()

    def _until_mark(self, kept: bytearray | None, following: str) -> bool:
        at = self._data.find(self._mark)
        # What cannot be the beginning of a mark any more is free to go.
        free = at if at >= 0 else max(len(self._data) - len(self._mark) + 1, 0)
        if kept is not None:
            kept += self._data[:free]
        del self._data[:free]
        if at < 0:
            return False
        del self._data[: len(self._mark)]
        self._state = following
        return True

    def _after_mark(self) -> bool:
        if len(self._data) < 2:
            return False
        sign = bytes(self._data[:2])
        if sign == b"--":
            self._state = "end"
        elif sign == b"\r\n":
            self._state = "head"  # the CRLF stays: a head without a line is found like any other
        else:
            raise _malformed()
        return True

    def _head(self) -> bool:
        at = self._data.find(b"\r\n\r\n")
        if at < 0:
            if len(self._data) > MAX_NAME_BYTES + 1024:
                raise _too_long()
            return False
        head = bytes(self._data[2:at]).decode("utf-8", "surrogateescape")
        del self._data[: at + 4]
        message = Message()
        for line in head.split("\r\n"):
            name, _, value = line.partition(":")
            message[name.strip()] = value.strip()
        found = message.get_param("name", header="content-disposition")
        if not isinstance(found, str):
            raise _malformed()
        if len(found) > MAX_NAME_BYTES:
            raise _too_long()
        if self.has_file:
            raise (
                _one_file()
                if found.lower() == "file"
                else oss_invalid_argument("The file must be the last field of the form.", name=found, value="")
            )
        self._name = found.lower()
        self._state = "value"
        if self._name == "file":
            chosen = message.get_param("filename", header="content-disposition")
            self.file_name = chosen if isinstance(chosen, str) else ""
            self.file_type = str(message["content-type"] or "")
            self.has_file = True
            self._state = "file"
            self._on_file(self)
        return True

    def _value(self) -> bool:
        at = self._data.find(self._mark)
        if max(at, len(self._data) - len(self._mark)) > MAX_VALUE_BYTES:
            raise _too_long()
        if at < 0:
            return False
        value = bytes(self._data[:at]).decode("utf-8", "surrogateescape")
        del self._data[: at + len(self._mark)]
        if self._name in self.fields:
            raise oss_invalid_argument("A field is there more than once.", name=self._name, value="")
        self.fields[self._name] = value
        self._state = "after-mark"
        return True


def _malformed() -> OssError:
    return OssError(
        400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
    )


def _too_long() -> OssError:
    return OssError(400, "FieldItemTooLong", "Your post form fields size is too long.")


def _one_file() -> OssError:
    return OssError(400, "IncorrectNumberOfFilesInPOSTRequest", "POST requires exactly one file upload per request.")


# --- signature and policy ----------------------------------------------------------------


@dataclass(frozen=True)
class FormSignature:
    """Who says that he signed the policy, and how."""

    access_key_id: str
    security_token: str
    given: str
    scope: str = ""
    """V4 only: date/region/oss/aliyun_v4_request."""
    date: str = ""

    def expected(self, secret: str, policy: str) -> str:
        """Return the signature that the key's owner would have made."""
        if self.scope:
            return signatures.oss_v4_signature(secret, self.scope, policy)
        return signatures.oss_v1_signature(secret, policy)


def signature_of(fields: Mapping[str, str]) -> FormSignature:
    """Find the signature of a form.

    Raises:
        OssError: 403 without any (the buckets are private), 400 when only a part of it is there.
    """
    token = fields.get("x-oss-security-token", "")
    if "x-oss-signature" in fields or "x-oss-credential" in fields:
        _require(fields, _V4_FIELDS)
        if fields.get("x-oss-signature-version") != signatures.V4_ALGORITHM:
            raise oss_invalid_argument("Invalid signature version.", name="x-oss-signature-version", value="")
        key_id, _, scope = fields["x-oss-credential"].partition("/")
        return FormSignature(key_id, token, fields["x-oss-signature"], scope, fields["x-oss-date"])
    if not any(name in fields for name in _V1_FIELDS):
        raise access_denied("You have no right to access this object because of bucket acl.")
    _require(fields, _V1_FIELDS)
    return FormSignature(fields["ossaccesskeyid"], token, fields["signature"])


def _require(fields: Mapping[str, str], names: tuple[str, ...]) -> None:
    for name in names:
        if not fields.get(name):
            raise oss_invalid_argument(f"Bucket POST must contain a field named '{name}'.", name=name, value="")


@dataclass(frozen=True)
class PostPolicy:
    """A policy whose conditions on fields hold; the length is judged when it is known."""

    min_bytes: int = 0
    max_bytes: int | None = None

    def check_length(self, size_bytes: int) -> None:
        """Raise EntityTooSmall or EntityTooLarge when the file is outside of the range."""
        if size_bytes < self.min_bytes:
            raise OssError(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size.",
                extras={"ProposedSize": str(size_bytes), "MinSizeAllowed": str(self.min_bytes)},
            )
        if self.max_bytes is not None and size_bytes > self.max_bytes:
            raise OssError(
                400,
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size.",
                extras={"ProposedSize": str(size_bytes), "MaxSizeAllowed": str(self.max_bytes)},
            )


def judge(policy: str, fields: Mapping[str, str], bucket: str, now_s: float) -> PostPolicy:
    """Read a policy and hold the form against it.

    Args:
        policy: Base64, as in the form.
        fields: The form; lower-case names, with `key` as it will be stored.
        bucket: The bucket of the request; a form cannot lie about it.
        now_s: Wall clock.

    Raises:
        OssError: InvalidPolicyDocument, or AccessDenied when it expired or a condition fails.
    """
    try:
        document = strict_json.loads(base64.b64decode(policy, validate=True).decode("utf-8"))
    except (ValueError, binascii.Error) as exc:
        raise _bad_policy("not base64 of JSON") from exc
    if not isinstance(document, dict):
        raise _bad_policy("not a JSON object")
    _check_expiration(document.get("expiration"), now_s)
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _bad_policy("conditions must be a list")
    values = {**fields, "bucket": bucket}
    low, high = 0, None
    for condition in conditions:
        if isinstance(condition, list) and condition[:1] == ["content-length-range"]:
            low, high = _length_range(condition)
        elif not _holds(condition, values):
            text = json.dumps(condition, ensure_ascii=True)
            raise access_denied(f"Invalid according to Policy: Policy Condition failed: {text}")
    return PostPolicy(low, high)


def _check_expiration(text: Any, now_s: float) -> None:
    found = _EXPIRATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise _bad_policy("expiration must be like 2026-01-31T23:59:59.000Z")
    try:
        expires_s = timegm(strptime(found[1], "%Y-%m-%dT%H:%M:%S"))
    except ValueError as exc:
        raise _bad_policy("expiration is no date") from exc
    if now_s > expires_s:
        raise access_denied("Invalid according to Policy: Policy expired.")


def _length_range(condition: list[Any]) -> tuple[int, int]:
    match condition:
        case [_, int(low), int(high)] if 0 <= low <= high:
            return low, high
        case _:
            raise _bad_policy("content-length-range takes two numbers")


def _holds(condition: Any, values: Mapping[str, str]) -> bool:
    match condition:
        case dict() if condition:
            return all(values.get(str(name).lower()) == value for name, value in condition.items())
        case [str(word), str(name), expected] if name.startswith("$"):
            actual = values.get(name[1:].lower())
            match word.lower(), expected:
                case "eq", str():
                    return actual == expected
                case "starts-with", str():
                    return (actual or "").startswith(expected)
                case "in", list():
                    return actual in expected
                case "not-in", list():
                    return actual not in expected
    raise _bad_policy("a condition is not understood")


def _bad_policy(why: str) -> OssError:
    return OssError(400, "InvalidPolicyDocument", f"Invalid Policy: {why}.")
