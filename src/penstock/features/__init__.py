"""The feature store: one definition, the same values in training and in serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = ["FeatureView", "TrainingSet", "feature_view", "join", "training_set"]

if TYPE_CHECKING:
    from penstock.features.joins import join
    from penstock.features.training import training_set
    from penstock.features.types import TrainingSet
    from penstock.features.views import FeatureView, feature_view
else:  # Declaring a view does not import Polars; joining does.
    __getattr__ = lazy(
        __name__,
        {
            "FeatureView": "penstock.features.views",
            "TrainingSet": "penstock.features.types",
            "feature_view": "penstock.features.views",
            "join": "penstock.features.joins",
            "training_set": "penstock.features.training",
        },
    )
