"""The chart of a metric over windows."""

from typing import Any

import pytest

from penstock.web.chart import chart


def window(
    day: int, value: float | None, version: int = 1, variant: str = "champion", estimate: float | None = None
) -> dict[str, Any]:
    return {
        "start": f"2013-03-{day:02}T00:00:00Z",
        "version": version,
        "variant": variant,
        "labelled": 100,
        "metrics": {} if value is None else {"roc_auc": value},
        "estimated": {}
        if estimate is None
        else {"roc_auc": {"value": estimate, "low": estimate - 0.1, "high": estimate + 0.1}},
    }


def test_time_goes_right_and_better_goes_up() -> None:
    drawn = chart([window(3, 0.6), window(1, 0.7), window(2, 0.65)], "roc_auc")
    assert drawn is not None
    xs, ys = [p.x for p in drawn.points], [p.y for p in drawn.points]
    assert xs == sorted(xs)
    assert ys == sorted(ys)
    assert drawn.points[0].title == "2013-03-01: 0.700 of version 1, 100 labels"


def test_every_point_lies_within_the_picture() -> None:
    drawn = chart([window(day, 0.5 + day / 100) for day in range(1, 29)], "roc_auc")
    assert drawn is not None
    assert all(0 <= p.x <= drawn.width and 0 <= p.y <= drawn.height for p in drawn.points)


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ((0.0, 1.0), ["0.000", "0.500", "1.000"]),
        ((-0.2, 0.8), ["-0.250", "0.300", "0.850"]),
        ((0.0, 2.0), ["0.000", "1.050", "2.100"]),
        ((12_000.0, 14_000.0), ["11900", "13000", "14100"]),
        ((2e6, 4e6), ["1.9e+06", "3.0e+06", "4.1e+06"]),
    ],
)
def test_marks_are_short_and_none_is_where_no_share_can_be(
    values: tuple[float, float], marks: list[str]
) -> None:
    drawn = chart([window(day, value) for day, value in enumerate(values, 1)], "roc_auc")
    assert drawn is not None
    assert [mark for _, mark in drawn.levels] == marks


def test_a_new_version_is_marked_where_it_begins() -> None:
    drawn = chart([window(1, 0.7), window(2, 0.7), window(3, 0.7, version=2)], "roc_auc")
    assert drawn is not None
    assert [name for _, name in drawn.swaps] == ["v1", "v2"]
    assert drawn.swaps[1][0] == drawn.points[2].x


def test_windows_that_were_not_measured_or_not_champions_are_left_out() -> None:
    told = [window(1, 0.7), window(2, None), window(3, 0.2, variant="direct"), window(4, 0.7)]
    drawn = chart(told, "roc_auc")
    assert drawn is not None
    assert len(drawn.points) == 2


def test_fewer_than_two_points_make_no_chart() -> None:
    assert chart([], "roc_auc") is None
    assert chart([window(1, 0.7)], "roc_auc") is None


def test_estimates_are_drawn_in_their_band_where_no_label_is_known() -> None:
    drawn = chart([window(1, 0.7, estimate=0.7), window(2, None, estimate=0.6)], "roc_auc")
    assert drawn is not None
    assert (len(drawn.points), len(drawn.estimates), len(drawn.band)) == (1, 2, 4)
    assert drawn.estimates[0].y == drawn.points[0].y
    assert all(0 <= p.y <= drawn.height for p in drawn.band)
    assert drawn.estimates[1].title == "2013-03-02: 0.600 of version 1, estimated, from 0.500 to 0.700"
