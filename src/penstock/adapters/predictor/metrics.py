"""What the prediction service tells Prometheus, counted at a cost of well under a microsecond a request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from penstock.serving.types import Answer

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""
STAGES = ("preprocess", "predict", "postprocess")
"""The parts of a request as KServe names them, whose dashboards so find them."""
Place = tuple[str, str, str, str]
"""Model, version, variant and environment."""


class Times:
    """How long something took, in buckets."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Take in one more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """How many took at most so long."""
        names = [*map(str, BOUNDS), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class Metrics:
    """Counts requests, rows and refusals; a collector of the Prometheus client."""

    def __init__(self) -> None:
        self._requests: dict[Place, Times] = {}
        self._rows: dict[Place, int] = {}
        self._stages: dict[str, tuple[Times, ...]] = {}
        self._refused: dict[tuple[str, int], int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def answered(self, answer: Answer, environment: str, stages: tuple[float, float, float]) -> None:
        """A request was answered; `stages` are the seconds that each took."""
        place = (answer.model, str(answer.version), answer.variant, environment)
        times = self._requests.get(place)
        if times is None:
            times = self._requests[place] = Times()
            self._rows[place] = 0
            self._stages.setdefault(answer.model, tuple(Times() for _ in STAGES))
        times.add(sum(stages))
        self._rows[place] += len(answer.ids)
        for kept, seconds in zip(self._stages[answer.model], stages, strict=True):
            kept.add(seconds)

    def refused(self, model: str, status: int) -> None:
        """A request to a model was answered with an error."""
        self._refused[model, status] = self._refused.get((model, status), 0) + 1

    def collect(self) -> Iterator[Metric]:
        """Every family, as the Prometheus client asks for them."""
        labels = ("model", "version", "variant", "environment")
        requests = HistogramMetricFamily(
            "penstock_request_seconds", "Time of answered requests.", labels=labels
        )
        rows = CounterMetricFamily("penstock_predictions", "Rows that were answered.", labels=labels)
        for place, times in list(self._requests.items()):
            requests.add_metric(place, buckets=times.buckets(), sum_value=times.total)
            rows.add_metric(place, self._rows[place])
        yield requests
        yield rows
        refused = CounterMetricFamily(
            "penstock_refused_requests", "Requests answered with an error.", labels=("model", "status")
        )
        for (model, status), count in list(self._refused.items()):
            refused.add_metric((model, str(status)), count)
        yield refused
        for index, stage in enumerate(STAGES):
            family = HistogramMetricFamily(
                f"request_{stage}_seconds", "As KServe names it.", labels=("model_name",)
            )
            for model, kept in list(self._stages.items()):
                family.add_metric((model,), buckets=kept[index].buckets(), sum_value=kept[index].total)
            yield family

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
