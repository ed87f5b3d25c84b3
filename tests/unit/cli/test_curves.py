"""Metrics over time in a terminal."""

from __future__ import annotations

import pytest

from penstock.cli.curves import WIDTH, curve, measurements


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 7], "▁█"), ([0.1, 0.1, 0.1], "▁▁▁"), ([-1, 0, 1], "▁▅█"), ([3, 2, 1, 0], "█▆▃▁")],
)
def test_values_are_drawn_between_the_lowest_and_the_highest(values: list[float], drawn: str) -> None:
    assert curve(values) == drawn


def test_many_values_are_drawn_from_the_first_to_the_last() -> None:
    drawn = curve([float(n) for n in range(1001)])
    assert (len(drawn), drawn[0], drawn[-1]) == (WIDTH, "▁", "█")


def test_a_metric_is_a_row_with_its_last_value_by_count() -> None:
    points = [("fit", "loss", 2, 0.1), ("fit", "loss", 0, 0.3), ("test", "loss", 0, 0.2)]
    rows = measurements([dict(zip(("step", "name", "index", "value"), p, strict=True)) for p in points])
    assert rows == [
        {"step": "fit", "name": "loss", "value": 0.1, "over time": "█▁"},
        {"step": "test", "name": "loss", "value": 0.2, "over time": ""},
    ]
