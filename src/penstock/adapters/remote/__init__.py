"""A Penstock server somewhere else."""

from penstock.adapters.remote.client import RemoteApi
from penstock.adapters.remote.predictions import PredictionClient

__all__ = ["PredictionClient", "RemoteApi"]
