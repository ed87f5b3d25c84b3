"""What tells of people is declared on a view, and left out of what is kept and shown of a model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock import feature_view, files
from penstock.adapters.batch.unexpected import unexpected_in
from penstock.adapters.executors.expected import evidence, training_as_expected
from penstock.app.api import call
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.core.errors import InvalidRequest, InvalidValue
from penstock.datasets.profiles import profile, unnamed
from penstock.datasets.types import Column
from penstock.deployments.environments import Environments
from penstock.deployments.plans import Plans
from penstock.features.made import Made
from penstock.features.types import Computed, OnlineView, Origins
from penstock.serving.attributions import PERSONAL, without
from penstock.serving.outside import Outside
from penstock.serving.types import Attribution, Offer
from penstock.testing.delivery import CONFIG, Delivered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
source = files("people.csv", event_time="at")
ORIGINS = Origins(
    views=(
        OnlineView(
            name="person",
            entity=(Column(name="email", dtype="string"),),
            features=("born", "orders"),
            pii=("email", "born"),
        ),
    ),
    computed=(
        Computed(name="old", text="born < 1950", of=("born",)),
        Computed(name="many", text="orders > 5", of=("orders",)),
    ),
)


@feature_view(entity="email", source=source, pii=["email", "born"])
def person(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@feature_view(entity="email", source=source, pii=["bron"])
def mistaken(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


def test_a_column_that_the_view_lacks_is_refused() -> None:
    rows = pl.LazyFrame({"email": ["a"], "at": [NOON], "born": [1950]})
    assert Made(person, rows).features == ["born"]
    with pytest.raises(InvalidValue, match=r"no column `bron`.*born"):
        Made(mistaken, rows)


def test_the_log_the_card_and_the_profile_name_none_of_it(tmp_path: Path) -> None:
    app = App(Home(tmp_path), virtual=NOON)
    delivered = Delivered(app.store, app.blobs, app.clock)
    delivered.release("c1", CONFIG.replace("[models.delay]", '[models.delay]\nredact = ["fare"]'))
    delivered.move("dev", "c1")
    app.releases.tick(NOON)
    asked = {"inputs": {"born": [1950], "orders": [3], "old": [True]}, "score": [0.5], "label": ["True"]}
    version = delivered.version(environment="test", examples=asked)
    with app.store.begin() as tx:
        tx.put(replace(version, training={"origins": msgspec.to_builtins(ORIGINS)}))
    delivered.lead(version)
    with app.store.read() as reader:
        [model] = Plans(Environments(app.blobs), lambda: None, lambda _: Offer()).desired(reader).models
    assert model.redact == ("fare", "born", "email", "old")
    [example] = call(app, "GET", "/models/delay@1/examples", {})["items"]
    assert example["inputs"] == {"orders": 3}
    app.close()
    told = unnamed(
        profile(pl.DataFrame({"name": ["Ada", "Bob", "Ada", None], "age": [1, 2, 3, 4]})), {"name"}
    )
    named, age = told.columns
    assert (named.top, named.other, named.nulls, age.count) == ({}, 3, 1, 4)


def test_violations_give_no_examples_of_it_and_explanations_one_number() -> None:
    rows = pl.DataFrame(
        {"id": [1, 2], "email": ["ada@x", "b"], "at": [NOON] * 2, "born": [1700, 1980], "orders": [-1, 2]}
    ).with_columns(fare=pl.lit(-7))
    bounds = {"born": {"at_least": 1900}, "orders": {"at_least": 0}, "fare": {"at_least": 0}}
    settings = {
        "source": {"name": "people", "key": ["id", "email"], "path": "x", "event_time": "at"},
        "views": [{"pii": ["born", "email"]}],
        "expectations": {"person": {"columns": bounds, "hidden": ["fare"], "serving": "refuse"}},
    }
    with pytest.raises(InvalidValue) as refused:
        training_as_expected(settings, rows.lazy())
    assert "`fare` at_least 0: not so in 2 of 2 rows" in str(refused.value)
    assert not any(each in str(refused.value) for each in ("-7", "ada@x"))
    kept = evidence(settings, bounds, ())["columns"]
    told = unexpected_in(rows.with_row_index("row", 1), kept)
    assert [each.examples for each in told] == [(), ("-1 (row 1)",), ()]
    for column, said in (("born", "found another"), ("orders", "found -5")):
        with pytest.raises(InvalidRequest, match=said):
            Outside(kept).require({column: [-5]})
    assert "`born` at_least 1900: not so in 1 of 2 rows;" in str(refused.value)
    assert "1700" not in str(refused.value)
    assert "such as -1 (id 1, at " in str(refused.value)
    given = {"born": 0.25, "orders": 0.5, "old": -0.125}
    attributed = Attribution(method="m", scale="score", baseline=0.0, value=0.625, contributions=given)
    assert without(attributed, ORIGINS.personal).contributions == {"orders": 0.5, PERSONAL: 0.125}
    assert without(attributed, frozenset()) == attributed
