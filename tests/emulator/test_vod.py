"""Media operations: what is sent is what is shown, and limits are limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.emulator.raw import STORED, call, create, grant_of, info, initiate, oss, owner
from vod_widget.emulator import Emulator, Switches

GOOD = {"Title": "talk", "FileName": "talk.mp4"}


def test_upload_auth_and_address_have_the_documented_shape(emulator: Emulator) -> None:
    grant = create(emulator)
    assert len(grant.media_id) == 32
    assert grant.endpoint == emulator.endpoint
    assert grant.bucket.startswith("outin-")
    assert grant.key.endswith(".mp4")
    assert grant.keys.access_key_id.startswith("STS.")
    assert grant.auth["Expiration"] == "3000"
    assert grant.auth["Region"] == "cn-shanghai"
    left = datetime.strptime(grant.auth["ExpireUTCTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) - datetime.now(UTC)
    assert 2990 < left.total_seconds() <= 3000


def test_video_info_shows_what_was_sent(emulator: Emulator) -> None:
    sent = {
        "Title": "Grüße 世界 + & %",
        "Description": "two\nlines",
        "Tags": "z,a,m",
        "CateId": "234",
        "CoverURL": "http://example.invalid/c.png",
        "TemplateGroupId": "0" * 32,
        "FileName": "dir/My Talk.MP4",
        "FileSize": "5",
    }
    video = info(emulator, create(emulator, **sent).media_id)
    for name in ("Title", "Description", "Tags", "CoverURL", "TemplateGroupId"):
        assert video[name] == sent[name]
    assert (video["CateId"], video["Status"], video["Size"]) == (234, "Uploading", 0)
    assert video["AppId"] == "app-1000000"


def test_life_of_a_video_by_the_ageing_clock() -> None:
    # Ten minutes each: the clock also goes by itself.
    with Emulator(switches=Switches(upload_succeeded_s=600.0, transcoding_s=600.0)) as emulator:
        grant = create(emulator)
        assert emulator.status(grant.media_id) == "Uploading"
        assert oss(grant, "PUT", body=b"bytes").status == 200
        assert emulator.status(grant.media_id) == "UploadSucc"
        emulator.clock.advance(700)
        assert emulator.status(grant.media_id) == "Transcoding"
        emulator.clock.advance(600)
        video = info(emulator, grant.media_id)
        assert (video["Status"], video["Size"]) == ("Normal", 5)


def test_only_the_object_of_its_own_key_completes_a_video(emulator: Emulator) -> None:
    grant, other = create(emulator), create(emulator)
    assert oss(grant, "PUT", key=f"{grant.key}.part", body=b"x", keys=owner(emulator)).status == 200
    initiate(grant)
    assert emulator.status(grant.media_id) == "Uploading"
    assert oss(other, "PUT", body=b"x").status == 200
    assert emulator.status(grant.media_id) == "Uploading"
    assert emulator.status(other.media_id) in STORED
    assert [event.media_id for event in emulator.events] == [other.media_id]


def test_no_transcode_template_goes_straight_to_normal(emulator: Emulator) -> None:
    grant = create(emulator, TemplateGroupId="VOD_NO_TRANSCODE")
    oss(grant, "PUT", body=b"x")
    emulator.clock.advance(1.01)
    assert emulator.status(grant.media_id) == "Normal"


def test_completion_is_recorded_with_extend_and_callback(emulator: Emulator) -> None:
    user_data = {"Extend": {"a": 1}, "MessageCallback": {"CallbackURL": "http://example.invalid/cb"}}
    grant = create(emulator, UserData=json.dumps(user_data))
    assert emulator.events == []
    oss(grant, "PUT", body=b"12345")
    (event,) = emulator.events
    assert (event.event_type, event.media_id, event.size_bytes) == ("FileUploadComplete", grant.media_id, 5)
    assert (event.extend, event.callback_url) == ({"a": 1}, "http://example.invalid/cb")


def test_refresh_keeps_id_and_key_and_gives_new_credentials(emulator: Emulator) -> None:
    first = create(emulator)
    second = grant_of(call(emulator, "RefreshUploadVideo", {"VideoId": first.media_id}).json)
    assert (second.media_id, second.bucket, second.key) == (first.media_id, first.bucket, first.key)
    assert second.keys.access_key_id != first.keys.access_key_id
    emulator.clock.advance(10)
    assert oss(first, "PUT", body=b"old still lives").status == 200
    assert oss(second, "PUT", body=b"overwrites").status == 200
    assert info(emulator, first.media_id)["Size"] == 10


def test_two_creates_make_two_assets(emulator: Emulator) -> None:
    first, second = create(emulator), create(emulator)
    assert first.media_id != second.media_id
    assert first.key != second.key


@pytest.mark.parametrize("action", ["GetVideoInfo", "RefreshUploadVideo", "GetMezzanineInfo"])
def test_unknown_videos_are_not_found(emulator: Emulator, action: str) -> None:
    answer = call(emulator, action, {"VideoId": "0" * 32})
    assert (answer.status, answer.code) == (404, "InvalidVideo.NotFound")
    assert call(emulator, action).code == "MissingVideoId"
    image_id = call(emulator, "CreateUploadImage", {"ImageType": "default"}).json["ImageId"]
    assert call(emulator, action, {"VideoId": image_id}).code == "InvalidVideo.NotFound"


def test_reference_id_is_unique_and_finds_the_video(emulator: Emulator) -> None:
    grant = create(emulator, ReferenceId="ref-000001")
    again = call(emulator, "CreateUploadVideo", {**GOOD, "ReferenceId": "ref-000001"})
    assert (again.status, again.code) == (400, "ReferenceIdExists")
    assert len(emulator.assets) == 1
    for action in ("GetVideoInfo", "RefreshUploadVideo"):
        answer = call(emulator, action, {"ReferenceId": "ref-000001"}).json
        assert grant.media_id in (answer.get("VideoId"), answer.get("Video", {}).get("VideoId"))
    assert call(emulator, "GetVideoInfo", {"ReferenceId": "ref-000002"}).code == "InvalidVideo.NotFound"
    assert call(emulator, "CreateUploadVideo", {**GOOD, "ReferenceId": "bad ref"}).code == "InvalidParameter"


@pytest.mark.parametrize(("mode", "assets"), [("same", 1), ("new", 2)])
def test_repeated_reference_id_is_a_switch(mode: str, assets: int) -> None:
    with Emulator(switches=Switches(reference_id_repeated=mode)) as emulator:  # type: ignore[arg-type]
        create(emulator, ReferenceId="ref-000001")
        create(emulator, ReferenceId="ref-000001")
        assert len(emulator.assets) == assets


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"Title": ""}, 400, "MissingTitle"),
        ({"FileName": ""}, 400, "MissingFileName"),
        ({"FileName": "talk"}, 400, "InvalidFileName.Extension"),
        ({"FileName": "talk.exe"}, 400, "InvalidFileName.Extension"),
        ({"FileName": "talk.png"}, 400, "InvalidFileName.Extension"),
        ({"FileName": ".mp4"}, 400, "InvalidFileName.Extension"),
        ({"FileName": "a.mp4/b"}, 400, "InvalidFileName.Extension"),
        ({"Title": "a" * 129}, 400, "LengthExceededMax"),
        ({"Title": "世" * 43}, 400, "LengthExceededMax"),
        ({"Description": "a" * 1025}, 400, "LengthExceededMax"),
        ({"Tags": "a" * 33}, 400, "LengthExceededMax"),
        ({"Tags": "世" * 11}, 400, "LengthExceededMax"),
        ({"Tags": ",".join("abcdefghijklmnopq")}, 400, "TagsExceededMax"),
        ({"Title": "party 🎉"}, 400, "IllegalCharacters"),
        ({"Description": "done ✅"}, 400, "IllegalCharacters"),
        ({"Tags": "a,🎬"}, 400, "IllegalCharacters"),
        ({"FileSize": "big"}, 400, "InvalidParameter"),
        ({"FileSize": "-1"}, 400, "InvalidParameter"),
        ({"CateId": "one"}, 400, "InvalidParameter"),
        ({"TemplateGroupId": "nope"}, 404, "InvalidTemplateGroupId.NotFound"),
        ({"StorageLocation": "my-bucket"}, 404, "InvalidStorage.NotFound"),
        ({"UserData": "{not json"}, 400, "InvalidParameter"),
        ({"UserData": "[]"}, 400, "InvalidParameter"),
        ({"UserData": json.dumps({"Extend": "a" * 513})}, 400, "LengthExceededMax"),
        ({"UserData": json.dumps({"MessageCallback": {"CallbackURL": "ftp://x"}})}, 400, "InvalidParameter"),
    ],
)
def test_each_wrong_value_has_its_code(emulator: Emulator, params: dict[str, str], status: int, code: str) -> None:
    answer = call(emulator, "CreateUploadVideo", {**GOOD, **params})
    assert (answer.status, answer.code) == (status, code)
    assert emulator.assets == []


@pytest.mark.parametrize(
    "params",
    [
        {"Title": "a" * 128},
        {"Title": "世" * 42},
        {"Title": "✓ ★ → 𠀀"},
        {"Description": "a" * 1024},
        {"Tags": ",".join(["世" * 10] * 16)},
        {"FileName": "x.M3U8"},
        {"FileName": "song.flac"},
        {"CateId": "-1"},
        {"StorageLocation": "outin-abc.oss-cn-shanghai.aliyuncs.com"},
        {"UserData": json.dumps({"Extend": "a" * 512})},
    ],
)
def test_values_at_their_limit_pass(emulator: Emulator, params: dict[str, str]) -> None:
    assert call(emulator, "CreateUploadVideo", {**GOOD, **params}).status == 200


def test_configured_templates_categories_and_locations_are_the_only_ones() -> None:
    location = "outin-mine.oss-cn-shanghai.aliyuncs.com"
    switches = Switches(
        template_group_ids=frozenset({"tmpl"}), storage_locations=frozenset({location}), refuse_unknown_category=True
    )
    with Emulator(switches=switches) as emulator:
        cate_id = call(emulator, "AddCategory", {"CateName": "Talks"}).json["Category"]["CateId"]
        good = {**GOOD, "TemplateGroupId": "tmpl", "StorageLocation": location, "CateId": str(cate_id)}
        answer = call(emulator, "CreateUploadVideo", good)
        assert answer.status == 200
        assert info(emulator, answer.json["VideoId"])["CateName"] == "Talks"
        for params, code in (
            ({"TemplateGroupId": "0" * 32}, "InvalidTemplateGroupId.NotFound"),
            ({"StorageLocation": "outin-abc.oss-cn-shanghai.aliyuncs.com"}, "InvalidStorage.NotFound"),
            ({"CateId": "7"}, "InvalidCateId.NotFound"),
        ):
            refused = call(emulator, "CreateUploadVideo", {**good, **params})
            assert (refused.status, refused.code) == (404, code)


def test_image_upload(emulator: Emulator) -> None:
    params = {"ImageType": "default", "ImageExt": "jpg", "Title": "cover", "Tags": "b,a"}
    answer = call(emulator, "CreateUploadImage", params).json
    grant = grant_of(answer)
    assert grant.key.startswith("image/default/")
    assert answer["ImageURL"] == answer["FileURL"]
    assert call(emulator, "GetImageInfo", {"ImageId": grant.media_id}).json["ImageInfo"]["Status"] == "Uploading"
    oss(grant, "PUT", body=b"jpeg")
    image = call(emulator, "GetImageInfo", {"ImageId": grant.media_id}).json["ImageInfo"]
    assert (image["Status"], image["Title"], image["Tags"]) == ("Normal", "cover", "b,a")
    assert image["Mezzanine"]["FileSize"] == 4
    assert emulator.events[0].event_type == "ImageUploadComplete"
    assert call(emulator, "GetVideoInfo", {"VideoId": grant.media_id}).code == "InvalidVideo.NotFound"
    assert call(emulator, "RefreshUploadVideo", {"VideoId": grant.media_id}).code == "InvalidVideo.NotFound"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "MissingImageType"),
        ({"ImageType": "x"}, "InvalidParameter"),
        ({"ImageType": "cover", "ImageExt": "bmp"}, "InvalidParameter"),
    ],
)
def test_wrong_images(emulator: Emulator, params: dict[str, str], code: str) -> None:
    assert call(emulator, "CreateUploadImage", params).code == code


def test_unknown_image_is_no_such_resource(emulator: Emulator) -> None:
    answer = call(emulator, "GetImageInfo", {"ImageId": create(emulator).media_id})
    assert (answer.status, answer.code) == (404, "NoSuchResource")


def test_attached_media(emulator: Emulator) -> None:
    params = {"BusinessType": "subtitle", "FileName": "a.srt"}
    grant = grant_of(call(emulator, "CreateUploadAttachedMedia", params).json)
    assert grant.key.endswith(".srt")
    for wrong in ({"BusinessType": "subtitle", "MediaExt": "png"}, {"BusinessType": "song"}):
        assert call(emulator, "CreateUploadAttachedMedia", wrong).code == "InvalidParameter"


def test_mezzanine_gives_a_signed_url_that_expires(emulator: Emulator) -> None:
    from tests.emulator.raw import send

    grant = create(emulator)
    assert call(emulator, "GetMezzanineInfo", {"VideoId": grant.media_id}).code == "InvalidFile.NotFound"
    oss(grant, "PUT", body=b"0123456789")
    found = call(emulator, "GetMezzanineInfo", {"VideoId": grant.media_id, "AuthTimeout": "60"}).json["Mezzanine"]
    assert (found["Size"], found["Status"]) == (10, "Normal")
    path = found["FileURL"].removeprefix(emulator.endpoint)
    assert send(emulator.endpoint, "GET", path, {}).body == b"0123456789"
    assert send(emulator.endpoint, "GET", path.replace("Signature=", "Signature=A"), {}).code == "SignatureDoesNotMatch"
    assert send(emulator.endpoint, "GET", path.partition("?")[0] + "?Expires=1&Signature=x", {}).code == "AccessDenied"
    emulator.clock.advance(61)
    late = send(emulator.endpoint, "GET", path, {})
    assert (late.status, late.code, late.text("Message")) == (403, "AccessDenied", "Request has expired.")


def test_categories_are_a_tree_of_three_levels(emulator: Emulator) -> None:
    parent = -1
    for level in range(3):
        made = call(emulator, "AddCategory", {"CateName": f"c{level}", "ParentId": str(parent)}).json["Category"]
        assert made["Level"] == level
        parent = made["CateId"]
    assert call(emulator, "AddCategory", {"CateName": "x", "ParentId": str(parent)}).code == "LevelExceededMax"
    assert call(emulator, "AddCategory", {"CateName": "x" * 65}).code == "LengthExceededMax"
    assert call(emulator, "AddCategory", {"CateName": "x", "ParentId": "9"}).code == "InvalidCateId.NotFound"
    top = call(emulator, "GetCategories").json
    assert (top["SubTotal"], top["SubCategories"]["Category"][0]["CateName"]) == (1, "c0")


def test_reset_forgets_everything_but_the_long_lived_key(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"x")
    emulator.clock.advance(5)
    emulator.reset()
    assert (emulator.assets, emulator.events, emulator.requests) == ([], [], [])
    assert oss(grant, "PUT", body=b"x").code == "InvalidAccessKeyId"
    assert create(emulator).media_id != grant.media_id
