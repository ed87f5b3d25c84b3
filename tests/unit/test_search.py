"""Runs are found by what they were given and what they measured, the best first."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.app.api.runs import ROUTES
from penstock.app.workbench import Workbench, open_workbench
from penstock.core.errors import InvalidValue
from penstock.pipelines.types import Graph, Node, Output
from penstock.runs.search import FIRST
from penstock.runs.types import Metric, Run, Workspace

START = datetime(2025, 1, 1, tzinfo=UTC)
GRAPH = Graph(
    pipeline="train",
    target="p:train",
    nodes=(Node(name="fit", kind="step"), Node(name="evaluate", kind="step", inputs={"x": Output("fit")})),
)
WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with open_workbench(tmp_path / "home") as opened:
        yield opened


def add(bench: Workbench, number: int, measured: dict[str, list[float]], **fields: Any) -> None:
    at = START + timedelta(hours=number)
    run = Run(
        **{
            "id": str(number),
            "project": "shop",
            "pipeline": "train",
            "environment": "development",
            "release": "",
            "firing": "",
            "graph": GRAPH,
            "params": {},
            "workspace": WORKSPACE,
            "as_of": at,
            "created": at,
            "status": "succeeded",
            **fields,
        }
    )
    metrics = [
        Metric(
            id=f"{number}/{place}/{index}",
            run=run.id,
            step=place.partition(".")[0],
            name=place.partition(".")[2],
            value=value,
            index=index,
            time=at,
            final=index == len(values) - 1,
        )
        for place, values in measured.items()
        for index, value in enumerate(values)
    ]
    with bench.store.begin() as tx:
        tx.add(run, *metrics)


def found(bench: Workbench, **query: Any) -> list[str]:
    return [item["id"] for item in ROUTES.call(bench, "GET", "/runs", query)["items"]]


def test_the_best_come_first_by_the_last_value_of_the_last_step(bench: Workbench) -> None:
    add(bench, 1, {"evaluate.roc_auc": [0.9, 0.6], "evaluate.loss": [0.1]})
    add(bench, 2, {"fit.roc_auc": [0.99], "evaluate.roc_auc": [0.7], "evaluate.loss": [0.3]})
    add(bench, 3, {"fit.roc_auc": [0.8], "evaluate.loss": [0.2]})
    add(bench, 4, {})
    assert found(bench) == ["4", "3", "2", "1"]
    assert found(bench, order="roc_auc") == ["3", "2", "1"]
    assert found(bench, order="roc_auc", limit=1) == ["3"]
    assert found(bench, order="loss") == ["2", "3", "1"]
    assert found(bench, order="loss", minimize=True) == ["1", "3", "2"]
    [best] = ROUTES.call(bench, "GET", "/runs", {"order": "roc_auc", "limit": 1})["items"]
    assert best["value"] == 0.8
    assert "graph" not in best


def test_less_is_better_of_well_known_metrics(bench: Workbench) -> None:
    add(bench, 1, {"fit.rmse": [3.0]})
    add(bench, 2, {"fit.rmse": [2.0]})
    assert found(bench, order="rmse") == ["2", "1"]
    assert found(bench, order="rmse", minimize=False) == ["1", "2"]


def test_runs_are_filtered_by_where_by_parameters_and_by_bounds(bench: Workbench) -> None:
    add(bench, 1, {"fit.roc_auc": [0.6]}, params={"rate": 0.1, "name": "a b"})
    add(bench, 2, {"fit.roc_auc": [0.7]}, params={"rate": 0.1}, environment="test")
    add(bench, 3, {"fit.roc_auc": [0.8]}, params={"rate": 0.5}, pipeline="other", status="failed")
    assert found(bench, params="rate=0.1") == ["2", "1"]
    assert found(bench, params="rate=0.1&name=a+b") == ["1"]
    assert found(bench, where="roc_auc >= 0.65") == ["3", "2"]
    assert found(bench, where="roc_auc >= 0.65, roc_auc < 0.75", order="roc_auc") == ["2"]
    assert found(bench, order="roc_auc", environment="test") == ["2"]
    assert found(bench, order="roc_auc", pipeline="other", status="failed") == ["3"]
    assert found(bench, where="loss < 1") == []


@pytest.mark.parametrize(
    ("bound", "left"),
    [("> 0.2", "3"), (">= 0.2", "32"), ("< 0.2", "1"), ("<= 0.2", "21"), ("== 0.2", "2"), ("!= 0.2", "31")],
)
def test_a_bound_means_the_same_on_the_metric_that_orders(bench: Workbench, bound: str, left: str) -> None:
    for number, value in ((1, 0.1), (2, 0.2), (3, 0.3)):
        add(bench, number, {"fit.roc_auc": [value]})
    assert found(bench, where=f"roc_auc {bound}") == list(left)
    assert found(bench, where=f"roc_auc {bound}", order="roc_auc") == list(left)


def test_those_that_pass_are_found_behind_many_that_do_not(bench: Workbench) -> None:
    for number in range(1, 3 * FIRST):
        add(bench, number, {"fit.roc_auc": [number / 1000]}, params={"rare": number == 1})
    assert found(bench, params="rare=true", order="roc_auc", limit=5) == ["1"]
    assert found(bench, params="rare=true", limit=5) == ["1"]


@pytest.mark.parametrize("query", [{"where": "roc_auc"}, {"where": "a >= b"}, {"params": "rate"}])
def test_a_filter_that_cannot_be_read_is_refused(bench: Workbench, query: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        found(bench, **query)
