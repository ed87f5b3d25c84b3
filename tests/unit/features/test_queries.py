"""Feature views in SQL: what is refused, and what their text is part of."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from penstock import feature_view, files
from penstock.core.errors import InvalidPipeline, InvalidValue, Unavailable
from penstock.features.queries import asked

visits = files("visits.csv", event_time="at")
ROWS = pl.LazyFrame({"shop": ["a", "b"], "people": [1, 2]})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT shop, peopl FROM rows", "people"),
        ("SELECT * FROM visits", "visits"),
        ("SELECT shop FROM rows; SELECT 1", "more than one statement"),
        ("SELECT * FROM '/etc/passwd'", "fails"),
        ("SELECT * FROM read_csv('/etc/passwd')", "fails"),
        ("WITH a AS (SELECT 1) INSERT INTO rows SELECT * FROM a", "fails"),
        ("SELECT people FROM rows WHERE", "fails"),
    ],
)
def test_a_query_that_fails_is_told_in_a_sentence(query: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        asked("footfall", query, ROWS).collect()


def test_what_is_no_query_is_refused_where_it_is_declared() -> None:
    def footfall() -> object:
        return pl.lit(1)

    footfall.__qualname__ = "footfall"
    for wrong in (footfall, lambda: "DROP TABLE rows"):
        wrong.__qualname__ = "footfall"
        with pytest.raises(InvalidPipeline, match="takes no rows, and gives no query"):
            feature_view(entity="shop", source=visits)(wrong)


def test_the_text_is_part_of_the_declaration_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "footfall.sql"

    def footfall() -> str:
        """How many came in."""
        return file.read_text()

    footfall.__qualname__ = "footfall"
    file.write_text("/* all */ SELECT shop, people AS visitors FROM rows;\n")
    first = feature_view(entity="shop", source=visits)(footfall)
    file.write_text("SELECT shop, people * 2 AS visitors, people / 10.0 AS tens, 0.5 AS half FROM rows")
    second = feature_view(entity="shop", source=visits)(footfall)
    assert first.settings != second.settings
    assert (second.settings.name, second.settings.description) == ("footfall", "How many came in.")
    assert first(ROWS).collect().to_dict(as_series=False) == {"shop": ["a", "b"], "visitors": [1, 2]}
    assert second(ROWS).collect().schema == {
        "shop": pl.String,
        "visitors": pl.Int64,
        "tens": pl.Float64,
        "half": pl.Float64,
    }


def test_without_duckdb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(Unavailable, match="Add duckdb to the dependencies"):
        asked("footfall", "FROM rows", ROWS)
