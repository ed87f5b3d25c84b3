"""The MLflow protocol: tracking, artifacts and registry as MLflow's clients speak it."""

from penstock.web.mlflow.mount import mlflow_handlers

__all__ = ["mlflow_handlers"]
