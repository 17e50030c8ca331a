"""The readers of the three kinds of places: environment, the CLI's file, INI files.

Nothing here raises for what a file holds: a bad file or profile becomes a problem in words, and `search.py` decides.
Texts of secrets live here only until `Secret` holds them. Imports floor 0 and this package; reads files; any thread.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vod_widget.secret import Secret

from .entries import ENVIRONMENT, Ask, Entry, Place, Role, Surroundings
from .external import command_problem
from .files import FileText, parse_ini, parse_json, read_private
from .remote import uri_problem
from .signin import has_keeper
from .taking import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMPATIBILITY",
    "CREDENTIALS_URI",
    "INSTANCE",
    "METADATA",
    "METADATA_DISABLED",
    "OIDC_NAMES",
    "metadata_entry",
    "read_again",
    "read_cli",
    "read_compatibility",
    "read_environment",
    "read_ini_files",
    "read_oidc",
    "read_uri",
]

CREDENTIALS_URI: Final = "ALIBABA_CLOUD_CREDENTIALS_URI"
METADATA: Final = "ECS metadata"
INSTANCE: Final = "ecs"
METADATA_DISABLED: Final = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
OIDC_NAMES: Final = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
_ROLE_ARN, _PROVIDER_ARN, _TOKEN_FILE = OIDC_NAMES

# The vendor lets a role session live 900 s to the role's own maximum (STS AssumeRole, DurationSeconds). We renew by
# ourselves, so nothing is gained beyond an hour and a stolen token dies sooner.
_ROLE_LEAST_S: Final = 900
_ROLE_MOST_S: Final = 3600

# Prefix of the variables, and the names of id, secret and token of other programs: oss2, older CLIs, Terraform, the
# old core. Source: aliyun-cli issue 398 and the packages themselves, read 2026-11.
COMPATIBILITY: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...]] = (
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
_KEYED: Final = frozenset({"AK", "StsToken", "RamRoleArn"})
_WITH_ROLE: Final = frozenset({"RamRoleArn", "ChainableRamRoleArn", "RamRoleArnWithEcs", "OIDC"})
_CACHED_LOGIN: Final = frozenset({"CloudSSO", "OAuth"})


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
    arn = around.get(_ROLE_ARN)
    if entry is None or entry.problem or entry.mode != "AK" or not arn or around.get(_PROVIDER_ARN, _TOKEN_FILE):
        return entry
    return replace(entry, mode="RamRoleArn", role=_environment_role(around, arn))


def _environment_role(around: Surroundings, arn: str) -> Role:
    region = around.get("ALIBABA_CLOUD_STS_REGION")
    return _role(around, {"arn": arn, "sts_region": region}, "arn", "")


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
        problem=problem or _token_problem(around, path, _TOKEN_FILE),
    )


def _token_problem(around: Surroundings, path: Path | None, named_by: str) -> str:
    try:
        if path is None or path.is_file():
            return ""
    except OSError:  # a folder that may not be entered
        pass
    assert path is not None
    return f"{named_by} names {around.shown(path)}, and there is no such file; correct it, or wait until it is mounted"


def read_uri(around: Surroundings) -> Entry | None:
    """Read the variable that names an address which answers with keys; None when it is not set."""
    uri = _hide(around.get(CREDENTIALS_URI))
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
        ask=_metadata_ask(around, role_name),
    )


def _metadata_ask(around: Surroundings, role_name: str) -> Ask:
    return Ask(metadata_role=role_name, allow_v1=not around.is_on("ALIBABA_CLOUD_IMDSV1_DISABLED"))


def read_compatibility(around: Surroundings) -> tuple[Entry, ...]:
    """Read the variables of other programs, those that are set."""
    found = (
        _pair(around, place=f"environment ({label})", ids=ids, secrets=secrets, tokens=tokens)
        for label, ids, secrets, tokens in COMPATIBILITY
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
    secret = _hide(around.get(*secrets))
    token = _hide(around.get(*tokens))
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


def _hide(value: object) -> Secret | None:
    text = str(value).strip() if value else ""
    return Secret(text) if text else None


def _cli_path(home: Path) -> Path:
    return home / ".aliyun" / "config.json"


def _ini_paths(home: Path) -> tuple[Path, ...]:
    # Two, because the vendor's Python package looks for the first and its packages for other languages for the second.
    return tuple(home / ".alibabacloud" / name for name in ("credentials.ini", "credentials"))


def read_cli(around: Surroundings, *, now_s: float, strict: bool = False) -> Place:
    """Read `~/.aliyun/config.json`, the file of the vendor's command line.

    Source: fields and modes of https://github.com/aliyun/aliyun-cli config/profile.go, read 2026-11.
    """
    if around.home is None:
        return Place("~/.aliyun/config.json", None)
    path = _cli_path(around.home)
    shown = around.shown(path)
    content = read_private(path, shown, strict=strict)
    if content.text is None:
        return _unread(shown, path, content)
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


def _unread(shown: str, path: Path, content: FileText) -> Place:
    return Place(shown, path, exists=content.exists, problem=content.problem, stamp=content.stamp)


def _cli_entry(row: dict[str, Any], shown: str, around: Surroundings, now_s: float, warning: str) -> Entry:
    name = str(row["name"])
    raw_mode = str(row.get("mode") or "")
    mode = _MODES.get(raw_mode.lower(), raw_mode)
    key_id = str(row.get("access_key_id") or "").strip()
    secret = _hide(row.get("access_key_secret"))
    token = _hide(row.get("sts_token"))
    if not mode and (key_id or secret):
        mode = "StsToken" if token else "AK"
    ends_at_s, _ = instant(row.get("sts_expiration") or None) if mode in _CACHED_LOGIN | {"StsToken"} else (None, True)
    if ends_at_s is not None and not math.isfinite(ends_at_s):
        ends_at_s = None
    entry = Entry(
        name=name,
        place=shown,
        mode=mode,
        access_key_id=key_id if mode in _KEYED | _CACHED_LOGIN | {""} else "",
        access_key_secret=secret if mode in _KEYED | _CACHED_LOGIN | {""} else None,
        security_token=token if mode in _CACHED_LOGIN | {"StsToken"} else None,
        expires_at_s=ends_at_s or None,
        region=str(row.get("region_id") or "") or None,
        role=_role(around, row, "ram_role_arn", "ram_session_name") if mode in _WITH_ROLE else None,
        source_profile=str(row.get("source_profile") or ""),
        ask=_ask(
            mode,
            around,
            command=_hide(row.get("process_command")),
            uri=_hide(row.get("credentials_uri")),
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
    ends_at_s = _number(row.get("cloud_sso_access_token_expire"))
    return is_whole and ends_at_s > now_s and not uri_problem(row["cloud_sso_sign_in_url"])


def _ask(
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
        return Ask(uri=uri or _hide(around.get(CREDENTIALS_URI)))
    if mode in ("EcsRamRole", "RamRoleArnWithEcs"):
        return _metadata_ask(around, role_name)
    if mode == "OIDC":
        provider_arn = provider_arn or around.get(_PROVIDER_ARN)
        token_file = token_file or around.get(_TOKEN_FILE)
        return Ask(oidc_provider_arn=provider_arn, oidc_token_file=around.path_of(token_file) if token_file else None)
    return None


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
        return _role_problem(entry)
    problem = _keys_problem(entry, "sts_token") if entry.ask is None else _ask_problem(entry, around)
    if not problem and has_ended:
        return f"its token has ended; run: {again} --mode StsToken"
    return problem or _role_problem(entry)


def _ask_problem(entry: Entry, around: Surroundings) -> str:
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
    return _token_problem(around, ask.oidc_token_file, "oidc_token_file")


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


def _keys_problem(entry: Entry, token_name: str) -> str:
    if entry.mode not in _KEYED:
        return (
            f"mode {entry.mode or '(none)'} cannot be used to upload; choose a profile with an access key, an STS "
            "token or a role"
        )
    wanted = [("access_key_id", entry.access_key_id), ("access_key_secret", entry.access_key_secret)]
    if entry.mode == "StsToken":
        wanted.append((token_name, entry.security_token))
    missing = " and ".join(name for name, value in wanted if not value)
    return f"{missing} is missing; add it in {entry.place}" if missing else ""


def _role_problem(entry: Entry) -> str:
    if entry.role is not None and not entry.role.arn:
        return f"the ARN of the role is missing; add it in {entry.place}"
    return ""


def _role(around: Surroundings, row: Mapping[str, Any], arn: str, session: str) -> Role:
    wanted_s = _number(row.get("expired_seconds") or row.get("duration_seconds")) or _ROLE_MOST_S
    return Role(
        arn=str(row.get(arn) or ""),
        session_name=str(row.get(session) or "") or around.get("ALIBABA_CLOUD_ROLE_SESSION_NAME") or "vod_widget",
        duration_s=int(min(max(wanted_s, _ROLE_LEAST_S), _ROLE_MOST_S)),
        policy=str(row.get("policy") or ""),
        external_id=str(row.get("external_id") or ""),
        region=str(row.get("sts_region") or ""),
    )


def _number(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def read_ini_files(around: Surroundings, *, strict: bool = False) -> tuple[Place, ...]:
    """Read the shared INI files, first the one that wins.

    ALIBABA_CLOUD_CREDENTIALS_FILE names one and replaces the two defaults.

    Source: https://github.com/aliyun/credentials-python provider/profile.py; credentials-nodejs issue 7; read 2026-11.
    """
    named = around.get("ALIBABA_CLOUD_CREDENTIALS_FILE")
    if named:
        path = around.path_of(named)
        place = _read_ini(around, path, follow_links=True, strict=strict)
        if not place.exists:
            problem = f"ALIBABA_CLOUD_CREDENTIALS_FILE names {place.shown}, which does not exist"
            place = replace(place, problem=problem)
        return (place,)
    if around.home is None:
        return tuple(Place(f"~/.alibabacloud/{name}", None) for name in ("credentials.ini", "credentials"))
    return tuple(_read_ini(around, path, follow_links=False, strict=strict) for path in _ini_paths(around.home))


def read_again(entry: Entry, around: Surroundings, *, now_s: float, strict: bool = False) -> Entry | None:
    """Look again where an entry was found; None when it is not there any more or the place is unusable."""
    if entry.path is None:
        found = (read_environment(around), read_oidc(around), read_uri(around), *read_compatibility(around))
        return next((one for one in found if one is not None and one.place == entry.place), None)
    home = around.home
    if home is not None and entry.path == _cli_path(home):
        place = read_cli(around, now_s=now_s, strict=strict)
    else:
        # By its path and not by the variable that named it: a relative name means another file after a chdir.
        is_named = home is None or entry.path not in _ini_paths(home)
        place = _read_ini(around, entry.path, follow_links=is_named, strict=strict)
    return None if place.problem else place.find(entry.name)


def _read_ini(around: Surroundings, path: Path, *, follow_links: bool, strict: bool) -> Place:
    shown = around.shown(path)
    content = read_private(path, shown, follow_links=follow_links, strict=strict)
    if content.text is None:
        return _unread(shown, path, content)
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
        access_key_id=section.get("access_key_id", "") if mode in _KEYED | {""} else "",
        access_key_secret=_hide(section.get("access_key_secret")) if mode in _KEYED | {""} else None,
        security_token=_hide(section.get("security_token") or section.get("sts_token")) if mode == "StsToken" else None,
        region=section.get("region_id") or section.get("region") or None,
        role=_role(around, section, "role_arn", "role_session_name") if mode in _WITH_ROLE else None,
        ask=_ask(
            mode,
            around,
            command=None,
            uri=_hide(section.get("credentials_uri")),
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
        problem = _ask_problem(entry, around) or _role_problem(entry)
    else:
        problem = _keys_problem(entry, "security_token") or _role_problem(entry)
    return replace(entry, problem=problem)
