"""What every pipeline is asked: to come to its end, and to learn what is there and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache, partial

import numpy as np
import polars as pl

from penstock.builds.automatic import changes
from penstock.builds.automatic.ports import Asked
from penstock.builds.automatic.rehearsal import Change, Published, Rehearsed
from penstock.builds.automatic.skill import SAME, agreement, apart, chance, score_of, skill, truth_of
from penstock.builds.automatic.verdicts import NotJudged
from penstock.checks.measures import measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import NotFound, PenstockError

LEARNED = 0.5
"""The rank correlation of answers and labels that a planted signal must give on its own batch."""
_PLANTS = 3
_VALUES = 20


class Trained:
    """One rehearsal of a pipeline and its models as they can be asked."""

    def __init__(self, done: Rehearsed, models: Sequence[Asked]) -> None:
        self.done = done
        self.models = tuple(zip(done.published, models, strict=True))

    def of(self, name: str) -> tuple[Published, Asked]:
        """The model of this name. Raises NotFound when it was not published this time."""
        for pair in self.models:
            if pair[0].name == name:
                return pair
        raise NotFound(what=f"The model {name} was not published this time.")


Train = Callable[[Change | None], Trained]
"""Rehearses a pipeline, on training rows that are changed first; done once for each change."""


def determinism(name: str, train: Train) -> None:
    """Train a second time, at another date and as another process.

    Raises AssertionError when metrics or answers are others.
    """
    first = train(None)
    if found := _other(name, first, train(changes.later)):
        again = _other(name, first, train(changes.nothing))
        raise AssertionError(
            f"Training {name} twice on the same rows gives {' and '.join(again or found)}: expected the "
            "same. "
            + (
                "Give every shuffle, sample and estimator a seed, such as random_state=0."
                if again
                else "The second time it was another day, and hash() gave other numbers of texts, as in "
                "every process: count from the time of each row, and make numbers of texts with zlib.crc32."
            )
        )


def _other(name: str, first: Trained, second: Trained) -> list[str]:
    """In what a second training differs."""
    (published, asked), (other, again) = first.of(name), second.of(name)
    rows = published.rows.holdout
    found = [
        f"{metric} {value:.6g} and {other.metrics.get(metric, np.nan):.6g}"
        for metric, value in published.metrics.items()
        if not abs(other.metrics.get(metric, np.nan) - value) <= SAME * max(1.0, abs(value))
    ]
    if not found and not all(
        one.equals(two) for one, two in zip(published.rows[:2], other.rows[:2], strict=True)
    ):
        found = ["other features"]
    if not found and (apart(asked.trained(rows), again.trained(rows)) > SAME).any():
        found = ["models that answer differently"]
    return found


def unseen_holdout(name: str, train: Train) -> None:
    """Raises AssertionError when a model trained beside another holdout answers differently."""
    (published, asked), (_, again) = train(None).of(name), train(changes.later).of(name)
    rows = published.rows.holdout
    before = asked.trained(rows)
    if (apart(before, again.trained(rows)) > SAME).any():
        raise NotJudged("Training is not repeatable, so what changes it cannot be told.")
    try:
        _, other = train(changes.other_holdout).of(name)
    except PenstockError as error:
        raise NotJudged(f"It cannot be trained beside another holdout: {error}") from error
    differ = int((apart(before, other.trained(rows)) > SAME).sum())
    if differ:
        raise AssertionError(
            f"The model {name} depends on the rows of the holdout: with others there, {differ} of "
            f"{rows.height} answers change, though the training rows are the same. Look for an encoder, "
            "scaler, fill or choice that sees the holdout, or for a split that mixes the two."
        )


def shuffled_labels(name: str, train: Train) -> None:
    """Raises AssertionError when a model of labels in no order still seems good, or is the one before."""
    first, model = train(None).of(name)
    try:
        published, asked = train(changes.shuffled_labels).of(name)
    except PenstockError as error:
        raise NotJudged(f"It cannot be trained on shuffled labels: {error}") from error
    said, again = (each.trained(first.rows.holdout) for each in (model, asked))
    if said.shape == again.shape and np.ptp(said) > SAME and apart(said, again).max() < SAME:
        raise AssertionError(
            f"Training {name} on labels in another order gives the model that was there before: expected "
            "another "
            "one. Something is kept from fit to fit: look for an estimator of the module that every fit "
            "shares, "
            "for warm_start, and for a model or result that is read from a cache or a file."
        )
    truth = truth_of(published.rows.holdout[str(published.schema["label"])], asked.classes)
    if truth is None:
        raise NotJudged("Its labels are neither numbers nor two classes.")
    for metric in published.metrics.keys() & METRICS.keys():
        try:
            found = skill(metric, published.metrics[metric], truth)
        except PenstockError:
            continue
        if found > chance(metric, truth) + 0.05:
            raise AssertionError(
                f"With shuffled labels {name} still reports {metric} {published.metrics[metric]:.4g}: "
                "expected no more than chance gives. What is measured does not come from learning: look "
                "for the label among the features, for rows that are in both parts, and for a number that "
                "is not measured at all."
            )


def learns(name: str, train: Train) -> None:
    """Plant a signal in a tiny batch and see whether the model finds it.

    The labels of the batch are put in the order of one input; of three inputs one is enough.
    Raises AssertionError, also when all answers to the holdout are the same.
    """
    published, asked = train(None).of(name)
    if len(asked.classes) > 2:
        raise NotJudged("It tells more than two classes apart.")
    score = score_of(asked.trained(published.rows.holdout))
    if len(score) > 1 and np.ptp(score) < SAME:
        raise AssertionError(
            f"The model {name} answers {score[0]:.4g} to all {len(score)} rows of the holdout: expected "
            "answers that depend on them. Look at what reaches the estimator, and at how strongly it is "
            "held back."
        )
    tried = [(_found(name, train, column), column) for column in plantable(published.rows.train, asked)]
    if not tried:
        raise NotJudged(
            "None of its inputs is a number with many values, in which a signal could be planted."
        )
    best, column = max(tried)
    if best < LEARNED:
        raise AssertionError(
            f"The model {name} does not learn: on a tiny batch whose labels rise with `{column}`, its "
            f"answers agree with them by {best:.2f}, expected at least {LEARNED} of 1. "
            + (
                "They run against the labels: look at how the label is encoded."
                if best < -0.2
                else "Look at whether rows and labels still belong together where the estimator is fitted, "
                "and at how strongly it is held back."
            )
        )


def unused(view: str, makes: Sequence[str], used: Collection[str]) -> None:
    """Raises AssertionError for features that are among the inputs of no model."""
    if idle := [name for name in makes if name not in used]:
        raise AssertionError(
            f"{view} makes {', '.join(f'`{name}`' for name in idle)}, which no model takes: expected every "
            "feature among the inputs of one. Add it where the columns of the model are listed, or leave "
            "it out."
        )


@cache
def planted(column: str) -> Change:
    """A tiny batch with a signal in a column; one change for each column, so that it is trained once."""
    return partial(changes.planted, column=column)


def _found(name: str, train: Train, column: str) -> float:
    """How well the model of a tiny batch found the signal that was planted in a column, from -1 to 1."""
    published, asked = train(planted(column)).of(name)
    rows = published.rows.train
    truth = truth_of(rows[str(published.schema["label"])], asked.classes)
    if truth is None or np.ptp(truth) == 0:
        raise NotJudged("The labels of a tiny batch are all the same.")
    score = score_of(asked.trained(rows))
    return (
        skill("roc_auc", measure("roc_auc", truth, score), truth)
        if asked.classes
        else agreement(truth, score)
    )


def plantable(train: pl.DataFrame, asked: Asked) -> list[str]:
    """Inputs in which a signal can be planted, those with the fewest nulls and most values first."""
    numbers = [name for name in asked.inputs if train[name].dtype.is_numeric()]
    rich = {name: train[name].n_unique() * (1 - train[name].null_count() / train.height) for name in numbers}
    return sorted((name for name in rich if rich[name] > _VALUES), key=lambda name: -rich[name])[:_PLANTS]
