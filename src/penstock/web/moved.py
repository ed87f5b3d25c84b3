"""The columns of an alarm, drawn: in each cell the share in training beside that in the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

WIDTH, HEIGHT = 720, 150
LEFT, TOP, BOTTOM = 8, 14, 34
MOST = 14
"""Cells that are drawn; of more, those that differ the most."""


class Bar(msgspec.Struct, frozen=True):
    """A bar in SVG units, with what its tooltip says; `kind` is training or window."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


class Picture(msgspec.Struct, frozen=True):
    """A column's bars, and its cells' names at their places."""

    column: str
    width: int
    height: int
    bars: tuple[Bar, ...]
    cells: tuple[tuple[float, str], ...]


def pictures(shares: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """A picture for each column."""
    return [_picture(each) for each in shares]


def _picture(column: Mapping[str, Any]) -> Picture:
    names, before, now = column["cells"], column["training"], column["window"]
    there = [index for index in range(len(names)) if before[index] or now[index]]
    most = sorted(there, key=lambda index: -abs(now[index] - before[index]))[:MOST]
    kept = [index for index in there if index in most]
    highest = max((max(before[i], now[i]) for i in kept), default=1.0)
    step = (WIDTH - LEFT) / max(1, len(kept))
    bars, cells = [], []
    for place, index in enumerate(kept):
        x = LEFT + place * step
        for offset, (kind, share) in enumerate((("training", before[index]), ("window", now[index]))):
            height = share / highest * (HEIGHT - TOP - BOTTOM)
            title = f"{names[index]}: {share:.1%} in {kind}"
            left = x + step * (0.1 + 0.4 * offset)
            bars.append(Bar(left, HEIGHT - BOTTOM - height, step * 0.38, height, kind, title))
        cells.append((x + step / 2, str(names[index])[:9]))
    return Picture(str(column["column"]), WIDTH, HEIGHT, tuple(bars), tuple(cells))
