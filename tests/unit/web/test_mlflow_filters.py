"""MLflow's little language of filters and orders."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import InvalidValue
from penstock.web.mlflow.filters import Clause, Kind, Order, holds, in_order, parse_filter, parse_order

FACTS: dict[tuple[Kind, str], Any] = {
    ("metric", "rmse"): 0.5,
    ("metric", "my metric"): 2.0,
    ("param", "model-kind"): "forest",
    ("tag", "mlflow.user"): "Ada",
    ("attribute", "status"): "FINISHED",
    ("attribute", "start_time"): 1000,
    ("attribute", "run_id"): "7",
    ("dataset", "name"): "flights",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "metrics.rmse < 1",
        "metrics.rmse<=0.5 and METRICS.rmse>=.5 AND metric.rmse = 5e-1",
        'metrics.`my metric` = 2 AND metrics."my metric" != 3',
        "params.model-kind = 'forest' AND parameters.`model-kind` LIKE 'for%'",
        "tags.mlflow.user = \"Ada\" AND tag.`mlflow.user` ILIKE 'aD_' AND tags.mlflow.user NOT IN ('x')",
        "attributes.status = 'FINISHED' and status IN ('RUNNING', 'FINISHED') AND start_time > 999",
        "run_id = '7' AND attr.run_id IN ('7')",
        "tags.none IS NULL AND tags.mlflow.user IS NOT NULL",
        "dataset.name = 'flights'",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    assert all(holds(clause, lambda *key: FACTS.get(key)) for clause in parse_filter(text))


@pytest.mark.parametrize(
    "text",
    [
        "metrics.rmse > 1",
        "metrics.none != 1",
        "tags.mlflow.user LIKE 'ada'",
        "params.model-kind != 'forest'",
        "tags.mlflow.user IS NULL",
    ],
)
def test_a_condition_that_does_not_hold(text: str) -> None:
    assert not all(holds(clause, lambda *key: FACTS.get(key)) for clause in parse_filter(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metrics.rmse ~ 1", "expected a comparison such as = or LIKE at 13; found '~ 1'"),
        ("metrics.rmse <", "expected a number, or a text in quotes at 15; found its end"),
        ("metrics.rmse < 1 OR metrics.rmse > 2", "expected AND at 17; found 'OR metrics.rmse > 2'"),
        ("wrong.rmse < 1", "before the dot"),
        ("run_id IN '7'", "expected a list in brackets"),
        ("tags.a = 'it''s' tags.b = 'x'", "expected AND"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_filter(text)
    assert told in str(refused.value)


def test_a_number_is_not_compared_with_a_word() -> None:
    [clause] = parse_filter("metrics.rmse = 'small'")
    with pytest.raises(InvalidValue, match="rmse is a number"):
        holds(clause, lambda *key: FACTS.get(key))


def test_quotes_are_doubled_in_a_text() -> None:
    assert parse_filter("tags.a = 'it''s'") == (Clause("tag", "a", "=", "it's"),)


def test_orders() -> None:
    assert parse_order(["metrics.`a b` DESC", "attributes.start_time", "params.x asc"]) == (
        Order("metric", "a b", descending=True),
        Order("attribute", "start_time"),
        Order("param", "x"),
    )
    with pytest.raises(InvalidValue, match="ASC or DESC"):
        parse_order(["metrics.a DOWN"])


def test_what_has_no_value_comes_last_up_and_down() -> None:
    values = {"a": 1, "b": None, "c": 2}
    for descending, expected in ((False, "acb"), (True, "cab")):
        order = [Order("metric", "x", descending=descending)]
        assert "".join(in_order("bca", order, lambda name: lambda *_: values[name])) == expected


@given(st.text(alphabet="metrics.tag`'\"=<>!%_() ANDILKEO10-\\\x00ü", max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    with suppress(InvalidValue):
        parse_filter(text)
