"""Which browser pages may talk to the emulator.

What lives here: CORS rules of buckets, and the headers for cross-origin requests. It imports
`errors`; pure functions, any thread.

Theory: a page on this machine (JupyterLab) may upload; a page of anyone else must not reach a
local service. So VOD's RPC and the buckets that VOD allocates echo loopback origins, give others
nothing, and refuse their preflights as OSS does. A bucket with rules of its own goes by them
alone; a bucket without any allows nobody.

Source: OSS "OptionObject", "PutBucketCors"; browser SDKs need ETag exposed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vod_widget.emulator.errors import OssError, oss_invalid_argument

_LOOPBACK_ORIGIN = re.compile(
    r"https?://(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)
ALLOWED_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_EXPOSED = (
    "ETag",
    "x-oss-request-id",
    "x-oss-hash-crc64ecma",
    "x-oss-server-time",
    "x-oss-ec",
    "x-oss-next-append-position",
    "Date",
)
_MAX_AGE_S = 600
MAX_RULES = 10


@dataclass(frozen=True)
class CorsRule:
    """One rule; the first that fits an Origin, a method and the headers decides."""

    origins: tuple[str, ...]
    """Exact, or with one `*`. Empty: the pages of this machine."""
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    """Lower-case patterns of request headers; `*` for any."""
    exposed: tuple[str, ...] = ()
    max_age_s: int | None = None

    def allows(self, origin: str, method: str, headers: Sequence[str] = ()) -> bool:
        """Tell whether the rule lets this request pass."""
        if method not in self.methods:
            return False
        if not self.origins:
            return is_allowed(origin)
        by_origin = any(_fits(pattern, origin) for pattern in self.origins)
        return by_origin and all(any(_fits(pattern, name) for pattern in self.headers) for name in headers)

    def shown_origin(self, origin: str) -> str:
        """Return what Access-Control-Allow-Origin says: `*` only when the rule says just that."""
        return "*" if "*" in self.origins else origin


# What the VOD API and the buckets that VOD allocates answer with.
LOOPBACK_PAGES = (CorsRule((), ALLOWED_METHODS, ("*",), _EXPOSED, _MAX_AGE_S),)


def _fits(pattern: str, text: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def is_allowed(origin: str) -> bool:
    """Tell whether an Origin is a page of this machine."""
    return _LOOPBACK_ORIGIN.fullmatch(origin) is not None


def answer_headers(rules: Sequence[CorsRule], origin: str, method: str) -> dict[str, str]:
    """Return the headers for a plain cross-origin answer; no allowance when no rule fits."""
    if not origin:
        return {}
    rule = next((rule for rule in rules if rule.allows(origin, method)), None)
    if rule is None:
        return {"Vary": "Origin"}
    answer = {"Access-Control-Allow-Origin": rule.shown_origin(origin), "Vary": "Origin"}
    if rule.exposed:
        answer["Access-Control-Expose-Headers"] = ", ".join(rule.exposed)
    return answer


def preflight(rules: Sequence[CorsRule], headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer OPTIONS.

    Raises:
        OssError: 400 without Origin or method, 403 AccessForbidden when no rule fits.
    """
    origin = headers.get("origin", "")
    method = headers.get("access-control-request-method", "")
    if not origin or not method:
        missing = "Access-Control-Request-Method" if origin else "Origin"
        raise oss_invalid_argument(
            f"Insufficient information. {missing} request header needed.", name=missing, value=""
        )
    wanted = headers.get("access-control-request-headers", "")
    names = [name.strip().lower() for name in wanted.split(",") if name.strip()]
    rule = next((rule for rule in rules if rule.allows(origin, method, names)), None)
    if rule is None:
        raise OssError(
            403,
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution "
            "of Origin, request method / Access-Control-Request-Method or "
            "Access-Control-Requet-Headers are not whitelisted by the resource's CORS spec.",
            extras={"Method": method, "ResourceType": "OBJECT"},
        )
    answer = {
        **answer_headers([rule], origin, method),
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
    }
    if rule.max_age_s is not None:
        answer["Access-Control-Max-Age"] = str(rule.max_age_s)
    if wanted:
        answer["Access-Control-Allow-Headers"] = wanted
    if headers.get("access-control-request-private-network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return answer
