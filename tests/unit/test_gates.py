"""What gates ask of quality, data and the edges of the schema, beside a champion and a constant."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from penstock.core.errors import InvalidRequest, Unavailable
from penstock.datasets.profiles import prior_of, profile
from penstock.datasets.types import Prior
from penstock.deployments.edges import edges
from penstock.deployments.quality import assess, numbers_of_data
from penstock.deployments.types import Verdict
from penstock.models.types import Signature, Version
from penstock.serving.answers import Examples
from penstock.testing.delivery import CONFIG

rollouts = import_module("tests.unit.test_rollouts")
RANDOM = np.random.default_rng(5)
WIND = RANDOM.random(600) * 10
ROWS = pl.DataFrame(
    {
        "wind": WIND,
        "carrier": RANDOM.choice(["UA", "B6", "DL"], 600),
        "late": RANDOM.random(600) * 10 < WIND,
    }
)


def world(*gate: str) -> Any:
    lines = ", ".join(f'"{line}"' for line in gate)
    return rollouts.World(re.sub(r"gate = \[[^]]*\]", f"gate = [{lines}]", rollouts.CONFIG_ON_PUSH))


def judged(it: Any, score: Callable[[Any], float] = rollouts.good) -> dict[str, Verdict]:
    version = it.train(score, holdout=ROWS)
    it.settle()
    return {verdict.check: verdict for verdict in it.report(version.number).verdicts}


def noisy(row: Any) -> float:
    return float(np.clip(rollouts.good(row) + 0.3 * np.sin(1000 * (row["wind"] or 0.0)), 0, 1))


def lost_on_ua(row: Any) -> float:
    return 1 - rollouts.good(row) if row["carrier"] == "UA" else rollouts.good(row)


def test_a_gain_is_judged_by_its_interval_on_the_same_rows_and_the_first_version_has_none() -> None:
    it = world("gain(roc_auc).low >= 0")
    first = judged(it, noisy)["gain(roc_auc).low >= 0"]
    assert (first.passed, first.why) == (True, "there is no champion yet")
    better = judged(it, rollouts.good)["gain(roc_auc).low >= 0"]
    assert better.passed
    told = better.evidence["gain(roc_auc)"]
    assert 0 < told["low"] < told["gain"] < told["high"]
    assert (told["rows"], told["resamples"]) == (600, 1000)
    worse = judged(it, noisy)["gain(roc_auc).low >= 0"]
    assert not worse.passed
    assert it.roles() == ["previous", "champion", "rejected"]


def test_a_model_that_fails_on_one_slice_is_found_out_though_it_is_good_on_the_whole() -> None:
    asked = ("roc_auc >= 0.6", "worst(carrier).roc_auc >= 0.6", "worst(*, 100).log_loss <= 0.9")
    found = judged(world(*asked), lost_on_ua)
    assert not found[asked[1]].passed
    assert "rows where carrier = UA" in found[asked[1]].why
    assert not found[asked[2]].passed
    it = world(*asked)
    assert all(verdict.passed for verdict in judged(it).values())
    it = world("worst(carrier, 5000).roc_auc >= 0.6")
    assert "was not measured" in judged(it)["worst(carrier, 5000).roc_auc >= 0.6"].why


def test_the_worst_slices_are_found_without_being_asked_for_and_kept_with_the_report() -> None:
    it = world("roc_auc >= 0.1")
    judged(it, lost_on_ua)
    quality = it.report(1).quality
    assert all("carrier = UA" in each["slice"] for each in quality["worst"])
    assert "carrier = UA" in {each["slice"] for each in quality["worst"]}
    assert quality["worst"][0]["chance"] < 0.01
    assert {part["slice"] for part in quality["slices"]} >= {"carrier = B6", "carrier = DL", "carrier = UA"}


def test_every_gate_asks_that_a_constant_is_beaten() -> None:
    it = world("accuracy >= 0")
    verdict = judged(it, lambda _row: 0.5)["baseline"]
    assert not verdict.passed
    assert verdict.why == (
        "roc_auc 0.5 does not beat the 0.5 of a constant that knows only the labels of the holdout itself, "
        "since the training rows are not known"
    )
    assert it.roles() == ["rejected"]


def test_a_classifier_that_is_too_sure_is_not_calibrated() -> None:
    asked = "ece <= 0.08"
    assert judged(world(asked))[asked].passed
    verdict = judged(world(asked), lambda row: float(rollouts.good(row) > 0.5))[asked]
    assert not verdict.passed
    assert sum(each["rows"] for each in verdict.evidence["reliability"]) == 600


def test_checks_may_ask_how_many_expectations_did_not_hold() -> None:
    snapshot = {"quarantined": 0, "expected": 3, "unexpected": ["`a` ...", "`b` ..."]}
    version = _version(Signature(task="regression", inputs=()), Prior(rows=0))
    training = {"snapshots": [snapshot], "expectations": {"asked": 2, "unexpected": ["`speed` ..."]}}
    found = numbers_of_data(msgspec.structs.replace(version, training=training))
    assert (found["expected"], found["unexpected"]) == (5, 3)
    assert numbers_of_data(version)["expected"] == 0


def test_checks_may_ask_for_the_training_rows() -> None:
    asked = ("rows >= 100", "nulls(wind) <= 0.1", "high(wind) <= 9", "low(wind) >= 1", "quarantined == 0")
    found = judged(world(*asked))
    assert [found[text].passed for text in asked] == [True, True, True, False, True]
    assert found["low(wind) >= 1"].why == "low(wind) 0 is not >= 1"


@pytest.mark.parametrize(
    ("label", "task", "score", "beaten"),
    [
        (pl.Series([1.0, 2.0, 3.0, 10.0]), "regression", [1.1, 2.1, 2.9, 9.8], {"rmse", "mae"}),
        (pl.Series(["a", "b", "b", "c"]), "multiclass", [1.0, 1.0, 1.0, 1.0], {"accuracy"}),
    ],
)
def test_the_constant_of_a_task_is_what_a_dummy_of_scikit_learn_answers(
    label: pl.Series, task: Any, score: list[float], beaten: set[str]
) -> None:
    sklearn = pytest.importorskip("sklearn.dummy")
    classes = tuple(label.unique().sort()) if task == "multiclass" else ()
    version = _version(Signature(task=task, inputs=(), classes=classes), prior_of(label))
    truth = [float(classes.index(v)) if classes else v for v in label]
    happened = np.ones(4) if classes else np.array(truth)
    found = assess(version, pl.DataFrame({"y": label}), truth, (happened, np.array(score)), None)
    assert set(found.baseline) == beaten
    rows = np.zeros((4, 1))
    if classes:
        dummy = sklearn.DummyClassifier(strategy="prior").fit(rows, label.to_list())
        assert found.baseline["accuracy"] == dummy.score(rows, label.to_list())
    else:
        mean = sklearn.DummyRegressor(strategy="mean").fit(rows, label.to_numpy()).predict(rows)
        assert found.baseline["rmse"] == pytest.approx(np.sqrt(((mean - label.to_numpy()) ** 2).mean()))


def test_edges_of_the_schema_are_asked_of_the_service_and_what_it_does_wrong_is_told() -> None:
    it = world("contract")
    verdict = judged(it)["contract"]
    assert verdict.passed
    assert verdict.why.endswith("9 of 9 edges of the schema hold")
    version = it.project.version(examples=rollouts.examples(rollouts.good))
    recorded = Examples(**rollouts.examples(rollouts.good))
    told = edges(_Careless(), version, recorded)
    assert {edge.name: bool(edge.why) for edge in told} == {
        "without wind": True,
        "wind of another type": True,
        "without carrier": True,
        "carrier of another type": True,
        "carrier null": True,
        "a column too many": True,
        "wind null": False,
        "carrier unseen": True,
        "large batch": True,
    }


class _Careless:
    """A service that answers what it should refuse, and breaks at a category that it does not know."""

    def infer(self, _model: str, _version: int, columns: Any, **_log: bool) -> Any:
        if any("no training row" in str(value) for values in columns.values() for value in values):
            raise Unavailable(what="The prediction service answered 500")
        if len(columns.get("wind", ())) > 1:
            raise InvalidRequest(what="So many rows are not answered")
        return None

    def loaded(self) -> list[Any]:
        return []


def _version(signature: Signature, prior: Prior) -> Version:
    it = rollouts.World(CONFIG)
    return msgspec.structs.replace(
        it.project.version(), signature=signature, prior=prior, label="y", profile=profile(ROWS)
    )
