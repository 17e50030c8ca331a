"""VOD's library: look, list, change, delete, and how far an upload is."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.emulator.raw import Grant, call, create, grant_of, info, initiate, oss, owner, put_part, send
from vod_widget.emulator import Emulator, Switches

KIB = 1024


def normal(emulator: Emulator, data: bytes = b"bytes", **params: str) -> Grant:
    grant = create(emulator, **params)
    assert oss(grant, "PUT", "", data).status == 200
    emulator.clock.advance(4)
    return grant


def answer(emulator: Emulator, action: str, **params: str) -> dict[str, Any]:
    reply = call(emulator, action, params)
    assert reply.status == 200, reply.body
    return reply.json


def refusal(emulator: Emulator, action: str, **params: str) -> tuple[int, str | None]:
    reply = call(emulator, action, params)
    return reply.status, reply.code


def image(emulator: Emulator) -> tuple[Grant, str]:
    made = answer(emulator, "CreateUploadImage", ImageType="default")
    return grant_of(made), made["ImageURL"]


def attached(emulator: Emulator) -> Grant:
    return grant_of(answer(emulator, "CreateUploadAttachedMedia", BusinessType="subtitle", MediaExt="srt"))


MANY = ",".join(f"{n:032x}" for n in range(21))


# --- looking -----------------------------------------------------------------------------


def test_infos_of_many(emulator: Emulator) -> None:
    one, two = create(emulator), create(emulator, ReferenceId="ref-0002")
    got = answer(emulator, "GetVideoInfos", VideoIds=f"{one.media_id},nope,{two.media_id},{one.media_id}")
    assert [v["VideoId"] for v in got["VideoList"]] == [one.media_id, two.media_id]
    assert got["NonExistVideoIds"] == ["nope"]
    by_reference = answer(emulator, "GetVideoInfos", ReferenceIds="ref-0002,ref-0003")
    assert [v["VideoId"] for v in by_reference["VideoList"]] == [two.media_id]
    assert by_reference["NonExistReferenceIds"] == ["ref-0003"]
    assert refusal(emulator, "GetVideoInfos", VideoIds="nope") == (404, "InvalidVideo.NotFound")
    assert refusal(emulator, "GetVideoInfos") == (400, "MissingVideoIds")
    assert refusal(emulator, "GetVideoInfos", VideoIds=MANY) == (400, "VideoIdsExceededMax")
    assert refusal(emulator, "GetVideoInfos", VideoIds=",") == (400, "InvalidParameter")


def test_list_filters_sorts_and_pages(emulator: Emulator) -> None:
    emulator.clock.skew(-300)
    old = normal(emulator, CateId="7")
    emulator.clock.skew(0)
    made = [create(emulator, Title=f"t{n}") for n in range(12)]
    ids = lambda got: [v["VideoId"] for v in got["VideoList"]["Video"]]  # noqa: E731
    first = answer(emulator, "GetVideoList")
    assert (first["Total"], len(ids(first))) == (13, 10)
    assert old.media_id in ids(answer(emulator, "GetVideoList", PageNo="2"))
    assert ids(answer(emulator, "GetVideoList", SortBy="CreationTime:Asc"))[0] == old.media_id
    assert ids(answer(emulator, "GetVideoList", Status="Normal,Transcoding")) == [old.media_id]
    assert ids(answer(emulator, "GetVideoList", CateId="7")) == [old.media_id]
    start = info(emulator, old.media_id)["CreationTime"]
    assert old.media_id not in ids(answer(emulator, "GetVideoList", StartTime=start, PageSize="100"))
    assert ids(answer(emulator, "GetVideoList", EndTime=start)) == [old.media_id]
    assert set(ids(answer(emulator, "GetVideoList", PageSize="100"))) >= {g.media_id for g in made}
    assert refusal(emulator, "GetVideoList", SortBy="Title:Asc") == (400, "InvalidParameter")


def test_play_info_needs_a_finished_video(emulator: Emulator) -> None:
    grant = create(emulator)
    assert refusal(emulator, "GetPlayInfo", VideoId=grant.media_id) == (403, "InvalidVideo.NoneStream")
    oss(grant, "PUT", "", b"playable")
    assert refusal(emulator, "GetPlayInfo", VideoId=grant.media_id) == (403, "InvalidVideo.NoneStream")
    emulator.clock.advance(4)
    got = answer(emulator, "GetPlayInfo", VideoId=grant.media_id, AuthTimeout="60")
    (stream,) = got["PlayInfoList"]["PlayInfo"]
    assert (got["VideoBase"]["Status"], stream["Format"], stream["Size"]) == ("Normal", "mp4", 8)
    target = stream["PlayURL"].removeprefix(emulator.endpoint)
    assert send(emulator.endpoint, "GET", target, {}).body == b"playable"
    emulator.clock.advance(61)
    assert send(emulator.endpoint, "GET", target, {}).status == 403
    assert refusal(emulator, "GetPlayInfo", VideoId="nope") == (404, "InvalidVideo.NotFound")


def test_attached_media_info(emulator: Emulator) -> None:
    grant = attached(emulator)
    got = answer(emulator, "GetAttachedMediaInfo", MediaIds=f"{grant.media_id},nope")
    assert got["AttachedMediaList"][0]["Type"] == "subtitle"
    assert (got["AttachedMediaList"][0]["Status"], got["NonExistMediaIds"]) == ("Uploading", ["nope"])
    assert refusal(emulator, "GetAttachedMediaInfo", MediaIds=MANY) == (400, "ExceededMax")
    assert refusal(emulator, "GetAttachedMediaInfo") == (400, "MissingMediaIds")


def test_upload_details(emulator: Emulator) -> None:
    grant = create(emulator, FileSize="400")
    upload_id = initiate(grant)
    put_part(grant, upload_id, 1, b"x" * 100)
    (row,) = answer(emulator, "GetUploadDetails", MediaIds=grant.media_id, MediaType="video")["UploadDetails"]
    assert (row["FileSize"], row["UploadSize"], row["UploadRatio"]) == (400, 100, 0.25)
    assert (row["UploadStatus"], row["CompletionTime"]) == ("Uploading", "")
    oss(grant, "PUT", "", b"y" * 30)
    got = answer(emulator, "GetUploadDetails", MediaIds=f"{grant.media_id},nope")
    (row,) = got["UploadDetails"]
    assert (row["FileSize"], row["UploadSize"], row["UploadRatio"], row["UploadStatus"]) == (30, 30, 1.0, "Success")
    assert got["NonExistMediaIds"] == ["nope"]
    assert refusal(emulator, "GetUploadDetails", MediaIds=MANY) == (400, "LimitExceeded.MediaIds")
    assert refusal(emulator, "GetUploadDetails", MediaIds="x", MediaType="film") == (400, "InvalidParameter")


# --- changing ----------------------------------------------------------------------------


def test_update_replaces_what_is_given(emulator: Emulator) -> None:
    grant = create(emulator, Description="old", Tags="a,b")
    emulator.clock.skew(100)
    answer(emulator, "UpdateVideoInfo", VideoId=grant.media_id, Title="new", Tags="", CateId="3", CoverURL="http://c")
    video = info(emulator, grant.media_id)
    assert (video["Title"], video["Description"], video["Tags"]) == ("new", "old", "")
    assert (video["CateId"], video["CoverURL"]) == (3, "http://c")
    assert video["ModificationTime"] > video["CreationTime"]


def test_a_bad_update_changes_nothing(emulator: Emulator) -> None:
    grant = create(emulator)
    got = refusal(emulator, "UpdateVideoInfo", VideoId=grant.media_id, Title="new", Description="d" * 1025)
    assert got == (400, "LengthExceededMax")
    assert refusal(emulator, "UpdateVideoInfo", VideoId=grant.media_id, Title="") == (400, "MissingTitle")
    assert info(emulator, grant.media_id)["Title"] == "talk"
    assert refusal(emulator, "UpdateVideoInfo", VideoId="nope") == (404, "InvalidVideo.NotFound")
    assert refusal(emulator, "UpdateVideoInfo", Title="x") == (400, "MissingVideoId")


# --- deleting ----------------------------------------------------------------------------


def test_delete_video_takes_object_and_fragments(emulator: Emulator) -> None:
    grant = normal(emulator, ReferenceId="ref-0001")
    initiate(grant)
    got = answer(emulator, "DeleteVideo", VideoIds=f"{grant.media_id},nope")
    assert (got["NonExistVideoIds"], got["ForbiddenVideoIds"]) == (["nope"], [])
    assert refusal(emulator, "GetVideoInfo", VideoId=grant.media_id) == (404, "InvalidVideo.NotFound")
    assert oss(grant, "HEAD", keys=owner(emulator)).status == 404
    assert emulator.unfinished_uploads == []
    assert list((emulator.data_dir / "blobs").iterdir()) == []
    assert refusal(emulator, "DeleteVideo", VideoIds=grant.media_id) == (404, "InvalidVideo.NotFound")
    assert create(emulator, ReferenceId="ref-0001").media_id != grant.media_id
    assert refusal(emulator, "DeleteVideo", VideoIds=MANY) == (400, "VideoIdsExceededMax")


def test_delete_mezzanines(emulator: Emulator) -> None:
    grant, plain = normal(emulator), normal(emulator, TemplateGroupId="VOD_NO_TRANSCODE")
    ids = f"{grant.media_id},{plain.media_id},nope"
    got = answer(emulator, "DeleteMezzanines", VideoIds=ids)
    assert (got["NonExistVideoIds"], got["UnRemoveableVideoIds"]) == (["nope"], [plain.media_id])
    file = answer(emulator, "GetMezzanineInfo", VideoId=grant.media_id)["Mezzanine"]
    assert (file["Status"], file["FileURL"]) == ("Deleted", "")
    assert oss(grant, "HEAD").status == 404
    assert answer(emulator, "DeleteMezzanines", VideoIds=plain.media_id, Force="true")["UnRemoveableVideoIds"] == []
    assert oss(plain, "HEAD").status == 404
    oss(grant, "PUT", "", b"again")
    assert answer(emulator, "GetMezzanineInfo", VideoId=grant.media_id)["Mezzanine"]["Status"] == "Normal"


def test_delete_image_by_id_and_by_url(emulator: Emulator) -> None:
    (one, _), (two, url), (three, _) = image(emulator), image(emulator), image(emulator)
    answer(emulator, "DeleteImage", DeleteImageType="ImageId", ImageIds=one.media_id)
    answer(emulator, "DeleteImage", DeleteImageType="ImageURL", ImageURLs=f"{url}?x=1")
    assert [a.media_id for a in emulator.assets] == [three.media_id]
    assert two.media_id != three.media_id
    video = create(emulator)
    answer(emulator, "DeleteImage", DeleteImageType="VideoId", VideoId=video.media_id, ImageType="CoverSnapshot")
    assert refusal(emulator, "DeleteImage", DeleteImageType="ImageId") == (400, "MissingImageIds")
    assert refusal(emulator, "DeleteImage", DeleteImageType="All") == (400, "InvalidParameter")
    assert refusal(emulator, "DeleteImage") == (400, "MissingDeleteImageType")


def test_delete_attached_media(emulator: Emulator) -> None:
    grant = attached(emulator)
    oss(grant, "PUT", "", b"subtitle")
    assert answer(emulator, "DeleteAttachedMedia", MediaIds=f"{grant.media_id},nope")["NonExistMediaIds"] == ["nope"]
    assert emulator.assets == []


def test_delete_multipart_upload(emulator: Emulator) -> None:
    grant = create(emulator)
    params = {"MediaId": grant.media_id, "MediaType": "video"}
    assert refusal(emulator, "DeleteMultipartUpload", **params) == (400, "InvalidMultipartUpload.NotFound")
    upload_id = initiate(grant)
    answer(emulator, "DeleteMultipartUpload", **params)
    assert put_part(grant, upload_id, 1, b"late").code == "NoSuchUpload"
    assert refusal(emulator, "DeleteMultipartUpload", MediaId="nope", MediaType="video")[1] == "InvalidVideo.NotFound"
    assert refusal(emulator, "DeleteMultipartUpload", MediaId="nope") == (400, "MissingMediaType")


# --- limits ------------------------------------------------------------------------------


def test_throttling_by_a_switch() -> None:
    with Emulator(switches=Switches(throttle=True, qps_limits={"GetVideoInfo": 2})) as strict:
        grant = create(strict)
        # The second may tick once between the calls, so four of five calls fit into two seconds.
        codes = [call(strict, "GetVideoInfo", {"VideoId": grant.media_id}) for _ in range(5)]
        refused = [reply for reply in codes if reply.status != 200]
        assert refused
        assert {(reply.status, reply.code) for reply in refused} == {(400, "Throttling.User")}
        strict.clock.advance(1)
        assert call(strict, "GetVideoInfo", {"VideoId": grant.media_id}).status == 200
        assert {call(strict, "GetCallerIdentity").status for _ in range(5)} == {200}


def test_a_playlist_has_room_for_its_slices_and_takes_them_along(emulator: Emulator) -> None:
    answer = call(emulator, "CreateUploadVideo", {"Title": "t", "FileName": "list.m3u8"}).json
    grant = grant_of(answer)
    prefix = json.loads(base64.b64decode(answer["UploadAddress"]))["ObjectPrefix"]
    assert grant.key.startswith(prefix)
    for key in (grant.key, f"{prefix}1.ts"):
        assert oss(grant, "PUT", "", b"x", key=key).status == 200
    oss(grant, "POST", "uploads", key=f"{prefix}2.ts")
    other = create(emulator)
    assert oss(grant, "PUT", "", b"x", key=other.key).status == 403
    assert oss(other, "PUT", "", b"x", key=other.key.rpartition("/")[0] + "/1.ts").status == 403
    call(emulator, "DeleteVideo", {"VideoIds": grant.media_id})
    assert oss(grant, "HEAD", keys=owner(emulator), key=f"{prefix}1.ts").status == 404
    assert oss(other, "PUT", "", b"x").status == 200  # its folder was not the other's
    assert emulator.unfinished_uploads == []
