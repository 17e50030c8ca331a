"""The fields of an asset, one by one: what each may hold, and how it is read from what a person or a table gave.

Every function here takes one value as it was given, None or "" for none, and raises `RestrictionError` with the field,
the rule and what was given. Source: "CreateUploadVideo" and "CreateUploadImage",
https://www.alibabacloud.com/help/en/vod, read 2026-11. Floor 1, pure: imports floor 0 only; safe in any thread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .errors import RestrictionError
from .model import MediaType
from .names import clean_name, shorten_name

__all__ = [
    "CONTROLS",
    "EXTEND_MAX_BYTES",
    "callback_of",
    "cate_id_of",
    "check_keys",
    "default_title",
    "description_of",
    "image_type_of",
    "limit",
    "priority_of",
    "refuse_characters",
    "switch_of",
    "tags_of",
    "title_of",
    "url_of",
    "word_of",
    "words",
]

TITLE_MAX_BYTES = 128
DESCRIPTION_MAX_BYTES = 1024
TAGS_MAX = 16
TAG_MAX_BYTES = 32
EXTEND_MAX_BYTES = 512
URL_MAX_BYTES = 1024

# Characters that the API refuses (IllegalCharacters): all of four bytes, and those below that show as a picture.
# Source: CreateUploadVideo, "emoji are not supported"; Unicode emoji-data, Emoji_Presentation=Yes.
_PICTURES = re.compile(
    "[\U00010000-\U0010ffff\ufe0f\u20e3\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615"
    "\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa"
    "\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55]"
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# The Android SDK spells it so; it means the same.
_ALIASES = {"CoverUrl": "CoverURL"}


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def check_keys(data: dict[str, Any], known: frozenset[str], place: str) -> None:
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


def limit(text: str, field: str, limit_bytes: int) -> None:
    """Refuse a text of more bytes of UTF-8."""
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > limit_bytes:
        raise RestrictionError(
            f"{field} has {size_bytes} bytes in UTF-8 ({len(text)} characters); at most {limit_bytes} are allowed",
            code="LengthExceededMax",
            hint=f"Shorten it by {size_bytes - limit_bytes} bytes; a Chinese character has three.",
        )


def refuse_characters(field: str, what: str) -> NoReturn:
    """Say that a text holds what VOD does not take."""
    raise RestrictionError(f"{field} holds {what}, which VOD refuses", code="IllegalCharacters", hint="Take it out.")


def _refuse_field(field: str, rule: str, value: Any) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise RestrictionError(f"{field} must be {rule}, not {shown}", code="Restriction.Field", hint=f"Correct {field}.")


def text_of(value: Any, field: str, limit_bytes: int) -> str:
    if not isinstance(value, str):
        _refuse_field(field, "a text", value)
    limit(value, field, limit_bytes)
    picture = _PICTURES.search(value)
    if picture:
        refuse_characters(field, f"the character U+{ord(picture[0]):04X} (emoji or beyond three bytes)")
    if CONTROLS.search(value):
        refuse_characters(field, "a control character or half of a character")
    return value


def title_of(value: Any) -> str:
    """1 to 128 bytes, not only spaces."""
    text = text_of(value, "Title", TITLE_MAX_BYTES)
    if not text.strip():
        raise RestrictionError(
            "Title is empty; 1 to 128 bytes are allowed",
            code="Restriction.Field",
            hint="Give a title, or leave it out to use the file's name.",
        )
    return text


def default_title(file_name: str) -> str:
    """The file's name, as in the vendor's SDKs, made to fit."""
    text = _PICTURES.sub("", clean_name(file_name)).strip()
    text = shorten_name(text, TITLE_MAX_BYTES).strip()
    return text if text.strip(". ") else "file"


def description_of(value: Any) -> str | None:
    """At most 1,024 bytes."""
    return text_of(value, "Description", DESCRIPTION_MAX_BYTES) or None if value is not None else None


def tags_of(value: Any) -> tuple[str, ...]:
    """At most 16 of at most 32 bytes each, none twice; a list, or one text with commas."""
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
        tag = text_of(tag, f"the tag {str(tag)[:12]!r}", TAG_MAX_BYTES)
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


def cate_id_of(value: Any) -> int | None:
    """A whole number of 64 bits, or its text."""
    if value is None or value == "":
        return None
    number = _whole_number(value)
    if number is None or not -(2**63) <= number < 2**63:
        _refuse_field("CateId", "a whole number (the category's id)", value)
    return number


def priority_of(value: Any) -> str:
    """A whole number from 0 to 999, as a text."""
    number = _whole_number(value)
    if number is None or not 0 <= number <= 999:
        _refuse_field("Priority", "a whole number from 0 to 999", value)
    return str(number)


def switch_of(value: Any) -> str:
    """Either `true` or `false`, as a text."""
    text = str(value).lower() if isinstance(value, (bool, str)) else ""
    if text not in ("true", "false"):
        _refuse_field("IsShowWaterMark", "true or false", value)
    return text


def url_of(value: Any, field: str) -> str | None:
    """An http or https address of at most 1,024 bytes."""
    if value is None or value == "":
        return None
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        is_good = parts is not None and parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        _refuse_field(field, "an http or https URL", value)
    limit(value, field, URL_MAX_BYTES)
    return str(value)


def callback_of(value: Any) -> dict[str, str]:
    """An address, or an object with CallbackURL and at most CallbackType http."""
    if isinstance(value, str):
        value = {"CallbackURL": value}
    if not isinstance(value, Mapping):
        _refuse_field("MessageCallback", "a URL or an object with CallbackURL", value)
    data = dict(value)
    check_keys(data, words("CallbackURL CallbackType"), "MessageCallback")
    url = url_of(data.get("CallbackURL"), "MessageCallback.CallbackURL")
    if url is None:
        _refuse_field("MessageCallback.CallbackURL", "an http or https URL", data.get("CallbackURL"))
    if data.get("CallbackType", "http") != "http":
        _refuse_field("MessageCallback.CallbackType", "http, the only kind there is", data["CallbackType"])
    return {**data, "CallbackURL": url, "CallbackType": "http"}


def word_of(value: Any, field: str) -> str | None:
    """An id: 1 to 128 printable ASCII characters without a space."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,128}", value):
        _refuse_field(field, "1 to 128 printable ASCII characters without a space", value)
    return value


def image_type_of(value: Any, media_type: MediaType) -> str:
    """For an image `default` or `cover`."""
    if value is None or value == "":
        return "default"
    if media_type is MediaType.IMAGE and value not in ("default", "cover"):
        _refuse_field("ImageType", "default or cover", value)
    return str(value)
