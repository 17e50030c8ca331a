"""The STS service: temporary keys for a role, and "who am I".

What lives here: `StsService`. It imports `checks`, `clock`, `errors`, `policy`, `switches`,
`tokens`; called under the lock of `Cloud`.

Source: RAM "API reference (STS)/AssumeRole", version 2015-04-01. Newer pages may allow longer
session names and policies; ours takes 64 and 2,048 characters.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vod_widget.emulator import checks, policy, strict_json
from vod_widget.emulator.checks import Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError
from vod_widget.emulator.switches import Switches
from vod_widget.emulator.tokens import Key, KeyRing

MIN_DURATION_S = 900
DEFAULT_DURATION_S = 3600
MAX_POLICY_CHARS = 2048
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}")
_ROLE_ARN = re.compile(r"acs:ram::(?P<account>[^:]+):role/(?P<name>[A-Za-z0-9_.-]{1,64})")


class StsService:
    """Issue and name identities.

    Args:
        clock: Dates expirations.
        keys: Makes the temporary keys.
        switches: MaxSessionDuration, and what the role may do.
        account_id: The account whose roles exist.
        role_name: The one role there is.
    """

    def __init__(self, clock: Clock, keys: KeyRing, switches: Switches, account_id: str, role_name: str) -> None:
        self._clock = clock
        self._keys = keys
        self._switches = switches
        self._account_id = account_id
        self._role_name = role_name

    def __repr__(self) -> str:
        return f"<StsService role={self.role_arn}>"

    @property
    def role_arn(self) -> str:
        """Return the ARN of the role that may be assumed."""
        return f"acs:ram::{self._account_id}:role/{self._role_name}"

    @property
    def oidc_provider_arn(self) -> str:
        """Return the ARN of the one identity provider that the role trusts."""
        return f"acs:ram::{self._account_id}:oidc-provider/emulator"

    @functools.cached_property
    def _oidc_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def oidc_token(self, ttl_s: float = 3600.0) -> str:
        """Return what the identity provider would put into a token file: a JWT, RS256.

        Args:
            ttl_s: Seconds it lives, by the ageing clock.
        """
        claims = {"sub": "system:serviceaccount:default:uploader", "age_end": self._clock.age_s() + ttl_s}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims))
        signature = self._oidc_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"

    def _check_oidc_token(self, token: str) -> None:
        """Refuse what the provider did not issue, or what has ended.

        Source: https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-errorcodes, read 2026-11.
        """
        parts = token.split(".")
        if len(parts) != 3:
            raise RpcError(
                401,
                "AuthenticationFail.OIDCToken.Invalid",
                "The number of Jwt field should be divided into 3 parts with '.' .",
            )
        try:
            claims = strict_json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
            signature = base64.urlsafe_b64decode(parts[2] + "==")
            ends_age_s = float(claims["age_end"])
        except (ValueError, KeyError, TypeError) as exc:
            raise RpcError(
                401,
                "AuthenticationFail.OIDCToken.Invalid",
                "The Jwt content is invalid that cannot be recognized.",
            ) from exc
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            self._oidc_key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as exc:
            raise RpcError(
                401,
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ) from exc
        if self._clock.age_s() >= ends_age_s:
            raise RpcError(401, "AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired.")

    def assume_role_with_oidc(self, params: Params) -> dict[str, Any]:
        """AssumeRoleWithOIDC: as AssumeRole, but nothing is signed: the token of an identity provider is the proof."""
        provider = checks.require(params, "OIDCProviderArn")
        token = checks.require(params, "OIDCToken")
        if provider != self.oidc_provider_arn:
            raise RpcError(401, "AuthenticationFail.NoPermission", "No such OIDC Provider registered.")
        self._check_oidc_token(token)
        return self._assume(params, None)

    def assume_role(self, params: Params, caller: Key) -> dict[str, Any]:
        """AssumeRole: a key that may do what the role and the Policy argument both allow."""
        return self._assume(params, caller)

    def _assume(self, params: Params, caller: Key | None) -> dict[str, Any]:
        arn = checks.require(params, "RoleArn")
        session = checks.require(params, "RoleSessionName")
        if caller is not None and caller.kind == "root":
            raise RpcError(403, "NoPermission", "Roles may not be assumed by root accounts.")
        parsed = _ROLE_ARN.fullmatch(arn)
        if parsed is None:
            raise RpcError(400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
        if not _SESSION_NAME.fullmatch(session):
            raise RpcError(
                400,
                "InvalidParameter.RoleSessionName",
                "The parameter RoleSessionName is wrongly formed.",
            )
        duration_s = self._duration(params)
        policies = (policy.allow(self._switches.role_actions), *self._session_policy(params))
        if arn != self.role_arn:
            raise RpcError(404, "EntityNotExist.Role", f"The role not exists: {arn}.")
        trusted = caller is None or (caller.account_id == self._account_id and caller.may("sts:AssumeRole", arn))
        if not trusted:
            raise RpcError(
                403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."
            )
        role_id = "300000000000000001"
        issued = self._keys.issue(
            kind="role",
            ttl_s=duration_s,
            policies=policies,
            arn=f"{self.role_arn}/{session}",
            principal_id=f"{role_id}:{session}",
        )
        return {
            "Credentials": {
                "AccessKeyId": issued.access_key_id,
                "AccessKeySecret": issued.access_key_secret,
                "SecurityToken": issued.security_token,
                "Expiration": iso_z(self._clock.wall_s() + duration_s),
            },
            "AssumedRoleUser": {"Arn": issued.arn, "AssumedRoleId": issued.principal_id},
        }

    def _duration(self, params: Params) -> int:
        raw = params.get("DurationSeconds", "") or str(DEFAULT_DURATION_S)
        high = self._switches.max_session_duration_s
        if not re.fullmatch(r"[0-9]{1,9}", raw) or not MIN_DURATION_S <= int(raw) <= high:
            raise RpcError(
                400,
                "InvalidParameter.DurationSeconds",
                "The Min/Max value of DurationSeconds is 15min/1hr.",
            )
        return int(raw)

    def _session_policy(self, params: Params) -> tuple[policy.Policy, ...]:
        text = params.get("Policy", "")
        if not text:
            return ()
        if len(text) > MAX_POLICY_CHARS:
            raise RpcError(
                400,
                "InvalidParameter.PolicySize",
                f"The size of Policy must be smaller than {MAX_POLICY_CHARS} characters.",
            )
        try:
            return (policy.parse(text),)
        except ValueError as exc:
            raise RpcError(
                400, "InvalidParameter.PolicyGrammar", f"The parameter Policy has not passed grammar check: {exc}"
            ) from exc

    def get_caller_identity(self, caller: Key) -> dict[str, Any]:
        """GetCallerIdentity: needs no right."""
        kinds = {"user": "RAMUser", "root": "Account"}
        answer: dict[str, Any] = {
            "IdentityType": kinds.get(caller.kind, "AssumedRoleUser"),
            "AccountId": caller.account_id,
            "PrincipalId": caller.principal_id,
            "Arn": caller.arn,
        }
        if caller.kind == "user":
            answer["UserId"] = caller.principal_id
        if caller.temporary:
            answer["RoleId"] = caller.principal_id.partition(":")[0]
        return answer


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
