"""From an entry to keys that work now: a role assumed, a command run, a service asked.

The entry is looked up again before each fetch, because keys are rotated and profiles edited while an uploader lives.
Floor 2: imports floor 0 and this package; STS is called through functions that are passed in. Blocks, with a deadline
for each way; any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from vod_widget.errors import (
    AccessDeniedError,
    CredentialError,
    KeysRefusedError,
    NotFoundError,
    RequestRefusedError,
)
from vod_widget.model import Credentials
from vod_widget.secret import Secret

from .bounded import run_beside
from .entries import Entry, Role, Surroundings
from .external import COMMAND_S, keys_from_command
from .places import read_again, read_cli
from .policies import upload_policy
from .providers import MARGIN_S, key_of
from .remote import Metadata, keys_from_uri
from .signin import keys_from_sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from vod_widget.interfaces import Clock

__all__ = ["World", "fetch", "no_sts"]

_TOKEN_LIMIT_BYTES: Final = 65_536
_ROLE_HINT: Final = "Check the role's ARN and session settings in the profile, then retry."


@dataclass(frozen=True, slots=True)
class World:
    """What a fetch may ask.

    Attributes:
        around: Environment and home folder.
        clock: Time.
        metadata: The metadata service of this instance.
        assume_role: STS AssumeRole, or None.
        assume_role_with_oidc: STS AssumeRoleWithOIDC, or None.
        region: Region whose STS is asked when the profile states none.
        strict: Refuse profile files that other users may read.
    """

    around: Surroundings
    clock: Clock
    metadata: Metadata
    assume_role: Callable[..., Credentials] | None = field(default=None, repr=False)
    assume_role_with_oidc: Callable[..., Credentials] | None = field(default=None, repr=False)
    region: str | None = None
    strict: bool = False


def no_sts(what: str) -> CredentialError:
    """Return the error for a role that nobody here can ask for."""
    return CredentialError(
        f"{what} assumes a role, and there is no way to ask STS here",
        code="Profile.Unusable",
        hint="Choose a profile with an access key or an STS token.",
    )


def fetch(entry: Entry, world: World) -> Credentials:
    """Get keys for an entry as it stands now.

    Raises:
        CredentialError: The place holds no usable profile any more, or what it names gives no keys.
        VODError: STS refused, or could not be reached.
    """
    now = read_again(entry, world.around, now_s=world.clock.now_s(), strict=world.strict)
    # A tool that rewrites the file, or a person who edits it, is not done yet: what was there still counts.
    usable = now is not None and not now.problem and now.is_fetched
    return _keys(now if usable and now is not None else entry, world, is_last=True)


def _keys(entry: Entry, world: World, *, is_last: bool) -> Credentials:
    keys = _own_keys(entry, world)
    role = entry.role
    if role is None or entry.mode == "OIDC":
        return keys
    policy = role.policy or (upload_policy() if is_last else None)
    asked_at_s = world.clock.now_s()
    given = _exchange(
        world.assume_role,
        keys,
        role_arn=role.arn,
        session_name=role.session_name,
        duration_s=role.duration_s,
        policy=policy,
        external_id=role.external_id or None,
        region=role.region or world.region or entry.region,
    )
    return _dated(given, entry, role, asked_at_s)


def _exchange(sts: Callable[..., Credentials] | None, proof: Credentials | Secret, **asked: Any) -> Credentials:
    """Ask STS; its refusal is one of the keys, so that a queue waits for better ones and fails one file only."""
    if sts is None:
        raise no_sts(str(asked["role_arn"]))
    try:
        return sts(proof, **asked)
    except KeysRefusedError:
        raise
    except (AccessDeniedError, NotFoundError, RequestRefusedError) as exc:
        hint = exc.hint if isinstance(exc, AccessDeniedError) else _ROLE_HINT
        raise KeysRefusedError(
            exc.message, status=exc.status, code=exc.code, hint=hint, request_id=exc.request_id
        ) from None


def _own_keys(entry: Entry, world: World) -> Credentials:
    """The keys of a profile before any role is assumed with them."""
    where = entry.place if entry.name == entry.place else f"profile {entry.name} of {entry.place}"
    if entry.source_profile and entry.mode == "ChainableRamRoleArn":
        return _source_keys(entry, world)
    ask = entry.ask
    if ask is None:
        return key_of(entry)
    if ask.uri is not None:
        return keys_from_uri(ask.uri, where)
    if ask.command is not None:
        command = ask.command
        what = f"the command of {where}"
        return run_beside(lambda: keys_from_command(command, where), wait_s=COMMAND_S + 5, what=what)
    if ask.metadata_role is not None:
        return world.metadata.keys(ask.metadata_role, where, allow_v1=ask.allow_v1)
    if ask.sign_in:
        return _signed_in(entry, world, where)
    return _oidc_keys(entry, world)


def _signed_in(entry: Entry, world: World, where: str) -> Credentials:
    is_alive = entry.expires_at_s is not None and entry.expires_at_s > world.clock.now_s() + MARGIN_S
    if is_alive and entry.access_key_secret is not None and entry.security_token is not None:
        return key_of(entry)
    return keys_from_sign_in(entry.name, cast("Path", entry.path), where, entry.mode)


def _source_keys(entry: Entry, world: World) -> Credentials:
    source = read_cli(world.around, now_s=world.clock.now_s(), strict=world.strict).find(entry.source_profile)
    if source is None or source.problem:
        reason = source.problem if source is not None else "it is gone"
        raise CredentialError(
            f"source_profile {entry.source_profile} of {entry.name} cannot be used: {reason}",
            code="Profile.Unusable",
            hint=f"Correct {entry.place}, then retry.",
        )
    # The next role must be allowed to be assumed, which the upload policy would forbid: no policy on the way.
    return _keys(source, world, is_last=False)


def _oidc_keys(entry: Entry, world: World) -> Credentials:
    ask, role = entry.ask, cast("Role", entry.role)
    assert ask is not None
    token = _read_token(ask.oidc_token_file)
    if isinstance(token, str):
        raise CredentialError(
            f"the OIDC token of {entry.place} cannot be used: {token}",
            code="Auth.Oidc",
            hint="Check that the cluster mounts the token and renews it, then retry.",
        )
    asked_at_s = world.clock.now_s()
    given = _exchange(
        world.assume_role_with_oidc,
        token,
        provider_arn=ask.oidc_provider_arn,
        role_arn=role.arn,
        session_name=role.session_name,
        duration_s=role.duration_s,
        policy=role.policy or upload_policy(),
        region=role.region or world.region or entry.region,
    )
    return _dated(given, entry, role, asked_at_s)


def _read_token(path: Path | None) -> Secret | str:
    """Read the token, or say in words why not. Links are followed: a cluster mounts it as one."""
    if path is None:
        return "no file is named"
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            data = file.read(_TOKEN_LIMIT_BYTES + 1)
    except OSError as exc:
        return f"its file cannot be read ({type(exc).__name__})"
    if len(data) > _TOKEN_LIMIT_BYTES:
        return "its file is too large for a token"
    text = data.decode("utf-8", "replace").strip()
    return Secret(text) if text else "its file is empty"


def _dated(given: Credentials, entry: Entry, role: Role, asked_at_s: float) -> Credentials:
    # STS states the end by its own clock. When ours is wrong, that instant is nonsense here: count from now instead.
    latest_s = asked_at_s + role.duration_s
    stated_s = given.expires_at_s
    is_sane = stated_s is not None and asked_at_s + role.duration_s / 2 < stated_s <= latest_s
    return Credentials(
        given.access_key_id,
        given.access_key_secret,
        given.security_token,
        stated_s if is_sane else latest_s,
        place=f"{entry.mode} {entry.name} of {entry.place}",
    )
