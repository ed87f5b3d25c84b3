"""What `penstock.toml` names must exist in the graphs of a build."""

from __future__ import annotations

from penstock.builds.decide import dangling
from penstock.pipelines.types import Graph, Node
from penstock.revisions.config import ModelConfig, ProjectConfig, ScheduleCondition, TriggerConfig

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


def test_names_that_dangle_are_each_told_once() -> None:
    assert dangling(config("trian", "delays"), [TRAIN]) == [
        "A trigger starts the pipeline 'trian', which there is not. Did you mean `train`?",
        "The gate of the model 'delays' guards nothing: no pipeline publishes it. Did you mean `delay`?",
    ]
