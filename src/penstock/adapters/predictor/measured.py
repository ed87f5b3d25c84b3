"""What the prediction service has measured of its answers since it was started, read from its `/metrics`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from penstock.core.errors import Unavailable

PATIENCE = 2.0
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
Buckets = Sequence[tuple[float, float]]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and rows that a version has answered; times are in milliseconds, read from a histogram.

    `refused` are the requests to the model, of whatever version, that were answered with an error, by status.
    """

    requests: int
    rows: int
    refused: dict[str, int]
    p50: float
    p95: float
    p99: float


def measured(url: str, model: str, version: int) -> Measured | None:
    """What the service at a URL has measured of a version; None before its first answer.

    Raises Unavailable when the service does not answer.
    """
    try:
        answer = httpx.get(f"{url}/metrics", timeout=PATIENCE, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            what=f"The prediction service at {url} tells no metrics", found=str(error)
        ) from error
    return read_metrics(answer.text, model, version)


def read_metrics(text: str, model: str, version: int) -> Measured | None:
    """What a text in Prometheus' format tells of a version, over all variants and environments."""
    buckets: dict[float, float] = defaultdict(float)
    rows, refused = 0.0, dict[str, int]()
    for sample in (each for family in text_string_to_metric_families(text) for each in family.samples):
        labels = sample.labels
        if labels.get("model") != model:
            continue
        if sample.name == "penstock_refused_requests_total":
            refused[labels["status"]] = int(sample.value)
        elif labels.get("version") == str(version):
            if sample.name == "penstock_request_seconds_bucket":
                buckets[float(labels["le"])] += sample.value
            elif sample.name == "penstock_predictions_total":
                rows += sample.value
    counts = sorted(buckets.items())
    if not counts or not counts[-1][1]:
        return None
    times = {name: quantile(counts, share) * 1000 for name, share in QUANTILES.items()}
    return Measured(requests=int(counts[-1][1]), rows=int(rows), refused=refused, **times)


def quantile(buckets: Iterable[tuple[float, float]], share: float) -> float:
    """The quantile of a cumulative histogram, linear within a bucket as Prometheus has it.

    `buckets` are upper bounds with how many lay at or under them, the last bound infinite; what lies beyond
    the last finite bound is told as that bound.
    """
    counts = list(buckets)
    wanted = share * counts[-1][1]
    low, under = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            return low if bound == float("inf") else low + (bound - low) * (wanted - under) / (count - under)
        low, under = bound, count
    return low
