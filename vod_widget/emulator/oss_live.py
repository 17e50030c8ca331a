"""Live channels of a bucket: made, listed, switched, deleted. Nobody can push to one, since RTMP is not served here.

What lives here: `answer`. It imports `oss_views`, `oss_xml`, `storage`; called under the lock of `Cloud`. So every
channel is idle, has no history, and has no pieces from which a playlist could be made.

Source: OSS "PutLiveChannel" and its relatives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.etree import ElementTree as ET

from vod_widget.emulator import oss_xml
from vod_widget.emulator.clock import iso_millis
from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument
from vod_widget.emulator.objects import Bucket
from vod_widget.emulator.oss_names import OssRequest
from vod_widget.emulator.oss_views import OssAnswer, limit_of
from vod_widget.emulator.storage import ObjectStore

RIGHTS: Mapping[str, str] = {
    "PutObjectLive": "oss:PutLiveChannel",
    "GetObjectLive": "oss:GetLiveChannel",
    "DeleteObjectLive": "oss:DeleteLiveChannel",
    "PutLiveChannelStatus": "oss:PutLiveChannelStatus",
    "GetLiveChannelStat": "oss:GetLiveChannelStat",
    "GetLiveChannelHistory": "oss:GetLiveChannelHistory",
    "PostObjectVod": "oss:PostVodPlaylist",
    "GetObjectVod": "oss:GetVodPlaylist",
    "ListLiveChannel": "oss:ListLiveChannel",
}
MAX_TEXT_BYTES = 128
_TIME = re.compile(r"[0-9]{1,12}")
_STATES = ("enabled", "disabled")
# Seconds of a piece, pieces of a playlist. Source: OSS "PutLiveChannel".
_NUMBERS = {"FragDuration": (1, 100, "5"), "FragCount": (1, 100, "3")}
MAX_SPAN_S = 86_400


def answer(operation: str, request: OssRequest, body: bytes, store: ObjectStore, now_s: float) -> OssAnswer:
    """Perform one operation.

    Raises:
        OssError: It is refused; nothing has happened.
    """
    bucket = store.bucket(request.bucket)
    if operation == "ListLiveChannel":
        return _list(request, bucket)
    if operation == "PutObjectLive":
        store.set_setting(bucket, f"live/{request.key}", _read(body, now_s))
        inner = _urls(request, request.key, _playlist(bucket, request.key))
        return OssAnswer(200, body=oss_xml.document("CreateLiveChannelResult", [], inner))
    # The key of a playlist is `channel/playlist`.
    name = request.key.rpartition("/")[0] if operation == "PostObjectVod" else request.key
    kept = bucket.settings.get(f"live/{name}")
    if kept is None:
        raise OssError(404, "NoSuchLiveChannel", "The specified live channel does not exist.")
    root = ET.fromstring(kept)  # noqa: S314 - our own text
    match operation:
        case "DeleteObjectLive":
            store.set_setting(bucket, f"live/{name}", None)
            return OssAnswer(204)
        case "PutLiveChannelStatus":
            _switch(root, request.param("status"))
            store.set_setting(bucket, f"live/{name}", ET.tostring(root, encoding="unicode"))
            return OssAnswer(200)
        case "GetLiveChannelStat":
            state = "Idle" if root.findtext("Status") == "enabled" else "Disabled"
            return OssAnswer(200, body=oss_xml.document("LiveChannelStat", [("Status", state)]))
        case "GetLiveChannelHistory":
            return OssAnswer(200, body=oss_xml.document("LiveChannelHistory", []))
        case "GetObjectLive":
            for node in root.findall("LastModified"):
                root.remove(node)
            text = ET.tostring(root, encoding="unicode")
            return OssAnswer(200, body=f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())
        case _:
            raise _no_pieces(request)


def _read(body: bytes, now_s: float) -> str:
    given = oss_xml.parse(body, "LiveChannelConfiguration")
    for node in given.iter():
        node.tag = oss_xml.local_name(node.tag)
    description, status = (given.findtext(name) or "" for name in ("Description", "Status"))
    if len(description.encode("utf-8", "surrogateescape")) > MAX_TEXT_BYTES:
        raise oss_invalid_argument("The description is too long.", name="Description", value=description)
    root = ET.Element("LiveChannelConfiguration")
    for name, text in (("Description", description), ("Status", "enabled")):
        ET.SubElement(root, name).text = text
    _switch(root, status or "enabled")
    target = ET.SubElement(root, "Target")
    if given.findtext("Target/Type") != "HLS":
        raise malformed_xml()
    ET.SubElement(target, "Type").text = "HLS"
    for name, (low, high, usual) in _NUMBERS.items():
        text = given.findtext(f"Target/{name}") or usual
        if not re.fullmatch(r"[0-9]{1,3}", text) or not low <= int(text) <= high:
            raise oss_invalid_argument(f"{name} is not valid.", name=name, value=text)
        ET.SubElement(target, name).text = text
    playlist = given.findtext("Target/PlaylistName") or "playlist.m3u8"
    if not playlist.endswith(".m3u8") or not 6 <= len(playlist.encode("utf-8", "surrogateescape")) <= MAX_TEXT_BYTES:
        raise oss_invalid_argument("PlaylistName is not valid.", name="PlaylistName", value=playlist)
    ET.SubElement(target, "PlaylistName").text = playlist
    ET.SubElement(root, "LastModified").text = iso_millis(now_s)
    return ET.tostring(root, encoding="unicode")


def _switch(root: ET.Element, status: str) -> None:
    node = root.find("Status")
    if status not in _STATES or node is None:
        raise oss_invalid_argument("The status of a live channel is enabled or disabled.", name="status", value=status)
    node.text = status


def _playlist(bucket: Bucket, name: str) -> str:
    root = ET.fromstring(bucket.settings[f"live/{name}"])  # noqa: S314 - our own text
    return root.findtext("Target/PlaylistName") or ""


def _urls(request: OssRequest, name: str, playlist: str) -> str:
    host = request.host if request.host.startswith(f"{request.bucket}.") else f"{request.bucket}.{request.host}"
    publish = oss_xml.elements([("Url", f"rtmp://{host}/live/{quote(name)}")])
    play = oss_xml.elements([("Url", f"http://{host}/{quote(name)}/{quote(playlist)}")])
    return f"<PublishUrls>{publish}</PublishUrls><PlayUrls>{play}</PlayUrls>"


def _list(request: OssRequest, bucket: Bucket) -> OssAnswer:
    limit = limit_of(request, "max-keys", default=100)
    prefix, marker = request.param("prefix"), request.param("marker")
    names = sorted(place.removeprefix("live/") for place in bucket.settings if place.startswith("live/"))
    names = [name for name in names if name.startswith(prefix) and name > marker]
    shown, truncated = names[:limit], len(names) > limit
    pairs = [
        ("Prefix", prefix),
        ("Marker", marker),
        ("MaxKeys", str(limit)),
        ("IsTruncated", "true" if truncated else "false"),
        ("NextMarker", shown[-1] if truncated else ""),
    ]
    return OssAnswer(
        200, body=oss_xml.document("ListLiveChannelResult", pairs, "".join(_row(request, bucket, n) for n in shown))
    )


def _row(request: OssRequest, bucket: Bucket, name: str) -> str:
    root = ET.fromstring(bucket.settings[f"live/{name}"])  # noqa: S314 - our own text
    pairs = [
        ("Name", name),
        *((field, root.findtext(field) or "") for field in ("Description", "Status", "LastModified")),
    ]
    return f"<LiveChannel>{oss_xml.elements(pairs)}{_urls(request, name, _playlist(bucket, name))}</LiveChannel>"


def _no_pieces(request: OssRequest) -> OssError:
    """Return the refusal of a playlist: for its times, or because nothing was ever pushed."""
    start, end = (request.param(name) for name in ("startTime", "endTime"))
    if not (_TIME.fullmatch(start) and _TIME.fullmatch(end) and 0 < int(end) - int(start) < MAX_SPAN_S):
        return oss_invalid_argument("The times of a playlist are not valid.", name="startTime", value=start)
    return oss_invalid_argument("No ts file found in specified time span.", name="startTime", value=start)
