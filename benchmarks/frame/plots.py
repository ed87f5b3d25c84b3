"""`plots.py RESULTS.json PLOT.svg`: a panel for each thing that several peers do; needs Matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "penstock", "font.size": 8}

from matplotlib import pyplot as plt  # noqa: E402 after the settings

OURS, THEIRS = "#0b6e99", "#b9c4cc"
ROW, PANEL = 0.21, 0.75
"""Inches of a bar, and of a panel beside its bars."""


def panels(rows: list[dict[str, Any]]) -> dict[str, list[tuple[str, float | None]]]:
    """For each thing that was compared with two peers or more: bars by name, the longest last."""
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        bars = found.setdefault(f"{row['name']} ({row['unit']})", {"Penstock": row["ours"]})
        if row["peer_name"]:
            bars[row["peer_name"]] = row["peer"]
    return {
        title: sorted(bars.items(), key=lambda bar: bar[1] or 0)
        for title, bars in found.items()
        if len(bars) > 2 and any(bars.values())
    }


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Horizontal bars on logarithmic axes; a peer without a number says so; empty without peers."""
    drawn = panels(rows)
    if not drawn:
        file.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
        return
    heights = [len(bars) * ROW + PANEL for bars in drawn.values()]
    figure, axes = plt.subplots(
        len(drawn), 1, figsize=(7.5, sum(heights)), height_ratios=heights, layout="constrained", squeeze=False
    )
    for axis, (title, bars) in zip(axes[:, 0], drawn.items(), strict=True):
        least = min(value for _, value in bars if value)
        for place, (name, value) in enumerate(bars):
            axis.barh(place, value or 0, color=OURS if name == "Penstock" else THEIRS)
            axis.text(value or least, place, f" {_text(value)}", va="center")
        axis.set_yticks(range(len(bars)), [name for name, _ in bars])
        axis.set_xscale("log")
        axis.set_xlim(left=least / 2, right=max(value or 0 for _, value in bars) * 2)
        axis.invert_yaxis()
        axis.set_title(title, loc="left", fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})


def _text(value: float | None) -> str:
    if value is None:
        return "failed"
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))
