"""What is read and kept to judge a window: the days of its version, and how they look without change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import reduce
from itertools import islice
from typing import Any

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.checks.measures import Numbers
from penstock.checks.shifts import FEWEST_DAYS, Calibration, Column
from penstock.datasets.days import SCORE, Days, Sums, continued, followed, summed
from penstock.datasets.profiles import merge, only, profile_like
from penstock.datasets.types import Profile
from penstock.lineage.ports import Between, Blobs, Reader
from penstock.models.types import Signature, Version
from penstock.monitoring import relation
from penstock.monitoring.drift import ENOUGH, SPANS, Judgement, calibrated, judged, like, together, watched
from penstock.monitoring.estimates import expected_losses
from penstock.monitoring.estimators import Estimators
from penstock.monitoring.measure import answers_of, scores_of, within
from penstock.monitoring.types import What, Window

_WEEK = timedelta(days=7)


class Judge:
    """Judges windows of champions against the days that their versions were trained on.

    What was read of versions is kept as long as they answer.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._estimators = Estimators(blobs)
        self._days: dict[str, Days] = {}
        self._calibrations: dict[tuple[Any, ...], Calibration] = {}
        self._learnt: dict[tuple[str, str], Sums] = {}
        self._outputs: dict[tuple[str, str], Profile] = {}
        self._watched: dict[tuple[Any, ...], tuple[dict[str, Column], dict[str, str], str]] = {}
        self._moved: dict[tuple[Any, ...], bool] = {}

    def keep(self, answering: Collection[str]) -> None:
        """Forget the days of all but these."""
        self._days = {key: days for key, days in self._days.items() if key in answering}
        known: tuple[dict[Any, Any], ...]
        known = self._calibrations, self._learnt, self._outputs, self._watched, self._moved
        for each in known:
            for key in [key for key in each if key[0] not in answering]:
                del each[key]

    def of_answers(
        self, reader: Reader, version: Version, window: Window, what: What, chance: float
    ) -> Judgement:
        """Judge what was asked, or with `what` "outputs" what was answered: on this day, and where it is
        as in training, on the last days together, each look with an equal part of the chance.
        """
        if part := part_of_day(reader, window):
            return Judgement(unsaid=part)
        if window.predictions < ENOUGH:
            return Judgement(
                unsaid=f"its {window.predictions} answers are fewer than the {ENOUGH} that it takes"
            )
        chance /= 1 + len(SPANS)
        found = self._of_days(reader, version, [window], what, chance)
        self._moved[version.days, window.id, what, chance] = bool(found.moved)
        if found.moved or found.unsaid:
            return found
        quiet = self._quiet(reader, version, window, what, chance)
        for days in (quiet[-span:] for span in SPANS if span <= len(quiet)):
            lately = self._of_days(reader, version, days, what, chance)
            if lately.moved:
                return replace(lately, days=tuple(days), aside=found.aside)
        return found

    def _quiet(
        self, reader: Reader, version: Version, window: Window, what: What, chance: float
    ) -> list[Window]:
        """The version's last whole days up to a window, as many as are looked at, of those that are as in
        training each by itself: what is over and was told does not count again.
        """
        of = {**_of(window), "version": window.version, "start": Between(None, window.start)}
        found, most = [window], max(SPANS)
        for each in reader.find(Window, **of, predictions=Between(ENOUGH), order="-start", limit=2 * most):
            if len(found) == most:
                break
            if part_of_day(reader, each):
                continue
            key = (version.days, each.id, what, chance)
            if key not in self._moved:
                self._moved[key] = bool(self._of_days(reader, version, [each], what, chance).moved)
            if not self._moved[key]:
                found.append(each)
        return found[::-1]

    def _of_days(
        self, reader: Reader, version: Version, days: Sequence[Window], what: What, chance: float
    ) -> Judgement:
        """Judge one day, or several together."""
        inputs = {column.name for column in version.signature.inputs}
        if what == "outputs":
            return self._of_outputs(reader, version, days, {SCORE} - inputs, chance)
        seen = _together([day.profile for day in days])
        return self._judged(version, inputs, seen, _answers(days), chance, span=len(days))

    def _of_outputs(
        self,
        reader: Reader,
        version: Version,
        windows: Sequence[Window],
        names: Collection[str],
        chance: float,
    ) -> Judgement:
        """Held-out days are what answers are held against, and where these are few, the version's first
        whole days as well.
        """
        days = self._days_of(version)
        held = sum(any(row) for row in days.counts.get(SCORE, ())) if days and names else 0
        lacks = FEWEST_DAYS - held if held else 0
        if days and lacks > 0:
            first = _first(reader, windows[0], lacks)
            if len(first) < lacks:
                return Judgement(unsaid=_awaited(held, len(first) + 1))
            more = {each.id: self._answered(reader, version, each).columns[0] for each in first}
            days = continued(days, SCORE, more)
        seen = _together([self._answered(reader, version, window) for window in windows])
        return self._judged(version, names, seen, _answers(windows), chance, days=days, span=len(windows))

    def of_labels(self, reader: Reader, version: Version, window: Window, chance: float) -> Judgement:
        """Judge what really happened, by the labels that are known."""
        truth, _, _ = answers_of(reader, **within(window))
        seen = self._seen(version, pl.Series(version.label, _named(version.signature, truth)))
        return self._judged(version, {version.label}, seen, len(truth), chance)

    def of_relation(
        self, reader: Reader, version: Version, window: Window, chance: float, first: Sequence[Window] = ()
    ) -> Judgement:
        """Judge how the truth followed from the inputs; it is `learnt` where too little is known to judge by.

        `first` are windows that were learnt just now, of any version.
        """
        found = self._beyond(reader, version, window)
        if not found:
            return Judgement(unsaid=f"nothing was learnt of the holdout of version {version.number}")
        reference = self._reference(reader, version, window, first)
        if lacks := relation.lacking(reference):
            return Judgement(unsaid=lacks, learnt=True)
        return relation.judged(relation.calibrated(reference, found), found, chance)

    def _reference(self, reader: Reader, version: Version, window: Window, now: Sequence[Window]) -> Sums:
        """Held-out days, and until there are enough windows of the version: its first where these are few,
        and then those more than a week old, but for weeks around a change that was seen more than once. What
        begins slowly does not hide itself, and what was over by itself is how days are.
        """
        days = self._days_of(version)
        reference = days.relation if days else Sums()
        lacks = relation.MOST_DAYS - len(reference.days)
        if lacks > 0:
            of = {**_of(window), "version": version.number}
            moved = [start for (start,) in reader.pick(Window, ("start",), **of, truth="moved")]
            stayed = [a for a in moved if any(timedelta(0) < abs(a - b) <= _WEEK for b in moved)]
            before = Between(None, window.start - _WEEK)
            known = [
                each
                for truth in ("judged", "moved")
                for each in reader.find(Window, **of, truth=truth, start=before)
                if all(abs(each.start - start) > _WEEK for start in stayed)
            ]
            known += reader.find(Window, **of, truth="learnt")
            known += [w for w in now if all(getattr(w, name) == value for name, value in of.items())]
            for first in sorted(known, key=lambda each: each.start)[:lacks]:
                key = (version.days, first.id)
                if key not in self._learnt:
                    self._learnt[key] = self._summed(reader, version, first)
                reference = followed(reference, self._learnt[key])
        return reference

    def _summed(self, reader: Reader, version: Version, window: Window) -> Sums:
        beyond = self._beyond(reader, version, window)
        rows = len(next(iter(beyond.values())))
        return summed(pl.Series([window.start] * rows, dtype=pl.Datetime("us", "UTC")), beyond)

    def _beyond(self, reader: Reader, version: Version, window: Window) -> dict[str, Numbers]:
        """See `relation.beyond`; empty where nothing was learnt that lets expect anything."""
        known = self._estimators.learnt(version)
        answers = answers_of(reader, **within(window))
        if known is None or not (known.losses or known.scores) or not answers[0]:
            return {}
        errors = expected_losses(known, window.profile, version.profile).get("mae", 0.0)
        return relation.beyond(version.signature, known, answers, errors)

    def _answered(self, reader: Reader, version: Version, window: Window) -> Profile:
        """The statistics of a window's scores; of a day that is over they are read once."""
        key = (version.days, window.id)
        if key not in self._outputs:
            scores = pl.Series(SCORE, scores_of(reader, window), dtype=pl.Float64)
            self._outputs[key] = self._seen(version, scores)
        return self._outputs[key]

    def _seen(self, version: Version, values: pl.Series) -> Profile:
        """The statistics of values that are no inputs, as those of training were kept under their name."""
        days = self._days_of(version)
        known = [column for column in days.profile.columns if column.name == values.name] if days else []
        if known and known[0].edges:
            values = values.cast(pl.Float64, strict=False)
        elif known and known[0].dtype == "bool":
            values = values.str.to_lowercase().replace(_SPOKEN)
        return profile_like(values.to_frame(), Profile(rows=0, columns=tuple(known)))

    def _judged(
        self,
        version: Version,
        names: Collection[str],
        seen: Profile,
        rows: int,
        chance: float,
        *,
        days: Days | None = None,
        span: int = 1,
    ) -> Judgement:
        days = days or self._days_of(version)
        if days is None:
            return Judgement(unsaid=f"nobody knows how the rows of version {version.number} were by day")
        known = (version.days, days.days, *sorted(names))
        if known not in self._watched:
            self._watched[known] = watched(days, names)
        columns, aside, unsaid = self._watched[known]
        if unsaid:
            return Judgement(unsaid=unsaid, aside=aside)
        now = {column.name: column for column in seen.columns}
        columns = {name: column for name, column in columns.items() if name in now}  # others are redacted
        if not columns:
            return Judgement(unsaid="all that is watched of it is redacted", aside=aside)
        pairs = together(days, columns, seen.products, version.influence)
        key = (
            version.days,
            days.days,
            like(rows),
            tuple(columns),
            (pairs.names, pairs.window) if pairs else (),
            span,
        )
        if key not in self._calibrations:  # environments may share a model
            self._calibrations[key] = calibrated(columns, rows, pairs, span=span)
        calibration = self._calibrations[key]
        found = judged(
            calibration,
            now,
            days,
            version.influence,
            chance,
            products=seen.products,
            texts=seen.texts,
        )
        return replace(found, aside=aside | found.aside)

    def _days_of(self, version: Version) -> Days | None:
        if not version.days:
            return None
        if version.days not in self._days:
            self._days[version.days] = msgspec.json.decode(self._blobs.get(version.days), type=Days)
        return self._days[version.days]


def _together(profiles: Sequence[Profile]) -> Profile:
    """The statistics of several days, of the columns that each of them has."""
    names = set[str].intersection(*({column.name for column in each.columns} for each in profiles))
    return reduce(merge, (only(each, names) for each in profiles))


def _answers(windows: Sequence[Window]) -> int:
    return sum(window.predictions for window in windows)


def _first(reader: Reader, window: Window, count: int) -> list[Window]:
    """So many of the version's first whole days, as far as they were before a window."""
    of = {**_of(window), "version": window.version, "start": Between(None, window.start)}
    known = reader.find(Window, **of, predictions=Between(ENOUGH), order="start", limit=2 * FEWEST_DAYS)
    return list(islice((each for each in known if not part_of_day(reader, each)), count))


def _awaited(held: int, number: int) -> str:
    """Why answers are not judged yet, and when they will be."""
    return (
        f"answers are judged beside {FEWEST_DAYS} days: its holdout has {held}, and the version's first "
        f"{FEWEST_DAYS - held} whole days make up for the others, of which this is number {number}; beside a "
        f"holdout of {FEWEST_DAYS} days they are judged at once"
    )


def part_of_day(reader: Reader, window: Window) -> str:
    """Why a version did not answer a day from its beginning to its end, empty if it did: parts of days differ
    from days.
    """
    of = _of(window)
    if reader.count(Window, **of, start=window.start) > 1:
        return "versions took turns on this day, and a part of a day is no day"
    if not reader.count(Window, **of, version=window.version, start=Between(None, window.start)):
        return "it is the first day of the version, and a part of a day is no day"
    return ""


def _of(window: Window) -> dict[str, Any]:
    """What tells the champions of a model in an environment from others."""
    return {"model": window.model, "environment": window.environment, "variant": "champion"}


_SPOKEN = {"1": "true", "1.0": "true", "0": "false", "0.0": "false"}
"""Names of classes that a model learnt of true and false once they were numbers."""


def _named(signature: Signature, truth: Sequence[float]) -> list[float] | list[str]:
    """Labels as they are written in training rows: numbers, or the names of classes."""
    return [signature.classes[int(each)] for each in truth] if signature.classes else list(truth)
