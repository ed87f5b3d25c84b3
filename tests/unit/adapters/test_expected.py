"""Rows of training and of sources held against what the project expects, on their way through a run."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from penstock.adapters.executors.expected import evidence, training_as_expected
from penstock.core.errors import InvalidValue
from penstock.pipelines.loading import draw_target
from penstock.pipelines.survey import survey

PIPELINE = """
from penstock import files, pipeline, publish, step, training_rows, feature_view

trips = files("trips", event_time="at", key="id")
winds = files("winds", event_time="at")

@feature_view(entity="origin", source=winds, pii="pilot")
def wind(rows):
    return rows

@step
def fit(rows):
    return rows

@pipeline
def train():
    fit(training_rows(trips, [wind], label="late").train)
"""


def test_what_files_expect_stands_in_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "expecting_project"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(PIPELINE)
    target = "expecting_project.train:train"
    bare = draw_target(target, tmp_path)
    assert not any("expectations" in node.settings for node in bare.nodes)

    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "trips.toml").write_text("[columns.id]\nunique = true")
    (tmp_path / "expectations" / "wind.toml").write_text("[columns.speed]\nat_least = 0")
    (tmp_path / "penstock.toml").write_text(
        '[models.delay]\nredact = ["fare"]\n[environments.test.models.delay]\nredact = ["seat"]\n'
    )
    nodes = {node.name: node.settings.get("expectations") for node in draw_target(target, tmp_path).nodes}
    for at in ("trips.snapshot", "rows"):
        assert nodes[at]["trips"]["hidden"] == ["fare", "pilot", "seat"], "no example shows their values"
    assert nodes["trips.snapshot"]["trips"]["columns"] == {"id": {"unique": True}}
    assert nodes["winds.snapshot"] is None
    assert list(nodes["rows"]) == ["trips", "wind"]
    assert nodes["fit"] is None
    assert not survey(str(tmp_path)).error

    (tmp_path / "expectations" / "trip.toml").touch()
    assert survey(str(tmp_path)).error == (
        "Nothing is held against expectations/trip.toml: no pipeline reads a source or feature view of that "
        "name. Did you mean `trips`?"
    )


def test_training_rows_are_asked_for_their_features_and_what_is_left_of_their_source() -> None:
    settings = {
        "source": {"name": "trips", "path": "trips", "key": ["id"], "event_time": "at"},
        "views": [],
        "expectations": {
            "trips": {"rows": 9, "columns": {"known": {"type": "time"}, "late": {"nulls": 0.0}}},
            "wind": {"columns": {"speed": {"at_least": 0, "nulls": 0.5, "warn": ["nulls"]}}},
        },
    }
    rows = pl.DataFrame({"id": [1, 2, 3], "at": [1, 2, 3], "late": [True] * 3, "speed": [None, None, 4.0]})
    assert [each[:40] for each in training_as_expected(settings, rows)] == [
        "`speed` nulls 0.5: not so in 2 of 3 rows"
    ]
    with pytest.raises(InvalidValue, match="features of wind are not as expected: found `speed` at_least 0"):
        training_as_expected(settings, rows.with_columns(speed=pl.lit(-1.0)))
    with pytest.raises(InvalidValue, match="features of wind are not as expected: found `speed` is a column"):
        training_as_expected(settings, rows.drop("speed"))


def test_a_version_keeps_the_rules_of_its_inputs_and_what_only_warned() -> None:
    rules = {"speed": {"at_least": 0}, "known": {"type": "time"}}
    settings = {"expectations": {"trips": {"serving": "refuse", "columns": rules}}}
    kept = evidence(settings, {"speed"}, ["`speed` ..."])
    columns = {"speed": {"at_least": 0, "refuse": True}}
    assert kept == {"columns": columns, "asked": 2, "unexpected": ["`speed` ..."]}
    assert evidence({}, {"speed"}, []) == {}
