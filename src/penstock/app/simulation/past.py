"""The past as it is replayed: questions and labels in order, and what each version answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.app.simulation.service import Answering
from penstock.app.simulation.types import Wanted
from penstock.core.errors import StepFailed, UnsupportedModel
from penstock.datasets.types import Source
from penstock.deployments.plans import served
from penstock.deployments.truth import answered_numbers, truth_number
from penstock.features.questions import ID, KNOWN, TIME, VALUE
from penstock.features.types import RowsSettings
from penstock.lineage.ports import Blobs
from penstock.models.types import Version
from penstock.pipelines.types import Node
from penstock.runs.ports import Executor
from penstock.runs.types import Artifact, Outcome, Task

MAKES = "penstock.features.questions:history"
PATIENCE = 60.0
AT_ONCE = 5_000
"""Questions that a model is asked together."""
Numbers = NDArray[np.float64]


class Past:
    """Questions in the order in which they were asked, labels in that in which they became known.

    `asked` and `known` are seconds since 1970, shape (n,) and (m,); label j says of question `about[j]`
    what `values[j]` is. A label that was known before its question is asked becomes known with it.
    """

    def __init__(self, questions: pl.DataFrame, labels: pl.DataFrame) -> None:
        self.ids: list[str] = questions[ID].to_list()
        self.times: list[datetime] = questions[TIME].to_list()
        self.asked = _seconds(questions[TIME])
        self._features = questions.drop(ID, TIME)
        self._columns: dict[str, list[Any]] = {}
        place = pl.DataFrame({ID: questions[ID], "about": np.arange(questions.height)})
        placed = labels.join(place, on=ID, how="inner", maintain_order="left")
        about: NDArray[np.int64] = placed["about"].to_numpy()
        known = np.maximum(_seconds(placed[KNOWN]), self.asked[about])
        order = np.argsort(known, kind="stable")
        self.about, self.known = about[order], known[order]
        values = placed[VALUE].to_list()
        self.values = [values[each] for each in order]

    def columns(self, version: Version, start: int, end: int) -> dict[str, list[Any]]:
        """What a version was told of the questions from `start` to `end`. Raises UnsupportedModel."""
        for column in version.signature.inputs:
            if column.name not in self._columns:
                if column.name not in self._features.columns:
                    raise UnsupportedModel(
                        what=f"{version.id} takes the column `{column.name}`, which no row of history has",
                        found=", ".join(self._features.columns),
                    )
                values = self._features[column.name]
                if values.dtype.is_float():
                    values = values.fill_nan(None)
                self._columns[column.name] = (
                    values.cast(pl.String) if column.dtype == "string" else values
                ).to_list()
        return {c.name: self._columns[c.name][start:end] for c in version.signature.inputs}

    def truth(self, version: Version) -> Numbers:
        """What really happened as a number, shape (n,); NaN where nobody knows.

        Of several labels the last one counts.
        """
        numbers = {value: truth_number(version.signature, value) for value in set(self.values)}
        truth: Numbers = np.full(len(self.ids), np.nan)
        truth[self.about] = [numbers[value] for value in self.values]
        return truth

    def compared_with(self, version: Version) -> Numbers:
        """The truth as metrics compare answers with it, shape (n,): of several classes, that it was met."""
        truth = self.truth(version)
        return np.where(np.isnan(truth), np.nan, 1.0) if version.signature.task == "multiclass" else truth


class Oracle:
    """What versions answer to the questions, each model asked once of all that come after it."""

    def __init__(self, past: Past, answering: Answering) -> None:
        self._past = past
        self._answering = answering
        self._known: dict[str, tuple[int, Numbers, list[str]]] = {}
        self.trained: dict[str, tuple[float, Version]] = {}
        """By artifact: the moment of its rows, in seconds since 1970, and the first version that has it."""

    def answers(self, version: Version, start: int, end: int) -> tuple[Numbers, list[str]]:
        """Scores and labels for the questions from `start` to `end`, all asked after it was trained."""
        first, scores, labels = self._of(version)
        return scores[start - first : end - first], labels[start - first : end - first]

    def compared(self, version: Version) -> tuple[int, Numbers]:
        """The first question that it was asked, and all its answers from there on as metrics compare them.

        A multiclass answer is compared with the truth where that is known, and NaN elsewhere.
        """
        first, scores, labels = self._of(version)
        if version.signature.task != "multiclass":
            return first, scores
        truth = self._past.truth(version)[first:]
        found = np.full(len(scores), np.nan)
        there = ~np.isnan(truth)
        chosen = [label for label, kept in zip(labels, there, strict=True) if kept]
        found[there] = answered_numbers(
            version.signature, truth[there].tolist(), scores[there].tolist(), chosen
        )[1]
        return first, found

    def _of(self, version: Version) -> tuple[int, Numbers, list[str]]:
        if version.artifact not in self._known:
            moment = datetime.fromisoformat(version.training["as_of"]).timestamp()
            first = int(np.searchsorted(self._past.asked, moment, side="right"))
            runtime = self._answering.runtime(served(version))
            score: list[float] = []
            label: list[str] = []
            for start in range(first, len(self._past.ids), AT_ONCE):
                end = min(start + AT_ONCE, len(self._past.ids))
                said = runtime.predict(self._past.columns(version, start, end))
                score += said[0]
                label += said[1]
            self._known[version.artifact] = (first, np.asarray(score, dtype=np.float64), label)
            self.trained[version.artifact] = (moment, version)
        return self._known[version.artifact]


def read_past(wanted: Wanted, executor: Executor, blobs: Blobs, known_by: datetime) -> Past:
    """The history of the rows that a model is trained on, made by a worker of the project's environment.

    Rows count that are known at `known_by`. Raises StepFailed with what the worker could not do.
    """
    nodes = {node.name: node for node in wanted.graph.nodes}
    publish = next(node for node in wanted.graph.nodes if node.kind == "publish")
    rows = nodes[publish.inputs["inputs"].node]  # type: ignore[union-attr]
    settings = msgspec.convert(rows.settings, RowsSettings)
    sources = {source.name: source for source in (settings.source, *(view.source for view in settings.views))}
    taken = {name: _snapshot(wanted, executor, source, known_by) for name, source in sources.items()}
    node = Node(name="history", kind="step", target=MAKES, outputs=("questions", "labels"))
    made = _done(
        executor,
        Task(
            step_run="simulation/history",
            token=1,
            node=node,
            workspace=wanted.workspace,
            as_of=known_by,
            inputs=taken,
            values={
                "settings": rows.settings,
                "start": wanted.start.isoformat(),
                "end": wanted.end.isoformat(),
                "most": wanted.requests,
            },
        ),
    )
    past = Past(*(pl.read_ipc(blobs.get(made[name].digest)) for name in node.outputs))
    for artifact in (*taken.values(), *made.values()):
        blobs.delete(artifact.digest)
    return past


def _snapshot(wanted: Wanted, executor: Executor, source: Source, known_by: datetime) -> Artifact:
    node = Node(
        name=f"{source.name}.snapshot",
        kind="snapshot",
        outputs=("rows",),
        settings={"source": msgspec.to_builtins(source)},
    )
    name = f"simulation/{node.name}"
    task = Task(step_run=name, token=1, node=node, workspace=wanted.workspace, as_of=known_by)
    return _done(executor, task)["rows"]


def _done(executor: Executor, task: Task) -> dict[str, Artifact]:
    executor.start(task)
    ended: list[Outcome] = []
    while not ended:
        ended += executor.finished(PATIENCE)
    if ended[0].error:
        raise StepFailed(what=ended[0].error)
    return ended[0].outputs


def _seconds(times: pl.Series) -> Numbers:
    return times.dt.epoch("us").to_numpy().astype(np.float64) / 1e6
