"""Each way to keys that do not stand in a file: a service, a command, an identity provider, a sign-in."""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.until import LONG_S, until
from vod_widget.credentials import explain, find_profiles, resolve
from vod_widget.credentials.bounded import run_beside
from vod_widget.credentials.external import keys_from_command
from vod_widget.credentials.remote import METADATA_URL, Metadata, uri_problem
from vod_widget.errors import AccessDeniedError, CredentialError, MissingCredentialError
from vod_widget.model import Credentials
from vod_widget.secret import Secret
from vod_widget.system import SystemClock
from vod_widget.vod_api import SdkVodApi

from .helpers import (
    CANARY,
    KEY_ID,
    ROLE,
    TOKEN,
    FakeClock,
    KeyServer,
    ak,
    keys_env,
    keys_json,
    touch_later,
    write,
    write_cli,
    write_ini,
)

FIRST = "STS.key0000000001"
OIDC = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_800_000_000.0)  # 2027-01-15T08:00:00Z


def refused(*_: Any) -> tuple[int, str, str]:
    return 500, "text/plain", CANARY


# ---- the credentials URI


def test_a_credentials_uri_of_the_environment_gives_keys_and_is_asked_again_before_they_end(
    home: Path, clock: FakeClock
) -> None:
    numbers = iter(range(1, 9))
    with KeyServer(lambda *_: (200, "application/json", keys_json(f"STS.key000000000{next(numbers)}"))) as server:
        env = {"ALIBABA_CLOUD_CREDENTIALS_URI": f"{server.url}/keys?role=a"}
        provider = resolve(env=env, home=home, clock=clock)
        assert server.seen == [], "nothing is asked before a key is needed"
        assert provider.credentials().access_key_id == FIRST
        clock.advance(0.8 * 3600 - 1)
        assert provider.credentials().access_key_id == FIRST
        clock.advance(1)
        assert provider.credentials().access_key_id == "STS.key0000000002"
    assert [path for _, path, _ in server.seen] == ["/keys?role=a"] * 2


@pytest.mark.parametrize("as_ini", [False, True])
def test_a_credentials_uri_of_a_profile(home: Path, clock: FakeClock, as_ini: bool) -> None:
    with KeyServer(lambda *_: (200, "application/json", keys_json())) as server:
        if as_ini:
            write_ini(home, f"[p]\ntype = credentials_uri\ncredentials_uri = {server.url}/k\n")
        else:
            write_cli(home, {"name": "p", "mode": "CredentialsURI", "credentials_uri": f"{server.url}/k"})
        keys = resolve(profile="p", env={}, home=home, clock=clock).credentials()
    assert keys.access_key_id == FIRST
    assert keys.security_token is not None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused, "HTTP 500"),
        (lambda *_: (200, "text/html", f"<html>{CANARY}"), "not JSON"),
        (lambda *_: (200, "text", f'["{CANARY}"]'), "not a JSON object"),
        (lambda *_: (200, "text", json.dumps({"Code": CANARY})), "it failed"),
        (lambda *_: (200, "text", json.dumps({"AccessKeySecret": CANARY})), "access_key_id is missing"),
        (lambda *_: (302, "text", f"http://127.0.0.1:1/{CANARY}"), "HTTP 302"),
        (lambda *_: (200, "text", "x" * 70_000), "too long"),
    ],
)
def test_a_service_that_gives_no_keys_is_told_without_what_it_said(home: Path, answer: Any, words: str) -> None:
    with KeyServer(answer) as server:
        provider = resolve(env={"ALIBABA_CLOUD_CREDENTIALS_URI": f"{server.url}/{CANARY}"}, home=home)
        with pytest.raises(CredentialError, match=words) as caught:
            provider.credentials()
    assert caught.value.code == "Auth.Uri"
    assert CANARY not in str(caught.value)


def test_a_service_that_is_not_there_is_told(home: Path) -> None:
    provider = resolve(env={"ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:1/"}, home=home)
    with pytest.raises(CredentialError, match="no answer"):
        provider.credentials()


@pytest.mark.parametrize(
    ("uri", "is_good"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:80/", True),
        ("http://10.0.0.7/x", True),
        ("http://169.254.170.2/x", True),
        ("https://keys.example.com/x?y=1", True),
        ("http://keys.example.com/x", False),
        ("http://8.8.8.8/x", False),
        ("http://user:pass@127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("http://127.0.0.1:99999/", False),
        ("http://127.0.0.1/a b", False),
        ("nonsense", False),
        ("http://localhost.evil.example/", False),
    ],
)
def test_keys_are_fetched_unencrypted_from_near_addresses_only(home: Path, uri: str, is_good: bool) -> None:
    assert (uri_problem(uri) == "") is is_good
    row = next(row for row in find_profiles({"ALIBABA_CLOUD_CREDENTIALS_URI": uri}, home=home) if row.name == "uri")
    assert row.usable is is_good
    assert uri not in repr(row)


# ---- the metadata service


def instance_at(url: str) -> Metadata:
    """A metadata service that answers, or refuses, at once; the second that it has in life is little for a busy machine."""
    return Metadata(url, wait_s=LONG_S)


class Instance:
    """An ECS instance with one role."""

    def __init__(self, *, has_tokens: bool = True, role: str = "media", keys: str = "") -> None:
        self.has_tokens, self.role, self.keys = has_tokens, role, keys or keys_json()

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
        if (method, path) == ("PUT", "/latest/api/token"):
            return (200, "text", "a-token") if self.has_tokens else (404, "text", "")
        if self.has_tokens and headers.get("x-aliyun-ecs-metadata-token") != "a-token":
            return 403, "text", ""
        base = "/latest/meta-data/ram/security-credentials/"
        if path == base:
            return (200, "text", self.role) if self.role else (404, "text", "")
        return (200, "application/json", self.keys) if path == base + self.role else (404, "text", "")


def test_an_instance_gives_the_keys_of_its_role_after_everything_else_was_empty(home: Path, clock: FakeClock) -> None:
    with KeyServer(Instance()) as server:
        metadata = instance_at(server.url)
        provider = resolve(env={}, home=home, clock=clock, metadata=metadata)
        assert (provider.name, provider.credentials().access_key_id) == ("ecs", FIRST)
        assert [notice.code for notice in provider.notices] == ["Auth.Instance"]  # type: ignore[attr-defined]
        (row,) = (row for row in find_profiles({}, home=home, metadata=metadata) if row.is_current)
        assert (row.name, row.place, row.mode, row.renews_itself) == ("ecs", "ECS metadata", "EcsRamRole", True)
        assert resolve(profile="ecs", env={}, home=home, clock=clock, metadata=metadata).name == "ecs"
        told = explain(env={}, home=home, metadata=metadata)
    assert "this instance has the role media" in str(told)
    assert [path for method, path, _ in server.seen if method == "PUT"] == ["/latest/api/token"] * 2, "asked once"


@pytest.mark.parametrize("env", [keys_env(), {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}])
def test_the_metadata_service_is_not_asked_without_need(home: Path, env: dict[str, str]) -> None:
    with KeyServer(Instance()) as server:
        explain(env=env, home=home, metadata=instance_at(server.url))
    assert server.seen == []


def test_the_metadata_service_is_not_waited_for_when_the_application_gives_authority(home: Path) -> None:
    with KeyServer(Instance()) as server, pytest.raises(MissingCredentialError, match="keys are not needed"):
        resolve(env={}, home=home, metadata=instance_at(server.url), asks_instance=False)
    assert server.seen == []


def test_an_old_metadata_service_is_asked_unless_that_is_switched_off(home: Path, clock: FakeClock) -> None:
    with KeyServer(Instance(has_tokens=False)) as server:
        provider = resolve(env={}, home=home, clock=clock, metadata=instance_at(server.url))
        assert provider.credentials().access_key_id == FIRST
        with pytest.raises(MissingCredentialError, match="gives no token"):
            resolve(env={"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"}, home=home, metadata=instance_at(server.url))


def test_a_profile_may_name_the_role_of_the_instance(home: Path, clock: FakeClock) -> None:
    write_cli(home, {"name": "vm", "mode": "EcsRamRole", "ram_role_name": "media"})
    write_ini(home, "[ini]\ntype = ecs_ram_role\nrole_name = other\n")
    with KeyServer(Instance()) as server:
        metadata = instance_at(server.url)
        good = resolve(profile="vm", env={}, home=home, clock=clock, metadata=metadata)
        assert good.credentials().access_key_id == FIRST
        bad = resolve(profile="ini", env={}, home=home, clock=clock, metadata=metadata)
        with pytest.raises(CredentialError, match="there is no role other on this instance") as caught:
            bad.credentials()
    assert caught.value.code == "Auth.Metadata"


def test_an_instance_without_a_role_and_a_machine_that_is_none_are_told_apart(home: Path) -> None:
    with KeyServer(Instance(role="")) as server:
        told = explain(env={}, home=home, metadata=instance_at(server.url))
    assert "no role is attached to this instance" in str(told)
    with KeyServer(lambda *_: (404, "text", "nothing here")) as gateway:
        told = explain(env={}, home=home, metadata=instance_at(gateway.url))
    assert "this is no ECS instance, or it has no role" in str(told)
    told = explain(env={}, home=home, metadata=instance_at("http://127.0.0.1:1"))
    assert "ECS metadata: nothing; no answer" in str(told)


def test_a_silent_metadata_service_costs_its_limit_and_is_asked_once_a_minute(home: Path) -> None:
    import socket

    now_s = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        metadata = Metadata(f"http://127.0.0.1:{silent.getsockname()[1]}", wait_s=0.05, monotonic_s=lambda: now_s[0])
        assert metadata.find_role() == ("", "no answer within 0.05 s")
        silent.close()
        assert metadata.find_role() == ("", "no answer within 0.05 s")
        now_s[0] = 60.0
        assert metadata.find_role() != ("", "no answer within 0.05 s")


@pytest.mark.parametrize("url", ["http://8.8.8.8", "http://100.100.100.201", "http://evil.example", "100.100.100.200"])
def test_another_metadata_service_can_only_be_on_this_machine(url: str) -> None:
    with pytest.raises(CredentialError, match="one address"):
        Metadata(url)
    assert "100.100.100.200" in repr(Metadata(METADATA_URL))


def test_no_environment_variable_moves_the_metadata_service(
    home: Path, monkeypatch: pytest.MonkeyPatch, outside_attempts: list[str]
) -> None:
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    monkeypatch.setattr("vod_widget.credentials.search._of_this_machine", Metadata())
    before = len(outside_attempts)
    with pytest.raises((MissingCredentialError, AssertionError)):
        resolve()
    assert set(outside_attempts[before:]) == {"100.100.100.200"}
    del outside_attempts[before:]


# ---- a command


def command(home: Path, code: str) -> str:
    return shlex.join([sys.executable, str(write(home / "give.py", code))])


def test_a_command_gives_keys_and_is_run_again_before_they_end(home: Path, clock: FakeClock) -> None:
    code = (
        "import json, pathlib, sys\n"
        "count = pathlib.Path(sys.argv[0]).with_name('count')\n"
        "n = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(n))\n"
        "print(json.dumps({'mode': 'StsToken', 'access_key_id': f'STS.key000000000{n}', 'access_key_secret': 'x' * 30,"
        " 'sts_token': 'y' * 30, 'expiration': '2027-01-15T09:00:00Z' if n < 2 else '2027-01-15T10:00:00Z'}))\n"
    )
    write_cli(home, {"name": "p", "mode": "External", "process_command": command(home, code)}, current="p")
    provider = resolve(env={}, home=home, clock=clock)
    assert not (home / "count").exists(), "not run before a key is needed"
    assert provider.credentials().access_key_id == FIRST
    clock.advance(3000)
    assert provider.credentials().access_key_id == "STS.key0000000002"


def test_a_command_is_split_as_a_shell_would_and_run_without_one(home: Path, tmp_path: Path) -> None:
    code = "import json, sys; print(json.dumps({'access_key_id': sys.argv[1], 'access_key_secret': sys.argv[2]}))"
    script = write(tmp_path / "with a blank" / "give.py", code)
    line = f"{sys.executable} '{script}' 'id $HOME;true' \"$(id)\""
    keys = keys_from_command(Secret(line), "here")
    assert (keys.access_key_id, keys.access_key_secret.reveal()) == ("id $HOME;true", "$(id)")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit(3)", "it ended with status 3"),
        (f"print('{CANARY}')", "it does not print JSON"),
        (f"print('[\"{CANARY}\"]')", "it does not print a JSON object"),
        ("import json; print(json.dumps({'access_key_id': 'x'}))", "access_key_secret is missing"),
        ("print('x' * 70000)", "it prints too much"),
        (
            f"import json; print(json.dumps({{'mode': 'StsToken', 'access_key_id': 'x', 'access_key_secret': '{CANARY}'}}))",
            "without sts_token",
        ),
    ],
)
def test_a_command_that_gives_no_keys_is_told_without_what_it_printed(home: Path, code: str, words: str) -> None:
    write_cli(home, {"name": "p", "mode": "External", "process_command": command(home, code)})
    with pytest.raises(CredentialError, match=words) as caught:
        resolve(profile="p", env={}, home=home).credentials()
    assert caught.value.code == "Auth.External"
    assert CANARY not in str(caught.value)


def test_a_command_that_is_not_there_is_told(home: Path) -> None:
    write_cli(home, {"name": "p", "mode": "External", "process_command": "/no/such/program --x"})
    with pytest.raises(CredentialError, match="no such program"):
        resolve(profile="p", env={}, home=home).credentials()
    write_cli(home, {"name": "p", "mode": "External", "process_command": "give 'it"})
    with pytest.raises(CredentialError, match="a quote in process_command is not closed"):
        resolve(profile="p", env={}, home=home)


def test_a_command_that_hangs_is_ended_with_what_it_started(home: Path) -> None:
    # A shell, not Python: it has started its child within milliseconds; on a busy machine it gets more.
    line = shlex.join(["sh", "-c", 'sleep 600 & echo $! >"$0"; wait', str(home / "child")])
    child = home / "child"
    for wait_s in (1.0, 5.0, LONG_S):
        with pytest.raises(CredentialError, match="did not end within"):
            keys_from_command(Secret(line), "here", wait_s=wait_s)
        if child.exists() and child.read_text():
            break
    status = Path(f"/proc/{int(child.read_text())}/stat")

    def has_ended() -> bool:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return status.read_text().split()[2] == "Z"
        return True

    until(has_ended, "the command's child ended")


def test_nothing_that_hangs_holds_its_caller() -> None:
    go = threading.Event()
    with pytest.raises(CredentialError, match=r"the vault did not end within 0\.01 s") as caught:
        run_beside(lambda: go.wait(30), wait_s=0.01, what="the vault")
    assert caught.value.code == "Auth.Timeout"
    go.set()


# ---- an identity provider


@pytest.fixture
def api() -> Iterator[SdkVodApi]:
    api = SdkVodApi(SystemClock())
    yield api
    api.close()


def oidc_env(emulator: Any, path: Path) -> dict[str, str]:
    return dict(zip(OIDC, (emulator.role_arn, emulator.oidc_provider_arn, str(path)), strict=True))


def test_an_oidc_token_becomes_a_key_that_may_only_upload(home: Path, emulator: Any, api: SdkVodApi) -> None:
    token = write(home / "token", emulator.oidc_token() + "\n", 0o644)
    provider = resolve(
        env=oidc_env(emulator, token),
        home=home,
        assume_role_with_oidc=partial(api.assume_role_with_oidc, endpoint=emulator.endpoint),
    )
    keys = provider.credentials()
    assert keys.access_key_id.startswith("STS.")
    assert provider.account == f"role:{emulator.role_arn}"
    session = api.open(keys, "cn-shanghai", emulator.endpoint)
    assert session.find_video(reference_id="0" * 32) is None
    (record,) = (one for one in emulator.requests if one.op == "AssumeRoleWithOIDC")
    assert token.read_text().strip() not in repr(record)


@pytest.mark.parametrize("ini", [False, True])
def test_an_oidc_profile_reads_its_token_anew_each_time(home: Path, clock: FakeClock, ini: bool) -> None:
    token = write(home / "token", "token-1")
    if ini:
        write_ini(
            home,
            f"[p]\ntype = oidc_role_arn\nrole_arn = {ROLE}\noidc_provider_arn = prov\noidc_token_file_path = {token}\n",
        )
    else:
        row = {"ram_role_arn": ROLE, "oidc_provider_arn": "prov", "oidc_token_file": str(token)}
        write_cli(home, {"name": "p", "mode": "OIDC", **row})
    asked: list[tuple[str, str]] = []

    def exchange(given: Secret, **params: Any) -> Credentials:
        asked.append((given.reveal(), params["provider_arn"]))
        return Credentials(FIRST, CANARY, TOKEN, clock.now_s() + params["duration_s"])

    provider = resolve(profile="p", env={}, home=home, clock=clock, assume_role_with_oidc=exchange)
    provider.credentials()
    token.write_text("token-2")
    clock.advance(3600)
    provider.credentials()
    assert asked == [("token-1", "prov"), ("token-2", "prov")]
    token.write_text("")
    clock.advance(3600)
    with pytest.raises(CredentialError, match="its file is empty") as caught:
        provider.credentials()
    assert caught.value.code == "Auth.Oidc"


def test_a_token_file_that_is_not_there_is_told_before_anything_is_asked(home: Path) -> None:
    env = dict(zip(OIDC, (ROLE, "prov", "/no/such/token"), strict=True))
    with pytest.raises(CredentialError, match=r"ALIBABA_CLOUD_OIDC_TOKEN_FILE names /no/such/token"):
        resolve(env=env, home=home)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("ended", "AuthenticationFail.OIDCToken.Expired"),
        ("forged", "AuthenticationFail.OIDCToken.InvalidSignature"),
        ("nonsense", "AuthenticationFail.OIDCToken.Invalid"),
        ("stranger", "AuthenticationFail.NoPermission"),
    ],
)
def test_a_token_that_is_refused_names_the_remedy(
    home: Path, emulator: Any, api: SdkVodApi, wrong: str, code: str
) -> None:
    token = emulator.oidc_token(0.0 if wrong == "ended" else 3600.0)
    if wrong == "forged":
        token = token[:-8] + "AAAAAAAA"
    env = oidc_env(emulator, write(home / "token", "a.b" if wrong == "nonsense" else token))
    if wrong == "stranger":
        env[OIDC[1]] = "acs:ram::1:oidc-provider/stranger"
    exchange = partial(api.assume_role_with_oidc, endpoint=emulator.endpoint)
    provider = resolve(env=env, home=home, assume_role_with_oidc=exchange)
    with pytest.raises(AccessDeniedError, match="OIDC") as caught:
        provider.credentials()
    assert caught.value.code == code
    assert token not in str(caught.value)


# ---- sign-ins in the browser, which the vendor's package keeps


def sso(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "sso",
        "mode": "CloudSSO",
        "cloud_sso_sign_in_url": url,
        "cloud_sso_account_id": "1234567890123456",
        "cloud_sso_access_config": "ac-media",
        "access_token": TOKEN,
        "cloud_sso_access_token_expire": 4_000_000_000,
        **more,
    }


def test_a_sign_in_gives_keys_through_the_vendors_package(
    home: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"CloudCredential": json.loads(keys_json())}
    with (
        KeyServer(lambda *_: (200, "application/json", json.dumps(keys))) as server,
        caplog.at_level(logging.DEBUG),
    ):
        write_cli(home, sso(server.url), current="sso")
        (row,) = (row for row in find_profiles({}, home=home) if row.is_current)
        assert (row.usable, row.renews_itself) == (True, True)
        provider = resolve(env={}, home=home, clock=clock)
        assert provider.credentials().access_key_id == FIRST
    ((method, path, headers),) = server.seen
    assert (method, path, headers["authorization"]) == ("POST", "/cloud-credentials", f"Bearer {TOKEN}")
    assert TOKEN not in caplog.text
    assert CANARY not in caplog.text


def test_keys_of_a_sign_in_that_live_are_used_as_they_stand(home: Path, clock: FakeClock) -> None:
    cached = {"access_key_id": "STS.cached00000001", "access_key_secret": CANARY, "sts_token": TOKEN}
    row = sso("http://127.0.0.1:1", **cached, sts_expiration=int(clock.now_s()) + 1800)
    write_cli(home, row, current="sso")
    assert resolve(env={}, home=home, clock=clock).credentials().access_key_id == "STS.cached00000001"


def test_a_sign_in_that_is_refused_names_the_command(home: Path) -> None:
    with KeyServer(refused) as server:
        write_cli(home, sso(server.url))
        provider = resolve(profile="sso", env={}, home=home)
        with pytest.raises(CredentialError, match="aliyun configure --profile sso --mode CloudSSO") as caught:
            provider.credentials()
    assert caught.value.code == "Auth.SignIn"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"cloud_sso_access_token_expire": 1},
        {"cloud_sso_account_id": ""},
        {"access_token": ""},
        {"cloud_sso_sign_in_url": "http://sso.example.com"},
    ],
)
def test_a_sign_in_that_cannot_give_keys_is_greyed_with_the_command(home: Path, change: dict[str, Any]) -> None:
    write_cli(home, sso("http://127.0.0.1:1", **change))
    (row, _) = find_profiles({}, home=home)
    assert not row.usable
    assert "aliyun configure --profile sso --mode CloudSSO" in row.reason


def test_an_oauth_sign_in_is_renewed_and_its_rotated_tokens_written_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_method: str, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
        if path == "/v1/token":
            tokens = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}
            return 200, "application/json", json.dumps(tokens)
        assert headers["authorization"] == "Bearer access-2"
        return 200, "application/json", keys_json()

    from alibabacloud_credentials.provider import cli_profile

    vendors = cli_profile.OAuthCredentialsProvider
    row = {"name": "o", "mode": "OAuth", "oauth_site_type": "CN", "oauth_refresh_token": "refresh-1"}
    path = write_cli(home, row)
    with KeyServer(answer) as server:
        monkeypatch.setattr(
            cli_profile,
            "OAuthCredentialsProvider",
            lambda **options: vendors(**{**options, "sign_in_url": server.url}),
        )
        assert resolve(profile="o", env={}, home=home).credentials().access_key_id == FIRST
    assert "refresh-2" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_without_the_vendors_package_the_reason_names_both_ways_out(
    home: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vod_widget.credentials.cli_file.has_keeper", lambda: False)
    write_cli(home, sso("http://127.0.0.1:1", access_key_id=KEY_ID, access_key_secret=CANARY, sts_token=TOKEN))
    (row, _) = find_profiles({}, home=home, clock=clock)
    assert not row.usable
    assert "aliyun sts GetCallerIdentity --profile sso" in row.reason
    assert 'pip install "vod_widget[credentials]"' in row.reason


# ---- roles over other ways, and roles of the environment


def test_a_role_is_assumed_with_the_keys_of_an_instance(home: Path, clock: FakeClock) -> None:
    def link(name: str, source: str) -> dict[str, str]:
        return {"name": name, "mode": "ChainableRamRoleArn", "source_profile": source, "ram_role_arn": ROLE}

    write_cli(
        home,
        {"name": "vm", "mode": "EcsRamRole"},
        link("over", "vm"),
        {"name": "direct", "mode": "RamRoleArnWithEcs", "ram_role_arn": ROLE},
    )
    asked: list[str] = []

    def assume(keys: Credentials, **_: Any) -> Credentials:
        asked.append(keys.access_key_id)
        return Credentials("STS.assumed000001", CANARY, TOKEN)

    with KeyServer(Instance()) as server:
        for name in ("over", "direct"):
            provider = resolve(
                profile=name, env={}, home=home, clock=clock, assume_role=assume, metadata=instance_at(server.url)
            )
            assert provider.credentials().access_key_id == "STS.assumed000001"
    assert asked == [FIRST, FIRST]


def test_s33_a_long_lived_key_beside_a_role_in_the_environment_assumes_it(home: Path, clock: FakeClock) -> None:
    asked: list[dict[str, Any]] = []

    def assume(keys: Credentials, **params: Any) -> Credentials:
        asked.append({"id": keys.access_key_id, **params})
        return Credentials(FIRST, CANARY, TOKEN)

    env = {**keys_env(), "ALIBABA_CLOUD_ROLE_ARN": ROLE, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "me"}
    provider = resolve(env=env, home=home, clock=clock, assume_role=assume)
    assert provider.notices == ()
    assert provider.credentials().access_key_id == FIRST
    assert (asked[0]["id"], asked[0]["role_arn"], asked[0]["session_name"]) == (KEY_ID, ROLE, "me")
    assert "vod:CreateUploadVideo" in asked[0]["policy"]
    # A token is temporary already, and a role beside a token file is that file's.
    for more in ({"ALIBABA_CLOUD_SECURITY_TOKEN": TOKEN}, {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/token"}):
        assert resolve(env={**env, **more}, home=home).credentials().access_key_id == KEY_ID


def test_a_profile_that_is_edited_is_read_again_at_once(home: Path, clock: FakeClock) -> None:
    def row(arn: str) -> dict[str, Any]:
        return {**ak("p"), "mode": "RamRoleArn", "ram_role_arn": arn}

    asked: list[str] = []

    def assume(_keys: Credentials, **params: Any) -> Credentials:
        asked.append(params["role_arn"])
        return Credentials(FIRST, CANARY, TOKEN)

    write_cli(home, row(ROLE))
    provider = resolve(profile="p", env={}, home=home, clock=clock, assume_role=assume)
    provider.credentials()
    provider.credentials()
    touch_later(write_cli(home, row(f"{ROLE}-2")))
    provider.credentials()
    assert asked == [ROLE, f"{ROLE}-2"]


def test_renewals_of_many_processes_are_spread(home: Path, clock: FakeClock) -> None:
    with KeyServer(lambda *_: (200, "application/json", keys_json())) as server:
        env = {"ALIBABA_CLOUD_CREDENTIALS_URI": server.url}
        provider = resolve(env=env, home=home, clock=clock, chance=lambda _low, high: high)
        provider.credentials()
        clock.advance(0.75 * 3600 - 1)
        provider.credentials()
        assert len(server.seen) == 1
        clock.advance(1)
        provider.credentials()
        assert len(server.seen) == 2


# ---- secret stores


def test_secret_stores_are_functions(home: Path) -> None:
    """The three usual ones: Colab's userdata.get(name), Kaggle's get_secret(label), keyring's get_password(service, name)."""
    kept = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": CANARY}

    def from_store(get: Any) -> Any:
        return lambda: {
            "access_key_id": get("ALIBABA_CLOUD_ACCESS_KEY_ID"),
            "access_key_secret": get("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        }

    for get in (kept.__getitem__, kept.get, partial(lambda _service, name: kept.get(name), "vod_widget")):
        assert resolve(credentials=from_store(get)).credentials().access_key_id == KEY_ID
    with pytest.raises(CredentialError, match="raised KeyError") as caught:
        resolve(credentials=from_store({}.__getitem__)).credentials()
    assert caught.value.code == "Auth.Callback"
