"""Policies of buckets: whom they allow or deny what.

What lives here: `parse`, and `BucketPolicy.rule`. It imports `policy`, `strict_json`, `tokens`; pure, any thread.

Source: OSS "Bucket Policy", "Authorization syntax and elements": Deny wins; the principals are ids of accounts, of RAM
users, sessions of roles, or `*`, which without a Condition means everyone but the owner of the bucket. INFERRED: the
owner is the account itself, not its RAM users, and a statement without a Principal is about nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase

from vod_widget.emulator import policy, strict_json
from vod_widget.emulator.errors import OssError
from vod_widget.emulator.tokens import Key


@dataclass(frozen=True)
class _Statement:
    rule: policy.Statement
    principals: tuple[str, ...]
    has_condition: bool

    def is_about(self, key: Key | None, owner_id: str) -> bool:
        is_owner = key is not None and key.kind == "root" and key.account_id == owner_id
        if "*" in self.principals and (self.has_condition or not is_owner):
            return True
        return key is not None and any(_names(principal, key) for principal in self.principals)


def _names(principal: str, key: Key) -> bool:
    if principal.startswith("arn:sts::"):
        _, _, role = key.arn.partition(":role/")
        arn = f"arn:sts::{key.account_id}:assumed-role/{role}"
        return key.kind == "role" and fnmatchcase(arn, principal.replace("[", "[[]"))
    return principal != "*" and principal in (key.account_id, key.principal_id)


@dataclass(frozen=True)
class BucketPolicy:
    """A policy that was read."""

    statements: tuple[_Statement, ...]

    def rule(self, key: Key | None, owner_id: str, action: str, resource: str) -> bool | None:
        """Decide: True allows, False denies, None says nothing.

        Args:
            key: Who asks; None is nobody in particular.
            owner_id: Account of the bucket.
            action: Such as `oss:GetObject`.
            resource: `acs:oss:<region>:<account>:<bucket>/<key>`.
        """
        said = None
        for statement in self.statements:
            if statement.is_about(key, owner_id) and statement.rule.matches(action, resource):
                if not statement.rule.allow:
                    return False
                said = True
        return said


def parse(text: str) -> BucketPolicy:
    """Read a policy.

    Raises:
        OssError: InvalidPolicyDocument, or NotImplemented for what cannot be judged here.
    """
    try:
        document = strict_json.loads(text)
        raw = document["Statement"] if isinstance(document, dict) and document.get("Version") == "1" else None
        statements = [raw] if isinstance(raw, dict) else raw
        if not isinstance(statements, list) or not statements:
            raise ValueError("it needs the Version 1 and statements")
        parsed = [_statement(item) for item in statements]
    except (ValueError, KeyError) as exc:
        raise OssError(400, "InvalidPolicyDocument", f"The policy is not valid: {exc}") from exc
    return BucketPolicy(tuple(statement for statement in parsed if statement is not None))


def _statement(item: object) -> _Statement | None:
    """Return a statement; None when its condition keeps it from speaking at all."""
    if not isinstance(item, dict):
        raise ValueError("each Statement must be an object")  # noqa: TRY004 - grammar, not type
    for name in ("NotPrincipal", "NotAction", "NotResource"):
        if name in item:  # a policy that is half obeyed would open or close what it should not
            raise OssError(400, "NotImplemented", f"{name} of a bucket policy is not implemented.")
    has_condition = "Condition" in item
    if has_condition and policy.condition_holds(item["Condition"]) is None:
        raise OssError(400, "NotImplemented", "Of conditions of a bucket policy only acs:SourceIp is implemented.")
    found = item.get("Principal", [])
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("Principal must be a list of ids")
    rest = {name: value for name, value in item.items() if name != "Principal"}
    rules = policy.parse(json.dumps({"Version": "1", "Statement": [rest]})).statements
    return _Statement(rules[0], tuple(names), has_condition) if rules else None
