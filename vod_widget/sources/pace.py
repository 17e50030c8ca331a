"""How much of a browser's file is asked for at once, learned from what comes and what does not.

No event tells that a server dropped a message that was too large for it, or that a socket was replaced: only the
missing acknowledgement does. So a slice that does not come halves the size (unless as large ones came before: then it
was the socket, and only a second loss in a row counts), and many that do come double it again, up to what the page's
probe found and never to a size that was lost twice. A click travels behind the slices that are on
their way, so these get smaller while they take long, too. Pure, not thread-safe. Floor 2.
"""

from __future__ import annotations

__all__ = ["FIRST_SLICE_BYTES", "LARGEST_SLICE_BYTES", "SMALLEST_SLICE_BYTES", "Pace"]

_KIB = 1024
# Before the page has told what its host carries: with its head a message of it passes a limit of 512 KiB. One that does
# not costs the socket and ten seconds of wait, smaller ones cost nothing while the page's probe takes a tenth of one.
FIRST_SLICE_BYTES = 256 * _KIB
# Measured on loopback: 4 MiB at four in flight is the fastest; servers close the socket at 10 MiB.
LARGEST_SLICE_BYTES = 4096 * _KIB
# Anything that carries messages carries this; below it a link is not worth waiting for.
SMALLEST_SLICE_BYTES = 32 * _KIB
_SLICES_IN_FLIGHT = 4
# Small slices are bound by the round trip (48 ms measured), so more of them fly.
_SMALLEST_WINDOW_BYTES = 2048 * _KIB

_FIRST_TIMEOUT_S = 10.0
# JupyterLab opens a lost socket again at once: what was in flight is known to be lost a few seconds later.
_SHORTEST_TIMEOUT_S = 4.0
_LONGEST_TIMEOUT_S = 60.0
_TIMEOUT_IN_ROUNDS = 6.0
_CLEAN_BEFORE_GROWTH = 32
# A click has half a second; a line that needs as long for one slice alone gets twice of what it needs. Slices below
# this size would cost speed and not bring the click: what takes long then is not the line (seen on a busy machine).
_LONG_ROUND_S = 0.3
_LEAST_FOR_CLICKS_BYTES = 2048 * _KIB
_ROUNDS_BEFORE_SHRINKING = 2 * _SLICES_IN_FLIGHT
# On a line where a slice waits so long behind its fellows, fewer are asked for: the line is full all the same, and a
# click that travels behind 2 MiB over 1 Mbit/s is given up by the page, which waits for ten seconds.
_FULL_ROUND_S = 2.0
_LEAST_IN_FLIGHT = 2


class Pace:
    """Slice size, window and patience of one file.

    Args:
        reach_bytes: Largest slice that the page's host is known to carry, bytes.
    """

    def __init__(self, reach_bytes: int) -> None:
        self.reach_bytes = 0
        self.slice_bytes = 0
        self._lost_at: dict[int, int] = {}
        self._clean = 0
        self._carried_bytes = 0
        self._just_lost = False
        self._round_s: float | None = None
        self._least_s = float("inf")
        self._backoff = 1.0
        self._parts_of_window = 1
        self._since_fewer_bytes = 0
        self.set_reach(reach_bytes)

    def set_reach(self, reach_bytes: int) -> None:
        """Begin again with what a page says that its host carries, bytes."""
        self.reach_bytes = max(SMALLEST_SLICE_BYTES, min(reach_bytes, LARGEST_SLICE_BYTES))
        self.slice_bytes = self.reach_bytes
        self._lost_at.clear()
        self._clean = 0
        self._carried_bytes = 0
        self._just_lost = False
        self._backoff = 1.0

    @property
    def window_bytes(self) -> int:
        """Most bytes that may be asked for and not yet have come."""
        full_bytes = max(_SLICES_IN_FLIGHT * self.slice_bytes, _SMALLEST_WINDOW_BYTES)
        return max(_LEAST_IN_FLIGHT * self.slice_bytes, full_bytes // self._parts_of_window)

    @property
    def timeout_s(self) -> float:
        """Seconds after which a slice counts as lost."""
        base_s = _FIRST_TIMEOUT_S
        if self._round_s is not None:
            base_s = max(_SHORTEST_TIMEOUT_S, _TIMEOUT_IN_ROUNDS * self._round_s)
        return min(base_s * self._backoff, _LONGEST_TIMEOUT_S)

    def came(self, seconds: float, length: int = 0) -> None:
        """Take note of a slice of so many bytes that came so long after it was asked for."""
        self._carried_bytes = max(self._carried_bytes, length)
        self._just_lost = False
        self._round_s = seconds if self._round_s is None else 0.8 * self._round_s + 0.2 * seconds
        self._least_s = min(self._least_s, seconds)
        self._backoff = 1.0
        self._clean += 1
        self._judge_window(seconds, length)
        long_s = max(_LONG_ROUND_S, 2 * self._least_s)
        larger = 2 * self.slice_bytes
        if self._round_s > long_s:
            # What was asked for before the last change still comes late.
            if self._clean >= _ROUNDS_BEFORE_SHRINKING and self.slice_bytes > _LEAST_FOR_CLICKS_BYTES:
                self.slice_bytes = max(_LEAST_FOR_CLICKS_BYTES, self.slice_bytes // 2)
                self._clean = 0
        elif (
            self._clean >= _CLEAN_BEFORE_GROWTH
            and self._round_s < long_s / 2
            and larger <= self.reach_bytes
            and self._lost_at.get(larger, 0) < 2
        ):
            self.slice_bytes = larger
            self._clean = 0

    def _judge_window(self, seconds: float, length: int) -> None:
        """Ask for fewer slices at a time while each waits long behind the others, and for more when it does not."""
        self._since_fewer_bytes += length
        # What was asked for before the last change still comes late.
        if seconds > _FULL_ROUND_S and self._since_fewer_bytes > 2 * self.window_bytes:
            if self.window_bytes > _LEAST_IN_FLIGHT * self.slice_bytes:
                self._parts_of_window *= 2
            self._since_fewer_bytes = 0
        elif seconds < _FULL_ROUND_S / 2 and self._parts_of_window > 1:
            self._parts_of_window //= 2
            self._since_fewer_bytes = 0

    def lost(self, length: int = LARGEST_SLICE_BYTES) -> None:
        """Take note that slices did not come, the largest of so many bytes; once for all that were on their way."""
        first, self._just_lost = not self._just_lost, True
        if first and length <= self._carried_bytes:
            self._backoff *= 2.0
            return
        self._lost_at[self.slice_bytes] = self._lost_at.get(self.slice_bytes, 0) + 1
        self.slice_bytes = max(SMALLEST_SLICE_BYTES, self.slice_bytes // 2)
        self._clean = 0
        self._backoff *= 2.0
