"""`python -m vod_widget.emulator`: ready line, service, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.emulator.raw import call, create, send
from vod_widget.emulator.cli import serve


def start(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "vod_widget.emulator", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_a_signal(tmp_path: Path, number: int) -> None:
    process = start(
        *("--port", "0", "--tls-port", "0", "--data-dir", str(tmp_path), "--json", "--account-id", "77"),
        *("--upload-auth-ttl", "60", "--allow-missing-timestamp", "--oss-endpoint", "http://127.0.0.1:9"),
    )
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(process.stdout.readline())
    needed = {"endpoint", "tls_endpoint", "access_key_id", "access_key_secret", "role_arn", "region"}
    assert needed <= set(facts)
    assert facts["role_arn"] == "acs:ram::77:role/vod-upload"
    headers = {"Authorization": f"Bearer {facts['admin_secret']}"}
    assert send(facts["endpoint"], "GET", "/_emulator/admin/state", headers).json["assets"] == []
    emulator: Any = SimpleNamespace(**facts)
    grant = create(emulator)
    assert (grant.endpoint, grant.auth["Expiration"]) == ("http://127.0.0.1:9", "60")
    assert call(emulator, "GetCallerIdentity", change={"Timestamp": None}).json["AccountId"] == "77"
    assert stop(process, number) == (0, "", "")


@pytest.mark.slow
def test_human_text_without_json() -> None:
    process = start()
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    assert "http://127.0.0.1:" in process.stdout.readline()
    facts = [process.stdout.readline() for _ in range(5)]
    assert "browser" in process.stdout.readline()
    code, out, err = stop(process, signal.SIGTERM)
    assert (code, out, err) == (0, "", "")
    assert "region" in facts[-1]
    assert not any("admin" in line for line in facts)


@pytest.mark.slow
def test_a_network_name_is_warned_of() -> None:
    process = start("--dangerously-listen-to-the-network-as", "emulator.test")
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    code, _, err = stop(process, signal.SIGTERM)
    assert (code, "WARNING" in err, "every interface" in err) == (0, True, True)


def test_what_cannot_start_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["--account-id", "me"]) == 2
    assert "account_id" in capsys.readouterr().err
    assert serve(["--dangerously-listen-to-the-network-as", "a b"]) == 2
    assert "network_name" in capsys.readouterr().err
    for wrong in (["--port", "many"], ["--host", "0.0.0.0"]):
        with pytest.raises(SystemExit):
            serve(wrong)
