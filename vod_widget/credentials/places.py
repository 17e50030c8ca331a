"""The places where profiles and keys stand: one reader a kind, and a second look where something was found.

No reader raises for what a place holds: a bad file or profile becomes a problem in words, and `search.py` decides.
Texts of secrets live in the readers only until `Secret` holds them. Imports this package; reads files; any thread.
"""

from __future__ import annotations

from .cli_file import cli_path, read_cli
from .entries import Entry, Surroundings
from .ini_file import ini_paths, read_ini, read_ini_files
from .variables import (
    INSTANCE,
    METADATA,
    metadata_entry,
    read_compatibility,
    read_environment,
    read_oidc,
    read_uri,
)
from .ways import CREDENTIALS_URI, METADATA_DISABLED

__all__ = [
    "CREDENTIALS_URI",
    "INSTANCE",
    "METADATA",
    "METADATA_DISABLED",
    "metadata_entry",
    "read_again",
    "read_cli",
    "read_compatibility",
    "read_environment",
    "read_ini_files",
    "read_oidc",
    "read_uri",
]


def read_again(entry: Entry, around: Surroundings, *, now_s: float, strict: bool = False) -> Entry | None:
    """Look again where an entry was found; None when it is not there any more or the place is unusable."""
    if entry.path is None:
        found = (read_environment(around), read_oidc(around), read_uri(around), *read_compatibility(around))
        return next((one for one in found if one is not None and one.place == entry.place), None)
    home = around.home
    if home is not None and entry.path == cli_path(home):
        place = read_cli(around, now_s=now_s, strict=strict)
    else:
        # By its path and not by the variable that named it: a relative name means another file after a chdir.
        is_named = home is None or entry.path not in ini_paths(home)
        place = read_ini(around, entry.path, follow_links=is_named, strict=strict)
    return None if place.problem else place.find(entry.name)
