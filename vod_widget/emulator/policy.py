"""RAM policies: grammar and decisions.

What lives here: parsing a policy document and asking it for one action on one resource. No
clock, no keys; any thread.

Source: RAM "Policy structure and syntax": Version "1", Statement list, Effect Allow or Deny, Action or NotAction,
Resource with `*` and `?`, Condition; Deny wins, and what is not allowed is denied.

Of the conditions only acs:SourceIp can be judged here: every caller is 127.0.0.1. What cannot be judged grants nothing
and forbids, so a client that leans on it hears of it here and not in production.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from vod_widget.emulator import strict_json

_CALLER = ipaddress.ip_address("127.0.0.1")
_OPERATORS = frozenset(
    {
        *(f"String{word}" for word in ("Equals", "NotEquals", "Like", "NotLike")),
        *("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "Bool", "IpAddress", "NotIpAddress"),
        *(
            f"{kind}{word}"
            for kind in ("Numeric", "Date")
            for word in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
        ),
    }
)


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
    all_but: bool = False
    """NotAction: it speaks about every action but these."""

    def matches(self, action: str, resource: str) -> bool:
        """Tell whether the rule speaks about this; actions ignore case, resources do not."""
        lowered = action.lower()
        named = any(_pattern(glob.lower()).fullmatch(lowered) for glob in self.actions)
        return named is not self.all_but and any(_pattern(glob).fullmatch(resource) for glob in self.resources)


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
    _only(document, {"Version", "Statement"})
    raw = document.get("Statement")
    statements = [raw] if isinstance(raw, dict) else raw
    if not isinstance(statements, list) or not statements:
        raise ValueError("Statement must be a non-empty list")
    parsed = [_parse_statement(item) for item in statements]
    return Policy(tuple(statement for statement in parsed if statement is not None))


def _only(item: Mapping[str, object], allowed: set[str]) -> None:
    unknown = sorted(set(item) - allowed)
    if unknown:
        raise ValueError(f"there is no element {unknown[0]}")


def _parse_statement(item: object) -> Statement | None:
    """Return a rule; None when its condition keeps it from speaking at all."""
    if not isinstance(item, dict):
        raise ValueError("each Statement must be an object")  # noqa: TRY004 - grammar, not type
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError("Effect must be Allow or Deny")
    _only(item, {"Effect", "Action", "NotAction", "Resource", "Condition"})
    if ("Action" in item) is ("NotAction" in item):
        raise ValueError("either Action or NotAction must be there")
    actions = _strings(item.get("Action", item.get("NotAction")))
    rule = Statement(effect == "Allow", actions, _strings(item.get("Resource")), "NotAction" in item)
    holds = condition_holds(item["Condition"]) if "Condition" in item else True
    return rule if holds or (holds is None and not rule.allow) else None


def condition_holds(condition: object) -> bool | None:
    """Judge a Condition for a caller on this machine; None when that cannot be known."""
    if not isinstance(condition, dict) or not condition:
        raise ValueError("Condition must be an object")
    verdicts: list[bool | None] = []
    for operator, pairs in condition.items():
        if operator not in _OPERATORS or not isinstance(pairs, dict) or not pairs:
            raise ValueError(f"there is no condition {operator}")
        for key, value in pairs.items():
            values = _strings(value)
            if key == "acs:SourceIp" and operator in ("IpAddress", "NotIpAddress"):
                inside = any(_CALLER in ipaddress.ip_network(text, strict=False) for text in values)
                verdicts.append(inside is (operator == "IpAddress"))
            else:
                verdicts.append(None)
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _strings(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or not all(isinstance(i, str) for i in items):
        raise ValueError("Action, Resource and the values of a Condition must be a string or a list of strings")
    return tuple(items)
