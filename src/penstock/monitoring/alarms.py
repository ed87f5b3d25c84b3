"""The verbs of alarms: judge each window once when its day is over, raise an alarm, and end it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.checks.shifts import Calibration, Column
from penstock.core.events import Event
from penstock.datasets.days import SCORE, Days
from penstock.datasets.profiles import profile_like
from penstock.datasets.types import ColumnProfile, Profile
from penstock.deployments.environments import Environments
from penstock.lineage.ports import Between, Blobs, Reader, Store, Transaction
from penstock.lineage.types import Cursor
from penstock.models.types import Version
from penstock.monitoring.drift import ENOUGH, Judgement, calibrated, chance_of, judged, like, since, watched
from penstock.monitoring.ingest import position_of
from penstock.monitoring.measure import scores_of
from penstock.monitoring.types import Alarm, Unsaid, What, Window
from penstock.revisions.config import DriftCondition, budget

USUAL = "1 per 90d"
"""How often a model may alarm falsely of its inputs, or of its answers, where no trigger says it."""
_CURSOR = "alarms:judged"


class _Judged(msgspec.Struct, frozen=True):
    """What was found of a window, and how many false alarms were allowed."""

    window: Window
    what: What
    version: Version
    allowed: str
    judgement: Judgement


class Alarms:
    """Judges windows of champions against the days that their versions were trained on.

    A window is judged once, after its end and at its own size, so that looking more often finds no more.
    """

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._environments = Environments(blobs)
        self._days: dict[str, Days] = {}
        self._calibrations: dict[tuple[str, int, tuple[str, ...]], Calibration] = {}

    def tick(self, now: datetime) -> bool:
        """Judge the windows whose day ended since the last call."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        boundary = int(today.timestamp())
        with self._store.read() as reader:
            begun = position_of(reader, _CURSOR)
            if begun >= boundary:
                return False
            day = Between(datetime.fromtimestamp(begun, UTC), today)
            windows = reader.find(Window, start=day, variant="champion", order="start")
            self._keep({reader.get(Version, f"{w.model}@{w.version}").days for w in windows})
            found = [  # before anything is locked: a calibration takes a second or more
                self._found(reader, window, what) for window in windows for what in get_args(What)
            ]
        with self._store.begin() as tx:
            if position_of(tx, _CURSOR) != begun:  # another has judged them meanwhile
                return False
            for each in found:
                self._judge(tx, each, now)
                _tell(tx, each)
            self._end(tx, windows, now)
            cursor = Cursor(id=_CURSOR, position=boundary)
            (tx.put if tx.count(Cursor, id=_CURSOR) else tx.add)(cursor)
        return bool(windows)

    @staticmethod
    def _judge(tx: Transaction, judged: _Judged, now: datetime) -> None:
        window, what, found = judged.window, judged.what, judged.judgement
        standing = tx.find(
            Alarm,
            environment=window.environment,
            model=window.model,
            version=window.version,
            what=what,
            ended=None,
        )
        if found.moved and standing:
            alarm = standing[0]
            tx.put(
                replace(
                    alarm,
                    last=window.end,
                    windows=alarm.windows + 1,
                    columns=found.moved,
                    why=_why(window, what, found, alarm.since),
                )
            )
        elif found.moved:
            _raise(tx, judged, now)
        elif standing and not found.unsaid:
            _ended(tx, standing[0], now, "the newest window is as in training")

    def _found(self, reader: Reader, window: Window, what: What) -> _Judged:
        """What is to be said of a window."""
        version = reader.get(Version, f"{window.model}@{window.version}")
        allowed = self._allowed(reader, version, window.environment, what)
        judgement = self._judgement(reader, version, window, what, chance_of(*budget(allowed)))
        return _Judged(window, what, version, allowed, judgement)

    def _judgement(
        self, reader: Reader, version: Version, window: Window, what: What, chance: float
    ) -> Judgement:
        if part := _part(reader, window):
            return Judgement(unsaid=part)
        if window.predictions < ENOUGH:
            return Judgement(
                unsaid=f"its {window.predictions} answers are fewer than the {ENOUGH} that it takes"
            )
        days = self._days_of(version)
        if days is None:
            return Judgement(unsaid=f"nobody knows how the rows of version {version.number} were by day")
        inputs = {column.name for column in version.signature.inputs}
        columns, aside, unsaid = watched(days, inputs if what == "inputs" else {SCORE} - inputs)
        if unsaid:
            return Judgement(unsaid=unsaid, aside=aside)
        now = {column.name: column for column in window.profile.columns}
        if what == "outputs":
            now[SCORE] = _scores(reader, window, days)
        columns = {name: column for name, column in columns.items() if name in now}
        calibration = self._calibration(version.days, columns, window.predictions)
        found = judged(calibration, now, days, version.influence, chance)
        return replace(found, aside=aside | found.aside)

    def _keep(self, answering: set[str]) -> None:
        """Forget the days of versions that answer no more."""
        self._days = {key: days for key, days in self._days.items() if key in answering}
        self._calibrations = {key: each for key, each in self._calibrations.items() if key[0] in answering}

    def _calibration(self, days: str, columns: dict[str, Column], rows: int) -> Calibration:
        """Of the days of training, whatever version has them: environments may share a model."""
        key = (days, like(rows), tuple(columns))
        if key not in self._calibrations:
            self._calibrations[key] = calibrated(columns, rows)
        return self._calibrations[key]

    def _days_of(self, version: Version) -> Days | None:
        if not version.days:
            return None
        if version.days not in self._days:
            self._days[version.days] = msgspec.json.decode(self._blobs.get(version.days), type=Days)
        return self._days[version.days]

    def _allowed(self, reader: Reader, version: Version, environment: str, what: What) -> str:
        """How many false alarms a trigger there allows the model, in words."""
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
            if isinstance(condition, DriftCondition) and condition.what == what
        )
        return next(said, USUAL)

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
    begun = since(before, found.moved[0].column) if judged.what == "inputs" else window.start
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
        rows=window.predictions,
        chance=found.chance,
        false_alarms=judged.allowed,
        columns=found.moved,
        why=_why(window, judged.what, found, begun),
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
                "false_alarms": judged.allowed,
                "columns": [msgspec.to_builtins(each) for each in found.moved],
            },
            cause=version.event or None,
        )
    )
    tx.add(replace(alarm, event=event))


def _tell(tx: Transaction, judged: _Judged) -> None:
    """Keep with a window of what nothing is said."""
    what, found = judged.what, judged.judgement
    whole = [Unsaid(what=what, why=found.unsaid)] if found.unsaid else []
    columns = [Unsaid(what=what, column=column, why=why) for column, why in found.aside.items()]
    window = tx.get(Window, judged.window.id)
    others = [each for each in window.unsaid if each.what != what]
    tx.put(replace(window, unsaid=(*others, *whole, *columns)))


def _part(reader: Reader, window: Window) -> str:
    """Why a version did not answer a day from its beginning to its end, empty if it did: parts of days differ
    from days.
    """
    of: dict[str, Any] = {"model": window.model, "environment": window.environment, "variant": "champion"}
    if reader.count(Window, **of, start=window.start) > 1:
        return "versions took turns on this day, and a part of a day is no day"
    if not reader.count(Window, **of, version=window.version, start=Between(None, window.start)):
        return "it is the first day of the version, and a part of a day is no day"
    return ""


def _ended(tx: Transaction, alarm: Alarm, now: datetime, why: str) -> None:
    tx.put(replace(alarm, ended=now))
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


def _why(window: Window, what: What, found: Judgement, begun: datetime) -> str:
    shown = "; ".join(f"{each.column}: {each.how}" for each in found.moved[:3])
    more = f" and {len(found.moved) - 3} more" if found.moved[3:] else ""
    of = f"the {what} of version {window.version}"
    return (
        f"{of} are not those of training since {begun:%Y-%m-%d}: {shown}{more}"
        f" ({window.predictions:,} answers on {window.start:%Y-%m-%d}, chance {_odds(found.chance)})"
    )


def _odds(chance: float) -> str:
    return f"1 in {1 / chance:,.0f} without change"


def _scores(reader: Reader, window: Window, days: Days) -> ColumnProfile:
    reference = next(column for column in days.profile.columns if column.name == SCORE)
    frame = pl.DataFrame({SCORE: scores_of(reader, window)}, schema={SCORE: pl.Float64})
    return profile_like(frame, Profile(rows=0, columns=(reference,))).columns[0]
