"""Contributions of columns: exact where that can be, and always the whole difference from training rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.core.errors import InvalidRequest
from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.attributions import attributions
from penstock.testing.prediction import SIGMOID_SIGNATURE, SigmoidRuntime


class Function:
    """A regression by a function of an array of shape (n, d)."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        values = self._function(np.array(list(columns.values()), float).T).tolist()
        return values, [str(value) for value in values], []


def of(d: int) -> tuple[dict[str, list[float]], Signature]:
    """Twenty training rows of d columns."""
    rows = np.random.default_rng(7).normal(size=(20, d))
    names = [f"x{j}" for j in range(d)]
    inputs = tuple(Column(name=name, dtype="float") for name in names)
    return dict(zip(names, rows.T.tolist(), strict=True)), Signature(task="regression", inputs=inputs)


def test_a_linear_classifier_is_explained_exactly_in_log_odds() -> None:
    background: dict[str, list[Any]] = {"wind": [1.0, 3.0, None], "carrier": ["UA", "AA", "UA"]}
    [found] = attributions(
        SigmoidRuntime(0.5), background, {"wind": [4.0], "carrier": ["B6"]}, SIGMOID_SIGNATURE
    )
    assert (found.scale, "additive" in found.method) == ("log-odds", True)
    assert math.isclose(found.contributions["wind"], 0.5 * (4.0 - 4.0 / 3), rel_tol=1e-3)
    assert abs(found.contributions["carrier"]) < 1e-6


def test_an_interaction_is_shared_as_shapley_has_it() -> None:
    background, signature = of(2)
    background = {
        name: values[:1] * 4 for name, values in background.items()
    }  # one row, so that it can be said
    (a,), (b,) = (set(values) for values in background.values())
    [found] = attributions(
        Function(lambda x: x[:, 0] * x[:, 1]), background, {"x0": [2.0], "x1": [3.0]}, signature
    )
    assert "all coalitions" in found.method
    assert math.isclose(found.contributions["x0"], ((2 * b - a * b) + (6 - 3 * a)) / 2)


@pytest.mark.parametrize("d", [3, 12])
def test_contributions_are_the_whole_difference_and_the_same_each_time(d: int) -> None:
    background, signature = of(d)
    model = Function(lambda x: np.where(x[:, 0] > 0, x[:, 1] * x[:, 2], x.sum(axis=1)))
    columns = {name: [1.0, -1.0] for name in background}
    found = list(attributions(model, background, columns, signature))
    assert found == list(attributions(model, background, columns, signature))
    for each in found:
        assert math.isclose(sum(each.contributions.values()), each.value - each.baseline, abs_tol=1e-6)
    assert ("drawn orders" in found[0].method) == (d > 8)


def test_what_is_drawn_lies_near_what_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    background, signature = of(5)
    model = Function(lambda x: np.where(x[:, 0] > 0, x[:, 1] * x[:, 2], x[:, 3]))
    columns = {name: [1.0] for name in background}
    [exact] = attributions(model, background, columns, signature)
    monkeypatch.setattr("penstock.serving.attributions.FEW", 0)
    [drawn] = attributions(model, background, columns, signature)
    assert all(abs(drawn.contributions[name] - value) < 0.15 for name, value in exact.contributions.items())


def test_many_rows_are_not_explained_at_once() -> None:
    background, signature = of(2)
    with pytest.raises(InvalidRequest, match="at most 16; found 20"):
        next(attributions(Function(lambda x: x[:, 0]), background, background, signature))
