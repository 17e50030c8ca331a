"""An account in an emulator, a home full of profiles, and the services that hand out keys: all with secrets of their own."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.credentials.helpers import KeyServer, write, write_cli, write_ini
from tests.emulator.raw import call
from vod_widget.emulator import Emulator
from vod_widget.emulator.policy import allow

__all__ = ["SINKS", "World", "opened"]

# What the session writes, a file each; the test adds what lies outside the session.
SINKS = (
    *("shown", "attributes", "copies", "traits", "events", "callbacks", "logs", "tracebacks", "exceptions"),
    *("crash-dump", "task-graph", "environment", "arguments", "told"),
)
WAYS = (
    *("ak", "ini", "sts", "role", "external", "uri", "oidc"),
    *("object", "dict", "hook", "ecs", "environment"),
)


@dataclass
class World:
    """What a session needs, and what must never be found.

    Attributes:
        emulator: The cloud.
        facts: The file that the session reads; it holds secrets, as the home does.
        folder: Where the session writes.
        journal: Its journal.
        inputs: Files in which secrets were put in on purpose.
    """

    emulator: Emulator
    facts: Path
    folder: Path
    journal: Path
    inputs: tuple[Path, ...]
    told: tuple[str, ...]

    def secrets(self) -> list[str]:
        """Every secret and token of this account, those that it issued in the meantime included."""
        keys = self.emulator.cloud.keys._keys.values()
        found = [text for key in keys for text in (key.access_key_secret, key.security_token) if text]
        return [*found, *self.told]


def _secret(name: str) -> str:
    # With characters that each form writes in another way.
    return f'Canary+{name}/"sEcret=7731{name}'


@contextlib.contextmanager
def opened(tmp_path: Path, home: Path) -> Iterator[World]:
    """Make everything and take it away again."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(Emulator(data_dir=tmp_path / "emulator", access_key_secret=_secret("own")))
        keys: dict[str, tuple[str, str]] = {}
        for name in ("ak", "ini", "role", "external", "object", "dict", "hook", "environment"):
            made = emulator.cloud.keys.add_user(
                access_key_id=f"EMUkeyof{name:x<12}",
                access_key_secret=_secret(name),
                policies=[allow(["vod:*", "sts:*"])],
            )
            keys[name] = (made.access_key_id, made.access_key_secret)

        def temporary() -> dict[str, str]:
            asked = {"RoleArn": emulator.role_arn, "RoleSessionName": "canary"}
            return dict(call(emulator, "AssumeRole", asked).json["Credentials"])

        def hand_out(method: str, path: str, _headers: dict[str, str]) -> tuple[int, str, str]:
            if path.endswith("/security-credentials/"):
                return 200, "text/plain", "media"
            if method == "PUT":
                return 200, "text/plain", _secret("imds")
            if path.startswith("/broken"):
                return 500, "text/plain", keys["ak"][1]
            return 200, "application/json", json.dumps({"Code": "Success", **temporary()})

        server = stack.enter_context(KeyServer(hand_out))
        token = emulator.oidc_token()
        printed = json.dumps({"access_key_id": keys["external"][0], "access_key_secret": keys["external"][1]})
        script = write(inputs / "give.py", f"import sys\nprint({printed!r})\nsys.exit(int(sys.argv[1]))\n")
        sts = temporary()
        config = write_cli(
            home,
            _row("ak", keys["ak"]),
            {**_row("role", keys["role"]), "mode": "RamRoleArn", "ram_role_arn": emulator.role_arn},
            {
                **_row("sts", (sts["AccessKeyId"], sts["AccessKeySecret"])),
                "mode": "StsToken",
                "sts_token": sts["SecurityToken"],
            },
            {"name": "external", "mode": "External", "process_command": shlex.join([sys.executable, str(script), "0"])},
            {
                "name": "bad-command",
                "mode": "External",
                "process_command": shlex.join([sys.executable, str(script), "3"]),
            },
            {
                "name": "uri",
                "mode": "CredentialsURI",
                "credentials_uri": f"{server.url}/keys?k={_secret('uri').encode().hex()}",
            },
            {"name": "bad-uri", "mode": "CredentialsURI", "credentials_uri": f"{server.url}/broken"},
            {"name": "vm", "mode": "EcsRamRole"},
            {
                "name": "oidc",
                "mode": "OIDC",
                "ram_role_arn": emulator.role_arn,
                "oidc_provider_arn": emulator.oidc_provider_arn,
                "oidc_token_file": str(write(inputs / "token", token)),
            },
            {"name": "half", "mode": "AK", "access_key_secret": keys["dict"][1]},
        )
        ini = write_ini(
            home,
            f"[ini]\ntype = access_key\naccess_key_id = {keys['ini'][0]}\naccess_key_secret = {keys['ini'][1]}\n",
        )
        variables = dict(
            zip(("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"), keys["environment"], strict=True)
        )
        half = base64.b64encode(json.dumps({"AccessKeySecret": keys["dict"][1], "AccessKeyId": "x"}).encode()).decode()
        folder, journal = tmp_path / "sinks", tmp_path / "journal"
        facts = write(
            inputs / "facts.json",
            json.dumps(
                {
                    "folder": str(folder),
                    "endpoint": emulator.endpoint,
                    "journal": str(journal),
                    "keys": keys,
                    "profiles": ["ak", "ini", "sts", "role", "external", "uri", "oidc"],
                    "variables": variables,
                    "metadata": server.url,
                    "half_auth": half,
                }
            ),
        )
        put_in = (facts, script, inputs / "token", config, ini)
        yield World(
            emulator, facts, folder, journal, put_in, (token, _secret("imds"), _secret("uri").encode().hex(), half)
        )


def _row(name: str, key: tuple[Any, Any]) -> dict[str, Any]:
    return {"name": name, "mode": "AK", "access_key_id": key[0], "access_key_secret": key[1]}
