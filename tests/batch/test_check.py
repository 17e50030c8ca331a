"""`vw.check`: one row a thing, with the step that helps; never raises for what it finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import vod_widget as vw
from tests.batch.conftest import operations
from tests.helpers.media import Media
from tests.helpers.reasons import reasons_in_the_source
from vod_widget import doctor_words
from vod_widget._vod_probes import PROBES
from vod_widget.batch import Checks
from vod_widget.credentials import policy_path, upload_actions
from vod_widget.emulator import faults, policy
from vod_widget.errors import InvalidArgumentError, ThrottledError
from vod_widget.system import SystemClock
from vod_widget.vod_api import SdkVodApi


def by_name(checks: Checks) -> dict[str, Any]:
    return {row.name: row for row in checks}


def test_all_is_well_on_the_emulator_and_nothing_is_created(emulator: Any, to: dict[str, Any], media: Media) -> None:
    checks = vw.check(files=list(media), **to)
    assert [row.name for row in checks] == [
        *("credentials", "destination", "identity", "VOD access", "upload rights", "journal", "files")
    ]
    assert {row.ok for row in checks} == {True}
    assert (checks.ok, checks.summary) == (True, "Ready to upload.")
    assert emulator.account_id in by_name(checks)["identity"].text
    assert emulator.assets == []
    asked = {"GetCallerIdentity", "GetVideoInfo", "CreateUploadVideo", "RefreshUploadVideo", "CreateUploadImage"}
    assert {r.op for r in emulator.requests} == {*asked, "UpdateVideoInfo"}
    assert {r.status for r in emulator.requests if r.op.startswith(("Create", "Update", "Refresh"))} <= {400, 404}
    assert emulator.access_key_secret not in repr(checks) + checks._repr_html_()
    assert emulator.access_key_id not in repr(checks)


def test_no_credentials_name_the_fix_and_leave_the_rest_untried() -> None:
    checks = vw.check()
    rows = by_name(checks)
    assert not checks.ok
    assert (rows["credentials"].ok, rows["identity"].ok, rows["journal"].ok) == (False, None, True)
    assert "profile=" in rows["credentials"].fix
    assert "Auth.Missing" in rows["credentials"].text
    assert checks.summary == "1 thing to fix: credentials"


def test_unknown_profile_is_a_row() -> None:
    row = by_name(vw.check("nobody"))["credentials"]
    assert row.ok is False
    assert "nobody" in row.text


def test_wrong_key_fails_the_identity(emulator: Any, to: dict[str, Any]) -> None:
    to["credentials"] = vw.Credentials(emulator.access_key_id, "EMUwrongwrongwrong")
    rows = by_name(vw.check(**to))
    assert (rows["credentials"].ok, rows["identity"].ok, rows["VOD access"].ok) == (True, False, None)
    assert "SignatureDoesNotMatch" in rows["identity"].text


def test_missing_right_names_the_action(emulator: Any, to: dict[str, Any]) -> None:
    emulator.faults.add(op="GetVideoInfo", action=faults.Status(403, "Forbidden.RAM"))
    row = by_name(vw.check(**to))["VOD access"]
    assert row.ok is False
    assert "vod:GetVideoInfo" in row.fix


def narrowed(emulator: Any, *actions: str) -> vw.Credentials:
    """Keys that may only do these."""
    policy = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
    api = SdkVodApi(SystemClock())
    try:
        own = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
        return api.assume_role(own, emulator.role_arn, "narrow", policy=policy, endpoint=emulator.endpoint)
    finally:
        api.close()


ALL = ("vod:CreateUploadVideo", "vod:RefreshUploadVideo", "vod:CreateUploadImage", "vod:GetVideoInfo")


@pytest.mark.parametrize("missing", ALL)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_s34_each_missing_action_of_the_policy_is_named_with_the_file_that_allows_it(
    emulator: Any, to: dict[str, Any], missing: str, language: str
) -> None:
    to["credentials"] = narrowed(emulator, *(action for action in ALL if action != missing))
    checks = vw.check(**to, language=language)
    row = by_name(checks)["upload rights"]
    assert row.ok is False
    assert missing in row.text
    assert [action for action in ALL if action in row.text] == [missing]
    assert ("RAM 没有允许" in row.text) is (language == "zh")
    assert str(policy_path("upload")) in row.fix
    assert emulator.assets == []


def test_s34_keys_with_exactly_the_policy_are_praised_and_broader_ones_advised(
    emulator: Any, to: dict[str, Any]
) -> None:
    broad = by_name(vw.check(**to))["upload rights"]
    assert (broad.ok, "vod:UpdateVideoInfo" in broad.fix) == (True, True)
    to["credentials"] = narrowed(emulator, *ALL)
    exact = by_name(vw.check(**to))["upload rights"]
    assert (exact.ok, exact.fix) == (True, "")


def test_keys_of_the_root_account_are_advised_against(emulator: Any, to: dict[str, Any]) -> None:
    root = emulator.cloud.keys.add_user(root=True)
    to["credentials"] = vw.Credentials(root.access_key_id, root.access_key_secret)
    row = by_name(vw.check(**to))["identity"]
    assert row.ok is True
    assert "root account" in row.fix
    assert "主账号" in by_name(vw.check(**to, language="zh"))["identity"].fix


def test_the_region_says_who_chose_it(emulator: Any, home: Path) -> None:
    keys = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
    row = by_name(vw.check(credentials=keys, endpoint=emulator.endpoint))["destination"]
    assert row.text.startswith("cn-shanghai, by default: neither region= nor the profile names one")
    assert "region_id" in row.fix
    row = by_name(vw.check(credentials=keys, endpoint=emulator.endpoint, region="cn-beijing"))["destination"]
    assert (row.text, row.fix) == (f"cn-beijing at {emulator.endpoint}.", "")


def test_every_row_can_be_said_in_chinese(
    emulator: Any, to: dict[str, Any], media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = vw.check(files=list(media), **to, language="zh")
    assert checks.summary == "可以上传。"
    assert [row.label for row in checks] == ["凭证", "目的地", "身份", "VOD 访问", "上传权限", "断点记录", "文件"]
    assert "通过" in repr(checks)
    to["credentials"] = vw.Credentials(emulator.access_key_id, "EMUwrongwrongwrong")
    wrong = vw.check(**to, language="zh")
    assert by_name(wrong)["identity"].text == "AccessKey Secret 不正确。（SignatureDoesNotMatch）"
    assert wrong.summary == "需要处理 1 项：身份"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert vw.check().summary == "需要处理 1 项：凭证"
    assert "没有找到凭证" in by_name(vw.check())["credentials"].text
    monkeypatch.setenv("LC_ALL", "C")
    assert vw.check().summary.startswith("1 thing to fix")


def test_a_code_that_no_table_knows_is_told_in_chinese_with_the_clouds_words() -> None:
    error = ThrottledError("Slow down.", code="Of.The.Cloud")
    assert doctor_words.text_words("", {}, error, "zh") == "调用过于频繁。（Of.The.Cloud）：Slow down."


def test_each_sentence_stands_in_both_languages_with_the_same_facts() -> None:
    for table in (doctor_words._TEXTS, doctor_words._FIXES):
        for key, (english, chinese) in table.items():
            assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key
            assert not re.search(r"[\u4e00-\u9fff]", english), key


def test_the_shipped_policy_is_what_keys_are_narrowed_to() -> None:
    shipped = json.loads(policy_path("upload").read_text())
    assert tuple(shipped["Statement"][0]["Action"]) == upload_actions()
    assert set(upload_actions()) <= set(PROBES)
    assert json.loads(policy_path("assume-role").read_text())["Statement"][0]["Action"] == "sts:AssumeRole"
    for file in policy_path("upload").parent.glob("*.json"):
        assert policy.parse(file.read_text()), file.name


def test_unreachable_endpoint_says_so(to: dict[str, Any]) -> None:
    to["endpoint"] = "http://127.0.0.1:9"
    rows = by_name(vw.check(**to))
    assert rows["identity"].ok is False
    assert "Network" in rows["identity"].text
    assert "network" in rows["identity"].fix


def test_unknown_region_lists_those_there_are(emulator: Any) -> None:
    keys = vw.Credentials("LTAI5tForTestsOnly00", "not-a-real-key")
    row = by_name(vw.check(credentials=keys, region="mars-1"))["destination"]
    assert row.ok is False
    assert "cn-shanghai" in row.text


def test_journal_that_cannot_be_written_is_a_row(to: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    to["checkpoint_dir"] = str(tmp_path / "file")
    row = by_name(vw.check(**to))["journal"]
    assert row.ok is False
    assert str(tmp_path / "file") in row.text


def test_each_bad_file_is_a_row_with_its_code(to: dict[str, Any], media: Media, tmp_path: Path) -> None:
    rows = by_name(vw.check(files=[media.mp4, tmp_path / "gone.mp4"], title="t" * 128, **to))
    assert rows["files"].text.startswith("1 file, ")
    assert "Source.Missing" in rows["gone.mp4"].text
    rows = by_name(vw.check(files=media.mp4, title="t" * 129, **to))
    assert "LengthExceededMax" in rows["clip.mp4"].text
    assert by_name(vw.check(files=str(tmp_path / "*.mp4"), **to))["files"].ok is False


def test_application_that_gives_authority_needs_no_keys(emulator: Any) -> None:
    rows = by_name(vw.check(get_auth=lambda context: {}))
    assert rows["credentials"].ok is True
    assert "identity" not in rows
    assert operations(emulator, "GetCallerIdentity") == 0


def test_wrong_keyword_raises(to: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="did you mean 'region'"):
        vw.check(regoin="cn-shanghai", **to)


def test_page_escapes_what_it_shows(to: dict[str, Any]) -> None:
    page = vw.check(files=["<b>x</b>.mp4"], **to)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_printing_shows_the_table_and_its_sum() -> None:
    checks = vw.check(profile="no-such-profile-anywhere")
    profiles = vw.profiles()
    assert str(checks).splitlines()[-1] == checks.summary
    assert len(str(checks).splitlines()) > len(checks)
    assert all(one.name in str(profiles) for one in profiles)


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("its token has ended; run: aliyun configure --profile p --mode StsToken", "临时凭证已过期"),
        ("access_key_id and access_key_secret is missing; add it in ~/.aliyun/config.json", "缺少 access_key_id 和"),
        ("access_key_secret is missing; add it in ~/.aliyun/config.json", "缺少 access_key_secret；在"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID is set but the secret is not; set both or neither", "但未设置"),
        ("its source_profile base cannot be used: the ARN of the role is missing; add it in f", "角色的 ARN"),
        ("source_profile leads in a circle through a; name another one", "成环"),
        ("mode (none) cannot be used to upload; choose a profile with an access key", "模式 (none) 不能用于上传"),
        ("~/.aliyun/config.json is not valid JSON (line 3)", "第 3 行"),
        ("~/f may be changed by other users; run: chmod 600 ~/f", "chmod 600 ~/f"),
        ("keys would travel unencrypted over the network; write https://", "明文"),
        (
            "the command of profile p of ~/f gave no keys: it ended with status 2",
            "~/f 中的配置 p 的命令没有给出密钥：退出",
        ),
        ("profile p of ~/f cannot be used: process_command is empty", "~/f 中的配置 p 不能使用：process_command 为空"),
    ],
)
def test_a_profile_that_cannot_be_used_says_why_in_chinese_too(reason: str, chinese: str) -> None:
    assert chinese in doctor_words.reason_words(reason, "zh")
    assert doctor_words.reason_words(reason, "en") == reason


def test_no_reason_of_a_profile_is_without_chinese() -> None:
    reasons = reasons_in_the_source()
    assert reasons >= {"process_command is empty", "credentials_uri is missing; add it in 7"}
    assert {reason for reason in reasons if doctor_words.reason_words(reason, "zh") == reason} == set()
