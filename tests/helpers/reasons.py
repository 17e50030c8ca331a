"""Every sentence of the source that says why a profile cannot be used, with 7 where a fact stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2] / "vod_widget" / "credentials"
_SAYS = re.compile(r"problem$|^_judge$|^parse_")
_NAMES = frozenset({"problem", "reason", "why"})


def reasons_in_the_source() -> set[str]:
    """Collect what is returned by a function of problems, or given or assigned as problem, reason or why."""
    found = {
        text.replace("is missing; 7", "is missing; add it in 7")
        for path in _PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for expression in _expressions(node)
        for text in _texts(expression)
    }
    return found - {""}


def _expressions(node: ast.AST) -> Iterator[ast.expr | None]:
    if isinstance(node, ast.FunctionDef) and _SAYS.search(node.name):
        yield from (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return))
    elif isinstance(node, ast.keyword) and node.arg in _NAMES:
        yield node.value
    elif isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id in _NAMES for to in node.targets):
        yield node.value


def _texts(expression: ast.expr | None) -> Iterator[str]:
    match expression:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _texts(part)
