"""Training rows in partitions are those that are made at once, whatever they are made of."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock import feature_view, files
from penstock.core.errors import InvalidValue
from penstock.datasets.types import Events
from penstock.features import keeping, laying
from penstock.features.joins import Timelines, join
from penstock.features.keeping import read_timeline
from penstock.features.laying import lay_out, parted
from penstock.features.made import Made
from penstock.features.shares import Share, require_parts
from penstock.features.shares import parted as parts_of
from penstock.features.timelines import Features, Timeline
from penstock.features.training import schema_of, spine_of, training_part, training_set
from penstock.features.types import RowsSettings
from penstock.testing.fakes import MemoryBlobs

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
trips = replace(files("trips", event_time="at", known_time="told", key="trip"), kind=Events())
sizes = files("sizes")
weather = files("weather", event_time="at", known_time="told", key="id")


@feature_view(entity=("city", "zone"), source=weather, ttl="20h")
def newest(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "zone", "at", "told", "wind", word=pl.format("w{}", "wind"))


@feature_view(
    entity="city", source=weather, aggregates={"gusts": "count over 9h", "most": "max(wind) over 2d"}
)
def lately(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("id", "city", "at", "told", "wind")


@feature_view(entity="city", source=weather, aggregates={"calm": "mean(wind) over 1d"})
def calm(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("city", "at", "told", "wind")


@feature_view(entity=("height", "zone"), source=weather)
def heights(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


VIEWS = (newest, lately, calm)


def events(chance: Random, count: int) -> dict[str, list[object]]:
    """Events of few entities at few times: ties, late ones, corrections and nulls."""
    at = [NOON + timedelta(hours=chance.randrange(120)) for _ in range(count)]
    return {
        "at": at,
        "told": [moment + timedelta(hours=chance.choice((0, 0, 1, 30))) for moment in at],
        "city": [chance.choice(("a", "b", "über", "", None)) for _ in range(count)],
        "zone": [chance.choice((1, -2, 300, None)) for _ in range(count)],
    }


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("holdout", ["20h", "20%"])
@pytest.mark.parametrize("of", [2, 3, 30])
def test_the_rows_are_the_same(of: int, holdout: str, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:  # a part is larger than memory too
        monkeypatch.setattr(laying, "HELD", 10)
        for module in (laying, keeping):
            monkeypatch.setattr(module, "piece_of", lambda _: 3)
    chance = Random(of)
    own = events(chance, 90) | {"trip": [chance.randrange(70) for _ in range(90)]}
    own |= {"late": [chance.choice((True, False, None)) for _ in range(90)]}
    seen = events(chance, 200) | {"id": [chance.randrange(150) for _ in range(200)]}
    seen |= {"wind": [chance.choice((None, float("inf"), 1.5, 2.0)) for _ in range(200)]}
    small = pl.Int16 if of == 3 else pl.Int64  # the rows may have whole numbers of another width
    trips_rows = pl.DataFrame(own, schema_overrides={"zone": small}).sort("at", maintain_order=True)
    tables = {
        "trips": trips_rows.lazy(),
        "weather": pl.DataFrame(seen).sort("at", maintain_order=True).lazy(),
    }
    asked = RowsSettings(
        source=trips, label="late", holdout=holdout, span="4d", views=tuple(view.settings for view in VIEWS)
    )
    settings = msgspec.to_builtins(replace(asked, computed={"storm": "most * 2"}))
    timelines = {}
    for view in VIEWS:
        parts = parts_of(view.settings, of)
        assert parts == (1 if view is lately or view is calm else of)
        timelines[view.settings.name] = laid_out(Made(view, tables["weather"]), parts)
    require_same(settings, tables, timelines, of)


def laid_out(made: Made, of: int) -> list[Timeline[Features]]:
    """The timelines of the parts of a view."""
    blobs, found = MemoryBlobs(), []
    for part in parted(made, of):
        with blobs.writing() as file:
            lay_out(part, file)
        found.append(read_timeline(blobs.path(file.digest)))
    return found


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3) | st.none(), st.sampled_from(["a", "ü", None])),
        min_size=2,
    ),
    st.integers(2, 9),
    st.sampled_from(["1%", "20%", "50%", "99%", "1h"]),
    st.sampled_from(["", "3h"]),
    st.booleans(),
)
def test_rows_of_equal_times_are_on_the_side_where_they_would_be_at_once(
    rows: list[tuple[int, int | None, str | None]], of: int, holdout: str, span: str, dated: bool
) -> None:
    """As they are where no row has a time, and all of a file have the file's."""
    own = replace(sizes, event_time="at") if dated else sizes
    table = pl.DataFrame(
        {
            own.event_time: [NOON + timedelta(hours=hours) for hours, _, _ in rows],
            "size": pl.Series([size for _, size, _ in rows], dtype=pl.Int64),
            "late": pl.Series([None if not number % 5 else number % 2 == 0 for number in range(len(rows))]),
            "word": pl.Series([word for _, _, word in rows], dtype=pl.String),
        }
    )
    settings = msgspec.to_builtins(RowsSettings(source=own, label="late", holdout=holdout, span=span))
    require_same(settings, {"sizes": table.lazy()}, {}, of)


def require_same(
    settings: dict[str, Any], tables: dict[str, pl.LazyFrame], timelines: Timelines, of: int
) -> None:
    """Parts give what is made at once, or refuse with the same sentence."""
    source = settings["source"]["name"]
    try:
        whole = training_set(settings, tables, LATER)
    except InvalidValue as error:
        with pytest.raises(InvalidValue, match=re.escape(str(error))):
            spine_of(settings, tables[source], LATER)
        return
    spine = spine_of(settings, tables[source], LATER)
    bounds = [Share(number, of).bounds(spine.height) for number in range(of)]
    shares = [training_part(settings, tables[source], spine[slice(*each)], timelines) for each in bounds]
    sizes = [train.height + holdout.height for train, holdout in shares]
    assert max(sizes) - min(sizes) <= 1
    train, holdout = (pl.concat(tables) for tables in zip(*shares, strict=True))
    assert train.equals(whole.train)
    assert holdout.equals(whole.holdout)
    found = schema_of(settings, train.lazy(), holdout.lazy(), tables[source], timelines)
    assert found == whole.schema


def test_the_source_is_read_once_for_all_parts() -> None:
    read = []

    def told(piece: pl.DataFrame) -> pl.DataFrame:
        read.append(piece.height)
        return piece

    table = pl.DataFrame(events(Random(1), 40) | {"wind": [1.0] * 40}).lazy()
    parts = laid_out(Made(newest, table.map_batches(told)), 7)
    assert sum(read) == 40
    assert sum(bool(len(part.event)) for part in parts) > 1


def test_equal_entities_of_other_types_are_found_in_their_part() -> None:
    """Zeros of both signs are one entity; whole numbers may have another width in the rows."""
    keys = {"height": [0.0, -0.0, -0.0, 1.5, None, 9.0], "zone": [1, 1, 300, 300, 1, 9]}
    times = {"at": [NOON] * 6, "told": [NOON] * 6}
    table = pl.DataFrame(keys | times).with_row_index("n")
    rows = table.select("at", "height", pl.col("zone").cast(pl.Int16))
    seen = table[:5].lazy()
    whole = join(rows, "at", [heights], {"weather": seen})
    assert whole["n"].to_list() == [1, 1, 2, 3, None, None]
    for of in (2, 9):
        assert join(rows, "at", [heights], {}, {"heights": laid_out(Made(heights, seen), of)}).equals(whole)


@pytest.mark.parametrize("wanted", [0, 1.5, True, "4", 1001])
def test_a_number_of_partitions_that_cannot_be_is_refused(wanted: object) -> None:
    with pytest.raises(InvalidValue, match="a whole number from 1 to 1000, written in the pipeline"):
        require_parts(wanted)
