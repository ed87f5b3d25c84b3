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
from penstock.features.joins import Timelines
from penstock.features.keeping import read_timeline
from penstock.features.laying import lay_out
from penstock.features.made import Made
from penstock.features.partitions import part_of
from penstock.features.shares import Share, parted, require_parts
from penstock.features.training import schema_of, training_part, training_set
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


@pytest.mark.parametrize("holdout", ["20h", "20%"])
@pytest.mark.parametrize("of", [2, 3, 30])
def test_the_rows_are_the_same(of: int, holdout: str) -> None:
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
    blobs, timelines = MemoryBlobs(), {}
    for view in VIEWS:
        parts = parted(view.settings, of)
        assert parts == (1 if view is lately or view is calm else of)
        made = []
        for number in range(parts):
            share = Share(number, parts) if parts > 1 else None
            with blobs.writing() as file:
                lay_out(Made(view, tables["weather"], share), file)
            made.append(read_timeline(blobs.path(file.digest)))
        timelines[view.settings.name] = made
    require_same(settings, tables, timelines, of)


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
    try:
        whole = training_set(settings, tables, LATER)
    except InvalidValue as error:
        refused = re.escape(str(error))
        for number in range(of):
            with pytest.raises(InvalidValue, match=refused):
                training_part(settings, tables, LATER, timelines, Share(number, of))
        return
    shares = [training_part(settings, tables, LATER, timelines, Share(n, of)) for n in range(of)]
    sizes = [train.height + holdout.height for train, holdout in shares]
    assert max(sizes) - min(sizes) <= 1
    train, holdout = (pl.concat(tables) for tables in zip(*shares, strict=True))
    assert train.equals(whole.train)
    assert holdout.equals(whole.holdout)
    source = settings["source"]["name"]
    found = schema_of(settings, train.lazy(), holdout.lazy(), tables[source], timelines)
    assert found == whole.schema


def test_an_entity_is_in_the_same_part_for_ever() -> None:
    entities = pl.DataFrame({"city": ["a", "b", "c", None], "zone": [1, 2, 300, 4]})
    assert part_of(entities, 8).to_list() == [7, 4, 6, None]
    zeros = pl.DataFrame({"height": [0.0, -0.0, 1.5]})
    assert part_of(zeros, 1000).to_list() == [
        each for n in range(3) for each in part_of(zeros[n : n + 1], 1000)
    ]
    assert part_of(zeros, 1000).n_unique() == 2
    assert part_of(entities.cast({"zone": pl.Int16}), 8).to_list() == part_of(entities, 8).to_list()


@pytest.mark.parametrize("wanted", [0, 1.5, True, "4", 1001])
def test_a_number_of_partitions_that_cannot_be_is_refused(wanted: object) -> None:
    with pytest.raises(InvalidValue, match="a whole number from 1 to 1000, written in the pipeline"):
        require_parts(wanted)
