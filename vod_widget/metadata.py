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

import functools
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from .errors import InvalidArgumentError, RestrictionError
from .fields import (
    CONTROLS,
    EXTEND_MAX_BYTES,
    callback_of,
    cate_id_of,
    check_keys,
    default_title,
    description_of,
    image_type_of,
    limit,
    priority_of,
    refuse_characters,
    switch_of,
    tags_of,
    title_of,
    url_of,
    word_of,
    words,
)
from .model import MediaType, UploadMetadata
from .names import clean_name, extension_of

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

# base64 makes 8,000 of it, and common HTTP servers refuse a header line beyond 8 KiB; OSS states no limit.
NOTIFICATION_MAX_BYTES = 6000
IMAGE_MAX_BYTES = 5 * 1024**3
"""An image is one PutObject, since its credential cannot be refreshed. Source: "Limits", OSS, simple upload, 5 GB."""
OBJECT_MAX_BYTES = 10_000 * 5 * 1024**3
"""48.8 TiB: 10,000 parts of 5 GiB. Source: "Upload media files", limits."""


SUPPORTED_EXTENSIONS: Mapping[MediaType, frozenset[str]] = MappingProxyType(
    {
        MediaType.VIDEO: words(
            "mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 mjpeg mts ogg "
            "qt swf webm"
        ),
        MediaType.AUDIO: words("mp3 wma wav aac ra m4a flac ape ac3 amr caf acm"),
        MediaType.IMAGE: words("png jpg jpeg gif"),
    }
)
"""Extensions in lower case, without the dot. Source: "Upload media files", formats; CreateUploadImage, ImageExt."""

# A gif stands in two lists; CreateUploadImage takes it, and that is what people mean by one. media_type="video" sends
# it to CreateUploadVideo.
_GUESS_ORDER = (MediaType.IMAGE, MediaType.VIDEO, MediaType.AUDIO)
_GUESSES = {extension: kind for kind in reversed(_GUESS_ORDER) for extension in SUPPORTED_EXTENSIONS[kind]}

_VOD_KEYS = words(
    "Title Description CateId Tags CoverURL TemplateGroupId WorkflowId StorageLocation AppId ImageType ImageExt "
    "FileName FileSize TransCodeMode UserData"
)
_SWITCH_KEYS = words("IsShowWaterMark Priority MessageCallback Extend AccelerateConfig")
_API_KEYS = ("MessageCallback", "Extend", "AccelerateConfig")
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
    check_keys(vod, _VOD_KEYS, "Vod")
    switches = vod.get("UserData")
    if isinstance(switches, str) and switches.strip():  # the web SDK's samples give it as text, too
        switches = _load(switches)
    if switches in (None, ""):
        vod.pop("UserData", None)
    elif not isinstance(switches, dict):
        raise RestrictionError("Vod.UserData must be an object", code="UserData.Vod", hint=_SAMPLE_HINT)
    else:
        check_keys(switches, _SWITCH_KEYS, "Vod.UserData")
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


# Fields ---------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)  # asked for several times while a file is sent
def plain_metadata(file_name: str, media_type: MediaType) -> UploadMetadata:
    """Return what `build_metadata` returns when nothing but the name is given."""
    return UploadMetadata(title=default_title(file_name), image_type=image_type_of(None, media_type))


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
    for key, check in (("IsShowWaterMark", switch_of), ("Priority", priority_of), ("MessageCallback", callback_of)):
        if key in switches:
            switches[key] = check(switches[key])
    if "Extend" in switches:
        limit(_dump(switches["Extend"], "Extend"), "Extend (as JSON)", EXTEND_MAX_BYTES)

    cover = "CoverUrl" if "CoverUrl" in vod and "CoverURL" not in vod else "CoverURL"
    overrides = {**overrides, cover: overrides["CoverURL"]}
    chosen = {key: vod.get(key) if value is None else value for key, value in overrides.items()}
    checked: dict[str, Any] = {
        "Title": default_title(file_name) if chosen["Title"] is None else title_of(chosen["Title"]),
        "Description": description_of(chosen["Description"]),
        "Tags": tags_of(chosen["Tags"]),
        "CateId": cate_id_of(chosen["CateId"]),
        cover: url_of(chosen[cover], "CoverURL"),
        "ImageType": image_type_of(chosen["ImageType"], media_type),
    }
    for key in ("TemplateGroupId", "WorkflowId", "StorageLocation", "AppId"):
        checked[key] = word_of(chosen[key], key)
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
    if text is not None and CONTROLS.search(text):
        refuse_characters("UserData", "a control character or half of a character")
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
    if CONTROLS.search(text):
        refuse_characters("user_data", "a control character or half of a character")
    return text
