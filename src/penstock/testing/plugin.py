"""The pytest plugin that users' projects get: rows, pipelines run on them, automatic tests by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.builds.automatic import views
from penstock.pipelines.authoring import Pipeline
from penstock.pipelines.loading import draw_target
from penstock.pipelines.types import Graph
from penstock.testing import samples
from penstock.testing.made_up import made_up


@pytest.fixture
def draw(pytestconfig: pytest.Config) -> Callable[..., Graph]:
    """Draws a pipeline, given itself or as `"package.module:name"`, and gives its graph; runs nothing.

    `draw("flights.pipeline:train_delay", learning_rate=0.2)`
    """

    def drawn(pipeline: str | Pipeline, /, **params: Any) -> Graph:
        if isinstance(pipeline, Pipeline):
            return pipeline.draw(**params)
        return draw_target(pipeline, pytestconfig.rootpath, params)

    return drawn


@pytest.fixture
def run_on() -> Callable[..., Any]:
    """Runs a pipeline on rows: `run_on(train_delay, {"flights": flights}).published[0].metrics`."""
    return samples.run_on


@pytest.fixture
def point_in_time() -> Callable[..., None]:
    """Fails the test if a feature view sees the future: `point_in_time(origin_weather, rows)`."""
    return views.no_future


@pytest.fixture
def finite_features() -> Callable[..., None]:
    """Fails the test if strange rows break a view or give NaN: `finite_features(origin_weather, rows)`."""
    return views.finite


@pytest.fixture
def no_leak() -> Callable[..., None]:
    """Fails the test if a column tells the label: `no_leak(train, holdout, "late", FEATURES)`."""
    return samples.no_leak


@pytest.fixture
def learns() -> Callable[..., None]:
    """Fails the test if a planted signal is missed: `learns(fit, answer, rows, label="late", by="temp")`."""
    return samples.learns


@pytest.fixture
def repeatable() -> Callable[..., None]:
    """Fails the test if a second call gives another result: `repeatable(lambda: fit(rows))`."""
    return samples.repeatable


@pytest.fixture
def made_up_rows() -> Callable[..., Any]:
    """Makes a table: `made_up_rows({"origin": ["EWR", "JFK"], "temp": "float", "at": "time"})`."""
    return made_up
