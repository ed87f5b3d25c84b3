"""Pipelines that cannot be drawn, each refused with one sentence."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest

from penstock.core.errors import InvalidPipeline, PenstockError
from penstock.pipelines import draw_target, find_pipelines
from penstock.pipelines.authoring import StepFunction, step
from penstock.pipelines.types import Graph

HEAD = """
from penstock import feature_view, files, pipeline, publish, step, training_rows

trips = files("data/trips", event_time="at")
other = files("data/old/trips", event_time="at")

@step
def load(count: int = 3) -> list: return list(range(count))

@step
def fit(rows, depth: int = 3) -> float: return 0.0

@step
def note(model) -> None: ...

@feature_view(entity="city", source=other)
def weather(rows): return rows

@pipeline
def train(depth: int = 3):
"""
_names = (f"drawn_{number}" for number in itertools.count())


@pytest.fixture
def draw_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Graph]:
    """Draws a pipeline with this body, from a module of its own."""
    monkeypatch.syspath_prepend(tmp_path)

    def drawn(body: str) -> Graph:
        name = next(_names)
        (tmp_path / f"{name}.py").write_text(HEAD + indent(dedent(body), "    "))
        return draw_target(f"{name}:train", tmp_path)

    return drawn


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("rows = load(depth)\nif rows: pass", "a test for true or false, as in `if`.*move this into a step"),
        ("fit(load(10**30))", "JSON-like value; found 1000000000000000000000000000000"),
        ("fit(load('\\udcff'))", r"JSON-like value; found '\\udcff'"),
        ("fit(load({1, 2}))", "JSON-like value; found a set"),
        ("fit(load(float('inf')))", "JSON-like value; found inf"),
        ("fit(load(depth)[0])", "found indexing"),
        ("for row in load(depth): fit(row)", "found a loop"),
        ("len(load(depth))", "found `len`"),
        ("fit(load(depth).head)", r"The result of `load` has no value.*found `\.head`"),
        ("load(depth) == 3", "found a comparison"),
        ("load(depth * 2)", "The parameter `depth` has no value.*found arithmetic"),
        ("load(f'{depth}')", "found conversion to text"),
        ("load(int(depth))", "conversion to a number"),
        (
            "fit(rows=load(depth), dept=3)",
            r"line \d+: The step `fit` has no input `dept`\. Did you mean `depth`\?",
        ),
        ("fit(depth=depth)", "missing a required argument: 'rows'"),
        ("fit(load(depth), 3, 4)", "too many positional arguments"),
        ("fit(load(3))", "parameter `depth` is not used"),
        ("load(depth)\nfit(load(3))", "Nothing uses the result of `load`"),
        ("fit([load(depth), load(1)])", "a collection that holds results of steps"),
        ("fit({1, 2}, depth)", "expected the result of a step.*found a set"),
        ("fit(object(), depth)", "found a object"),
        ("fit(float('nan'), depth)", "JSON-like"),
        ("1 / 0", "found ZeroDivisionError: division by zero"),
        ("publish('delay', fit(load(depth)), {'a': 1.0}, inputs=load(1))", "Pass inputs=rows.schema"),
        ("training_rows('trips', label='late')", "expected what `files"),
        ("training_rows(trips, [weather], label='late')", "Two sources are called trips"),
        ("training_rows(trips, [note], label='late')", "Decorate the function with @feature_view"),
        ("training_rows(trips, label=depth)", "`label` of `training_rows` must be written in the pipeline"),
        ("training_rows(trips, label='late', span='7d', holdout='14d')", "leave an empty part"),
        ("training_rows(trips, label='late', span='soon')", "expected a duration"),
        (
            "training_rows(trips, label='late', as_of=depth)",
            "`as_of` of `training_rows` must be written in the",
        ),
        ("training_rows(trips, label='late', as_of='in May')", "no time: expected one such as 2026-05-01 or"),
        (
            "training_rows(trips, label='late'), training_rows(trips, label='late', as_of='2026-05-01')",
            r"The source trips is asked as of two times.*that of the run and 2026-05-01T00:00:00\+00:00",
        ),
        ("training_rows(trips, label='late', holdout='0d')", 'expected a duration such as "14d", or a share'),
        ("training_rows(trips, label='late', holdout='100%')", "found '100%'"),
        (
            "training_rows(trips, label='at')",
            "expected a column that is no key and no time of it; found label='at'",
        ),
        (
            "fit(training_rows(trips, label='late'), depth)",
            r"several outputs: expected one of \.train, \.holdout",
        ),
        ("fit(training_rows(trips, label='late').trein, depth)", "no output `trein`. Did you mean `train`"),
    ],
)
def test_a_pipeline_that_cannot_be_drawn_is_refused_with_its_line(
    draw_body: Callable[[str], Graph], body: str, sentence: str
) -> None:
    with pytest.raises(InvalidPipeline, match=sentence) as caught:
        draw_body(body)
    assert caught.value.what.startswith("The pipeline train cannot be drawn")


def test_the_last_step_effects_and_returned_results_need_no_user(draw_body: Callable[[str], Graph]) -> None:
    graph = draw_body(
        "first = fit(load(depth))\nsecond = fit(load(1))\nnote(second)\nload(2)\nreturn {'kept': [first]}"
    )
    assert [node.name for node in graph.nodes][-2:] == ["note", "load-3"]


def test_a_failed_drawing_leaves_steps_callable(draw_body: Callable[[str], Graph]) -> None:
    with pytest.raises(InvalidPipeline):
        draw_body("1 / 0")
    assert draw_body("fit(load(depth))").pipeline == "train"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("shop.pipelin:train", r"no module shop\.pipelin in .*Did you mean `shop\.pipeline`\?"),
        ("shop.pipeline:tain", r"has no `tain`\. Did you mean `train`\?"),
        ("shop.pipeline:fit", "is not a pipeline: found <step shop.pipeline:fit>"),
        ("shop.pipeline", r"expected package\.module:name"),
        ("shop.broken:train", "cannot be imported: found ModuleNotFoundError: No module named 'not_there'"),
    ],
)
def test_a_target_that_is_no_pipeline_is_refused(shop: Path, target: str, sentence: str) -> None:
    with pytest.raises(InvalidPipeline, match=sentence):
        draw_target(target, shop)


def test_every_pipeline_of_a_project_is_found_but_not_its_tests(shop: Path) -> None:
    (shop / "shop" / "broken.py").unlink()
    assert find_pipelines(shop) == ["shop.pipeline:train"]


def test_a_module_that_cannot_be_imported_is_named(shop: Path) -> None:
    with pytest.raises(PenstockError, match=r"The module shop\.broken cannot be imported"):
        find_pipelines(shop)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with one pipeline, a broken module and a tests package."""
    monkeypatch.syspath_prepend(tmp_path)
    for package in ("shop", "tests"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    text = HEAD + "    return fit(load(depth))\n"
    (tmp_path / "shop" / "pipeline.py").write_text(text)
    (tmp_path / "shop" / "again.py").write_text("from shop.pipeline import train\n")
    (tmp_path / "shop" / "broken.py").write_text("import not_there\n")
    (tmp_path / "tests" / "test_it.py").write_text("raise RuntimeError('not imported')\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_a_class_is_no_step() -> None:
    with pytest.raises(InvalidPipeline, match="`StepFunction` is a class"):
        step(StepFunction)


@pytest.mark.parametrize(
    ("formats", "why"),
    [
        ({"model": "unsafe_pickle"}, "name the output 'model'. There is `result`"),
        ({"result": "pickle"}, "ask for 'pickle': expected unsafe_pickle"),
    ],
)
def test_formats_that_nobody_can_ask_for(formats: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidPipeline, match=why):
        step(formats=formats)
