"""The reader of the vendor's shared INI files.

Imports floor 0 and this package; reads files; any thread.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from .entries import Entry, Place, Surroundings
from .files import parse_ini, read_private
from .ways import KEYED, WITH_ROLE, ask_of, ask_problem, hide, keys_problem, role_of, role_problem, unread

__all__ = ["ini_paths", "read_ini", "read_ini_files"]

_INI_MODES: Final = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "ecs_ram_role": "EcsRamRole",
    "oidc_role_arn": "OIDC",
    "rsa_key_pair": "RsaKeyPair",
    "credentials_uri": "CredentialsURI",
    "bearer": "BearerToken",
}


def ini_paths(home: Path) -> tuple[Path, ...]:
    """Return where the files are looked for when no variable names one."""
    # Two, because the vendor's Python package looks for the first and its packages for other languages for the second.
    return tuple(home / ".alibabacloud" / name for name in ("credentials.ini", "credentials"))


def read_ini_files(around: Surroundings, *, strict: bool = False) -> tuple[Place, ...]:
    """Read the shared INI files, first the one that wins.

    ALIBABA_CLOUD_CREDENTIALS_FILE names one and replaces the two defaults.

    Source: https://github.com/aliyun/credentials-python provider/profile.py; credentials-nodejs issue 7; read 2026-11.
    """
    named = around.get("ALIBABA_CLOUD_CREDENTIALS_FILE")
    if named:
        path = around.path_of(named)
        place = read_ini(around, path, follow_links=True, strict=strict)
        if not place.exists:
            problem = f"ALIBABA_CLOUD_CREDENTIALS_FILE names {place.shown}, which does not exist"
            place = replace(place, problem=problem)
        return (place,)
    if around.home is None:
        return tuple(Place(f"~/.alibabacloud/{name}", None) for name in ("credentials.ini", "credentials"))
    return tuple(read_ini(around, path, follow_links=False, strict=strict) for path in ini_paths(around.home))


def read_ini(around: Surroundings, path: Path, *, follow_links: bool, strict: bool) -> Place:
    """Read one file, there or not."""
    shown = around.shown(path)
    content = read_private(path, shown, follow_links=follow_links, strict=strict)
    if content.text is None:
        return unread(shown, path, content)
    sections, problem = parse_ini(content.text, shown)
    return Place(
        shown,
        path,
        tuple(
            replace(_ini_entry(name, section, shown, around, content.warning), path=path)
            for name, section in sections.items()
        ),
        exists=True,
        problem=problem,
        stamp=content.stamp,
    )


def _ini_entry(name: str, section: dict[str, str], shown: str, around: Surroundings, warning: str) -> Entry:
    kind = section.get("type", "").lower()
    mode = _INI_MODES.get(kind, kind)
    entry = Entry(
        name=name,
        place=shown,
        mode=mode,
        access_key_id=section.get("access_key_id", "") if mode in KEYED | {""} else "",
        access_key_secret=hide(section.get("access_key_secret")) if mode in KEYED | {""} else None,
        security_token=hide(section.get("security_token") or section.get("sts_token")) if mode == "StsToken" else None,
        region=section.get("region_id") or section.get("region") or None,
        role=role_of(around, section, "role_arn", "role_session_name") if mode in WITH_ROLE else None,
        ask=ask_of(
            mode,
            around,
            command=None,
            uri=hide(section.get("credentials_uri")),
            role_name=section.get("role_name", ""),
            provider_arn=section.get("oidc_provider_arn", ""),
            token_file=section.get("oidc_token_file_path", ""),
        ),
        warning=warning,
    )
    if section.get("enable", "").lower() == "false":
        problem = f"it is switched off; remove `enable = false` in {shown}"
    elif not kind:
        problem = f"the line `type = access_key` is missing; add it in {shown}"
    elif entry.ask is not None:
        problem = ask_problem(entry, around) or role_problem(entry)
    else:
        problem = keys_problem(entry, "security_token") or role_problem(entry)
    return replace(entry, problem=problem)
