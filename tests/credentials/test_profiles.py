"""What can be chosen, and how it is shown."""

from __future__ import annotations

from pathlib import Path

from vod_widget.credentials import Profile, explain, find_profiles, resolve

from .helpers import CANARY, KEY_ID, MASKED, ak, keys_env, write, write_cli, write_ini

INI = f"[{{}}]\ntype = access_key\naccess_key_id = {KEY_ID}\naccess_key_secret = {CANARY}\n"


def by_name(profiles: list[Profile]) -> dict[str, Profile]:
    return {profile.name: profile for profile in profiles}


def test_the_emulator_is_always_there_and_current_only_when_asked_for(home: Path) -> None:
    emulator = Profile("emulator", "built-in", "Emulator", "", "cn-shanghai", True, "", False)
    assert find_profiles({}, home=home) == [emulator]
    (asked,) = find_profiles({"VOD_WIDGET_PROFILE": "emulator"}, home=home)
    assert asked.is_current


def test_a_profile_is_shown_with_place_mode_masked_id_and_region(home: Path) -> None:
    write_cli(home, ak("prod", region_id="cn-beijing"), current="prod")
    assert find_profiles({}, home=home)[0] == Profile(
        name="prod",
        place="~/.aliyun/config.json",
        mode="AK",
        masked_id=MASKED,
        region="cn-beijing",
        usable=True,
        reason="",
        is_current=True,
    )


def test_current_is_what_would_be_used_and_there_is_at_most_one(home: Path) -> None:
    write_cli(home, ak("a"), ak("b"), current="b")
    write_ini(home, INI.format("default"))

    def current(env: dict[str, str]) -> list[str]:
        return [one.name for one in find_profiles(env, home=home) if one.is_current]

    assert current({}) == ["b"]
    assert current(keys_env()) == ["environment"]
    assert current({"VOD_WIDGET_PROFILE": "a"}) == ["a"]
    assert current({"ALIBABA_CLOUD_PROFILE": "a"}) == ["a"]
    assert current({"VOD_WIDGET_PROFILE": "gone"}) == []
    assert current({"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}) == ["default"]


def test_unsupported_modes_appear_greyed_with_the_reason(home: Path) -> None:
    write_cli(home, {"name": "rsa", "mode": "RsaKeyPair"}, {"name": "blank", "mode": "AK"}, ak("good"))
    rows = by_name(find_profiles({}, home=home))
    assert not rows["rsa"].usable
    assert "RsaKeyPair cannot be used to upload" in rows["rsa"].reason
    assert rows["rsa"].mode == "RsaKeyPair"
    assert "run: aliyun configure --profile blank" in rows["blank"].reason
    assert rows["good"].usable


def test_every_usable_name_can_be_resolved_and_no_other(home: Path) -> None:
    write_cli(home, ak("a"), ak("emulator"), {"name": "vm", "mode": "RsaKeyPair"}, current="a")
    write_ini(home, INI.format("a") + INI.format("c"))
    env = {**keys_env(), "OSS_ACCESS_KEY_ID": KEY_ID, "OSS_ACCESS_KEY_SECRET": CANARY}
    rows = find_profiles(env, home=home)
    assert [(row.name, row.usable) for row in rows] == [
        ("environment", True),
        ("a", True),
        ("emulator", False),
        ("vm", False),
        ("a", False),
        ("c", True),
        ("environment (OSS_*)", True),
        ("emulator", True),
    ]
    for row in rows:
        if row.usable and row.place != "built-in":
            provider = resolve(profile=row.name, env=env, home=home)
            assert (provider.name, provider.credentials().place) == (row.name, row.place)


def test_a_name_in_two_files_says_which_one_wins(home: Path) -> None:
    write_cli(home, ak("x"))
    write_ini(home, INI.format("x"))
    second = find_profiles({}, home=home)[1]
    assert (second.place, second.usable) == ("~/.alibabacloud/credentials.ini", False)
    assert "~/.aliyun/config.json has a profile of that name and wins" in second.reason


def test_a_broken_file_is_a_row_with_the_reason_and_hides_nothing_else(home: Path) -> None:
    write(home / ".aliyun" / "config.json", "{")
    write_ini(home, INI.format("ok"))
    broken, ok, _ = find_profiles({}, home=home)
    assert (broken.usable, broken.reason) == (False, "~/.aliyun/config.json is not valid JSON (line 1)")
    assert (ok.name, ok.usable) == ("ok", True)


def test_profiles_of_a_switched_off_file_are_greyed(home: Path) -> None:
    write_cli(home, ak("a"), current="a")
    row = find_profiles({"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "1"}, home=home)[0]
    assert (row.usable, row.is_current) == (False, False)
    assert "ALIBABA_CLOUD_CLI_PROFILE_DISABLED" in row.reason


def test_a_chain_of_roles_needs_every_link(home: Path) -> None:
    def link(name: str, source: str) -> dict[str, str]:
        mode = "ChainableRamRoleArn"
        return {"name": name, "mode": mode, "source_profile": source, "ram_role_arn": "acs:ram::1:role/r"}

    write_cli(
        home,
        ak("root"),
        link("one", "root"),
        link("two", "one"),
        link("lost", "gone"),
        link("ring", "ring2"),
        link("ring2", "ring"),
        {"name": "rsa", "mode": "RsaKeyPair"},
        link("on-rsa", "rsa"),
    )
    rows = by_name(find_profiles({}, home=home))
    assert rows["one"].usable
    assert rows["two"].usable
    assert "gone, which is not in" in rows["lost"].reason
    assert "circle" in rows["ring"].reason
    assert "RsaKeyPair cannot be used to upload" in rows["on-rsa"].reason


def test_explain_is_a_sequence_of_steps_with_one_winner(home: Path) -> None:
    write_cli(home, ak("prod"), current="prod")
    told = explain(env={}, home=home)
    assert [step.used for step in told].count(True) == 1
    assert len(told) == len(list(told)) == len(told[:])
    assert told.profile is not None
    assert told.profile.name == "prod"
    assert 'Used: prod from ~/.aliyun/config.json ("current" of the file).' in str(told)
    assert "Region: none is stated; region=, else cn-shanghai." in str(told)
    assert f"-> ~/.aliyun/config.json: profile prod, AK, {MASKED}" in str(told)


def test_explain_tells_an_error_instead_of_raising_it(home: Path) -> None:
    for env, profile, text in (
        ({}, None, "no credentials were found"),
        ({}, "gone", "'gone'"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID}, None, "set both or neither"),
    ):
        told = explain(profile, env=env, home=home)
        assert told.profile is None
        assert text in told.outcome


def test_explain_says_that_a_name_beats_the_variables(home: Path) -> None:
    write_cli(home, ak("prod"))
    told = explain("prod", env=keys_env(), home=home)
    assert [(step.place, step.used) for step in told if step.place == "environment"] == [("environment", False)]
    assert "profile= beats the variables" in str(told)


def test_the_html_of_an_explanation_is_escaped(home: Path) -> None:
    name = '<img src=x onerror="alert(1)">'
    write_cli(home, ak(name), current=name)
    page = explain(env={}, home=home)._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in page
