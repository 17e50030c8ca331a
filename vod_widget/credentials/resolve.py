"""From what the caller said to a provider: `resolve`, `explain`, `find_profiles`.

Imports floor 0 and this package; reads the environment and profile files at the time of the call. Any thread; may block
for a moment on files, and for the start of the emulator.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from vod_widget.errors import CredentialError, InvalidArgumentError
from vod_widget.model import Credentials

from .emulator import ProcessEmulator, emulator_provider
from .entries import EMULATOR, Entry, Place, Role, Surroundings
from .files import Stamp, stamp_of
from .places import read_again, read_cli, read_compatibility, read_environment, read_ini_files
from .profile import Explanation, Notice, Profile
from .providers import UNSTATED_LIFE_S, KeysProvider, RenewingProvider, SystemClock, account_of, ask, key_of, take
from .search import CLI_DISABLED, Outcome, search

if TYPE_CHECKING:
    from vod_widget.interfaces import Clock, CredentialProvider

__all__ = ["UPLOAD_POLICY", "AssumeRole", "explain", "find_profiles", "resolve"]

_log = logging.getLogger("vod_widget.credentials")

# What an upload calls and no more: a role may allow the whole of VOD, this key does not (at most 1024 characters).
# Source: system policy AliyunVODUploadAuth plus GetVideoInfo, which finds an asset again after a lost answer.
UPLOAD_POLICY: Final = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Resource": "*",
                "Action": [
                    "vod:CreateUploadVideo",
                    "vod:RefreshUploadVideo",
                    "vod:CreateUploadImage",
                    "vod:GetVideoInfo",
                ],
            }
        ],
    },
    separators=(",", ":"),
)

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
    clock: Clock | None = None,
    region: str | None = None,
    home: Path | None = None,
    strict: bool = False,
    process_emulator: ProcessEmulator | None = None,
) -> CredentialProvider:
    """Find the credentials to use and return a provider that keeps them alive.

    The order: `credentials`; `profile`, else VOD_WIDGET_PROFILE; ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET;
    `~/.aliyun/config.json`; the INI files; the variables of other programs, with a notice. The provider has `notices`,
    a tuple of what should be shown once; warnings among them are also logged here.

    Args:
        credentials: `Credentials`, a dict of them, a provider, a vendor's credentials client, or a function that
            returns either of the first two. When given, nothing else is read.
        profile: Name of a profile; "emulator" starts the built-in one.
        env: The environment; None reads the process's own now.
        assume_role: STS AssumeRole (see `AssumeRole`); needed only by profiles with a role.
        clock: Time; None is the machine's.
        region: Region whose STS is asked when the profile states none.
        home: Home folder; None takes HOME of the environment.
        strict: Refuse profile files that other users may read.
        process_emulator: What starts and keeps the emulator; None is this process's.

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
    outcome = search(around, profile, now_s=time_source.now_s(), strict=strict)
    if outcome.is_emulator:
        return emulator_provider(around, clock=time_source, process=process_emulator)
    if outcome.entry is None:
        assert outcome.error is not None
        raise outcome.error
    notices = _notices(outcome)
    entry = outcome.entry
    if entry.role is None:
        return _announce(_kept(entry, around, time_source, strict=strict, notices=notices))
    if assume_role is None:
        raise CredentialError(
            f"profile {entry.name} of {entry.place} assumes a role, and there is no way to ask STS here",
            code="Profile.Unusable",
            hint="Choose a profile with an access key or an STS token.",
        )
    return _announce(_role_provider(entry, around, assume_role, time_source, region, strict=strict, notices=notices))


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
    if entry.warning:
        notices.append(Notice("Profile.Readable", f"{entry.warning}"))
    if entry.security_token is None and entry.role is None:
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
    notices = () if keys.security_token else (_long_lived(keys.masked_id),)
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


def _role_provider(
    entry: Entry,
    around: Surroundings,
    assume_role: Callable[..., Credentials],
    clock: Clock,
    region: str | None,
    *,
    strict: bool,
    notices: tuple[Notice, ...] = (),
) -> RenewingProvider:
    role = entry.role
    assert role is not None

    def fetch() -> Credentials:
        # The file is read again each time: keys are rotated while an uploader lives.
        now = read_again(entry, around, now_s=clock.now_s(), strict=strict)
        current = now if now is not None and not now.problem and now.role is not None else entry
        return _assume(current, around, assume_role, clock, region, strict=strict)

    return RenewingProvider(
        name=entry.name,
        place=entry.place,
        mode=entry.mode,
        account=f"role:{role.arn}",
        region=entry.region,
        fetch=fetch,
        clock=clock,
        unstated_life_s=float(role.duration_s),
        notices=notices,
    )


def _assume(
    entry: Entry,
    around: Surroundings,
    assume_role: Callable[..., Credentials],
    clock: Clock,
    region: str | None,
    *,
    strict: bool,
    is_last: bool = True,
) -> Credentials:
    role = cast("Role", entry.role)
    if entry.mode == "ChainableRamRoleArn":
        source = read_cli(around, now_s=clock.now_s(), strict=strict).find(entry.source_profile)
        if source is None or source.problem:
            reason = source.problem if source is not None else "it is gone"
            raise CredentialError(
                f"source_profile {entry.source_profile} of {entry.name} cannot be used: {reason}",
                code="Profile.Unusable",
                hint=f"Correct {entry.place}, then retry.",
            )
        # The next role must be allowed to be assumed, which the upload policy would forbid: no policy on the way.
        keys = (
            key_of(source)
            if source.role is None
            else _assume(source, around, assume_role, clock, region, strict=strict, is_last=False)
        )
    else:
        keys = key_of(entry)
    asked_at_s = clock.now_s()
    given = assume_role(
        keys,
        role_arn=role.arn,
        session_name=role.session_name,
        duration_s=role.duration_s,
        policy=role.policy or (UPLOAD_POLICY if is_last else None),
        external_id=role.external_id or None,
        region=role.region or region or entry.region,
    )
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


def explain(
    profile: str | None = None,
    *,
    env: Mapping[str, str] | None = None,
    home: Path | None = None,
    clock: Clock | None = None,
    strict: bool = False,
) -> Explanation:
    """Tell where credentials are looked for, what is there (masked), which wins and why.

    Args:
        profile: As for `resolve`.
        env: The environment; None reads the process's own now.
        home: Home folder; None takes HOME of the environment.
        clock: Time; None is the machine's.
        strict: Refuse profile files that other users may read.

    Returns:
        A sequence of steps that prints itself. It does not raise: an error is its outcome.
    """
    around = Surroundings(env, home)
    now_s = (clock if clock is not None else SystemClock()).now_s()
    outcome = search(around, profile, now_s=now_s, strict=strict)
    if outcome.is_emulator:
        return Explanation(outcome.steps, f"Used: the emulator ({outcome.why}).", _emulator_row(is_current=True))
    if outcome.entry is None:
        text = f"Nothing can be used: {outcome.error}"
        return Explanation(outcome.steps, text, None)
    entry = outcome.entry
    notes = " ".join(notice.text for notice in _notices(outcome) if notice.is_warning)
    what = entry.name if entry.name == entry.place else f"{entry.name} from {entry.place}"
    text = f"Used: {what} ({outcome.why})."
    return Explanation(outcome.steps, f"{text} {notes}".rstrip(), entry.profile(is_current=True))


def find_profiles(
    env: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    clock: Clock | None = None,
    strict: bool = False,
) -> list[Profile]:
    """List every profile that was found, usable or not, and the emulator.

    Args:
        env: The environment; None reads the process's own now.
        home: Home folder; None takes HOME of the environment.
        clock: Time; None is the machine's.
        strict: Refuse profile files that other users may read.

    Returns:
        Profiles in the order searched; at most one has `is_current`. It does not raise: a bad file is a row with the
        reason.
    """
    around = Surroundings(env, home)
    now_s = (clock if clock is not None else SystemClock()).now_s()
    outcome = search(around, None, now_s=now_s, strict=strict)
    own = read_environment(around)
    rows = [_row(own, outcome)] if own else []
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
    rows.extend(_row(entry, outcome) for entry in read_compatibility(around))
    rows.append(_emulator_row(is_current=outcome.is_emulator))
    return rows


def _row(entry: Entry, outcome: Outcome) -> Profile:
    won = outcome.entry
    is_current = won is not None and (won.name, won.place) == (entry.name, entry.place)
    return entry.profile(is_current=is_current)


def _emulator_row(*, is_current: bool) -> Profile:
    return Profile(EMULATOR, "built-in", "Emulator", "", "cn-shanghai", True, "", is_current)
