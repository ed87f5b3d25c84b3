"""What steps say of their work: metrics and the log."""

from __future__ import annotations

import math

import numpy as np
import pytest

from penstock import Metrics, log
from penstock.core.errors import InvalidValue
from penstock.pipelines.log import Entry


def test_metrics_are_a_frozen_mapping_of_floats() -> None:
    metrics = Metrics(roc_auc=np.float32(0.5), count=3)
    assert dict(metrics) == {"roc_auc": 0.5, "count": 3.0}
    assert all(type(value) is float for value in metrics.values())
    assert metrics == {"roc_auc": 0.5, "count": 3.0}
    assert repr(metrics) == "Metrics(roc_auc=0.5, count=3)"


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, True, np.array([0.5]), np.float64("nan")])
def test_a_metric_that_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidValue, match="The metric roc_auc is not a finite number"):
        Metrics(roc_auc=value)  # type: ignore[arg-type]


def test_the_log_goes_to_the_attached_sink_and_otherwise_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    entries: list[Entry] = []
    log.metric("loss", 0.5)
    with log.to(entries.append):
        log.metric("loss", 0.25, step=2)
        log.param("depth", 3)
        log.text("note", "fine")
    log.metric("loss", 0.125)
    assert entries == [
        Entry(kind="metric", name="loss", value=0.25, step=2),
        Entry(kind="param", name="depth", value="3"),
        Entry(kind="text", name="note", value="fine"),
    ]
    assert capsys.readouterr().out == ""
