"""The machine's clock and its chance, behind the Protocols of `interfaces`.

The only place of the package that reads a clock or draws a random number. Floor 2; stateless, safe in any thread.
"""

from __future__ import annotations

import random
import secrets
import time

from .errors import InvalidArgumentError

__all__ = ["SystemClock", "SystemRandomness"]


class SystemClock:
    """The clocks of this machine."""

    def now_s(self) -> float:
        """Unix time in seconds; it jumps when somebody sets the clock, so it serves signing and expiry only."""
        return time.time()

    monotonic_s = staticmethod(time.monotonic)
    """Seconds that never go back, since an unknown instant; asked several times for each block that is sent."""


class SystemRandomness:
    """Chance from the operating system; a forked child draws other numbers than its parent."""

    def hex(self, length: int) -> str:
        """Return hexadecimal digits that nobody can guess.

        Args:
            length: Number of digits, >= 1.
        """
        if length < 1:
            raise InvalidArgumentError(f"length is {length}; it must be at least 1")
        return secrets.token_hex((length + 1) // 2)[:length]

    def uniform(self, low: float, high: float) -> float:
        """Return a number between `low` and `high`, for jitter."""
        return random.SystemRandom().uniform(low, high)
