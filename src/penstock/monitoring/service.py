"""The verbs of monitoring: take in the prediction log, take in labels, measure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from penstock.core.clock import Clock, midnight
from penstock.core.errors import NotFound
from penstock.core.events import Event
from penstock.deployments.environments import Environments
from penstock.deployments.ports import Outcomes
from penstock.deployments.truth import truth_number
from penstock.lineage.cursors import move, position_of
from penstock.lineage.ports import Between, Blobs, Reader, Store, Transaction
from penstock.models.types import Version
from penstock.monitoring import slices
from penstock.monitoring.estimators import Estimators
from penstock.monitoring.ingest import (
    Answered,
    cursor_of,
    grown,
    known,
    position_in,
    rows_of,
    window_of,
)
from penstock.monitoring.labels import require_known, values_of
from penstock.monitoring.measure import (
    answers_of,
    measured,
    performance,
    reading_of,
    scores_of,
    service_of,
    within,
)
from penstock.monitoring.types import Performance, Prediction, Reading, Service, Unsaid, Window
from penstock.serving.answers import SHADOW
from penstock.serving.ports import PredictionLog

BATCH = 1000
"""Records of the log that are taken in by one transaction."""
_CLOSED = "windows:closed"


class Monitoring:
    """Keeps what was answered and what really happened, window by window."""

    def __init__(self, store: Store, blobs: Blobs, log: PredictionLog, clock: Clock) -> None:
        self._store = store
        self._estimators = Estimators(blobs)
        self._environments = Environments(blobs)
        self._log = log
        self._clock = clock
        self._versions: dict[str, Version] = {}
        self._exhausted: set[str] = set()

    def tick(self, now: datetime) -> bool:
        """Take in what the log holds by now, and close the windows whose day is over."""
        ingested = self._ingest(now)
        return self._close(now) or ingested

    def label(self, model: str, items: Sequence[Any]) -> int:
        """Take in what really happened: `{"prediction": id, "value": truth}` each; gives how many.

        A later label corrects an earlier one. Raises InvalidValue for a value that is not a label
        of the model and NotFound for an unknown prediction: then nothing is kept.
        """
        now = self._clock.now()
        values = values_of(items)
        self._ingest(now)
        with self._store.begin() as tx:
            found = known(tx, values)
            require_known(model, values, found)
            shadows = {key + SHADOW: value for key, value in values.items()}
            found |= known(tx, shadows)
            told = {key: value for key, value in (values | shadows).items() if key in found}
            labelled = [self._labelled(tx, found[key], value, now) for key, value in told.items()]
            tx.put(*labelled)
            for key in sorted({window_of(prediction).id for prediction in labelled}):
                self._measure(tx, tx.get(Window, key), now)
        return len(values)

    def performance(
        self,
        model: str,
        environment: str,
        metric: str,
        start: datetime | None,
        end: datetime | None,
        *,
        version: int | None = None,
        variant: str = "champion",
        part: str = "",
    ) -> Performance:
        """A metric over a span of prediction time, and its estimate over all answers of one version; nothing
        is estimated of a slice.

        See `measure.performance`.
        """
        with self._store.read() as reader:
            span = Between(start, end)
            which: dict[str, Any] = {"version": version, "variant": variant}
            found = performance(reader, model, environment, metric, span, part=part, **which)
            if part:
                return found
            estimate = self._estimators.over(reader, model, environment, span, **which)
        return replace(found, estimate=estimate.get(metric))

    def service(self, model: str, version: int) -> Service:
        """What a version has done as champion, wherever it was: its runtime metrics."""
        with self._store.read() as reader:
            return service_of(reader.find(Window, model=model, version=version, variant="champion"))

    def labels(self, model: str, environment: str, since: datetime) -> tuple[int, datetime | None]:
        """See `Labelled.labels`."""
        where: dict[str, Any] = {"model": model, "environment": environment, "time": Between(since)}
        where["truth_known"] = Between(since)
        with self._store.read() as reader:
            newest = reader.pick(Prediction, ("truth_known",), order="-truth_known", limit=1, **where)
            return reader.count(Prediction, **where), newest[0][0] if newest else None

    def outcomes(self, model: str, environment: str, version: int, variant: str, since: datetime) -> Outcomes:
        """See `Labelled.outcomes`."""
        with self._store.read() as reader:
            rows = reader.pick(
                Prediction,
                ("id", "truth", "score", "label"),
                model=model,
                environment=environment,
                version=version,
                variant=variant,
                time=Between(since),
                truth_known=Between(since),
                order="truth_known",
            )
        ids, truth, score, label = zip(*rows, strict=True) if rows else ((), (), (), ())
        answered = tuple(name.removesuffix(SHADOW) for name in ids)
        return Outcomes(ids=answered, truth=truth, score=score, label=label)

    def _ingest(self, now: datetime) -> bool:
        changed = False
        for segment in self._log.segments():
            if segment in self._exhausted:
                continue
            closed = self._closed(segment)  # before it is read: several processes write at a time
            while self._ingest_batch(segment, now):
                changed = True
            if closed:
                self._exhausted.add(segment)
        return changed

    def _closed(self, segment: str) -> bool:
        """Whether nobody writes to a segment any more, as of one that was taken in and packed meanwhile."""
        try:
            return self._log.closed(segment)
        except NotFound:
            return True

    def _ingest_batch(self, segment: str, now: datetime) -> bool:
        """Take in some records; the cursor moves in the same transaction, so none counts twice."""
        with self._store.read() as reader:
            position = position_in(reader, segment)
        try:
            records, after = self._log.read(segment, position, BATCH)
        except NotFound:  # the same
            return False
        if not records:
            return False
        with self._store.begin() as tx:
            if position_in(tx, segment) != position:
                return True
            rows = rows_of(records)
            stored = known(tx, (row.prediction.id for row in rows))
            fresh = self._sliced(tx, [row for row in rows if row.prediction.id not in stored])
            tx.add(*(row.prediction for row in fresh))
            self._grow(tx, fresh, now)
            move(tx, cursor_of(segment), after)
        return True

    def _sliced(self, reader: Reader, rows: Sequence[Answered]) -> list[Answered]:
        """Rows with the names of the slices that the project of their model declares."""
        of: dict[tuple[str, int, str], list[Answered]] = defaultdict(list)
        for row in rows:
            of[row.prediction.model, row.prediction.version, row.prediction.environment].append(row)
        found = []
        for (model, number, environment), members in of.items():
            version = self._version(reader, model, number)
            held = self._environments.find(reader, version.project, environment)
            declared = held.config.models.get(model) if held else None
            found += slices.named(members, declared.slices, version) if declared else members
        return found

    def _labelled(self, reader: Reader, prediction: Prediction, value: Any, now: datetime) -> Prediction:
        signature = self._version(reader, prediction.model, prediction.version).signature
        return replace(prediction, truth=truth_number(signature, value), truth_known=now)

    def _grow(self, tx: Transaction, rows: Sequence[Answered], now: datetime) -> None:
        by_window: dict[str, list[Answered]] = defaultdict(list)
        for row in rows:
            by_window[window_of(row.prediction).id].append(row)
        for key, members in by_window.items():
            first = members[0].prediction
            version = self._version(tx, first.model, first.version)
            stored = tx.find(Window, id=key)
            window = grown(stored[0] if stored else window_of(first), members, version, now)
            window = slices.counted(window, members)
            (tx.put if stored else tx.add)(self._told(tx, window) if window.estimated else window)

    def _measure(self, tx: Transaction, window: Window, now: datetime) -> None:
        signature = self._version(tx, window.model, window.version).signature
        told = measured(window, answers_of(tx, **within(window)), signature, now)
        if window.slices:
            told = slices.measured(told, slices.answers_by_slice(tx, **within(window)), signature)
        tx.put(told)
        reading = reading_of(told)
        (tx.put if tx.count(Reading, id=reading.id) else tx.add)(reading)

    def _close(self, now: datetime) -> bool:
        """Publish what was measured by then for the windows that ended since the last call."""
        today = midnight(now)
        boundary = int(today.timestamp())
        with self._store.read() as reader:
            if position_of(reader, _CLOSED) >= boundary:
                return False
        with self._store.begin() as tx:
            last = position_of(tx, _CLOSED)
            if last >= boundary:
                return False
            since = datetime.fromtimestamp(last, UTC)
            windows = [self._told(tx, window) for window in tx.find(Window, start=Between(since, today))]
            tx.put(*windows)
            tx.publish(*(_closed(self._version(tx, w.model, w.version).project, w, now) for w in windows))
            move(tx, _CLOSED, boundary)
        return bool(windows)

    def _told(self, reader: Reader, window: Window) -> Window:
        """A window with what can be told of it without labels."""
        version = self._version(reader, window.model, window.version)
        scores = scores_of(reader, window)
        why = self._estimators.unsaid(version, len(scores))
        others = tuple(each for each in window.unsaid if each.what != "estimates")
        return replace(
            window,
            estimated=self._estimators.of(version, scores, window.profile),
            unsaid=(*others, Unsaid(what="estimates", why=why)) if why else others,
        )

    def _version(self, reader: Reader, model: str, number: int) -> Version:
        key = f"{model}@{number}"
        if key not in self._versions:
            self._versions[key] = reader.get(Version, key)
        return self._versions[key]


def _closed(project: str, window: Window, now: datetime) -> Event:
    return Event(
        kind="window.measured",
        subject=f"window:{window.id}",
        time=now,
        project=project,
        evidence={
            "environment": window.environment,
            "predictions": window.predictions,
            "labelled": window.labelled,
            "metrics": window.metrics,
            "estimated": {name: figure.value for name, figure in window.estimated.items()},
            "drift": window.drift,
        },
    )
