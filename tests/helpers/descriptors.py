"""Which files this process has open. Descriptors of everything would also count what earlier tests left to the collector."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["open_below"]


def open_below(place: Path) -> list[str]:
    """Names of open files that are `place` or lie in it, each as often as it is open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor by which the folder is read
            name = Path(str(link.readlink()).removesuffix(" (deleted)"))
            if name == place or place in name.parents:
                found.append(str(name))
    return found
