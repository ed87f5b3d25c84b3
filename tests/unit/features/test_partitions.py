"""Training rows in partitions are those that are made at once, whatever they are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock import feature_view, files
from penstock.core.errors import InvalidValue
from penstock.datasets.types import Events
from penstock.features.keeping import read_timeline
from penstock.features.laying import lay_out
from penstock.features.made import Made
from penstock.features.partitions import part_of
from penstock.features.shares import Share, parted, require_parts
from penstock.features.training import gathered, training_part, training_set
from penstock.features.types import RowsSettings
from penstock.testing.fakes import MemoryBlobs

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
trips = replace(files("trips", event_time="at", known_time="told", key="trip"), kind=Events())
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


@pytest.mark.parametrize("of", [2, 3, 30])
def test_the_rows_are_the_same(of: int) -> None:
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
        source=trips, label="late", holdout="20h", span="4d", views=tuple(view.settings for view in VIEWS)
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
    whole = training_set(settings, tables, LATER)
    shares = [training_part(settings, tables, LATER, timelines, Share(n, of)) for n in range(of)]
    assert max(part.height for part in shares) - min(part.height for part in shares) <= 1
    found = gathered(settings, [part.lazy() for part in shares], tables["trips"], timelines)
    assert pl.concat([*shares[: found.whole], found.rest]).equals(whole.train)
    assert found.holdout.equals(whole.holdout)
    assert found.schema == whole.schema


def test_an_entity_is_in_the_same_part_for_ever() -> None:
    entities = pl.DataFrame({"city": ["a", "b", "c", None], "zone": [1, 2, 300, 4]})
    assert part_of(entities, 8).to_list() == [7, 4, 6, None]
    assert part_of(entities.cast({"zone": pl.Int16}), 8).to_list() == part_of(entities, 8).to_list()


@pytest.mark.parametrize("wanted", [0, 1.5, True, "4", 1001])
def test_a_number_of_partitions_that_cannot_be_is_refused(wanted: object) -> None:
    with pytest.raises(InvalidValue, match="a whole number from 1 to 1000, written in the pipeline"):
        require_parts(wanted)
