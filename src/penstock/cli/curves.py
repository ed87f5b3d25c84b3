"""Metrics over time, small enough for a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 32


def measurements(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each metric of a step, with its last value and, if there were several, their curve."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for metric in metrics:
        found.setdefault((metric["step"], metric["name"]), {})[metric["index"]] = metric["value"]
    rows = []
    for (step, name), points in found.items():
        values = [points[index] for index in sorted(points)]
        over_time = curve(values) if len(values) > 1 else ""
        rows.append({"step": step, "name": name, "value": values[-1], "over time": over_time})
    return rows


def curve(values: Sequence[float]) -> str:
    """Values as blocks from the lowest to the highest; of many, evenly chosen ones with both ends."""
    if len(values) > WIDTH:
        values = [values[round(place * (len(values) - 1) / (WIDTH - 1))] for place in range(WIDTH)]
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / ((high - low) or 1.0)
    return "".join(BLOCKS[round((value - low) * scale)] for value in values)
