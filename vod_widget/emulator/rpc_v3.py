"""Signature V3 of the API gateway: the newer SDKs sign by a header, ACS3-HMAC-SHA256.

What lives here: `parse`, which turns the headers of such a call into the parameters that the older way has, and
`HeaderSignature`, which checks it. It imports `signatures`, `errors`; pure, any thread.

Theory: only where things stand differs. Action, Version, date, nonce and token are headers named x-acs-...; query
and body hold the operation's own parameters, and the body is signed by its hash. So `rpc` judges both ways by the same
rules and codes, and only the signature is computed here.

Source: Alibaba Cloud "V3 request body and signature method"; what alibabacloud-tea-openapi 0.4.6 sends.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vod_widget.emulator.errors import RpcError
from vod_widget.emulator.signatures import percent_encode

ALGORITHM = "ACS3-HMAC-SHA256"
_HEADER = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<key>[^,\s]+)\s*,\s*SignedHeaders=(?P<names>[^,\s]+)\s*,\s*Signature=(?P<given>[0-9a-f]+)"
)
_TAKEN = {
    "x-acs-action": "Action",
    "x-acs-version": "Version",
    "x-acs-date": "Timestamp",
    "x-acs-signature-nonce": "SignatureNonce",
    "x-acs-security-token": "SecurityToken",
}
# What must be signed lest someone else could change it.
_MUST_BE_SIGNED = frozenset({"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"})


@dataclass(frozen=True)
class HeaderSignature:
    """A signature and all that it covers."""

    access_key_id: str
    given: str
    names: tuple[str, ...]
    path: str
    query: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body_hash: str

    def string_to_sign(self, method: str) -> str:
        """Build what is signed, from what arrived."""
        pairs = sorted((percent_encode(name), percent_encode(value)) for name, value in self.query)
        lines = "".join(f"{name}:{self.headers.get(name, '').strip()}\n" for name in self.names)
        query = "&".join(f"{name}={value}" for name, value in pairs)
        canonical = f"{method}\n{self.path}\n{query}\n{lines}\n{';'.join(self.names)}\n{self.body_hash}"
        return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode('utf-8', 'surrogateescape')).hexdigest()}"

    @staticmethod
    def signature(secret: str, string_to_sign: str) -> str:
        """Sign it."""
        return hmac.new(secret.encode("utf-8"), string_to_sign.encode("utf-8"), hashlib.sha256).hexdigest()

    def check_names(self) -> None:
        """Refuse a signature that leaves out what it must cover.

        Raises:
            RpcError: IncompleteSignature. Which headers must be signed is INFERRED: all that say what is called.
        """
        own = {name for name in self.headers if name.startswith("x-acs-")}
        if list(self.names) != sorted(set(self.names)) or not _MUST_BE_SIGNED | own <= set(self.names):
            raise RpcError(
                400, "IncompleteSignature", "The request signature does not conform to Alibaba Cloud standards."
            )


def is_signed(headers: Mapping[str, str]) -> bool:
    """Tell whether a request says that it is signed this way."""
    return headers.get("authorization", "").startswith("ACS3-")


def parse(
    path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], body: bytes
) -> tuple[HeaderSignature | None, list[tuple[str, str]]]:
    """Return the signature, None when its header cannot be read, and the parameters that stand in headers."""
    pairs = [(name, headers[header]) for header, name in _TAKEN.items() if headers.get(header)]
    if "xml" not in headers.get("accept", "") and "Format" not in dict(query):
        pairs.append(("Format", "JSON"))
    found = _HEADER.fullmatch(headers.get("authorization", ""))
    if found is None:
        return None, pairs
    signature = HeaderSignature(
        found["key"],
        found["given"],
        tuple(found["names"].split(";")),
        path,
        tuple(query),
        headers,
        hashlib.sha256(body).hexdigest(),
    )
    # The names of the older way, so that the same checks see the same things.
    older = [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")]
    return signature, [*pairs, *older, ("AccessKeyId", found["key"]), ("Signature", found["given"])]
