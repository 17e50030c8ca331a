"""The base URL that an environment may set.

Imports `errors`; no I/O; any thread.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vod_widget.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["endpoint_from_env", "loopback_url"]


def endpoint_from_env(env: Mapping[str, str] | None = None) -> str | None:
    """Return the base URL that VOD_WIDGET_ENDPOINT sets, or None.

    It stands for VOD, STS and OSS when no endpoint is given in code and the profile states none.

    Args:
        env: The environment; None reads the process's own now.

    Raises:
        InvalidArgumentError: It is set, and is not the http(s) URL of a loopback host.
    """
    text = (os.environ if env is None else env).get("VOD_WIDGET_ENDPOINT", "").strip()
    return loopback_url(text, "VOD_WIDGET_ENDPOINT") if text else None


def loopback_url(text: str, name: str) -> str:
    """Return `scheme://host[:port]` of this machine, or refuse.

    Args:
        text: The URL.
        name: What to call it in the error.

    Raises:
        InvalidArgumentError: Another host, another scheme, or more than scheme, host and port.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    fits = (
        host
        and "\\" not in text
        and parts.scheme in ("http", "https")
        and "@" not in parts.netloc
        and parts.path in ("", "/")
        and not parts.query
        and not parts.fragment
    )
    if not fits or not _is_loopback_host(host):
        raise InvalidArgumentError(
            f"{name} must be a URL of this machine, like http://127.0.0.1:8080",
            code="Endpoint.Refused",
            hint=f"Give {name} the endpoint of an emulator on this machine, or remove it.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
