"""Rows of a batch that are not as those were expected to be on which the model was trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from penstock.datasets.expectations import SHOWN, Expectations, Rules, Violation, check
from penstock.serving.outside import HIDDEN, REFUSE


def unexpected_in(rows: pl.DataFrame, expected: Mapping[str, Mapping[str, Any]]) -> list[Violation]:
    """The rules of columns that some rows break; `rows` have their numbers as the column `row` as well."""
    columns = {
        name: msgspec.convert(
            {rule: value for rule, value in given.items() if rule not in {REFUSE, HIDDEN}}, Rules
        )
        for name, given in expected.items()
        if name != "row"
    }
    if not columns or rows.is_empty():
        return []
    hidden = tuple(name for name, given in expected.items() if given.get(HIDDEN))
    return check(rows, Expectations(columns=columns, hidden=hidden), named_by=("row",), part=True)


def together(parts: Iterable[Iterable[Violation]], rows: int) -> tuple[Violation, ...]:
    """What several parts of a table of so many rows break, rule by rule, as it was found."""
    found: dict[tuple[str, str], Violation] = {}
    for each in (violation for part in parts for violation in part):
        before = found.get((each.column, each.rule))
        found[each.column, each.rule] = (
            msgspec.structs.replace(
                before,
                count=before.count + each.count,
                examples=(*before.examples, *each.examples)[:SHOWN],
            )
            if before
            else msgspec.structs.replace(each, rows=rows)
        )
    return tuple(found.values())
