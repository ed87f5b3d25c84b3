"""A prediction service and a prediction log in memory, with models that are one formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from math import exp
from typing import Any

import msgspec

from penstock.core.errors import NotFound, PenstockError, Unavailable
from penstock.datasets.types import Column
from penstock.deployments.ports import Outcomes
from penstock.models.types import Signature
from penstock.serving.answers import ask
from penstock.serving.assignment import assign, challenger_for, require_shares, served_model, served_version
from penstock.serving.decode import decode_request
from penstock.serving.encode import encode_request
from penstock.serving.ports import Runtime
from penstock.serving.types import (
    TIMES,
    Answer,
    Contest,
    Counters,
    Loaded,
    LoadReport,
    LogRecord,
    Plan,
    Probe,
    Served,
    ServedModel,
    ServedVersion,
    Tally,
)

SIGMOID_SIGNATURE = Signature(
    task="binary",
    inputs=(Column(name="wind", dtype="float", nullable=True), Column(name="carrier", dtype="string")),
    classes=("false", "true"),
)


class SigmoidRuntime:
    """A `serving.ports.Runtime` that answers `1 / (1 + exp(-weight * wind))`; no wind counts as 0."""

    def __init__(self, weight: float = 1.0) -> None:
        self._weight = weight

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """See `Runtime.predict`."""
        score = [1 / (1 + exp(-self._weight * (wind or 0.0))) for wind in columns["wind"]]
        label = ["true" if value > 0.5 else "false" for value in score]
        return score, label, [[1 - value, value] for value in score]


def by_number(version: ServedVersion) -> Runtime:
    """The runtime of a version whose weight is its number."""
    return SigmoidRuntime(version.number)


class MemoryPredictionLog:
    """A `serving.ports.PredictionLog` with one segment; offsets count records."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []

    def segments(self) -> Sequence[str]:
        """See `PredictionLog.segments`."""
        return ["memory"] if self.records else []

    def read(self, segment: str, offset: int, limit: int) -> tuple[list[LogRecord], int]:
        """See `PredictionLog.read`."""
        if segment not in self.segments():
            raise NotFound(what=f"The prediction log has no segment {segment}")
        found = self.records[offset : offset + limit]
        return found, offset + len(found)

    def closed(self, _segment: str) -> bool:
        """See `PredictionLog.closed`: there is always more to come."""
        return False

    def pack(self, segment: str) -> None:
        """See `PredictionLog.pack`."""
        raise NotFound(what=f"The prediction log has no closed segment {segment}")

    def drop(self, _model: str, _where: str, _before: date) -> int:
        """See `PredictionLog.drop`: nothing was packed."""
        return 0


class FakeLabels:
    """A `deployments.ports.Labelled` that knows what it is told, by version and variant."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], Outcomes] = {}
        self.newest: datetime | None = None

    def labels(self, _model: str, _where: str, _since: datetime) -> tuple[int, datetime | None]:
        """See `Labelled.labels`."""
        return sum(len(outcomes.truth) for outcomes in self.known.values()), self.newest

    def outcomes(self, _model: str, _where: str, version: int, variant: str, _since: datetime) -> Outcomes:
        """See `Labelled.outcomes`."""
        return self.known.get((version, variant), Outcomes())


class FakePredictionService:
    """A `serving.ports.PredictionService`; what it is to do wrong is set from outside.

    `down` makes it unreachable; `broken` maps an artifact to the reason why it does not load; `report` is
    what every load test measures, and `loads` are those that were made; `seen` is what contests have seen.
    """

    def __init__(self, runtime_of: Callable[[ServedVersion], Runtime] = by_number) -> None:
        self.down = False
        self.broken: dict[str, str] = {}
        self.report = LoadReport(
            requests=100,
            errors=0,
            throughput=100.0,
            p50=1.0,
            p95=2.0,
            p99=3.0,
            max=4.0,
            memory_before=0,
            memory_after=0,
        )
        self.seen: dict[str, Contest] = {}
        self.loads: list[tuple[str, int, float, float]] = []
        self.process = "first"
        self.refused: list[tuple[str, int, int]] = []
        self.log = MemoryPredictionLog()
        self.plan = Plan(clock=None, models=())
        self._models: dict[str, ServedModel] = {}
        self._live: dict[tuple[str, int], Runtime] = {}
        self._runtime_of = runtime_of

    def apply(self, plan: Plan) -> Sequence[Loaded]:
        """See `PredictionService.apply`."""
        self._require_up()
        for model in plan.models:
            require_shares(model)
        self._live = {
            (model.name, version.number): self._runtime_of(version)
            for model in plan.models
            for version in model.versions
            if (version.resident or version.number == model.champion) and version.artifact not in self.broken
        }
        models: dict[str, ServedModel] = {}
        for model in map(self._led, plan.models):
            first = models.setdefault(model.name, model)
            known = {version.number for version in first.versions}
            more = tuple(version for version in model.versions if version.number not in known)
            models[model.name] = msgspec.structs.replace(first, versions=first.versions + more)
        self._models = models
        self.plan = plan
        return self.loaded()

    def loaded(self) -> Sequence[Loaded]:
        """See `PredictionService.loaded`."""
        self._require_up()
        return [
            Loaded(
                model=model.name,
                number=version.number,
                ready=(model.name, version.number) in self._live,
                champion=version.number == model.champion,
                error=self.broken.get(version.artifact, ""),
            )
            for model in self._models.values()
            for version in model.versions
        ]

    def observed(self) -> Sequence[Contest]:
        """See `PredictionService.observed`."""
        self._require_up()
        return [
            self._contest(each.contest, each.share, model.champion, each.number)
            for model in self._models.values()
            for each in model.challengers
        ]

    def counters(self) -> Sequence[Counters]:
        """See `PredictionService.counters`. Every answer takes a millisecond."""
        self._require_up()
        places: dict[tuple[str, int, str, str], list[int]] = {}
        for record in self.log.records:
            place = (record.model, record.version, record.variant, record.environment)
            places.setdefault(place, []).append(len(record.ids))
        served = tuple(
            Served(
                model=model,
                version=version,
                variant=variant,
                environment=environment,
                rows=sum(rows),
                times=(0, len(rows), *(0 for _ in TIMES[1:])),
            )
            for (model, version, variant, environment), rows in places.items()
        )
        return [Counters(process=self.process, served=served, refused=tuple(self.refused))]

    def infer(
        self, model: str, version: int, columns: Mapping[str, Sequence[Any]], *, log: bool = True
    ) -> Answer:
        """See `PredictionService.infer`."""
        self._require_up()
        found = served_model(self._models, model)
        number, variant = assign(found, version)
        rival = None if version else challenger_for(found, f"{len(self.log.records) + 1}")
        if rival and (model, rival.number) in self._live:
            number, variant = rival.number, rival.variant
        served = served_version(found, number)
        if served.artifact in self.broken:
            raise Unavailable(what=f"Version {number} cannot be loaded", found=self.broken[served.artifact])
        question = decode_request(encode_request(columns), served.signature)
        runtime = self._live.setdefault((model, number), self._runtime_of(served))
        first_id = f"{len(self.log.records) + 1}"
        answer = ask(
            runtime, question.columns, first_id=first_id, model=model, version=number, variant=variant
        )
        if log:
            self.log.records.append(
                LogRecord(
                    ids=answer.ids,
                    time=self.plan.clock or datetime.now(UTC),
                    model=model,
                    environment=found.environment,
                    version=number,
                    variant=variant,
                    inputs=question.columns,
                    score=answer.score,
                    label=answer.label,
                )
            )
        return answer

    def load(
        self, model: str, version: int, requests: Sequence[bytes], rate: float, seconds: float
    ) -> LoadReport:
        """See `PredictionService.load`."""
        self._require_up()
        served = served_version(served_model(self._models, model), version)
        for request in requests:
            decode_request(request, served.signature)
        self.loads.append((model, version, rate, seconds))
        return self.report

    def probe(self, version: ServedVersion) -> Probe:
        """See `PredictionService.probe`."""
        error = self.broken.get(version.artifact, "")
        return Probe(error=error, memory=1, available=2, seconds=0.1, answers=0.001)

    def flush(self) -> None:
        """See `PredictionService.flush`."""
        self._require_up()

    def _contest(self, contest: str, share: int, champion: int, challenger: int) -> Contest:
        seen = self.seen.get(contest)
        if seen is None or seen.share != share:
            ours, theirs = Tally(number=champion), Tally(number=challenger)
            seen = self.seen[contest] = Contest(id=contest, share=share, champion=ours, challenger=theirs)
        return seen

    def _require_up(self) -> None:
        if self.down:
            raise Unavailable(what="The prediction service does not answer")

    def _led(self, wanted: ServedModel) -> ServedModel:
        """The model with the champion before where the wanted one does not load."""
        before = self._models.get(wanted.name)
        if (wanted.name, wanted.champion) in self._live or before is None or not wanted.champion:
            return wanted
        try:
            champion = served_version(before, before.champion)
        except PenstockError:
            return wanted
        self._live[wanted.name, champion.number] = self._runtime_of(champion)
        others = tuple(version for version in wanted.versions if version.number != champion.number)
        return msgspec.structs.replace(wanted, champion=champion.number, versions=(*others, champion))
