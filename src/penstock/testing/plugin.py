"""The pytest plugin that users' projects get: drawing, made-up rows, and a look out for the future."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock.pipelines.authoring import Pipeline
from penstock.pipelines.loading import draw_target
from penstock.pipelines.types import Graph
from penstock.builds.automatic.views import no_future
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
def point_in_time() -> Callable[..., None]:
    """Fails the test if a feature view sees the future: `point_in_time(origin_weather, rows)`."""
    return no_future


@pytest.fixture
def made_up_rows() -> Callable[..., Any]:
    """Makes a table: `made_up_rows({"origin": ["EWR", "JFK"], "temp": "float", "at": "time"})`."""
    return made_up
