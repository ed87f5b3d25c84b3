"""What rows are expected to be: inferred, written, read again, and held against rows that are otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penstock.core.errors import InvalidValue
from penstock.datasets import files, take_snapshot
from penstock.datasets.expectation_files import as_toml, inferred, of_project, parsed
from penstock.datasets.expectations import Expectations, Rules, Violation, check, rules_in
from penstock.datasets.sketching import sketch
from penstock.testing.fakes import MemoryBlobs

NOW = datetime(2024, 3, 1, tzinfo=UTC)
GOOD = pl.DataFrame(
    {
        "id": range(200),
        "delay": [float(n % 50 - 10) for n in range(200)],
        "carrier": ["UA", "B6"] * 100,
        "gust": [None if n % 10 == 0 else 5 for n in range(200)],
        "at": [datetime(2024, 1, 1 + n % 28, tzinfo=UTC) for n in range(200)],
    }
)


def told(found: list[Violation]) -> list[tuple[str, str, str, int]]:
    return [(each.column, each.rule, each.severity, each.count) for each in found]


def test_what_is_inferred_holds_for_the_same_rows_and_comes_back_from_its_file():
    expected = inferred(sketch(GOOD), ("id",))
    assert parsed(as_toml(expected, "trips", "Said."), "a.toml") == expected
    assert check(GOOD, expected) == check(GOOD, expected, sketch=sketch(GOOD)) == []
    assert expected.columns["id"].unique
    assert expected.columns["gust"].nulls == 0.2
    assert (expected.columns["delay"].at_least, expected.columns["delay"].at_most) == (-35.0, 64.0)
    assert expected.columns["carrier"] == Rules(
        type="string", nulls=0.0, one_of=("B6", "UA"), warn=("one_of",)
    )


def test_of_a_hidden_column_no_rule_tells_a_value():
    expected = inferred(sketch(GOOD), hidden=("carrier", "delay"))
    assert expected.columns["carrier"] == Rules(type="string", nulls=0.0)
    assert expected.columns["delay"] == Rules(type="float", nulls=0.0, finite=True)


@pytest.mark.parametrize("sketched", [False, True])
def test_each_rule_tells_of_the_rows_that_break_it(sketched: bool):
    bad = pl.DataFrame(
        {
            "id": [1, 1, 2, 3],
            "delay": [-500.0, float("inf"), 3.0, None],
            "carrier": ["UA", "XX", None, "longer"],
            "at": [datetime(2023, 1, 1, tzinfo=UTC)] + [NOW] * 3,
            "more": [1] * 4,
            "count": ["a"] * 4,
        }
    )
    expected = Expectations(
        rows=5,
        other_columns=False,
        columns={
            "id": Rules(unique=True),
            "delay": Rules(type="float", nulls=0.1, at_least=-60, finite=True, warn=("at_least",)),
            "carrier": Rules(one_of=("UA", "B6"), matches="[A-Z]{2}"),
            "at": Rules(at_least="2024-01-01T00:00:00Z"),
            "count": Rules(type="int", at_least=0),
            "gone": Rules(),
        },
    )
    found = check(bad, expected, sketch=sketch(bad) if sketched else None, named_by=("id",))
    assert sorted(told(found)) == [
        ("", "other_columns false", "error", 0),
        ("", "rows 5", "error", 4),
        ("at", "at_least 2024-01-01T00:00:00Z", "error", 1),
        ("carrier", "matches '[A-Z]{2}'", "error", 1),
        ("carrier", "one_of [UA, B6]", "error", 2),
        ("count", "type int", "error", 4),
        ("delay", "at_least -60", "warn", 1),
        ("delay", "finite true", "error", 1),
        ("delay", "nulls 0.1", "error", 1),
        ("gone", "is a column", "error", 0),
        ("id", "unique true", "error", 2),
    ]
    of = {each.rule: each.examples for each in found}
    assert of["one_of [UA, B6]"] == ("'XX' (id 1)", "'longer' (id 3)")
    assert of["at_least -60"] == ("-500.0 (id 1)",)


def test_only_the_rows_and_columns_that_are_there_are_asked_of_a_part():
    expected = Expectations(rows=9, columns={"a": Rules(nulls=0.0, at_least=0), "b": Rules(nulls=0.5)})
    assert told(check(pl.DataFrame({"a": [None, -1]}), expected, part=True)) == [
        ("a", "nulls 0", "error", 1),
        ("a", "at_least 0", "error", 1),
    ]


def test_a_rule_that_cannot_be_asked_of_a_column_does_not_hold():
    rows = pl.DataFrame({"id": ["7"], "name": ["a"], "size": [1.5], "count": [2], "at": [NOW]})
    expected = Expectations(
        columns={
            "id": Rules(at_least=0, warn=("at_least",)),
            "name": Rules(finite=True),
            "size": Rules(matches="[0-9]+"),
            "count": Rules(one_of=(2.5, 3, "2")),
            "at": Rules(at_least="2024-W10-1"),
        }
    )
    assert sorted(told(check(rows, expected))) == [
        ("at", "at_least 2024-W10-1", "error", 1),
        ("count", "one_of [2.5, 3, 2]", "error", 1),
        ("id", "type float", "warn", 1),
        ("name", "type float", "error", 1),
        ("size", "type string", "error", 1),
    ]


def test_columns_without_values_infinite_only_and_names_that_are_patterns():
    rows = pl.DataFrame({"^a.*$": [None, None], "x": [np.inf, np.inf]})
    expected = Expectations(columns={"^a.*$": Rules(type="int"), "x": Rules(at_most=5, nulls=0.0)})
    assert told(check(rows, expected, sketch=sketch(rows))) == [("x", "at_most 5", "error", 2)]
    assert told(check(rows, Expectations(columns={"^a.*$": Rules(type="int", at_least=0, nulls=0.0)}))) == [
        ("^a.*$", "nulls 0", "error", 2)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows = ", "expectations/trips.toml is no TOML"),
        ("[columns.a]\nat_leest = 3", "Did you mean `at_least`?"),
        ("[columns.a]\ntype = 'number'", "column `a`: no such type 'number'"),
        ("[columns.a]\nnulls = 3", "`nulls` is a share: expected 0 to 1; found 3"),
        ("[columns.a]\nmatches = '('", "`matches` is no regular expression"),
        ("[columns.a]\nwarn = ['nul']", "`warn` names no rule 'nul'. Did you mean `nulls`?"),
        ("[columns.a]\nat_most = 'soon'", "a bound is no number and no time: found 'soon'"),
        ("severity = 'fatal'", "is not understood"),
        (
            "[columns.a]\nnulls = 'few'",
            "column `a`, is not understood: found Expected `float | null`, got `str`.",
        ),
        ("[columns.a]\nmatches = '(?=x)'", "Polars and Python both know: found look-around, "),
        ("[columns.a]\none_of = [1, 9223372036854775808]", "64 bits; found 9223372036854775808"),
        ("[columns.a]\nat_most = nan", "a bound is no number and no time: found nan"),
        (
            "[columns.a]\ntype = 'string'\nat_least = 3",
            "expected rules of one type; found `type` of string, `at_least` of float",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_name(tmp_path: Path, text: str, said: str):
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "trips.toml").write_text(text)
    with pytest.raises(InvalidValue) as refused:
        of_project(tmp_path)
    assert said in str(refused.value)
    assert "expectations/trips.toml" in str(refused.value)


def test_a_snapshot_that_is_not_as_expected_is_refused_and_nothing_is_kept(tmp_path: Path):
    GOOD.write_parquet(tmp_path / "trips.parquet")
    trips = files("trips.parquet", event_time="at", key="id")
    blobs = MemoryBlobs()
    expected = inferred(sketch(GOOD), ("id",))
    tight = {
        **expected.columns,
        "delay": Rules(at_most=38),
        "carrier": Rules(one_of=("UA",), warn=("one_of",)),
    }
    with pytest.raises(InvalidValue) as refused:
        take_snapshot(trips, tmp_path, NOW, blobs, Expectations(columns=tight))
    assert str(refused.value).startswith(
        "The rows of the source trips are not as expected: found `delay` at_most 38: not so in 4 of 200 "
        "rows, such as 39.0 (id "
    )
    assert not list(blobs.digests(0))
    tight["delay"] = Rules(at_most=39)
    taken = take_snapshot(trips, tmp_path, NOW, blobs, Expectations(columns=tight))
    assert taken.expected == rules_in(Expectations(columns=tight))
    assert [each[:40] for each in taken.unexpected] == ["`carrier` one_of [UA]: not so in 100 of "]
