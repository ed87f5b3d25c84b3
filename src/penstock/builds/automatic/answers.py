"""What the answers of every model are asked: no company that changes them, some use, no slant, all inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from penstock.builds.automatic.pipelines import Train, planted
from penstock.builds.automatic.ports import Asked, Floats
from penstock.builds.automatic.rehearsal import Published
from penstock.builds.automatic.skill import SAME, apart, chance, score_of, skill, truth_of
from penstock.builds.automatic.verdicts import NotJudged
from penstock.checks.measures import measure
from penstock.core.errors import PenstockError

BETTER = 2.0
"""Standard errors by which a model must be better than one answer to all: a sound one rarely is not."""
SLANT = 0.25
"""How far answers may lie from the labels learned from, in standard deviations of the labels."""
FAR = 3.0
"""How many times the width of all other values a value that stands for nothing lies away from them."""
_ALONE = 6
_BATCH = 200
_RARE = 30
_ROUNDING = 1e-6
_FEW = 0.15
_PLANTS = 2
_CONSTANT = (0.005, 0.5)
_MANY = 10


def alone(published: Published, asked: Asked) -> None:
    """Raises AssertionError when a row is answered otherwise alone, or in another order of the batch."""
    rows = published.rows.holdout.head(_BATCH)
    batch = asked.trained(rows)
    places = [place * rows.height // _ALONE for place in range(min(_ALONE, rows.height))]
    ways: list[tuple[str, Floats, Floats]] = [
        ("in a batch in the opposite order", batch, asked.trained(rows.reverse())[::-1]),
        ("in a smaller batch", batch[: rows.height // 2], asked.trained(rows.head(rows.height // 2))),
        ("by itself", batch[places], np.concatenate([asked.trained(rows[place]) for place in places])),
    ]
    for how, first, second in ways:
        differ = apart(first, second) > _ROUNDING
        if differ.any():
            row = int(differ.argmax())
            raise AssertionError(
                f"The model {published.name} answers {first[row][-1]:.4g} to a row among others and "
                f"{second[row][-1]:.4g} to the same row {how}: expected one answer. Look for what is "
                "computed "
                "over the rows of a request, such as a mean, a rank, a shift or codes of categories, and for "
                "chance without a seed."
            )


def beats_constant(published: Published, asked: Asked) -> None:
    """Raises AssertionError when the model is not surely better on the holdout than one answer to all rows.

    Of two classes the area under the ROC curve must be above one half by two standard errors; of a number,
    squared or absolute errors be smaller than those of the mean, or of the median, of the training rows.
    """
    label = str(published.schema["label"])
    rows = published.rows
    truth = truth_of(rows.holdout[label], asked.classes)
    learned = truth_of(rows.train[label], asked.classes)
    if truth is None or learned is None or np.ptp(truth) == 0 or np.isnan(truth).any():
        raise NotJudged("Its labels are neither numbers nor two classes.")
    score = score_of(asked.trained(rows.holdout))
    fewest = min((truth == 1).sum(), (truth == 0).sum()) if asked.classes else len(truth)
    if fewest < _RARE:
        raise NotJudged(f"The holdout has {fewest} rows of a kind: too few to tell.")
    if asked.classes:
        found = skill("roc_auc", measure("roc_auc", truth, score), truth)
        sure = found / (chance("roc_auc", truth) / 4)
        said = f"its roc_auc on the holdout is {(1 + found) / 2:.3f}, and 0.5 is chance"
    else:
        gains = [
            (truth - np.mean(learned)) ** 2 - (truth - score) ** 2,
            np.abs(truth - np.median(learned)) - np.abs(truth - score),
        ]
        sure = max(float(gain.mean() / max(SAME, gain.std() / math.sqrt(len(gain)))) for gain in gains)
        said = (
            f"its mean absolute error on the holdout is {np.abs(truth - score).mean():.4g}, and that of the "
            f"median of the training labels is {np.abs(truth - np.median(learned)).mean():.4g}"
        )
    if sure < BETTER:
        raise AssertionError(
            f"The model {published.name} is of no use that could be seen: {said}. Expected answers that are "
            f"better by at least {BETTER:g} standard errors: look at whether rows, features and labels "
            "belong "
            "together, and at whether the features are there in the holdout."
        )


def unbiased(published: Published, asked: Asked) -> None:
    """Raises AssertionError when the answers of a regression lie beside the labels that it learned from.

    They may miss the mean, as those to which absolute errors count do, or the median, as those to which
    squared errors count do, but not both to the same side.
    """
    rows = published.rows.train
    truth = truth_of(rows[str(published.schema["label"])], asked.classes)
    if asked.classes or truth is None or np.isnan(truth).any():
        raise NotJudged("It does not foretell a number.")
    missed = score_of(asked.trained(rows)) - truth
    width = max(SAME, float(truth.std()))
    mean, median = float(missed.mean()), float(np.median(missed))
    if min(abs(mean), abs(median)) > SLANT * width and mean * median > 0:
        raise AssertionError(
            f"The model {published.name} answers too {'much' if mean > 0 else 'little'} to its own training "
            f"rows: by {abs(mean):.4g} on average, where labels are {truth.mean():.4g} with a standard "
            f"deviation of {width:.4g}. Expected answers around the labels: look for a target that is cut, "
            "scaled or transformed and not taken back, for weights, and for the loss that is learned with."
        )


def sentinels(published: Published, asked: Asked) -> None:
    """Raises AssertionError when a constant far from all other values reaches an estimator that weighs it."""
    if asked.fit is None:
        raise NotJudged("How it was fitted was not seen: only a model fitted by one call of its `fit` is.")
    if asked.fit.weighed is None:
        raise NotJudged("Its estimator does not weigh its columns by their scale.")
    least, most = _CONSTANT
    for name in asked.fit.weighed.columns:
        values = asked.fit.weighed[name].to_numpy()
        values = values[np.isfinite(values)]
        for end in (values.min(initial=np.inf), values.max(initial=-np.inf)):
            rest = values[values != end]
            count = len(values) - len(rest)
            share = count / max(1, len(values))
            if not least <= share <= most or count < _MANY / 2 or len(np.unique(rest)) < _MANY:
                continue
            low, high = np.quantile(rest, (0.005, 0.995))
            if max(low - end, end - high) > FAR * (high - low):
                raise AssertionError(
                    f"A constant stands for what is missing in `{name.split('__')[-1]}` of {published.name}: "
                    f"{share:.1%} of its values, as they reach the estimator, are {end:.4g}, and nearly all "
                    f"others from {low:.4g} to {high:.4g}. Expected nothing so far from the others before an "
                    "estimator that weighs columns by their scale: impute a usual value, and add an "
                    "indicator."
                )


def every_input(published: Published, asked: Asked, train: Train) -> None:
    """Raises AssertionError for an input that is the copy of another, or that cannot change any answer.

    What changes no answer is looked at again in a tiny batch in which the label depends on it alone: trees
    may well pass by an input that tells them nothing, but not there.
    """
    rows, inputs = published.rows.train, list(asked.inputs)
    for place, name in enumerate(inputs):
        for other in inputs[:place]:
            if rows[name].n_unique() > _MANY and rows[name].equals(rows[other], check_dtypes=False):
                raise AssertionError(
                    f"The inputs `{other}` and `{name}` of {published.name} are the same in every row: "
                    "expected "
                    "each to tell something else. Look at how both are made; one was perhaps copied."
                )
    idle = [name for name in inputs if _rich(rows[name]) and not _changes(asked.trained, rows, name)]
    for name in idle[:_PLANTS]:
        try:
            batch, again = train(planted(name)).of(published.name)
        except PenstockError:
            continue
        if not _changes(again.trained, batch.rows.train, name):
            raise AssertionError(
                f"The input `{name}` cannot change the answers of {published.name}, not even where the label "
                "depends on nothing else: expected that it counts. Look at whether a filter, a clip, an "
                "encoder "
                "or a list of columns takes it away inside the model."
            )


def _rich(column: pl.Series) -> bool:
    """Whether a column varies enough to be learned from."""
    there, most = column.drop_nulls(), (1 - _FEW) * column.len()
    commonest = int(there.value_counts(name="_times")["_times"].to_numpy().max(initial=0))
    return there.len() > most > commonest


def _changes(ask: Callable[[pl.DataFrame], Floats], rows: pl.DataFrame, name: str) -> bool:
    few = rows.head(_BATCH)
    spread = [place * rows.height // few.height for place in range(few.height)]
    turned = rows[name].sort()[spread]
    return bool((apart(ask(few), ask(few.with_columns(turned.alias(name)))) > SAME).any())
