"""The order of the search, and that nothing broken is skipped silently."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from vod_widget.credentials import explain, resolve
from vod_widget.errors import (
    CredentialError,
    InvalidArgumentError,
    MissingCredentialError,
    ProfileNotFoundError,
)
from vod_widget.model import Credentials

from .helpers import CANARY, KEY_ID, TOKEN, FakeClock, ak, keys_env, touch_later, write, write_cli, write_ini

INI = "[{name}]\ntype = access_key\naccess_key_id = {key_id}\naccess_key_secret = {secret}\n"


def ini(name: str = "default", key_id: str = KEY_ID, secret: str = CANARY) -> str:
    return INI.format(name=name, key_id=key_id, secret=secret)


def id_of(home: Path, env: dict[str, str] | None = None, **more: Any) -> str:
    provider = resolve(env=env or {}, home=home, **more)
    return provider.credentials().access_key_id


def everything(home: Path) -> dict[str, str]:
    """Keys in every place at once, each with an id that tells its place."""
    write_cli(home, ak("cli-current", "id-cli-current"), ak("other", "id-other"), current="cli-current")
    write_ini(home, ini(key_id="id-ini"))
    write_ini(home, ini(key_id="id-ini-2"), name="credentials")
    return {
        **keys_env("id-env"),
        "OSS_ACCESS_KEY_ID": "id-oss",
        "OSS_ACCESS_KEY_SECRET": CANARY,
        "ALIYUN_ACCESS_KEY_ID": "id-aliyun",
        "ALIYUN_ACCESS_KEY_SECRET": CANARY,
    }


def test_the_places_win_in_the_promised_order(home: Path) -> None:
    env = everything(home)
    given = Credentials("id-given", CANARY)
    assert id_of(home, env, credentials=given, profile="other") == "id-given"
    assert id_of(home, env, profile="other") == "id-other"
    assert id_of(home, env) == "id-env"
    for name in keys_env():
        del env[name]
    assert id_of(home, env) == "id-cli-current"
    (home / ".aliyun" / "config.json").unlink()
    assert id_of(home, env) == "id-ini"
    (home / ".alibabacloud" / "credentials.ini").unlink()
    assert id_of(home, env) == "id-ini-2"
    (home / ".alibabacloud" / "credentials").unlink()
    assert id_of(home, env) == "id-oss"
    del env["OSS_ACCESS_KEY_ID"], env["OSS_ACCESS_KEY_SECRET"]
    assert id_of(home, env) == "id-aliyun"
    with pytest.raises(MissingCredentialError):
        resolve(env={}, home=home)


def test_explicit_credentials_are_not_disturbed_by_anything_broken(home: Path) -> None:
    write(home / ".aliyun" / "config.json", "{broken", 0o666)
    env = {"ALIBABA_CLOUD_PROFILE": "gone", "VOD_WIDGET_PROFILE": "gone", "ALIBABA_CLOUD_ACCESS_KEY_ID": "half"}
    assert id_of(home, env, credentials=Credentials(KEY_ID, CANARY), profile="gone") == KEY_ID


@pytest.mark.parametrize(
    ("prefix", "id_name", "secret_name"),
    [
        ("OSS_*", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"),
        ("ALIBABACLOUD_*", "ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABACLOUD_ACCESS_KEY_SECRET"),
        ("ALICLOUD_*", "ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY_SECRET"),
        ("ALICLOUD_*", "ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY"),
        ("ALIYUN_*", "ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET"),
    ],
)
def test_names_of_other_programs_are_used_with_one_visible_notice(
    home: Path, caplog: pytest.LogCaptureFixture, prefix: str, id_name: str, secret_name: str
) -> None:
    with caplog.at_level(logging.WARNING, logger="vod_widget"):
        provider = resolve(env={id_name: KEY_ID, secret_name: CANARY}, home=home)
    assert provider.credentials().access_key_id == KEY_ID
    assert [prefix in record.getMessage() for record in caplog.records] == [True]


def test_own_names_and_files_give_no_warning(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_cli(home, ak("default"), current="default")
    with caplog.at_level(logging.WARNING, logger="vod_widget"):
        resolve(env=keys_env(), home=home)
        resolve(env={}, home=home)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID}, "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": CANARY}, "ALIBABA_CLOUD_ACCESS_KEY_ID"),
        ({**keys_env(), "ALIBABA_CLOUD_ACCESS_KEY_SECRET": " "}, "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ],
)
def test_half_a_pair_is_an_error_and_not_a_skip(home: Path, env: dict[str, str], missing: str) -> None:
    write_cli(home, ak("default"), current="default")
    with pytest.raises(CredentialError, match=f"{missing} is not") as caught:
        resolve(env=env, home=home)
    assert caught.value.code == "Auth.Incomplete"
    assert CANARY not in str(caught.value)


def test_an_empty_variable_counts_as_unset(home: Path) -> None:
    env = dict.fromkeys(keys_env(), "") | {"VOD_WIDGET_PROFILE": "", "ALIBABA_CLOUD_PROFILE": ""}
    write_cli(home, ak("default", "id-cli"), current="default")
    assert id_of(home, env) == "id-cli"


def test_the_environment_is_read_at_the_time_of_the_call(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keys_env("id-late").items():
        monkeypatch.setenv(name, value)
    assert resolve().credentials().access_key_id == "id-late"


def test_the_home_folder_is_that_of_the_environment(home: Path) -> None:
    write_cli(home, ak("default", "id-cli"), current="default")
    assert resolve(env={"HOME": str(home)}).credentials().access_key_id == "id-cli"
    assert resolve().credentials().access_key_id == "id-cli"
    with pytest.raises(MissingCredentialError):
        resolve(env={})


def test_vod_widget_profile_chooses_when_nothing_is_given_in_code(home: Path) -> None:
    env = everything(home) | {"VOD_WIDGET_PROFILE": "other"}
    assert id_of(home, env) == "id-other"
    assert id_of(home, env, profile="cli-current") == "id-cli-current"


def test_alibaba_cloud_profile_chooses_in_both_files(home: Path) -> None:
    write_cli(home, ak("a", "id-cli-a"), ak("b", "id-cli-b"), current="a")
    write_ini(home, ini("default", "id-ini") + ini("c", "id-ini-c"))
    assert id_of(home, {"ALIBABA_CLOUD_PROFILE": "b"}) == "id-cli-b"
    assert id_of(home, {"ALIBABA_CLOUD_PROFILE": "c"}) == "id-ini-c"
    with pytest.raises(ProfileNotFoundError, match="ALIBABA_CLOUD_PROFILE names 'd'"):
        resolve(env={"ALIBABA_CLOUD_PROFILE": "d", "OSS_ACCESS_KEY_ID": "x", "OSS_ACCESS_KEY_SECRET": "y"}, home=home)


def test_a_name_in_both_files_is_the_cli_one_and_explain_says_so(home: Path) -> None:
    write_cli(home, ak("prod", "id-cli"))
    write_ini(home, ini("prod", "id-ini"))
    assert id_of(home, profile="prod") == "id-cli"
    step = next(step for step in explain("prod", env={}, home=home) if "credentials.ini" in step.place)
    assert step.why == "~/.aliyun/config.json wins"


def test_the_cli_file_can_be_switched_off(home: Path) -> None:
    write_cli(home, ak("default", "id-cli"), current="default")
    write_ini(home, ini(key_id="id-ini"))
    off = {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}
    assert id_of(home, off) == "id-ini"
    assert id_of(home, off, profile="default") == "id-ini"
    assert id_of(home, {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "false"}) == "id-cli"


def test_credentials_file_replaces_the_two_default_names(home: Path, tmp_path: Path) -> None:
    write_ini(home, ini(key_id="id-default-file"))
    named = write(tmp_path / "mounted", ini(key_id="id-named"))
    link = tmp_path / "link"
    link.symlink_to(named)
    assert id_of(home, {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(named)}) == "id-named"
    assert id_of(home, {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(link)}) == "id-named"
    write_ini(home, ini(key_id="id-tilde"), name="other")
    assert id_of(home, {"ALIBABA_CLOUD_CREDENTIALS_FILE": "~/.alibabacloud/other"}) == "id-tilde"
    with pytest.raises(CredentialError, match="which does not exist"):
        resolve(env={"ALIBABA_CLOUD_CREDENTIALS_FILE": str(tmp_path / "none")}, home=home)


def test_a_relative_credentials_file_stays_the_same_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "environment.ini", ini(key_id="LTAIoldoldoldold"))
    monkeypatch.chdir(tmp_path)
    provider = resolve(env={"ALIBABA_CLOUD_CREDENTIALS_FILE": "environment.ini"}, home=home)
    monkeypatch.chdir(home)
    assert provider.credentials().access_key_id == "LTAIoldoldoldold"
    touch_later(write(path, ini(key_id="LTAInewnewnewnew")))
    assert provider.credentials().access_key_id == "LTAInewnewnewnew"


def test_an_unknown_name_lists_the_known_ones_and_the_nearest(home: Path) -> None:
    write_cli(home, ak("production"), ak("staging"))
    write_ini(home, ini("team"))
    with pytest.raises(ProfileNotFoundError) as caught:
        resolve(profile="producton", env={}, home=home)
    text = str(caught.value)
    assert "did you mean production?" in text
    assert "production, staging, team, emulator" in text


def test_nothing_found_lists_the_places_and_names_the_emulator(home: Path) -> None:
    with pytest.raises(MissingCredentialError) as caught:
        resolve(env={}, home=home)
    text = str(caught.value)
    for place in (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "OIDC",
        "~/.aliyun/config.json",
        "~/.alibabacloud/credentials.ini",
        "~/.alibabacloud/credentials:",
        "ALIBABA_CLOUD_CREDENTIALS_URI",
        "ECS metadata",
        "OSS_*",
        'profile="emulator" works without an account',
    ):
        assert place in text
    assert caught.value.code == "Auth.Missing"


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ({"mode": "RsaKeyPair"}, "mode RsaKeyPair cannot be used to upload"),
        ({"mode": "OIDC"}, "oidc_provider_arn is missing"),
        ({"mode": "External"}, "process_command is empty"),
        ({"mode": "Whatever"}, "mode Whatever cannot be used to upload"),
        ({"mode": "CloudSSO"}, "run: aliyun configure --profile p --mode CloudSSO"),
        ({"mode": "AK", "access_key_id": KEY_ID}, "access_key_secret is missing"),
        ({**ak("p"), "mode": "StsToken"}, "sts_token is missing"),
        ({**ak("p"), "mode": "RamRoleArn"}, "the ARN of the role is missing"),
    ],
)
def test_a_chosen_profile_that_cannot_be_used_stops_the_search(home: Path, row: dict[str, Any], step: str) -> None:
    write_cli(home, {**row, "name": "p"}, current="p")
    write_ini(home, ini())
    for profile in (None, "p"):
        with pytest.raises(CredentialError) as caught:
            resolve(profile=profile, env={}, home=home)
        assert step in str(caught.value)
        assert caught.value.code == "Profile.Unusable"


def test_a_blank_profile_that_a_tool_made_is_passed_over(home: Path) -> None:
    write_cli(home, {"name": "default", "mode": "AK", "access_key_id": "", "access_key_secret": ""}, current="default")
    write_ini(home, ini(key_id="id-ini"))
    assert id_of(home) == "id-ini"
    assert id_of(home, profile="default") == "id-ini"


@pytest.mark.parametrize("content", ["{", "[]", '{"profiles": 3}', ""])
def test_a_broken_cli_file_is_an_error_that_names_it(home: Path, content: str) -> None:
    write(home / ".aliyun" / "config.json", content)
    write_ini(home, ini())
    for profile in (None, "default"):
        with pytest.raises(CredentialError, match=r"config\.json") as caught:
            resolve(profile=profile, env={}, home=home)
        assert caught.value.code == "Profile.File"
    assert id_of(home, keys_env()) == KEY_ID


def test_a_file_that_others_may_write_is_refused_and_says_chmod(home: Path) -> None:
    write_cli(home, ak("default"), current="default", mode=0o666)
    with pytest.raises(CredentialError, match=r"chmod 600 ~/\.aliyun/config\.json"):
        resolve(env={}, home=home)


def test_a_file_that_others_may_read_is_warned_of_or_refused_when_strict(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_cli(home, ak("default"), current="default", mode=0o644)
    assert id_of(home) == KEY_ID
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "chmod 600" in caplog.text
    with pytest.raises(CredentialError, match="chmod 600"):
        resolve(env={}, home=home, strict=True)


def test_a_current_profile_that_is_not_there_is_named(home: Path) -> None:
    write_cli(home, ak("a"), current="b")
    with pytest.raises(ProfileNotFoundError, match="current profile is b"):
        resolve(env={}, home=home)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (f"access_key_id = {KEY_ID}\naccess_key_secret = {CANARY}", "type = access_key"),
        ("type = rsa_key_pair", "RsaKeyPair cannot be used to upload"),
        (f"type = access_key\naccess_key_id = {KEY_ID}", "access_key_secret is missing"),
        (f"type = sts\naccess_key_id = {KEY_ID}\naccess_key_secret = {CANARY}", "security_token is missing"),
        (f"type = ram_role_arn\naccess_key_id = {KEY_ID}\naccess_key_secret = {CANARY}", "ARN"),
        (f"enable = false\ntype = access_key\naccess_key_id = {KEY_ID}\naccess_key_secret = {CANARY}", "switched off"),
    ],
)
def test_an_unusable_section_says_why(home: Path, section: str, reason: str) -> None:
    write_ini(home, f"[default]\n{section}\n")
    with pytest.raises(CredentialError, match=reason):
        resolve(env={}, home=home)


def test_tokens_are_taken_from_every_kind_of_place(home: Path) -> None:
    write_cli(home, {**ak("s"), "mode": "StsToken", "sts_token": TOKEN})
    write_ini(
        home,
        f"[i]\ntype = sts\naccess_key_id = {KEY_ID}\naccess_key_secret = ab#cd\nsecurity_token = {TOKEN}\n",
    )
    for options in ({"env": keys_env(token=TOKEN)}, {"profile": "s", "env": {}}, {"profile": "i", "env": {}}):
        token = resolve(home=home, **options).credentials().security_token
        assert token is not None
        assert token.reveal() == TOKEN
    assert resolve(home=home, profile="i", env={}).credentials().access_key_secret.reveal() == "ab#cd"


def test_the_region_comes_from_the_profile_or_is_left_open(home: Path) -> None:
    write_cli(home, ak("with", region_id="cn-beijing"), ak("without"))
    write_ini(home, ini("ini") + "region_id = cn-shenzhen\n")
    assert resolve(profile="with", env={}, home=home).region == "cn-beijing"
    assert resolve(profile="without", env={}, home=home).region is None
    assert resolve(profile="ini", env={}, home=home).region == "cn-shenzhen"
    assert resolve(env=keys_env(), home=home).region is None
    assert resolve(env={**keys_env(), "ALIBABA_CLOUD_REGION_ID": "eu-central-1"}, home=home).region == "eu-central-1"


def test_a_sign_in_of_the_command_line_is_used_while_it_lives(home: Path) -> None:
    clock = FakeClock()
    row = {**ak("sso", "STS.abcdefghijkl"), "mode": "CloudSSO", "sts_token": TOKEN}
    write_cli(home, {**row, "sts_expiration": int(clock.now_s()) + 600}, current="sso")
    provider = resolve(env={}, home=home, clock=clock)
    assert provider.credentials().expires_at_s == clock.now_s() + 600
    clock.advance(601)
    with pytest.raises(CredentialError, match="aliyun sts GetCallerIdentity --profile sso") as caught:
        provider.credentials()
    assert caught.value.code == "Auth.Expired"
    with pytest.raises(CredentialError, match="the sign-in has ended"):
        resolve(env={}, home=home, clock=clock)


def test_a_part_of_the_oidc_variables_is_an_error_and_not_a_skip(home: Path) -> None:
    write_cli(home, ak("other"), current="other")
    env = {"ALIBABA_CLOUD_ROLE_ARN": "arn", "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/f"}
    with pytest.raises(CredentialError, match="ALIBABA_CLOUD_OIDC_PROVIDER_ARN is not set; set all three or none"):
        resolve(env=env, home=home)


@pytest.mark.parametrize("value", ["a text", 3, {}, {"AccessKeyId": KEY_ID}, {"AccessKeyId": 3, "AccessKeySecret": 4}])
def test_a_value_that_is_no_credentials_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        resolve(credentials=value)


def test_a_coroutine_function_is_refused_at_once() -> None:
    async def give() -> None: ...

    with pytest.raises(InvalidArgumentError, match="coroutine"):
        resolve(credentials=give)


def test_the_search_never_takes_the_emulator_by_itself(home: Path) -> None:
    last = explain(env={}, home=home)[-1]
    assert (last.place, last.used) == ("emulator", False)
