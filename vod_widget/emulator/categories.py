"""The category tree of an account.

What lives here: `Categories` with AddCategory and GetCategories. It imports `checks` and
`errors`; called under the lock of `Cloud`.

Source: VOD "Media asset category": names up to 64 bytes, 3 levels, 100 children each; -1 is
the root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vod_widget.emulator import checks
from vod_widget.emulator.book import Book, NoBook
from vod_widget.emulator.checks import Params
from vod_widget.emulator.errors import RpcError

ROOT_ID = -1
MAX_NAME_BYTES = 64
MAX_LEVEL = 2
MAX_CHILDREN = 100
KINDS = frozenset({"default", "material"})
_FIRST_ID = 100_000_001


@dataclass(frozen=True)
class Category:
    """One node of the tree."""

    cate_id: int
    name: str
    level: int
    parent_id: int
    kind: str

    def fields(self) -> dict[str, Any]:
        """Return the node as the service prints it."""
        return {
            "CateId": self.cate_id,
            "CateName": self.name,
            "Level": self.level,
            "ParentId": self.parent_id,
            "Type": self.kind,
        }


class Categories:
    """Add and list categories."""

    def __init__(self, book: Book | None = None) -> None:
        self._book = book or NoBook()
        self._nodes: dict[int, Category] = {}

    def put_back(self, node: Category) -> None:
        """Take a category that was made before."""
        self._nodes[node.cate_id] = node

    def require(self, cate_id: int) -> Category:
        """Return a category or raise InvalidCateId.NotFound."""
        found = self._nodes.get(cate_id)
        if found is None:
            raise RpcError(404, "InvalidCateId.NotFound", "The CateId does not exist.")
        return found

    def known(self, cate_ids: Iterable[int]) -> list[Category]:
        """Return those that exist."""
        return [self._nodes[cate_id] for cate_id in cate_ids if cate_id in self._nodes]

    def name(self, cate_id: int) -> str:
        """Return a category's name, "" when unknown."""
        found = self._nodes.get(cate_id)
        return found.name if found else ""

    def _children(self, cate_id: int) -> list[Category]:
        return [node for node in self._nodes.values() if node.parent_id == cate_id]

    def add(self, params: Params) -> dict[str, Any]:
        """AddCategory."""
        checks.require(params, "CateName")
        name = checks.text(params, "CateName", MAX_NAME_BYTES)
        kind = checks.one_of(params, "Type", KINDS, "default")
        if kind == "material":
            # Source: AddCategory: those of the highest level are built in.
            checks.require(params, "ParentId")
        parent_id = checks.integer(params, "ParentId", low=-1, default=ROOT_ID)
        assert parent_id is not None
        level = 0 if parent_id == ROOT_ID else self.require(parent_id).level + 1
        if level > MAX_LEVEL:
            raise RpcError(400, "LevelExceededMax", "The category has at most 3 levels.")
        if len(self._children(parent_id)) >= MAX_CHILDREN:
            raise RpcError(400, "SubTotalExceededMax", "A category has at most 100 children.")
        node = Category(_FIRST_ID + len(self._nodes), name, level, parent_id, kind)
        self.put_back(node)
        self._book.put("category", str(node.cate_id), node)
        return {"Category": node.fields()}

    def get(self, params: Params) -> dict[str, Any]:
        """GetCategories: one node and a page of its children."""
        cate_id = checks.integer(params, "CateId", low=-1, default=ROOT_ID)
        page, size = checks.page(params)
        assert cate_id is not None
        order = checks.one_of(params, "SortBy", {"CreationTime:Desc", "CreationTime:Asc"}, "CreationTime:Desc")
        kinds = {checks.one_of(params, "Type", KINDS)} if params.get("Type") else KINDS
        answer: dict[str, Any] = {}
        if cate_id != ROOT_ID:
            answer["Category"] = self.require(cate_id).fields()
        children = [node for node in self._children(cate_id) if node.kind in kinds]
        children.sort(key=lambda node: node.cate_id, reverse=order.endswith("Desc"))
        answer["SubTotal"] = len(children)
        shown = children[(page - 1) * size : page * size]
        answer["SubCategories"] = {
            "Category": [{**node.fields(), "SubTotal": len(self._children(node.cate_id))} for node in shown]
        }
        return answer
