"""Credential providers: keys as found, keys that are renewed, and what callers hand in.

A provider may be shared by every worker thread. Its lock guards decisions only: one thread renews, without the lock,
and the others take the old key while it lives, else wait for the one with a deadline. Imports floor 0 and this
package; reads files through `entries.py`; calls the caller's function or STS.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from vod_widget.baton import away
from vod_widget.errors import CredentialError, VODError
from vod_widget.model import Credentials

from .profile import Notice

if TYPE_CHECKING:
    from vod_widget.interfaces import Clock

    from .entries import Entry
    from .files import Stamp

__all__ = [
    "KeysProvider",
    "RenewingProvider",
    "SingleFlight",
    "SystemClock",
    "account_of",
    "key_of",
]

_log = logging.getLogger("vod_widget.credentials")

T = TypeVar("T")

# A key is renewed when this much of its life has passed: the rest is room for retries and for clocks that differ.
RENEW_RATIO: Final = 0.8
# The shortest life that STS gives (AssumeRole, DurationSeconds): assumed for a token whose giver states no end.
UNSTATED_LIFE_S: Final = 900.0
# Whatever gives keys has a deadline of at most a minute; a worker must not hang on a colleague for longer.
WAIT_S: Final = 75.0
# Renewals of many processes that began together spread over this much of a life, so that STS is not asked in a flood.
JITTER_RATIO: Final = 0.05
# After a renewal that failed, the old key serves for so long before the next attempt: nobody waits each time.
HOLD_S: Final = 20.0
# With less left, a request on its way could outlive the key.
MARGIN_S: Final = 30.0


class SystemClock:
    """The clock of the machine, for callers that pass none."""

    def now_s(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


def account_of(access_key_id: str) -> str:
    """Return a text that tells accounts apart and does not give the id away."""
    return "ak:" + hashlib.sha256(access_key_id.encode()).hexdigest()[:12]


def key_of(entry: Entry) -> Credentials:
    """Turn a usable entry into credentials."""
    assert entry.access_key_secret is not None
    return Credentials(
        entry.access_key_id,
        entry.access_key_secret,
        entry.security_token,
        expires_at_s=entry.expires_at_s,
        place=entry.place,
    )


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.done = threading.Event()
        self.pid = os.getpid()
        self.value: list[T] = []
        self.error: VODError | None = None


class SingleFlight(Generic[T]):
    """Let one thread do the work and give its outcome to all that ask meanwhile.

    Args:
        what: What is waited for, for the error's text.
        wait_s: How long a thread waits for another's work, s.
    """

    def __init__(self, what: str, *, wait_s: float = WAIT_S) -> None:
        self._what = what
        self._wait_s = wait_s
        self._lock = threading.Lock()  # guards _flight; never held over the work
        self._flight: _Flight[T] | None = None

    def is_busy(self) -> bool:
        """Tell whether a thread is at work."""
        return self._flight is not None

    def run(self, work: Callable[[], T]) -> T:
        """Do the work, or wait for the thread that does it.

        Raises:
            CredentialError: The other thread gave no outcome in time.
            VODError: What the work raised.
        """
        mine: _Flight[T] = _Flight()
        with self._lock:
            flight = self._flight
            # A flight of another process was copied by fork: its thread is not here and never lands.
            leads = flight is None or flight.pid != mine.pid
            if leads:
                self._flight = mine
        if not leads and flight is not None:
            return self._follow(flight)
        try:
            with away:
                mine.value.append(work())
        except BaseException as exc:
            mine.error = (
                exc
                if isinstance(exc, VODError)
                else CredentialError(f"{self._what} was interrupted", code="Auth.Refresh")
            )
            raise
        finally:
            with self._lock:
                self._flight = None
            mine.done.set()
        return mine.value[0]

    def _follow(self, flight: _Flight[T]) -> T:
        with away:
            has_landed = flight.done.wait(self._wait_s)
        if not has_landed:
            raise CredentialError(
                f"{self._what} did not end within {self._wait_s:.0f} s",
                code="Auth.Timeout",
                hint="Check the network, then retry.",
            )
        if flight.error is not None:
            raise flight.error
        return flight.value[0]


class KeysProvider:
    """Keys that somebody else keeps: in the environment, in a file, or given once.

    Args:
        entry: The keys as found.
        account: Text for the journal; None takes the id's, or the profile's name for a temporary key.
        reread: Looks again in the same place; None when there is nothing to look at.
        stamp: Tells whether the place has changed; None looks again only when the keys have ended.
        clock: Time.
        endpoint: Base URL that goes with the keys, or None.
        notices: What to show once.
    """

    def __init__(
        self,
        entry: Entry,
        *,
        clock: Clock,
        account: str | None = None,
        reread: Callable[[], Entry | None] | None = None,
        stamp: Callable[[], Stamp | None] | None = None,
        endpoint: str | None = None,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        self.name = entry.name
        self.place = entry.place
        self.mode = entry.mode
        self.region = entry.region
        self.endpoint = endpoint
        self.notices = notices
        self._account = account
        self.account = account or self._account_of(entry)
        self._reread = reread
        self._stamp = stamp
        self._clock = clock
        # Read before the keys are used, so a change in between is seen the next time. One tuple, replaced as a whole:
        # two threads that read the file at once do no harm.
        self._held: tuple[Stamp | None, Credentials] = (stamp() if stamp else None, key_of(entry))

    def __repr__(self) -> str:
        return f"KeysProvider({self.name!r}, {self.mode}, {self.masked_id}, from {self.place})"

    @property
    def masked_id(self) -> str:
        """The id as it may be shown."""
        return self._held[1].masked_id

    def _account_of(self, entry: Entry) -> str:
        # The id of a temporary key is another one every hour; its profile's name is what stays.
        if entry.security_token is not None:
            return f"profile:{entry.name}"
        return account_of(entry.access_key_id)

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        """Return the keys; look again in their place when it changed, when they ended, or when asked to.

        Raises:
            CredentialError: They have ended, or are gone, and there are no others.
        """
        stamp = self._stamp() if self._stamp else None
        before, keys = self._held
        is_dead = self._is_dead(keys)
        if not (force_refresh or is_dead or stamp != before):
            return keys
        entry = self._reread() if self._reread else None
        if entry is not None and not entry.problem and entry.access_key_secret is not None and not entry.is_fetched:
            fresh = key_of(entry)
            is_same = _same(keys, fresh)
            self._held = (stamp, fresh)
            if not is_same:
                self.account = self._account or self._account_of(entry)
                self.region = entry.region
            if not self._is_dead(fresh) and not (force_refresh and is_same and keys.security_token is not None):
                return fresh
        elif not is_dead and (keys.security_token is None or not force_refresh):
            # A tool that rewrites the file, or a person who edits it, is not done yet: what we have still works.
            return keys
        raise CredentialError(
            f"the temporary key {keys.masked_id} of profile {self.name} from {self.place} has ended",
            code="Auth.Expired",
            hint=self._hint(),
        )

    def _is_dead(self, keys: Credentials) -> bool:
        return keys.expires_at_s is not None and keys.expires_at_s <= self._clock.now_s()

    def _hint(self) -> str:
        if self.mode in ("CloudSSO", "OAuth"):
            return f"Run: aliyun sts GetCallerIdentity --profile {self.name}; then retry."
        return f"Put a new key and token into {self.place}, then retry."


def _same(one: Credentials, other: Credentials) -> bool:
    if one.access_key_id != other.access_key_id:
        return False
    if not one.access_key_secret.matches(other.access_key_secret):
        return False
    if one.security_token is None or other.security_token is None:
        return one.security_token is other.security_token
    return one.security_token.matches(other.security_token)


@dataclass(frozen=True, slots=True)
class _Lease:
    keys: Credentials
    renew_at_s: float
    ends_at_s: float
    stamp: Stamp | None = None


class RenewingProvider:
    """Keys that are fetched by a function, kept while they live, and fetched again at 80 % of their life.

    Args:
        name: Profile name for display.
        place: Where the function comes from, for people.
        mode: The CLI's word, or "callable".
        account: Text for the journal.
        region: Region that the profile states, or None.
        fetch: Gets new credentials; blocks, has its own deadline, raises `VODError`.
        clock: Time.
        unstated_life_s: Life of a token whose giver states no end, s.
        wait_s: How long a thread waits for another's fetch, s.
        notices: What to show once.
        stamp: Tells whether the place has changed, which makes the keys due; None when there is nothing to look at.
        chance: A number between two others, for the jitter; None renews at 80 % exactly.
    """

    def __init__(
        self,
        *,
        name: str,
        place: str,
        mode: str,
        account: str,
        region: str | None,
        fetch: Callable[[], Credentials],
        clock: Clock,
        unstated_life_s: float = UNSTATED_LIFE_S,
        wait_s: float = WAIT_S,
        notices: tuple[Notice, ...] = (),
        stamp: Callable[[], Stamp | None] | None = None,
        chance: Callable[[float, float], float] | None = None,
    ) -> None:
        self.name = name
        self.place = place
        self.mode = mode
        self.account = account
        self.region = region
        self.endpoint: str | None = None
        self.notices = notices
        self._fetch = fetch
        self._clock = clock
        self._unstated_life_s = unstated_life_s
        self._flight: SingleFlight[_Lease] = SingleFlight(f"getting new credentials for {name}", wait_s=wait_s)
        self._lease: _Lease | None = None  # replaced as a whole, by the thread that renews
        self._stamp = stamp or (lambda: None)
        self._chance = chance
        self._hold_until_s = float("-inf")

    def __repr__(self) -> str:
        return f"RenewingProvider({self.name!r}, {self.mode}, {self.masked_id}, from {self.place})"

    @property
    def masked_id(self) -> str:
        """The id in use as it may be shown; "" before the first use."""
        lease = self._lease
        return lease.keys.masked_id if lease else ""

    def credentials(self, *, force_refresh: bool = False) -> Credentials:
        """Return credentials that live for some time yet, renewing them when due.

        Raises:
            CredentialError: None can be had, or not in time.
            VODError: What the fetch raised.
        """
        lease = self._lease
        now_s = self._clock.now_s()
        if lease is not None and not force_refresh:
            if now_s < lease.renew_at_s and self._stamp() == lease.stamp:
                return lease.keys
            is_alive = now_s < lease.ends_at_s - MARGIN_S
            if is_alive and (self._flight.is_busy() or now_s < self._hold_until_s):
                return lease.keys
            try:
                return self._flight.run(lambda: self._renew(lease)).keys
            except VODError as exc:
                # Another attempt comes soon; nothing is lost while the old key works.
                if not is_alive:
                    raise
                _log.warning("%s could not be renewed and still works: %s", self.name, exc.code)
                return lease.keys
        return self._flight.run(lambda: self._renew(lease)).keys

    def _renew(self, seen: _Lease | None) -> _Lease:
        now = self._lease
        if now is not None and now is not seen:
            return now  # another thread renewed between our look and our turn
        asked_at_s = self._clock.now_s()
        stamp = self._stamp()
        try:
            keys = self._fetch()
        except VODError:
            self._hold_until_s = asked_at_s + HOLD_S
            raise
        ends_at_s = keys.expires_at_s
        if ends_at_s is None:
            is_temporary = keys.security_token is not None
            ends_at_s = asked_at_s + self._unstated_life_s if is_temporary else float("inf")
        elif ends_at_s <= asked_at_s:
            raise CredentialError(
                f"the new credentials from {self.place} have ended already",
                code="Auth.Expired",
                hint="Check this machine's clock and the giver of the credentials, then retry.",
            )
        early = self._chance(0.0, JITTER_RATIO) if self._chance is not None else 0.0
        renew_at_s = asked_at_s + (RENEW_RATIO - early) * (ends_at_s - asked_at_s)
        lease = _Lease(keys, renew_at_s, ends_at_s, stamp)
        self._lease = lease
        return lease
