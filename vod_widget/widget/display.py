"""What the publisher says beside rows: the display traits, and how many messages a second there may be in all.

The publisher's thread owns both. Imports nothing of the house.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["DisplayTraits", "MessageBudget"]

_log = logging.getLogger(__name__)

TRAITS_S = 1.0
# jupyter_server drops what is above 1000 messages/s of a whole kernel, also the prints of other cells.
MESSAGES_PER_S = 20


class MessageBudget:
    """Counts the messages of the last second; what nobody waits for goes out while there is room."""

    def __init__(self) -> None:
        self._spent_s: deque[float] = deque()

    def has_room(self, now_s: float) -> bool:
        """Whether another message may go out at this monotonic time."""
        while self._spent_s and now_s - self._spent_s[0] >= 1.0:
            self._spent_s.popleft()
        return len(self._spent_s) < MESSAGES_PER_S

    def spend(self, now_s: float) -> None:
        """Count one message."""
        self._spent_s.append(now_s)


class DisplayTraits:
    """Keeps the traits that other widgets may be linked to true: states at once, figures once a second.

    Args:
        show: Sets traits and sends them in one message; may raise, and nothing follows from it.
        budget: That of all messages.
    """

    def __init__(self, show: Callable[[dict[str, Any]], None], budget: MessageBudget) -> None:
        self._show = show
        self._budget = budget
        self._shown: dict[str, Any] = {}
        self._shown_s = float("-inf")

    def doubt(self) -> None:
        """Say all of them again with the next update."""
        self._shown = {}

    def are_late(self, facts: dict[str, Any]) -> bool:
        """Whether they differ from this summary."""
        return _traits_of(facts) != self._shown

    def update(self, now_s: float, facts: dict[str, Any], *, is_last: bool) -> None:
        """Show what differs from this summary, unless it can wait; the last update does not."""
        wished = _traits_of(facts)
        if wished == self._shown:
            return
        turned = wished["state"] != self._shown.get("state")
        if not turned and not is_last and now_s - self._shown_s < TRAITS_S:
            return
        if not self._budget.has_room(now_s):
            return
        self._shown_s = now_s
        self._budget.spend(now_s)
        self.show(facts)

    def show(self, facts: dict[str, Any]) -> None:
        """Show this summary whatever was shown before."""
        self._shown = _traits_of(facts)
        try:
            self._show(self._shown)
        except Exception:
            # An observer of the person's raised, or the comm is gone; the next change tries again.
            _log.debug("traits could not be shown", exc_info=True)


def _traits_of(facts: dict[str, Any]) -> dict[str, Any]:
    named = {name: facts[name] for name in ("state", "progress", "done", "failed", "total")}
    return {**named, "speed": facts["speed_bytes_per_s"]}
