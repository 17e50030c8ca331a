"""How the keys of a profile are got, and why they cannot be: what the readers of all places share.

Imports floor 0 and this package; looks whether a file exists, reads none; any thread.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vod_widget.secret import Secret

from .entries import Ask, Entry, Place, Role, Surroundings
from .external import command_problem
from .files import FileText
from .remote import uri_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CREDENTIALS_URI",
    "KEYED",
    "METADATA_DISABLED",
    "OIDC_NAMES",
    "PROVIDER_ARN",
    "ROLE_ARN",
    "TOKEN_FILE",
    "WITH_ROLE",
    "ask_of",
    "ask_problem",
    "hide",
    "keys_problem",
    "metadata_ask",
    "number_of",
    "role_of",
    "role_problem",
    "token_problem",
    "unread",
]

CREDENTIALS_URI: Final = "ALIBABA_CLOUD_CREDENTIALS_URI"
METADATA_DISABLED: Final = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
OIDC_NAMES: Final = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
ROLE_ARN, PROVIDER_ARN, TOKEN_FILE = OIDC_NAMES

# The vendor lets a role session live 900 s to the role's own maximum (STS AssumeRole, DurationSeconds). We renew by
# ourselves, so nothing is gained beyond an hour and a stolen token dies sooner.
_ROLE_LEAST_S: Final = 900
_ROLE_MOST_S: Final = 3600

KEYED: Final = frozenset({"AK", "StsToken", "RamRoleArn"})
WITH_ROLE: Final = frozenset({"RamRoleArn", "ChainableRamRoleArn", "RamRoleArnWithEcs", "OIDC"})


def hide(value: object) -> Secret | None:
    """Keep a text of a file or variable as a secret; None when it is empty."""
    text = str(value).strip() if value else ""
    return Secret(text) if text else None


def number_of(value: object) -> float:
    """Read a finite number; 0 when it is none."""
    try:
        number = float(str(value))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def role_of(around: Surroundings, row: Mapping[str, Any], arn: str, session: str) -> Role:
    """Read the role that a profile assumes.

    Args:
        around: Variables and folders.
        row: The profile.
        arn: Name of the field with the ARN.
        session: Name of the field with the name of the session.
    """
    wanted_s = number_of(row.get("expired_seconds") or row.get("duration_seconds")) or _ROLE_MOST_S
    return Role(
        arn=str(row.get(arn) or ""),
        session_name=str(row.get(session) or "") or around.get("ALIBABA_CLOUD_ROLE_SESSION_NAME") or "vod_widget",
        duration_s=int(min(max(wanted_s, _ROLE_LEAST_S), _ROLE_MOST_S)),
        policy=str(row.get("policy") or ""),
        external_id=str(row.get("external_id") or ""),
        region=str(row.get("sts_region") or ""),
    )


def ask_of(
    mode: str,
    around: Surroundings,
    *,
    command: Secret | None,
    uri: Secret | None,
    role_name: str,
    provider_arn: str,
    token_file: str,
) -> Ask | None:
    """Say how the keys of a profile are got, by its mode."""
    if mode == "External":
        return Ask(command=command)
    if mode == "CredentialsURI":
        return Ask(uri=uri or hide(around.get(CREDENTIALS_URI)))
    if mode in ("EcsRamRole", "RamRoleArnWithEcs"):
        return metadata_ask(around, role_name)
    if mode == "OIDC":
        provider_arn = provider_arn or around.get(PROVIDER_ARN)
        token_file = token_file or around.get(TOKEN_FILE)
        return Ask(oidc_provider_arn=provider_arn, oidc_token_file=around.path_of(token_file) if token_file else None)
    return None


def metadata_ask(around: Surroundings, role_name: str) -> Ask:
    """Say that the metadata service gives the keys; an empty name means the role that the instance has."""
    return Ask(metadata_role=role_name, allow_v1=not around.is_on("ALIBABA_CLOUD_IMDSV1_DISABLED"))


def ask_problem(entry: Entry, around: Surroundings) -> str:
    """Say why keys cannot be got as a profile says, without trying."""
    ask, where = entry.ask, f"add it in {entry.place}"
    assert ask is not None
    if entry.mode == "External":
        return command_problem(ask.command.reveal() if ask.command is not None else "")
    if entry.mode == "CredentialsURI":
        return uri_problem(ask.uri.reveal()) if ask.uri is not None else f"credentials_uri is missing; {where}"
    if ask.metadata_role is not None:
        return f"{METADATA_DISABLED} is set; remove it" if around.is_on(METADATA_DISABLED) else ""
    if not ask.oidc_provider_arn:
        return f"oidc_provider_arn is missing; {where}"
    if ask.oidc_token_file is None:
        return f"oidc_token_file is missing; {where}"
    return token_problem(around, ask.oidc_token_file, "oidc_token_file")


def token_problem(around: Surroundings, path: Path | None, named_by: str) -> str:
    """Say that the file of an OIDC token is not there; empty when it is, or when none is named."""
    try:
        if path is None or path.is_file():
            return ""
    except OSError:  # a folder that may not be entered
        pass
    assert path is not None
    return f"{named_by} names {around.shown(path)}, and there is no such file; correct it, or wait until it is mounted"


def keys_problem(entry: Entry, token_name: str) -> str:
    """Say which of the keys that a mode needs is missing; empty when none is."""
    if entry.mode not in KEYED:
        return (
            f"mode {entry.mode or '(none)'} cannot be used to upload; choose a profile with an access key, an STS "
            "token or a role"
        )
    wanted = [("access_key_id", entry.access_key_id), ("access_key_secret", entry.access_key_secret)]
    if entry.mode == "StsToken":
        wanted.append((token_name, entry.security_token))
    missing = " and ".join(name for name, value in wanted if not value)
    return f"{missing} is missing; add it in {entry.place}" if missing else ""


def role_problem(entry: Entry) -> str:
    """Say that a role has no ARN; empty when it has one, or none is assumed."""
    if entry.role is not None and not entry.role.arn:
        return f"the ARN of the role is missing; add it in {entry.place}"
    return ""


def unread(shown: str, path: Path, content: FileText) -> Place:
    """Return the place of a file that is not there or may not be read."""
    return Place(shown, path, exists=content.exists, problem=content.problem, stamp=content.stamp)
