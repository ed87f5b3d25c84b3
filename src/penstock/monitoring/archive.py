"""Past predictions: packed once they are taken in, and kept as long as the project says."""

from __future__ import annotations

from datetime import datetime

from penstock.core.clock import midnight
from penstock.core.durations import duration
from penstock.core.errors import NotFound
from penstock.deployments.environments import Environments
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.monitoring.ingest import position_in
from penstock.serving.ports import PredictionLog


class Archive:
    """Packs the closed segments of the prediction log, and forgets days that are older than asked."""

    def __init__(self, store: Store, blobs: Blobs, log: PredictionLog) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._log = log
        self._looked: datetime | None = None

    def tick(self, now: datetime) -> bool:
        """Pack what is closed and taken in; once a day, forget what is too old. Raises StorageFailed."""
        packed = [self._pack(segment) for segment in self._log.segments()]
        today = midnight(now)
        if self._looked != today:
            self._forget(today)
            self._looked = today
        return any(packed)

    def _pack(self, segment: str) -> bool:
        try:
            if not self._log.closed(segment):
                return False
            with self._store.read() as reader:
                position = position_in(reader, segment)
            records, _ = self._log.read(segment, position, 1)
            if not records:
                self._log.pack(segment)
        except NotFound:  # another has packed it meanwhile
            return False
        return not records

    def _forget(self, today: datetime) -> None:
        with self._store.read() as reader:
            kept = self._kept(reader)
        for (model, environment), keep in kept.items():
            self._log.drop(model, environment, (today - duration(keep)).date())

    def _kept(self, reader: Reader) -> dict[tuple[str, str], str]:
        """How long predictions are kept, by model and environment, where that is declared."""
        return {
            (model, held.deployment.environment): asked.keep_predictions
            for held in self._environments.held(reader)
            for model, asked in held.config.models.items()
            if asked.keep_predictions
        }
