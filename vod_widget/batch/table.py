"""From what a caller gives to a list of items: paths, patterns, folders, tables, rows, bytes.

Nothing is opened here but folders; a bad row is an item with an error, so that it never sinks the others. Imports
floors 0, 1 and the queue's class (for the names of its parameters).
"""

from __future__ import annotations

import difflib
import glob
import inspect
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vod_widget.errors import InvalidArgumentError, SourceNotFoundError, VODError
from vod_widget.metadata import SUPPORTED_EXTENSIONS, clean_name
from vod_widget.options import CALLBACKS, OPTIONS, PLAIN
from vod_widget.uploader import VODUpload

__all__ = ["METADATA", "Item", "read_items", "split_keywords"]

# The storage's own place is no matter of a table: "object" and "endpoint" are common names of columns, and a batch has
# one `endpoint`, that of the service.
_NOT_METADATA = frozenset({"self", "file", "endpoint", "bucket", "object"})
METADATA: tuple[str, ...] = tuple(
    name for name in inspect.signature(VODUpload.add_file).parameters if name not in _NOT_METADATA
)
"""Keywords of `upload` and columns of a table that go to `VODUpload.add_file`."""

_OF_ONE_FILE = ("name", "reference_id")
_PATH_COLUMNS = ("path", "file", "url")
_OPTION_NAMES = tuple(option.name for option in OPTIONS)
_EXTENSIONS = frozenset(extension for some in SUPPORTED_EXTENSIONS.values() for extension in some)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(slots=True)
class Item:
    """One file of a batch.

    Attributes:
        file: What `VODUpload.add_file` takes.
        path: Where the bytes come from, for people.
        name: File name, for people.
        fields: Metadata of this file alone.
        columns: What the caller's row had.
        error: Why it cannot be added, when that is known already.
    """

    file: Any
    path: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    error: VODError | None = None


def split_keywords(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell options of `VODUpload` from metadata of files.

    Returns:
        Options, and metadata.

    Raises:
        InvalidArgumentError: A keyword that is neither; the text names the nearest one.
    """
    known = (*_OPTION_NAMES, *PLAIN, *CALLBACKS, *METADATA)
    for name in given:
        if name not in known:
            snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
            near = difflib.get_close_matches(snake, known, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            if name in {"bucket", "object"}:
                meant = "a batch has one place for all files; use VODUpload.add_file"
            raise InvalidArgumentError(f"unknown keyword {name!r}; {meant}", code="Option")
    options = {name: value for name, value in given.items() if name not in METADATA}
    return options, {name: value for name, value in given.items() if name in METADATA}


def read_items(files: Any, metadata: Mapping[str, Any] | None = None) -> tuple[list[Item], Any]:
    """Turn what the caller gave into items, in its order.

    Args:
        files: A path, a pattern, a folder (the media files below it), bytes, an open file, a source, a dict (a row, or
            the seed's `{"url": ..., "coverUrl": ...}`), a table (pandas, polars), or a list of any of these.
        metadata: Keywords for every file.

    Returns:
        The items, and the labels of a pandas table, else None.

    Raises:
        InvalidArgumentError: A table without a column for the path, or a keyword that fits one file only.
        SourceNotFoundError: The only pattern or folder given has no file.
    """
    index: Any = None
    if hasattr(files, "to_dicts"):  # polars
        given: list[Any] = list(files.to_dicts())
        is_table = True
    elif hasattr(files, "to_dict") and hasattr(files, "columns"):  # pandas
        given, index, is_table = files.to_dict("records"), files.index, True
    elif _is_one(files):
        given, is_table = [files], False
    else:
        given, is_table = list(files), False
    rows = [one for one in given if isinstance(one, Mapping)]
    if (is_table or rows) and len(rows) == len(given):
        _refuse_pathless(rows, getattr(files, "columns", ()))
    items: list[Item] = []
    seen: set[str] = set()
    for one in given:
        items += _items_of(one, seen, is_only=len(given) == 1)
    alone = [name for name in _OF_ONE_FILE if (metadata or {}).get(name) is not None]
    if alone and len(items) > 1:
        raise InvalidArgumentError(
            f"{alone[0]} fits one file, and there are {len(items)}",
            code="Option",
            hint=f"Give a table with a column {alone[0]}.",
        )
    return items, index


def _is_one(files: Any) -> bool:
    single = (str, bytes, bytearray, memoryview, os.PathLike, Mapping)
    if isinstance(files, single) or hasattr(files, "read") or hasattr(files, "source_id"):
        return True
    if not isinstance(files, Iterable):
        raise InvalidArgumentError(
            f"files is a {type(files).__name__}",
            hint="Pass a path, a pattern, a list, a DataFrame or a list of dicts.",
        )
    return False


def _refuse_pathless(rows: list[Mapping[Any, Any]], columns: Iterable[Any]) -> None:
    names = list(dict.fromkeys([*map(str, columns), *(str(name) for row in rows for name in row)]))
    if (rows or names) and not any(name in names for name in _PATH_COLUMNS):
        raise InvalidArgumentError(
            f"the table has no column path or file; it has: {', '.join(names)}",
            hint="Name the column with the paths path or file.",
        )


def _items_of(one: Any, seen: set[str], *, is_only: bool) -> list[Item]:
    if isinstance(one, Mapping):
        return [_from_row(one)]
    if not isinstance(one, str | os.PathLike) or isinstance(one, bytes):
        return [_from_thing(one)]
    text = os.fsdecode(one)
    try:
        found = _expand(text)
    except VODError as error:
        if is_only:
            raise
        return [Item(one, text, clean_name(text), error=error)]
    if found is None:
        seen.add(os.path.realpath(text))
        return [Item(one, text, clean_name(text))]
    # Patterns that overlap name a file once.
    new = [path for path in found if os.path.realpath(path) not in seen]
    seen.update(map(os.path.realpath, new))
    return [Item(path, path, clean_name(path)) for path in new]


def _from_thing(one: Any) -> Item:
    name = getattr(one, "name", None)
    shown = name if isinstance(name, str) and name else type(one).__name__
    return Item(one, shown, clean_name(shown))


def _from_row(row: Mapping[Any, Any]) -> Item:
    columns = {str(name): value for name, value in row.items()}
    place = next((name for name in _PATH_COLUMNS if name in columns and not _is_missing(columns[name])), None)
    fields = {name: _plain(columns[name]) for name in METADATA if name in columns and not _is_missing(columns[name])}
    if place is None:
        shown = clean_name(str(fields.get("name") or "row"))
        missing = SourceNotFoundError("the row has no path", hint="Fill its column path or file, then run it again.")
        return Item(None, "", shown, fields, columns, missing)
    file = _plain(columns[place])
    if place == "url" and not _is_missing(columns.get("coverUrl")):
        fields.setdefault("cover", columns["coverUrl"])
    item = _from_thing(file) if not isinstance(file, str | os.PathLike) else Item(file, os.fsdecode(file), "")
    item.name = clean_name(str(fields.get("name") or item.path))
    item.fields, item.columns = fields, columns
    return item


def _is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and pandas' NA, without importing pandas."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN alone is not equal to itself


def _plain(value: Any) -> Any:
    """Turn numpy's scalars into Python's own; an array of tags into a list."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    return value


def _expand(text: str) -> list[str] | None:
    """Files of a pattern or a folder; None for a path, whatever stands there."""
    path = os.path.expanduser(text)  # noqa: PTH111 - Path would swallow a trailing slash and "./"
    if _SCHEME.match(text) and not os.path.lexists(path):
        return None
    if os.path.isdir(path):  # noqa: PTH112 - as above
        found = _media_below(path)
        if not found:
            raise _nothing(f"the folder {text} has no video, audio or image file")
        return found
    if os.path.lexists(path) or not glob.has_magic(path):
        return None
    found = sorted(name for name in glob.glob(path, recursive=True) if not os.path.isdir(name))  # noqa: PTH112, PTH207
    if not found:
        where = "" if os.path.isabs(path) else f" in {Path.cwd()}"  # noqa: PTH117
        raise _nothing(f"no file matches {text!r}{where}")
    return found


def _media_below(folder: str) -> list[str]:
    """Media files of a folder and its folders, sorted; hidden ones and what VOD does not take are left out."""
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            os.path.join(here, name)  # noqa: PTH118 - as above
            for name in names
            if not name.startswith(".") and name.rpartition(".")[2].lower() in _EXTENSIONS
        ]
    return sorted(found)


def _nothing(message: str) -> SourceNotFoundError:
    return SourceNotFoundError(message, code="Source.NoMatch", hint="Check the pattern and the present folder.")
