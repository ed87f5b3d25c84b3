"""Labels that come late, out of order, in part, or are corrected, or never come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.checks.measures import interval, measure
from penstock.core.errors import UndefinedMetric
from penstock.monitoring.lately import Lately
from penstock.monitoring.measure import ENOUGH_LABELS
from penstock.monitoring.service import Monitoring
from penstock.monitoring.types import Reading, Window
from penstock.serving.types import LogRecord
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2013, 3, 1, tzinfo=UTC)
DAYS, EACH = 2, 45
Label = tuple[int, str, bool]
"""The hour in which it comes, the prediction, and what happened."""


@st.composite
def arrivals(draw: st.DrawFn) -> list[Label]:
    """Which label comes in which hour after the beginning, in order of arrival; some twice, some never."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    lost, corrected = draw(st.sampled_from([0.0, 0.3, 0.9])), draw(st.sampled_from([0.0, 0.3]))
    late = draw(st.sampled_from([1, 30, 100]))
    found = []
    for day in range(DAYS):
        for index in range(EACH):
            for _ in range(1 + (random.random() < corrected)):
                if random.random() >= lost:
                    hour = (day + 1) * 24 + int(random.exponential(late))
                    found.append((hour, f"{day}-{index}", bool(random.random() < 0.4)))
    random.shuffle(found)
    return sorted(found, key=lambda each: each[0])


def record(key: str, score: float) -> LogRecord:
    return LogRecord(
        ids=(key,),
        time=BEGIN + int(key[0]) * DAY + HOUR,
        model="delay",
        environment="production",
        version=1,
        variant="champion",
        inputs={"wind": [1.0]},
        score=(score,),
        label=("True",),
    )


def oracle(truth: dict[str, bool], scores: dict[str, float], day: int) -> dict[str, Any]:
    """All at once: what the labels that are known say of a day."""
    known = [key for key in scores if key in truth and key.startswith(f"{day}-")]
    happened, answered = [float(truth[key]) for key in known], [scores[key] for key in known]
    metrics, bands = {}, {}
    for name in ("roc_auc", "log_loss", "brier", "accuracy") if len(known) >= ENOUGH_LABELS else ():
        try:
            metrics[name] = measure(name, happened, answered)
            bands[name] = interval(name, happened, answered)
        except UndefinedMetric:
            pass
    return {"labelled": len(known), "completeness": len(known) / EACH, "metrics": metrics, "bands": bands}


@settings(max_examples=6, deadline=None)
@given(arrivals(), st.integers(1, 40))
def test_figures_are_those_of_the_labels_that_have_come(
    labels: list[tuple[int, str, bool]], step: int
) -> None:
    with TemporaryDirectory() as folder:
        store, blobs, clock = MemoryStore(), MemoryBlobs(), FixedClock(BEGIN)
        version = Delivered(store, blobs, clock).version()
        lately, over = Lately(), timedelta(hours=36)
        writer = LogWriter(Path(folder))
        random = np.random.default_rng(len(labels))
        scores = {f"{d}-{i}": float(random.random()) for d in range(DAYS) for i in range(EACH)}
        for key, score in scores.items():
            writer.append(record(key, score))
        writer.close()
        monitoring = Monitoring(store, blobs, JsonlPredictionLog(Path(folder)), clock)
        clock.set(BEGIN + DAYS * DAY)
        monitoring.tick(clock.now())
        truth: dict[str, bool] = {}
        end = max((hour for hour, *_ in labels), default=0) + step
        for hour in range(0, end, step):
            come = [(key, value) for at, key, value in labels if hour <= at < hour + step]
            clock.set(max(clock.now(), BEGIN + (hour + step) * HOUR))
            if come:
                monitoring.label("delay", [{"prediction": key, "value": value} for key, value in come])
                truth |= dict(come)
            for day in range(DAYS):
                now = oracle(truth, scores, day)
                span = (BEGIN + day * DAY, BEGIN + (day + 1) * DAY)
                found = monitoring.performance("delay", "production", "accuracy", *span)
                assert (found.labelled, found.predictions) == (now["labelled"], EACH)
                if "accuracy" in now["metrics"]:
                    assert found.value == pytest.approx(now["metrics"]["accuracy"])
            start = max(BEGIN, min(clock.now() - over, BEGIN + (DAYS - 1) * DAY + 2 * HOUR))
            with store.read() as reader:
                slid = lately.over(reader, version, "production", "roc_auc", over, start)
            batch = monitoring.performance("delay", "production", "roc_auc", start, None)
            told = ("value", "low", "high", "labelled")
            assert [getattr(slid, name) for name in told] == [
                pytest.approx(getattr(batch, name)) for name in told
            ]
        with store.read() as reader:
            windows, readings = reader.find(Window, order="start"), reader.find(Reading, order="time")
        for day, window in enumerate(windows):
            told = oracle(truth, scores, day)
            assert (window.labelled, window.completeness) == (told["labelled"], told["completeness"])
            assert window.metrics == pytest.approx(told["metrics"])
            assert list(window.bands.values()) == [pytest.approx(band) for band in told["bands"].values()]
            of = [reading for reading in readings if reading.window == window.id]
            assert len({reading.time.date() for reading in of}) == len(of)
            assert not of or (of[-1].labelled, of[-1].metrics) == (window.labelled, window.metrics)
