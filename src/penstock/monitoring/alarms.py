"""The verbs of alarms: judge each window once when its day is over, raise an alarm, and end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from penstock.core.clock import midnight
from penstock.core.events import Event
from penstock.deployments.environments import Environments
from penstock.lineage.cursors import move, position_of
from penstock.lineage.ports import Between, Blobs, Reader, Store, Transaction
from penstock.models.types import Version
from penstock.monitoring.drift import ENOUGH, Judgement, chance_of, since
from penstock.monitoring.judging import Judge, part_of_day
from penstock.monitoring.measure import HALF
from penstock.monitoring.types import Alarm, Unsaid, What, Window
from penstock.revisions.config import DriftCondition, budget

USUAL = "1 per 90d"
"""How often a model may alarm falsely, of whatever is watched of it, where no trigger says it."""
_CURSOR = "alarms:judged"
_ANSWERS: tuple[What, ...] = ("inputs", "outputs")
_TRUTHS: tuple[What, ...] = ("labels", "relation")
_NEARLY = 0.95
"""The share of a window's labels that is judged without waiting for more."""
_DAY = timedelta(days=1)


class _Judged(msgspec.Struct, frozen=True):
    """What was found of a window, and how many false alarms were allowed."""

    window: Window
    what: What
    version: Version
    allowed: str
    judgement: Judgement

    @property
    def rows(self) -> int:
        """Of how many answers something was found."""
        if self.judgement.days:
            return sum(day.predictions for day in self.judgement.days)
        return self.window.labelled if self.what in _TRUTHS else self.window.predictions


class Alarms:
    """Judges windows of champions against the days that their versions were trained on.

    A window is judged once, after its end and at its own size, so that looking more often finds no more; by
    its labels at the end of the day on which nearly all of them are known, or half of them and no more come.
    """

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._judge = Judge(blobs)

    def tick(self, now: datetime) -> bool:
        """Judge the windows whose day ended since the last call."""
        today = midnight(now)
        boundary = int(today.timestamp())
        with self._store.read() as reader:
            begun = position_of(reader, _CURSOR)
            if begun >= boundary:
                return False
            day = Between(datetime.fromtimestamp(begun, UTC), today)
            windows = reader.find(Window, start=day, variant="champion", order="start")
            labelled, passed = _labelled(reader, today)
            answering = {reader.get(Version, f"{w.model}@{w.version}").days for w in (*windows, *labelled)}
            self._judge.keep(answering)
            # before anything is locked: a calibration takes a second or more
            found = [self._found(reader, window, what) for window in windows for what in _ANSWERS]
            found += self._by_labels(reader, labelled)
        with self._store.begin() as tx:
            if position_of(tx, _CURSOR) != begun:  # another has judged them meanwhile
                return False
            for each in found:
                _note(tx, each, now)
                _tell(tx, each)
            tx.put(*(replace(tx.get(Window, window.id), truth="passed") for window in passed))
            self._end(tx, windows, now)
            move(tx, _CURSOR, boundary)
        return bool(windows or labelled)

    def _found(self, reader: Reader, window: Window, what: What, first: Sequence[Window] = ()) -> _Judged:
        """What is to be said of a window. `first` are those that were learnt just now."""
        version = reader.get(Version, f"{window.model}@{window.version}")
        allowed = self._allowed(reader, version, window.environment)
        chance, judge = chance_of(*budget(allowed)), self._judge
        if what == "labels":
            judgement = judge.of_labels(reader, version, window, chance)
        elif what == "relation":
            judgement = judge.of_relation(reader, version, window, chance, first)
        else:
            judgement = judge.of_answers(reader, version, window, what, chance)
        return _Judged(window, what, version, allowed, judgement)

    def _by_labels(self, reader: Reader, windows: Sequence[Window]) -> Iterator[_Judged]:
        learnt: list[Window] = []
        for window in windows:
            yield self._found(reader, window, "labels")
            found = self._found(reader, window, "relation", learnt)
            learnt += [window] if found.judgement.learnt else []
            yield found

    def _allowed(self, reader: Reader, version: Version, environment: str) -> str:
        """How many false alarms triggers there allow the model, in words, the fewest if they differ."""
        held = self._environments.find(reader, version.project, environment)
        if held is None:
            return USUAL
        publishing = {
            graph.pipeline
            for graph in held.release.graphs
            if any(n.kind == "publish" and n.settings["model"] == version.model for n in graph.nodes)
        }
        declared = held.config.declared(environment)
        said = (
            condition.false_alarms
            for trigger in held.config.triggers
            if trigger.pipeline in publishing and declared in trigger.environments
            for condition in trigger.every
            if isinstance(condition, DriftCondition)
        )
        return min(said, key=lambda text: chance_of(*budget(text)), default=USUAL)

    @staticmethod
    def _end(tx: Transaction, windows: Iterable[Window], now: datetime) -> None:
        """End the alarms of versions that answered nothing any more."""
        answering = {(w.environment, w.model): 0 for w in windows}
        for window in windows:
            key = (window.environment, window.model)
            answering[key] = max(answering[key], window.version)
        for alarm in tx.find(Alarm, ended=None):
            newest = answering.get((alarm.environment, alarm.model))
            if newest is not None and newest > alarm.version:
                _ended(tx, alarm, now, f"version {newest} answers")


def _labelled(reader: Reader, today: datetime) -> tuple[list[Window], list[Window]]:
    """Windows that are over and whose labels have come by now: those to be judged by them, and others, since
    another version answers or they are no whole days.

    Labels that come first are often of another kind (of the night, of what failed soon), so that half of them
    are enough only when none came for a day.
    """
    due = reader.find(
        Window,
        variant="champion",
        truth="",
        start=Between(None, today),
        labelled=Between(ENOUGH),
        completeness=Between(HALF),
        order="start",
    )
    judged: list[Window] = []
    passed: list[Window] = []
    for window in due:
        if window.completeness < _NEARLY and window.measured > today - _DAY:
            continue
        of = {"model": window.model, "environment": window.environment, "variant": "champion"}
        [newest] = reader.pick(Window, ("version",), **of, order="-start", limit=1)
        answers = newest == (window.version,) and not part_of_day(reader, window)
        (judged if answers else passed).append(window)
    return judged, passed


def _note(tx: Transaction, judged: _Judged, now: datetime) -> None:
    """Raise an alarm about a window, go on with it, or end it. Where labels come in another order than
    windows, the latest window counts.
    """
    window, what, found = judged.window, judged.what, judged.judgement
    standing = tx.find(
        Alarm,
        environment=window.environment,
        model=window.model,
        version=window.version,
        what=what,
        ended=None,
    )
    if standing and window.end <= standing[0].last:
        return
    if found.moved and standing:
        alarm = standing[0]
        tx.put(
            replace(
                alarm,
                last=window.end,
                windows=alarm.windows + 1,
                columns=found.moved,
                why=_why(judged, alarm.since),
            )
        )
    elif found.moved:
        _raise(tx, judged, now)
    elif standing and not found.unsaid:
        _ended(tx, standing[0], now, "the newest window is as in training", back=True)


def _raise(tx: Transaction, judged: _Judged, now: datetime) -> None:
    window, found, version = judged.window, judged.judgement, judged.version
    before = tx.find(
        Window,
        model=window.model,
        environment=window.environment,
        version=window.version,
        variant="champion",
        start=Between(None, window.end),
        order="start",
    )
    first = found.moved[0].column
    # distances of single days tell little of what many columns began, or of what several days showed
    told = judged.what == "inputs" and not found.jointly and not found.days and first in window.drift
    begun = since(before, first) if told else (found.days or (window,))[0].start
    alarm = Alarm(
        id=tx.mint(Alarm),
        project=version.project,
        environment=window.environment,
        model=window.model,
        version=window.version,
        what=judged.what,
        raised=now,
        since=begun,
        window=window.id,
        last=window.end,
        windows=1,
        rows=judged.rows,
        chance=found.chance,
        false_alarms=judged.allowed,
        columns=found.moved,
        why=_why(judged, begun),
    )
    [event] = tx.publish(
        Event(
            kind="alarm.raised",
            subject=f"alarm:{alarm.id}",
            time=now,
            project=version.project,
            evidence={
                "environment": alarm.environment,
                "why": alarm.why,
                "window": window.id,
                "chance": alarm.chance,
                "days": max(1, len(found.days)),
                "false_alarms": judged.allowed,
                "columns": [msgspec.to_builtins(each) for each in found.moved],
            },
            cause=version.event or None,
        )
    )
    tx.add(replace(alarm, event=event))


def _tell(tx: Transaction, judged: _Judged) -> None:
    """Keep with a window of what nothing is said, and what its labels were used for."""
    what, found = judged.what, judged.judgement
    whole = [Unsaid(what=what, why=found.unsaid)] if found.unsaid else []
    columns = [Unsaid(what=what, column=column, why=why) for column, why in found.aside.items()]
    window = tx.get(Window, judged.window.id)
    others = [each for each in window.unsaid if each.what != what]
    truth = window.truth
    if what == "relation":
        truth = "learnt" if found.learnt else "moved" if found.moved else "judged"
    tx.put(replace(window, unsaid=(*others, *whole, *columns), truth=truth))


def _ended(tx: Transaction, alarm: Alarm, now: datetime, why: str, *, back: bool = False) -> None:
    tx.put(replace(alarm, ended=now, back=back))
    tx.publish(
        Event(
            kind="alarm.ended",
            subject=f"alarm:{alarm.id}",
            time=now,
            project=alarm.project,
            evidence={"environment": alarm.environment, "why": why},
            cause=alarm.event,
        )
    )


def _why(judged: _Judged, begun: datetime) -> str:
    window, moved = judged.window, judged.judgement.moved
    shown = "; ".join(f"{each.column}: {each.how}" for each in moved[:3])
    more = f" and {len(moved) - 3} more" if moved[3:] else ""
    of = (
        "the relation between inputs and truth is not what it was in held-out rows"
        if judged.what == "relation"
        else f"the {judged.what} of version {window.version} are not those of training"
    )
    days = judged.judgement.days
    together = f"over the last {len(days)} days, " if days else ""
    if judged.judgement.jointly:
        together += "together, columns are further off than days differ, most of all "
    rows = f"{judged.rows:,} answers"
    if judged.what in _TRUTHS:
        rows += f" whose labels are known, {window.completeness:.0%} of those"
    on = f"{window.start:%Y-%m-%d}"
    if days:
        on = f"{len(days)} days from {days[0].start:%Y-%m-%d} to {on}"
    return (
        f"{of} since {begun:%Y-%m-%d}: {together}{shown}{more}"
        f" ({rows} on {on}, chance {_odds(judged.judgement.chance)})"
    )


def _odds(chance: float) -> str:
    return f"1 in {1 / chance:,.0f} without change"
