"""What `penstock.toml` names must exist in the graphs of a build."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.builds.decide import dangling
from penstock.pipelines.types import Graph, Node
from penstock.revisions.config import (
    EnvironmentConfig,
    ModelConfig,
    ProjectConfig,
    ScheduleCondition,
    TriggerConfig,
)

TRAIN = Graph(
    pipeline="train",
    target="p.q:train",
    nodes=(Node(name="publish", kind="publish", settings={"model": "delay"}),),
)


def config(pipeline: str, model: str) -> ProjectConfig:
    trigger = TriggerConfig(
        pipeline=pipeline, environments=("live",), conditions=(ScheduleCondition(cron="0 3 * * *"),)
    )
    models = {model: ModelConfig(gate=("contract",))}
    return ProjectConfig(name="p", environments=(), triggers=(trigger, trigger), models=models)


def test_names_that_exist_leave_nothing_to_say() -> None:
    assert dangling(config("train", "delay"), [TRAIN]) == []


def test_names_in_what_is_an_environments_own_must_exist_too() -> None:
    own = config("trian", "delays")
    live = EnvironmentConfig(name="live", on="push", triggers=own.triggers, models=own.models)
    told = dangling(ProjectConfig(name="p", environments=(live,)), [TRAIN])
    assert [sentence.partition(",")[0] for sentence in told] == [
        "A trigger starts the pipeline 'trian'",
        "The gate of the model 'delays' guards nothing: no pipeline publishes it. Did you mean `delay`?",
    ]


def test_a_pickle_that_nobody_allows_is_told_at_the_build() -> None:
    node = Node(name="publish", kind="publish", settings={"model": "delay", "unsafe_pickle": True})
    graph = Graph(pipeline="train", target="p.q:train", nodes=(node,))
    said = config("train", "delay")
    [told] = dangling(said, [graph])
    assert "unsafe_pickle = REASON" in told
    allowed = {"delay": ModelConfig(gate=("contract",), unsafe_pickle="no library knows it")}
    assert dangling(replace(said, models=allowed), [graph]) == []


def test_names_that_dangle_are_each_told_once() -> None:
    assert dangling(config("trian", "delays"), [TRAIN]) == [
        "A trigger starts the pipeline 'trian', which there is not. Did you mean `train`?",
        "The gate of the model 'delays' guards nothing: no pipeline publishes it. Did you mean `delay`?",
    ]
