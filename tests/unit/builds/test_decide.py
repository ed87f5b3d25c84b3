"""What `penstock.toml` names must exist in the graphs of a build."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.builds.decide import dangling
from penstock.pipelines.types import Graph, Node
from penstock.revisions.config import (
    ArrivalCondition,
    EnvironmentConfig,
    ModelConfig,
    ProjectConfig,
    ScheduleCondition,
    SkewCondition,
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


def test_a_trigger_says_what_to_train_on_only_where_the_pipeline_heeds_it() -> None:
    def told(since: str, *nodes: Node) -> list[str]:
        trigger = TriggerConfig(pipeline="train", environments=("live",), since=since)
        asked = ProjectConfig(name="p", environments=(), triggers=(trigger,))
        return dangling(asked, [Graph(pipeline="train", target="p.q:train", nodes=nodes)])

    rows = Node(name="rows", kind="rows", settings={"holdout": "14d"})
    assert told("15d", rows) == told("ever", rows) == []
    [short] = told("14d", rows)
    assert short.endswith("which is no more than the holdout of 14d: nothing is left to train on.")
    [deaf] = told("ever")
    assert deaf.startswith("A trigger of 'train' says since = 'ever', and the pipeline has no training_rows(")


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


def test_new_versions_are_waited_for_only_where_there_can_be_some() -> None:
    kinds = {"stock": {"type": "delta", "url": "lake"}, "old": {"type": "delta", "url": "lake", "version": 3}}
    sources = [{"name": name, "kind": kind} for name, kind in kinds.items()] + [{"name": "orders"}]
    nodes = tuple(
        Node(name=source["name"], kind="snapshot", settings={"source": source}) for source in sources
    )
    waiting = [ArrivalCondition(what="versions", amount=1, source=source["name"]) for source in sources]
    trigger = TriggerConfig(pipeline="train", environments=("live",), conditions=tuple(waiting))
    graph = Graph(pipeline="train", target="p.q:train", nodes=nodes)
    assert dangling(ProjectConfig(name="p", environments=(), triggers=(trigger,)), [graph]) == [
        "A trigger starts 'train' on new versions of 'old', which is always read at version 3.",
        "A trigger starts 'train' on new versions of 'orders', which is no Delta table.",
    ]


def test_of_answers_rows_are_waited_for_and_skew_of_views_that_are_trained_on() -> None:
    answers = {"name": "queue_predictions", "kind": {"type": "predictions", "model": "queue"}}
    source = {"name": "visits", "path": "visits", "event_time": "at"}
    view = {"name": "footfall", "target": "p.q:footfall", "entity": ["shop"], "source": source}
    reads = Node(name="queue_predictions", kind="snapshot", settings={"source": answers})
    laid_out = Node(name="footfall.timeline", kind="timeline", settings={"view": view})
    conditions = (
        ArrivalCondition(amount=1, source="queue_predictions"),
        ArrivalCondition(what="bytes", amount=1, source="queue_predictions"),
        SkewCondition(bound="skew > 1%"),
        SkewCondition(bound="skew > 1%", view="footfal"),
    )
    trigger = TriggerConfig(pipeline="train", environments=("live",), conditions=conditions)
    said = ProjectConfig(name="p", environments=(), triggers=(trigger,))
    rows, skew = dangling(said, [Graph(pipeline="train", target="p.q:train", nodes=(reads, laid_out))])
    assert "new bytes of 'queue_predictions', which is what a model answered: wait for new_rows" in rows
    assert skew.endswith("skew of 'footfal', which it does not train on. Did you mean `footfall`?")
    without = dangling(said, [Graph(pipeline="train", target="p.q:train", nodes=(reads,))])
    assert "of what is read online, and it trains on no feature view." in without[1]
