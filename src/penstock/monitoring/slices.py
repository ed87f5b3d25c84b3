"""Slices of live answers: which of them a row belongs to, and how good the answers of each were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.checks.slices import TOP, range_name
from penstock.datasets.types import ColumnProfile
from penstock.lineage.ports import Between, Reader
from penstock.models.types import Signature, Version
from penstock.monitoring.ingest import Answered
from penstock.monitoring.measure import EVER, Answers, told_of
from penstock.monitoring.types import Prediction, Sliced, Window


def named(rows: Sequence[Answered], columns: Iterable[str], version: Version) -> list[Answered]:
    """Rows with the names of the slices that they belong to by some columns, as training had these: one of
    the commonest values, or one of five ranges of numbers. Of a column that was not logged nothing is known.
    """
    known = {column.name: column for column in version.profile.columns}
    naming = {name: _naming(known[name]) for name in columns if name in known}
    return [
        replace(
            row,
            prediction=replace(
                row.prediction,
                slices=tuple(of(row.inputs[name]) for name, of in naming.items() if name in row.inputs),
            ),
        )
        for row in rows
    ]


def counted(window: Window, rows: Sequence[Answered]) -> Window:
    """A window that counts these rows in their slices too."""
    slices = {each.slice: each for each in window.slices}
    for name, more in Counter(name for row in rows for name in row.prediction.slices).items():
        before = slices.get(name) or Sliced(slice=name)
        slices[name] = replace(before, predictions=before.predictions + more)
    return replace(window, slices=tuple(slices[name] for name in sorted(slices)))


def measured(window: Window, by_slice: Mapping[str, Answers], signature: Signature) -> Window:
    """A window whose slices are measured anew on all answers whose truth is known by now."""
    found = []
    for each in window.slices:
        answers = by_slice.get(each.slice, ([], [], []))
        metrics, bands = told_of(signature, answers)
        found.append(replace(each, labelled=len(answers[0]), metrics=metrics, bands=bands))
    return replace(window, slices=tuple(found))


def answers_by_slice(reader: Reader, **where: Any) -> dict[str, Answers]:
    """The answers among some predictions whose truth is known, by the names of slices."""
    found: dict[str, Answers] = {}
    fields = ("truth", "score", "label", "slices")
    for truth, score, label, slices in reader.pick(Prediction, fields, truth_known=Between(EVER), **where):
        for name in slices:
            truths, scores, labels = found.setdefault(name, ([], [], []))
            truths.append(truth)
            scores.append(score)
            labels.append(label)
    return found


def newest_slices(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """The slices of the newest window in each environment, of one that has metrics of them if one has."""
    newest: dict[str, Window] = {}
    for window in sorted(windows, key=lambda w: (any(each.metrics for each in w.slices), w.start)):
        if window.slices:
            newest[window.environment] = window
    return [
        {
            "environment": window.environment,
            "version": window.version,
            "day": window.start,
            **msgspec.structs.asdict(each),
        }
        for window in newest.values()
        for each in window.slices
    ]


def _naming(column: ColumnProfile) -> Callable[[Any], str]:
    name = column.name
    if column.edges:
        inner = column.edges[1:-1]  # the tenths of training rows, without the least and the greatest
        bounds = [float("-inf"), *inner[1::2], float("inf")]

        def of_number(value: Any) -> str:
            if value is None or value != value:  # noqa: PLR0124 not-a-number
                return f"{name} is missing"
            place = next(index for index, bound in enumerate(bounds[1:]) if value <= bound)
            return range_name(name, bounds[place], bounds[place + 1])

        return of_number
    common = set(list(column.top)[:TOP])

    def of_category(value: Any) -> str:
        if value is None:
            return f"{name} is missing"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"{name} = {text}" if text in common else f"{name} is another"

    return of_category
