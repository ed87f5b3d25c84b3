"""What the prediction service tells Prometheus, counted at a cost of well under a microsecond a request."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from penstock.serving.types import TIMES, Counters, Served

STAGES = ("preprocess", "predict", "postprocess")
"""The parts of a request as KServe names them, whose dashboards so find them."""
MOST_RECENT = 1024
"""Answers that are kept as they were before they are counted: a thousand at once cost little more."""
Place = tuple[str, int, str, str]
"""Model, version, variant and environment."""
Stages = tuple[float, float, float]


class Times(msgspec.Struct):
    """How long things took: how many fell into each bucket, the last one without a bound, and the sum."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(TIMES) + 1))
    total: float = 0.0

    def add(self, seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        """Take in more, of shape (n,)."""
        found = np.bincount(np.searchsorted(TIMES, seconds), minlength=len(self.counts))
        self.merge(Times(found.tolist(), float(seconds.sum())))

    def merge(self, other: Times) -> None:
        """Take in what was counted elsewhere."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """How many took at most so long."""
        names = [*map(str, TIMES), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class Answered(msgspec.Struct):
    """What a version answered as a variant in an environment, and the time that each stage of it took."""

    place: Place
    rows: int = 0
    whole: Times = msgspec.field(default_factory=Times)
    stages: tuple[Times, Times, Times] = msgspec.field(default_factory=lambda: (Times(), Times(), Times()))


class Counted(msgspec.Struct):
    """What one process has counted.

    Refusals are by model, variant ("direct" where a version was asked by its number, else "champion") and
    status, `unlogged` are the rows that were answered and left out of the log, `outside` values that break a
    rule, by model, version, column and rule, `features` requests for features by their names, by status.
    """

    answered: list[Answered]
    refused: list[tuple[str, str, int, int]]
    unlogged: list[tuple[str, str, int]] = []
    outside: list[tuple[str, int, str, str, int]] = []
    features: list[tuple[int, int]] = []


class Metrics:
    """Counts requests, rows and refusals."""

    def __init__(self) -> None:
        self._recent: list[tuple[Place, int, list[Stages]]] = []
        self._recently = 0
        self._answered: dict[Place, Answered] = {}
        self._refused = Counter[tuple[str, str, int]]()
        self._unlogged: dict[tuple[str, str], int] = {}
        self._outside: Counter[tuple[str, int, str, str]] = Counter()
        self._features: Counter[int] = Counter()
        self._folding = threading.Lock()

    def answered(self, place: Place, rows: int, requests: list[Stages]) -> None:
        """Requests of together so many `rows` were answered, by whom, and the seconds that each stage of each
        took.
        """
        self._recent.append((place, rows, requests))
        self._recently += len(requests)
        if self._recently >= MOST_RECENT:
            self._fold()

    def refused(self, model: str, variant: str, status: int) -> None:
        """A request to a model was answered with an error."""
        self._refused[model, variant, status] += 1

    def features(self, status: int) -> None:
        """A request for features by their names was answered."""
        self._features[status] += 1

    def unlogged(self, model: str, environment: str, rows: int) -> None:
        """Rows were answered that the prediction log does not keep."""
        place = (model, environment)
        self._unlogged[place] = self._unlogged.get(place, 0) + rows

    def outside(self, model: str, version: int, found: Mapping[tuple[str, str], int]) -> None:
        """A request had values that nobody expects, by column and rule."""
        for (column, rule), count in found.items():
            self._outside[model, version, column, rule] += count

    def counted(self) -> Counted:
        """All counts so far; may be asked for in another thread."""
        self._fold()
        refused = [(*place, count) for place, count in list(self._refused.items())]
        unlogged = [(*place, rows) for place, rows in list(self._unlogged.items())]
        outside = [(*place, count) for place, count in list(self._outside.items())]
        return Counted(
            list(self._answered.values()), refused, unlogged, outside, list(self._features.items())
        )

    def _fold(self) -> None:
        with self._folding:
            recent, self._recent, self._recently = self._recent, [], 0
            by_place: dict[Place, list[Stages]] = defaultdict(list)
            for place, rows, requests in recent:
                by_place[place] += requests
                kept = self._answered.get(place) or self._answered.setdefault(place, Answered(place))
                kept.rows += rows
            for place, taken in by_place.items():
                times = np.array(taken)
                self._answered[place].whole.add(times.sum(axis=1))
                for stage, column in zip(self._answered[place].stages, times.T, strict=True):
                    stage.add(column)


def counters_of(process: str, counted: Counted) -> Counters:
    """What a process has counted, as the control plane keeps it by the day: what is asked of a version by its
    number, as gates ask what is to be refused, is no refusal of the champion.
    """
    served = tuple(
        Served(
            model=model,
            version=version,
            variant=variant,
            environment=environment,
            rows=each.rows,
            times=tuple(each.whole.counts),
        )
        for each in counted.answered
        for model, version, variant, environment in (each.place,)
    )
    refused = tuple(
        (model, status, n) for model, variant, status, n in counted.refused if variant != "direct"
    )
    return Counters(process=process, served=served, refused=refused)


def metrics_text(every: Iterable[Counted]) -> bytes:
    """What several processes have counted, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(_merged(every)))
    return generate_latest(registry)


def _merged(every: Iterable[Counted]) -> Counted:
    answered: dict[Place, Answered] = {}
    refused: Counter[tuple[str, str, int]] = Counter()
    unlogged: dict[tuple[str, str], int] = defaultdict(int)
    outside: Counter[tuple[str, int, str, str]] = Counter()
    features: Counter[int] = Counter()
    for counted in every:
        for more in counted.answered:
            kept = answered.setdefault(more.place, Answered(more.place))
            kept.rows += more.rows
            kept.whole.merge(more.whole)
            for stage, other in zip(kept.stages, more.stages, strict=True):
                stage.merge(other)
        for model, variant, status, count in counted.refused:
            refused[model, variant, status] += count
        for model, environment, count in counted.unlogged:
            unlogged[model, environment] += count
        for model, version, column, rule, count in counted.outside:
            outside[model, version, column, rule] += count
        features.update(dict(counted.features))
    return Counted(
        list(answered.values()),
        [(*place, count) for place, count in refused.items()],
        [(*where, count) for where, count in unlogged.items()],
        [(*place, count) for place, count in outside.items()],
        list(features.items()),
    )


class _Collector:
    """A collector of the Prometheus client."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        """Every family, as the Prometheus client asks for them."""
        labels = ("model", "version", "variant", "environment")
        requests = HistogramMetricFamily(
            "penstock_request_seconds", "Time of answered requests.", labels=labels
        )
        rows = CounterMetricFamily("penstock_predictions", "Rows that were answered.", labels=labels)
        stages: dict[str, list[Times]] = {}
        for each in self._counted.answered:
            place = tuple(map(str, each.place))
            requests.add_metric(place, buckets=each.whole.buckets(), sum_value=each.whole.total)
            rows.add_metric(place, each.rows)
            for kept, more in zip(
                stages.setdefault(each.place[0], [Times() for _ in STAGES]), each.stages, strict=True
            ):
                kept.merge(more)
        yield requests
        yield rows
        refused = CounterMetricFamily(
            "penstock_refused_requests",
            "Requests answered with an error.",
            labels=("model", "variant", "status"),
        )
        for model, variant, status, count in self._counted.refused:
            refused.add_metric((model, variant, str(status)), count)
        yield refused
        unlogged = CounterMetricFamily(
            "penstock_unlogged_predictions",
            "Rows that were answered and not logged, as was asked for.",
            labels=("model", "environment"),
        )
        for model, environment, rows_left in self._counted.unlogged:
            unlogged.add_metric((model, environment), rows_left)
        yield unlogged
        outside = CounterMetricFamily(
            "penstock_unexpected_values",
            "Values of answered requests that break a rule of their column.",
            labels=("model", "version", "column", "rule"),
        )
        for model, version, column, rule, count in self._counted.outside:
            outside.add_metric((model, str(version), column, rule), count)
        yield outside
        features = CounterMetricFamily(
            "penstock_feature_requests", "Requests for features by their names.", labels=("status",)
        )
        for answered, count in self._counted.features:
            features.add_metric((str(answered),), count)
        yield features
        for index, stage in enumerate(STAGES):
            family = HistogramMetricFamily(
                f"request_{stage}_seconds", "As KServe names it.", labels=("model_name",)
            )
            for model, times in stages.items():
                family.add_metric((model,), buckets=times[index].buckets(), sum_value=times[index].total)
            yield family
