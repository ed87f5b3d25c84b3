"""Drawn graphs are data that other processes keep: a change of them must be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from penstock.pipelines import draw_target, find_pipelines, validate
from penstock.pipelines.types import Graph

PROJECT = Path(__file__).parent / "projects" / "late"
SHAPES = Path(__file__).parent / "projects" / "shapes"


def test_a_pipeline_draws_the_kept_graph(golden: Callable[[str, str], None]) -> None:
    graph = draw_target("late.pipeline:train", PROJECT)
    golden("graphs/late.json", msgspec.json.format(msgspec.json.encode(graph), indent=2).decode() + "\n")


def test_a_drawn_graph_is_read_back_as_it_was_and_is_valid() -> None:
    graph = draw_target("late.pipeline:train", PROJECT, {"quick": "true"})
    validate(graph)
    assert msgspec.json.decode(msgspec.json.encode(graph), type=Graph) == graph


@pytest.mark.parametrize("pipeline", ["spread", "judge", "parted", "weighed"])
def test_every_shape_draws_the_kept_graph(pipeline: str, golden: Callable[[str, str], None]) -> None:
    graph = draw_target(f"shapes.pipeline:{pipeline}", SHAPES)
    validate(graph)
    assert msgspec.json.decode(msgspec.json.encode(graph), type=Graph) == graph
    golden(
        f"graphs/{pipeline}.json", msgspec.json.format(msgspec.json.encode(graph), indent=2).decode() + "\n"
    )


def test_the_pipelines_of_the_project_are_found() -> None:
    assert find_pipelines(PROJECT) == ["late.pipeline:train"]
