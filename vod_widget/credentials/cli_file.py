"""The reader of `~/.aliyun/config.json`, the file of the vendor's command line.

Imports floor 0 and this package; reads one file; any thread.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .entries import Ask, Entry, Place, Surroundings
from .files import parse_json, read_private
from .remote import uri_problem
from .signin import has_keeper
from .taking import instant
from .ways import KEYED, WITH_ROLE, ask_of, ask_problem, hide, keys_problem, number_of, role_of, role_problem, unread

__all__ = ["cli_path", "read_cli"]

_MODES: Final = {
    mode.lower(): mode
    for mode in (
        "AK",
        "StsToken",
        "RamRoleArn",
        "ChainableRamRoleArn",
        "CloudSSO",
        "OAuth",
        "EcsRamRole",
        "RamRoleArnWithEcs",
        "RsaKeyPair",
        "OIDC",
        "External",
        "CredentialsURI",
        "BearerToken",
        "Anonymous",
    )
}

_CACHED_LOGIN: Final = frozenset({"CloudSSO", "OAuth"})


def cli_path(home: Path) -> Path:
    """Return where the command line keeps its profiles."""
    return home / ".aliyun" / "config.json"


def read_cli(around: Surroundings, *, now_s: float, strict: bool = False) -> Place:
    """Read `~/.aliyun/config.json`, the file of the vendor's command line.

    Source: fields and modes of https://github.com/aliyun/aliyun-cli config/profile.go, read 2026-11.
    """
    if around.home is None:
        return Place("~/.aliyun/config.json", None)
    path = cli_path(around.home)
    shown = around.shown(path)
    content = read_private(path, shown, strict=strict)
    if content.text is None:
        return unread(shown, path, content)
    data, problem = parse_json(content.text, shown)
    rows = data.get("profiles") or []  # the command line writes null before the first profile
    if not problem and not isinstance(rows, list):
        problem = f'"profiles" of {shown} is not a list'
    if problem:
        return Place(shown, path, exists=True, problem=problem, stamp=content.stamp)
    entries = [
        replace(_cli_entry(row, shown, around, now_s, content.warning), path=path)
        for row in rows
        if isinstance(row, dict) and row.get("name")
    ]
    return Place(
        shown,
        path,
        tuple(replace(entry, problem=_chain_problem(entry, entries)) for entry in entries),
        current=str(data.get("current") or ""),
        exists=True,
        stamp=content.stamp,
    )


def _cli_entry(row: dict[str, Any], shown: str, around: Surroundings, now_s: float, warning: str) -> Entry:
    name = str(row["name"])
    raw_mode = str(row.get("mode") or "")
    mode = _MODES.get(raw_mode.lower(), raw_mode)
    key_id = str(row.get("access_key_id") or "").strip()
    secret = hide(row.get("access_key_secret"))
    token = hide(row.get("sts_token"))
    if not mode and (key_id or secret):
        mode = "StsToken" if token else "AK"
    ends_at_s, _ = instant(row.get("sts_expiration") or None) if mode in _CACHED_LOGIN | {"StsToken"} else (None, True)
    if ends_at_s is not None and not math.isfinite(ends_at_s):
        ends_at_s = None
    entry = Entry(
        name=name,
        place=shown,
        mode=mode,
        access_key_id=key_id if mode in KEYED | _CACHED_LOGIN | {""} else "",
        access_key_secret=secret if mode in KEYED | _CACHED_LOGIN | {""} else None,
        security_token=token if mode in _CACHED_LOGIN | {"StsToken"} else None,
        expires_at_s=ends_at_s or None,
        region=str(row.get("region_id") or "") or None,
        role=role_of(around, row, "ram_role_arn", "ram_session_name") if mode in WITH_ROLE else None,
        source_profile=str(row.get("source_profile") or ""),
        ask=ask_of(
            mode,
            around,
            command=hide(row.get("process_command")),
            uri=hide(row.get("credentials_uri")),
            role_name=str(row.get("ram_role_name") or ""),
            provider_arn=str(row.get("oidc_provider_arn") or ""),
            token_file=str(row.get("oidc_token_file") or ""),
        ),
        is_blank=mode in ("", "AK") and not key_id and secret is None,
        warning=warning,
    )
    if mode in _CACHED_LOGIN and _can_sign_in(row, mode, now_s) and has_keeper():
        entry = replace(entry, ask=Ask(sign_in=True))
    return replace(entry, problem=_cli_problem(entry, around, now_s))


def _can_sign_in(row: dict[str, Any], mode: str, now_s: float) -> bool:
    """Tell whether the tokens of a sign-in still give keys, as far as the file says."""
    if mode == "OAuth":
        return bool(row.get("oauth_refresh_token"))
    wanted = ("access_token", "cloud_sso_account_id", "cloud_sso_access_config", "cloud_sso_sign_in_url")
    is_whole = all(isinstance(row.get(name), str) and row[name] for name in wanted)
    ends_at_s = number_of(row.get("cloud_sso_access_token_expire"))
    return is_whole and ends_at_s > now_s and not uri_problem(row["cloud_sso_sign_in_url"])


def _cli_problem(entry: Entry, around: Surroundings, now_s: float) -> str:
    again = f"aliyun configure --profile {entry.name}"
    if entry.is_blank:
        return f"no key is filled in; run: {again} --mode AK"
    has_ended = entry.expires_at_s is not None and entry.expires_at_s <= now_s
    if entry.mode in _CACHED_LOGIN:
        if entry.ask is not None:
            return ""
        if entry.access_key_secret is None or not entry.security_token:
            return f"nobody is signed in; run: {again} --mode {entry.mode}"
        if entry.expires_at_s is None or has_ended:
            return (
                f"the sign-in has ended; run: aliyun sts GetCallerIdentity --profile {entry.name}; "
                'or let it renew itself: pip install "vod_widget[credentials]"'
            )
        return ""
    if entry.mode == "ChainableRamRoleArn":
        if not entry.source_profile:
            return f"source_profile is missing; run: {again} --mode {entry.mode}"
        return role_problem(entry)
    problem = keys_problem(entry, "sts_token") if entry.ask is None else ask_problem(entry, around)
    if not problem and has_ended:
        return f"its token has ended; run: {again} --mode StsToken"
    return problem or role_problem(entry)


def _chain_problem(entry: Entry, entries: list[Entry]) -> str:
    """Follow source_profile to its end: each must exist, be usable, and stand in the chain once."""
    seen = {entry.name}
    link = entry
    while not link.problem and link.source_profile and link.mode == "ChainableRamRoleArn":
        source = next((one for one in entries if one.name == link.source_profile), None)
        if source is None:
            return f"source_profile names {link.source_profile}, which is not in {entry.place}"
        if source.name in seen:
            return f"source_profile leads in a circle through {source.name}; name another one"
        seen.add(source.name)
        link = source
    if link is entry or not link.problem:
        return link.problem
    return f"its source_profile {link.name} cannot be used: {link.problem}"
