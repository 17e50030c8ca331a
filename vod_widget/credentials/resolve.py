"""From what the caller said to a provider: `resolve`, `explain`, `find_profiles`.

Imports floor 0 and this package; reads the environment and profile files at the time of the call. Any thread; may block
for a moment on files, and for the start of the emulator.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from vod_widget.errors import InvalidArgumentError
from vod_widget.model import Credentials

from .emulator import ProcessEmulator, emulator_provider
from .entries import EMULATOR, Entry, Place, Surroundings
from .fetch import World, fetch, no_sts
from .files import Stamp, stamp_of
from .places import (
    METADATA,
    read_again,
    read_cli,
    read_compatibility,
    read_environment,
    read_ini_files,
    read_oidc,
    read_uri,
)
from .profile import Explanation, Notice, Profile
from .providers import UNSTATED_LIFE_S, KeysProvider, RenewingProvider, SystemClock, account_of
from .remote import Metadata
from .search import CLI_DISABLED, Outcome, search
from .taking import ask, take
from .typed import typed_notice

if TYPE_CHECKING:
    from vod_widget.interfaces import Clock, CredentialProvider

__all__ = ["AssumeRole", "explain", "find_profiles", "keeps_lease", "resolve"]

_log = logging.getLogger("vod_widget.credentials")

# A vendor's credentials client renews by itself, so it is asked often; the answer comes from its memory.
_CLIENT_LIFE_S: Final = 60.0


class AssumeRole(Protocol):
    """STS AssumeRole, as `resolve` calls it; blocks, has its own deadline, raises `VODError`."""

    def __call__(
        self,
        credentials: Credentials,
        *,
        role_arn: str,
        session_name: str,
        duration_s: int,
        policy: str | None,
        external_id: str | None,
        region: str | None,
    ) -> Credentials:
        """Return the temporary key with its expiry."""


def resolve(
    *,
    credentials: Any = None,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
    assume_role: Callable[..., Credentials] | None = None,
    assume_role_with_oidc: Callable[..., Credentials] | None = None,
    clock: Clock | None = None,
    region: str | None = None,
    home: Path | None = None,
    strict: bool = False,
    process_emulator: ProcessEmulator | None = None,
    metadata: Metadata | None = None,
    chance: Callable[[float, float], float] | None = None,
    is_again: bool = False,
    asks_instance: bool = True,
) -> CredentialProvider:
    """Find the credentials to use and return a provider that keeps them alive.

    The order: `credentials`; `profile`, else VOD_WIDGET_PROFILE; ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET; the three
    variables of a role by OIDC; `~/.aliyun/config.json`; the INI files; ALIBABA_CLOUD_CREDENTIALS_URI; the metadata
    service of an ECS instance; the variables of other programs, with a notice. The provider has `notices`, a tuple of
    what should be shown once; warnings among them are also logged here. No key is fetched before it is asked for.

    Args:
        credentials: `Credentials`, a dict of them, a provider, a vendor's credentials client, or a function that
            returns either of the first two. When given, nothing else is read.
        profile: Name of a profile; "emulator" starts the built-in one.
        env: The environment; None reads the process's own now.
        assume_role: STS AssumeRole (see `AssumeRole`); needed only by profiles with a role.
        assume_role_with_oidc: STS AssumeRoleWithOIDC; needed only by mode OIDC.
        clock: Time; None is the machine's.
        region: Region whose STS is asked when the profile states none.
        home: Home folder; None takes HOME of the environment.
        strict: Refuse profile files that other users may read.
        process_emulator: What starts and keeps the emulator; None is this process's.
        metadata: The ECS metadata service; None is this machine's, which is asked for this process's own environment
            only and unless ALIBABA_CLOUD_ECS_METADATA_DISABLED is set.
        chance: A number between two others, for the jitter of renewals; None renews at 80 % of a life exactly.
        asks_instance: False when something else gives authority: then no ECS metadata service is waited for.
        is_again: True when the person was told the notices before; then they are not logged.

    Raises:
        InvalidArgumentError: `credentials` is nothing of the above.
        MissingCredentialError: Nothing was found; the text lists the places.
        ProfileNotFoundError: No profile of that name; the text lists the names.
        CredentialError: What was found cannot be used; the text says why and what to do.
    """
    time_source = clock if clock is not None else SystemClock()
    if credentials is not None:
        given = _explicit(credentials, time_source)
        del credentials  # a traceback that shows local variables must not show a dict of keys
        if isinstance(given, InvalidArgumentError):
            raise given
        return _announce(given)
    around = Surroundings(env, home)
    del env  # a traceback that shows local variables must not show an environment
    outcome = search(
        around, profile, now_s=time_source.now_s(), strict=strict, metadata=metadata, asks_instance=asks_instance
    )
    if outcome.is_emulator:
        return emulator_provider(around, clock=time_source, process=process_emulator)
    if outcome.entry is None:
        assert outcome.error is not None
        raise outcome.error
    notices = _notices(outcome)
    entry = outcome.entry
    if not entry.is_fetched:
        kept = _kept(entry, around, time_source, strict=strict, notices=notices)
        return kept if is_again else _announce(kept)
    ask_sts = assume_role_with_oidc if entry.mode == "OIDC" else assume_role
    if entry.role is not None and ask_sts is None:
        raise no_sts(f"profile {entry.name} of {entry.place}")
    world = World(
        around, time_source, metadata or Metadata(), assume_role, assume_role_with_oidc, region, strict=strict
    )
    fetched = _fetched(entry, world, notices, chance)
    return fetched if is_again else _announce(fetched)


def keeps_lease(held: CredentialProvider | None, found: CredentialProvider) -> bool:
    """Tell whether a provider that fetches its keys still stands for what was found now, so that its keys serve on."""
    names = ("name", "place", "mode", "account", "region")
    return (
        isinstance(held, RenewingProvider)
        and isinstance(found, RenewingProvider)
        and all(getattr(held, name) == getattr(found, name) for name in names)
    )


def _announce(provider: CredentialProvider) -> CredentialProvider:
    for notice in getattr(provider, "notices", ()):
        if isinstance(notice, Notice):
            level = logging.WARNING if notice.is_warning else logging.INFO
            _log.log(level, "%s", notice.text)
    return provider


def _notices(outcome: Outcome) -> tuple[Notice, ...]:
    entry = outcome.entry
    assert entry is not None
    notices = []
    if outcome.is_compatibility:
        notices.append(
            Notice(
                "Auth.Compatibility",
                f"The keys were taken from {entry.place}, which belongs to other programs. "
                "Set ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET, or pass profile=, to choose for yourself.",
            )
        )
    if entry.place == METADATA:
        notices.append(
            Notice(
                "Auth.Instance",
                f"Nothing else was found, so the keys of this ECS instance's role are used ({outcome.why}). On a "
                "network of strangers set ALIBABA_CLOUD_ECS_METADATA_DISABLED=true: whoever answers gives the keys.",
            )
        )
    if entry.warning:
        notices.append(Notice("Profile.Readable", f"{entry.warning}"))
    if entry.access_key_secret is not None:
        notices.extend(typed_notice(entry.access_key_secret))
    if entry.security_token is None and not entry.is_fetched:
        notices.append(_long_lived(entry.masked_id))
    return tuple(notices)


def _long_lived(masked_id: str) -> Notice:
    return Notice(
        "Auth.LongLived",
        f"{masked_id} is a long-lived key. A profile with a role (mode RamRoleArn) gives keys that end within an "
        "hour and can only upload.",
        is_warning=False,
    )


def _explicit(value: Any, clock: Clock) -> CredentialProvider | InvalidArgumentError:
    if callable(getattr(value, "credentials", None)) and hasattr(value, "account"):
        return cast("CredentialProvider", value)
    is_client = callable(getattr(value, "get_credential", None))
    if is_client or (callable(value) and not isinstance(value, type | Mapping)):
        function = value.get_credential if is_client else value
        if inspect.iscoroutinefunction(function):
            return InvalidArgumentError(
                "credentials= is a coroutine function",
                hint="Pass a plain function; it runs in a thread of its own and may block.",
            )
        return RenewingProvider(
            name="callable",
            place="credentials=",
            mode="callable",
            account="callable",
            region=None,
            fetch=lambda: ask(function, "credentials="),
            clock=clock,
            unstated_life_s=_CLIENT_LIFE_S if is_client else UNSTATED_LIFE_S,
        )
    keys = take(value, "inline")
    if isinstance(keys, str):
        kind = type(value).__name__
        return InvalidArgumentError(
            f"credentials= of type {kind} holds no credentials: {keys}",
            code="Auth.Incomplete",
            hint="Pass vod_widget.Credentials, a dict with AccessKeyId and AccessKeySecret, or a function.",
        )
    entry = Entry(
        name="inline",
        place=keys.place,
        mode="StsToken" if keys.security_token else "AK",
        access_key_id=keys.access_key_id,
        access_key_secret=keys.access_key_secret,
        security_token=keys.security_token,
        expires_at_s=keys.expires_at_s,
    )
    long_lived = () if keys.security_token else (_long_lived(keys.masked_id),)
    notices = (*typed_notice(keys.access_key_secret), *long_lived)
    # A token's id changes with every token; still better than one name for every account that is ever typed in.
    return KeysProvider(entry, clock=clock, account=account_of(keys.access_key_id), notices=notices)


def _kept(
    entry: Entry,
    around: Surroundings,
    clock: Clock,
    *,
    strict: bool,
    notices: tuple[Notice, ...] = (),
) -> KeysProvider:
    """Keys that stay where they are, looked at again when their file changes."""

    def reread() -> Entry | None:
        return read_again(entry, around, now_s=clock.now_s(), strict=strict)

    def stamp() -> Stamp | None:
        return stamp_of(entry.path) if entry.path is not None else None

    return KeysProvider(entry, clock=clock, reread=reread, stamp=stamp, notices=notices)


def _places(around: Surroundings, *, now_s: float, strict: bool) -> tuple[Place, ...]:
    return (read_cli(around, now_s=now_s, strict=strict), *read_ini_files(around, strict=strict))


def _fetched(
    entry: Entry,
    world: World,
    notices: tuple[Notice, ...],
    chance: Callable[[float, float], float] | None,
) -> RenewingProvider:
    """Keys that are got with the help of an entry, and renewed."""
    role = entry.role
    return RenewingProvider(
        name=entry.name,
        place=entry.place,
        mode=entry.mode,
        account=f"role:{role.arn}" if role is not None else f"profile:{entry.name}",
        region=entry.region,
        fetch=lambda: fetch(entry, world),
        clock=world.clock,
        unstated_life_s=float(role.duration_s) if role is not None else UNSTATED_LIFE_S,
        notices=notices,
        stamp=lambda: stamp_of(entry.path) if entry.path is not None else None,
        chance=chance,
    )


def explain(
    profile: str | None = None,
    *,
    env: Mapping[str, str] | None = None,
    home: Path | None = None,
    clock: Clock | None = None,
    strict: bool = False,
    metadata: Metadata | None = None,
) -> Explanation:
    """Tell where credentials are looked for, what is there (masked), which wins and why.

    Args:
        profile: As for `resolve`.
        env: The environment; None reads the process's own now.
        home: Home folder; None takes HOME of the environment.
        clock: Time; None is the machine's.
        strict: Refuse profile files that other users may read.
        metadata: The ECS metadata service, for tests; None is this machine's.

    Returns:
        A sequence of steps that prints itself. It does not raise: an error is its outcome.
    """
    around = Surroundings(env, home)
    now_s = (clock if clock is not None else SystemClock()).now_s()
    outcome = search(around, profile, now_s=now_s, strict=strict, metadata=metadata)
    if outcome.is_emulator:
        return Explanation(outcome.steps, f"Used: the emulator ({outcome.why}).", _emulator_row(is_current=True))
    if outcome.entry is None:
        text = f"Nothing can be used: {outcome.error}"
        return Explanation(outcome.steps, text, None)
    entry = outcome.entry
    notes = " ".join(notice.text for notice in _notices(outcome) if notice.is_warning)
    what = entry.name if entry.name == entry.place else f"{entry.name} from {entry.place}"
    region = f"{entry.region}, from the profile" if entry.region else "none is stated; region=, else cn-shanghai"
    text = f"Used: {what} ({outcome.why}). Region: {region}."
    return Explanation(outcome.steps, f"{text} {notes}".rstrip(), entry.profile(is_current=True))


def find_profiles(
    env: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    clock: Clock | None = None,
    strict: bool = False,
    metadata: Metadata | None = None,
) -> list[Profile]:
    """List every profile that was found, usable or not, and the emulator.

    Args:
        env: The environment; None reads the process's own now.
        home: Home folder; None takes HOME of the environment.
        clock: Time; None is the machine's.
        strict: Refuse profile files that other users may read.
        metadata: The ECS metadata service, for tests; None is this machine's.

    Returns:
        Profiles in the order searched; at most one has `is_current`. It does not raise: a bad file is a row with the
        reason.
    """
    around = Surroundings(env, home)
    now_s = (clock if clock is not None else SystemClock()).now_s()
    outcome = search(around, None, now_s=now_s, strict=strict, metadata=metadata)
    own = read_environment(around)
    first = (own, read_oidc(around))
    rows = [_row(entry, outcome) for entry in first if entry is not None]
    shadows: dict[str, str] = {}
    is_off = around.is_on(CLI_DISABLED)
    for number, place in enumerate(_places(around, now_s=now_s, strict=strict)):
        if place.problem:
            rows.append(Profile(place.shown, place.shown, "", "", None, False, place.problem, False))
        for entry in place.entries:
            row = _row(entry, outcome)
            if number == 0 and is_off:
                row = replace(row, usable=False, reason=f"{CLI_DISABLED} is set; remove it")
            elif entry.name == EMULATOR:
                why = "the name belongs to the built-in emulator; rename the profile"
                row = replace(row, usable=False, reason=why)
            elif entry.name in shadows and not row.is_current:
                why = f"{shadows[entry.name]} has a profile of that name and wins; rename one"
                row = replace(row, usable=False, reason=why)
            elif not entry.is_blank:
                shadows.setdefault(entry.name, place.shown)
            rows.append(row)
    uri = read_uri(around)
    instance = outcome.entry if outcome.entry is not None and outcome.entry.place == METADATA else None
    later = (uri, instance, *read_compatibility(around))
    rows.extend(_row(entry, outcome) for entry in later if entry is not None)
    rows.append(_emulator_row(is_current=outcome.is_emulator))
    return rows


def _row(entry: Entry, outcome: Outcome) -> Profile:
    won = outcome.entry
    is_current = won is not None and (won.name, won.place) == (entry.name, entry.place)
    return entry.profile(is_current=is_current)


def _emulator_row(*, is_current: bool) -> Profile:
    return Profile(EMULATOR, "built-in", "Emulator", "", "cn-shanghai", True, "", is_current)
