"""Which browser pages may talk to the emulator.

What lives here: the headers for cross-origin requests. Pure functions, any thread.

Theory: a page on this machine (JupyterLab) may upload; a page of anyone else must not reach a
local service. So loopback origins get an exact echo, others nothing, and a preflight from them
is refused as OSS refuses it.

Source: OSS "OptionObject", "PutBucketCors"; browser SDKs need ETag exposed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vod_widget.emulator.errors import OssError, oss_invalid_argument

_LOOPBACK_ORIGIN = re.compile(
    r"https?://(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)
_ALLOWED_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD")
_EXPOSED = "ETag, x-oss-request-id, x-oss-hash-crc64ecma, x-oss-server-time, x-oss-ec, Date"
_MAX_AGE_S = 600


def is_allowed(origin: str) -> bool:
    """Tell whether an Origin is a page of this machine."""
    return _LOOPBACK_ORIGIN.fullmatch(origin) is not None


def answer_headers(origin: str) -> dict[str, str]:
    """Return the headers for a plain cross-origin answer; {} for foreign pages."""
    if not origin:
        return {}
    if not is_allowed(origin):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer OPTIONS.

    Raises:
        OssError: 400 without Origin or method, 403 AccessForbidden for other pages.
    """
    origin = headers.get("origin", "")
    method = headers.get("access-control-request-method", "")
    if not origin or not method:
        missing = "Access-Control-Request-Method" if origin else "Origin"
        raise oss_invalid_argument(
            f"Insufficient information. {missing} request header needed.", name=missing, value=""
        )
    if not is_allowed(origin) or method not in _ALLOWED_METHODS:
        raise OssError(
            403,
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution "
            "of Origin, request method / Access-Control-Request-Method or "
            "Access-Control-Requet-Headers are not whitelisted by the resource's CORS spec.",
            extras={"Method": method, "ResourceType": "OBJECT"},
        )
    answer = {
        **answer_headers(origin),
        "Access-Control-Allow-Methods": ", ".join(_ALLOWED_METHODS),
        "Access-Control-Max-Age": str(_MAX_AGE_S),
    }
    wanted = headers.get("access-control-request-headers", "")
    if wanted:
        answer["Access-Control-Allow-Headers"] = wanted
    if headers.get("access-control-request-private-network") == "true":
        answer["Access-Control-Allow-Private-Network"] = "true"
    return answer
