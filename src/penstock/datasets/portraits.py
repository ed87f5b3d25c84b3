"""What a sketch says of a table and how two of them differ, as JSON-like data that pages draw."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.datasets.sketches import ColumnSketch, Sketch

BARS = 16
"""Bars that a column of numbers is drawn with."""
NAMED = 12
"""Values of text that are named, the commonest."""
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
_SAME = 1e-6
"""A difference between shares that is none."""


def portrait(sketch: Sketch) -> dict[str, Any]:
    """The rows and columns of a table: counts, range, moments, quantiles, commonest values, and bars.

    `error` is by how much the share of rows below a quantile may be off. Times are written as text.
    """
    columns = [_column(sketch, column) for column in sketch.columns]
    return {"rows": sketch.rows, "error": round(sketch.error, 4), "columns": columns}


def difference(a: Sketch, b: Sketch) -> dict[str, Any]:
    """Two tables side by side, the columns that differ most first.

    `apart` is the largest difference between the shares of both: of numbers and times below any value (the
    Kolmogorov-Smirnov distance, from the samples), of text the half of the sum over all values (the total
    variation distance), where missing values are one more. `sure` says that it is more than both sketches
    may be off. A column that only one has is 1 apart.
    """
    left, right = ({column.name: column for column in each.columns} for each in (a, b))
    names = list(dict.fromkeys([*left, *right]))
    rows = [_compared(name, a, b, left.get(name), right.get(name)) for name in names]
    return {
        "rows": [a.rows, b.rows],
        "columns": sorted(rows, key=lambda row: -row["apart"]),
    }


def _column(sketch: Sketch, column: ColumnSketch) -> dict[str, Any]:
    told: dict[str, Any] = {
        "column": column.name,
        "type": column.dtype,
        "count": column.count,
        "nulls": column.nulls,
        "null_share": round(column.nulls / max(1, column.rows), 6),
        "odd": column.odd,
        "distinct": column.distinct if column.dtype != "other" else None,
    }
    values = sketch.values(column.name)
    if column.dtype in {"int", "float", "time"} and column.count:
        shown = _moment if column.dtype == "time" else float
        inner = np.quantile(values, QUANTILES, method="inverted_cdf").tolist() if values.size else []
        told |= {
            "low": shown(column.low),
            "mean": shown(column.mean),
            "std": column.std if column.dtype != "time" else column.std / 1e6,
            "high": shown(column.high),
            "quantiles": {f"{share:g}": shown(value) for share, value in zip(QUANTILES, inner, strict=False)},
        }
        edges, counts = _bars(values, column)
        told |= {"edges": [shown(edge) for edge in edges], "bars": counts}
    elif column.top:
        common = sorted(column.top.items(), key=lambda pair: (-pair[1], pair[0]))[:NAMED]
        told |= {
            "top": dict(common),
            "others": column.count - sum(count for _, count in common),
            "missed": column.missed,
        }
        if column.dtype == "string":
            told |= {"shortest": int(column.low), "longest": int(column.high)}
    return told


def _bars(values: NDArray[np.float64], column: ColumnSketch) -> tuple[list[float], list[int]]:
    """How many sampled values lie in bins of one width, the outermost percent on either side in the ends."""
    if not values.size:
        return [], []
    low, high = np.quantile(values, [0.01, 0.99], method="inverted_cdf")
    if low == high:
        low, high = column.low, column.high
    if not low < high:
        return [column.low, column.high], [int(values.size)]
    edges = np.linspace(low, high, BARS + 1)
    counts, _ = np.histogram(values.clip(low, high), edges)
    return edges.tolist(), counts.tolist()


def _compared(
    name: str, a: Sketch, b: Sketch, left: ColumnSketch | None, right: ColumnSketch | None
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "column": name,
        "a": _column(a, left) if left else None,
        "b": _column(b, right) if right else None,
    }
    if left is None or right is None:
        return {**told, "apart": 1.0, "sure": True, "how": f"only in {'a' if left else 'b'}"}
    same, kinds = "the same", {left.dtype, right.dtype}
    if len(kinds) > 1 and kinds != {"int", "float"}:
        same = f"{left.dtype} became {right.dtype}"
        if left.count and right.count:  # else the type may be nobody's
            return {**told, "apart": 1.0, "sure": True, "how": same}
    missing = [(c.nulls + c.odd) / max(1, c.rows) for c in (left, right)]
    apart, bound = abs(missing[1] - missing[0]), 0.0
    how = f"missing {missing[0]:.1%} to {missing[1]:.1%}" if apart > _SAME else ""
    of_values, of_bound, said = _apart(a, b, left, right)
    if of_values > apart or not how:
        apart, bound, how = max(apart, of_values), of_bound, said if of_values > _SAME else how
    return {**told, "apart": round(apart, 4), "sure": apart > bound + _SAME, "how": how or same}


def _apart(a: Sketch, b: Sketch, left: ColumnSketch, right: ColumnSketch) -> tuple[float, float, str]:
    """How far apart the values are, by how much that may be off, and what moved."""
    if not (left.count and right.count):
        return 0.0, 0.0, ""
    if left.dtype in {"int", "float", "time"}:
        mine, other = a.values(left.name), b.values(right.name)
        if not (mine.size and other.size):
            return 0.0, 1.0, ""
        at = np.concatenate([mine, other])
        shares = [np.searchsorted(each, at, side="right") / each.size for each in (mine, other)]
        shown = _moment if left.dtype == "time" else "{:.4g}".format
        how = f"mean {shown(left.mean)} to {shown(right.mean)}"
        return float(np.abs(shares[0] - shares[1]).max()), a.error + b.error, how
    shares_of = [{value: count / c.count for value, count in c.top.items()} for c in (left, right)]
    moved = {
        value: shares_of[1].get(value, 0.0) - shares_of[0].get(value, 0.0)
        for value in shares_of[0] | shares_of[1]
    }
    rest = sum(moved.values())
    most = max(moved, key=lambda value: abs(moved[value]), default="")
    bound = sum(c.missed * len(c.top) / c.count for c in (left, right))
    return (
        min(1.0, (sum(map(abs, moved.values())) + abs(rest)) / 2),
        min(1.0, bound / 2),
        f"{most!r} {shares_of[0].get(most, 0.0):.1%} to {shares_of[1].get(most, 0.0):.1%}",
    )


def _moment(microseconds: float) -> str:
    try:
        return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{microseconds:.0f} µs since 1970"
