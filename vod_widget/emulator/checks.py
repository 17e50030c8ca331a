"""Rules for the values of RPC parameters: lengths, tags, extensions, JSON.

What lives here: functions that take the parameters of one call and return a clean value or
raise `RpcError`. It imports `errors` only; pure, any thread.

Sources: VOD "Media upload/CreateUploadVideo", "CreateUploadImage", "Appendix/Request
parameters", "Upload Medias/Overview" (extensions). All lengths count UTF-8 bytes: the error
text says bytes, although one table says characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from time import strftime, strptime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from vod_widget.emulator import strict_json
from vod_widget.emulator.errors import RpcError, invalid_parameter, missing_parameter, too_long

Params = Mapping[str, str]

MAX_TITLE_BYTES = 128
MAX_DESCRIPTION_BYTES = 1024
MAX_TAGS = 16
MAX_TAG_BYTES = 32
MAX_EXTEND_BYTES = 512
MAX_PAGE_SIZE = 100
MAX_CATEGORIES = 5
MAX_IDS = 20
# Ids and sizes are of the type Long.
MAX_LONG = 2**63 - 1
# Where no limit is: what a date can still be made of.
_FOREVER_S = 10**9


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VIDEO_EXTENSIONS = _words(
    "mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 "
    "mjpeg mts ogg qt swf webm"
)
AUDIO_EXTENSIONS = _words("mp3 wma wav aac ra m4a flac ape ac3 amr caf acm")
IMAGE_EXTENSIONS = _words("png jpg jpeg gif")
ATTACHED_EXTENSIONS: Mapping[str, frozenset[str]] = {
    "watermark": _words("png gif apng mov"),
    "subtitle": _words("srt ass stl ttml vtt"),
    "material": _words("jpg gif png mp4 mat zip"),
}

# Code points that show as a picture without a variation selector, below U+1F000.
# Source: Unicode emoji-data, Emoji_Presentation=Yes.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\ufe0f\u20e3\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614"
    "\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea"
    "\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-"
    "\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]"
)
_REFERENCE_ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_MOMENT_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")
_STORAGE_HOST = re.compile(r"(?:out|outin|outside)-[a-z0-9-]+\.oss-[a-z0-9-]+\.aliyuncs\.com")
_TEMPLATE_GROUP = re.compile(r"[0-9a-fA-F]{32}|VOD_NO_TRANSCODE")


def require(params: Params, name: str) -> str:
    """Return a required parameter; an empty one counts as absent."""
    value = params.get(name, "")
    if not value:
        raise missing_parameter(name)
    return value


def text(params: Params, name: str, limit_bytes: int) -> str:
    """Return a text within its limit and without emoji; absent is ""."""
    value = params.get(name, "")
    if len(value.encode("utf-8", "surrogateescape")) > limit_bytes:
        raise too_long(name, limit_bytes)
    if _EMOJI.search(value):
        raise RpcError(400, "IllegalCharacters", f"The {name} contains illegal characters.")
    return value


def title(params: Params, *, required: bool) -> str:
    """Return the Title."""
    if required:
        require(params, "Title")
    return text(params, "Title", MAX_TITLE_BYTES)


def description(params: Params) -> str:
    """Return the Description."""
    return text(params, "Description", MAX_DESCRIPTION_BYTES)


def tags(params: Params) -> str:
    """Return Tags as sent; the order is the caller's."""
    value = text(params, "Tags", 1 << 20)
    items = [item for item in value.split(",") if item]
    if len(items) > MAX_TAGS:
        raise RpcError(400, "TagsExceededMax", f"The Tags exceed the maximum of {MAX_TAGS} tags.")
    for item in items:
        if len(item.encode("utf-8", "surrogateescape")) > MAX_TAG_BYTES:
            raise too_long("Tags", MAX_TAG_BYTES)
    return ",".join(items)


def integer(params: Params, name: str, *, low: int = 0, high: int = MAX_LONG, default: int | None = None) -> int | None:
    """Return a whole number from `low` to `high`, or `default` when absent."""
    value = params.get(name, "")
    if not value:
        return default
    if not re.fullmatch(r"-?[0-9]{1,19}", value) or not low <= int(value) <= high:
        raise invalid_parameter(name, f"expected a whole number from {low} to {high}.")
    return int(value)


def page(params: Params) -> tuple[int, int]:
    """Return PageNo and PageSize. Source: GetVideoList, GetCategories, SearchMedia: 1 and 10, at most 100 a page."""
    number = integer(params, "PageNo", low=1, default=1) or 1
    return number, integer(params, "PageSize", low=1, high=MAX_PAGE_SIZE, default=10) or 10


def boolean(params: Params, name: str) -> bool:
    """Return a truth value, False when absent; Python's SDKs write True with a capital."""
    return one_of({name: params.get(name, "").lower()}, name, {"true", "false"}, "false") == "true"


def words(params: Params, name: str, allowed: Collection[str]) -> frozenset[str]:
    """Return the words of a comma separated list, each of which is an allowed one."""
    found = frozenset(item for item in params.get(name, "").split(",") if item)
    if not found <= frozenset(allowed):
        raise invalid_parameter(name, f"expected some of {', '.join(sorted(allowed))}.")
    return found


def moment(params: Params, name: str) -> str:
    """Return a time as VOD writes it, "" when absent."""
    value = params.get(name, "")
    wrong = invalid_parameter(name, "expected a time as 2026-01-31T23:59:59Z.")
    if value and not _MOMENT.fullmatch(value):
        raise wrong
    try:
        return value and strftime(_MOMENT_FORMAT, strptime(value, _MOMENT_FORMAT))
    except ValueError as exc:
        raise wrong from exc


def web_address(text: str) -> SplitResult | None:
    """Return the parts of an http or https address; None when it is none."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if good else None


def auth_timeout(params: Params, longest_s: int) -> int:
    """Return for how many seconds a URL shall work; those of the origin have a longest time.

    Source: GetMezzanineInfo, GetImageInfo, GetAttachedMediaInfo (30 days), GetPlayInfo (7 days): AuthTimeout with
    OutputType oss; no limit with cdn.
    """
    by_origin = one_of(params, "OutputType", {"oss", "cdn"}, "cdn") == "oss"
    high = longest_s if by_origin else MAX_LONG
    return min(integer(params, "AuthTimeout", low=1, high=high, default=3600) or 3600, _FOREVER_S)


def category_ids(params: Params) -> tuple[int, ...]:
    """Return CateIds, at most five. Source: CreateUploadAttachedMedia."""
    items = [item for item in params.get("CateIds", "").split(",") if item]
    if len(items) > MAX_CATEGORIES:
        raise invalid_parameter("CateIds", f"at most {MAX_CATEGORIES}.")
    return tuple(number for item in items if (number := integer({"CateIds": item}, "CateIds")) is not None)


def session_id(params: Params) -> str:
    """Return SessionId, "" when absent. Source: UploadMediaByURL: up to 50 letters, digits, hyphens, underscores."""
    value = params.get("SessionId", "")
    if value and not _SESSION_ID.fullmatch(value):
        raise invalid_parameter("SessionId", "expected at most 50 of A-Z a-z 0-9 - _.")
    return value


def one_of(params: Params, name: str, allowed: Collection[str], default: str = "") -> str:
    """Return one of the allowed words; without a default the parameter is required."""
    value = params.get(name, "") or default or require(params, name)
    if value not in allowed:
        raise invalid_parameter(name, f"expected one of {', '.join(sorted(allowed))}.")
    return value


def extension(file_name: str) -> str:
    """Return the lower-case extension of a file name or path, "" when there is none."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, tail = last.rpartition(".")
    return tail.lower() if dot and stem else ""


def media_file_name(params: Params) -> tuple[str, str]:
    """Return FileName and its extension, which must be a video's or an audio's."""
    name = require(params, "FileName")
    found = extension(name)
    if found not in VIDEO_EXTENSIONS | AUDIO_EXTENSIONS:
        raise RpcError(400, "InvalidFileName.Extension", "The specified FileName's extension is illegal.")
    return name, found


def ids(params: Params, name: str, too_many: str = "VideoIdsExceededMax") -> list[str]:
    """Return the required comma separated ids as sent, each once, at most 20; `too_many` is the code beyond."""
    items = list(dict.fromkeys(item.strip() for item in require(params, name).split(",") if item.strip()))
    if not items:
        raise invalid_parameter(name, "no id in it.")
    if len(items) > MAX_IDS:
        raise RpcError(400, too_many, f"The {name} exceed the maximum of {MAX_IDS}.")
    return items


def reference_id(params: Params) -> str:
    """Return ReferenceId, "" when absent.

    Source: newer CreateUploadVideo pages: 6 to 64 letters, digits, hyphens, underscores; which
    code a bad one gets is not documented (ours: InvalidParameter).
    """
    value = params.get("ReferenceId", "")
    if value and not _REFERENCE_ID.fullmatch(value):
        raise invalid_parameter("ReferenceId", "expected 6 to 64 of A-Z a-z 0-9 - _.")
    return value


def template_group_id(params: Params, known: frozenset[str] | None) -> str:
    """Return TemplateGroupId or raise InvalidTemplateGroupId.NotFound."""
    value = params.get("TemplateGroupId", "")
    if value and not (_TEMPLATE_GROUP.fullmatch(value) if known is None else value in known):
        raise RpcError(404, "InvalidTemplateGroupId.NotFound", "The TemplateGroupId does not exist.")
    return value


def storage_location(params: Params, own: str, known: frozenset[str] | None) -> str:
    """Return StorageLocation, the account's own by default, or raise InvalidStorage.NotFound."""
    value = params.get("StorageLocation", "") or own
    if value != own and not (_STORAGE_HOST.fullmatch(value) if known is None else value in known):
        raise RpcError(404, "InvalidStorage.NotFound", "The StorageLocation does not exist.")
    return value


def user_data(params: Params) -> dict[str, Any]:
    """Return UserData parsed; {} when absent.

    Source: VOD "Appendix/Request parameters": a JSON object with MessageCallback, Extend (at
    most 512 bytes), AccelerateConfig.
    """
    raw = params.get("UserData", "")
    if not raw:
        return {}
    try:
        value = strict_json.loads(raw)
    except ValueError as exc:
        raise invalid_parameter("UserData", "not JSON.") from exc
    if not isinstance(value, dict):
        raise invalid_parameter("UserData", "expected a JSON object.")
    if "Extend" in value:
        extend = value["Extend"]
        dumped = extend if isinstance(extend, str) else _compact(extend)
        if len(dumped.encode("utf-8", "surrogatepass")) > MAX_EXTEND_BYTES:
            raise too_long("Extend", MAX_EXTEND_BYTES)
    callback = value.get("MessageCallback")
    if callback is not None:
        _check_callback(callback)
    return value


def _check_callback(callback: object) -> None:
    if not isinstance(callback, dict):
        raise invalid_parameter("UserData", "MessageCallback must be an object.")
    if callback.get("CallbackType", "http") != "http":
        raise invalid_parameter("UserData", "CallbackType must be http.")
    url = callback.get("CallbackURL")
    if not isinstance(url, str) or web_address(url) is None:
        raise invalid_parameter("UserData", "CallbackURL must be an http or https address.")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
