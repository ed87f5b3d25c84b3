"""What a worker does for each kind of node: inputs read, the work done, outputs kept."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from penstock.adapters.formats.files import laid_out
from penstock.adapters.formats.values import read, write
from penstock.core.errors import Conflict, StepFailed
from penstock.core.targets import resolve
from penstock.datasets.types import WRITTEN, Quarantined, Snapshot, Source
from penstock.lineage.ports import Blobs
from penstock.pipelines.code import code_digest, views_digest
from penstock.pipelines.features import timeline_of
from penstock.pipelines.metrics import Metrics
from penstock.pipelines.parameters import as_wanted
from penstock.runs.lists import write_list
from penstock.runs.types import Artifact, Task

Outputs = dict[str, Artifact]
Measured = list[tuple[str, float, int]]
SHOWN = 20
"""Rows that are left out which the log of a step shows."""
Work = Callable[[], tuple[Outputs, Measured]]


def prepare(task: Task, blobs: Blobs) -> Work:
    """Import the code of a task; gives its work. Whatever the import raises comes through."""
    kind = _KINDS[task.node.kind]
    return kind(task, blobs)


def _step(task: Task, blobs: Blobs) -> Work:
    function = resolve(task.node.target)
    _check_code(task, lambda: code_digest(task.node.target))
    hints = _hints(function)
    formats = task.node.settings.get("formats", {})

    def work() -> tuple[Outputs, Measured]:
        with laid_out():
            inputs = {
                name: read(artifact, blobs, hints.get(name), worker=True)
                for name, artifact in task.inputs.items()
            }
            given = {name: as_wanted(value, hints.get(name)) for name, value in task.values.items()}
            values = _named_outputs(task.node.outputs, function(**inputs, **given))
            kept = {name: write(part, blobs, formats.get(name, "")) for name, part in values.items()}
        measured = [
            (name, number, 0)
            for part in values.values()
            if isinstance(part, Metrics)
            for name, number in part.items()
        ]
        return kept, measured

    return work


def _snapshot(task: Task, blobs: Blobs) -> Work:
    from penstock.adapters.sources.bring import at_hand
    from penstock.adapters.sources.increments import Increments
    from penstock.datasets.expectations import Expectations
    from penstock.datasets.snapshots import take_snapshot, taken_again
    from penstock.runs.earlier import DECLARED, KEPT, PAST, TAKEN
    from penstock.runs.ports import LOGGED

    def work() -> tuple[Outputs, Measured]:
        source = msgspec.convert(task.node.settings["source"], Source)
        given = task.node.settings.get("expectations", {}).get(source.name)
        expected = None if given is None else msgspec.convert(given, Expectations)
        increments = Increments(blobs, task.values.get(KEPT, ""), task.as_of)
        logged = blobs.path(task.values[LOGGED]) if LOGGED in task.values else ""
        if TAKEN in task.values:
            kept = msgspec.convert(task.values[TAKEN], Snapshot)
            then = f"the rows that were kept as of {task.as_of.isoformat()}"
            increments.told.append(f"{source.name} is not asked: {then} are taken, {kept.id}")
            increments.leave()
            taken = taken_again(source, kept, blobs, expected)
        else:
            place, asked = task.workspace.data_root, task.values.get(DECLARED, "")
            past = task.as_of if task.values.get(PAST) else None
            with at_hand(source, place, os.environ, increments, logged, past=past) as (there, root):
                taken = take_snapshot(there, root, task.as_of, blobs, expected, declared=asked)
        sys.stderr.writelines(f"{line}\n" for line in increments.told)
        _warned(f"rows of {source.name}", taken.unexpected)
        if taken.quarantine:
            sys.stderr.write(_left_out(taken, blobs))
        size = Path(blobs.path(taken.digest)).stat().st_size
        rows = Artifact(
            digest=taken.digest,
            format="arrow",
            size=size,
            meta={"rows": taken.rows, "snapshot": msgspec.to_builtins(taken)} | increments.meta,
        )
        return {"rows": rows}, []

    return work


def _warned(what: str, unexpected: Sequence[str]) -> None:
    """What is not as expected and only warns, for the log of the step."""
    for each in unexpected:
        sys.stderr.write(f"warning: {what}: {each}\n")


def _left_out(taken: Snapshot, blobs: Blobs) -> str:
    """The first rows that a snapshot left out, for the log of its step."""
    from penstock.datasets.snapshots import told

    found = msgspec.json.decode(blobs.get(taken.quarantine), type=list[Quarantined])
    lines = [f"{taken.source}: {taken.quarantined} malformed rows left out", *map(told, found[:SHOWN])]
    return "".join(f"{line}\n" for line in lines)


def _timeline(task: Task, blobs: Blobs) -> Work:
    import polars as pl

    from penstock.features.laying import lay_out, parted
    from penstock.features.made import Made
    from penstock.features.shares import PARTS
    from penstock.features.training import resolved_view
    from penstock.features.types import ViewSettings
    from penstock.features.views import FeatureView

    declared = msgspec.convert(task.node.settings["view"], ViewSettings)
    view = FeatureView(resolved_view(declared.target).function, declared)  # its query as it was drawn
    _check_code(task, lambda: views_digest({declared.name: declared.target}))

    def work() -> tuple[Outputs, Measured]:
        [artifact] = task.inputs.values()
        made = Made(view, read(artifact, blobs, pl.LazyFrame))

        def kept(made: Made) -> Artifact:
            with blobs.writing() as file:
                rows = lay_out(made, file)
            return Artifact(digest=file.digest, format="timeline", size=file.size, meta={"rows": rows})

        if of := task.node.settings.get(PARTS):
            laid_out = write_list([kept(part) for part in parted(made, of)], blobs)
        else:
            laid_out = kept(made)
        meta = laid_out.meta | {"of": artifact.meta["snapshot"]["id"]}
        return {"rows": msgspec.structs.replace(laid_out, meta=meta)}, []

    return work


def _spine(task: Task, blobs: Blobs) -> Work:
    import polars as pl

    from penstock.features.training import spine_of

    def work() -> tuple[Outputs, Measured]:
        [artifact] = task.inputs.values()
        rows = read(artifact, blobs, pl.LazyFrame)
        return {"rows": write(spine_of(task.node.settings, rows, task.as_of), blobs)}, []

    return work


def _part(task: Task, blobs: Blobs) -> Work:
    import polars as pl

    from penstock.adapters.executors.training import timelines_of
    from penstock.features.shares import PART, PARTS, SPINE, Share
    from penstock.features.training import training_part

    settings = task.node.settings
    views = {view["name"]: view["target"] for view in settings["views"]}
    _check_code(task, lambda: views_digest(views))

    def work() -> tuple[Outputs, Measured]:
        rows, spine = (
            read(task.inputs[name], blobs, pl.LazyFrame) for name in (settings["source"]["name"], SPINE)
        )
        first, end = Share(settings[PART], settings[PARTS]).bounds(task.inputs[SPINE].meta["rows"])
        own = spine.slice(first, end - first).collect()
        train, holdout = training_part(settings, rows, own, timelines_of(task, blobs))
        return {"train": write(train, blobs), "holdout": write(holdout, blobs)}, []

    return work


def _rows(task: Task, blobs: Blobs) -> Work:
    import polars as pl

    from penstock.adapters.executors.expected import evidence, training_as_expected
    from penstock.adapters.executors.training import made_of, timelines_of
    from penstock.datasets.days import daily, with_column
    from penstock.datasets.profiles import prior_of, profile, unnamed
    from penstock.features.computed import read_computed
    from penstock.features.made import view_of_inputs
    from penstock.features.training import resolved_view
    from penstock.features.types import Origins

    views = {view["name"]: view["target"] for view in task.node.settings["views"]}
    found = [resolved_view(target).settings for target in views.values()]
    _check_code(task, lambda: views_digest(views))

    def work() -> tuple[Outputs, Measured]:
        timelines = timelines_of(task, blobs)
        made = made_of(task, timelines, blobs)
        read_as = task.inputs[task.node.settings["source"]["name"]].meta["snapshot"]
        snapshots = [read_as["id"]]
        snapshots += [task.inputs[timeline_of(view)].meta["of"] for view in views]
        unexpected = training_as_expected(task.node.settings, made.rows)
        _warned("training rows", unexpected)
        examples = {
            name: [_or_none(value) for value in values] for name, values in made.schema["examples"].items()
        }
        origins = Origins(
            views=tuple(view_of_inputs(view, timelines[view.name][0], examples) for view in found),
            computed=read_computed(task.node.settings.get("computed", {})),
        )
        seen, apart = made.seen
        reference = unnamed(profile(seen, list(examples)), origins.personal)
        profiled, time = msgspec.to_builtins(reference), task.node.settings["source"]["event_time"]
        rows, label = pl.concat([seen, apart]), made.schema["label"]
        if time == WRITTEN:
            read_at = msgspec.convert(read_as["as_of"], datetime, strict=False)
            rows, time = rows.with_columns(pl.lit(read_at).alias(WRITTEN)), ""
        told_of = rows.drop_nulls(label)
        known = with_column(
            daily(rows, time or WRITTEN, reference),
            daily(told_of, time or WRITTEN, profile(told_of.select(label), [label])),
        )
        days = msgspec.to_builtins(known)
        labels = msgspec.to_builtins(prior_of(seen[label]))
        told = {"examples": examples, "profile": profiled, "prior": labels, "days": days, "time": time}
        told["views"] = msgspec.to_builtins(origins.views)
        told["computed"] = msgspec.to_builtins(origins.computed)
        if expected := evidence(task.node.settings, examples, unexpected):
            told["expectations"] = expected
        kept = write({**made.schema, **told}, blobs)
        return {
            "train": made.train,
            "holdout": made.holdout,
            "schema": msgspec.structs.replace(kept, meta={"snapshots": list(dict.fromkeys(snapshots))}),
        }, []

    return work


def _features(task: Task, blobs: Blobs) -> Work:
    from penstock.features.keeping import read_timeline
    from penstock.features.latest import latest
    from penstock.features.types import ViewSettings
    from penstock.features.windows import tails

    def work() -> tuple[Outputs, Measured]:
        [artifact] = task.inputs.values()
        view = msgspec.convert(task.node.settings["view"], ViewSettings)
        making = tails if view.aggregates else latest
        return {"rows": write(making(view, read_timeline(blobs.path(artifact.digest))), blobs)}, []

    return work


def _skew(task: Task, blobs: Blobs) -> Work:
    import polars as pl

    from penstock.features.keeping import read_timeline
    from penstock.features.skew import compare
    from penstock.features.types import ViewSettings

    def work() -> tuple[Outputs, Measured]:
        [artifact] = task.inputs.values()
        view = msgspec.convert(task.node.settings["view"], ViewSettings)
        timeline, table = (
            read_timeline(blobs.path(artifact.digest)),
            pl.read_ipc(blobs.path(task.values["read"])),
        )
        told = compare(view, table, timeline, task.node.settings["features"])
        return {"skew": write(msgspec.to_builtins(told), blobs)}, []

    return work


def _publish(task: Task, blobs: Blobs) -> Work:
    from penstock.adapters.formats.publish import make_candidate

    def work() -> tuple[Outputs, Measured]:
        given = {
            name: read(artifact, blobs, worker=True)
            for name, artifact in task.inputs.items()
            if name != "holdout"
        }
        given |= task.values
        metrics: Mapping[str, float] = given["metrics"]
        candidate = make_candidate(
            name=task.node.settings["model"],
            model=given["model"],
            metrics=metrics,
            schema=given["inputs"],
            holdout=task.inputs["holdout"],
            blobs=blobs,
            snapshots=task.inputs["inputs"].meta["snapshots"],
            tags=task.node.settings.get("tags", {}),
            metadata=given.get("metadata", {}),
            unsafe_pickle=task.node.settings.get("unsafe_pickle", False),
        )
        return {"candidate": write(candidate, blobs)}, [
            (name, float(value), 0) for name, value in metrics.items()
        ]

    return work


def _import(task: Task, blobs: Blobs) -> Work:
    from penstock.adapters.formats.imports import import_candidate
    from penstock.models.imports import Import

    def work() -> tuple[Outputs, Measured]:
        candidate = import_candidate(msgspec.convert(task.node.settings, Import), blobs)
        measured = [(name, value, 0) for name, value in candidate.metrics.items()]
        return {"candidate": write(candidate, blobs)}, measured

    return work


_KINDS: dict[str, Callable[[Task, Blobs], Work]] = {
    "step": _step,
    "snapshot": _snapshot,
    "timeline": _timeline,
    "spine": _spine,
    "part": _part,
    "rows": _rows,
    "publish": _publish,
    "import": _import,
    "features": _features,
    "skew": _skew,
}


def _check_code(task: Task, now: Callable[[], str]) -> None:
    """Refuse code that is imported already but is not what the run was drawn from.

    Its result would be kept under the digest of the old code, and taken by whoever goes back to that.
    Raises Conflict.
    """
    if task.node.code and task.node.code != now():
        raise Conflict(
            what=f"The code of `{task.node.name}` was changed after its run had been drawn.",
            fix="Start a new run of the pipeline: what is as it was is taken from this one.",
        )


def _or_none(value: Any) -> Any:
    """A value as JSON can keep it: a number that is not finite is missing."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@cache
def _hints(function: Any) -> dict[str, Any]:
    """The annotations of a step; none where they name what exists only for type checkers."""
    try:
        return get_type_hints(getattr(function, "__wrapped__", function))
    except (NameError, TypeError):
        return {}


def _named_outputs(names: tuple[str, ...], value: Any) -> dict[str, Any]:
    if len(names) == 1:
        return {names[0]: value}
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise StepFailed(
            what=f"It returned a {type(value).__name__} without the outputs {', '.join(missing)}",
            expected=f"a NamedTuple with the fields {', '.join(names)}",
        )
    return {name: getattr(value, name) for name in names}
