"""What a pipeline can be told, from a command line and from Python, and what it refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Literal, Optional

import pytest

from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.pipelines import Pipeline, coerce, pipeline, step
from penstock.pipelines.types import Value


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@step
def use(values: Any = None, **others: Any) -> None: ...


@pipeline
def told(
    count: int = 1,
    rate: float = 0.5,
    name: str = "x",
    quick: bool = False,
    solver: Literal["lbfgs", "saga"] = "saga",
    level: Literal[1, 2] = 1,
    colour: Colour = Colour.RED,
    sizes: list[int] = [3, 4],  # noqa: B006
    colours: list[Colour] = [],  # noqa: B006
    since: datetime = datetime(2026, 1, 31, tzinfo=UTC),
    limit: int | None = None,
    title: Optional[str] = "all",  # noqa: UP045
) -> Any:
    use(count, a=rate, b=name, c=quick, d=solver, e=level, f=colour)
    use(sizes, a=colours, b=since, c=limit, d=title)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("count", "7", 7),
        ("count", 7, 7),
        ("rate", "1e-3", 0.001),
        ("rate", 2, 2.0),
        ("name", "none", "none"),
        ("quick", "True", True),
        ("solver", "lbfgs", "lbfgs"),
        ("level", "2", 2),
        ("colour", "blue", "blue"),
        ("colour", Colour.BLUE, "blue"),
        ("sizes", "1,2,3", [1, 2, 3]),
        ("sizes", "1", [1]),
        ("sizes", [5], [5]),
        ("sizes", "", []),
        ("colours", "red,blue", ["red", "blue"]),
        ("since", "2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("since", "2026-03-01T12:00Z", "2026-03-01T12:00:00+00:00"),
        ("since", datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1))), "2026-02-28T23:00:00+00:00"),
        ("limit", "none", None),
        ("limit", None, None),
        ("limit", "3", 3),
        ("title", None, None),
        ("title", "none", "none"),
    ],
)
def test_a_parameter_is_read_from_text_and_from_python(name: str, given: object, value: object) -> None:
    found = coerce(told.draw(), {name: given})[name]
    assert (found, type(found)) == (value, type(value))


def test_defaults_are_kept_as_json() -> None:
    defaults = coerce(told.draw(), {})
    assert (defaults["colour"], defaults["since"]) == ("red", "2026-01-31T00:00:00+00:00")
    assert defaults["sizes"] == [3, 4]


def test_a_time_and_a_member_of_an_enum_may_be_written_in_a_pipeline() -> None:
    def body() -> Any:
        return use(datetime(2026, 1, 31, tzinfo=UTC), colour=Colour.RED)

    body.__qualname__ = "body"
    inputs = Pipeline(body).draw().nodes[0].inputs
    assert inputs == {"values": Value("2026-01-31T00:00:00+00:00"), "colour": Value("red")}


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("count", "1.5", "expected a value of type int; found '1.5'"),
        ("count", True, "expected a value of type int; found True"),
        ("rate", "nan", "expected a value of type float"),
        ("quick", "yes", "expected a value of type bool"),
        ("solver", "sag", "expected one of lbfgs, saga; found 'sag'"),
        ("level", "3", "expected one of 1, 2"),
        ("colour", "RED", "expected one of red, blue"),
        ("sizes", "1,b", "expected a list of int, written as a,b,c; found '1,b'"),
        ("colours", "red,green", "expected a list of one of red, blue"),
        ("since", "yesterday", "expected a date, with a time if need be, such as 2026-01-31T12:00Z"),
        ("limit", "few", "expected a value of type int, or none"),
        ("name", None, "expected a value of type str; found None"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(name: str, given: object, sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        coerce(told.draw(), {name: given})
    assert f"The parameter `{name}` of told has a wrong value: {sentence}" in str(refused.value)


def _table(rows: dict[str, int]) -> None: ...
def _nested(rows: list[list[int]]) -> None: ...
def _mixed(rows: Literal[1, "a"]) -> None: ...
def _either(rows: int | str) -> None: ...
def _day(rows: date) -> None: ...
def _default(rows: Literal["a"] = "b") -> None: ...  # type: ignore[assignment]


@pytest.mark.parametrize("function", [_table, _nested, _mixed, _either, _day, _default])
def test_a_type_that_cannot_be_written_and_a_default_of_another_type_are_refused(function: Any) -> None:
    function.__qualname__ = function.__name__
    with pytest.raises((InvalidPipeline, InvalidValue), match="parameter `rows"):
        Pipeline(function)
