"""JSON that a client sent: strict, and of a depth that no client needs to exceed.

What lives here: `loads`. Standard library only; pure, any thread.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

# Far below the interpreter's own limit, so that what was taken can be written down again.
MAX_DEPTH = 64


def loads(text: str | bytes) -> Any:
    """Parse a document.

    Raises:
        ValueError: Not JSON (NaN and Infinity are none), not UTF-8, or nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError as exc:
        raise ValueError("nested too deep") from exc
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return value
        level = [child for item in level for child in _children(item)]
    raise ValueError("nested too deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
