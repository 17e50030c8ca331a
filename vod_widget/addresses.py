"""Where bytes and tokens may go: the vendor's storage over https, or this machine for the emulator. Nothing else.

An upload address comes from outside (the cloud, an application's server, a callback), and the token goes where it says;
so a host is allowed by a list, not forbidden by one. Plain http and IP addresses are for loopback alone, and loopback
only when the configured endpoint is loopback itself.

Source of the host names: "Regions and endpoints", OSS and ApsaraVideo VOD, https://www.alibabacloud.com/help, read
2026-11. Floor 1, pure: no name is resolved here; safe in any thread.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import replace
from urllib.parse import urlsplit

from .errors import CredentialError, EndpointRefusedError, InvalidArgumentError, RestrictionError
from .model import UploadAddress, UploadAuth

__all__ = [
    "KNOWN_REGIONS",
    "check_address",
    "check_api_endpoint",
    "check_endpoint",
    "check_key",
    "check_lifetime",
    "check_region",
    "is_loopback_url",
    "region_of_endpoint",
]

KNOWN_REGIONS = (
    "cn-shanghai",
    "cn-beijing",
    "cn-shenzhen",
    "cn-hongkong",
    "ap-southeast-1",
    "ap-southeast-5",
    "ap-northeast-1",
    "eu-central-1",
    "us-west-1",
    "me-central-1",
)
"""Regions of ApsaraVideo VOD, the default first. Source: "Region IDs", ApsaraVideo VOD, read 2026-01."""

OBJECT_KEY_MAX_BYTES = 1023
"""Source: "Object naming conventions", OSS."""
LIFETIME_MAX_S = 12 * 3600
"""The longest life of a role's token. Source: AssumeRole, DurationSeconds. VOD gives 3,000 s."""

_REGION = r"[a-z]{2,4}-[a-z0-9]+(?:-[a-z0-9]+)*"
_STORAGE_HOST = re.compile(rf"oss-(?:accelerate(?:-overseas)?|({_REGION}))\.aliyuncs\.com")
_SERVICE_HOST = re.compile(rf"(?:vod|vod-vpc|sts|sts-vpc)(?:\.{_REGION})?\.aliyuncs\.com")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PLAIN_TEXT = re.compile(r"[!-~]{1,253}")
# What URL parsers disagree about: userinfo, backslash, escapes, a second address inside the first.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TRICKS = re.compile(r"[\\@%?#;,\s]|\.\.")


def check_endpoint(endpoint: str, *, loopback_allowed: bool, internal_allowed: bool = False) -> str:
    """Check the endpoint of the storage, as an upload address or a caller states it.

    Args:
        endpoint: Host of the storage, with or without a scheme, without the bucket.
        loopback_allowed: True when the configured endpoint is loopback.
        internal_allowed: True lets `-internal` hosts pass, which resolve to private addresses.

    Returns:
        Scheme and host, and a port for loopback alone. A host of the vendor gets https, whatever was given: plain http
        would show the token (a host without a scheme becomes http in oss2 2.19.1).

    Raises:
        EndpointRefusedError: Any other host.
    """
    scheme, host, port = _split(endpoint)
    if _is_loopback(host):
        if not loopback_allowed:
            raise _refused(endpoint, "is this machine, but the configured endpoint is not")
        return _loopback_url(scheme or "http", host, port)
    match = _STORAGE_HOST.fullmatch(host)
    if not match:
        raise _refused(endpoint, "is not a storage host of the vendor (oss-<region>.aliyuncs.com)")
    if port is not None:
        raise _refused(endpoint, "names a port, which the vendor's hosts never do")
    if (match[1] or "").endswith("-internal") and not internal_allowed:
        raise _refused(endpoint, "is an internal host, which this machine may not use")
    return f"https://{host}"


def check_api_endpoint(endpoint: str) -> str:
    """Check the option `endpoint`, the base URL of VOD and STS.

    Args:
        endpoint: The emulator's URL on this machine, or a host of the vendor's VOD or STS.

    Returns:
        Scheme and host, and a port for loopback alone; https for the vendor's hosts.

    Raises:
        EndpointRefusedError: Any other host.
    """
    scheme, host, port = _split(endpoint)
    if _is_loopback(host):
        return _loopback_url(scheme or "http", host, port)
    if not _SERVICE_HOST.fullmatch(host) or port is not None:
        raise _refused(endpoint, "is neither this machine nor a host of the vendor (vod.<region>.aliyuncs.com)")
    return f"https://{host}"


def is_loopback_url(url: str | None) -> bool:
    """Tell whether a URL or host is this machine: localhost, 127.0.0.0/8 or ::1; never raises."""
    try:
        return _is_loopback(_split(url or "")[1])
    except EndpointRefusedError:
        return False


def region_of_endpoint(endpoint: str) -> str | None:
    """Return the region that a storage host states, or None (acceleration, loopback, anything else)."""
    try:
        match = _STORAGE_HOST.fullmatch(_split(endpoint)[1])
    except EndpointRefusedError:
        return None
    return match[1].removesuffix("-internal") if match and match[1] else None


def check_address(
    address: UploadAddress, auth_region: str | None, *, loopback_allowed: bool, internal_allowed: bool = False
) -> UploadAddress:
    """Check where one object is to go, before a token or a byte goes there.

    Args:
        address: Endpoint, bucket and object key as decoded or as overridden by the caller.
        auth_region: Region that the credential states, or None.
        loopback_allowed: True when the configured endpoint is loopback.
        internal_allowed: See `check_endpoint`.

    Returns:
        The address with its endpoint as `check_endpoint` returns it.

    Raises:
        EndpointRefusedError: A host that is not trusted (code `Endpoint.Refused`), a region other than the credential's
            (`Endpoint.Region`), a bucket or key that OSS does not allow (`Endpoint.Bucket`, `Name`).
    """
    endpoint = check_endpoint(address.endpoint, loopback_allowed=loopback_allowed, internal_allowed=internal_allowed)
    region = region_of_endpoint(endpoint)
    if region and auth_region and region != auth_region:
        raise EndpointRefusedError(
            f"the upload address is in {region}, but its credential is for {auth_region[:40]!r}", code="Endpoint.Region"
        )
    if not isinstance(address.bucket, str) or not _BUCKET.fullmatch(address.bucket):
        raise EndpointRefusedError(
            f"the upload address has the bucket {_shown(address.bucket)}, which is not a name of OSS (3 to 63 of a-z, "
            "0-9 and -)",
            code="Endpoint.Bucket",
        )
    wrong = _wrong_key(address.object)
    if wrong:
        raise EndpointRefusedError(
            f"the upload address has the object {_shown(address.object)}, which {wrong}", code="Name"
        )
    return address if endpoint == address.endpoint else replace(address, endpoint=endpoint)


def check_key(key: str) -> None:
    """Check an object key that a caller wants, before anything is asked of the service.

    Raises:
        RestrictionError: OSS does not take it (code `Name`).
    """
    wrong = _wrong_key(key)
    if wrong:
        raise RestrictionError(
            f"the object key {_shown(key)} {wrong}",
            code="Name",
            hint="Choose another key, or leave it out: VOD gives each file one of its own.",
        )


def _wrong_key(key: str) -> str | None:
    if not isinstance(key, str) or not key:
        return "is empty"
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "is not Unicode text"
    if size_bytes > OBJECT_KEY_MAX_BYTES:
        return f"has {size_bytes} bytes; at most {OBJECT_KEY_MAX_BYTES} are allowed"
    if key[0] in "/\\":
        return "begins with a slash"
    if _CONTROL.search(key):
        return "holds a control character"
    # HTTP clients take such parts out of a URL, so another object than the signed one would be written.
    if any(part in (".", "..") for part in key.split("/")):
        return "holds a part . or .."
    return None


def check_lifetime(auth: UploadAuth) -> None:
    """Refuse a credential that claims to live longer than the vendor gives.

    Raises:
        CredentialError: More than 12 hours (code `InvalidUploadAuth`).
    """
    life_s = auth.expires_at_s - auth.issued_at_s
    if not life_s <= LIFETIME_MAX_S:  # also refuses NaN
        raise CredentialError(
            f"the UploadAuth claims to live {life_s / 3600:.1f} hours; the vendor gives at most 12",
            code="InvalidUploadAuth",
            hint="Pass the UploadAuth exactly as ApsaraVideo VOD returned it.",
        )


def check_region(region: str, *, is_loopback: bool = False) -> str:
    """Check a region of VOD.

    Args:
        region: Region id, such as `cn-shanghai`.
        is_loopback: True when the endpoint is loopback: any well-formed id passes there.

    Returns:
        The region.

    Raises:
        InvalidArgumentError: Not a region (code `Region`); the text lists those there are.
    """
    is_well_formed = isinstance(region, str) and re.fullmatch(_REGION, region) and len(region) <= 40
    if not is_well_formed or not (is_loopback or region in KNOWN_REGIONS):
        raise InvalidArgumentError(
            f"region is {_shown(region)}, where ApsaraVideo VOD has no service; it has: {', '.join(KNOWN_REGIONS)}",
            code="Region",
            hint="Use the region in which VOD is activated for the account.",
        )
    return region


# Inside ---------------------------------------------------------------------------------------------------------------


def _split(endpoint: str) -> tuple[str, str, int | None]:
    """Take an endpoint apart into scheme ("" when there is none), host in lower case, and port."""
    if not isinstance(endpoint, str):
        raise _refused(endpoint, "is not a plain host name")
    return _split_text(endpoint)


@functools.lru_cache(maxsize=64)  # a queue has one or two, and asks with each file
def _split_text(endpoint: str) -> tuple[str, str, int | None]:
    text = endpoint.strip()
    if not _PLAIN_TEXT.fullmatch(text) or _TRICKS.search(text):
        raise _refused(endpoint, "is not a plain host name")
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    scheme = match[1].lower() if match else ""
    if scheme not in ("", "http", "https"):
        raise _refused(endpoint, "is neither https nor http")
    try:
        parts = urlsplit(text if match else f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(endpoint, "is not a plain host name") from None
    has_odd_port = parts.netloc.endswith(":") or port == 0
    if not host or parts.path not in ("", "/") or has_odd_port:
        raise _refused(endpoint, "has a path or a port that a base URL has not")
    return scheme, host, port


@functools.lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Of IPv6 only ::1; an IPv4 address inside an IPv6 one is a detour that nobody needs.
    return address.is_loopback if address.version == 4 else str(address) == "::1"


def _loopback_url(scheme: str, host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + (f":{port}" if port is not None else "")


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refused(endpoint: object, why: str) -> EndpointRefusedError:
    # A userinfo may hold a password.
    shown = re.sub(r"(?<=//)[^/]*@", "***@", _shown(endpoint))
    return EndpointRefusedError(f"the endpoint {shown} {why}")
