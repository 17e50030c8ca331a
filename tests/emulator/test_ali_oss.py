"""`ali-oss`, the vendor's client for Node, on which its browser SDK stands, judges the emulator."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import CLIENTS
from tests.emulator.raw import create, send
from vod_widget.emulator import Emulator, Switches

DATA = random.Random(9).randbytes(450_000)


def run(node: str, **task: Any) -> dict[str, Any]:
    done = subprocess.run(
        [node, str(CLIENTS / "ali_oss.cjs")],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def task_of(emulator: Emulator, tmp_path: Path, **more: Any) -> dict[str, Any]:
    source = tmp_path / "source.mp4"
    source.write_bytes(DATA)
    notification = base64.b64encode(b'{"Vod":{"Title":"t"}}').decode()
    return {
        "region": emulator.region,
        "endpoint": emulator.endpoint,
        "bucket": emulator.bucket,
        "file": str(source),
        "other": "appended",
        "notification": notification,
        "prefix": "",
        **more,
    }


@pytest.mark.slow
@pytest.mark.parametrize("v4", [False, True])
def test_the_owner_may_do_everything(emulator: Emulator, node: str, tmp_path: Path, v4: bool) -> None:
    keys = {"accessKeyId": emulator.access_key_id, "accessKeySecret": emulator.access_key_secret}
    seen = run(node, **task_of(emulator, tmp_path, key="dir/a b+ü.mp4", prefix="dir/", v4=v4, **keys))
    signed = seen.pop("signed")
    progress = seen.pop("progress")
    assert seen == {
        "put": {"ok": True, "value": 200},
        "head": {"ok": True, "value": "5"},
        "get": {"ok": True, "value": "hello"},
        "multipart": {"ok": True, "value": 200},
        "resumed": {"ok": True, "value": [2, 200]},
        "append": {"ok": True, "value": "6"},
        "list": {"ok": True, "value": ["dir/a b+ü.mp4"]},
        "list2": {"ok": True, "value": ["dir/a b+ü.mp4"]},
        "uploads": {"ok": True, "value": 0},
        "deleteMulti": {"ok": True, "value": 1},
    }
    assert progress[-1] == 1
    if v4:  # for an endpoint that is an IP address, this client makes no V1 URLs at all
        target = signed["value"].removeprefix(emulator.endpoint)
        # ... and V4 URLs without the bucket, which it puts into Host.
        host = f"{emulator.bucket}.oss-{emulator.region}.aliyuncs.com"
        assert send(emulator.endpoint, "GET", target, {"Host": host}).body == DATA


@pytest.mark.slow
@pytest.mark.parametrize("v4", [False, True])
def test_an_upload_credential_opens_its_own_object_only(
    emulator: Emulator, node: str, tmp_path: Path, v4: bool
) -> None:
    grant = create(emulator)
    keys = {
        "accessKeyId": grant.keys.access_key_id,
        "accessKeySecret": grant.keys.access_key_secret,
        "securityToken": grant.keys.security_token,
    }
    # A prefix: an empty one is signed as `prefix=` by this client and as `prefix` by oss2.
    seen = run(node, **task_of(emulator, tmp_path, key=grant.key, prefix="sv/", v4=v4, **keys))
    allowed = ("put", "head", "get", "multipart", "resumed")
    assert [seen[name]["ok"] for name in allowed] == [True] * 5, seen
    for name in ("append", "list", "list2", "uploads", "deleteMulti"):
        assert (seen[name]["ok"], seen[name]["status"], seen[name]["code"]) == (False, 403, "AccessDenied"), name
    assert emulator.object_path(grant.media_id).read_bytes() == DATA
    assert emulator.asset(grant.media_id).notification == '{"Vod":{"Title":"t"}}'
    assert emulator.unfinished_uploads == []


@pytest.mark.slow
def test_expiry_is_seen_as_such(emulator: Emulator, node: str, tmp_path: Path) -> None:
    grant = create(emulator)
    emulator.clock.advance(3001)
    keys = {
        "accessKeyId": grant.keys.access_key_id,
        "accessKeySecret": grant.keys.access_key_secret,
        "securityToken": grant.keys.security_token,
    }
    seen = run(node, **task_of(emulator, tmp_path, key=grant.key, v4=False, **keys))
    assert (seen["put"]["status"], seen["put"]["code"]) == (403, "SecurityTokenExpired")


@pytest.mark.slow
def test_the_older_answer_to_expiry_is_understood_too(node: str, tmp_path: Path) -> None:
    with Emulator(switches=Switches(expired_answer="InvalidAccessKeyId")) as emulator:
        grant = create(emulator)
        emulator.clock.advance(3001)
        keys = {
            "accessKeyId": grant.keys.access_key_id,
            "accessKeySecret": grant.keys.access_key_secret,
            "securityToken": grant.keys.security_token,
        }
        seen = run(node, **task_of(emulator, tmp_path, key=grant.key, v4=True, **keys))
        assert (seen["put"]["status"], seen["put"]["code"]) == (403, "InvalidAccessKeyId")
