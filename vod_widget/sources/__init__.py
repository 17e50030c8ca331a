"""Where bytes come from: files of this machine, memory, https addresses, and the browser.

`open_source` turns what people pass as `file` into one `Source`; `cover_of` finds the cover that the vendor's mini
programs pass beside it. The browser's source is made by the widget alone and passes through. Floor 2: imports floors
0-1; safe in any thread.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vod_widget.addresses import is_loopback_url
from vod_widget.errors import InvalidArgumentError, SourceNotFoundError
from vod_widget.interfaces import Source

from .local import LocalSource
from .memory import MemorySource
from .web import WebSource

__all__ = ["LocalSource", "MemorySource", "WebSource", "cover_of", "is_address", "open_source"]

# Members of the Source protocol; whatever has them is one.
_SOURCE_MEMBERS = ("name", "size_bytes", "kind", "source_id", "block_bytes", "fingerprint", "read", "close")
_SEED_KEYS = frozenset({"url", "coverUrl", "name"})
_ACCEPTED = (
    "Pass a path, an https address, bytes with name=, a file opened for reading in binary mode, an io.BytesIO with "
    "name=, or "
    '{"url": path, "coverUrl": path}.'
)


def open_source(file: Any, name: str | None = None, *, roots: Sequence[str | os.PathLike[str]] | None = None) -> Source:
    """Turn what the caller gave as a file into a source; the check is made now, the reading later.

    Args:
        file: A path (text, `os.PathLike`, or a file:// URL; a leading `~` is the home folder), an https address (its
            server is asked now), bytes, an `io.BytesIO`, a real file opened by Python (it is read by its path, from the
            first byte, whatever its position), the mini program's `{"url": ..., "coverUrl": ...}`, or a source.
        name: Name for people and for VOD; needed for bytes, whose extension it gives.
        roots: Folders that a path must lie in, or None for anywhere.

    Raises:
        InvalidArgumentError: Something else, or bytes without a name.
        SourceNotFoundError: The path names no readable regular file.
        RestrictionError: Empty, or outside of `roots`.
    """
    if isinstance(file, (str, os.PathLike)):
        if isinstance(file, str) and "://" in file and roots is None and is_address(file):
            return WebSource(file, name, loopback_allowed=is_loopback_url(os.environ.get("VOD_WIDGET_ENDPOINT")))
        return LocalSource(_path_of(file), name, roots=roots)
    if isinstance(file, Mapping):
        address, inner_name = _read_seed_dict(file)
        return open_source(address, name or inner_name, roots=roots)
    if isinstance(file, (bytes, bytearray, memoryview)):
        return MemorySource(file, name or "")
    if isinstance(file, io.BytesIO):
        return MemorySource(file.getvalue(), name or _name_of(file) or "")
    if all(hasattr(file, member) for member in _SOURCE_MEMBERS):
        return cast("Source", file)
    return _open_file_object(file, name, roots)


def is_address(file: str) -> bool:
    """Tell an address of the web from a path."""
    return re.match(r"https?://", file, re.IGNORECASE) is not None and not os.path.lexists(file)


def cover_of(file: Any) -> str | None:
    """Return the cover that came with the file, as a path or an http(s) URL, or None.

    Args:
        file: The same that `open_source` takes.

    Source: "Upload SDK for mini programs": `{url: res.tempFilePath, coverUrl: res.thumbTempFilePath}`. Their SDK keeps
        the cover and never sends it.
    """
    if not isinstance(file, Mapping):
        return None
    _read_seed_dict(file)
    cover = file.get("coverUrl")
    if cover is None or cover == "":
        return None
    if isinstance(cover, str) and re.match(r"(?i)https?://", cover):
        return cover
    if not isinstance(cover, (str, os.PathLike)):
        raise InvalidArgumentError(f"coverUrl must be a path or a URL, not {type(cover).__name__}")
    return str(_path_of(cover))


def _read_seed_dict(file: Mapping[Any, Any]) -> tuple[str | os.PathLike[str], str | None]:
    unknown = sorted(str(key) for key in file if key not in _SEED_KEYS)
    if unknown or not isinstance(file.get("url"), (str, os.PathLike)):
        found = f"has the unknown keys {', '.join(unknown)}" if unknown else "has no path under url"
        raise InvalidArgumentError(f"the file is a dict that {found}", hint=_ACCEPTED)
    name = file.get("name")
    return file["url"], None if name is None else str(name)


def _path_of(file: str | os.PathLike[str]) -> str:
    path = file if isinstance(file, str) else os.fsdecode(file)
    if not path:
        raise InvalidArgumentError("the path is empty", hint=_ACCEPTED)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", path) if "://" in path else None
    if scheme and scheme[1].lower() != "file" and not os.path.lexists(path):
        raise InvalidArgumentError(
            f"{scheme[1].lower()}:// addresses cannot be sent from here",
            code="Source.Scheme",
            hint="Download the file and pass its path.",
        )
    if scheme and scheme[1].lower() == "file":
        parts = urlsplit(path)
        if parts.netloc not in ("", "localhost"):
            raise SourceNotFoundError(f"the file:// URL names another machine ({parts.netloc})")
        return url2pathname(parts.path)
    if path.startswith("~") and not os.path.lexists(path):
        return str(Path(path).expanduser())
    return path


def _name_of(file: Any) -> str | None:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else None


def _open_file_object(file: Any, name: str | None, roots: Sequence[str | os.PathLike[str]] | None) -> Source:
    """A file opened by Python is read by its own handle, not through the object: threads would share its position."""
    inner = file.file if isinstance(file, tempfile._TemporaryFileWrapper) else file
    # A GzipFile has a name and a descriptor too, but those of the packed bytes.
    real = (io.FileIO, io.BufferedReader, io.BufferedRandom, io.BufferedWriter, io.TextIOWrapper)
    path = _name_of(file)
    if not isinstance(inner, real) or path is None:
        raise InvalidArgumentError(
            f"a {type(file).__name__} cannot be read by position from several threads", hint=_ACCEPTED
        )
    try:
        if inner.writable():
            inner.flush()
        found = os.fstat(inner.fileno())
    except (OSError, ValueError) as exc:
        raise InvalidArgumentError("the file object is closed", hint=_ACCEPTED) from exc
    try:
        named = Path(path).stat()
    except OSError:
        named = None
    if named is None or not os.path.samestat(found, named):
        raise InvalidArgumentError(f"the open file is no longer the one at {path}", hint="Pass the path of the file.")
    return LocalSource(path, name, roots=roots)
