"""Uploads without a screen: tables in, tables out, what an earlier process left, and a look before the start.

`upload` sends files and waits, `resume` brings unfinished ones back, `check` tells what would go wrong. Floor 5:
imports floors 0 to 4; `tqdm` and `pandas` load on first use. It runs in the caller's thread; the queue has its own.
"""

from __future__ import annotations

import time

from vod_widget.credentials import explain
from vod_widget.credentials import find_profiles as _find_profiles
from vod_widget.credentials.profile import Profile

from .preflight import Check, Checks, check
from .results import Results, Row
from .resuming import resume
from .sending import finish, results_of, upload
from .words import html_table, text_table

__all__ = [
    "Check",
    "Checks",
    "Profiles",
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


class Profiles(list[Profile]):
    """The profiles that were found; printing them shows a table."""

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                f"{'* ' if one.is_current else '  '}{one.name}",
                one.place,
                one.mode,
                one.masked_id,
                one.region or "",
                f"cannot be used: {one.reason}" if not one.usable else _life_words(one),
            )
            for one in self
        ]

    def _summary(self) -> str:
        is_any = any(one.is_current for one in self)
        return "* is used when nothing is chosen." if is_any else "None is used by itself."

    def __repr__(self) -> str:
        return f"{text_table(_HEAD, self._cells())}\n{self._summary()}"

    def _repr_html_(self) -> str:
        return html_table([title.strip() for title in _HEAD], self._cells(), self._summary())


_HEAD = ("  name", "place", "mode", "key", "region", "note")


def _life_words(profile: Profile) -> str:
    if profile.renews_itself:
        return "renews itself"
    if profile.expires_at_s is not None:
        return f"ends at {time.strftime('%Y-%m-%d %H:%M', time.gmtime(profile.expires_at_s))} UTC"
    return "does not end" if profile.mode == "AK" else ""


def profiles() -> Profiles:
    """List every profile that was found, usable or not, and the emulator; one is the current one at most.

    Nothing secret is in them, and a bad profile file is a row with the reason. Printing the list shows a table.
    """
    return Profiles(_find_profiles())
