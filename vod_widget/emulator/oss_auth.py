"""Who sends this object request, and may they?

What lives here: `OssAuthenticator.identify`, one way for each place a signature can stand. It
imports `signatures`, `tokens`, `clock`, `errors`; called under the lock of `Cloud`.

Theory: the order decides which mistake a client hears of first. Ours: form of the signature,
date, key, token missing, token foreign, token expired, signature; the policy comes after, in
`oss_api`. The order of the real service is not documented.

Sources: OSS "Add a signature to the header", "Add signatures to URLs", "Signature version 4",
"HTTP 403", and the EC pages.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from time import strptime

from vod_widget.emulator import signatures
from vod_widget.emulator.clock import Clock, iso_millis
from vod_widget.emulator.errors import OssError, access_denied, oss_invalid_argument
from vod_widget.emulator.oss_forms import FormSignature
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import REAL_KEY_WARNING, Key, KeyRing, looks_real

MAX_SKEW_S = 15 * 60
MAX_URL_EXPIRES_S = 604_800
_V1_HEADER = re.compile(r"OSS ([^:\s]+):(\S+)")
_V2_HEADER = re.compile(
    r"OSS2 AccessKeyId:(?P<key_id>[^:,\s]+),(?:AdditionalHeaders:(?P<additional>[^,\s]*),)?Signature:(?P<signature>\S+)"
)
_RFC1123 = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")
_V4_DATE = re.compile(r"\d{8}T\d{6}Z")
_V1_QUERY = ("OSSAccessKeyId", "Expires", "Signature")
_SIGNS = (*_V1_QUERY, "x-oss-signature-version", "x-oss-signature")
_V2_QUERY = ("x-oss-access-key-id", "x-oss-expires", "x-oss-signature")
_V4_QUERY = ("x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature")


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers."""

    method: str
    resource: str
    """`/bucket/key` of the routed bucket, not encoded."""
    query: signatures.Query
    headers: Mapping[str, str]
    """Lower-case names."""


class OssAuthenticator:
    """Check signatures and tokens of object requests.

    Args:
        clock: Judges dates and ages tokens.
        keys: Knows who signs.
        switches: How an expired token is answered.
        region: What a V4 scope must name.
    """

    def __init__(self, clock: Clock, keys: KeyRing, switches: Switches, region: str) -> None:
        self._clock = clock
        self._keys = keys
        self._switches = switches
        self._region = region

    @staticmethod
    def is_anonymous(request: SignedRequest) -> bool:
        """Tell whether a request carries no signature at all."""
        signs = ("authorization" in request.headers, *(name in dict(request.query) for name in _SIGNS))
        return not any(signs)

    def identify(self, request: SignedRequest) -> Key:
        """Return the key that signed the request, or raise the fitting OssError."""
        query = dict(request.query)
        header = request.headers.get("authorization", "")
        by_v1_url = [name for name in _V1_QUERY if name in query]
        by_v4_url = "x-oss-signature-version" in query or "x-oss-signature" in query
        if header and (by_v1_url or by_v4_url):
            raise oss_invalid_argument(
                "Only one way of signing is allowed: the Authorization header or the query.",
                name="Authorization",
                value="***",
            )
        if by_v4_url and query.get("x-oss-signature-version") == signatures.V2_ALGORITHM:
            return self._by_v2_url(request, query)
        if by_v4_url:
            return self._by_v4_url(request, query)
        if by_v1_url:
            return self._by_v1_url(request, query)
        if header.startswith(signatures.V4_ALGORITHM):
            return self._by_v4_header(request, header)
        if header.startswith(f"{signatures.V2_ALGORITHM} "):
            return self._by_v2_header(request, header)
        if header:
            return self._by_v1_header(request, header)
        raise AssertionError("a request without a signature is not for here")

    def identify_form(self, signature: FormSignature, policy: str) -> Key:
        """Return the key that signed the policy of a form, or raise the fitting OssError."""
        if signature.scope:
            self._v4_scope(f"{signature.access_key_id}/{signature.scope}", signature.date)
            self._v4_date(signature.date)
        key = self._key(signature.access_key_id, signature.security_token)
        if not signatures.equal(signature.expected(key.access_key_secret, policy), signature.given):
            raise _mismatch(key, signature.given, policy)
        return key

    # --- V1 ------------------------------------------------------------------------------

    def _by_v1_header(self, request: SignedRequest, header: str) -> Key:
        parsed = _V1_HEADER.fullmatch(header)
        if parsed is None:
            raise oss_invalid_argument("Authorization header is invalid.", name="Authorization", value="***")
        headers = request.headers
        date = headers.get("x-oss-date") or headers.get("date", "")
        self._check_date(date)
        # alibabacloud-oss-v2 sends the token of a V1 signature by the second name.
        key = self._key(parsed[1], headers.get("x-oss-security-token") or headers.get("security-token", ""))
        self._compare_v1(request, key, date, parsed[2])
        return key

    def _by_v1_url(self, request: SignedRequest, query: Mapping[str, str]) -> Key:
        if not all(query.get(name) for name in _V1_QUERY):
            raise access_denied(
                "Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters"
            )
        expires = query["Expires"]
        self._check_expires(expires)
        key = self._key(query["OSSAccessKeyId"], query.get("security-token", ""))
        self._compare_v1(request, key, expires, query["Signature"])
        return key

    def _check_expires(self, text: str) -> None:
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise access_denied("Invalid date (should be seconds since epoch).")
        if self._clock.signed_url_s() > int(text):
            raise access_denied("Request has expired.")

    def _compare_v1(self, request: SignedRequest, key: Key, date: str, given: str) -> None:
        text = signatures.oss_v1_string_to_sign(request.method, request.resource, request.query, request.headers, date)
        if not signatures.equal(signatures.oss_v1_signature(key.access_key_secret, text), given):
            raise _mismatch(key, given, text)

    def _check_date(self, text: str) -> None:
        wrong = access_denied(
            "OSS authentication requires a valid Date.",
            ec="0002-00000503" if text else "0002-00000502",
        )
        if not _RFC1123.fullmatch(text):
            raise wrong
        try:
            sent_s = timegm(strptime(text, "%a, %d %b %Y %H:%M:%S GMT"))
        except ValueError as exc:
            raise wrong from exc
        self._check_skew(sent_s)

    def _check_skew(self, sent_s: float) -> None:
        now_s = self._clock.wall_s()
        if abs(now_s - sent_s) > MAX_SKEW_S:
            raise OssError(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                extras={
                    "MaxAllowedSkewMilliseconds": str(MAX_SKEW_S * 1000),
                    "RequestTime": iso_millis(sent_s),
                    "ServerTime": iso_millis(now_s),
                },
            )

    # --- V2 ------------------------------------------------------------------------------

    def _by_v2_header(self, request: SignedRequest, header: str) -> Key:
        parsed = _V2_HEADER.fullmatch(header)
        if parsed is None:
            raise oss_invalid_argument("Authorization header is invalid.", name="Authorization", value="***")
        date = request.headers.get("date", "")
        self._check_date(date)
        key = self._key(parsed["key_id"], request.headers.get("x-oss-security-token", ""))
        additional = (parsed["additional"] or "").lower().split(";")
        self._compare_v2(request, key, request.query, additional, (date, parsed["signature"]))
        return key

    def _by_v2_url(self, request: SignedRequest, query: Mapping[str, str]) -> Key:
        for name in _V2_QUERY:
            if query.get(name, "") == "":
                raise access_denied(f"Query-string authentication requires the {name} parameter")
        self._check_expires(query["x-oss-expires"])
        key = self._key(query["x-oss-access-key-id"], query.get("security-token", ""))
        signed = [(name, value) for name, value in request.query if name != "x-oss-signature"]
        additional = query.get("x-oss-additional-headers", "").lower().split(";")
        self._compare_v2(request, key, signed, additional, (query["x-oss-expires"], query["x-oss-signature"]))
        return key

    @staticmethod
    def _compare_v2(
        request: SignedRequest, key: Key, query: signatures.Query, additional: list[str], stamp: tuple[str, str]
    ) -> None:
        date, given = stamp
        text = signatures.oss_v2_string_to_sign(
            request.method, request.resource, query, request.headers, date=date, additional=additional
        )
        if not signatures.equal(signatures.oss_v2_signature(key.access_key_secret, text), given):
            raise _mismatch(key, given, text)

    # --- V4 ------------------------------------------------------------------------------

    def _by_v4_header(self, request: SignedRequest, header: str) -> Key:
        items = [item.strip() for item in header[len(signatures.V4_ALGORITHM) :].split(",")]
        fields = dict(item.split("=", 1) for item in items if "=" in item)
        if "Credential" not in fields or "Signature" not in fields:
            raise oss_invalid_argument("Authorization header is invalid.", name="Authorization", value="***")
        date = request.headers.get("x-oss-date", "")
        self._check_skew(self._v4_date(date))
        payload = request.headers.get("x-oss-content-sha256", "")
        if payload != signatures.V4_UNSIGNED_PAYLOAD:
            raise oss_invalid_argument(
                "Invalid x-oss-content-sha256 header.", name="x-oss-content-sha256", value=payload
            )
        key_id, scope = self._v4_scope(fields["Credential"], date)
        key = self._key(key_id, request.headers.get("x-oss-security-token", ""))
        additional = [name.lower() for name in fields.get("AdditionalHeaders", "").split(";")]
        self._compare_v4(request, key, request.query, additional, (date, scope, fields["Signature"]))
        return key

    def _by_v4_url(self, request: SignedRequest, query: Mapping[str, str]) -> Key:
        if query.get("x-oss-signature-version") != signatures.V4_ALGORITHM:
            raise oss_invalid_argument(
                "Invalid signature version.",
                name="x-oss-signature-version",
                value=query.get("x-oss-signature-version", ""),
            )
        for name in _V4_QUERY:
            if not query.get(name):
                raise oss_invalid_argument(f"Missing {name}.", name=name, value="")
        date, expires = query["x-oss-date"], query["x-oss-expires"]
        if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= MAX_URL_EXPIRES_S:
            raise oss_invalid_argument("Invalid x-oss-expires.", name="x-oss-expires", value=expires)
        sent_s = self._v4_date(date)
        if sent_s - self._clock.wall_s() > MAX_SKEW_S:
            self._check_skew(sent_s)
        if self._clock.signed_url_s() > sent_s + int(expires):
            raise access_denied("Request has expired.")
        key_id, scope = self._v4_scope(query["x-oss-credential"], date, in_url=True)
        key = self._key(key_id, query.get("x-oss-security-token", ""))
        signed = [(name, value) for name, value in request.query if name != "x-oss-signature"]
        additional = query.get("x-oss-additional-headers", "").lower().split(";")
        self._compare_v4(request, key, signed, additional, (date, scope, query["x-oss-signature"]))
        return key

    def _v4_date(self, text: str) -> float:
        wrong = access_denied(
            "OSS authentication requires a valid Date.",
            ec="0002-00000503" if text else "0002-00000502",
        )
        if not _V4_DATE.fullmatch(text):
            raise wrong
        try:
            return timegm(strptime(text, "%Y%m%dT%H%M%SZ"))
        except ValueError as exc:
            raise wrong from exc

    def _v4_scope(self, credential: str, date: str, *, in_url: bool = False) -> tuple[str, str]:
        pieces = credential.split("/")
        if len(pieces) != 5 or pieces[3:] != ["oss", signatures.V4_TERMINATOR]:
            raise oss_invalid_argument("Invalid credential.", name="Credential", value="***")
        if pieces[1] != date[:8]:
            raise oss_invalid_argument(
                "Invalid signing date in Authorization header.", name="Credential", value=pieces[1]
            )
        if pieces[2] != self._region:
            raise oss_invalid_argument(
                "The signing region in credential is invalid."
                if in_url
                else "Invalid signing region in Authorization header.",
                name="Credential",
                value=pieces[2],
                ec="0002-00000226",
            )
        return pieces[0], "/".join(pieces[1:])

    def _compare_v4(
        self,
        request: SignedRequest,
        key: Key,
        query: signatures.Query,
        additional: list[str],
        stamp: tuple[str, str, str],
    ) -> None:
        date, scope, given = stamp
        canonical = signatures.oss_v4_canonical_request(
            request.method,
            request.resource,
            query,
            request.headers,
            [name for name in additional if name],
        )
        text = signatures.oss_v4_string_to_sign(canonical, date, scope)
        expected = signatures.oss_v4_signature(key.access_key_secret, scope, text)
        if not signatures.equal(expected, given):
            raise _mismatch(key, given, text, canonical)

    # --- keys and tokens -----------------------------------------------------------------

    def _key(self, access_key_id: str, token: str) -> Key:
        key = self._keys.find(access_key_id)
        if key is None or not key.active:
            raise _invalid_key(access_key_id, ec="0002-00000002" if token else "")
        if key.temporary and not token:
            raise _invalid_key(access_key_id, ec="0002-00000003")
        if token and token != key.security_token:
            raise OssError(
                403,
                "InvalidSecurityToken",
                "The security token you provided is invalid.",
                ec="0002-00000008" if self._keys.is_known_token(token) else "0002-00000006",
            )
        if self._keys.is_expired(key):
            if self._switches.expired_answer == "InvalidAccessKeyId":
                raise _invalid_key(access_key_id, ec="0002-00000002")
            raise OssError(
                403,
                "SecurityTokenExpired",
                "The security token you provided has expired.",
                ec="0002-00000007",
            )
        return key


def _invalid_key(access_key_id: str, *, ec: str) -> OssError:
    warning = REAL_KEY_WARNING if looks_real(access_key_id) else ""
    return OssError(
        403,
        "InvalidAccessKeyId",
        f"The OSS Access Key Id you provided does not exist in our records.{warning}",
        extras={"OSSAccessKeyId": access_key_id},
        ec=ec,
    )


def _mismatch(key: Key, given: str, text: str, canonical: str = "") -> OssError:
    extras = {
        "OSSAccessKeyId": key.access_key_id,
        "SignatureProvided": given,
        "StringToSign": text,
        "StringToSignBytes": text.encode("utf-8", "surrogateescape").hex(" ").upper(),
    }
    if canonical:
        extras["CanonicalRequest"] = canonical
    return OssError(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check "
        "your key and signing method.",
        extras=extras,
    )
