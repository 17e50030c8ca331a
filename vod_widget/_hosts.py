"""Where a request may go at all: https, or this machine.

Base of floor 2, beside `_http`: pure, imports floor 0.
"""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import urlsplit

from .errors import EndpointRefusedError

__all__ = ["checked_base_url", "is_loopback"]


@functools.lru_cache(maxsize=64)
def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address is this machine, without asking DNS."""
    if not host:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_base_url(url: str, what: str) -> tuple[str, str]:
    """Check a base URL: https, or http to this machine; a host and a port and nothing else.

    Args:
        url: Scheme and host, perhaps a port.
        what: What it is, for the message.

    Returns:
        The URL without a trailing slash, and its host in lower case.

    Raises:
        EndpointRefusedError: Anything else, e.g. user info, a path, plain http to another machine.
    """
    return _checked(url if isinstance(url, str) else "", what)


@functools.lru_cache(maxsize=64)  # a queue has one or two, and asks with each file
def _checked(url: str, what: str) -> tuple[str, str]:
    bare = url.strip().removesuffix("/")
    try:
        parts = urlsplit(bare)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    plain = parts.netloc in {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}
    good = host and host.isascii() and plain and not parts.path and not parts.query
    if not good or parts.fragment or "\\" in bare:
        raise EndpointRefusedError(f"{what} is not a plain https://host address")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise EndpointRefusedError(f"{what} must use https; plain http is for this machine only")
    return bare, host
