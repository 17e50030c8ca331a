"""Which widget a notebook cell showed before, so that running the cell again goes on with it instead of orphaning it.

A front-end makes a new widget each time and never tells that the old one is gone; without this its uploads would go on
unseen. JupyterLab, Notebook 7 and VS Code name the cell in the metadata of what they ask to be run; so does marimo's
editor to itself, which runs a cell again whenever one above it changes. Where nobody does (a script, Voila, nbconvert)
nothing is taken over. No import of IPython or marimo: they are there or they are not needed.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["Cells", "Place", "running_place"]

_MAX_CELLS = 1_000
_MAX_EARLIER = 8


class Place(NamedTuple):
    """Where a widget is made.

    Attributes:
        cell: Id of the cell.
        run: Id of this run of it.
    """

    cell: str
    run: str


def running_place() -> Place | None:
    """Return the cell that runs now, or None when nobody names one."""
    return _place_in_jupyter() or _place_in_marimo()


def _place_in_jupyter() -> Place | None:
    try:
        shell = sys.modules["IPython"].get_ipython()
        parent: Mapping[str, Any] = shell.get_parent()
        cell = parent["metadata"]["cellId"]
        run = parent["header"]["msg_id"]
    except (KeyError, AttributeError, TypeError, LookupError):
        return None
    return _place_of(cell, run)


def _place_in_marimo() -> Place | None:
    # Served as an app it has all visitors in one process, with the same cells: nobody may go on with another's queue.
    try:
        if sys.modules["marimo"].app_meta().mode != "edit":
            return None
        running = sys.modules["marimo._messaging.context"].EXECUTION_CTX.get()
        return _place_of(running.cell_id, running.id)
    except (KeyError, AttributeError, LookupError):
        return None


def _place_of(cell: object, run: object) -> Place | None:
    return Place(cell, run) if isinstance(cell, str) and isinstance(run, str) and cell else None


class Cells:
    """Remembers the widgets of each cell, the first of a run with the first of the next; holds none alive.

    Args:
        place: Tells the cell that runs now.
    """

    def __init__(self, place: Callable[[], Place | None] = running_place) -> None:
        self._place = place
        self._lock = threading.Lock()  # guards the cells
        self._cells: OrderedDict[str, _Cell] = OrderedDict()

    def come(self, widget: Any) -> list[Any]:
        """Note a new widget; return those that its cell showed in its place before, the newest first."""
        place = self._place()
        if place is None:
            return []
        with self._lock:
            cell = self._cells.setdefault(place.cell, _Cell())
            self._cells.move_to_end(place.cell)
            if len(self._cells) > _MAX_CELLS:
                self._cells.popitem(last=False)
            return cell.come(place.run, widget)


class _Cell:
    """The widgets of one cell, by their position in it."""

    def __init__(self) -> None:
        self._run = ""
        self._position = 0
        self._shown: dict[int, list[weakref.ref[Any]]] = {}

    def come(self, run: str, widget: Any) -> list[Any]:
        if run != self._run:
            self._run, self._position = run, 0
        before = self._shown.get(self._position, [])
        alive = [found for ref in before if (found := ref()) is not None]
        self._shown[self._position] = [weakref.ref(one) for one in [*alive[-_MAX_EARLIER:], widget]]
        self._position += 1
        return alive[::-1]
