"""Penstock: from a git push to continuously learning software."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = [
    "Metrics",
    "choose",
    "connect",
    "each",
    "events",
    "feature_view",
    "files",
    "log",
    "pipeline",
    "publish",
    "step",
    "training_rows",
]

if TYPE_CHECKING:
    from penstock.app.client import connect
    from penstock.datasets.declare import events, files
    from penstock.features.views import feature_view
    from penstock.pipelines.authoring import pipeline, step
    from penstock.pipelines.builtin import publish, training_rows
    from penstock.pipelines.log import log
    from penstock.pipelines.metrics import Metrics
    from penstock.pipelines.shapes import choose, each
else:
    __getattr__ = lazy(
        __name__,
        {
            "Metrics": "penstock.pipelines.metrics",
            "choose": "penstock.pipelines.shapes",
            "connect": "penstock.app.client",
            "each": "penstock.pipelines.shapes",
            "events": "penstock.datasets.declare",
            "feature_view": "penstock.features.views",
            "files": "penstock.datasets.declare",
            "log": "penstock.pipelines.log",
            "pipeline": "penstock.pipelines.authoring",
            "publish": "penstock.pipelines.builtin",
            "step": "penstock.pipelines.authoring",
            "training_rows": "penstock.pipelines.builtin",
        },
    )
