"""Instants as the clouds and the profile files write them.

Floor 0; pure; any thread. Never by `strptime`: it takes a lock of its own module, and a process that is forked while
another thread holds that waits for it for ever, at its first answer.
"""

from __future__ import annotations

import datetime as dt

__all__ = ["unix_s"]


def unix_s(text: str) -> float | None:
    """Read ISO 8601; without an offset it is UTC.

    Args:
        text: As `2026-11-26T12:00:00Z`.

    Returns:
        Unix seconds, or None when it cannot be read.
    """
    try:
        when = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
