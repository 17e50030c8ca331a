"""SearchMedia: its query language, order and pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.raw import call, create, grant_of, oss
from vod_widget.emulator import Emulator
from vod_widget.emulator.errors import RpcError
from vod_widget.emulator.vod_search import parse_match

ROWS: dict[str, dict[str, Any]] = {
    "a": {
        "Title": "Summer talk",
        "Tags": "x,y",
        "CateId": 3,
        "Size": 10,
        "Status": "Normal",
        "CreationTime": "2026-01-01T00:00:00Z",
    },
    "b": {
        "Title": "winter TALK",
        "Tags": "yy",
        "CateId": None,
        "Size": 20,
        "Status": "Uploading",
        "CreationTime": "2026-02-01T00:00:00Z",
    },
    "c": {
        "Title": "it's",
        "Tags": "",
        "CateId": 4,
        "Size": 30,
        "Status": "Normal",
        "CreationTime": "2026-03-01T00:00:00Z",
    },
}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("", "abc"),
        ("Title = 'talk'", "ab"),
        ('Title = "it\'s"', "c"),
        ("Tags = 'y'", "a"),
        ("CateId = 3", "a"),
        ("CateId != 3", "bc"),
        ("Status in ('Normal', 'Blocked')", "ac"),
        ("Size = [10,30)", "ab"),
        ("Size = (10,30]", "bc"),
        ("Size = [20,]", "bc"),
        ("Size=(,20)", "a"),
        ("CreationTime = ('2026-01-01T00:00:00Z','2026-02-01T00:00:00Z']", "b"),
        ("CreationTime = [2026-02-01T00:00:00Z, 2026-03-01T00:00:00Z]", "bc"),
        ("CateId = [1,9]", "ac"),
        ("Size = [a,b]", ""),
        ("Status = 'Normal' and Size = 10 or Title = 'winter'", "ab"),
        ("Status = 'Normal' and (Size = 10 or Title = 'winter')", "a"),
        ("(((Size = 30)))", "c"),
        ("Title = 'talk' AND Status IN ('Normal')", "a"),
    ],
)
def test_matches(match: str, expected: str) -> None:
    test = parse_match(match)
    assert "".join(name for name, row in ROWS.items() if test(row)) == expected


@pytest.mark.parametrize(
    "match",
    [
        "Title",
        "Title =",
        "Title = 'a' and",
        "Title = 'a' or or Title = 'b'",
        "Title = 'a' Title = 'b'",
        "Title in 'a'",
        "Title in ('a'",
        "Title in ()",
        "Title < 'a'",
        "Colour = 'red'",
        "'Title' = 'a'",
        "(Title = 'a'",
        "Title = 'a')",
        "Title = 'open",
        "Title and 'a'",
    ],
)
def test_bad_syntax_is_named(match: str) -> None:
    with pytest.raises(RpcError) as caught:
        parse_match(match)
    assert (caught.value.status, caught.value.code) == (400, "ErrorMatchSyntax")


def search(emulator: Emulator, **params: str) -> dict[str, Any]:
    reply = call(emulator, "SearchMedia", params)
    assert reply.status == 200, reply.body
    return reply.json


def ids(found: dict[str, Any]) -> list[str]:
    return [row["MediaId"] for row in found["MediaList"]]


def test_each_type_has_its_own_dress(emulator: Emulator) -> None:
    video = create(emulator, Title="film")
    audio = create(emulator, Title="song", FileName="a.MP3")
    image = grant_of(call(emulator, "CreateUploadImage", {"ImageType": "default"}).json)
    other = grant_of(call(emulator, "CreateUploadAttachedMedia", {"BusinessType": "subtitle", "MediaExt": "srt"}).json)
    for kind, name, grant in (
        ("video", "Video", video),
        ("audio", "Audio", audio),
        ("image", "Image", image),
        ("attached", "AttachedMedia", other),
    ):
        (row,) = search(emulator, SearchType=kind)["MediaList"]
        assert (row["MediaId"], row["MediaType"], row[name]["Status"]) == (grant.media_id, kind, "Uploading")
    assert ids(search(emulator)) == [video.media_id]
    (row,) = search(emulator, SearchType="audio", Fields="Title,Status")["MediaList"]
    assert set(row["Audio"]) == {"AudioId", "Title", "Status", "CreationTime"}


def test_match_sees_the_state_of_now(emulator: Emulator) -> None:
    grant = create(emulator)
    assert search(emulator, Match="Status in ('Uploading')")["Total"] == 1
    oss(grant, "PUT", "", b"12345")
    emulator.clock.advance(4)
    assert ids(search(emulator, Match="Status = 'Normal' and Size = [5,5]")) == [grant.media_id]
    assert search(emulator, Match="Status in ('Uploading')")["Total"] == 0


def test_order_and_pages(emulator: Emulator) -> None:
    made = []
    for number, title in enumerate("dcba"):
        emulator.clock.skew(number)
        made.append(create(emulator, Title=title).media_id)
    emulator.clock.skew(0)
    assert ids(search(emulator)) == made[::-1]
    assert ids(search(emulator, SortBy="Title:Asc")) == made[::-1]
    assert ids(search(emulator, SortBy="CreationTime:Asc", PageNo="2", PageSize="3")) == made[3:]
    assert search(emulator, PageNo="9")["MediaList"] == []


def test_a_scroll_token_goes_on_and_grows_old(emulator: Emulator) -> None:
    made = [create(emulator).media_id for _ in range(5)]
    first = search(emulator, PageSize="2")
    token = first["ScrollToken"]
    assert (len(token), first["Total"]) == (32, 5)
    create(emulator)  # comes too late for this scroll
    second = search(emulator, PageSize="2", ScrollToken=token)
    third = search(emulator, PageSize="2", ScrollToken=token)
    assert sorted(ids(first) + ids(second) + ids(third)) == sorted(made)
    emulator.clock.advance(601)
    reply = call(emulator, "SearchMedia", {"ScrollToken": token})
    assert (reply.status, reply.code) == (400, "InvalidScrollToken.Expired")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"Match": "nonsense"}, "ErrorMatchSyntax"),
        ({"SortBy": "CreationTime:Up"}, "InvalidParameter"),
        ({"SortBy": "Colour:Asc"}, "InvalidParameter"),
        ({"SortBy": "CreationTime:Asc,Title:Asc,Size:Asc,ModificationTime:Asc"}, "SortByExceededMax"),
        ({"SearchType": "film"}, "InvalidParameter"),
        ({"ScrollToken": "0" * 32}, "InvalidScrollToken.Expired"),
        ({"PageNo": "0"}, "InvalidParameter"),
    ],
)
def test_refusals(emulator: Emulator, params: dict[str, str], code: str) -> None:
    reply = call(emulator, "SearchMedia", params)
    assert (reply.status, reply.code) == (400, code)
