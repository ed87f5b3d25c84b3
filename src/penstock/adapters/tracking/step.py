"""Around a step: MLflow's library finds the step's run, and leaves nothing behind for the next one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

URI = "penstock://step"
VARIABLE = "MLFLOW_TRACKING_URI"
STORE = "penstock.adapters.tracking.store"


def open_store(store_uri: str | None = None, artifact_uri: str | None = None) -> Any:
    """The store of the step. MLflow finds this while it is imported itself: nothing else may be yet."""
    from penstock.adapters.tracking.store import StepStore

    del store_uri, artifact_uri
    return StepStore()  # type: ignore[no-untyped-call]  # MLflow's own


def no_registry(store_uri: str | None = None, tracking_uri: str | None = None) -> Any:
    """What registers models from inside a step: nothing but `publish`. Raises MlflowException."""
    from mlflow.exceptions import MlflowException

    del store_uri, tracking_uri
    raise MlflowException(
        "A step registers no models: let its pipeline publish what the step returns, with penstock.publish, "
        "or set a registry URI of your own."
    )


@contextmanager
def tracking() -> Iterator[None]:
    """Let MLflow's library log to the step that this process is running, until the block ends.

    Whoever has named another place in the environment gets that. Nothing is imported for a step that does
    not use the library.
    """
    if os.environ.setdefault(VARIABLE, URI) != URI:
        yield
        return
    try:
        yield
    except BaseException:
        with suppress(Exception):  # what the step raised is what is told
            _end()
        raise
    else:
        _end()
    finally:
        os.environ.pop(VARIABLE, None)


def _end() -> None:
    mlflow, store = sys.modules.get("mlflow"), sys.modules.get(STORE)
    if mlflow is None or store is None:
        return
    while mlflow.active_run():
        mlflow.end_run()
    _stop_autologging()
    store.finish()


def _stop_autologging() -> None:
    """What one step has switched on is not on in the next that this process runs."""
    switches: dict[str, dict[str, Any]] = getattr(
        sys.modules.get("mlflow.utils.autologging_utils"), "AUTOLOGGING_INTEGRATIONS", {}
    )
    for switch in switches.values():
        switch["disable"] = True
