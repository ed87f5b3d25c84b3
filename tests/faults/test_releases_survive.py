"""Two releases on their way to production and back, by real processes that are killed at every stage."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivered import START, Tiny
from reaper import CONTROL, ProcessesOf, Reaper

from penstock.cli.demo.system import Refused

DAY = timedelta(days=1)
SEEN = """
SELECT 'tests of build ' || id FROM builds WHERE status = 'running' AND stage LIKE 'test: %'
UNION SELECT 'release ' || number FROM releases
UNION SELECT 'merge ' || count(*) FROM events WHERE kind = 'merge.asked'
UNION SELECT there.kind || ' of ' || made.number || ' to ' || there.environment
    FROM deployments AS there JOIN releases AS made ON there.release = made.id
UNION SELECT 'run of ' || made.number || ' in ' || runs.environment
    FROM runs JOIN releases AS made ON runs.release = made.id WHERE runs.status != 'queued'
"""
MOMENTS = dict.fromkeys(
    (
        "tests of build 2",
        "release 2",
        "push of 2 to test",
        "merge 2",
        "merge of 2 to staging",
        "run of 2 in staging",
        "promote of 2 to production",
        "rollback of 1 to production",
    ),
    CONTROL,
)


def test_a_second_release_goes_to_production_and_back_whatever_is_killed(
    tiny: Tiny, processes_of: ProcessesOf
) -> None:
    tiny.deliver("first", 1)
    with Reaper(tiny.system.home, MOMENTS, SEEN, processes_of) as reaper:
        tiny.deliver("second", 2)
        tiny.advance(START + DAY)
        tiny.system.post("/rollback", what="tiny", environment="production", to="1", actor="katherine")
        tiny.settle()
    assert reaper.killed == set(MOMENTS)
    tiny.advance(START + 2 * DAY)

    way = [("push", "test"), ("merge", "staging"), ("promote", "production")]
    assert tiny.rows(
        """SELECT there.kind, there.environment, made.number FROM deployments AS there
        JOIN releases AS made ON there.release = made.id ORDER BY there.event"""
    ) == [(*stage, number) for number in (1, 2) for stage in way] + [("rollback", "production", 1)]
    ran = tiny.rows(
        """SELECT made.number, runs.environment, runs.pipeline, firings.kind, runs.status
        FROM runs JOIN releases AS made ON runs.release = made.id JOIN firings ON runs.firing = firings.id"""
    )
    pipelines = {1: "first", 2: "second"}
    reasons = [(number, env, "deployed") for number in (1, 2) for _, env in way]
    reasons += [(1, "production", "deployed"), (2, "production", "schedule"), (1, "production", "schedule")]
    assert sorted(ran) == sorted(
        (number, env, pipelines[number], why, "succeeded") for number, env, why in reasons
    )
    with pytest.raises(Refused, match="second"):
        tiny.system.post("/triggers/fire", pipeline="second", environment="production")
    tiny.system.post("/triggers/fire", pipeline="first", environment="production")
    tiny.settle()
    assert tiny.system.get("/audit")["ok"]
    assert tiny.system.get("/status")["problems"] == {}
