"""Slices of live answers: how many there are of each, and how good they are once labels come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from penstock.core.errors import InvalidProject
from penstock.deployments.releases import Releases
from penstock.monitoring.service import Monitoring
from penstock.monitoring.slices import newest_slices
from penstock.monitoring.types import Window
from penstock.revisions.config import parse_config
from penstock.revisions.types import Project
from penstock.serving.types import LogRecord
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.prediction import MemoryPredictionLog

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
DECLARED = CONFIG.replace("[models.delay]", '[models.delay]\nslices = ["carrier", "wind", "nobody"]').replace(
    'deploy = { on = "promote", after = "staging", successful_runs = 3 }',
    'deploy = { on = "push", branch = "live" }',
)


def record(index: int) -> LogRecord:
    return LogRecord(
        ids=(f"p{index}",),
        time=NOON + timedelta(seconds=index),
        model="delay",
        environment="production",
        version=1,
        variant="champion",
        inputs={
            "carrier": [("UA", "B6", "ZZ", None)[index % 4]],
            "wind": [float(index % 10) if index else None],
        },
        score=(0.9 if index % 4 else 0.1,),
        label=("True",),
    )


def test_answers_are_told_by_the_slices_that_are_declared() -> None:
    store, blobs, clock, log = MemoryStore(), MemoryBlobs(), FixedClock(NOON), MemoryPredictionLog()
    project = Delivered(store, blobs, clock)
    with store.begin() as tx:
        tx.add(Project(id="flights", created=NOON, data_root="/data", protected="main"))
    project.release("c1", DECLARED)
    project.move("live", "c1")
    Releases(store, blobs, clock).tick(NOON)
    project.version()
    monitoring = Monitoring(store, blobs, log, clock)
    log.records += [record(index) for index in range(160)]
    monitoring.tick(NOON)
    with store.read() as reader:
        [window] = reader.find(Window)
    traffic = {each.slice: each.predictions for each in window.slices}
    assert {name: count for name, count in traffic.items() if name.startswith("carrier")} == {
        "carrier = UA": 40,
        "carrier = B6": 40,
        "carrier is another": 40,
        "carrier is missing": 40,
    }
    assert sum(count for name, count in traffic.items() if "wind" in name) == 160
    assert traffic["wind is missing"] == 1
    assert traffic["wind ≤ 1"] == 31, "a fifth of what training had, without the one that is missing"
    assert [each["labelled"] for each in newest_slices([window])] == [0] * len(traffic)

    monitoring.label("delay", [{"prediction": f"p{i}", "value": True} for i in range(120)])
    with store.read() as reader:
        [window] = reader.find(Window)
    told = {each["slice"]: each for each in newest_slices([window])}
    assert (told["carrier = UA"]["metrics"]["accuracy"], told["carrier = B6"]["metrics"]["accuracy"]) == (
        0,
        1,
    )
    assert (told["carrier = UA"]["labelled"], told["carrier = B6"]["bands"]["accuracy"]) == (30, (1, 1))
    assert told["wind ≤ 1"]["labelled"] == 23
    assert told["wind ≤ 1"]["metrics"] == {}, "of so few nothing is told"
    day = (NOON - timedelta(hours=12), NOON + timedelta(hours=12))
    part = monitoring.performance("delay", "production", "accuracy", *day, part="carrier = UA")
    assert (part.value, part.predictions, part.labelled, part.completeness) == (0, 40, 30, 0.75)


def test_a_redacted_column_has_no_slices() -> None:
    with pytest.raises(InvalidProject, match="'wind' is redacted, so nobody knows which answers belong"):
        parse_config(DECLARED.replace("[models.delay]", '[models.delay]\nredact = ["wind"]'))
