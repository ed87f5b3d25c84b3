"""What every step is asked: that it gives on a sample what it promises, of every row one."""

from __future__ import annotations

from typing import Any, get_type_hints

import polars as pl

from penstock.builds.automatic.rehearsal import Rehearsed
from penstock.builds.automatic.views import not_finite
from penstock.core.targets import resolve
from penstock.features.types import RowsSettings
from penstock.pipelines.graph import spread
from penstock.pipelines.types import Node

_CLASSES = 20


def artifact(node: Node, done: Rehearsed, rows: list[RowsSettings]) -> None:
    """Raises AssertionError when a step's value is not what is annotated, is empty, or holds NaN."""
    for name, value in done.outputs[node.name].items():
        what = f"{node.name} returned" if len(node.outputs) == 1 else f"{node.name} returned as `{name}`"
        if len(node.outputs) == 1 and not spread(node):
            _typed(node, what, value)
        if hasattr(value, "__dataframe__") or isinstance(value, pl.DataFrame):
            table = value if isinstance(value, pl.DataFrame) else pl.from_dataframe(value)
            _table(node, what, table, done, rows)


def _typed(node: Node, what: str, value: object) -> None:
    function = resolve(node.target)
    try:
        wanted: Any = get_type_hints(getattr(function, "__wrapped__", function)).get("return")
    except (NameError, TypeError):
        return
    if wanted is float:
        wanted = float | int
    if wanted is type(None) or not isinstance(wanted, type) or isinstance(value, wanted):
        return
    if getattr(wanted, "_is_protocol", False):
        return
    raise AssertionError(
        f"{what} a {type(value).__name__}, but its annotation promises {wanted.__name__}. "
        f"See {node.target.replace(':', ', function ')}."
    )


def _table(node: Node, what: str, table: pl.DataFrame, done: Rehearsed, rows: list[RowsSettings]) -> None:
    if table.is_empty() or not table.width:
        raise AssertionError(
            f"{what} an empty table from a sample with rows: expected some. Look at its filters and inner "
            "joins."
        )
    if name := not_finite(table):
        raise AssertionError(
            f"{what} NaN or infinity in `{name}`: expected numbers or nulls. Look for divisions."
        )
    given = [value for value in done.inputs[node.name].values() if isinstance(value, pl.DataFrame)]
    for asked in rows:
        key = list(asked.source.key)
        before = [part for part in given if key and set(key) <= set(part.columns)]
        if not before or not set(key) <= set(table.columns):
            continue
        keys = sum(part.select(key).n_unique() for part in before)
        if table.height <= keys or not all(part.select(key).is_unique().all() for part in before):
            continue
        if not _as_often_by_label(table, key, asked.label):
            raise AssertionError(
                f"{what} {table.height} rows for {keys} different {', '.join(key)}: expected one row for "
                "each. A join with a table that has several rows for a key multiplies them."
            )


def _as_often_by_label(table: pl.DataFrame, key: list[str], label: str) -> bool:
    """Whether each row is there as often as every other with its label: rare classes may be repeated."""
    if label not in table.columns or table[label].n_unique() > _CLASSES:
        return False
    times = table.group_by(key).agg(pl.len().alias("_times"), pl.col(label).first())
    return times.group_by(label).agg(pl.col("_times").n_unique())["_times"].max() == 1
