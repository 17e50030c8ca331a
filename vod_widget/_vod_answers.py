"""What the answers of VOD and STS hold: pure readers of their JSON.

Base of floor 2, used by `vod_api.py` alone; imports floor 0 and `_vod_faults`; any thread. They run inside `perform`,
so that no frame that a traceback shows holds an answer with keys in it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ._answer import Answer
from ._vod_faults import unexpected
from .errors import CredentialError, InvalidArgumentError
from .instants import unix_s
from .model import Category, Credentials, Grant, UploadAddress, UploadAuth, VideoStatus

__all__ = ["categories", "grant", "json_object", "role_key", "stream", "texts", "video"]

_PLAYED_BY_BROWSERS = frozenset({"mp4", "m3u8", "mp3", "webm", "m4a"})


def json_object(content: bytes) -> dict[str, Any] | None:
    """Read a body; None when it is no object."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def grant(action: str, data: dict[str, Any], answer: Answer, id_name: str, *, now_s: float, offset_s: float) -> Grant:
    """Read the permission for one file; instants are those of our clock.

    Args:
        action: The call.
        data: Its answer.
        answer: It with its status and ids.
        id_name: Field of the asset's id.
        now_s: Our time, Unix seconds.
        offset_s: The server's time minus ours.
    """
    media_id = data.get(id_name)
    if not isinstance(media_id, str) or not media_id:
        raise unexpected(action, f"the answer has no {id_name}", answer)
    reason = ""
    try:
        auth = UploadAuth.decode(data.get("UploadAuth", ""), now_s=now_s + offset_s)
        address = UploadAddress.decode(data.get("UploadAddress", ""))
    except (CredentialError, InvalidArgumentError) as exc:
        reason = exc.message
    if reason:
        raise unexpected(action, reason, answer, code="Protocol.Auth")
    if offset_s:
        ends_s = auth.expires_at_s - offset_s
        keys = auth.credentials
        auth = replace(
            auth,
            credentials=Credentials(
                keys.access_key_id, keys.access_key_secret, keys.security_token, ends_s, keys.place
            ),
            expires_at_s=ends_s,
            issued_at_s=now_s,
        )
    image_url = data.get("ImageURL") if id_name == "ImageId" else None
    return Grant(
        auth,
        address,
        media_id,
        image_url=str(image_url) if image_url else None,
        request_id=str(data.get("RequestId") or "") or None,
    )


def role_key(data: dict[str, Any], answer: Answer, *, place: str, offset_s: float) -> Credentials:
    """Read the keys of a role; instants are those of our clock.

    Args:
        data: The answer of AssumeRole.
        answer: It with its status and ids.
        place: Where the keys come from, in words.
        offset_s: The server's time minus ours.
    """
    given: Any = data.get("Credentials")
    try:
        ends_s = unix_s(given["Expiration"])
        if ends_s is not None:
            return Credentials(
                given["AccessKeyId"],
                given["AccessKeySecret"],
                given["SecurityToken"],
                expires_at_s=ends_s - offset_s,
                place=place,
            )
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise unexpected("AssumeRole", "the answer has no usable Credentials", answer)


def texts(data: dict[str, Any], _answer: Answer) -> dict[str, str]:
    """Return the fields that are texts."""
    return {name: value for name, value in data.items() if isinstance(value, str)}


def video(data: dict[str, Any], answer: Answer) -> VideoStatus:
    """Read the answer of GetVideoInfo."""
    found = data.get("Video")
    if not isinstance(found, dict) or not found.get("VideoId"):
        raise unexpected("GetVideoInfo", "the answer has no Video", answer)
    size = str(found.get("Size") or "")  # numbers come as numbers or as texts
    return VideoStatus(
        str(found["VideoId"]),
        str(found.get("Status") or ""),
        title=str(found.get("Title") or ""),
        size_bytes=int(size) if size.isascii() and size.isdigit() and int(size) else None,
    )


def categories(data: dict[str, Any], parent: Category | None) -> list[tuple[Category, bool]]:
    """Read the categories below one, and whether each has some below it."""
    below = data.get("SubCategories")
    found = below.get("Category") if isinstance(below, dict) else None
    nodes = []
    for node in found if isinstance(found, list) else []:
        cate_id, name = node.get("CateId"), str(node.get("CateName") or "")
        if isinstance(cate_id, int) and name:
            path = f"{parent.path} / {name}" if parent else name
            category = Category(cate_id, name, path, parent.level + 1 if parent else 0)
            nodes.append((category, bool(node.get("SubTotal"))))
    return nodes


def stream(data: dict[str, Any]) -> str | None:
    """Choose what a browser plays: mp4, m3u8 or mp3 before anything else, in the order of the answer."""
    listed = data.get("PlayInfoList")
    found = listed.get("PlayInfo") if isinstance(listed, dict) else None
    streams = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    streams.sort(key=lambda one: str(one.get("Format")).lower() not in _PLAYED_BY_BROWSERS)
    urls = [str(one.get("PlayURL") or "") for one in streams]
    return next((url for url in urls if url.startswith(("https://", "http://"))), None)
