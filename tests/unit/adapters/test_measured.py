from __future__ import annotations

import pytest

from penstock.adapters.predictor.measured import quantile, read_metrics
from penstock.adapters.predictor.metrics import Metrics, metrics_text


def test_what_the_service_measured_of_a_version_is_read_from_what_it_tells_prometheus() -> None:
    metrics = Metrics()
    for seconds in [0.0008] * 98 + [0.2, 0.2]:
        metrics.answered(("delay", 2, "champion", "production"), 3, [(0.0, seconds, 0.0)])
    metrics.answered(("delay", 1, "champion", "production"), 1, [(0.0, 4.0, 0.0)])
    metrics.refused("delay", 400)
    metrics.refused("other", 400)
    found = read_metrics(metrics_text([metrics.counted()]).decode(), "delay", 2)
    assert found is not None
    assert (found.requests, found.rows, found.refused) == (100, 300, {"400": 1})
    assert 0.5 < found.p50 < found.p95 < 1.0
    assert 100 < found.p99 <= 250
    assert read_metrics(metrics_text([metrics.counted()]).decode(), "delay", 3) is None


def test_a_quantile_lies_on_the_line_through_its_bucket_and_never_beyond_the_last_bound() -> None:
    buckets = [(1.0, 10.0), (2.0, 30.0), (float("inf"), 40.0)]
    assert quantile(buckets, 0.25) == pytest.approx(1.0)
    assert quantile(buckets, 0.5) == pytest.approx(1.5)
    assert quantile(buckets, 0.99) == pytest.approx(2.0)
