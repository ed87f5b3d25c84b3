"""Prediction without a service: models are asked in this process, which their formats allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from penstock.adapters.formats.loading import load
from penstock.core.errors import Unavailable
from penstock.lineage.ports import Blobs
from penstock.serving.answers import ask
from penstock.serving.assignment import served_model, served_version
from penstock.serving.columns import columns_of
from penstock.serving.ports import Runtime
from penstock.serving.types import (
    Answer,
    Contest,
    Counters,
    Loaded,
    LoadReport,
    LogRecord,
    Plan,
    Probe,
    ServedModel,
    ServedVersion,
)


class Answering:
    """A `serving.ports.PredictionService` that has every version of its plan at hand.

    It measures nothing of a machine: gates that are asked here have no `infrastructure` and no load.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._models: dict[str, ServedModel] = {}
        self._loaded: list[Loaded] = []
        self._runtimes: dict[str, Runtime] = {}

    def apply(self, plan: Plan) -> Sequence[Loaded]:
        """See `PredictionService.apply`."""
        models: dict[str, ServedModel] = {}
        for model in plan.models:  # environments of one model: every version can be asked for
            known = models.get(model.name)
            versions = {
                version.number: version for version in (*(known.versions if known else ()), *model.versions)
            }
            models[model.name] = ServedModel(
                name=model.name,
                environment=known.environment if known else model.environment,
                champion=known.champion if known else model.champion,
                versions=tuple(versions.values()),
            )
        self._models = models
        self._loaded = [
            Loaded(
                model=model.name, number=version.number, ready=True, champion=version.number == model.champion
            )
            for model in models.values()
            for version in model.versions
        ]
        return self._loaded

    def loaded(self) -> Sequence[Loaded]:
        """See `PredictionService.loaded`."""
        return self._loaded

    def observed(self) -> Sequence[Contest]:
        """See `PredictionService.observed`: nothing challenges anything here."""
        return ()

    def counters(self) -> Sequence[Counters]:
        """See `PredictionService.counters`: nobody asks over a wire here."""
        return ()

    def infer(
        self, model: str, version: int, columns: Mapping[str, Sequence[Any]], *, log: bool = True
    ) -> Answer:
        """See `PredictionService.infer`. Nothing is logged: what is answered in passing is not history."""
        del log
        served = served_version(served_model(self._models, model), version)
        question = columns_of({name: list(values) for name, values in columns.items()}, served.signature)
        return ask(
            self.runtime(served),
            question.columns,
            first_id="asked",
            model=model,
            version=version,
            variant="direct",
        )

    def runtime(self, version: ServedVersion) -> Runtime:
        """The loaded model. Raises Corrupt or UnsupportedModel."""
        if version.artifact not in self._runtimes:
            self._runtimes[version.artifact] = load(
                version.format, self._blobs.get(version.artifact), version.signature
            )
        return self._runtimes[version.artifact]

    def load(
        self, model: str, version: int, requests: Sequence[bytes], rate: float, seconds: float
    ) -> LoadReport:
        """See `PredictionService.load`. Raises Unavailable: there is no service to measure."""
        del requests, rate, seconds
        raise Unavailable(what=f"No load is put on {model}@{version} in a simulation.")

    def probe(self, version: ServedVersion) -> Probe:
        """See `PredictionService.probe`. Raises Unavailable: there is no service to measure."""
        raise Unavailable(what=f"No machine is looked at for version {version.number} in a simulation.")

    def flush(self) -> None:
        """See `PredictionService.flush`."""


class Answered:
    """A `serving.ports.PredictionLog` in memory, from which records go once they were taken in."""

    def __init__(self) -> None:
        self._records: list[LogRecord] = []
        self._gone = 0

    def append(self, records: Sequence[LogRecord]) -> None:
        """Remember answers, in the order in which they were given."""
        self._records += records

    def segments(self) -> Sequence[str]:
        """See `PredictionLog.segments`."""
        return ("simulated",)

    def read(self, segment: str, offset: int, limit: int) -> tuple[list[LogRecord], int]:
        """See `PredictionLog.read`; offsets count records, and those before one are forgotten."""
        del segment
        del self._records[: offset - self._gone]
        self._gone = max(self._gone, offset)
        found = self._records[:limit]
        return found, offset + len(found)

    def table(self, model: str, environment: str, start: date, end: date) -> pl.LazyFrame:
        """See `PredictionLog.table`: nothing that was taken in is kept."""
        del model, environment, start, end
        return pl.LazyFrame()

    def closed(self, segment: str) -> bool:
        """See `PredictionLog.closed`: there is one segment, and it is written to the end."""
        del segment
        return False

    def pack(self, segment: str) -> None:
        """See `PredictionLog.pack`."""

    def drop(self, model: str, environment: str, before: date) -> int:
        """See `PredictionLog.drop`: nothing is packed."""
        del model, environment, before
        return 0
