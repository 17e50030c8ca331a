"""Which pages show a widget, when each was heard, and which of them are thought to be gone.

Knows no files. `pages` owns it and calls it with its lock held; nothing here blocks or calls outwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from vod_widget.sources.browser import SILENCE_S

__all__ = ["Presence"]

# A page that holds files has so long to answer when another one comes: its own files are kept for it.
ROLL_S = 5.0
# A page whose bytes are wanted and that says nothing at all for so long was closed.
_SILENCE_S = 120.0
# Where the next page has a kernel of its own, that one waits until this one lets go of the file, and Voila closes the
# socket before a page can say farewell. Three heartbeats of a page; one that spoke less often (a slow line, a hidden
# tab) has three times its longest silence, up to the most. One that is taken for gone by mistake loses a part.
_SILENCE_ENDS_S = 10.5
_SILENCE_ENDS_MOST_S = SILENCE_S
# A page that is being left still says what it has begun to say; one that speaks later was asked, and stays.
_LEAVING_S = 2.0
_MAX_PAGES = 64


@dataclass(slots=True)
class _Page:
    """One page; times are monotonic.

    `number`: its name in messages; no secret. `due_s`: when it must have spoken, else it is gone. `slice_bytes`: the
    largest slice that its host carries, None until it told.
    """

    number: int
    heard_s: float
    longest_silence_s: float = 0.0
    due_s: float = float("inf")
    left_s: float = float("-inf")
    is_gone: bool = False
    slice_bytes: int | None = None


class Presence:
    """The pages by their tokens.

    Args:
        reload_ends: True when each load of the page has another kernel: silence is then taken for an end sooner.
    """

    def __init__(self, *, reload_ends: bool) -> None:
        self._reload_ends = reload_ends
        self._pages: dict[str, _Page] = {}
        self._greeted = 0

    def __contains__(self, token: str) -> bool:
        return token in self._pages

    def greet(self, now_s: float) -> str:
        """Take a new page; return its token. The others are to speak within `ROLL_S`."""
        token = secrets.token_hex(16)
        for page in self._pages.values():
            if not page.is_gone:
                page.due_s = now_s + ROLL_S
        self._greeted += 1
        self._pages[token] = _Page(self._greeted, now_s)
        if len(self._pages) > _MAX_PAGES:
            # One that was reloaded often has left pages behind, beside one that lives.
            del self._pages[next((t for t, page in self._pages.items() if page.is_gone), next(iter(self._pages)))]
        return token

    def hear(self, token: str, now_s: float) -> bool:
        """Take note that a page lives; return True when it was thought to be gone."""
        page = self._pages.get(token)
        if page is None or now_s - page.left_s < _LEAVING_S:
            return False  # a hello, which is no word of the page before, or the last words of a page
        page.longest_silence_s = max(page.longest_silence_s, now_s - page.heard_s)
        page.heard_s = now_s
        page.due_s = float("inf")
        came_back, page.is_gone = page.is_gone, False
        return came_back

    def leave(self, token: str, now_s: float) -> None:
        """Take a page's word that it is being left."""
        if token in self._pages:
            self._pages[token].left_s = now_s

    def late(self, silences_s: Mapping[str, float], now_s: float) -> set[str]:
        """Return the pages that have been silent for too long.

        Args:
            silences_s: Pages whose bytes are wanted, each with the seconds for which none came.
            now_s: Now.
        """
        late = {token for token, page in self._pages.items() if now_s >= page.due_s}
        for token, silence_s in silences_s.items():
            page = self._pages.get(token)
            if page is not None and min(silence_s, now_s - page.heard_s) >= self._most_silence_s(page):
                late.add(token)
        return late

    def _most_silence_s(self, page: _Page) -> float:
        if not self._reload_ends:
            return _SILENCE_S
        return min(max(_SILENCE_ENDS_S, 3 * page.longest_silence_s), _SILENCE_ENDS_MOST_S)

    def give_up(self, tokens: set[str]) -> set[str]:
        """Think these pages gone; return those that were not thought so before."""
        given_up = {token for token in tokens if token in self._pages and not self._pages[token].is_gone}
        for token in given_up:
            self._pages[token].is_gone = True
            self._pages[token].due_s = float("inf")
        return given_up

    def page_of(self, token: str) -> str:
        """Return the page that speaks: its token, or the only page there is; "" when that cannot be told."""
        if token in self._pages:
            return token
        return next(iter(self._pages)) if not token and len(self._pages) == 1 else ""

    def number_of(self, token: str) -> int:
        """Return the number by which messages name the speaking page; 0 when it cannot be told."""
        page = self._pages.get(self.page_of(token))
        return page.number if page is not None else 0

    def set_reach(self, token: str, slice_bytes: int) -> None:
        """Keep the largest slice, bytes, that a page's host carries; the page is known."""
        self._pages[token].slice_bytes = slice_bytes

    def reach_of(self, token: str) -> int | None:
        """Return the largest slice, bytes, that a page's host carries; None when it did not tell."""
        page = self._pages.get(token)
        return page.slice_bytes if page is not None else None

    def reaches(self) -> dict[int, int]:
        """Return the largest slice, bytes, by the numbers of the pages that told."""
        return {page.number: page.slice_bytes for page in self._pages.values() if page.slice_bytes is not None}
