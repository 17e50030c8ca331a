"""What every test stands on: no outside network, no foreign settings, no thread left behind, real media, an emulator."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.media import Media, make_all

# A busy machine is no failure, and a run is worth repeating only if it does the same; `--hypothesis-profile=default` looks
# for new examples.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# Settings of the person who runs the tests that would change what is tested.
_FOREIGN = (
    "ALIBABA_CLOUD_",
    "ALIBABACLOUD_",
    "ALICLOUD_",
    "ALIYUN_",
    "OSS_",
    "SECURITY_TOKEN",
    "VOD_WIDGET_",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy")
_LOOPBACK = ("127.", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.", "localhost")

# Threads of the one emulator that `profile="emulator"` keeps for the life of the process.
_KEPT_THREADS = ("vod-emulator",)


class OutsideNetworkError(AssertionError):
    """A test tried to leave this machine."""


class _NetworkGuard:
    """Lets sockets reach loopback and unix sockets only; remembers each attempt beyond."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.active = False

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in ("socket.connect", "socket.sendto"):
            sock, address = args[0], args[1]
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                return
            # A UDP connect sends nothing; libraries use it to learn the local address.
            if event == "socket.connect" and sock.type == socket.SOCK_DGRAM:
                return
            self._check(str(address[0]))
        elif event == "socket.getaddrinfo":
            host = args[0].decode() if isinstance(args[0], bytes) else args[0]
            if host is None or str(host).endswith(".invalid"):
                if host is not None:  # reserved names that never resolve (RFC 2606)
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                return
            self._check(str(host))

    def _check(self, host: str) -> None:
        if host in ("", "0.0.0.0", "::") or host.startswith(_LOOPBACK) or host.endswith(".localhost"):
            return
        self.attempts.append(host)
        raise OutsideNetworkError(f"a test tried to reach {host}; only loopback is allowed")


_guard = _NetworkGuard()
# An audit hook sees asyncio's and C-level connects too, which a patched socket.connect does not.
sys.addaudithook(_guard.hook)


def pytest_configure(config: pytest.Config) -> None:
    _guard.active = True


def pytest_unconfigure(config: pytest.Config) -> None:
    _guard.active = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.helpers.spread import ByFile  # only here: without pytest-xdist nothing needs it

    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes the longest begins first; in one the order stays as it was."""
    if hasattr(config, "workerinput"):
        from tests.helpers.spread import rank

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(autouse=True)
def _no_outside_network() -> Iterator[None]:
    before = len(_guard.attempts)
    yield
    # Also when the code under test swallowed the exception.
    assert _guard.attempts[before:] == [], "a test tried to leave this machine"


@pytest.fixture
def outside_attempts() -> list[str]:
    """Hosts beyond loopback that were tried; a test that means to try removes its own."""
    return _guard.attempts


@pytest.fixture(scope="session")
def outside_environment() -> dict[str, str]:
    """The environment as it was before any test, for the few that call pip."""
    return dict(_OUTSIDE)


_OUTSIDE = dict(os.environ)


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


def _isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name, folder in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
    ):
        monkeypatch.setenv(name, str(home / folder))
    monkeypatch.setenv("VOD_WIDGET_HOME", str(home / "vod_widget"))
    # No test asks the metadata service of the machine that it happens to run on.
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(_homes: Path) -> Iterator[None]:
    """Fixtures that outlive a test (an emulator, a JupyterLab) see an empty home too."""
    home = _homes / "session"
    home.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        _isolate(monkeypatch, home)
        yield


@pytest.fixture(autouse=True)
def home(_isolated_session: None, _homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder of this test alone; VOD_WIDGET_HOME and the XDG folders lie inside."""
    folder = _homes / f"{sum(1 for _ in _homes.iterdir()):05d}"
    folder.mkdir()
    _isolate(monkeypatch, folder)
    return folder


def _vod_threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("vod-") and not thread.name.startswith(_KEPT_THREADS)
    }


@pytest.fixture(autouse=True)
def _no_leaked_thread() -> Iterator[None]:
    """Every thread that a test started through the library is gone when the test ends."""
    before = _vod_threads()
    yield
    deadline = time.monotonic() + 30.0
    for thread in _vod_threads() - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    leaked = sorted(thread.name for thread in _vod_threads() - before)
    assert leaked == [], "threads left behind; close() what the test opened"


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """One small real file of each kind; read only, copy before you change one."""
    return make_all(tmp_path_factory.mktemp("media"))


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Any]:
    """A running emulator of this test alone."""
    from vod_widget.emulator import Emulator

    with Emulator(data_dir=tmp_path / "emulator") as running:
        yield running
