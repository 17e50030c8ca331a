"""Where credentials are looked for, in which order, and why one wins. `resolve`, `explain` and `profiles` share it.

The order is the vendor's chain with four changes: an explicit name beats the key variables; half a pair, a broken file
and a current profile that cannot be used are errors, never skipped, because going on would upload with another account;
the metadata service comes after the credentials URI, since on a laptop it costs a second; the names of other programs
come last. Imports floor 0 and this package; reads files through `places.py`, asks the metadata service; any thread.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vod_widget.errors import CredentialError, MissingCredentialError, ProfileNotFoundError

from .entries import EMULATOR, ENVIRONMENT, Entry, Place, Surroundings
from .places import (
    CREDENTIALS_URI,
    INSTANCE,
    METADATA,
    METADATA_DISABLED,
    metadata_entry,
    read_cli,
    read_compatibility,
    read_environment,
    read_ini_files,
    read_oidc,
    read_uri,
)
from .profile import Step
from .remote import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CLI_DISABLED", "Outcome", "search"]

CLI_DISABLED = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED"
_KEY_NAMES = "environment (ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET)"
# The metadata service of this machine: what it answered is believed for a minute, whoever asks.
_of_this_machine = Metadata()
_EMULATOR_HINT = 'profile="emulator" works without an account.'


@dataclass(slots=True)
class Outcome:
    """What a search found.

    Attributes:
        steps: Every place in the order searched.
        entry: The keys that won, or None.
        is_emulator: True when the emulator was asked for.
        error: Why there is no winner, or None.
        why: Why the winner won.
        is_compatibility: True when the keys stand under another program's names.
    """

    steps: list[Step] = field(default_factory=list)
    entry: Entry | None = None
    is_emulator: bool = False
    error: CredentialError | None = None
    why: str = ""
    is_compatibility: bool = False

    def is_over(self) -> bool:
        """True when the rest need not be looked at."""
        return self.entry is not None or self.is_emulator or self.error is not None

    def skip(self, place: str, found: str, why: str) -> None:
        """Note a place that did not win."""
        self.steps.append(Step(place, found, used=False, why=why))

    def win(self, place: str, entry: Entry, why: str) -> None:
        """Note the place that won."""
        self.steps.append(Step(place, _found(entry), used=True, why=why))
        self.entry, self.why = entry, why

    def fail(self, place: str, found: str, error: CredentialError) -> None:
        """Note the place that ends the search with an error."""
        self.steps.append(Step(place, found, used=False, why=error.message))
        self.error = error


def _found(entry: Entry) -> str:
    words = [f"profile {entry.name}" if entry.place != entry.name else "", entry.mode]
    words += [entry.masked_id, entry.region or ""]
    return ", ".join(word for word in words if word)


def search(
    around: Surroundings,
    profile: str | None,
    *,
    now_s: float,
    strict: bool = False,
    metadata: Metadata | None = None,
    asks_instance: bool = True,
) -> Outcome:
    """Look for credentials; never raises, the outcome carries the error.

    Args:
        around: Environment and home folder.
        profile: The name asked for in code, or None.
        now_s: Unix time of now.
        strict: Refuse files that other users may read.
        metadata: The ECS metadata service; None is this machine's, for this process's own environment only.
        asks_instance: False when keys are not needed: then nobody waits for a service that is not there.
    """
    outcome = Outcome()
    asked_by = "profile="
    if not profile:
        profile, asked_by = around.get("VOD_WIDGET_PROFILE"), "VOD_WIDGET_PROFILE"
    if profile == EMULATOR:
        outcome.is_emulator = True
        outcome.why = f"{asked_by} names it"
        outcome.steps.append(Step("built-in", EMULATOR, used=True, why=outcome.why))
    elif profile:
        _by_name(outcome, around, profile, asked_by, now_s=now_s, strict=strict, metadata=metadata)
    else:
        _by_order(outcome, around, now_s=now_s, strict=strict, metadata=metadata, asks_instance=asks_instance)
    return outcome


def _by_name(
    outcome: Outcome,
    around: Surroundings,
    name: str,
    asked_by: str,
    *,
    now_s: float,
    strict: bool,
    metadata: Metadata | None,
) -> None:
    names: list[str] = []
    places: list[Place] = []
    if around.is_on(CLI_DISABLED):
        outcome.skip("~/.aliyun/config.json", "not read", f"{CLI_DISABLED} is set")
    else:
        places.append(read_cli(around, now_s=now_s, strict=strict))
    places.extend(read_ini_files(around, strict=strict))
    for place in places:
        entry = place.find(name)
        names.extend(one.name for one in place.entries if not one.is_blank)
        if outcome.entry is not None:
            also = entry is not None and not entry.is_blank
            why = f"{outcome.entry.place} wins" if also else "no profile of that name"
            outcome.skip(place.shown, _contents(place), why)
        elif outcome.error is not None:
            outcome.skip(place.shown, _contents(place), "not needed: the search has ended")
        elif place.problem:
            outcome.fail(place.shown, "unusable", _file_error(place))
        elif entry is None:
            why = "no profile of that name" if place.exists else "no such file"
            outcome.skip(place.shown, _contents(place), why)
        elif entry.is_blank:
            outcome.skip(place.shown, _found(entry), entry.problem)
        else:
            _take(outcome, place.shown, entry, f"{asked_by} names it")
    for entry in _variables(around):
        names.append(entry.name)
        if entry.name == name and not outcome.is_over():
            _take(outcome, entry.place, entry, f"{asked_by} names it")
        else:
            outcome.skip(entry.place, _found(entry), f"{asked_by} beats the variables")
    if name == INSTANCE and not outcome.is_over():
        _look_at_metadata(outcome, around, metadata)
    if not outcome.is_over():
        outcome.error = _unknown(name, asked_by, names)


def _variables(around: Surroundings) -> tuple[Entry, ...]:
    found = (read_environment(around), read_oidc(around), read_uri(around), *read_compatibility(around))
    return tuple(entry for entry in found if entry is not None)


def _by_order(
    outcome: Outcome,
    around: Surroundings,
    *,
    now_s: float,
    strict: bool,
    metadata: Metadata | None,
    asks_instance: bool,
) -> None:
    own = read_environment(around)
    if own is None:
        outcome.skip(_KEY_NAMES, "nothing", "not set")
    else:
        _take(outcome, ENVIRONMENT, own, "the first place that holds keys")
    if outcome.is_over():
        return _rest(outcome, from_step=1)
    oidc = read_oidc(around)
    if oidc is None:
        outcome.skip(_OIDC, "nothing", "not set")
    else:
        _take(outcome, _OIDC, oidc, "ALIBABA_CLOUD_OIDC_TOKEN_FILE is set")
    if outcome.is_over():
        return _rest(outcome, from_step=2)
    wanted = around.get("ALIBABA_CLOUD_PROFILE")
    names: list[str] = []
    if around.is_on(CLI_DISABLED):
        outcome.skip("~/.aliyun/config.json", "not read", f"{CLI_DISABLED} is set")
    else:
        cli = read_cli(around, now_s=now_s, strict=strict)
        names.extend(entry.name for entry in cli.entries if not entry.is_blank)
        _look(outcome, cli, wanted, cli.current, '"current" of the file')
    if outcome.is_over():
        return _rest(outcome, from_step=3)
    for place in read_ini_files(around, strict=strict):
        names.extend(entry.name for entry in place.entries)
        if outcome.is_over():
            outcome.skip(place.shown, "not looked at", "the search had ended")
        else:
            _look(outcome, place, wanted, "", "the section named default", default="default")
    if wanted and not outcome.is_over():
        outcome.error = _unknown(wanted, "ALIBABA_CLOUD_PROFILE", names)
    if outcome.is_over():
        return _rest(outcome, from_step=4)
    uri = read_uri(around)
    if uri is None:
        outcome.skip(CREDENTIALS_URI, "nothing", "not set")
    else:
        _take(outcome, CREDENTIALS_URI, uri, "it is set")
    if outcome.is_over():
        return _rest(outcome, from_step=5)
    if asks_instance:
        _look_at_metadata(outcome, around, metadata)
    else:
        outcome.skip(METADATA, "not asked", "keys are not needed")
    compatible = read_compatibility(around)
    if not compatible:
        outcome.skip(_OTHERS, "nothing", "not set")
    for entry in compatible:
        if outcome.is_over():
            outcome.skip(entry.place, _found(entry), "an earlier place won")
        else:
            _take(outcome, entry.place, entry, "nothing else was found")
            outcome.is_compatibility = outcome.entry is not None
    if not outcome.is_over():
        outcome.error = _nothing(outcome.steps)
    return _rest(outcome, from_step=7)


def _look_at_metadata(outcome: Outcome, around: Surroundings, metadata: Metadata | None) -> None:
    if around.is_on(METADATA_DISABLED):
        outcome.skip(METADATA, "not asked", f"{METADATA_DISABLED} is set")
        return
    service = metadata or (None if around.is_given else _of_this_machine)
    if service is None:
        outcome.skip(METADATA, "not asked", "the environment was given, so it is not this machine's")
        return
    role = around.get("ALIBABA_CLOUD_ECS_METADATA")
    why = ""
    if not role:
        role, why = service.find_role(allow_v1=not around.is_on("ALIBABA_CLOUD_IMDSV1_DISABLED"))
    if not role:
        outcome.skip(METADATA, "nothing", why)
        return
    _take(outcome, METADATA, metadata_entry(around, role), f"this instance has the role {role}")


_OIDC = "environment (OIDC)"
_OTHERS = "environment (OSS_*, ALIBABACLOUD_*, ALICLOUD_*, ALIYUN_*)"
_LATER = (
    (1, _OIDC),
    (2, "~/.aliyun/config.json"),
    (3, "~/.alibabacloud/credentials.ini, ~/.alibabacloud/credentials"),
    (4, CREDENTIALS_URI),
    (5, METADATA),
    (6, _OTHERS),
)


def _rest(outcome: Outcome, *, from_step: int) -> None:
    """List what was not looked at any more, so that the whole order can be read."""
    for step, place in _LATER:
        if step >= from_step:
            outcome.skip(place, "not looked at", "the search had ended")
    outcome.skip("emulator", "built-in", 'never taken by itself; ask with profile="emulator"')


def _look(
    outcome: Outcome,
    place: Place,
    wanted: str,
    current: str,
    current_words: str,
    *,
    default: str = "",
) -> None:
    """Look into one file for the profile of the environment, else for its current one, else for the default."""
    if place.problem:
        outcome.fail(place.shown, "unusable", _file_error(place))
        return
    if not place.exists:
        why = "no such file" if place.path is not None else "there is no home folder"
        outcome.skip(place.shown, "nothing", why)
        return
    name = wanted or current or default
    if not name:
        outcome.skip(place.shown, _contents(place), "it names no current profile")
        return
    entry = place.find(name)
    by = "ALIBABA_CLOUD_PROFILE names it" if wanted else f"{current_words}"
    if entry is not None and entry.is_blank:
        outcome.skip(place.shown, _found(entry), entry.problem)
    elif entry is not None:
        _take(outcome, place.shown, entry, by)
    elif current and not wanted:
        error = ProfileNotFoundError(
            f"{place.shown} says that its current profile is {current}, and holds no such profile",
            hint="Run: aliyun configure switch --profile NAME; or pass profile=.",
        )
        outcome.fail(place.shown, _contents(place), error)
    else:
        outcome.skip(place.shown, _contents(place), f"no profile named {name}")


def _contents(place: Place) -> str:
    names = ", ".join(entry.name for entry in place.entries)
    return f"profiles {names}" if names else "nothing"


def _take(outcome: Outcome, place: str, entry: Entry, why: str) -> None:
    if not entry.problem:
        outcome.win(place, entry, why)
        return
    is_half = entry.path is None
    where = "" if is_half else f"profile {entry.name} of {entry.place} cannot be used: "
    outcome.fail(
        place,
        _found(entry),
        CredentialError(
            f"{where}{entry.problem}",
            code="Auth.Incomplete" if is_half else "Profile.Unusable",
            hint=f"Do that, or choose another profile; {_EMULATOR_HINT}",
        ),
    )


def _file_error(place: Place) -> CredentialError:
    return CredentialError(place.problem, code="Profile.File", hint=f"Correct {place.shown}, then retry.")


def _unknown(name: str, asked_by: str, names: Iterable[str]) -> ProfileNotFoundError:
    known = [*dict.fromkeys(names), EMULATOR]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return ProfileNotFoundError(
        f"{asked_by} names {name!r}, and there is no such profile{guess} Found: {', '.join(known)}.",
        hint="Choose one of the names, or see vod_widget.explain().",
    )


def _nothing(steps: Iterable[Step]) -> MissingCredentialError:
    places = "; ".join(f"{step.place}: {step.why}" for step in steps)
    return MissingCredentialError(
        f"no credentials were found. Searched: {places}.",
        hint=f"Pass credentials=, profile= or get_auth=, or fill one of these places; {_EMULATOR_HINT}",
    )
