"""Timelines: what counts when rows come late, and what a file gives back of every type."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penstock.features.keeping import read_timeline, write_timeline
from penstock.features.timelines import Features, Rows, Timeline, timeline_of

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(*hours: int) -> list[datetime]:
    return [START + HOUR * hour for hour in hours]


def kept(timeline: Timeline[Rows], place: Path) -> Timeline[Features]:
    with place.open("wb") as file:
        write_timeline(timeline, file)
    return read_timeline(place)


def seen(timeline: Timeline[Features], *hours: int, ttl: float = 0) -> list[str | None]:
    asked = pl.DataFrame({"shop": ["a"] * len(hours)})
    moments = np.array([int(moment.timestamp()) * 1_000_000 for moment in at(*hours)])
    found = timeline.features.take(timeline.places(asked, moments, ttl))["value"].to_list()
    return [value and str(value) for value in found]


def test_corrections_count_from_when_they_were_known_and_never_hide_a_newer_event(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "shop": ["a", "a", "a", "a", "b"],
            "at": at(1, 1, 3, 1, 9),
            "known": at(1, 5, 4, 2, 9),
            "value": ["first", "corrected last", "newer", "corrected", "another's"],
        }
    )
    made = timeline_of(rows, ["shop"], "at", "known", ["value"])
    expected = [None, "first", "corrected", "corrected", "newer", "newer", "newer"]
    assert seen(made, *range(7)) == expected
    assert seen(kept(made, tmp_path / "kept"), *range(7)) == expected
    assert seen(made, 4, 5, 6, ttl=2 * 3600) == ["newer", "newer", None]
    newest = made.features.take(made.newest())["value"].to_list()
    assert newest == ["newer", "another's"]


def test_rows_of_one_moment_count_in_the_order_in_which_they_stand() -> None:
    rows = pl.DataFrame({"shop": ["a"] * 3, "at": at(1, 1, 1), "value": ["x", "y", "z"]})
    assert seen(timeline_of(rows, ["shop"], "at", "at", ["value"]), 0, 1, 2) == [None, "z", "z"]


@pytest.mark.parametrize("rows", [0, 7])
def test_a_file_gives_back_what_was_kept_and_is_the_same_for_the_same(rows: int, tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "shop": ["a", None, "b", "a", "b", "c", "a"],
            "till": [1, 1, 1, 2, 1, 1, 1],
            "at": at(3, 1, 2, 2, 2, 5, 1),
            "small": pl.Series([1, None, 3, 4, 5, None, 7], dtype=pl.UInt8),
            "real": [0.5, None, float("inf"), -0.0, float("nan"), 1e300, None],
            "yes": [True, None, False, True, None, True, False],
            "text": ["", None, "ä", "long " * 9, "x", None, "y"],
            "many": [[1], [], None, [2, 3], [4], [5], [6]],
            "day": [date(2024, 1, number) for number in range(1, 8)],
            "hour": [time(number) for number in range(7)],
            "span": [HOUR * number for number in range(7)],
            "when": pl.Series(at(*range(7))).dt.cast_time_unit("ms").dt.convert_time_zone("Asia/Tokyo"),
        }
    ).head(rows)
    features = table.columns[3:]
    made = timeline_of(table, ["shop", "till"], "at", "at", features)
    again = kept(made, tmp_path / "one")
    places = np.array([-1, *range(len(made.event)), -1, *range(len(made.event))])
    first, second = (each.features.take(places) for each in (made, again))
    assert first.schema == second.schema
    assert first.equals(second)
    assert again.entities.equals(made.entities)
    assert list(again.event) == list(made.event)
    kept(timeline_of(table, ["shop", "till"], "at", "at", features), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
