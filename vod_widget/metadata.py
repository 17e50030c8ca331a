"""What a file may say about itself: kinds, names, sizes, and the two things that are both called user data.

Every rule here is checked before anything is sent, so that a wrong title costs no asset. The two user data:

* `addFile`'s userData, a JSON object under the key `Vod` (title, tags, ... and `UserData` with the switches of the
  upload). It goes base64-encoded into the header x-oss-notification, and its fields become parameters of the API.
* the API's UserData, a JSON object with MessageCallback, Extend and AccelerateConfig. It goes to CreateUploadVideo.

Source: "Upload media files" (formats), "CreateUploadVideo", "CreateUploadImage" and "Request parameters" (UserData),
https://www.alibabacloud.com/help/en/vod, read 2026-11; what the header holds was read from the vendor's SDKs for the
web, mini programs and Android. Floor 1, pure: imports floor 0 only; safe in any thread.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .errors import InvalidArgumentError, RestrictionError
from .model import MediaType, UploadMetadata
from .names import clean_name, extension_of, shorten_name

__all__ = [
    "IMAGE_MAX_BYTES",
    "OBJECT_MAX_BYTES",
    "SUPPORTED_EXTENSIONS",
    "build_metadata",
    "check_size",
    "clean_name",
    "media_type_of",
    "parse_user_data",
]

TITLE_MAX_BYTES = 128
DESCRIPTION_MAX_BYTES = 1024
TAGS_MAX = 16
TAG_MAX_BYTES = 32
EXTEND_MAX_BYTES = 512
URL_MAX_BYTES = 1024
# base64 makes 8,000 of it, and common HTTP servers refuse a header line beyond 8 KiB; OSS states no limit.
NOTIFICATION_MAX_BYTES = 6000
IMAGE_MAX_BYTES = 5 * 1024**3
"""An image is one PutObject, since its credential cannot be refreshed. Source: "Limits", OSS, simple upload, 5 GB."""
OBJECT_MAX_BYTES = 10_000 * 5 * 1024**3
"""48.8 TiB: 10,000 parts of 5 GiB. Source: "Upload media files", limits."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SUPPORTED_EXTENSIONS: Mapping[MediaType, frozenset[str]] = MappingProxyType(
    {
        MediaType.VIDEO: _words(
            "mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 mjpeg mts ogg "
            "qt swf webm"
        ),
        MediaType.AUDIO: _words("mp3 wma wav aac ra m4a flac ape ac3 amr caf acm"),
        MediaType.IMAGE: _words("png jpg jpeg gif"),
    }
)
"""Extensions in lower case, without the dot. Source: "Upload media files", formats; CreateUploadImage, ImageExt."""

# A gif stands in two lists; CreateUploadImage takes it, and that is what people mean by one. media_type="video" sends
# it to CreateUploadVideo.
_GUESS_ORDER = (MediaType.IMAGE, MediaType.VIDEO, MediaType.AUDIO)
_GUESSES = {extension: kind for kind in reversed(_GUESS_ORDER) for extension in SUPPORTED_EXTENSIONS[kind]}

# Characters that the API refuses (IllegalCharacters): all of four bytes, and those below that show as a picture.
# Source: CreateUploadVideo, "emoji are not supported"; Unicode emoji-data, Emoji_Presentation=Yes.
_PICTURES = re.compile(
    "[\U00010000-\U0010ffff\ufe0f\u20e3\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615"
    "\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa"
    "\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_VOD_KEYS = _words(
    "Title Description CateId Tags CoverURL TemplateGroupId WorkflowId StorageLocation AppId ImageType ImageExt "
    "FileName FileSize TransCodeMode UserData"
)
_SWITCH_KEYS = _words("IsShowWaterMark Priority MessageCallback Extend AccelerateConfig")
_API_KEYS = ("MessageCallback", "Extend", "AccelerateConfig")
# The Android SDK spells it so; it means the same.
_ALIASES = {"CoverUrl": "CoverURL"}

_SAMPLE_HINT = (
    'Pass a dict, or JSON like {"Vod": {"Title": "Talk", "CateId": "234"}}; the sample in the vendor\'s document '
    'has one " too many before the last two braces.'
)


# Kinds ------------------------------------------------------------------------------------------------------


def media_type_of(name: str, override: MediaType | str | None = None) -> MediaType:
    """Tell what a file becomes, by its real extension.

    Args:
        name: File name; upper or lower case.
        override: `video`, `audio` or `image` when the caller knows better. Video and audio are the same call and
            accept the same extensions; a gif is an image unless this says `video`.

    Raises:
        RestrictionError: No extension, one that VOD does not take, or one that does not fit `override`
            (code `Restriction.Extension`).
        InvalidArgumentError: `override` is not one of the three words.

    Source: the module's. The vendor's SDK finds `jpg` anywhere in the name, so that `my_jpg.mp4` is an image there.
    """
    extension = extension_of(name)
    if override is None and (guess := _GUESSES.get(extension)) is not None:
        return guess
    kinds: tuple[MediaType, ...] = _GUESS_ORDER
    if override is not None:
        try:
            wanted = MediaType(override)
        except ValueError:
            raise InvalidArgumentError(
                f"media_type is {override!r}; it must be one of {', '.join(MediaType)}",
                hint="Use one of them, or leave it out.",
            ) from None
        kinds = (wanted,) if wanted is MediaType.IMAGE else (MediaType.VIDEO, MediaType.AUDIO)
        if any(extension in SUPPORTED_EXTENSIONS[kind] for kind in kinds):
            return wanted
    raise _extension_error(name, extension, kinds)


def _extension_error(name: str, extension: str, kinds: tuple[MediaType, ...]) -> RestrictionError:
    found = f"the extension .{extension}" if extension else "no extension"
    accepted = "; ".join(f"{kind}: {' '.join(sorted(SUPPORTED_EXTENSIONS[kind]))}" for kind in kinds)
    hint = "Rename the file to what it is, or convert it."
    if extension in ("heic", "heif"):
        hint = "Convert it to jpg: CreateUploadImage has no ImageExt for it, although the console takes heic."
    return RestrictionError(
        f"the file has {found}, which VOD does not take; accepted are {accepted}",
        code="Restriction.Extension",
        hint=hint,
        file_name=clean_name(name),
    )


def check_size(size_bytes: int, media_type: MediaType, file_name: str) -> None:
    """Check the length of a file before anything is sent.

    Args:
        size_bytes: Length; an image at most 5 GiB, anything else at most 48.8 TiB.
        media_type: Kind of asset.
        file_name: For the text of the error.

    Raises:
        RestrictionError: Empty (code `EmptyFile`) or too large (`Restriction.Size`).
    """
    if size_bytes < 0:
        raise InvalidArgumentError(f"a length of {size_bytes} bytes is not possible", file_name=file_name)
    if size_bytes == 0:
        raise RestrictionError(
            "the file is empty (0 bytes), and VOD keeps no empty asset",
            code="EmptyFile",
            hint="Check how the file was written, then add it again.",
            file_name=file_name,
        )
    is_image = media_type is MediaType.IMAGE
    limit_bytes, text = (IMAGE_MAX_BYTES, "5 GiB") if is_image else (OBJECT_MAX_BYTES, "48.8 TiB")
    if size_bytes > limit_bytes:
        raise RestrictionError(
            f"the file has {size_bytes} bytes; a {media_type} may have at most {text}",
            code="Restriction.Size",
            hint="Make the image smaller." if is_image else "Split the file.",
            file_name=file_name,
        )


# User data ------------------------------------------------------------------------------------------------------------


def parse_user_data(user_data: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Read what the caller gave as `user_data`.

    Args:
        user_data: JSON text or a dict with the key `Vod`, as in the vendor's SDKs; None is the same as not given.

    Returns:
        A dict of its own with `Vod` as a dict; {} for None. Keys that we do not know stay.

    Raises:
        RestrictionError: Not JSON (code `UserData.Json`), no object under `Vod` (`UserData.Vod`), or a key that is
            nearly one of the vendor's, such as `title` (`UserData.Key`).

    Source: "Upload SDK for mini programs", addFile; the attributes are CreateUploadVideo's.
    """
    if user_data is None:
        return {}
    # The round trip through text is the deep copy, and finds what JSON cannot hold.
    data = _load(user_data if isinstance(user_data, str) else _dump(user_data, "user_data"))
    vod = data.get("Vod") if isinstance(data, dict) else None
    if not isinstance(vod, dict):
        found = (
            f"has the keys {', '.join(sorted(map(str, data))) or '(none)'}" if isinstance(data, dict) else "is not one"
        )
        if isinstance(data, dict) and "Vod" in data:
            found = f"has {type(data['Vod']).__name__} there"
        raise RestrictionError(
            f"user_data must be an object with an object under the key Vod; this one {found}",
            code="UserData.Vod",
            hint=_SAMPLE_HINT,
        )
    _check_keys(vod, _VOD_KEYS, "Vod")
    switches = vod.get("UserData")
    if isinstance(switches, str) and switches.strip():  # the web SDK's samples give it as text, too
        switches = _load(switches)
    if switches in (None, ""):
        vod.pop("UserData", None)
    elif not isinstance(switches, dict):
        raise RestrictionError("Vod.UserData must be an object", code="UserData.Vod", hint=_SAMPLE_HINT)
    else:
        _check_keys(switches, _SWITCH_KEYS, "Vod.UserData")
        vod["UserData"] = switches
    return data  # type: ignore[no-any-return]  # a dict since `vod` is one


def _load(text: str) -> Any:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as exc:
        near = text[max(0, exc.pos - 12) : exc.pos + 12]
        where = f"{exc.msg} at character {exc.pos + 1} (line {exc.lineno}, column {exc.colno}), near {near!r}"
    except (ValueError, RecursionError) as exc:
        where = str(exc) if isinstance(exc, ValueError) else "it is nested too deeply"
    raise RestrictionError(f"user_data is not JSON: {where}", code="UserData.Json", hint=_SAMPLE_HINT)


def _dump(value: Any, field: str) -> str:
    try:
        if isinstance(value, Mapping):
            value = dict(value)
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise RestrictionError(
            f"{field} holds a value that JSON cannot express",
            code="UserData.Json",
            hint="Use only texts, numbers, true/false, lists and dicts.",
        ) from None


def _check_keys(data: dict[str, Any], known: frozenset[str], place: str) -> None:
    """Refuse a key that is nearly a known one; VOD would ignore it in silence. Others pass, as in the vendor's SDKs."""
    plain = {_plain(key): key for key in known}
    for key in data:
        meant = plain.get(_plain(key))
        if meant is not None and key != meant and key not in _ALIASES:
            raise RestrictionError(
                f"{place} has the key {key!r}, which VOD does not know",
                code="UserData.Key",
                hint=f"Did you mean {meant!r}? Upper and lower case count.",
            )


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").replace(" ", "").casefold()


# Fields ---------------------------------------------------------------------------------------------------------------


def plain_metadata(file_name: str, media_type: MediaType) -> UploadMetadata:
    """Return what `build_metadata` returns when nothing but the name is given."""
    return UploadMetadata(title=_default_title(file_name), image_type=_image_type(None, media_type))


def build_metadata(
    *,
    file_name: str,
    media_type: MediaType,
    user_data: str | Mapping[str, Any] | None = None,
    title: str | None = None,
    description: str | None = None,
    tags: str | Iterable[str] | None = None,
    cate_id: int | str | None = None,
    template_group_id: str | None = None,
    workflow_id: str | None = None,
    storage_location: str | None = None,
    app_id: str | None = None,
    cover_url: str | None = None,
    show_watermark: bool | None = None,
    priority: int | str | None = None,
    message_callback: str | Mapping[str, Any] | None = None,
    extend: Any = None,
    image_type: str | None = None,
) -> UploadMetadata:
    """Check everything that a file tells VOD about itself. A keyword wins over the same field of `user_data`.

    Fields that CreateUploadImage has not (cover, templates, workflow) are kept but not sent for an image, so that one
    set of keywords fits a mixed list of files.

    Args:
        file_name: Name of the file; it is the title when none is given, shortened and without pictures if need be,
            since the person did not choose it.
        media_type: Kind of asset.
        user_data: See `parse_user_data`.
        title: 1 to 128 bytes of UTF-8, no emoji.
        description: At most 1,024 bytes, no emoji.
        tags: At most 16 of at most 32 bytes each; a list, or one text with commas.
        cate_id: Category; a whole number or its text.
        template_group_id: Transcoding template group.
        workflow_id: Workflow; VOD lets it win over the template group.
        storage_location: Storage address of the account.
        app_id: Application.
        cover_url: http(s) address of a cover.
        show_watermark: False turns the account's watermark off for this file.
        priority: Transcoding priority, a whole number of at most three digits or its text.
        message_callback: Where VOD reports this file: an http(s) URL, or {"CallbackURL", "CallbackType": "http"}.
        extend: Anything that JSON can express, at most 512 bytes of it; comes back in callbacks.
        image_type: `default` or `cover`.

    Raises:
        RestrictionError: A field breaks a limit; the text names field, limit and actual size. Codes as the API's where
            it has one: `LengthExceededMax`, `TagsExceededMax`, `IllegalCharacters`; else `Restriction.Field`.

    Source: the module's. The service counts the bytes of a title, not its characters (its error text says so).
    """
    try:
        return _build(
            file_name=file_name,
            media_type=media_type,
            user_data=user_data,
            overrides={
                "Title": title,
                "Description": description,
                "Tags": tags,
                "CateId": cate_id,
                "CoverURL": cover_url,
                "TemplateGroupId": template_group_id,
                "WorkflowId": workflow_id,
                "StorageLocation": storage_location,
                "AppId": app_id,
                "ImageType": image_type,
            },
            switch_overrides={
                "IsShowWaterMark": show_watermark,
                "Priority": priority,
                "MessageCallback": message_callback,
                "Extend": extend,
            },
        )
    except RestrictionError as exc:
        exc.file_name = clean_name(file_name)  # the checks below know fields, not files
        raise


def _build(
    *,
    file_name: str,
    media_type: MediaType,
    user_data: str | Mapping[str, Any] | None,
    overrides: dict[str, Any],
    switch_overrides: dict[str, Any],
) -> UploadMetadata:
    given = parse_user_data(user_data)
    vod: dict[str, Any] = given.get("Vod", {})
    switches: dict[str, Any] = dict(vod.get("UserData", {}))

    switches.update((key, value) for key, value in switch_overrides.items() if value is not None)
    for key, check in (("IsShowWaterMark", _switch), ("Priority", _priority), ("MessageCallback", _callback)):
        if key in switches:
            switches[key] = check(switches[key])
    if "Extend" in switches:
        _limit(_dump(switches["Extend"], "Extend"), "Extend (as JSON)", EXTEND_MAX_BYTES)

    cover = "CoverUrl" if "CoverUrl" in vod and "CoverURL" not in vod else "CoverURL"
    overrides = {**overrides, cover: overrides["CoverURL"]}
    chosen = {key: vod.get(key) if value is None else value for key, value in overrides.items()}
    checked: dict[str, Any] = {
        "Title": _default_title(file_name) if chosen["Title"] is None else _title(chosen["Title"]),
        "Description": _description(chosen["Description"]),
        "Tags": _tags(chosen["Tags"]),
        "CateId": _cate_id(chosen["CateId"]),
        cover: _url(chosen[cover], "CoverURL"),
        "ImageType": _image_type(chosen["ImageType"], media_type),
    }
    for key in ("TemplateGroupId", "WorkflowId", "StorageLocation", "AppId"):
        checked[key] = _word(chosen[key], key)
    for key, value in overrides.items():
        if value is not None and key in vod:  # the notification must not contradict the call
            vod[key] = ",".join(checked[key]) if key == "Tags" else checked[key]
    is_notified = user_data is not None or any(
        switch_overrides[key] is not None for key in ("IsShowWaterMark", "Priority")
    )
    return UploadMetadata(
        title=checked["Title"],
        description=checked["Description"],
        tags=checked["Tags"],
        cate_id=checked["CateId"],
        cover_url=checked[cover],
        template_group_id=checked["TemplateGroupId"],
        workflow_id=checked["WorkflowId"],
        storage_location=checked["StorageLocation"],
        app_id=checked["AppId"],
        api_user_data=_api_user_data(switches),
        notification=_notification(given, vod, switches) if is_notified else None,
        image_type=checked["ImageType"],
    )


def _api_user_data(switches: dict[str, Any]) -> str | None:
    data = {key: switches[key] for key in _API_KEYS if key in switches}
    text = _dump(data, "UserData") if data else None
    if text is not None and _CONTROLS.search(text):
        _refuse_characters("UserData", "a control character or half of a character")
    return text


def _notification(given: dict[str, Any], vod: dict[str, Any], switches: dict[str, Any]) -> str:
    """Build the text of x-oss-notification. Without user data there is none; the vendor's SDK sends an empty header."""
    # MessageCallback, Extend and AccelerateConfig given as keywords belong to the API's UserData alone.
    own = vod.get("UserData", {})
    inner = {key: value for key, value in switches.items() if key in own or key not in _API_KEYS}
    body = {**vod, "UserData": inner} if inner else vod
    text = _dump({**given, "Vod": body}, "user_data")
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > NOTIFICATION_MAX_BYTES:
        raise RestrictionError(
            f"user_data has {size_bytes} bytes as JSON; at most {NOTIFICATION_MAX_BYTES} fit into the header",
            code="UserData.Size",
            hint="Shorten it; put long texts elsewhere and refer to them.",
        )
    if _CONTROLS.search(text):
        _refuse_characters("user_data", "a control character or half of a character")
    return text


def _limit(text: str, field: str, limit_bytes: int) -> None:
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > limit_bytes:
        raise RestrictionError(
            f"{field} has {size_bytes} bytes in UTF-8 ({len(text)} characters); at most {limit_bytes} are allowed",
            code="LengthExceededMax",
            hint=f"Shorten it by {size_bytes - limit_bytes} bytes; a Chinese character has three.",
        )


def _refuse_characters(field: str, what: str) -> NoReturn:
    raise RestrictionError(f"{field} holds {what}, which VOD refuses", code="IllegalCharacters", hint="Take it out.")


def _refuse_field(field: str, rule: str, value: Any) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise RestrictionError(f"{field} must be {rule}, not {shown}", code="Restriction.Field", hint=f"Correct {field}.")


def _text(value: Any, field: str, limit_bytes: int) -> str:
    if not isinstance(value, str):
        _refuse_field(field, "a text", value)
    _limit(value, field, limit_bytes)
    picture = _PICTURES.search(value)
    if picture:
        _refuse_characters(field, f"the character U+{ord(picture[0]):04X} (emoji or beyond three bytes)")
    if _CONTROLS.search(value):
        _refuse_characters(field, "a control character or half of a character")
    return value


def _title(value: Any) -> str:
    text = _text(value, "Title", TITLE_MAX_BYTES)
    if not text.strip():
        raise RestrictionError(
            "Title is empty; 1 to 128 bytes are allowed",
            code="Restriction.Field",
            hint="Give a title, or leave it out to use the file's name.",
        )
    return text


def _default_title(file_name: str) -> str:
    """The file's name, as in the vendor's SDKs, made to fit."""
    text = _PICTURES.sub("", clean_name(file_name)).strip()
    text = shorten_name(text, TITLE_MAX_BYTES).strip()
    return text if text.strip(". ") else "file"


def _description(value: Any) -> str | None:
    return _text(value, "Description", DESCRIPTION_MAX_BYTES) or None if value is not None else None


def _tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        words: list[Any] = value.split(",")
    elif isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        words = list(value)
    else:
        _refuse_field("Tags", "a list of texts or one text with commas", value)
    tags: list[str] = []
    for word in words:
        tag = word.strip() if isinstance(word, str) else word
        tag = _text(tag, f"the tag {str(tag)[:12]!r}", TAG_MAX_BYTES)
        if "," in tag:
            _refuse_field("a tag", "a text without a comma, which separates tags", tag)
        if tag and tag not in tags:
            tags.append(tag)
    if len(tags) > TAGS_MAX:
        raise RestrictionError(
            f"there are {len(tags)} tags; at most {TAGS_MAX} are allowed",
            code="TagsExceededMax",
            hint=f"Leave {len(tags) - TAGS_MAX} out.",
        )
    return tuple(tags)


def _whole_number(value: Any) -> int | None:
    """A whole number from a number or its text; tables give 234.0 and numpy's integers. None when it is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value) else None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        return None


def _cate_id(value: Any) -> int | None:
    if value is None or value == "":
        return None
    number = _whole_number(value)
    if number is None or not -(2**63) <= number < 2**63:
        _refuse_field("CateId", "a whole number (the category's id)", value)
    return number


def _priority(value: Any) -> str:
    number = _whole_number(value)
    if number is None or not 0 <= number <= 999:
        _refuse_field("Priority", "a whole number from 0 to 999", value)
    return str(number)


def _switch(value: Any) -> str:
    text = str(value).lower() if isinstance(value, (bool, str)) else ""
    if text not in ("true", "false"):
        _refuse_field("IsShowWaterMark", "true or false", value)
    return text


def _url(value: Any, field: str) -> str | None:
    if value is None or value == "":
        return None
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        is_good = parts is not None and parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        _refuse_field(field, "an http or https URL", value)
    _limit(value, field, URL_MAX_BYTES)
    return str(value)


def _callback(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = {"CallbackURL": value}
    if not isinstance(value, Mapping):
        _refuse_field("MessageCallback", "a URL or an object with CallbackURL", value)
    data = dict(value)
    _check_keys(data, _words("CallbackURL CallbackType"), "MessageCallback")
    url = _url(data.get("CallbackURL"), "MessageCallback.CallbackURL")
    if url is None:
        _refuse_field("MessageCallback.CallbackURL", "an http or https URL", data.get("CallbackURL"))
    if data.get("CallbackType", "http") != "http":
        _refuse_field("MessageCallback.CallbackType", "http, the only kind there is", data["CallbackType"])
    return {**data, "CallbackURL": url, "CallbackType": "http"}


def _word(value: Any, field: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,128}", value):
        _refuse_field(field, "1 to 128 printable ASCII characters without a space", value)
    return value


def _image_type(value: Any, media_type: MediaType) -> str:
    if value is None or value == "":
        return "default"
    if media_type is MediaType.IMAGE and value not in ("default", "cover"):
        _refuse_field("ImageType", "default or cover", value)
    return str(value)
