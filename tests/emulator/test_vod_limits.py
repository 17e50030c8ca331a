"""Parameters of the VOD API that the service judges: pages, times, words, lists, truth values."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.emulator.raw import call, create, grant_of, initiate, oss, send
from vod_widget.emulator import Emulator, Switches

DEEP = 5000


def answer(emulator: Emulator, action: str, **params: str) -> dict[str, Any]:
    reply = call(emulator, action, params)
    assert reply.status == 200, reply.body
    return reply.json


def refusal(emulator: Emulator, action: str, **params: str) -> tuple[int, str | None]:
    reply = call(emulator, action, params, method="POST", form=True)
    return reply.status, reply.code


@pytest.mark.parametrize("action", ["GetVideoList", "GetCategories", "SearchMedia"])
def test_pages_have_limits(emulator: Emulator, action: str) -> None:
    for good in ({"PageSize": "1"}, {"PageSize": "100"}, {"PageNo": "1"}):
        answer(emulator, action, **good)
    for bad in ({"PageSize": "0"}, {"PageSize": "101"}, {"PageNo": "0"}, {"PageNo": "x"}):
        assert refusal(emulator, action, **bad) == (400, "InvalidParameter")


def test_numbers_are_longs(emulator: Emulator) -> None:
    create(emulator, CateId=str(2**63 - 1), FileSize=str(2**63 - 1))
    good = {"Title": "t", "FileName": "a.mp4"}
    for name in ("CateId", "FileSize"):
        assert refusal(emulator, "CreateUploadVideo", **good, **{name: str(2**63)}) == (400, "InvalidParameter")


def test_a_list_takes_known_statuses_and_real_times_only(emulator: Emulator) -> None:
    create(emulator)
    words = "Uploading,UploadFail,UploadSucc,Transcoding,TranscodeFail,Checking,Blocked,Normal,ProduceFail"
    assert answer(emulator, "GetVideoList", Status=words)["Total"] == 1
    assert answer(emulator, "GetVideoList", StartTime="2020-01-01T00:00:00Z")["Total"] == 1
    for bad in (
        {"Status": "Done"},
        {"StartTime": "yesterday"},
        {"EndTime": "2026-13-01T00:00:00Z"},
        {"EndTime": "2026-1-1T0:0:0Z"},
        {"StartTime": "2026-01-01 00:00:00"},
    ):
        assert refusal(emulator, "GetVideoList", **bad) == (400, "InvalidParameter")


def test_a_list_is_narrowed_by_reference_and_place(emulator: Emulator) -> None:
    place = "outin-other.oss-cn-shanghai.aliyuncs.com"
    there = create(emulator, ReferenceId="ref-0001", StorageLocation=place)
    here = create(emulator, ReferenceId="ref-0002")
    for narrowing, found in (({"ReferenceIds": "ref-0002,ref-0009"}, here), ({"StorageLocation": place}, there)):
        videos = answer(emulator, "GetVideoList", **narrowing)["VideoList"]["Video"]
        assert [video["VideoId"] for video in videos] == [found.media_id]


@pytest.mark.parametrize(
    ("action", "longest_s"),
    [
        ("GetMezzanineInfo", 2_592_000),
        ("GetImageInfo", 2_592_000),
        ("GetAttachedMediaInfo", 2_592_000),
        ("GetPlayInfo", 604_800),
    ],
)
def test_urls_of_the_origin_live_for_so_long_at_most(emulator: Emulator, action: str, longest_s: int) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"x")
    emulator.clock.advance(4)
    image_id = call(emulator, "CreateUploadImage", {"ImageType": "default"}).json["ImageId"]
    ids = {"VideoId": grant.media_id, "ImageId": image_id, "MediaIds": image_id}
    for good in (
        {"OutputType": "oss", "AuthTimeout": "1"},
        {"OutputType": "oss", "AuthTimeout": str(longest_s)},
        {"OutputType": "cdn", "AuthTimeout": str(longest_s + 1)},
        {"AuthTimeout": str(2**63 - 1)},
    ):
        answer(emulator, action, **ids, **good)
    for bad in (
        {"OutputType": "oss", "AuthTimeout": str(longest_s + 1)},
        {"AuthTimeout": "0"},
        {"OutputType": "disk"},
    ):
        assert refusal(emulator, action, **ids, **bad) == (400, "InvalidParameter")


def test_what_has_no_end_still_makes_a_url_that_works(emulator: Emulator) -> None:
    grant = create(emulator)
    oss(grant, "PUT", body=b"x")
    params = {"VideoId": grant.media_id, "AuthTimeout": str(2**63 - 1)}
    url = answer(emulator, "GetMezzanineInfo", **params)["Mezzanine"]["FileURL"]
    assert send(emulator.endpoint, "GET", url.removeprefix(emulator.endpoint), {}).body == b"x"
    assert refusal(emulator, "GetMezzanineInfo", VideoId=grant.media_id, AdditionType="video,smell")[0] == 400


def test_truth_values_in_any_letters(emulator: Emulator) -> None:
    """Python's SDKs write True, and so does the newer one."""
    plain = create(emulator, TemplateGroupId="VOD_NO_TRANSCODE")
    oss(plain, "PUT", body=b"x")
    for text, refused in (("False", [plain.media_id]), ("true", []), ("True", []), ("TRUE", [])):
        got = answer(emulator, "DeleteMezzanines", VideoIds=plain.media_id, Force=text)
        assert got["UnRemoveableVideoIds"] == refused
    assert refusal(emulator, "DeleteMezzanines", VideoIds=plain.media_id, Force="1") == (400, "InvalidParameter")


def test_videos_are_deleted_by_reference(emulator: Emulator) -> None:
    create(emulator, ReferenceId="ref-0001")
    kept = create(emulator, ReferenceId="ref-0002")
    got = answer(emulator, "DeleteMezzanines", ReferenceIds="ref-0001,ref-0009")
    assert (got["NonExistReferenceIds"], got["UnRemoveableVideoIds"]) == (["ref-0009"], [])
    got = answer(emulator, "DeleteVideo", ReferenceIds="ref-0001,ref-0009")
    assert (got["NonExistReferenceIds"], got["ForbiddenVideoIds"]) == (["ref-0009"], [])
    assert [asset.media_id for asset in emulator.assets] == [kept.media_id]
    assert refusal(emulator, "DeleteVideo", ReferenceIds="ref-0009") == (404, "InvalidVideo.NotFound")
    many = ",".join(f"ref-{n:04}" for n in range(21))
    assert refusal(emulator, "DeleteVideo", ReferenceIds=many) == (400, "VideoIdsExceededMax")


def test_an_update_finds_its_video_by_reference_too(emulator: Emulator) -> None:
    grant = create(emulator, ReferenceId="ref-0001")
    answer(emulator, "UpdateVideoInfo", ReferenceId="ref-0001", Title="new")
    assert emulator.asset(grant.media_id).title == "new"


def test_an_attached_medium_is_in_up_to_five_categories(emulator: Emulator) -> None:
    made = [answer(emulator, "AddCategory", CateName=f"c{n}")["Category"]["CateId"] for n in range(2)]
    params = {"BusinessType": "subtitle", "MediaExt": "srt"}
    wanted = f"{made[1]},{made[0]},7,8,9"
    grant = grant_of(answer(emulator, "CreateUploadAttachedMedia", **params, CateIds=wanted))
    (medium,) = answer(emulator, "GetAttachedMediaInfo", MediaIds=grant.media_id)["AttachedMediaList"]
    assert [item["CateName"] for item in medium["Categories"]] == ["c1", "c0"]
    found = answer(emulator, "SearchMedia", SearchType="attached")["MediaList"][0]["AttachedMedia"]
    assert (found["BusinessType"], len(found["Categories"])) == ("subtitle", 2)
    for bad in ("1,2,3,4,5,6", "one", "-1"):
        assert refusal(emulator, "CreateUploadAttachedMedia", **params, CateIds=bad) == (400, "InvalidParameter")


def test_unknown_categories_are_refused_everywhere_by_the_switch() -> None:
    with Emulator(switches=Switches(refuse_unknown_category=True)) as emulator:
        grant = create(emulator)
        url = "http%3A%2F%2F127.0.0.1%3A1%2Fa.mp4"
        metadata = json.dumps([{"SourceURL": url, "Title": "t", "CateId": 7}])
        for action, params in (
            ("CreateUploadImage", {"ImageType": "default", "CateId": "7"}),
            ("CreateUploadAttachedMedia", {"BusinessType": "subtitle", "MediaExt": "srt", "CateIds": "7"}),
            ("UpdateVideoInfo", {"VideoId": grant.media_id, "CateId": "7"}),
            ("UploadMediaByURL", {"UploadURLs": url, "UploadMetadatas": metadata}),
        ):
            assert refusal(emulator, action, **params) == (404, "InvalidCateId.NotFound")


def test_categories_by_type_and_order(emulator: Emulator) -> None:
    first = answer(emulator, "AddCategory", CateName="a")["Category"]["CateId"]
    second = answer(emulator, "AddCategory", CateName="b")["Category"]["CateId"]
    under = {"CateName": "m", "Type": "material", "ParentId": str(first)}
    material = answer(emulator, "AddCategory", **under)["Category"]["CateId"]
    names = lambda **params: [  # noqa: E731
        node["CateId"] for node in answer(emulator, "GetCategories", **params)["SubCategories"]["Category"]
    ]
    assert names() == [second, first]
    assert names(SortBy="CreationTime:Asc") == [first, second]
    assert (names(CateId=str(first)), names(CateId=str(first), Type="default")) == ([material], [])
    assert names(CateId=str(first), Type="material") == [material]
    assert refusal(emulator, "AddCategory", CateName="m", Type="material") == (400, "MissingParentId")
    for bad in ({"SortBy": "Name:Asc"}, {"Type": "film"}):
        assert refusal(emulator, "GetCategories", **bad) == (400, "InvalidParameter")


def test_snapshots_are_deleted_by_their_type(emulator: Emulator) -> None:
    grant = create(emulator)
    params = {"DeleteImageType": "VideoId", "VideoId": grant.media_id}
    answer(emulator, "DeleteImage", **params, ImageType="CoverSnapshot,NormalSnapshot")
    assert refusal(emulator, "DeleteImage", **params) == (400, "MissingImageType")
    assert refusal(emulator, "DeleteImage", **params, ImageType="Portrait") == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("action", "params", "code"),
    [
        ("CreateUploadVideo", {"Title": "t", "FileName": "a.mp4", "UserData": "[" * DEEP}, "InvalidParameter"),
        (
            "CreateUploadVideo",
            {"Title": "t", "FileName": "a.mp4", "UserData": '{"Extend":' + "[" * DEEP + "]" * DEEP + "}"},
            "InvalidParameter",
        ),
        ("CreateUploadVideo", {"Title": "t", "FileName": "a.mp4", "UserData": '{"Extend":NaN}'}, "InvalidParameter"),
        (
            "CreateUploadVideo",
            {"Title": "t", "FileName": "a.mp4", "UserData": '{"MessageCallback":{"CallbackURL":"http://["}}'},
            "InvalidParameter",
        ),
        (
            "UploadMediaByURL",
            {"UploadURLs": "http%3A%2F%2F127.0.0.1%2Fa.mp4", "UploadMetadatas": "[" * DEEP},
            "InvalidParameter",
        ),
        ("SearchMedia", {"Match": "(" * DEEP}, "ErrorMatchSyntax"),
        ("SearchMedia", {"Match": "(" * DEEP + "Title = 'x'" + ")" * DEEP}, "ErrorMatchSyntax"),
    ],
)
def test_what_is_nested_too_deep_is_malformed(
    emulator: Emulator, action: str, params: dict[str, str], code: str
) -> None:
    assert refusal(emulator, action, **params) == (400, code)


def test_what_people_nest_is_fine(emulator: Emulator) -> None:
    user_data = '{"Extend":' + "[" * 60 + "]" * 60 + "}"
    create(emulator, UserData=user_data)
    assert answer(emulator, "SearchMedia", Match="(" * 60 + "Title = 'talk'" + ")" * 60)["Total"] == 1


def test_a_policy_nested_too_deep_fails_its_grammar_check(emulator: Emulator) -> None:
    params = {"RoleArn": emulator.role_arn, "RoleSessionName": "me", "Policy": "[" * 2000}
    assert refusal(emulator, "AssumeRole", **params) == (400, "InvalidParameter.PolicyGrammar")


def test_a_notification_nested_too_deep_is_refused(emulator: Emulator) -> None:
    text = base64.b64encode(b'{"Vod":' + b"[" * DEEP + b"]" * DEEP + b"}").decode()
    reply = oss(create(emulator), "PUT", body=b"x", headers={"x-oss-notification": text})
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_delete_video_in_the_middle_of_an_upload(emulator: Emulator) -> None:
    grant = create(emulator)
    upload_id = initiate(grant)
    answer(emulator, "DeleteVideo", VideoIds=grant.media_id)
    late = oss(grant, "PUT", f"partNumber=1&uploadId={upload_id}", b"late")
    assert (late.status, late.code) == (404, "NoSuchUpload")
    assert emulator.unfinished_uploads == []
