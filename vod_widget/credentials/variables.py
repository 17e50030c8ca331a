"""The reader of the environment: keys, a role by OIDC token, a credentials URI, the names of other programs.

Imports floor 0 and this package; looks whether a file exists, reads none; any thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .entries import ENVIRONMENT, Ask, Entry, Role, Surroundings
from .remote import uri_problem
from .ways import (
    CREDENTIALS_URI,
    OIDC_NAMES,
    PROVIDER_ARN,
    ROLE_ARN,
    TOKEN_FILE,
    hide,
    metadata_ask,
    role_of,
    token_problem,
)

__all__ = [
    "INSTANCE",
    "METADATA",
    "metadata_entry",
    "read_compatibility",
    "read_environment",
    "read_oidc",
    "read_uri",
]

METADATA: Final = "ECS metadata"
INSTANCE: Final = "ecs"

# Prefix of the variables, and the names of id, secret and token of other programs: oss2, older CLIs, Terraform, the
# old core. Source: aliyun-cli issue 398 and the packages themselves, read 2026-11.
_COMPATIBILITY: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]] = (
    ("OSS_*", ("OSS_ACCESS_KEY_ID",), ("OSS_ACCESS_KEY_SECRET",), ("OSS_SESSION_TOKEN",)),
    (
        "ALIBABACLOUD_*",
        ("ALIBABACLOUD_ACCESS_KEY_ID",),
        ("ALIBABACLOUD_ACCESS_KEY_SECRET",),
        ("ALIBABACLOUD_SECURITY_TOKEN", "SECURITY_TOKEN"),
    ),
    (
        "ALICLOUD_*",
        ("ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY"),
        ("ALICLOUD_ACCESS_KEY_SECRET", "ALICLOUD_SECRET_KEY"),
        ("ALICLOUD_SECURITY_TOKEN",),
    ),
    (
        "ALIYUN_*",
        ("ALIYUN_ACCESS_KEY_ID",),
        ("ALIYUN_ACCESS_KEY_SECRET",),
        ("ALIYUN_SECURITY_TOKEN",),
    ),
)


def read_environment(around: Surroundings) -> Entry | None:
    """Read the vendor's own variables; None when no key is set.

    A long-lived key beside ALIBABA_CLOUD_ROLE_ARN assumes that role, unless the role is meant for an OIDC token.
    """
    entry = _pair(
        around,
        place=ENVIRONMENT,
        ids=("ALIBABA_CLOUD_ACCESS_KEY_ID",),
        secrets=("ALIBABA_CLOUD_ACCESS_KEY_SECRET",),
        tokens=("ALIBABA_CLOUD_SECURITY_TOKEN",),
    )
    arn = around.get(ROLE_ARN)
    if entry is None or entry.problem or entry.mode != "AK" or not arn or around.get(PROVIDER_ARN, TOKEN_FILE):
        return entry
    return replace(entry, mode="RamRoleArn", role=_environment_role(around, arn))


def _environment_role(around: Surroundings, arn: str) -> Role:
    region = around.get("ALIBABA_CLOUD_STS_REGION")
    return role_of(around, {"arn": arn, "sts_region": region}, "arn", "")


def read_oidc(around: Surroundings) -> Entry | None:
    """Read the three variables that a cluster sets for a role by OIDC token; None when none of the last two is set."""
    arn, provider, named = (around.get(name) for name in OIDC_NAMES)
    if not provider and not named:
        return None
    missing = [name for name in OIDC_NAMES if not around.get(name)]
    path = around.path_of(named) if named else None
    problem = f"{' and '.join(missing)} is not set; set all three or none" if missing else ""
    return Entry(
        name="oidc",
        place="environment (OIDC)",
        mode="OIDC",
        region=around.get("ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_REGION") or None,
        role=_environment_role(around, arn),
        ask=Ask(oidc_provider_arn=provider, oidc_token_file=path),
        problem=problem or token_problem(around, path, TOKEN_FILE),
    )


def read_uri(around: Surroundings) -> Entry | None:
    """Read the variable that names an address which answers with keys; None when it is not set."""
    uri = hide(around.get(CREDENTIALS_URI))
    if uri is None:
        return None
    return Entry(
        name="uri",
        place=CREDENTIALS_URI,
        mode="CredentialsURI",
        region=around.get("ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_REGION") or None,
        ask=Ask(uri=uri),
        problem=uri_problem(uri.reveal()),
    )


def metadata_entry(around: Surroundings, role_name: str) -> Entry:
    """Say how the keys of this ECS instance are got."""
    return Entry(
        name=INSTANCE,
        place=METADATA,
        mode="EcsRamRole",
        region=around.get("ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_REGION") or None,
        ask=metadata_ask(around, role_name),
    )


def read_compatibility(around: Surroundings) -> tuple[Entry, ...]:
    """Read the variables of other programs, those that are set."""
    found = (
        _pair(around, place=f"environment ({label})", ids=ids, secrets=secrets, tokens=tokens)
        for label, ids, secrets, tokens in _COMPATIBILITY
    )
    return tuple(entry for entry in found if entry is not None)


def _pair(
    around: Surroundings,
    *,
    place: str,
    ids: tuple[str, ...],
    secrets: tuple[str, ...],
    tokens: tuple[str, ...],
) -> Entry | None:
    key_id = around.get(*ids)
    secret = hide(around.get(*secrets))
    token = hide(around.get(*tokens))
    if not key_id and secret is None:
        return None
    missing = ids[0] if not key_id else secrets[0] if secret is None else ""
    have = secrets[0] if not key_id else ids[0]
    return Entry(
        name=place,
        place=place,
        mode="StsToken" if token else "AK",
        access_key_id=key_id,
        access_key_secret=secret,
        security_token=token,
        region=around.get("ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_REGION") or None,
        problem=f"{have} is set but {missing} is not; set both or neither" if missing else "",
    )
