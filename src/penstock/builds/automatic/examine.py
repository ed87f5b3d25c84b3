"""All automatic tests of a project, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from penstock.builds.automatic import (
    answers,
    changes,
    clock,
    fitted,
    learned,
    lost,
    models,
    neighbours,
    pipelines,
    steps,
    views,
)
from penstock.builds.automatic.pipelines import Trained
from penstock.builds.automatic.ports import Asked, Workbench
from penstock.builds.automatic.rehearsal import Change, Published, rehearse, training_rows_of
from penstock.builds.automatic.sample import Sample, asked_rows, sample, sources_of
from penstock.builds.automatic.steady import steady
from penstock.builds.automatic.verdicts import NotJudged, Verdicts
from penstock.builds.types import TestCase
from penstock.core.errors import NotFound, PenstockError
from penstock.core.targets import resolve
from penstock.datasets.types import Predictions
from penstock.features.computed import read_computed
from penstock.features.types import RowsSettings
from penstock.features.views import FeatureView
from penstock.pipelines.types import Graph
from penstock.revisions.config import TestsConfig


def examine(
    graphs: Sequence[Graph], config: TestsConfig, root: Path, as_of: datetime, bench: Workbench
) -> Iterator[TestCase]:
    """Do the automatic tests on a sample of the rows below `root` that were known at `as_of`.

    Gives each test as it ends; whatever the project's code raises is a finding. A pipeline of which there
    are no rows is skipped.
    """
    examination = _Examination(config, root, as_of, bench)
    for graph in graphs:
        yield from examination.pipeline(graph)
    yield from examination.end()


class _Examination:
    def __init__(self, config: TestsConfig, root: Path, as_of: datetime, bench: Workbench) -> None:
        self._verdicts = Verdicts(config.waive)
        self._config = config
        self._root = root
        self._as_of = as_of
        self._bench = bench
        self._makes: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self._whole = True

    def _asked(self, each: Published) -> Asked:
        return self._bench.model(each.model, each.schema, unsafe_pickle=each.unsafe_pickle)

    def pipeline(self, graph: Graph) -> Iterator[TestCase]:
        taken: list[Sample] = []
        outcome: list[Trained] = []
        asked = asked_rows(graph)
        ask = self._verdicts.ask

        @cache
        def train(change: Change | None = None) -> Trained:
            watched = change is None or isinstance(change, partial)  # tiny batches are
            with self._bench.watch() if watched else _at(change, graph):
                done = rehearse(graph, taken[0].tables, self._as_of, self._bench, change)
                return Trained(done, [self._asked(each) for each in done.published])

        found = ask("end_to_end", graph.pipeline, lambda: taken.append(self._sample(graph)))
        if taken:
            yield from self._rows(graph, asked, taken[0])
            found = ask("end_to_end", graph.pipeline, lambda: outcome.append(train()))
        yield found
        if not outcome:
            self._whole = False
            return
        [first] = outcome
        for node in graph.nodes:
            if node.kind == "step" and node.name in first.done.outputs:
                yield ask(
                    "artifacts", f"{graph.pipeline}.{node.name}", steps.artifact, node, first.done, asked
                )
                if first.models and learned.chooses(node, first.done):
                    chooser, schema = f"{graph.pipeline}.{node.name}", first.done.published[0].schema
                    yield ask("chosen", chooser, learned.chosen, node, first.done, schema, self._bench)
        for published, model in first.models:
            name = published.name
            self._used |= set(model.inputs)
            computed = [made for each in asked for made in read_computed(each.computed)]
            self._used |= {of for made in computed if made.name in model.inputs for of in made.of}
            yield ask("leaked_target", name, models.leaked_target, published, model)
            yield ask("fitted_values", name, fitted.fitted_values, published, model)
            yield ask("fitted_rows", name, fitted.fitted_rows, published, model)
            yield ask("all_rows", name, learned.all_rows, published, model, train)
            yield ask("own_answers", name, learned.own_answers, published, model)
            yield ask("weights", name, learned.weights, published, model)
            yield ask("honest_metrics", name, models.honest_metrics, published, model)
            yield ask("parity", name, models.parity, published, model)
            yield ask("finite", name, models.finite_model, published, model)
            yield ask("determinism", name, pipelines.determinism, name, train)
            yield ask("unseen_holdout", name, pipelines.unseen_holdout, name, train)
            yield ask("shuffled_labels", name, pipelines.shuffled_labels, name, train)
            yield ask("learns", name, pipelines.learns, name, train)
            yield ask("every_input", name, answers.every_input, published, model, train)
            yield ask("sentinels", name, answers.sentinels, published, model)
            yield ask("alone", name, answers.alone, published, model)
            yield ask("beats_constant", name, answers.beats_constant, published, model)
            yield ask("unbiased", name, answers.unbiased, published, model)

    def end(self) -> Iterator[TestCase]:
        """What can be said only when every pipeline was looked at, and came to its end."""
        if self._whole and self._used:
            for view, makes in self._makes.items():
                yield self._verdicts.ask("unused", view, pipelines.unused, view, makes, self._used)
        if self._whole:
            yield from self._verdicts.dangling()

    def _sample(self, graph: Graph) -> Sample:
        if not asked_rows(graph):
            raise NotJudged("It asks for no training rows, so there is no sample to run it on.")
        if missing := [each.name for each in graph.parameters if each.required]:
            raise NotJudged(f"It cannot be run without a value for {', '.join(missing)}.")
        try:
            return sample(graph, self._root, self._as_of, self._config.rows)
        except NotFound as error:
            raise NotJudged(f"There are no rows to test on. {error}") from error

    def _rows(self, graph: Graph, asked: Sequence[RowsSettings], taken: Sample) -> Iterator[TestCase]:
        """The tests of sources and feature views, each once however many pipelines use it."""
        ask, once = self._verdicts.ask, self._verdicts.asked
        labels = {each.source.name: each.label for each in asked}
        for source in sources_of(graph):
            rows = taken.whole[source.name]
            if not source.undated and not once("steady", source.name):
                aside = {name for each in asked for view in each.views for name in view.entity}
                yield ask("steady", source.name, steady, source, rows, aside, labels.get(source.name, ""))
            if source.key and not once("unique_keys", source.name):
                keys = partial(views.unique_keys, trained_on=source.name in labels)
                yield ask("unique_keys", source.name, keys, source, rows)
        for each in asked:
            for declared in each.views:
                if once("no_future", declared.name):
                    continue
                view: FeatureView = resolve(declared.target)
                rows = taken.tables[declared.source.name]
                aggregates = [aggregate.name for aggregate in declared.aggregates]
                self._makes[declared.name] = aggregates or views.features_of(view, rows)
                label = each.label if declared.source.name == each.source.name else ""
                yield ask("no_future", declared.name, views.no_future, view, rows, label)
                yield ask("own_rows", declared.name, neighbours.own_rows, view, rows)
                yield ask("same_moment", declared.name, neighbours.same_moment, view, rows)
                yield ask("finite", declared.name, views.finite, view, rows)
                yield ask("lost_values", declared.name, lost.lost_values, view, rows)
                if isinstance(each.source.kind, Predictions):
                    continue  # they come with the features that they were asked with
                try:
                    made = training_rows_of(each, taken.tables, self._as_of)
                except PenstockError:
                    continue  # the test from end to end tells of it
                yield ask("arrives", declared.name, views.arrives, view, rows, made, each.source.event_time)


def _at(change: Change | None, graph: Graph) -> AbstractContextManager[None]:
    """The date at which a pipeline is rehearsed."""
    if change is not changes.later:
        return nullcontext()
    return clock.later({node.target.split(".")[0].split(":")[0] for node in graph.nodes if node.target})
