"""RAM policies: grammar and decisions.

What lives here: parsing a policy document and asking it for one action on one resource. No
clock, no keys; any thread.

Source: RAM "Policy structure and syntax": Version "1", Statement list, Effect Allow or Deny,
Action and Resource with `*` and `?`; Deny wins, and what is not allowed is denied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from vod_widget.emulator import strict_json


@lru_cache(maxsize=512)
def _pattern(glob: str) -> re.Pattern[str]:
    escaped = re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One rule of a policy."""

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def matches(self, action: str, resource: str) -> bool:
        """Tell whether the rule speaks about this; actions ignore case, resources do not."""
        lowered = action.lower()
        return any(_pattern(glob.lower()).fullmatch(lowered) for glob in self.actions) and any(
            _pattern(glob).fullmatch(resource) for glob in self.resources
        )


@dataclass(frozen=True)
class Policy:
    """A parsed policy document."""

    statements: tuple[Statement, ...]

    def allows(self, action: str, resource: str) -> bool:
        """Decide one action, such as `vod:CreateUploadVideo`, on one resource."""
        allowed = False
        for statement in self.statements:
            if statement.matches(action, resource):
                if not statement.allow:
                    return False
                allowed = True
        return allowed


def allow(actions: Iterable[str], resources: Iterable[str] = ("*",)) -> Policy:
    """Build a policy of one Allow statement."""
    return Policy((Statement(True, tuple(actions), tuple(resources)),))


def all_allow(policies: Iterable[Policy], action: str, resource: str) -> bool:
    """Tell whether each policy of a stack allows it: role AND session policy."""
    return all(policy.allows(action, resource) for policy in policies)


def parse(text: str) -> Policy:
    """Parse a policy document.

    Raises:
        ValueError: Not JSON, or not of the documented shape; the text names the spot.
    """
    try:
        document = strict_json.loads(text)
    except ValueError as exc:
        raise ValueError(f"not JSON: {exc}") from exc
    if not isinstance(document, dict) or document.get("Version") != "1":
        raise ValueError('Version must be "1"')
    raw = document.get("Statement")
    statements = [raw] if isinstance(raw, dict) else raw
    if not isinstance(statements, list) or not statements:
        raise ValueError("Statement must be a non-empty list")
    return Policy(tuple(_parse_statement(item) for item in statements))


def _parse_statement(item: object) -> Statement:
    if not isinstance(item, dict):
        raise ValueError("each Statement must be an object")  # noqa: TRY004 - grammar, not type
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError("Effect must be Allow or Deny")
    return Statement(effect == "Allow", _strings(item.get("Action")), _strings(item.get("Resource")))


def _strings(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or not all(isinstance(i, str) for i in items):
        raise ValueError("Action and Resource must be a string or a list of strings")
    return tuple(items)
