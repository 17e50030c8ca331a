"""What a refusal of the object storage means: its codes as one table.

Base of floor 2, used by `oss.py` alone; imports floor 0, `_http` and `_http_faults`; no I/O, any thread. The answer is
read here, not by oss2: oss2 cuts the body at 4,096 bytes, and a SignatureDoesNotMatch that echoes a token is longer.
Source: https://www.alibabacloud.com/help/en/oss/developer-reference/error-responses and the EC pages, read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
from xml.etree.ElementTree import Element

from ._answer import Answer
from ._http_faults import clean, date_s, parse_xml, retry_after_s
from .errors import (
    AccessDeniedError,
    AuthExpiredError,
    ClockSkewError,
    ConnectionLostError,
    IntegrityError,
    KeysRefusedError,
    NoSuchUploadError,
    NotFoundError,
    RequestRefusedError,
    RequestTimeoutError,
    ServerFaultError,
    ServiceError,
    ThrottledError,
    UnexpectedAnswerError,
    VODError,
)
from .instants import unix_s

__all__ = ["storage_error", "unexpected"]

_REFUSALS: dict[str, tuple[type[ServiceError], str | None]] = {
    # code of the storage: (our class, our code where the fault matrix has one of its own)
    "SecurityTokenExpired": (AuthExpiredError, None),
    "AccessDenied": (AccessDeniedError, None),
    "InvalidAccessKeyId": (KeysRefusedError, None),  # with a token: expired, see below
    "InvalidSecurityToken": (KeysRefusedError, None),
    "AccessKeyIdAndSecurityTokenNotMatch": (KeysRefusedError, None),
    "SecurityTokenNotSupported": (KeysRefusedError, None),
    "SignatureDoesNotMatch": (KeysRefusedError, None),
    "UserDisable": (AccessDeniedError, None),
    "NoSuchUpload": (NoSuchUploadError, None),
    "NoSuchKey": (NotFoundError, None),
    "NoSuchBucket": (NotFoundError, "Bucket"),
    "InvalidPart": (RequestRefusedError, "Parts"),
    "InvalidPartOrder": (RequestRefusedError, "Parts"),
    "EntityTooSmall": (RequestRefusedError, "Parts"),
}
_DAMAGED = frozenset({"InvalidDigest", "InvalidCRC64", "BadDigest"})
_EC_CODES = {
    # A refused HEAD has no body, and its x-oss-err may be missing; x-oss-ec still tells these apart.
    "0002-00000007": "SecurityTokenExpired",
    "0002-00000002": "InvalidAccessKeyId",
    "0002-00000006": "InvalidSecurityToken",
}
_BUCKET_HINT = "Check the storage of the ApsaraVideo VOD account, then get a new upload address."


def storage_error(what: str, answer: Answer, *, now_s: float, has_token: bool) -> VODError:
    """Map an answer that is not the expected success.

    Args:
        what: The operation.
        answer: The answer.
        now_s: Unix time, to understand a Retry-After date.
        has_token: True when the request was signed with a temporary key.
    """
    status = answer.status
    headers = answer.headers
    details = _details(answer)
    code = details.findtext("Code", "").strip() if details is not None else ""
    code = code or _EC_CODES.get(headers.get("x-oss-ec", ""), "")
    request_id = headers.get("x-oss-request-id") or None
    text = clean(details.findtext("Message") if details is not None else "") or f"HTTP {status}"
    message = f"the storage refused {what}: {text}"
    wait_s = retry_after_s(headers, now_s=now_s)

    if 300 <= status < 400:
        return unexpected("it was redirected, which is never followed", what, answer, code="Redirect")
    if status < 300:
        return unexpected(text if code else f"HTTP {status} is not an answer to it", what, answer, code=code or None)
    if code == "RequestTimeTooSkewed":
        server_s = unix_s(details.findtext("ServerTime", "")) if details is not None else None
        return ClockSkewError(
            message, server_time_s=server_s or date_s(headers.get("Date")), code=code, request_id=request_id
        )
    if code == "InvalidAccessKeyId" and has_token:
        # A temporary key that ran out vanishes, so the storage no longer knows it (EC 0002-00000002).
        return AuthExpiredError(message, status=status, code=code, request_id=request_id)
    if code == "RequestTimeout" or status == 408:
        return RequestTimeoutError(message, was_sent=True, code=code or None)
    if code == "IncompleteBody":
        return ConnectionLostError(message, was_sent=False, code=code)
    if code in _DAMAGED:
        return IntegrityError(message, code=code, request_id=request_id)
    if code in _REFUSALS:
        kind, ours = _REFUSALS[code]
        return kind(
            message,
            status=status,
            code=ours or code,
            hint=_BUCKET_HINT if code == "NoSuchBucket" else None,
            request_id=request_id,
            retry_after_s=wait_s,
        )
    if status == 429 or code.endswith("LimitExceeded") or code.startswith("Throttling"):
        kind = ThrottledError
    elif status >= 500:
        kind = ServerFaultError
    elif not code and answer.method != "HEAD":
        return unexpected(f"HTTP {status} without an error of the storage", what, answer)
    elif status in {401, 403}:
        kind = AccessDeniedError
    elif status == 404:
        kind = NotFoundError
    else:
        kind = RequestRefusedError
    return kind(message, status=status, code=code or None, request_id=request_id, retry_after_s=wait_s)


def unexpected(text: str, what: str, answer: Answer | None = None, *, code: str | None = None) -> UnexpectedAnswerError:
    """Return the error for an answer that is not the storage's, or not one that we can read.

    Args:
        text: What is wrong with it.
        what: The operation.
        answer: The answer, if there is one.
        code: Our code, default "Protocol"; an error inside a 200 gives its own.
    """
    if answer is None:
        return UnexpectedAnswerError(f"{what}: {text}", code=code)
    if code is None:
        root = parse_xml(answer.content, "Error")
        if root is not None:
            code = clean(root.findtext("Code", "")) or None
            text = clean(root.findtext("Message", "")) or text
    return UnexpectedAnswerError(
        f"{what}: {text}",
        status=answer.status,
        code=code,
        request_id=answer.headers.get("x-oss-request-id") or None,
    )


def _details(answer: Answer) -> Element | None:
    body = answer.content
    if not body and answer.headers.get("x-oss-err"):
        try:
            body = base64.b64decode(answer.headers["x-oss-err"], validate=True)
        except (binascii.Error, ValueError):
            return None
    return parse_xml(body, "Error")
