"""The vendor's signatures, computed by our own code from the published rules.

What lives here: pure functions that turn a request into its string to sign and its signature.
No clock, no keys of its own, no imports of the package; any thread. The client must never
import this: two implementations that agree prove more than one that agrees with itself.

Source: VOD "Signature method" (RPC 1.0), OSS "Add a signature to the header", "Add signatures
to URLs", "Signature version 4"; the vectors printed there are in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

Query = Sequence[tuple[str, str]]
"""Decoded query parameters in the order sent; a parameter without "=" has the value ""."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Query parameters that are part of the signed resource in V1.
# Source: OSS "Add a signature to the header", CanonicalizedResource; the longer list is the one
# that oss2 2.19.1 signs, so a client that signs one of these must be matched here.
SUB_RESOURCES = _words(
    """
    accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead bucketInfo callback
    callback-var cname comp continuation-token cors delete encryption endTime group httpsConfig
    inventory inventoryId lifecycle link live location logging metaQuery objectInfo objectMeta
    partNumber policy position publicAccessBlock qos qosInfo qosRequester redundancyTransition
    referer regionList replication replicationLocation replicationProgress requestPayment
    requesterQosInfo resourceGroup resourcePool resourcePoolBuckets resourcePoolInfo
    response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore security-token
    sequential startTime stat status style styleName symlink tagging transferAcceleration uploadId
    uploads versionId versioning versions vod website worm wormExtend wormId x-oss-ac-forward-allow
    x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id x-oss-access-point-name
    x-oss-async-process x-oss-process x-oss-redundancy-transition-taskid x-oss-request-payer
    x-oss-target-redundancy-type x-oss-traffic-limit x-oss-write-get-object-response
    """
)


_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
_ENCODED = {code: f"%{code:02X}" for code in range(128) if not _PLAIN.fullmatch(chr(code))}


def percent_encode(text: str, *, safe: str = "") -> str:
    """Encode per RFC 3986: only letters, digits and `-_.~` stay."""
    if _PLAIN.fullmatch(text):
        return text  # most are, and this is the hot spot of a signature
    if not safe and text.isascii():
        return text.translate(_ENCODED)
    return quote(text, safe=f"-_.~{safe}", errors="surrogateescape")


def equal(ours: str, theirs: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(ours.encode("utf-8"), theirs.encode("utf-8", "surrogateescape"))


def _hmac_sha1_base64(key: str, text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    digest = hmac.new(key.encode("utf-8"), data, hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


# --- RPC ---------------------------------------------------------------------------------


def rpc_string_to_sign(method: str, params: Mapping[str, str]) -> str:
    """Build the RPC 1.0 string to sign from every parameter but Signature."""
    pairs = sorted((name, value) for name, value in params.items() if name != "Signature")
    joined = "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in pairs)
    return f"{method.upper()}&%2F&{percent_encode(joined)}"


def rpc_signature(secret: str, string_to_sign: str) -> str:
    """Sign an RPC string; the key is the secret followed by `&`."""
    return _hmac_sha1_base64(f"{secret}&", string_to_sign)


# --- OSS V1 ------------------------------------------------------------------------------


def oss_v1_string_to_sign(method: str, resource: str, query: Query, headers: Mapping[str, str], date: str) -> str:
    """Build the V1 string to sign.

    Args:
        method: HTTP verb.
        resource: `/bucket/key`, not encoded; `/bucket/` or `/` without a key.
        query: Decoded query; only sub-resources are signed.
        headers: Lower-case names.
        date: What stands in the date slot: x-oss-date or Date, or Expires for a signed URL.
    """
    oss_headers = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    signed = sorted((name, value) for name, value in query if name in SUB_RESOURCES)
    tail = "&".join(f"{name}={value}" if value else name for name, value in signed)
    return "\n".join(
        (
            method.upper(),
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            date,
            f"{oss_headers}{resource}{'?' if tail else ''}{tail}",
        )
    )


def oss_v1_signature(secret: str, string_to_sign: str) -> str:
    """Sign with HMAC-SHA1, base64."""
    return _hmac_sha1_base64(secret, string_to_sign)


# --- OSS V2 ------------------------------------------------------------------------------

V2_ALGORITHM = "OSS2"


def oss_v2_string_to_sign(
    method: str, resource: str, query: Query, headers: Mapping[str, str], *, date: str, additional: Iterable[str]
) -> str:
    """Build the V2 string to sign.

    Args:
        method: HTTP verb.
        resource: `/bucket/key`, not encoded; `/` without a bucket.
        query: Decoded query without x-oss-signature; all of it is signed.
        headers: Lower-case names.
        date: Date, or x-oss-expires for a signed URL.
        additional: Names of further signed headers, lower-case; those that are not there count as not named.
    """
    names = sorted({name for name in additional if name in headers})
    signed = sorted(name for name in headers if name.startswith("x-oss-") or name in names)
    pairs = sorted((percent_encode(name), percent_encode(value)) for name, value in query)
    tail = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    return "\n".join(
        (
            method.upper(),
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            date,
            "".join(f"{name}:{headers[name]}\n" for name in signed) + ";".join(names),
            percent_encode(resource) + ("?" if tail else "") + tail,
        )
    )


def oss_v2_signature(secret: str, string_to_sign: str) -> str:
    """Sign with HMAC-SHA256, base64."""
    data = string_to_sign.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(secret.encode(), data, hashlib.sha256).digest()).decode("ascii")


# --- OSS V4 ------------------------------------------------------------------------------

V4_ALGORITHM = "OSS4-HMAC-SHA256"
V4_TERMINATOR = "aliyun_v4_request"
V4_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_V4_ALWAYS_SIGNED = frozenset({"content-type", "content-md5"})


def oss_v4_canonical_request(
    method: str,
    resource: str,
    query: Query,
    headers: Mapping[str, str],
    additional: Iterable[str],
) -> str:
    """Build the V4 canonical request.

    Args:
        method: HTTP verb.
        resource: `/bucket/key`, not encoded.
        query: Decoded query without x-oss-signature.
        headers: Lower-case names.
        additional: Names of further signed headers, lower-case.
    """
    names = sorted(set(additional))
    pairs = sorted((percent_encode(name), percent_encode(value)) for name, value in query)
    canonical_query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    signed = sorted(name for name in headers if name in _V4_ALWAYS_SIGNED or name.startswith("x-oss-") or name in names)
    canonical_headers = "".join(f"{name}:{headers[name].strip()}\n" for name in signed)
    return "\n".join(
        (
            method.upper(),
            percent_encode(resource, safe="/"),
            canonical_query,
            canonical_headers,
            ";".join(names),
            V4_UNSIGNED_PAYLOAD,
        )
    )


def oss_v4_string_to_sign(canonical_request: str, date: str, scope: str) -> str:
    """Build the V4 string to sign from the hash of the canonical request."""
    digest = hashlib.sha256(canonical_request.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{V4_ALGORITHM}\n{date}\n{scope}\n{digest}"


def oss_v4_signature(secret: str, scope: str, string_to_sign: str) -> str:
    """Sign with the key derived for the scope `date/region/oss/aliyun_v4_request`; hex."""
    key = f"aliyun_v4{secret}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return hmac.new(key, string_to_sign.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
