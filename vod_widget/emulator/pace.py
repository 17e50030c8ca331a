"""The pace of one connection: no more bytes than the client asked for by x-oss-traffic-limit.

What lives here: `Pace`. Standard library only; used on the emulator's event loop.

Source: OSS "Single-connection bandwidth throttling".
"""

from __future__ import annotations

import asyncio

# A tenth of a second of bytes at a time, so that the flow is even.
_STEPS_PER_S = 10


class Pace:
    """Hold up whoever moves bytes faster than allowed.

    Args:
        bytes_per_s: The limit; None: none.
    """

    def __init__(self, bytes_per_s: float | None) -> None:
        self.bytes_per_s = bytes_per_s
        self._due_s = 0.0

    @property
    def step_bytes(self) -> int | None:
        """Return how much to move at a time; None: as much as there is."""
        return None if self.bytes_per_s is None else max(1, int(self.bytes_per_s / _STEPS_PER_S))

    async def passed(self, count_bytes: int) -> None:
        """Wait until so many more bytes may have passed."""
        if self.bytes_per_s is None:
            return
        now_s = asyncio.get_running_loop().time()
        self._due_s = max(self._due_s, now_s) + count_bytes / self.bytes_per_s
        await asyncio.sleep(self._due_s - now_s)
