"""The profile "emulator": one that runs already, or one started inside this process and kept for it.

Imports floor 0, this package and, when it must start one, `vod_widget.emulator`. `ProcessEmulator` is the only state of
the package that lives as long as the process, because the contract says so: one emulator a process. Any thread.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vod_widget.errors import CredentialError, InvalidArgumentError
from vod_widget.secret import Secret

from .endpoint import loopback_url
from .entries import EMULATOR, Entry
from .files import parse_json, read_private
from .providers import KeysProvider, SingleFlight, account_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vod_widget.interfaces import Clock

    from .entries import Surroundings

__all__ = ["ProcessEmulator", "Running", "emulator_provider", "is_answering", "is_emulator", "read_running"]

# A port of this machine that nobody serves refuses at once, so waiting long costs only where something is stuck.
# A short wait takes an emulator on a busy machine for one that is gone, and what it stored is missed in the next.
_ACCEPT_S: Final = 1.0  # the system does that, however busy the server is
_HEALTH_S: Final = 15.0
_HEALTH_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Running:
    """One emulator that serves.

    Attributes:
        endpoint: Base URL on this machine.
        access_key_id: Its key's id.
        access_key_secret: Its key.
        region: The region that it plays.
        place: Where it was found, for people.
    """

    endpoint: str
    access_key_id: str
    access_key_secret: Secret
    region: str
    place: str = "built-in"

    def __repr__(self) -> str:
        return f"Running({self.endpoint}, {self.region}, {self.place})"


def _start() -> Any:
    from vod_widget.emulator import Emulator

    return Emulator().__enter__()


def is_emulator(endpoint: str) -> bool:
    """Tell whether an emulator serves a base URL of this machine, and no other program that took its port."""
    parts = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_HEALTH_S)
    try:
        connection.request("GET", "/_emulator/health")
        answer = connection.getresponse()
        data = json.loads(answer.read(_HEALTH_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return answer.status == 200 and isinstance(data, dict) and data.get("service") == "vod_widget.emulator"


def is_answering(endpoint: str) -> bool:
    """Tell whether something accepts connections at a base URL of this machine."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_ACCEPT_S):
            return True
    except OSError:
        return False


class ProcessEmulator:
    """Start an emulator once and keep it until the process ends.

    A forked child goes on with its parent's while that answers, and never closes it; else it starts its own.

    Args:
        start: Starts one and returns it; default: `vod_widget.emulator.Emulator`.
        answers: Tells whether a base URL is served.
    """

    def __init__(
        self,
        start: Callable[[], Any] = _start,
        answers: Callable[[str], bool] = is_emulator,
    ) -> None:
        self._start = start
        self._answers = answers
        self._flight: SingleFlight[Running] = SingleFlight("starting the emulator")
        # (process, the emulator, what is known of it). Replaced as a whole; a parent's stays referenced in the child,
        # so that no finalizer of the child removes the parent's files.
        self._owned: tuple[tuple[int, Any, Running], ...] = ()
        self._is_hooked = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_lock)

    def _forget_lock(self) -> None:
        # A thread of the parent may have held it at the fork; that thread is not here to let it go.
        self._flight = SingleFlight("starting the emulator")

    def get(self) -> Running:
        """Return the emulator of this process, starting it when there is none.

        Raises:
            CredentialError: It could not be started.
        """
        return self._flight.run(self._find_or_start)

    def _find_or_start(self) -> Running:
        if self._owned:
            pid, _, running = self._owned[-1]
            if pid == os.getpid() or self._answers(running.endpoint):
                return running
        try:
            emulator = self._start()
        except Exception as exc:
            raise CredentialError(
                f"the emulator could not be started: {type(exc).__name__}: {exc}",
                code="Emulator.Start",
                hint="Check that this machine may listen on 127.0.0.1, then retry.",
            ) from exc
        secret = emulator.access_key_secret
        running = Running(
            endpoint=str(emulator.endpoint),
            access_key_id=str(emulator.access_key_id),
            access_key_secret=secret if isinstance(secret, Secret) else Secret(str(secret)),
            region=str(emulator.region),
        )
        self._owned = (*self._owned, (os.getpid(), emulator, running))
        if not self._is_hooked:
            self._is_hooked = True
            atexit.register(self.close)
        return running

    def close(self) -> None:
        """Stop what this process started; a parent's is left alone. May be called twice."""
        mine = [item for item in self._owned if item[0] == os.getpid()]
        self._owned = tuple(item for item in self._owned if item[0] != os.getpid())
        for _, emulator, _ in mine:
            emulator.__exit__(None, None, None)


def read_running(around: Surroundings, answers: Callable[[str], bool] = is_emulator) -> Running | None:
    """Read the emulator that VOD_WIDGET_EMULATOR names, or return None when none is named or none answers.

    The file is what `vod-widget demo` writes: a JSON object with endpoint, access_key_id, access_key_secret, region.

    Raises:
        CredentialError: The file is open to others, or not what it should be.
    """
    named = around.get("VOD_WIDGET_EMULATOR")
    if not named:
        return None
    path = around.path_of(named)
    running, problem = _read(path, around.shown(path))
    if problem:
        raise CredentialError(
            f"VOD_WIDGET_EMULATOR: {problem}",
            code="Emulator.File",
            hint="Start vod-widget demo again, or remove VOD_WIDGET_EMULATOR.",
        )
    if running is None or not answers(running.endpoint):
        return None
    return running


def _read(path: Path, shown: str) -> tuple[Running | None, str]:
    content = read_private(path, shown, strict=True)
    if content.text is None:
        return None, content.problem
    data, problem = parse_json(content.text, shown)
    if problem:
        return None, problem
    wanted = ("endpoint", "access_key_id", "access_key_secret", "region")
    missing = [key for key in wanted if not (isinstance(data.get(key), str) and data[key].strip())]
    if missing:
        return None, f"{shown} lacks {', '.join(missing)}"
    secret = Secret(data["access_key_secret"].strip())
    try:
        endpoint = loopback_url(data["endpoint"], "its endpoint")
    except InvalidArgumentError as exc:
        return None, exc.message
    return Running(endpoint, data["access_key_id"].strip(), secret, data["region"], shown), ""


# One emulator a process is the contract ("keeps it for the process"), so this one object is the process's.
_of_this_process: Final = ProcessEmulator()


def emulator_provider(
    around: Surroundings,
    *,
    clock: Clock,
    process: ProcessEmulator | None = None,
    answers: Callable[[str], bool] = is_emulator,
) -> KeysProvider:
    """Return a provider with the keys, endpoint and region of an emulator.

    Args:
        around: Where VOD_WIDGET_EMULATOR is looked up.
        clock: Time.
        process: What starts and keeps one; default: this process's.
        answers: Tells whether a base URL is served.

    Raises:
        CredentialError: VOD_WIDGET_EMULATOR names a bad file, or no emulator could be started.
    """
    running = read_running(around, answers) or (process or _of_this_process).get()
    entry = Entry(
        name=EMULATOR,
        place=running.place,
        mode="Emulator",
        access_key_id=running.access_key_id,
        access_key_secret=running.access_key_secret,
        region=running.region,
    )
    # Its own account for each key: what one emulator stored is not in the next one.
    account = "emulator:" + account_of(running.access_key_id)[3:]
    return KeysProvider(entry, clock=clock, account=account, endpoint=running.endpoint)
