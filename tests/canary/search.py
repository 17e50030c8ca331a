"""Find a secret in any of the forms in which it may lie in a file or travel on a wire."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["files_of", "forms", "hits"]


def forms(secret: str) -> dict[str, bytes]:
    """The ways in which a text may lie in a file: as it is, escaped, and in base64 at its three alignments."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "hex": raw.hex().encode(),
        "url": urllib.parse.quote(secret, safe="").encode(),
        "json": json.dumps(secret)[1:-1].encode(),
        "half": raw[: max(12, len(raw) // 2)],
    }
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        # Without the characters that neighbours change.
        found[f"base64+{shift}"] = text[-(-shift * 8 // 6) : -1]
    return found


def hits(places: Mapping[str, bytes], secrets: Iterable[str]) -> dict[str, list[str]]:
    """Return the places in which a secret lies, each with the forms in which it does; never the secret itself."""
    wanted = [form for secret in secrets for form in forms(secret).items()]
    found = {name: sorted({form for form, needle in wanted if needle in blob}) for name, blob in places.items()}
    return {name: kinds for name, kinds in found.items() if kinds}


def files_of(folder: Path, *, without: Iterable[Path] = ()) -> dict[str, bytes]:
    """Read every file below a folder, but those in which the secrets were put in."""
    left_out = {path.resolve() for path in without}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.resolve() not in left_out
    }
