"""SearchMedia: the small query language of VOD, and pages of its results.

What lives here: `parse_match`, which turns a Match text into a test, and `VodSearch`. It imports
`vod_library`, `checks`; `VodSearch` runs under the lock of `Cloud`.

Grammar: `field = 'v'`, `field in ('a', 'b')`, `field = [a,b)` with open or closed ends that may be
empty, joined by `and`, `or` and parentheses; `and` binds tighter. Texts (Title, Description, Tags,
CateName) are searched for the words, everything else is compared whole.

Source: VOD "Media asset search/SearchMedia": 5,000 rows by PageNo, more by ScrollToken. How a token
moves is not documented: ours goes on behind what it has given, and lives ten minutes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vod_widget.emulator import checks
from vod_widget.emulator.assets import Answer, Asset, CallContext
from vod_widget.emulator.checks import AUDIO_EXTENSIONS, Params
from vod_widget.emulator.clock import Clock, iso_z
from vod_widget.emulator.errors import RpcError, invalid_parameter
from vod_widget.emulator.tokens import KeyRing
from vod_widget.emulator.vod import VodService
from vod_widget.emulator.vod_library import VodLibrary

MAX_ROWS_WITHOUT_TOKEN = 5000
MAX_SORT_FIELDS = 3
# Parentheses within parentheses; people write two or three.
_MAX_DEPTH = 64
_TOKEN_LIFE_S = 600.0

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TEXTS = frozenset({"Title", "Description", "Tags", "CateName"})
_FIELDS = _TEXTS | {
    "AppId",
    "AuditStatus",
    "BusinessType",
    "CateId",
    "CreationTime",
    "Duration",
    "ImageType",
    "MediaId",
    "MediaSource",
    "ModificationTime",
    "ReferenceId",
    "RegionId",
    "Size",
    "Status",
    "StorageLocation",
    "TemplateGroupId",
}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<range>=\s*[\[(]\s*(?P<low>[^,\[\]()]*?)\s*,\s*(?P<high>[^,\[\]()]*?)\s*[\])])
    | (?P<sign>!=|=|\(|\)|,)
    | '(?P<single>[^']*)'
    | "(?P<double>[^"]*)"
    | (?P<word>[A-Za-z0-9_.:+-]+)
    )""",
    re.VERBOSE,
)


def _syntax(why: str) -> RpcError:
    return RpcError(400, "ErrorMatchSyntax", f"The Match syntax is wrong: {why}.")


@dataclass(frozen=True)
class _Item:
    kind: str
    """`range`, `sign`, `text` (quoted) or `word`."""
    text: str
    low: str = ""
    high: str = ""


def _items(text: str) -> list[_Item]:
    items, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            raise _syntax(f"unexpected text at {at}")
        at = found.end()
        if found["range"] is not None:
            body = found["range"][1:].strip()
            items.append(_Item("range", body[0] + body[-1], _bare(found["low"]), _bare(found["high"])))
        elif found["sign"] is not None:
            items.append(_Item("sign", found["sign"]))
        elif found["word"] is not None:
            items.append(_Item("word", found["word"]))
        else:
            items.append(_Item("text", found["single"] if found["single"] is not None else found["double"]))
    return items


def _bare(text: str) -> str:
    return text.strip().strip("'\"")


class _Parser:
    def __init__(self, items: list[_Item]) -> None:
        self._items = items
        self._at = 0
        self._depth = 0

    def whole(self) -> Test:
        test = self._any()
        if self._at < len(self._items):
            raise _syntax(f"unexpected {self._items[self._at].text!r}")
        return test

    def _next(self) -> _Item:
        if self._at >= len(self._items):
            raise _syntax("it ends too early")
        self._at += 1
        return self._items[self._at - 1]

    def _take(self, kind: str, text: str) -> bool:
        if self._at < len(self._items):
            item = self._items[self._at]
            if item.kind == kind and item.text.lower() == text:
                self._at += 1
                return True
        return False

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take("word", "or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take("word", "and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._take("sign", "("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise _syntax("it is nested too deep")
            test = self._any()
            self._depth -= 1
            if not self._take("sign", ")"):
                raise _syntax("a parenthesis is not closed")
            return test
        name = self._next()
        if name.kind != "word" or name.text not in _FIELDS:
            raise _syntax(f"no field {name.text!r}")
        field = name.text
        sign = self._next()
        if sign.kind == "range":
            return _in_range(field, sign)
        if sign.kind == "word" and sign.text.lower() == "in":
            values = self._list()
            return lambda row: any(_equal(field, row.get(field), value) for value in values)
        if sign.kind == "sign" and sign.text in ("=", "!="):
            value = self._value()
            wanted = sign.text == "="
            return lambda row: _equal(field, row.get(field), value) is wanted
        raise _syntax(f"{sign.text!r} after {field}")

    def _value(self) -> str:
        item = self._next()
        if item.kind not in ("text", "word"):
            raise _syntax(f"a value is missing at {item.text!r}")
        return item.text

    def _list(self) -> list[str]:
        if not self._take("sign", "("):
            raise _syntax("in takes a list in parentheses")
        values = [self._value()]
        while self._take("sign", ","):
            values.append(self._value())
        if not self._take("sign", ")"):
            raise _syntax("a list is not closed")
        return values


def _equal(field: str, actual: Any, value: str) -> bool:
    if actual is None:
        return False
    if field == "Tags":
        return value.lower() in str(actual).lower().split(",")
    if field in _TEXTS:
        return value.lower() in str(actual).lower()
    return str(actual) == value


def _in_range(field: str, item: _Item) -> Test:
    low, high = _ordered(item.low), _ordered(item.high)

    def test(row: Row) -> bool:
        actual = row.get(field)
        value = None if actual is None else _ordered(str(actual))
        if value is None:
            return False
        for end in (low, high):
            if end is not None and isinstance(end, str) is not isinstance(value, str):
                return False
        above = low is None or (value >= low if item.text[0] == "[" else value > low)  # type: ignore[operator]  # checked
        below = high is None or (value <= high if item.text[1] == "]" else value < high)  # type: ignore[operator]
        return above and below

    return test


def _ordered(text: str) -> float | str | None:
    """Return what sorts: a number, else text (ISO dates sort as text); None for an open end."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def parse_match(text: str) -> Test:
    """Turn a Match text into a test; "" lets everything pass.

    Raises:
        RpcError: ErrorMatchSyntax.
    """
    if not text.strip():
        return lambda _: True
    return _Parser(_items(text)).whole()


@dataclass
class _Scroll:
    media_ids: list[str]
    position: int
    expires_age_s: float


class VodSearch:
    """Search media.

    Args:
        vod: The assets.
        library: Prints them.
        clock: Ages tokens.
        keys: Makes tokens.
    """

    def __init__(self, vod: VodService, library: VodLibrary, clock: Clock, keys: KeyRing) -> None:
        self._vod = vod
        self._library = library
        self._clock = clock
        self._keys = keys
        self._scrolls: dict[str, _Scroll] = {}

    def clear(self) -> None:
        """Forget the tokens."""
        self._scrolls.clear()

    def search_media(self, params: Params, context: CallContext) -> Answer:
        """SearchMedia."""
        kind = checks.one_of(params, "SearchType", {"video", "audio", "image", "attached"}, "video")
        page, size = checks.page(params)
        test = parse_match(params.get("Match", ""))
        orders = self._orders(params.get("SortBy", ""))
        token = params.get("ScrollToken", "")
        if token:
            scroll = self._scroll(token)
            ids = [media_id for media_id in scroll.media_ids if media_id in self._vod.assets]
            shown = ids[scroll.position : scroll.position + size]
            scroll.position += size
        else:
            rows = [(self._row(asset), asset) for asset in self._vod.assets.values() if self._kind(asset) == kind]
            rows = [pair for pair in rows if test(pair[0])]
            for name, descending in reversed(orders):
                rows.sort(key=lambda pair: pair[0][name], reverse=descending)
            ids = [asset.media_id for _, asset in rows]
            end = min(page * size, MAX_ROWS_WITHOUT_TOKEN)
            shown = ids[(page - 1) * size : end]
            token = self._keys.random_hex(32)
            self._scrolls[token] = _Scroll(ids, page * size, self._clock.age_s() + _TOKEN_LIFE_S)
        wanted = [name for name in params.get("Fields", "").split(",") if name]
        media = [self._entry(self._vod.assets[media_id], kind, wanted, context) for media_id in shown]
        return {"Total": len(ids), "ScrollToken": token, "MediaList": media}

    def _scroll(self, token: str) -> _Scroll:
        now_s = self._clock.age_s()
        self._scrolls = {name: item for name, item in self._scrolls.items() if item.expires_age_s > now_s}
        found = self._scrolls.get(token)
        if found is None:
            raise RpcError(400, "InvalidScrollToken.Expired", "The ScrollToken is expired.")
        return found

    @staticmethod
    def _orders(text: str) -> list[tuple[str, bool]]:
        orders = []
        for item in filter(None, (text or "CreationTime:Desc").split(",")):
            name, _, direction = item.partition(":")
            if name not in ("CreationTime", "ModificationTime", "Title", "Size") or direction not in ("Desc", "Asc"):
                raise invalid_parameter("SortBy", "expected a field and Desc or Asc, as CreationTime:Desc.")
            orders.append((name, direction == "Desc"))
        if len(orders) > MAX_SORT_FIELDS:
            raise RpcError(400, "SortByExceededMax", f"At most {MAX_SORT_FIELDS} fields can be sorted by.")
        return orders

    @staticmethod
    def _kind(asset: Asset) -> str:
        if asset.kind == "video" and checks.extension(asset.key) in AUDIO_EXTENSIONS:
            return "audio"
        return asset.kind

    def _row(self, asset: Asset) -> dict[str, Any]:
        modified = asset.modified_wall_s or asset.completed_wall_s or asset.created_wall_s
        return {
            "MediaId": asset.media_id,
            "Title": asset.title,
            "Description": asset.description,
            "Tags": asset.tags,
            "CateId": asset.cate_id,
            "CateName": self._vod.categories.name(asset.cate_id) if asset.cate_id is not None else "",
            "Status": self._vod.status(asset),
            "AuditStatus": "Normal",
            "CreationTime": iso_z(asset.created_wall_s),
            "ModificationTime": iso_z(modified),
            "Size": asset.size_bytes,
            "Duration": 0,
            "AppId": asset.app_id,
            "ReferenceId": asset.reference_id or None,
            "StorageLocation": asset.storage_location,
            "TemplateGroupId": asset.template_group_id,
            "ImageType": asset.sub_type if asset.kind == "image" else None,
            "BusinessType": asset.sub_type if asset.kind == "attached" else None,
            "MediaSource": "general",
        }

    def _entry(self, asset: Asset, kind: str, wanted: list[str], context: CallContext) -> Answer:
        names = {"video": "Video", "audio": "Audio", "image": "Image", "attached": "AttachedMedia"}
        url = f"{context.oss_endpoint}/{asset.bucket}/{asset.key}"
        match asset.kind:
            case "video":
                fields = self._library.video_fields(asset)
                if kind == "audio":
                    fields = {"AudioId": fields.pop("VideoId"), **fields}
            case "image":
                fields = self._library.image_fields(asset, url)
            case _:
                fields = {**self._library.attached_fields(asset, url), "BusinessType": asset.sub_type}
        if wanted:
            ids = ("VideoId", "AudioId", "ImageId", "MediaId", "CreationTime")
            fields = {name: value for name, value in fields.items() if name in wanted or name in ids}
        return {
            "MediaId": asset.media_id,
            "MediaType": kind,
            "CreationTime": iso_z(asset.created_wall_s),
            names[kind]: fields,
        }
