"""What every prediction service does, and every prediction log that it writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import exp
from typing import Any

import pytest

from penstock.core.errors import InvalidRequest, NotFound
from penstock.serving.encode import encode_request
from penstock.serving.ports import PredictionLog, PredictionService
from penstock.serving.types import TIMES, Loaded, LogRecord, Plan, ServedModel, ServedVersion

MakeVersion = Callable[..., ServedVersion]
"""`make(number, resident=True)` gives a version of the sigmoid model whose weight is its number."""

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
ROWS: dict[str, list[Any]] = {"wind": [1.0, None], "carrier": ["UA", "AA"]}


def plan(champion: int, *versions: ServedVersion) -> Plan:
    """One model in production, at noon."""
    return Plan(
        clock=NOON,
        models=(ServedModel(name="delay", environment="production", champion=champion, versions=versions),),
    )


def written(log: PredictionLog) -> list[LogRecord]:
    """Every record of a log, oldest first."""
    return [record for segment in log.segments() for record in log.read(segment, 0, 1000)[0]]


def ready(loaded: Loaded) -> tuple[int, bool, bool]:
    """What is told of a version: its number, whether it is ready, whether it is the champion."""
    return loaded.number, loaded.ready, loaded.champion


class PredictionServiceContract:
    """Inherit, and give the fixtures `service`, `log` (that it writes), `make` and `lost` (does not load)."""

    def test_the_champion_answers(self, service: PredictionService, make: MakeVersion) -> None:
        assert [ready(loaded) for loaded in service.apply(plan(2, make(1), make(2)))] == [
            (1, True, False),
            (2, True, True),
        ]
        answer = service.infer("delay", 0, ROWS)
        assert (answer.model, answer.version, answer.variant) == ("delay", 2, "champion")
        assert answer.score == pytest.approx((1 / (1 + exp(-2)), 0.5))
        assert answer.label[0] == "true"
        assert answer.probabilities[1] == pytest.approx((0.5, 0.5))
        assert answer.ids[1] == f"{answer.ids[0]}/1"

    def test_a_version_is_asked_by_number_and_loaded_when_it_is_not_resident(
        self, service: PredictionService, make: MakeVersion
    ) -> None:
        service.apply(plan(2, make(1, resident=False), make(2)))
        assert [loaded.ready for loaded in service.loaded()] == [False, True]
        answer = service.infer("delay", 1, ROWS)
        assert (answer.version, answer.variant) == (1, "direct")
        assert [loaded.ready for loaded in service.loaded()] == [True, True]

    def test_what_was_answered_is_counted(self, service: PredictionService, make: MakeVersion) -> None:
        service.apply(plan(2, make(1), make(2)))
        for _ in range(3):
            service.infer("delay", 0, ROWS)
        service.infer("delay", 1, ROWS)
        [counters] = service.counters()
        served = {
            (each.model, each.version, each.variant, each.environment): each for each in counters.served
        }
        assert sorted(served) == [
            ("delay", 1, "direct", "production"),
            ("delay", 2, "champion", "production"),
        ]
        champion = served["delay", 2, "champion", "production"]
        assert (champion.rows, sum(champion.times), len(champion.times)) == (6, 3, len(TIMES) + 1)
        [again] = service.counters()
        assert again == counters

    def test_another_plan_makes_another_champion(self, service: PredictionService, make: MakeVersion) -> None:
        service.apply(plan(1, make(1)))
        service.apply(plan(2, make(1), make(2)))
        assert service.infer("delay", 0, ROWS).version == 2
        service.apply(plan(1, make(1), make(2)))
        assert service.infer("delay", 0, ROWS).version == 1

    def test_a_champion_that_does_not_load_leaves_the_one_before(
        self, service: PredictionService, make: MakeVersion, lost: ServedVersion
    ) -> None:
        service.apply(plan(1, make(1)))
        told = {loaded.number: loaded for loaded in service.apply(plan(lost.number, lost))}
        assert not told[lost.number].ready
        assert told[lost.number].error
        assert ready(told[1]) == (1, True, True)
        assert service.infer("delay", 0, ROWS).version == 1

    def test_what_is_not_served_is_not_found(self, service: PredictionService, make: MakeVersion) -> None:
        service.apply(plan(0, make(1)))
        for model, version in (("other", 0), ("delay", 7), ("delay", 0)):
            with pytest.raises(NotFound):
                service.infer(model, version, ROWS)

    def test_a_wrong_column_is_refused_with_the_one_that_was_meant(
        self, service: PredictionService, make: MakeVersion
    ) -> None:
        service.apply(plan(1, make(1)))
        with pytest.raises(InvalidRequest, match="Did you mean 'carrier'"):
            service.infer("delay", 0, {"wind": [1.0], "carier": ["UA"]})

    def test_answers_are_in_the_log_once_it_is_flushed(
        self, service: PredictionService, log: PredictionLog, make: MakeVersion
    ) -> None:
        service.apply(plan(1, make(1)))
        answer = service.infer("delay", 0, ROWS)
        service.infer("delay", 0, ROWS, log=False)
        service.flush()
        [record] = written(log)
        assert (record.ids, record.score, record.label) == (answer.ids, answer.score, answer.label)
        assert (record.time, record.environment, record.version, record.variant) == (
            NOON,
            "production",
            1,
            "champion",
        )
        assert record.inputs == ROWS

    def test_a_load_is_made_and_measured_and_leaves_nothing_in_the_log(
        self, service: PredictionService, log: PredictionLog, make: MakeVersion
    ) -> None:
        service.apply(plan(1, make(1), make(2)))
        requests = [encode_request({"wind": [wind], "carrier": ["UA"]}) for wind in (1.0, 2.0)]
        report = service.load("delay", 2, requests, rate=100.0, seconds=1.0)
        assert (report.requests, report.errors, report.why) == (100, 0, "")
        assert 0 < report.p50 <= report.p95 <= report.p99 <= report.max
        assert report.throughput > 0
        service.flush()
        assert written(log) == []

    def test_a_version_is_probed_beside_what_serves(
        self, service: PredictionService, make: MakeVersion, lost: ServedVersion
    ) -> None:
        service.apply(plan(1, make(1)))
        probe = service.probe(make(2))
        assert not probe.error
        assert probe.memory < probe.available
        assert service.probe(lost).error
        assert [loaded.number for loaded in service.loaded()] == [1]

    def test_the_log_is_read_in_parts(
        self, service: PredictionService, log: PredictionLog, make: MakeVersion
    ) -> None:
        service.apply(plan(1, make(1)))
        answers = [service.infer("delay", 0, ROWS) for _ in range(3)]
        service.flush()
        [segment] = log.segments()
        first, offset = log.read(segment, 0, 2)
        rest, end = log.read(segment, offset, 2)
        assert [record.ids for record in first + rest] == [answer.ids for answer in answers]
        assert log.read(segment, end, 2) == ([], end)
