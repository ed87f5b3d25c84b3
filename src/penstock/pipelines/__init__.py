"""Pipelines as functions: drawing one gives its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = [
    "Metrics",
    "Pipeline",
    "Rows",
    "StepFunction",
    "choose",
    "code_digest",
    "coerce",
    "draw_target",
    "each",
    "find_pipelines",
    "pipeline",
    "publish",
    "step",
    "training_rows",
    "validate",
]

if TYPE_CHECKING:
    from penstock.pipelines.authoring import Pipeline, StepFunction, pipeline, step
    from penstock.pipelines.builtin import Rows, publish, training_rows
    from penstock.pipelines.code import code_digest
    from penstock.pipelines.graph import coerce, validate
    from penstock.pipelines.loading import draw_target, find_pipelines
    from penstock.pipelines.metrics import Metrics
    from penstock.pipelines.shapes import choose, each
else:  # Whoever needs only the nouns of `types` does not pay for authoring.
    __getattr__ = lazy(
        __name__,
        {
            "Metrics": "penstock.pipelines.metrics",
            "Pipeline": "penstock.pipelines.authoring",
            "Rows": "penstock.pipelines.builtin",
            "StepFunction": "penstock.pipelines.authoring",
            "choose": "penstock.pipelines.shapes",
            "code_digest": "penstock.pipelines.code",
            "coerce": "penstock.pipelines.graph",
            "draw_target": "penstock.pipelines.loading",
            "each": "penstock.pipelines.shapes",
            "find_pipelines": "penstock.pipelines.loading",
            "pipeline": "penstock.pipelines.authoring",
            "publish": "penstock.pipelines.builtin",
            "step": "penstock.pipelines.authoring",
            "training_rows": "penstock.pipelines.builtin",
            "validate": "penstock.pipelines.graph",
        },
    )
