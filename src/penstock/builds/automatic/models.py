"""What every published model is asked: the same answers when served, numbers for any row, no label inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.builds.automatic import confusion
from penstock.builds.automatic.confusion import DECISIONS, explained
from penstock.builds.automatic.ports import Asked, Floats
from penstock.builds.automatic.rehearsal import Published
from penstock.builds.automatic.skill import agreement, apart, score_of, skill, truth_of
from penstock.checks.measures import measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import PenstockError, UndefinedMetric

PARITY = 1e-3
"""Answers of the trained and of the served model that lie further apart are different."""
MOST_DIFFERENT = 0.01
LEAK = 0.97
"""The rank correlation, or the skill of the ROC curve, above which one column alone gives the label away."""
DIFFERENT = 0.0051
"""How far a reported metric may be from the measured one: two decimals are enough; above 1 a share of it."""
_FEW = 50
_HEAVIEST, _PARTS = 100.0, 20
_GROUPS = 40
_OTHERS: Mapping[str, Callable[[Floats, Floats], float]] = {
    "mse": lambda truth, score: float(np.mean((score - truth) ** 2)),
    "bias": lambda truth, score: float(np.mean(score - truth)),
    "r2": lambda truth, score: float(1 - np.sum((score - truth) ** 2) / np.sum((truth - truth.mean()) ** 2)),
}
"""Metrics that no check may name, but whose names say what they are."""


def parity(published: Published, asked: Asked) -> None:
    """Raises AssertionError when the served model answers the holdout otherwise than the trained one."""
    rows = published.rows.holdout
    trained = _answers(published, "itself", lambda: asked.trained(rows))
    served = _answers(published, "served", lambda: asked.served(rows))
    differ = apart(trained, served) > PARITY
    if differ.mean() > MOST_DIFFERENT:
        row = int(differ.argmax())
        raise AssertionError(
            f"The model {published.name} answers {differ.sum()} of {rows.height} rows otherwise when it is "
            f"served: expected {_shown(trained[row])}, found {_shown(served[row])}. Numbers travel as "
            "32-bit floats: look for ids and times among the inputs, and for types that change on the way "
            "into the model."
        )


def honest_metrics(published: Published, asked: Asked) -> None:
    """Raises AssertionError when a reported metric is not what the model earns on the rows of the holdout.

    The model is given the rows as requests bring them, so that whatever is done to rows between
    `training_rows` and the model, and would not be done in serving, is noticed too. A column of weights,
    positive numbers that the model does not take, may count rows several times.
    """
    rows = published.rows.holdout
    truth = truth_of(rows[_label(published)], asked.classes)
    reported = {
        name: value for name, value in published.metrics.items() if name in METRICS or name in _OTHERS
    }
    decisions = {name: value for name, value in published.metrics.items() if name in DECISIONS}
    if truth is None or not (reported or decisions):
        return
    score = score_of(_answers(published, "itself", lambda: asked.trained(rows)))
    weights = _weights(rows, {*asked.inputs, _label(published)})
    for name, value in reported.items():
        try:
            earned = _earned(name, truth, score, value)
        except UndefinedMetric:
            continue
        except PenstockError as error:
            raise AssertionError(
                f"The model {published.name} cannot be measured by {name}: {error}"
            ) from error
        counted = [
            _earned(name, np.repeat(truth, times), np.repeat(score, times), value)
            for times in weights.values()
        ]
        if _differ(value, earned) and all(_differ(value, each) for each in counted):
            raise AssertionError(
                f"The model {published.name} reports {name} {value:.4g}, but earns {earned:.4g} on the "
                "holdout as requests bring it: expected the same. Look at which rows are measured, which "
                "class is the positive one, and what is done to rows or labels outside the model that "
                "serving does not do."
            )
        if _differ(value, earned) and asked.fit is not None and asked.fit.weights is None:
            column = next(by for by, each in zip(weights, counted, strict=True) if not _differ(value, each))
            raise AssertionError(
                f"The model {published.name} reports {name} {value:.4g}, which it earns on the holdout "
                "where rows "
                f"count by `{column}`, but was fitted on rows that all count the same: expected the weights "
                "in both. A Pipeline takes them with the name of its step, as in line__sample_weight=."
            )
    if asked.classes:
        _honest_decisions(published.name, decisions, truth, score, list(weights.values()))


def _honest_decisions(
    model: str, reported: Mapping[str, float], truth: Floats, score: Floats, weights: list[NDArray[np.int64]]
) -> None:
    if any(
        explained(reported, truth, score, times)
        for times in (np.ones(len(truth)), *(each.astype(np.float64) for each in weights))
    ):
        return
    earned = confusion.usual(reported, truth, score)
    raise AssertionError(
        f"The model {model} reports {_named(reported)}: there is no threshold of its answers to the "
        "holdout at "
        f"which it earns that. Where an answer above one half says yes it earns {_named(earned)}. Expected "
        "what the names say of one class: look at the order of true and false positives, of truth and "
        "answer, "
        "and at how classes are averaged; an average over classes has a name of its own, such as f1_weighted."
    )


def _named(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _earned(name: str, truth: Floats, score: Floats, said: float) -> float:
    """A metric of the answers; of a bias the sign that is nearer to what is `said`: both are in use."""
    earned = _OTHERS[name](truth, score) if name in _OTHERS else measure(name, truth, score)
    return min((earned, -earned), key=lambda each: abs(said - each)) if name == "bias" else earned


def _differ(reported: float, earned: float) -> bool:
    return abs(reported - earned) > DIFFERENT * max(1.0, abs(earned))


def _weights(rows: pl.DataFrame, others: set[str]) -> dict[str, NDArray[np.int64]]:
    """How often each row counts by each column that may be one of weights, in whole numbers."""
    found = {}
    for name, kind in rows.schema.items():
        if name in others or not kind.is_numeric():
            continue
        values = rows[name].cast(pl.Float64).to_numpy()
        if np.isfinite(values).all() and values.min() > 0 and 1 < values.max() / values.min() <= _HEAVIEST:
            times = values / values.min()
            exact = np.allclose(times, np.round(times))
            found[name] = np.round(times if exact else times * _PARTS).astype(np.int64)
    return found


def finite_model(published: Published, asked: Asked) -> None:
    """Raises AssertionError when the model gives no number for a row that is empty, far off or new to it."""
    usual = published.rows.holdout.head(_FEW)
    for what, rows in _strange(usual, asked):
        for how, ask in (("trained", asked.trained), ("served", asked.served)):
            answers = _answers(published, f"{how}, on {what},", lambda ask=ask, rows=rows: ask(rows))  # type: ignore[misc]
            if not np.isfinite(answers).all():
                raise AssertionError(
                    f"The model {published.name}, as {how}, answers NaN or infinity on {what}: expected a "
                    "number. Impute nulls and clip numbers inside the model's Pipeline."
                )


def leaked_target(published: Published, asked: Asked) -> None:
    """Raises AssertionError when one input alone tells the label nearly perfectly."""
    rows = published.rows
    no_leak(rows.train, rows.holdout, _label(published), asked.inputs, asked.classes)


def no_leak(
    train: pl.DataFrame,
    holdout: pl.DataFrame,
    label: str,
    columns: Iterable[str],
    classes: Sequence[str] = (),
) -> None:
    """Look whether a column foretells the label by itself.

    The mean label per value of a column, or per range of its values, in `train` is used as a prediction for
    `holdout`. `classes` are the two values of the label, the positive one last; none for a number.
    Raises AssertionError.
    """
    learned, truth = (truth_of(part[label], classes) for part in (train, holdout))
    if learned is None or truth is None or np.ptp(learned) == 0 or np.ptp(truth) == 0:
        return
    for name in columns:
        alone = _alone(train[name], holdout[name], learned)
        told = (
            skill("roc_auc", measure("roc_auc", truth, alone), truth) if classes else agreement(truth, alone)
        )
        if told > LEAK:
            raise AssertionError(
                f"The column `{name}` alone foretells `{label}` almost perfectly: {told:.3f} of 1, "
                f"expected less than {LEAK}. It is the label in other words, or known only after it: leave "
                "it out, or say with known_time when it is known."
            )


def _alone(train: pl.Series, holdout: pl.Series, truth: Floats) -> Floats:
    """A prediction for each row of the holdout from one column."""
    parts = (train, holdout)
    if train.dtype.is_numeric() and train.n_unique() > _GROUPS:
        numbers = [part.cast(pl.Float64).fill_null(float("nan")).to_numpy() for part in parts]
        cuts = np.unique(np.nanquantile(numbers[0], np.linspace(0, 1, _GROUPS + 1)[1:-1]))
        groups = [np.where(np.isnan(values), -1, np.searchsorted(cuts, values)) for values in numbers]
    else:
        codes = {value: code for code, value in enumerate(train.unique().to_list())}
        groups = [np.array([codes.get(value, -2) for value in part]) for part in parts]
    means = {group: float(truth[groups[0] == group].mean()) for group in np.unique(groups[0])}
    return np.array([means.get(group, float(truth.mean())) for group in groups[1]])


def _strange(rows: pl.DataFrame, asked: Asked) -> Iterator[tuple[str, pl.DataFrame]]:
    inputs = {name: rows.schema[name] for name in asked.inputs}
    numbers = [name for name, kind in inputs.items() if kind.is_numeric()]
    texts = [name for name, kind in inputs.items() if kind == pl.String]
    empty = [name for name in inputs if name in asked.nullable]
    yield "the usual rows", rows
    yield "a single row", rows.head(1)
    yield "rows of zeros", rows.with_columns(pl.lit(0).cast(inputs[name]).alias(name) for name in numbers)
    yield (
        "rows with numbers far larger than usual",
        rows.with_columns(
            (pl.col(name) * 1000).cast(inputs[name], strict=False)
            for name in numbers
            if inputs[name].is_float()
        ),
    )
    for name in texts:
        yield f"rows with a `{name}` that was never seen", rows.with_columns(pl.lit("never seen").alias(name))
    for name in empty:
        yield f"rows without `{name}`", rows.with_columns(pl.lit(None, inputs[name]).alias(name))
    yield (
        "rows without anything that may be missing",
        rows.with_columns(pl.lit(None, inputs[n]).alias(n) for n in empty),
    )


def _label(published: Published) -> str:
    return str(published.schema["label"])


def _answers(published: Published, how: str, ask: Callable[[], Floats]) -> Floats:
    try:
        return ask()
    except PenstockError as error:
        raise AssertionError(f"The model {published.name}, {how} fails: {error}") from error


def _shown(answer: Sequence[float] | Floats) -> str:
    return ", ".join(f"{value:.4g}" for value in answer)
