"""The profile "emulator": a running one when it is named and answers, else one of this process."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.raw_server import closed_door
from vod_widget.credentials import resolve
from vod_widget.credentials.emulator import ProcessEmulator, is_answering
from vod_widget.errors import CredentialError

from .helpers import CANARY, KeyServer, write


@dataclass
class FakeEmulator:
    endpoint: str = "http://127.0.0.1:9"
    access_key_id: str = "EMU0123456789abcdefg"
    access_key_secret: str = CANARY
    region: str = "cn-shanghai"
    closed: list[int] = field(default_factory=list)

    def __exit__(self, *_: object) -> None:
        self.closed.append(os.getpid())


class Starter:
    def __init__(self) -> None:
        self.started: list[FakeEmulator] = []

    def __call__(self) -> FakeEmulator:
        self.started.append(FakeEmulator(access_key_id=f"EMU{len(self.started):017d}"))
        return self.started[-1]


def running_file(path: Path, mode: int = 0o600, **changes: Any) -> dict[str, str]:
    data = {
        "endpoint": "http://127.0.0.1:8765",
        "access_key_id": "EMUfromthedemofile00",
        "access_key_secret": CANARY,
        "region": "cn-beijing",
        **changes,
    }
    write(path, json.dumps({key: value for key, value in data.items() if value is not None}), mode)
    return {"VOD_WIDGET_EMULATOR": str(path)}


@pytest.fixture
def starter() -> Starter:
    return Starter()


@pytest.fixture
def process(starter: Starter) -> Any:
    process = ProcessEmulator(starter)
    yield process
    process.close()


def test_one_emulator_is_started_and_kept(starter: Starter, process: ProcessEmulator, home: Path) -> None:
    first = resolve(profile="emulator", env={}, home=home, process_emulator=process)
    second = resolve(env={"VOD_WIDGET_PROFILE": "emulator"}, home=home, process_emulator=process)
    assert len(starter.started) == 1
    assert (first.name, first.endpoint, first.region) == ("emulator", "http://127.0.0.1:9", "cn-shanghai")
    assert first.credentials().access_key_id == starter.started[0].access_key_id
    assert first.credentials().access_key_secret.reveal() == CANARY
    assert first.account == second.account


def test_each_emulator_is_an_account_of_its_own(home: Path) -> None:
    starter = Starter()
    one, two = ProcessEmulator(starter), ProcessEmulator(starter)
    accounts = {resolve(profile="emulator", env={}, home=home, process_emulator=p).account for p in (one, two)}
    assert len(accounts) == 2
    assert all(account.startswith("emulator:") for account in accounts)
    one.close()
    two.close()


def test_close_stops_it_once_and_the_next_use_starts_another(starter: Starter, process: ProcessEmulator) -> None:
    process.get()
    process.close()
    process.close()
    assert starter.started[0].closed == [os.getpid()]
    process.get()
    assert len(starter.started) == 2


def test_an_emulator_that_cannot_start_is_an_error_in_words() -> None:
    def start() -> Any:
        raise OSError("no ports left")

    with pytest.raises(CredentialError, match="no ports left") as caught:
        ProcessEmulator(start).get()
    assert caught.value.code == "Emulator.Start"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("parent_answers", [True, False])
def test_a_forked_child_uses_the_parents_while_it_answers_and_never_closes_it(parent_answers: bool) -> None:
    starter = Starter()
    process = ProcessEmulator(starter, lambda _: parent_answers)
    parents = process.get()
    pid = os.fork()
    if pid == 0:
        result = 1
        try:
            is_parents = process.get() == parents
            process.close()
            ok = is_parents == parent_answers and starter.started[0].closed == []
            result = 0 if ok else 2
        finally:
            os._exit(result)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    process.close()


def test_a_named_one_that_answers_is_used(
    starter: Starter, process: ProcessEmulator, home: Path, emulator: Any
) -> None:
    env = running_file(home / "demo.json", endpoint=emulator.endpoint)
    provider = resolve(profile="emulator", env=env, home=home, process_emulator=process)
    assert (provider.endpoint, provider.region) == (emulator.endpoint, "cn-beijing")
    assert provider.credentials().access_key_id == "EMUfromthedemofile00"
    assert starter.started == []


@pytest.mark.slow
def test_a_named_one_on_a_busy_machine_is_waited_for(starter: Starter, process: ProcessEmulator, home: Path) -> None:
    def answer(*_request: object) -> tuple[int, str, str]:
        threading.Event().wait(1.5)
        return 200, "text", '{"service": "vod_widget.emulator"}'

    with KeyServer(answer) as busy:
        env = running_file(home / "demo.json", endpoint=busy.url)
        provider = resolve(profile="emulator", env=env, home=home, process_emulator=process)
    assert provider.endpoint == busy.url
    assert starter.started == [], "nobody finds there what was stored in the other"


def test_a_named_one_that_is_gone_is_replaced(starter: Starter, process: ProcessEmulator, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_answering(f"http://127.0.0.1:{server.getsockname()[1]}")
    with closed_door() as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert not is_answering(endpoint)
        env = running_file(home / "demo.json", endpoint=endpoint)
        resolve(profile="emulator", env=env, home=home, process_emulator=process)
        resolve(
            profile="emulator",
            env={"VOD_WIDGET_EMULATOR": str(home / "none.json")},
            home=home,
            process_emulator=process,
        )
    assert len(starter.started) == 1


def test_another_program_on_the_port_of_a_named_one_is_not_taken_for_it(
    starter: Starter, process: ProcessEmulator, home: Path
) -> None:
    with KeyServer(lambda *_: (200, "text", '{"service": "something else"}')) as other:
        env = running_file(home / "demo.json", endpoint=other.url)
        resolve(profile="emulator", env=env, home=home, process_emulator=process)
    assert len(starter.started) == 1
    assert [(method, path) for method, path, _ in other.seen] == [("GET", "/_emulator/health")]


@pytest.mark.parametrize(
    ("mode", "changes", "reason"),
    [
        pytest.param(0o644, {}, "chmod 600", marks=pytest.mark.skipif(os.name != "posix", reason="no permission bits")),
        (0o600, {"access_key_secret": None}, "lacks access_key_secret"),
        (0o600, {"region": ""}, "lacks region"),
        (0o600, {"endpoint": 3}, "lacks endpoint"),
        (0o600, {"endpoint": "https://vod.cn-shanghai.aliyuncs.com"}, "must be a URL of this machine"),
    ],
)
def test_a_bad_file_is_refused_and_nothing_is_started(
    starter: Starter, process: ProcessEmulator, home: Path, mode: int, changes: dict[str, Any], reason: str
) -> None:
    env = running_file(home / "demo.json", mode, **changes)
    with pytest.raises(CredentialError, match=reason) as caught:
        resolve(profile="emulator", env=env, home=home, process_emulator=process)
    assert caught.value.code == "Emulator.File"
    assert starter.started == []
