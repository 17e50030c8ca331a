"""Where a queue's own authority and its edges come from: provider, endpoint, journal, connections.

The concrete edges are put together here and nowhere else, on first use, since they load heavy packages. Floor 4; called
from the thread that starts the queue, and never under its condition, since profiles are files.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .caller import Caller
from .errors import VODError
from .interfaces import Clock, CredentialProvider, Journal, Randomness
from .model import Credentials
from .options import PARALLEL_MAX
from .retry import send_deadline_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from .oss import OssStore
    from .vod_api import SdkVodApi

__all__ = ["Authority", "Destination"]

_log = logging.getLogger("vod_widget")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the files that start now will go.

    Attributes:
        provider: The queue's own keys, or None when only the application gives authority.
        region: Region.
        endpoint: Base URL of VOD and STS, or None for the vendor's.
        loopback: Whether that endpoint is this machine, so that plain http to it is allowed.
        label: The destination as the journal names it; no secret.
        region_from: "argument", "profile" or "default": who chose the region.
    """

    provider: CredentialProvider | None
    region: str
    endpoint: str | None
    loopback: bool
    label: str
    region_from: str = "argument"


class Authority:
    """Finds and keeps what a queue needs of the outside world.

    Args:
        uploader: Whose options count.
        clock: Time.
        randomness: Chance, for the jitter of renewals.
        warn: Told what the journal wants the person to know; on any thread.

    Attributes:
        region_is_given: True when the caller chose the region, which then wins over the profile's.
        rate_of_one: Tells the bytes a second of one sender as measured, 0 while unknown.
    """

    def __init__(self, uploader: Caller, clock: Clock, randomness: Randomness, warn: Callable[[str], None]) -> None:
        self._uploader = uploader
        self._warn = warn
        self._clock = clock
        self._randomness = randomness
        self.region_is_given = False
        self.rate_of_one: Callable[[], float] = lambda: 0.0
        # What was asked for and what came of it, as one: several threads look, and each must see both.
        self._found: tuple[tuple[Any, ...] | None, CredentialProvider | None] = (None, None)
        self._forgotten = 0
        self._api: SdkVodApi | None = None
        self._store: OssStore | None = None
        self._journal: tuple[str | None, Journal] | None = None
        self._guard = threading.Lock()  # guards the choice of a journal; never held over I/O

    @property
    def provider(self) -> CredentialProvider | None:
        """The provider in use, once there is one."""
        return self._found[1]

    def forget(self) -> None:
        """Look again at the next start."""
        with self._guard:
            self._found = (None, None)
            self._forgotten += 1

    def api(self) -> SdkVodApi:
        """The control plane."""
        if self._api is None:
            from .vod_api import SdkVodApi

            self._api = SdkVodApi(self._clock, timeout_s=self._uploader.timeout_s)
        return self._api

    def store(self) -> OssStore:
        """The data plane: one pool of connections for all files."""
        if self._store is None:
            from .oss import OssStore

            self._store = OssStore(
                self._clock,
                pool_size=PARALLEL_MAX + 4,
                read_timeout_s=self._uploader.timeout_s,
                send_deadline_s=lambda length: send_deadline_s(length, self.rate_of_one()),
            )
        return self._store

    def journal(self) -> Journal:
        """The folder of checkpoints."""
        folder = self._uploader.checkpoint_dir
        known = self._journal
        if known is None or known[0] != folder:
            from .journal import FileJournal

            made: tuple[str | None, Journal]
            made = (folder, FileJournal(Path(folder) if folder else None, self._clock, self._warn))
            with self._guard:
                if self._journal is known:  # else another thread was faster, and what is held must be held by one
                    self._journal = made
                known = self._journal
            assert known is not None
        return known[1]

    def _pass_on_limits(self) -> None:
        """Options of a request count for files that start later, also on connections that exist already."""
        if self._store is not None:
            self._store._read_timeout_s = self._uploader.timeout_s
        if self._api is not None:
            self._api._timeout_s = self._uploader.timeout_s

    def resolve(self, *, required: bool) -> Destination:
        """Find keys, region and endpoint.

        Args:
            required: Whether there must be keys, since nothing else gives authority.

        Raises:
            MissingCredentialError: None were found and they are required.
            ProfileNotFoundError: The profile that was named does not exist.
            CredentialError: What was found cannot be used.
            InvalidArgumentError: Unknown region, or an endpoint that is not allowed.
        """
        from .addresses import check_api_endpoint, check_region, is_loopback_url
        from .credentials import endpoint_from_env, keeps_lease, resolve

        up = self._uploader
        self._pass_on_limits()
        wished = up.endpoint or endpoint_from_env()
        with self._guard:
            (asked, provider), forgotten = self._found, self._forgotten
        named = (up.profile, up.credentials, wished)
        is_known = asked == named and provider is not None
        # Given keys stay what they are; what was found is looked up again, for files and variables change meanwhile.
        if not is_known or (up.credentials is None and provider is not None and provider.endpoint is None):
            try:
                found = resolve(
                    credentials=named[1],
                    profile=named[0],
                    assume_role=partial(self.api().assume_role, endpoint=wished),
                    assume_role_with_oidc=partial(self.api().assume_role_with_oidc, endpoint=wished),
                    clock=self._clock,
                    region=up.region,
                    chance=self._randomness.uniform,
                    is_again=is_known,
                    # One that gave the keys before must not be forgotten by who only looks.
                    asks_instance=required or (is_known and getattr(provider, "mode", "") == "EcsRamRole"),
                )
                if not (is_known and keeps_lease(provider, found)):
                    provider = found
            except VODError as error:
                # A broken profile that nobody named must not disturb an application that gives authority itself.
                if required or named[0] is not None or named[1] is not None:
                    raise
                _log.info("no credentials of the queue's own: %s", error.code)
                provider = None
            with self._guard:
                if forgotten == self._forgotten:  # else other keys were chosen meanwhile, and these are not theirs
                    self._found = named, provider
        region, region_from = up.region, "argument" if self.region_is_given else "default"
        if not self.region_is_given and provider is not None and provider.region:
            region, region_from = provider.region, "profile"
        # A provider with an endpoint is the emulator: its keys are good nowhere else, whatever was asked for before.
        endpoint = (provider.endpoint if provider is not None else None) or up.endpoint or endpoint_from_env()
        if endpoint is not None:
            endpoint = check_api_endpoint(endpoint)
        loopback = is_loopback_url(endpoint)
        check_region(region, is_loopback=loopback)
        account = provider.account if provider is not None else "application"
        if isinstance(up.credentials, Credentials) and up.credentials.security_token is not None:
            # The id of a temporary key is new each time; the journal must find its files again all the same.
            account = "token"
        label = "|".join((endpoint or region, up.user_id, account))
        return Destination(provider, region, endpoint, loopback, label, region_from)

    def close(self) -> None:
        """Close connections and let go of the journal."""
        journal = self._journal[1] if self._journal is not None else None
        if journal is not None and hasattr(journal, "close"):
            journal.close()
        for edge in (self._store, self._api):
            if edge is not None:
                edge.close()
        self._store = self._api = None
