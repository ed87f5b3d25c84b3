"""Lists of nouns, as routes answer them."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.workbench import Workbench
from penstock.lineage.ports import T

LIMIT = 100
"""How many of a noun a list shows unless asked for more."""


def listed(bench: Workbench, kind: type[T], order: str, limit: int, **where: Any) -> dict[str, list[T]]:
    """The nouns of a kind that match; a field that is empty matches everything, and a limit of 0 is none."""
    chosen = {name: value for name, value in where.items() if value != ""}
    with bench.store.read() as reader:
        return {"items": reader.find(kind, order=order, limit=limit, **chosen)}


def brief(noun: msgspec.Struct, *without: str) -> dict[str, Any]:
    """A noun without its large fields."""
    return {name: value for name, value in msgspec.structs.asdict(noun).items() if name not in without}
