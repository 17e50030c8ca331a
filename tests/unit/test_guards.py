"""The guards of conftest.py hold: a test that leaves the machine, or reads a person's settings, is stopped."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest


def _plain(host: str) -> None:
    socket.create_connection((host, 80), timeout=1)


def _by_asyncio(host: str) -> None:
    asyncio.run(asyncio.open_connection(host, 80))


@pytest.mark.parametrize("connect", [_plain, _by_asyncio])
@pytest.mark.parametrize("host", ["example.com", "192.0.2.1", "2001:db8::1"])
def test_nothing_leaves_this_machine(connect, host: str, outside_attempts: list[str]) -> None:
    with pytest.raises(AssertionError, match="only loopback"):
        connect(host)
    assert outside_attempts.pop() == host


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_reserved_names_do_not_resolve() -> None:
    with pytest.raises(socket.gaierror):
        _plain("vod.invalid")


def test_home_is_empty_and_no_setting_of_the_person_is_left(home: Path) -> None:
    assert Path.home() == home
    assert list(home.iterdir()) == []
    left = [n for n in os.environ if n.startswith(("ALIBABA_CLOUD_", "OSS_")) or n.lower().endswith("_proxy")]
    assert left == ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"]
