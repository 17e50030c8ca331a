"""Reading credentials out of what others hand in: a mapping, an object, an answer of STS, or a caller's function.

`take` does not raise, so that no traceback shows the value. Imports floor 0; pure, but for the caller's function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from vod_widget.errors import CredentialError, VODError
from vod_widget.instants import unix_s
from vod_widget.model import Credentials
from vod_widget.secret import Secret

from .bounded import run_beside

__all__ = ["HOOK_S", "ask", "hidden", "instant", "take"]

# A secret store may ask the person, who needs a moment.
HOOK_S: Final = 60.0

_NAMES: Final = {
    "access_key_id": ("AccessKeyId", "access_key_id", "accessKeyId", "access_key"),
    "access_key_secret": ("AccessKeySecret", "access_key_secret", "accessKeySecret", "secret_key"),
    "security_token": ("SecurityToken", "security_token", "securityToken", "sts_token"),
    "expiration": ("Expiration", "expires_at_s", "expiration", "expire_time"),
}


def take(value: Any, place: str) -> Credentials | str:
    """Read credentials out of what a caller gave: ours, a mapping, or a vendor's object.

    Returns:
        The credentials, or a problem in words. It does not raise, so that no traceback shows `value`.
    """
    if isinstance(value, Credentials):
        return value
    if isinstance(value, Mapping):
        inner = value.get("Credentials")
        if isinstance(inner, Mapping):  # the answer of AssumeRole as it is
            value = inner
        get: Callable[[str], Any] = value.get
    else:

        def get(name: str) -> Any:
            return getattr(value, name, None)

    found = [next((one for one in map(get, names) if one), None) for names in _NAMES.values()]
    key_id, secret, token, expiry = found
    for name, text in zip(_NAMES, found[:2], strict=False):
        if not text:
            return f"{name} is missing in a value of type {type(value).__name__}"
    if not isinstance(key_id, str) or not key_id.strip():
        return "access_key_id is not a text"
    if not _is_text(secret):
        return "access_key_secret is not a text"
    if token is not None and not _is_text(token):
        return "security_token is not a text"
    expires_at_s, is_readable = instant(expiry)
    if not is_readable:
        return "the expiry is neither Unix seconds nor YYYY-MM-DDTHH:MM:SSZ"
    return Credentials(key_id, secret, token, expires_at_s, place)


def hidden(value: Any) -> Any:
    """Return a dict of keys as `Credentials`, and anything else as it is; a dict that holds no keys stays, too."""
    found = take(value, "inline") if isinstance(value, Mapping) else value
    return value if isinstance(found, str) else found


def _is_text(value: Any) -> TypeGuard[Secret | str]:
    return isinstance(value, Secret) or (isinstance(value, str) and bool(value.strip()))


def instant(value: Any) -> tuple[float | None, bool]:
    """Read an instant: Unix seconds, or ISO 8601 (without an offset it is UTC).

    Returns:
        Unix seconds or None, and whether the value could be read.
    """
    if value is None:
        return None, True
    try:
        return float(value), True
    except (TypeError, ValueError):
        pass
    when_s = unix_s(str(value))
    return when_s, when_s is not None


def ask(function: Callable[[], Any], place: str) -> Credentials:
    """Call the caller's function for credentials.

    Raises:
        CredentialError: It raised, or what it returned is not credentials.
    """
    try:
        answer = run_beside(lambda: _call(function, place), wait_s=HOOK_S, what="the function that gives credentials")
    except VODError:
        raise
    except Exception as exc:
        raise CredentialError(
            # Its text may be the key itself; the caller's own exception is the cause of this one.
            f"the function that gives credentials raised {type(exc).__name__}",
            code="Auth.Callback",
            hint="Correct the function passed as credentials=, then retry.",
        ) from exc
    if isinstance(answer, str):
        raise CredentialError(
            f"the function that gives credentials returned something else: {answer}",
            code="Auth.Callback",
            hint="Return vod_widget.Credentials or a dict with AccessKeyId and AccessKeySecret.",
        )
    return answer


def _call(function: Callable[[], Any], place: str) -> Credentials | str:
    return take(function(), place)
