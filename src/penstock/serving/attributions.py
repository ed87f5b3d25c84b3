"""How much each column of a row moved its answer away from what the model says of training rows.

Contributions are Shapley values of the game in which columns outside a coalition have the values of training
rows (Shapley 1953; Lundberg and Lee 2017; taken one by one from the training rows, as Janzing, Minorics and
Bloebaum 2020 argue). The training rows are those of the version's recorded examples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from math import comb
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from penstock.core.errors import InvalidRequest
from penstock.models.types import Signature
from penstock.serving.ports import Runtime
from penstock.serving.types import Attribution

MOST_ROWS = 16
"""Rows that are explained by one request."""
BACKGROUND = 16
"""Training rows beside which a row is looked at."""
FEW = 8
"""Columns up to which all coalitions are asked."""
ORDERS = 8
"""Orders of the columns that are drawn for each training row where there are more, half of them backwards."""
ADDITIVE = 1e-3
"""How far the effects of single columns may add up to something else for a model to be taken as additive."""
AT_ONCE = 4096
"""Rows that the model is asked at once."""
_EDGE, _SEED = 1e-7, 2013
PERSONAL = "personal columns"
"""As what columns that tell of people stand together in an attribution."""
Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]
Ask = Callable[[Masks, npt.NDArray[np.int64]], Floats]
Columns = Mapping[str, Sequence[Any]]


def attributions(
    runtime: Runtime, background: Columns, columns: Columns, signature: Signature
) -> Iterator[Attribution]:
    """The attributions of n rows, each when it is asked for.

    Raises InvalidRequest for too many rows, and what the model raises.
    """
    names = list(columns)
    rows = len(columns[names[0]])
    if rows > MOST_ROWS:
        raise InvalidRequest(
            what="Too many rows are to be explained at once", expected=f"at most {MOST_ROWS}", found=str(rows)
        )
    known = len(background[names[0]])
    taken = np.unique(np.linspace(0, known - 1, min(BACKGROUND, known)).astype(int))
    beside = {name: [background[name][at] for at in taken] for name in names}
    for at in range(rows):
        row = {name: columns[name][at] for name in names}
        ask = _asking(runtime, beside, row, signature)
        yield _of_row(ask, names, len(taken), signature)


def without(told: Attribution, personal: Collection[str]) -> Attribution:
    """An attribution that names no column that tells of people: what they contributed is one number."""
    named = {name: value for name, value in told.contributions.items() if name not in personal}
    if len(named) < len(told.contributions):
        named[PERSONAL] = sum(told.contributions.values()) - sum(named.values())
    return msgspec.structs.replace(told, contributions=named)


def _of_row(ask: Ask, names: list[str], count: int, signature: Signature) -> Attribution:
    if signature.task != "multiclass" and (found := _additive(ask, names, count, signature)):
        return found
    if len(names) <= FEW:
        return _exact(ask, names, count)
    return _sampled(ask, names, count)


def _additive(ask: Ask, names: list[str], count: int, signature: Signature) -> Attribution | None:
    """Exact values where each column has an effect of its own, as in linear models: of classifiers, on the
    scale of log-odds. None for a model that is not so beside one of the training rows.
    """
    d = len(names)
    masks = np.concatenate([np.zeros((1, d), bool), np.eye(d, dtype=bool), np.ones((1, d), bool)])
    told = ask(np.tile(masks, (count, 1)), np.repeat(np.arange(count), d + 2)).reshape(count, d + 2)
    if signature.classes:
        if told.min() < _EDGE or told.max() > 1 - _EDGE:
            return None
        told = np.log(told / (1 - told))
    effects = told[:, 1:-1] - told[:, :1]
    whole = told[:, -1] - told[:, 0]
    if np.abs(effects.sum(axis=1) - whole).max() > ADDITIVE * max(1.0, float(np.abs(told).max())):
        return None
    return Attribution(
        method="exact, the model is additive in its columns",
        scale="log-odds" if signature.classes else "score",
        baseline=float(told[:, 0].mean()),
        value=float(told[0, -1]),
        contributions=_named(names, effects.mean(axis=0)),
    )


def _exact(ask: Ask, names: list[str], count: int) -> Attribution:
    """Shapley values from all coalitions."""
    d = len(names)
    masks = np.array(list(product([False, True], repeat=d)))
    told = ask(np.tile(masks, (count, 1)), np.repeat(np.arange(count), len(masks)))
    worth = told.reshape(count, len(masks)).mean(axis=0)
    sizes = masks.sum(axis=1)
    weights = np.array([1 / (d * comb(d - 1, size)) for size in range(d)])
    found = np.zeros(d)
    for j in range(d):
        without = np.flatnonzero(~masks[:, j])
        found[j] = (weights[sizes[without]] * (worth[without + 2 ** (d - 1 - j)] - worth[without])).sum()
    return Attribution(
        method="exact Shapley values over all coalitions",
        scale="score",
        baseline=float(worth[0]),
        value=float(worth[-1]),
        contributions=_named(names, found),
    )


def _sampled(ask: Ask, names: list[str], count: int) -> Attribution:
    """Shapley values from drawn orders of the columns (Strumbelj and Kononenko 2014), each also taken
    backwards (Mitchell, Cooper, Frank and Holmes 2022); the same ones for every row.
    """
    d, chance = len(names), np.random.default_rng(_SEED)
    orders = [chance.permutation(d) for _ in range(count * ORDERS // 2)]
    orders = [each for order in orders for each in (order, order[::-1])]
    masks = np.zeros((len(orders), d + 1, d), bool)
    for masked, order in zip(masks, orders, strict=True):
        for step, j in enumerate(order):
            masked[step + 1 :, j] = True
    beside = np.repeat(np.arange(len(orders)) // ORDERS, d + 1)
    told = ask(masks.reshape(-1, d), beside).reshape(len(orders), d + 1)
    found = np.zeros(d)
    for order, steps in zip(orders, np.diff(told, axis=1), strict=True):
        found[order] += steps
    return Attribution(
        method=f"Shapley values from {len(orders)} drawn orders of the columns",
        scale="score",
        baseline=float(told[:, 0].mean()),
        value=float(told[0, -1]),
        contributions=_named(names, found / len(orders)),
    )


def _asking(runtime: Runtime, beside: Columns, row: Mapping[str, Any], signature: Signature) -> Ask:
    """Asks a model about a row of which some columns have the values of a training row: `masks` of shape
    (n, columns) are true where the row's own value stands, and n numbers say beside which training row.
    """
    names = list(row)
    _, _, chances = runtime.predict({name: [row[name]] for name in names})
    answered = int(np.argmax(chances[0])) if signature.task == "multiclass" else -1

    def ask(masks: Masks, which: npt.NDArray[np.int64]) -> Floats:
        told: list[Floats] = []
        for at in range(0, len(masks), AT_ONCE):
            places = which[at : at + AT_ONCE].tolist()
            mixed = {
                name: [
                    row[name] if own else beside[name][place]
                    for own, place in zip(masks[at : at + AT_ONCE, j].tolist(), places, strict=True)
                ]
                for j, name in enumerate(names)
            }
            score, _, chances = runtime.predict(mixed)
            told.append(np.array(score if answered < 0 else [each[answered] for each in chances], np.float64))
        return np.concatenate(told)

    return ask


def _named(names: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
