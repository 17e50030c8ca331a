"""Live channels: made, listed, switched and deleted; nobody pushes to one here."""

from __future__ import annotations

import pytest

from tests.emulator.raw import Grant
from tests.emulator.shop import BUCKET, Shop


def channel(**changes: str) -> str:
    values = {"Type": "HLS", "FragDuration": "5", "FragCount": "3", "PlaylistName": "p.m3u8", **changes}
    status, description = values.pop("Status", "enabled"), values.pop("Description", "")
    target = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    head = f"<Description>{description}</Description><Status>{status}</Status>"
    return f"<LiveChannelConfiguration>{head}<Target>{target}</Target></LiveChannelConfiguration>"


def test_a_channel_is_made_shown_switched_and_deleted(shop: Shop) -> None:
    assert shop.ask("GET", "c", "live").code == "NoSuchLiveChannel"
    made = shop.ask("PUT", "c", "live", channel(Description="talk"))
    assert (made.text("PublishUrls/Url") or "").startswith("rtmp://")
    assert (made.text("PublishUrls/Url") or "").endswith("/live/c")
    assert (made.text("PlayUrls/Url") or "").endswith("/c/p.m3u8")
    shown = shop.ask("GET", "c", "live")
    assert [shown.text(name) for name in ("Description", "Status", "Target/PlaylistName")] == [
        "talk",
        "enabled",
        "p.m3u8",
    ]
    assert shop.ask("GET", "c", "live&comp=stat").text("Status") == "Idle"
    assert shop.ask("PUT", "c", "live&status=disabled").status == 200
    assert shop.ask("GET", "c", "live").text("Status") == "disabled"
    assert shop.ask("GET", "c", "live&comp=stat").text("Status") == "Disabled"
    assert shop.ask("GET", "c", "live&comp=history").xml.tag == "LiveChannelHistory"
    assert shop.ask("PUT", "c", "live&status=off").code == "InvalidArgument"
    assert shop.ask("DELETE", "c", "live").status == 204
    assert shop.ask("DELETE", "c", "live").code == "NoSuchLiveChannel"


def test_channels_are_no_objects_and_touch_none(shop: Shop) -> None:
    shop.put("c", b"object")
    shop.ask("PUT", "c", "live", channel())
    assert [node.text for node in shop.ask("GET", "").xml.iter("Key")] == ["c"]
    shop.ask("DELETE", "c", "live")
    assert shop.ask("GET", "c").body == b"object"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Type": "FLV"}, "MalformedXML"),
        ({"FragDuration": "0"}, "InvalidArgument"),
        ({"FragDuration": "101"}, "InvalidArgument"),
        ({"FragCount": "x"}, "InvalidArgument"),
        ({"PlaylistName": "playlist.txt"}, "InvalidArgument"),
        ({"Status": "on"}, "InvalidArgument"),
        ({"Description": "d" * 129}, "InvalidArgument"),
    ],
)
def test_bad_channels_are_refused(shop: Shop, change: dict[str, str], code: str) -> None:
    assert shop.ask("PUT", "c", "live", channel(**change)).code == code
    assert shop.ask("GET", "c", "live").code == "NoSuchLiveChannel"


def test_channels_in_pages(shop: Shop) -> None:
    for name in ("a1", "a2", "a3", "b"):
        shop.ask("PUT", name, "live", channel())
    page = shop.ask("GET", "", "live&prefix=a&max-keys=2").xml
    assert [node.findtext("Name") for node in page.findall("LiveChannel")] == ["a1", "a2"]
    assert (page.findtext("IsTruncated"), page.findtext("NextMarker")) == ("true", "a2")
    rest = shop.ask("GET", "", "live&prefix=a&marker=a2").xml
    assert [node.findtext("Name") for node in rest.findall("LiveChannel")] == ["a3"]
    assert (rest.findtext("IsTruncated"), shop.ask("GET", "", "stat").text("LiveChannelCount")) == ("false", "4")


@pytest.mark.parametrize(
    "times", ["startTime=100&endTime=3700", "startTime=100&endTime=100", "startTime=x&endTime=1", ""]
)
def test_nothing_was_pushed_so_there_is_no_playlist(shop: Shop, times: str) -> None:
    assert shop.ask("GET", "c", f"vod&{times}").code == "NoSuchLiveChannel"
    shop.ask("PUT", "c", "live", channel())
    assert shop.ask("GET", "c", f"vod&{times}").code == "InvalidArgument"
    assert shop.ask("POST", "c/list.m3u8", f"vod&{times}").code == "InvalidArgument"
    assert shop.ask("GET", "c/list.m3u8").code == "NoSuchKey"


def test_channels_stay_in_their_bucket(shop: Shop, grant: Grant) -> None:
    shop.ask("PUT", "c", "live", channel())
    assert Shop(grant, grant.keys).ask("GET", "c", "live").code == "AccessDenied"
    assert BUCKET in (shop.ask("GET", "", "live").text("LiveChannel/PlayUrls/Url") or "")
