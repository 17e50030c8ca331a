"""What a refusal of the VOD or STS gateway means: its codes as tables.

Base of floor 2, used by `vod_api.py` alone; imports floor 0, `_http` and `_http_faults`; no I/O, any thread.
Source: https://www.alibabacloud.com/help/en/vod/developer-reference/error-codes and the gateway's error pages, read
2026-11. The statuses of InvalidSecurityToken.* and the answer to a repeated ReferenceId are not documented.
"""

from __future__ import annotations

import re
from typing import Any

from ._answer import Answer
from ._http_faults import clean, date_s, retry_after_s
from .errors import (
    AccessDeniedError,
    AlreadyExistsError,
    AuthExpiredError,
    ClockSkewError,
    ConnectionLostError,
    KeysRefusedError,
    NotFoundError,
    RequestRefusedError,
    RequestTimeoutError,
    ServerFaultError,
    ServiceError,
    ThrottledError,
    UnexpectedAnswerError,
    VODError,
)

__all__ = ["NOT_FOUND", "rpc_error", "unexpected"]

NOT_FOUND = frozenset({"Video.Gone", "InvalidReferenceId.NotFound", "InvalidMediaId.NotFound", "NoSuchResource"})
"""Codes of NotFoundError that mean: there is no such asset."""

_CLOCK = frozenset({"InvalidTimeStamp.Expired", "InvalidTimestamp.Expired", "IllegalTimestamp"})
_WRONG_KEY = re.compile(
    r"InvalidAccessKeyId(\..+)?|InvalidAccessKeySecret|SignatureDoesNotMatch|IncompleteSignature|InvalidSecurityToken(\..+)?"
    r"|MissingSecurityToken"
)
_BAD_TOKEN = re.compile(r"AuthenticationFail\.OIDCToken(\..+)?")
_NO_RIGHT = re.compile(
    r"Forbidden|Forbidden\.RAM|NoPermission|AuthenticationFail\.NoPermission|UnauthorizedOperation|AccessDenied"
)
_REFERENCE_TAKEN = re.compile(
    r"reference.{0,40}(exist|duplicat|conflict|repeat|already|used)|(exist|duplicat|conflict|repeat).{0,40}reference",
    re.IGNORECASE,
)
_OIDC_HINT = "Check that the cluster renews the OIDC token in its file and that its audience fits, then retry."
_TRUST_HINT = "Check that the role trusts this OIDC provider and that both ARNs are right, then retry."
_RESUME_HINT = "Resume ApsaraVideo VOD of this account in the console (an unpaid bill suspends it), then retry."
_OPEN_HINT = "Activate ApsaraVideo VOD for this account in the console, then retry."


def rpc_error(
    action: str, answer: Answer, data: dict[str, Any] | None, *, now_s: float, with_reference: bool
) -> VODError:
    """Map an answer that is not a success.

    Args:
        action: The operation.
        answer: The answer.
        data: Its JSON object, or None when it is not one.
        now_s: Unix time, to understand a Retry-After date.
        with_reference: True when the request carried a ReferenceId.
    """
    status, headers = answer.status, answer.headers
    if 300 <= status < 400:
        return unexpected(action, "it was redirected, which is never followed", answer, code="Redirect")
    data = data or {}
    code = clean(data.get("Code")) if isinstance(data.get("Code"), str) else ""
    text = clean(data.get("Message")) if isinstance(data.get("Message"), str) else ""
    request_id = clean(data.get("RequestId")) or None
    wait_s = retry_after_s(headers, now_s=now_s)
    message = f"{action} was refused: {text or f'HTTP {status}'}"

    def error(kind: type[ServiceError], *, ours: str | None = None, hint: str | None = None) -> ServiceError:
        return kind(
            message,
            status=status,
            code=ours or code or None,
            hint=hint,
            request_id=request_id,
            retry_after_s=wait_s,
        )

    if status < 300:
        return unexpected(action, text or "the answer is not a JSON object", answer, code=code or None)
    if status == 429 or code.startswith("Throttling"):
        return error(ThrottledError)
    if status >= 500:
        return error(ServerFaultError)
    if status == 408:
        return RequestTimeoutError(message, was_sent=True, code=code or None)
    if not code:
        return unexpected(action, f"HTTP {status} without an error of the service", answer)
    if code == "InvalidSecurityToken.Expired":
        return error(AuthExpiredError)
    if code in _CLOCK:
        return ClockSkewError(message, server_time_s=date_s(headers.get("Date")), code=code, request_id=request_id)
    if code == "SignatureNonceUsed":
        # Each request has a nonce of its own, so this one arrived twice (a proxy sent it again) and the first answer is
        # lost: it may have had its effect.
        return ConnectionLostError(message, was_sent=True, code=code)
    if _WRONG_KEY.fullmatch(code):
        return error(KeysRefusedError)
    if _BAD_TOKEN.fullmatch(code):
        return error(KeysRefusedError, hint=_OIDC_HINT)
    if action == "AssumeRoleWithOIDC" and _NO_RIGHT.fullmatch(code):
        return error(KeysRefusedError, hint=_TRUST_HINT)
    if _NO_RIGHT.fullmatch(code):
        service = "sts" if action in {"AssumeRole", "AssumeRoleWithOIDC", "GetCallerIdentity"} else "vod"
        return error(AccessDeniedError, hint=f"Allow {service}:{action} for these keys in RAM, then retry.")
    if code == "OperationDenied.Suspended":
        return error(RequestRefusedError, hint=_RESUME_HINT)
    if code.startswith("OperationDenied"):
        return error(RequestRefusedError, hint=_OPEN_HINT)
    if code == "InvalidVideo.NotFound":
        return error(NotFoundError, ours="Video.Gone")
    if code in NOT_FOUND:
        return error(NotFoundError)
    if (
        action == "CreateUploadVideo"
        and with_reference
        and (status == 409 or _REFERENCE_TAKEN.search(f"{code} {text}"))
    ):
        return error(AlreadyExistsError)
    return error(RequestRefusedError)


def unexpected(
    action: str, text: str, answer: Answer | None = None, *, code: str | None = None
) -> UnexpectedAnswerError:
    """Return the error for an answer that is not the service's, or not one that we can use.

    Args:
        action: The operation.
        text: What is wrong with it.
        answer: The answer, if there is one.
        code: Our code, default "Protocol".
    """
    return UnexpectedAnswerError(f"{action}: {text}", status=answer.status if answer is not None else 0, code=code)
