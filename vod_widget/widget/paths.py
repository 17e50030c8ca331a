"""The files of the kernel's machine, as far as the policy's roots reach: listing, completing, expanding.

Every path that a page names is made real first (links resolved) and must then lie inside a root; only regular files
come out. A page is told of nothing outside. Touches the disk and may hang with it, so a worker thread with a deadline
runs it, never the handler. Imports floors 0 to 2.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from vod_widget.errors import InvalidArgumentError, RestrictionError, SourceNotFoundError, VODError
from vod_widget.interfaces import Clock
from vod_widget.metadata import media_type_of
from vod_widget.names import natural_key
from vod_widget.sources import LocalSource

__all__ = ["KernelFiles"]

_MAX_ENTRIES = 5_000
_MAX_COMPLETIONS = 50
# A page waits ten seconds for its answer; a search that is not done by then has helped nobody.
_SEARCH_S = 6.0
_GLOB_MARKS = frozenset("*?[")
# The page shows fifty refusals; a share without rights must not make a message of a hundred thousand.
_MAX_LEFT_OUT = 1_000
_REASONS: dict[type[OSError], tuple[str, str]] = {
    FileNotFoundError: ("Source.Missing", "there is nothing"),
    PermissionError: ("Source.Permission", "it may not be read"),
    NotADirectoryError: ("Path.NotAFolder", "it is not a folder"),
}


class KernelFiles:
    """Looks at files inside roots.

    Args:
        roots: Folders that may be seen. None: everything, beginning in the working folder.
        clock: For the deadline of searches.

    Raises:
        InvalidArgumentError: A root is not a folder.
    """

    def __init__(self, roots: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None, clock: Clock) -> None:
        self._clock = clock
        if roots is None:
            start = os.path.realpath(Path.cwd())
            given = [Path(Path(start).anchor or "/")]
        else:
            single = isinstance(roots, (str, os.PathLike))
            given = [Path(r) for r in (cast("Sequence[str]", [roots] if single else roots))]
            start = ""
        self._roots = tuple(os.path.realpath(root.expanduser()) for root in given)
        for name, root in zip(given, self._roots, strict=True):
            if not Path(root).is_dir():
                raise InvalidArgumentError(
                    f"root {str(name)!r} is not a folder", hint="Pass an existing folder as root=."
                )
        if not self._roots:
            raise InvalidArgumentError("root is an empty list", hint="Pass a folder, or leave it out.")
        self._start = start or self._roots[0]

    @property
    def roots(self) -> list[str]:
        """Folders to begin in, the first one first."""
        return list(dict.fromkeys([self._start, *self._roots]))

    # ---- where a path leads ------------------------------------------------------------------------

    def _absolute(self, path: str) -> str:
        if "\0" in path:
            raise InvalidArgumentError("the path holds a null character", code="Path")
        try:
            wished = Path(path).expanduser()
        except RuntimeError:  # "~nobody"
            wished = Path(path)
            start = Path(self._start)
            # Inside a root nobody is told which users this machine has.
            if self._is_inside(start.anchor) and not os.path.lexists(start / wished.parts[0]):
                raise SourceNotFoundError(
                    f"this machine has no user {wished.parts[0][1:]!r}", code="Path.NoUser", file_name=path
                ) from None
        return os.path.abspath(Path(self._start, wished))  # noqa: PTH100  resolve() would follow links

    def _is_inside(self, real: str) -> bool:
        for root in self._roots:
            try:
                if os.path.commonpath([root, real]) == root:
                    return True
            except ValueError:  # another drive
                continue
        return False

    def _real(self, path: str) -> str:
        """Resolve a path, and refuse one that leads outside; the text does not tell whether it exists."""
        real = os.path.realpath(self._absolute(path))
        if not self._is_inside(real):
            raise RestrictionError(
                "the path leads outside the folders that this widget may read",
                code="Source.Outside",
                hint="Choose a file inside these folders, or make the widget with another root=.",
            )
        return real

    def resolve(self, path: str) -> str:
        """Return the real path of one file that a page named.

        Raises:
            VODError: It leads outside, or there is no regular file.
        """
        return _regular(self._real(path))

    def open(self, real: str) -> LocalSource:
        """Open what `expand` found; the roots are checked again on what is there now.

        Raises:
            VODError: Swapped since, or not a file that may be sent.
        """
        return LocalSource(real, roots=self._roots)

    # ---- listing -----------------------------------------------------------------------------------

    def list_dir(self, path: str) -> dict[str, Any]:
        """List one folder: folders first, names sorted as people count, hidden ones left out.

        Returns:
            `path`, `parent`, `entries`, and `more`: how many there are beyond the 5,000 that are told.

        Raises:
            VODError: Outside the roots, missing, not a folder, or not readable.
        """
        real = self._real(path or self._start)
        folders: list[dict[str, Any]] = []
        files: list[dict[str, Any]] = []
        more = 0
        try:
            with os.scandir(real) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not _is_sayable(entry.name):
                        continue
                    if len(folders) + len(files) >= _MAX_ENTRIES:
                        more += 1
                        continue
                    facts = self._entry(entry)
                    (folders if facts["is_dir"] else files).append(facts)
        except OSError as error:
            raise _unreadable(error, real) from error
        parent = str(Path(real).parent)
        inside = parent != real and self._is_inside(parent)

        def order(facts: dict[str, Any]) -> tuple[Any, str]:
            return natural_key(facts["name"]), str(facts["name"])

        return {
            "path": real,
            "parent": parent if inside else None,
            "entries": sorted(folders, key=order) + sorted(files, key=order),
            "more": more,
        }

    def _entry(self, entry: os.DirEntry[str]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "name": entry.name,
            "path": entry.path,
            "is_dir": False,
            "size_bytes": None,
            "media_type": None,
            "refused": None,
        }
        try:
            if entry.is_symlink() and not self._is_inside(os.path.realpath(entry.path)):
                return {**facts, "refused": "Source.Outside"}
            status = entry.stat()
        except OSError as error:
            return {**facts, "refused": _unreadable(error, entry.name).code}
        if stat.S_ISDIR(status.st_mode):
            return {**facts, "is_dir": True}
        if not stat.S_ISREG(status.st_mode):
            return {**facts, "refused": "Source.NotAFile"}
        facts["size_bytes"] = status.st_size
        try:
            facts["media_type"] = str(media_type_of(entry.name))
        except VODError as error:
            return {**facts, "refused": error.code}
        if status.st_size == 0:
            return {**facts, "refused": "EmptyFile"}
        return {**facts, "refused": None if os.access(entry.path, os.R_OK) else "Source.Permission"}

    def complete_path(self, prefix: str) -> list[str]:
        """Continue a half-typed path: at most 50 paths, in the way that it was typed; folders end in a slash."""
        head, tail = os.path.split(prefix)
        try:
            real = self._real(head or ("/" if prefix.startswith("/") else self._start))
            with os.scandir(real) as entries:
                found = sorted(
                    entry.name + ("/" if entry.is_dir() else "")
                    for entry in entries
                    if entry.name.startswith(tail)
                    and (tail.startswith(".") or not entry.name.startswith("."))
                    and _is_sayable(entry.name)
                    and self._is_inside(os.path.realpath(entry.path))
                )
        except (OSError, VODError):
            return []
        return [str(Path(head, name)) + "/" * name.endswith("/") for name in found[:_MAX_COMPLETIONS]]

    # ---- adding ------------------------------------------------------------------------------------

    def expand(self, path: str, *, max_files: int, refused: list[SourceNotFoundError] | None = None) -> list[str]:
        """Find the files that a path means: a file, a folder with everything below, or a glob.

        Args:
            path: As typed. A name that exists is taken as it is, even with `*` in it.
            max_files: Most files to return, at least 1.
            refused: Gets why a media file, or a folder, below the path was left out.

        Raises:
            VODError: Nothing there, outside, too many, or the search took too long. A file that was named itself
                is returned whatever its kind, so that the core can say why it is refused.
        """
        left_out: list[SourceNotFoundError] = [] if refused is None else refused
        absolute = self._absolute(path)
        if os.path.lexists(absolute) or not _GLOB_MARKS & set(absolute):
            real = self._real(path)
            if not Path(real).is_dir():
                return [_regular(real)]
            empty = ("Source.NoMedia", "no media file is in this folder")
            candidates = _below(real, left_out)
        else:
            fixed = absolute
            while _GLOB_MARKS & set(fixed):
                fixed = str(Path(fixed).parent)
            self._real(fixed)
            empty = ("Path.NoMatch", "no media file matches this pattern")
            candidates = glob.iglob(absolute, recursive=True)  # noqa: PTH207  Path.glob finds hidden files
        found = self._collect(candidates, max_files, left_out)
        if not found and not left_out:
            raise SourceNotFoundError(
                empty[1],
                code=empty[0],
                file_name=Path(path).name or path,
                hint="Check the path; hidden files and other kinds of files are left out.",
            )
        return found

    def _collect(self, candidates: Iterator[str], max_files: int, left_out: list[SourceNotFoundError]) -> list[str]:
        until_s = self._clock.monotonic_s() + _SEARCH_S
        found: set[str] = set()
        for candidate in candidates:
            if self._clock.monotonic_s() > until_s:
                raise RestrictionError("the search took too long", code="Path.Slow", hint="Choose a smaller folder.")
            real = os.path.realpath(candidate)
            if real in found or not self._is_inside(real) or not _is_sayable(real):
                continue
            try:
                media_type_of(Path(real).name)
            except VODError:
                continue
            try:
                found.add(_regular(real))
            except SourceNotFoundError as error:
                if not Path(real).is_dir() and len(left_out) < _MAX_LEFT_OUT:
                    left_out.append(error)
                continue
            if len(found) > max_files:
                raise RestrictionError(
                    f"more than {max_files} files are there",
                    code="Limit",
                    hint="Choose a smaller folder.",
                )
        # As the list shows them: they are sent in this order.
        return sorted(found, key=lambda real: ([natural_key(part) for part in Path(real).parts], real))


def _below(folder: str, left_out: list[SourceNotFoundError]) -> Iterator[str]:
    """Every file below a folder, hidden ones left out, links to folders not followed."""

    def note(error: OSError) -> None:
        if len(left_out) < _MAX_LEFT_OUT:
            left_out.append(_unreadable(error, str(error.filename or folder)))

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield str(Path(parent, name))


def _regular(real: str) -> str:
    try:
        status = os.lstat(real)
    except OSError as error:
        raise _unreadable(error, real) from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceNotFoundError("this is not a regular file", code="Source.NotAFile", file_name=Path(real).name)
    return real


def _unreadable(error: OSError, path: str) -> SourceNotFoundError:
    code, text = _REASONS.get(type(error), ("Source.Read", os.strerror(error.errno) if error.errno else "a fault"))
    return SourceNotFoundError(f"cannot open this: {text}", code=code, file_name=Path(path).name or path)


def _is_sayable(name: str) -> bool:
    """False for names whose bytes are no UTF-8: JSON cannot carry them to the page and back."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
