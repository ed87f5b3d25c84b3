"""The metrics that checks and triggers may name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a metric without measuring it."""

    greater_is_better: bool


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "roc_auc": Metric(greater_is_better=True),
        "log_loss": Metric(greater_is_better=False),
        "brier": Metric(greater_is_better=False),
        "accuracy": Metric(greater_is_better=True),
        "rmse": Metric(greater_is_better=False),
        "mae": Metric(greater_is_better=False),
    }
)
"""Every metric by its name, as checks and triggers write it; `measures` has a way to measure each."""
