"""Keys as found, the file they stood in, and the surroundings of one call.

An `Entry` holds keys only as `Secret`; everything else about it may be shown. Imports floor 0 and this package; asks
the operating system for the environment and the home folder only; any thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vod_widget.secret import Secret, mask

from .files import Stamp
from .profile import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .files import Stamp

__all__ = [
    "EMULATOR",
    "ENVIRONMENT",
    "Ask",
    "Entry",
    "Place",
    "Role",
    "Surroundings",
]

EMULATOR: Final = "emulator"
ENVIRONMENT: Final = "environment"


class Surroundings:
    """The environment and the home folder of one call; its repr shows nothing, for tracebacks print local variables.

    Args:
        env: The environment; None takes the process's own, at the time of each question.
        home: The home folder; None takes it from the environment. A given `env` without HOME has no home folder.
    """

    __slots__ = ("_env", "home", "is_given")

    def __init__(self, env: Mapping[str, str] | None = None, home: Path | None = None) -> None:
        self.is_given = env is not None
        # The process's own environment is looked up each time, so that no object holds on to it.
        self._env = env
        self.home = home if home is not None else self._find_home()

    def _find_home(self) -> Path | None:
        text = self.get("HOME") or self.get("USERPROFILE")
        if text:
            return Path(text)
        return None if self.is_given else Path("~").expanduser()

    def get(self, *names: str) -> str:
        """Return the first variable that is set and not blank, else ""."""
        for name in names:
            value = (os.environ if self._env is None else self._env).get(name, "").strip()
            if value:
                return value
        return ""

    def is_on(self, name: str) -> bool:
        """Tell whether a switch is "true" or "1"."""
        return self.get(name).lower() in ("true", "1")

    def path_of(self, text: str) -> Path:
        """Return the absolute path that a variable names; ~ is the home folder."""
        if text.startswith("~/") and self.home is not None:
            return self.home / text[2:]
        return Path(text).absolute()

    def shown(self, path: Path) -> str:
        """Write a path with ~ for the home folder."""
        if self.home is not None and path.is_relative_to(self.home):
            return "~/" + path.relative_to(self.home).as_posix()
        return str(path)

    def __repr__(self) -> str:
        return "Surroundings(***)"


@dataclass(frozen=True, slots=True)
class Role:
    """What AssumeRole is asked for.

    Attributes:
        arn: `acs:ram::<account>:role/<name>`.
        session_name: 2..32 letters, digits, `.@-_`.
        duration_s: Life of the temporary key, 900..3600 s.
        policy: Policy that narrows the role, as JSON text, or "" for the default.
        external_id: What the role's trust policy may ask for, or "".
        region: Region of the STS endpoint, or "".
    """

    arn: str
    session_name: str
    duration_s: int
    policy: str = ""
    external_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """How keys are got that do not stand in the place itself.

    Attributes:
        uri: Address that answers with keys; it may hold a secret.
        command: Command that prints keys; it may hold a secret.
        metadata_role: Role of this ECS instance; "" is the one that is attached, None that it is not asked.
        allow_v1: Whether a metadata service without tokens may be asked.
        oidc_provider_arn: The identity provider whose token is exchanged for a role, or "".
        oidc_token_file: Where that token lies, or None.
        sign_in: True when the vendor's package keeps the sign-in.
    """

    uri: Secret | None = None
    command: Secret | None = None
    metadata_role: str | None = None
    allow_v1: bool = True
    oidc_provider_arn: str = ""
    oidc_token_file: Path | None = None
    sign_in: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One set of keys as found.

    Attributes:
        name: Name of the profile.
        place: Where, for people.
        mode: The CLI's word.
        access_key_id: The id, or "".
        access_key_secret: The key, or None.
        security_token: The token, or None.
        expires_at_s: Unix time at which a temporary key ends, or None when unknown.
        region: Region that the profile states, or None.
        role: The role to assume with the keys, or None.
        source_profile: Name of the profile that assumes the role, or "".
        ask: How the keys are got when they do not stand here, or None.
        problem: Why it cannot be used, and the step that helps; "" when it can.
        is_blank: True when nothing was filled in: a profile that some tool made and nobody used.
        warning: What is wrong with its place all the same.
        path: The file that holds it, or None for the environment and for keys given in code.
    """

    name: str
    place: str
    mode: str
    access_key_id: str = ""
    access_key_secret: Secret | None = None
    security_token: Secret | None = None
    expires_at_s: float | None = None
    region: str | None = None
    role: Role | None = None
    source_profile: str = ""
    ask: Ask | None = None
    problem: str = ""
    is_blank: bool = False
    warning: str = ""
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Entry({self.name!r}, {self.mode}, {self.masked_id}, from {self.place})"

    @property
    def masked_id(self) -> str:
        """The id as it may be shown, or ""."""
        return mask(self.access_key_id) if self.access_key_id else ""

    @property
    def is_fetched(self) -> bool:
        """True when the keys in use are not those of the place, but got with its help and renewed."""
        return self.role is not None or self.ask is not None

    def profile(self, *, is_current: bool) -> Profile:
        """What may be shown of it."""
        return Profile(
            name=self.name,
            place=self.place,
            mode=self.mode,
            masked_id=self.masked_id,
            region=self.region,
            usable=not self.problem,
            reason=self.problem,
            is_current=is_current,
            expires_at_s=self.expires_at_s,
            renews_itself=self.is_fetched,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """One file, read.

    Attributes:
        shown: Its name for people.
        path: Its path, or None when there is no home folder.
        entries: What it holds.
        current: The profile that it names as current, or "".
        exists: False when there is no such file.
        problem: Why nothing of it may be used, or "".
        stamp: Changes when the file does, or None.
    """

    shown: str
    path: Path | None
    entries: tuple[Entry, ...] = ()
    current: str = ""
    exists: bool = False
    problem: str = ""
    stamp: Stamp | None = None

    def find(self, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return next((entry for entry in self.entries if entry.name == name), None)
