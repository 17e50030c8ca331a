"""What each page looks at and what it was told: two tabs on one kernel scroll, filter and search by themselves.

Every page has its own window, its own numbers and its own memory of the rows that it has; the bytes of all together are
bounded. The publisher's thread owns all of it. Imports `view`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .view import Overview, Window

__all__ = ["PageViews"]

ROWS_BYTES_PER_S = 80_000
_ROW_BYTES = 620
# As many as have a token.
_MAX_VIEWS = 64


class _View:
    """One page's part of the list, and what it has of it."""

    __slots__ = ("held", "ids", "late", "matching", "rows", "seq", "served_s", "stale", "summary", "window")

    def __init__(self) -> None:
        self.window = Window()
        self.ids: list[str] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.summary: dict[str, Any] | None = None
        self.matching = 0
        self.stale = True
        self.seq = 0
        self.held: set[str] = set()
        self.late = False
        self.served_s = float("-inf")


class PageViews:
    """Sends snapshots and changed rows to the pages that look on.

    Args:
        overview: Gives the current overview of all files.
        make_row: The row of a file as JSON, or None when it has left.
        send: Sends one message; False when that failed.
        may_send: False when too many messages were sent in the last second.
    """

    def __init__(
        self,
        overview: Callable[[], Overview],
        make_row: Callable[[str], dict[str, Any] | None],
        send: Callable[[dict[str, Any]], bool],
        may_send: Callable[[float], bool],
    ) -> None:
        self._overview = overview
        self._make_row = make_row
        self._send = send
        self._may_send = may_send
        self._views: dict[int, _View] = {}
        self._rows_free_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._views)

    def seq(self, page: int) -> int:
        """Number of the last snapshot or rows message of a page."""
        view = self._views.get(page)
        return view.seq if view is not None else 0

    def look(self, page: int, window: Window | None) -> None:
        """Let a page see another part of the list (None: the same), beginning with a snapshot."""
        view = self._views.pop(page, None) or _View()
        self._views[page] = view  # the last one that asked stands last
        view.window = window or view.window
        view.stale = True
        while len(self._views) > _MAX_VIEWS:
            self._views.pop(next(iter(self._views)))

    def moving(self) -> set[str]:
        """Files that some page shows as being sent."""
        shown = (made for view in self._views.values() for made in view.rows.values())
        return {made["file_id"] for made in shown if made["state"] == "Uploading"}

    def due_s(self, now_s: float) -> float | None:
        """Seconds until something that was kept back may be sent; None when nothing was."""
        return max(0.0, self._rows_free_s - now_s) if any(view.late for view in self._views.values()) else None

    def any_stale(self, silent: Iterable[int]) -> bool:
        """True when a page that listens has not got its snapshot."""
        out = set(silent)
        return any(view.stale for page, view in self._views.items() if page not in out)

    def forget(self) -> None:
        """No page looks any more."""
        self._views.clear()

    def doubt(self) -> None:
        """Something that was sent may be lost: begin again with snapshots."""
        for view in self._views.values():
            view.stale = True

    def show(
        self, now_s: float, changed: set[str], summary: dict[str, Any], *, silent: Iterable[int], repeat: bool
    ) -> None:
        """Tell every page that listens what is new for it, those that waited longest first."""
        out = set(silent)
        order: Mapping[int, _View] = dict(sorted(self._views.items(), key=lambda item: item[1].served_s))
        for page, view in order.items():
            if page in out:
                # It begins with a snapshot when it speaks again, and costs no memory until then.
                view.rows, view.ids, view.held, view.late, view.stale = {}, [], set(), False, True
            else:
                self._show(page, view, now_s, changed, summary, repeat=repeat)

    def _show(
        self, page: int, view: _View, now_s: float, changed: set[str], summary: dict[str, Any], *, repeat: bool
    ) -> None:
        window = view.window
        matching = self._overview().matching(window)
        ids = list(matching[window.first : window.first + window.count])
        if view.stale or repeat or ids != view.ids:
            rows = [made for file_id in ids if (made := self._make_row(file_id)) is not None]
            kind = "snapshot"
            view.rows = {}
        else:
            wanted = (changed | view.held) & set(ids)
            same = summary == view.summary and len(matching) == view.matching
            if now_s < self._rows_free_s:
                view.held, view.late = wanted, bool(wanted) or not same
                return
            made_rows = [self._make_row(file_id) for file_id in ids if file_id in wanted]
            rows = [made for made in made_rows if made is not None and made != view.rows.get(made["file_id"])]
            kind = "rows"
            if not rows and same:
                view.held, view.late = set(), False
                return
        if not self._may_send(now_s):
            view.stale = True
            return
        view.seq += 1
        content = {
            "kind": kind,
            "page": page,
            "seq": view.seq,
            "summary": summary,
            "first": window.first,
            "matching": len(matching),
            "rows": rows,
        }
        view.stale = not self._send(content)
        view.held, view.late, view.served_s = set(), False, now_s
        view.ids, view.matching, view.summary = ids, len(matching), summary
        view.rows.update((made["file_id"], made) for made in rows)
        # Large windows pay for their bytes with patience, all pages out of one purse.
        self._rows_free_s = max(now_s, self._rows_free_s) + len(rows) * _ROW_BYTES / ROWS_BYTES_PER_S
