"""Where VOD and STS are, and where else a call may go.

Base of floor 2, used by `vod_api.py` alone; imports floors 0 and 1; pure.
"""

from __future__ import annotations

import re

from ._hosts import checked_base_url, is_loopback
from .addresses import KNOWN_REGIONS
from .errors import CredentialError, EndpointRefusedError, InvalidArgumentError
from .model import Credentials

__all__ = ["base_url_of"]

_REGION = re.compile(r"[a-z]{2}-[a-z]+(-\d{1,2})?")
_HOST = re.compile(r"(vod|sts)(-vpc)?(\.[a-z]{2}-[a-z]+(-\d{1,2})?)?\.aliyuncs\.com")


def base_url_of(service: str, credentials: Credentials | None, region: str | None, endpoint: str | None) -> str:
    """Return the base URL of a service without a slash at its end.

    Args:
        service: `vod` or `sts`.
        credentials: Keys that would be sent there, or None.
        region: Id of a region, or None.
        endpoint: Base URL that was asked for, or None for the vendor's own.

    Raises:
        InvalidArgumentError: VOD has no such region.
        EndpointRefusedError: The endpoint is neither the vendor's by https nor this machine.
        CredentialError: A real key would go to an emulator.
    """
    if region is not None and not _REGION.fullmatch(region):
        raise InvalidArgumentError("the region is not a region id", code="Region")
    if endpoint is None:
        if service == "sts":
            return f"https://sts.{region}.aliyuncs.com" if region else "https://sts.aliyuncs.com"
        if region not in KNOWN_REGIONS:
            raise InvalidArgumentError(
                f"ApsaraVideo VOD has no region {region}",
                code="Region",
                hint=f"Choose one of {', '.join(KNOWN_REGIONS)}.",
            )
        return f"https://vod.{region}.aliyuncs.com"
    base, host = checked_base_url(endpoint, f"the {service} endpoint")
    if is_loopback(host):
        if credentials is not None and credentials.access_key_id.upper().startswith("LTAI"):
            raise CredentialError(
                "a key of a real account is not sent to an emulator on this machine",
                code="Auth.RealKey",
                hint="Use the emulator's own keys, or remove the endpoint.",
            )
    elif not _HOST.fullmatch(host):
        raise EndpointRefusedError(
            f"{host} is not a host of ApsaraVideo VOD or STS",
            hint="Remove the endpoint, or give https://vod.<region>.aliyuncs.com.",
        )
    return base
