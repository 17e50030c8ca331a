"""Reading profile files without trusting them: owner, permissions, links, size, syntax.

Secrets pass through here as plain text, so nothing in this file raises while such a text is in a local variable:
every function returns what it read together with a problem in words, and the callers raise. A traceback that prints
local variables therefore never prints a key. Imports the standard library only; any thread.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileText", "Stamp", "parse_ini", "parse_json", "read_private", "stamp_of"]

# A profile file has a few kilobytes; a megabyte is somebody else's file, or a trap.
_LIMIT_BYTES = 1 << 20

# Also in front of a section's header. "#" opens a comment only after white space: the vendor's own samples
# comment so, and a secret may hold a "#" (the vendor's Python parser cuts "ab#cd" to "ab").
_COMMENT = re.compile(r"(?:^|\s)#.*$")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, repr=False)
class FileText:
    """What came out of one file.

    Attributes:
        text: The content, or None when it could not or must not be read.
        exists: False when there is no such file; then there is no problem either.
        problem: Why it was refused, in words, or "".
        warning: What is wrong with a file that was read all the same, or "".
        stamp: Changes when the file does, or None.
    """

    text: str | None = None
    exists: bool = True
    problem: str = ""
    warning: str = ""
    stamp: Stamp | None = None


def stamp_of(path: Path) -> Stamp | None:
    """Return a value that changes when the file does, or None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def read_private(path: Path, shown: str, *, follow_links: bool = False, strict: bool = False) -> FileText:
    """Read a small file that should be its owner's alone.

    Refused: links (unless `follow_links`), anything that is no regular file, a foreign owner, write permission
    for others, more than 1 MiB. Read permission for others is a warning, and refused when `strict`.

    Args:
        path: The file.
        shown: Its name for people.
        follow_links: True for a path that the person gave by name; a mounted secret is a link.
        strict: Refuse what others may read.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    if not follow_links:
        if path.is_symlink():
            return FileText(problem=_link_problem(shown))
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return FileText(exists=False)
    except ValueError:  # a NUL in the name
        return FileText(problem=f"{shown!r} is no name of a file")
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else type(exc).__name__
        return FileText(problem=f"{shown} cannot be read: {reason}")
    try:
        status = os.fstat(handle)
        problem, warning = _judge(status, shown, strict=strict)
        content = b"" if problem else _read_all(handle)
    except OSError as exc:
        problem = f"{shown} cannot be read: {type(exc).__name__}"
    finally:
        os.close(handle)
    if problem:
        return FileText(problem=problem)
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    if len(content) > _LIMIT_BYTES:
        return FileText(problem=f"{shown} is larger than 1 MiB, so it is no profile file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return FileText(problem=f"{shown} is not UTF-8 text")
    return FileText(text=text, warning=warning, stamp=stamp)


def _read_all(handle: int) -> bytes:
    pieces: list[bytes] = []
    left = _LIMIT_BYTES + 1
    while left and (piece := os.read(handle, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _link_problem(shown: str) -> str:
    return f"{shown} is a symbolic link, which is not followed; put the file itself there"


def _judge(status: os.stat_result, shown: str, *, strict: bool) -> tuple[str, str]:
    if not stat.S_ISREG(status.st_mode):
        return f"{shown} is not a regular file", ""
    if not hasattr(os, "getuid"):  # Windows: the profile folder's access list does this work
        return "", ""
    if status.st_uid not in (os.getuid(), 0):
        return f"{shown} belongs to another user; make it yours", ""
    bits = stat.S_IMODE(status.st_mode)
    if bits & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{shown} may be changed by other users; run: chmod 600 {shown}", ""
    if bits & (stat.S_IRGRP | stat.S_IROTH):
        words = f"{shown} may be read by other users; run: chmod 600 {shown}"
        return (words, "") if strict else ("", words)
    return "", ""


def parse_json(text: str, shown: str) -> tuple[dict[str, Any], str]:
    """Parse a JSON object; the problem names the file and the line, never the content."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as exc:
        return {}, f"{shown} is not valid JSON (line {exc.lineno})"
    except (ValueError, RecursionError):
        return {}, f"{shown} is not valid JSON"
    if not isinstance(data, dict):
        return {}, f"{shown} is not a JSON object"
    return data, ""


def parse_ini(text: str, shown: str) -> tuple[dict[str, dict[str, str]], str]:
    """Parse `[section]` and `key = value` lines.

    Nothing is interpolated or unquoted; a value ends at the end of its line or at white space followed by "#".
    A section that stands twice is merged, the later line winning. Keys are lower case.
    """
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).strip()
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            if not line.endswith("]") or not line[1:-1].strip():
                return {}, f"line {number} of {shown} is not a [section]"
            current = sections.setdefault(line[1:-1].strip(), {})
            continue
        found = re.match(r"([^=:]+)[=:](.*)", line)
        if found is None:
            return {}, f"line {number} of {shown} is not `key = value`"
        if current is None:
            return {}, f"line {number} of {shown} stands before the first [section]"
        current[found[1].strip().lower()] = found[2].strip()
    return sections, ""
