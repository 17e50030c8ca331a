"""Keys, pasted permissions and the Test button, against the emulator."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vod_widget as vw
from tests.credentials.helpers import ak, write_cli
from tests.emulator.raw import call
from tests.helpers.media import Media
from tests.helpers.until import LONG_S
from tests.widget.fakes import FakeClock
from vod_widget.emulator import faults
from vod_widget.errors import CredentialError, InvalidStateError, VODError
from vod_widget.model import UploadMetadata, UploadState
from vod_widget.secret import Secret
from vod_widget.system import SystemClock
from vod_widget.vod_api import SdkVodApi
from vod_widget.widget.accounts import Accounts
from vod_widget.widget.grants import Grants

CANARY = "CanaryOfThePastedOne0123456789"


def pasted(now_s: float = 1_800_000_000.0, life_s: int = 3000, **more: Any) -> tuple[Secret, Secret]:
    auth = {"AccessKeyId": "STS.x", "AccessKeySecret": CANARY, "SecurityToken": "t" * 20, "Expiration": str(life_s)}
    address = {"Endpoint": "https://oss-cn-shanghai.aliyuncs.com", "Bucket": "bucket", "FileName": "a/b.mp4"}
    return tuple(Secret(base64.b64encode(json.dumps(one).encode()).decode()) for one in ({**auth, **more}, address))  # type: ignore[return-value]


def context(video_id: str = "") -> Any:
    return SimpleNamespace(video_id=video_id)


def test_pasted_permissions_are_handed_out_once_in_their_order() -> None:
    grants = Grants(FakeClock())
    grants.add(*pasted(), "video-00000001")
    grants.add(*pasted(), "video-00000002")
    assert grants(context()).media_id == "video-00000001"
    assert grants(context()).media_id == "video-00000002"
    with pytest.raises(CredentialError, match="no pasted permission is left") as caught:
        grants(context())
    assert (caught.value.code, "CreateUploadVideo" in caught.value.hint) == ("Auth.Missing", True)
    grants.add(*pasted(), "video-00000003")
    with pytest.raises(CredentialError, match="RefreshUploadVideo"):
        grants(context("video-00000002"))
    assert grants(context("video-00000003")).media_id == "video-00000003"
    assert CANARY not in repr(grants) + repr(vars(grants))


@pytest.mark.parametrize("text", ["e30=", "not base64 !", base64.b64encode(CANARY.encode()).decode()])
def test_what_is_no_answer_of_vod_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(VODError) as caught:
        Grants(FakeClock()).add(Secret(text), pasted()[1], "v")
    assert CANARY not in repr(caught.value) + str(caught.value)


def test_a_permission_that_has_ended_is_refused() -> None:
    old = pasted(ExpireUTCTime="2001-01-01T00:00:00Z")
    with pytest.raises(CredentialError, match="has ended"):
        Grants(FakeClock()).add(*old, "v")


@pytest.fixture
def upload(emulator: Any) -> Iterator[vw.VODUpload]:
    uploader = vw.VODUpload(endpoint=emulator.endpoint)
    yield uploader
    uploader.close()


def test_an_upload_by_a_pasted_answer_needs_no_key_of_an_account(
    emulator: Any, upload: vw.VODUpload, media: Media
) -> None:
    clock = SystemClock()
    api = SdkVodApi(clock)
    own = vw.Credentials(emulator.access_key_id, emulator.access_key_secret)
    metadata = UploadMetadata("a talk")
    session = api.open(own, "cn-shanghai", emulator.endpoint)
    session.create_upload_video(metadata, file_name="clip.mp4", size_bytes=1, reference_id="r-123456")
    api.close()
    (asset,) = emulator.assets
    video_id = asset.media_id
    grant = session_answer(emulator, video_id)
    accounts = Accounts(upload, clock)
    told = accounts.use_grant(Secret(grant["UploadAuth"]), Secret(grant["UploadAddress"]), video_id)
    assert told["current_profile"] == "session"
    upload.add_file(media.mp4)
    upload.run()
    (info,) = upload.list_files()
    assert (info.state, info.video_id) == (UploadState.SUCCESS, video_id)
    assert accounts.forget_keys() is None
    assert upload.get_auth is None


def test_a_file_that_failed_for_its_keys_asks_for_a_retry_once_others_came(
    emulator: Any, upload: vw.VODUpload, media: Media
) -> None:
    accounts = Accounts(upload, SystemClock())
    accounts.use_keys(emulator.access_key_id, Secret("not-the-secret-of-this-key-0000"), None, "")
    upload.add_file(media.png)
    upload.run()
    (info,) = upload.list_files()
    assert not accounts.is_answered(info.file_id, info.error)
    accounts.use_keys(emulator.access_key_id, Secret("not-the-secret-either-0000000000"), None, "")
    assert accounts.is_answered(info.file_id, info.error)
    assert accounts.answered() == [info.file_id]
    upload.retry_failed()
    upload.wait(60)
    assert info.state == UploadState.FAILURE
    assert not accounts.is_answered(info.file_id, info.error), "the new keys are no better"


@pytest.mark.parametrize("way", ["keys of the account", "keys of a role", "UploadAuth", "profile"])
def test_an_expired_file_goes_on_with_what_the_person_gives(emulator: Any, media: Media, home: Path, way: str) -> None:
    def begin(info: Any) -> None:
        made = call(emulator, "CreateUploadVideo", {"Title": "t", "FileName": info.name}).json
        upload.set_upload_auth_and_address(info, made["UploadAuth"], made["UploadAddress"], made["VideoId"])

    expired = threading.Event()
    with vw.VODUpload(
        endpoint=emulator.endpoint, on_upload_started=begin, on_upload_token_expired=lambda _info: expired.set()
    ) as upload:
        accounts = Accounts(upload, SystemClock())
        emulator.faults.add(op="PutObject", action=faults.ExpireToken())
        upload.add_file(media.mp4)
        upload.start_upload()
        assert expired.wait(60)
        (info,) = upload.list_files()
        video_id = info.video_id
        if way == "UploadAuth":
            new = session_answer(emulator, video_id)
            accounts.use_grant(Secret(new["UploadAuth"]), Secret(new["UploadAddress"]), video_id)
        elif way == "profile":
            write_cli(home, ak("mine", emulator.access_key_id, emulator.access_key_secret))
            accounts.choose("mine")
        elif way == "keys of a role":
            role = call(emulator, "AssumeRole", {"RoleArn": emulator.role_arn, "RoleSessionName": "typed"}).json
            keys = role["Credentials"]
            token = Secret(keys["SecurityToken"])
            accounts.use_keys(keys["AccessKeyId"], Secret(keys["AccessKeySecret"]), token, "")
        else:
            accounts.use_keys(emulator.access_key_id, Secret(emulator.access_key_secret), None, "")
        assert upload.wait(60)
        assert (info.state, info.video_id) == (UploadState.SUCCESS, video_id)


def session_answer(emulator: Any, video_id: str) -> dict[str, str]:
    """What RefreshUploadVideo answers, as an application's server would hand it on."""
    answer = call(emulator, "RefreshUploadVideo", {"VideoId": video_id})
    return dict(answer.json)


def test_a_page_for_strangers_is_told_the_name_of_the_keys_alone(upload: vw.VODUpload) -> None:
    keys = ("LTAI5tExampleExample", Secret("s" * 30), None, "")
    told = []
    for names_only in (False, True):
        accounts = Accounts(upload, SystemClock(), names_only=names_only)
        accounts.use_keys(*keys)
        told.append(accounts.facts()["profile"]["masked_id"])
    assert told == ["LTAI…mple", ""]


def test_code_that_gives_permissions_itself_is_not_overruled(upload: vw.VODUpload) -> None:
    mine = lambda _context: {}  # noqa: E731
    upload.get_auth = mine
    with pytest.raises(InvalidStateError, match="notebook's code"):
        Accounts(upload, SystemClock()).use_grant(*pasted(), "v")
    assert upload.get_auth is mine


def test_typed_keys_and_a_chosen_profile_replace_what_was_pasted(emulator: Any, upload: vw.VODUpload) -> None:
    accounts = Accounts(upload, SystemClock())
    accounts.use_grant(*pasted(), "video-00000001")
    assert isinstance(upload.get_auth, Grants)
    accounts.use_keys(emulator.access_key_id, Secret(emulator.access_key_secret), None, "")
    assert upload.get_auth is None
    accounts.use_grant(*pasted(), "video-00000001")
    assert upload.credentials is None
    assert [row["mode"] for row in accounts.list_profiles()["profiles"] if row["name"] == "session"] == ["UploadAuth"]


def test_the_search_for_keys_is_told_in_both_languages_with_its_winner(upload: vw.VODUpload, home: Path) -> None:
    write_cli(home, ak("prod"), current="prod")
    accounts = Accounts(upload, SystemClock())
    origin = accounts.list_profiles()["origin"]
    assert [step["en"] for step in origin if step["used"]] == [
        '~/.aliyun/config.json: profile prod, AK, LTAI…ux9z; "current" of the file'
    ]
    assert origin[0]["zh"].endswith("：无，未设置")
    english = [step["zh"] for step in origin if re.search(r"[a-z]{4,} [a-z]{3,} ", step["zh"])]
    assert english == []
    accounts.use_keys("LTAI5tTypedTyped0000", Secret(CANARY), None, "")
    assert accounts.list_profiles()["origin"] == [
        {"used": True, "en": "Code in this notebook: session", "zh": "本笔记本的代码：session"}
    ]


def test_the_test_button_says_who_and_whether_in_both_languages(
    emulator: Any, upload: vw.VODUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "vod_widget.widget.accounts._TEST_S", LONG_S
    )  # a person's patience; a busy machine takes its time
    accounts = Accounts(upload, SystemClock())
    accounts.use_keys(emulator.access_key_id, Secret(emulator.access_key_secret), None, "cn-shanghai")
    found = accounts.test()
    assert found["ok"]
    assert found["told"]["en"][0] == f"Account {emulator.account_id}, user/uploader, cn-shanghai: ready."
    assert found["told"]["zh"][0] == f"账号 {emulator.account_id}，user/uploader，cn-shanghai：可以上传。"
    accounts.use_keys(emulator.access_key_id, Secret(CANARY), None, "cn-shanghai")
    found = accounts.test()
    assert not found["ok"]
    assert "SignatureDoesNotMatch" in found["told"]["en"][0]
    assert "AccessKey Secret 不正确" in found["told"]["zh"][0]
    assert CANARY not in json.dumps(found)
    assert emulator.assets == []
