"""Uploads without a screen: tables in, tables out, what an earlier process left, and a look before the start.

`upload` sends files and waits, `resume` brings unfinished ones back, `check` tells what would go wrong. Floor 5:
imports floors 0 to 4; `tqdm` and `pandas` load on first use. It runs in the caller's thread; the queue has its own.
"""

from __future__ import annotations

from vod_widget.credentials import explain
from vod_widget.credentials import find_profiles as _find_profiles
from vod_widget.credentials.profile import Profile

from .preflight import Check, Checks, check
from .results import Results, Row
from .resuming import resume
from .sending import finish, results_of, upload

__all__ = [
    "Check",
    "Checks",
    "Results",
    "Row",
    "check",
    "explain",
    "finish",
    "profiles",
    "results_of",
    "resume",
    "upload",
]


def profiles() -> list[Profile]:
    """List every profile that was found, usable or not, and the emulator; one is the current one at most.

    Nothing secret is in them, and a bad profile file is a row with the reason.
    """
    return _find_profiles()
