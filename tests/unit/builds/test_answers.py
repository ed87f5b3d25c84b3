"""Answers are asked for company, use, slant, constants and idle inputs; sound ones pass."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest

from penstock.builds.automatic import answers
from penstock.builds.automatic.pipelines import Trained
from penstock.builds.automatic.rehearsal import Change, Rehearsed
from penstock.builds.automatic.verdicts import NotJudged
from tests.unit.builds.asking import Answering, fitted, published, table

MADE = published()
INPUTS = {"size": "float", "calls": "int"}
SOUND = Answering(lambda rows: 3 * rows["size"] + rows["calls"], INPUTS)
CHANCE = np.random.default_rng(0)


def test_a_sound_model_passes() -> None:
    answers.alone(MADE, SOUND)
    answers.beats_constant(MADE, SOUND)
    answers.unbiased(MADE, SOUND)
    answers.every_input(MADE, SOUND, no_training)


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: rows["size"] - (rows["size"].mean() or 0),
        lambda rows: rows["size"].rank() / rows.height,
        lambda rows: rows["size"].shift(1).fill_null(0),
        lambda rows: CHANCE.random(rows.height),
    ],
)
def test_a_row_is_answered_alike_in_any_company(answer: object) -> None:
    with pytest.raises(AssertionError, match="to the same row"):
        answers.alone(MADE, Answering(answer, INPUTS))  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["sold", "late"])
def test_a_model_without_use_is_told(label: str) -> None:
    classes = ("false", "true") if label == "late" else ()
    useless = Answering(lambda rows: 0.5 + rows["calls"] / 100, INPUTS, classes=classes)
    with pytest.raises(AssertionError, match="of no use"):
        answers.beats_constant(published(label=label), useless)
    useful = Answering(lambda rows: rows["size"] / 100, INPUTS, classes=("false", "true"))
    answers.beats_constant(published(label="late"), useful)


def test_of_a_small_holdout_nothing_is_said() -> None:
    with pytest.raises(NotJudged, match="too few"):
        answers.beats_constant(published(table(60)), SOUND)


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_answers_beside_the_labels_are_told(factor: float) -> None:
    with pytest.raises(AssertionError, match="to its own training rows"):
        answers.unbiased(MADE, Answering(lambda rows: 3 * factor * rows["size"], INPUTS))


def test_the_median_may_be_learned_instead_of_the_mean() -> None:
    skewed = table().with_columns(sold=(pl.col("sold") / 60).exp())
    made = published(skewed)
    for middle in (made.rows.train["sold"].mean(), made.rows.train["sold"].median()):
        answers.unbiased(made, Answering(lambda rows, middle=middle: np.full(rows.height, middle), INPUTS))  # type: ignore[misc]


def test_a_constant_far_from_the_others_is_told_where_scale_counts() -> None:
    size = MADE.rows.train["size"]
    missing = pl.Series(np.arange(size.len()) % 10 == 0)
    for constant, sound in ((50.0, True), (-1.0, True), (-999.0, False)):
        reached = pl.DataFrame({"size": size}).with_columns(
            pl.when(missing).then(constant).otherwise("size").alias("size")
        )
        ask = partial(answers.sentinels, MADE, fitted(MADE.rows.train, weighed=reached))
        if sound:
            ask()
        else:
            with pytest.raises(AssertionError, match=r"10\.0% of its values.* are -999"):
                ask()
    with pytest.raises(NotJudged, match="does not weigh"):
        answers.sentinels(MADE, fitted(MADE.rows.train))


def test_a_copied_input_is_told() -> None:
    rows = table().with_columns(copy=pl.col("size"))
    with pytest.raises(AssertionError, match=r"`size` and `copy`.*are the same in every row"):
        answers.every_input(
            published(rows), Answering(SOUND.answer, {**INPUTS, "copy": "float"}), no_training
        )


def test_an_input_that_cannot_count_is_told_and_one_that_need_not_is_no_finding() -> None:
    deaf = Answering(lambda rows: 3 * rows["size"], INPUTS)

    def train(change: Change | None, model: Answering) -> Trained:
        assert change is not None
        made = MADE._replace(rows=change(MADE.rows))
        return Trained(Rehearsed({}, {}, (made,)), [model])

    answers.every_input(MADE, deaf, partial(train, model=SOUND))
    with pytest.raises(AssertionError, match="`calls` cannot change the answers of m"):
        answers.every_input(MADE, deaf, partial(train, model=deaf))


def no_training(_change: Change | None) -> Trained:
    raise AssertionError("every input counts, so nothing is trained again")
