"""What was served, as triggers look at it: how far it was from training, and what truth was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from penstock.checks.shares import parse_share
from penstock.datasets.types import Arrived
from penstock.lineage.ports import Between, Reader
from penstock.monitoring.measure import EVER
from penstock.monitoring.types import Prediction, Skew
from penstock.revisions.config import SKEW, SkewCondition
from penstock.triggers.decide import Finding, Reason

GIVEN = ("champion", "challenger")
"""The variants whose answers were given to somebody: a shadow's are no rows to train on."""
_INSTANT = timedelta(microseconds=1)


class _Counted(NamedTuple):
    """So many labels were told since a moment, the newest at another, as of a third."""

    since: datetime | None
    newest: datetime
    as_of: datetime
    rows: int


class Told:
    """Counts answers whose label was told, again only when another label has come."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], _Counted] = {}

    def since(
        self, reader: Reader, model: str, environment: str, before: datetime | None, as_of: datetime
    ) -> Arrived:
        """The answers of a model whose label was told, or corrected, after a moment (ever, for None) and
        until `as_of`.
        """
        where: dict[str, Any] = {
            "model": model,
            "environment": environment,
            "truth_known": Between(before + _INSTANT if before else EVER, as_of + _INSTANT),
        }
        told = reader.pick(Prediction, ("truth_known",), order="-truth_known", limit=1, **where)
        if not told:
            return Arrived(rows=0, bytes=0, partitions=0, newest=None, changed=False)
        newest: datetime = told[0][0]
        last = self._counted.get((model, environment))
        # in the moment in which they were counted more labels may still have come
        if last is None or (last.since, last.newest) != (before, newest) or newest >= last.as_of:
            rows = reader.count(Prediction, variant=GIVEN, **where)
            last = self._counted[model, environment] = _Counted(before, newest, as_of, rows)
        return Arrived(rows=last.rows, bytes=0, partitions=0, newest=newest, changed=last.rows > 0)


class DaySkew(NamedTuple):
    """How far what was read online of a view was from training on a day, and the event that told it."""

    view: str
    day: datetime
    skew: float
    stale: float
    rows: int
    event: int


def newest_skews(reader: Reader, model: str, environment: str, version: int, view: str = "") -> list[DaySkew]:
    """Each view, or one, as it was on the newest day of which there are figures of a version."""
    where: dict[str, Any] = {"model": model, "environment": environment, "version": version}
    where |= {"skew": Between(0.0)} | ({"view": view} if view else {})
    newest = reader.pick(Skew, ("start",), order="-start", limit=1, **where)
    if not newest:
        return []
    fields = ("view", "start", "skew", "stale", "rows", "event")
    return [DaySkew(*row) for row in reader.pick(Skew, fields, **where | {"start": newest[0][0]})]


def skewed(condition: SkewCondition, prefix: str, champion: int | None, found: Sequence[DaySkew]) -> Finding:
    """Whether what a champion read online passed a bound on the newest day that was compared (None: there is
    no champion).
    """
    of = f"{condition.bound} of {condition.view or 'any view'}"
    if champion is None:
        return Finding(why_not=f"{of}: there is no champion yet")
    if not found:
        return Finding(why_not=f"{of}: nothing that version {champion} read online was compared yet")
    check = parse_share(condition.bound, SKEW)
    facts = {each.view: getattr(each, check.left) for each in found}
    told = ", ".join(f"{100 * share:.2g} % of {view}" for view, share in facts.items())
    day = found[0].day
    why = f"{check.left} of what version {champion} read online on {day:%Y-%m-%d} was {told}"
    passed = [each for each in found if check.evaluate({check.left: facts[each.view]}).passed]
    if not passed:
        return Finding(why_not=f"{why}; it takes {condition.bound} to fire")
    reason = Reason(
        kind="skew",
        slot=f"skew:{prefix}:{champion}:{condition.bound}:{condition.view}:{day.date()}",
        why=f"{why}, which is {condition.bound}",
        evidence={
            "bound": condition.bound,
            "day": day.isoformat(),
            "version": champion,
            "views": [
                {"view": each.view, "skew": each.skew, "stale": each.stale, "rows": each.rows}
                for each in found
            ],
        },
        events=tuple(each.event for each in passed),
    )
    return Finding(reason=reason)
