"""Runs that something else carries out, as it tells of them: metrics, parameters, tags, files and data."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed
from penstock.core.events import Event
from penstock.lineage.attachments import File, attach, detach
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.lineage.tags import check_key, check_text, drop_tag, set_tags
from penstock.pipelines.types import Graph
from penstock.runs import experiments
from penstock.runs.experiments import Experiment
from penstock.runs.types import Metric, Run, RunStatus, Workspace

NOWHERE = Workspace(python="", folder="", data_root="", lock="")
"""Where the code of a run lives that is not carried out here."""
UNDEFINED = "undefined."
"""What begins the tag that tells of a metric which was not a number, and when."""
LEAST, GREATEST = -(2**63), 2**63 - 1
"""The counts that every store keeps."""


class Point(msgspec.Struct, frozen=True):
    """A measured value, at the caller's own count and time. It may be infinite, or not a number."""

    name: str
    value: float
    time: datetime
    index: int = 0


class UsedData(msgspec.Struct, frozen=True, kw_only=True):
    """Data, or a logged model, that a client said a run used. `id` is `run/name/digest`.

    All of it is the client's own words: `digest` names no blob, and `source` is read by nobody.
    """

    id: str
    run: str
    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: dict[str, str] = {}


class Logbook:
    """Takes down what clients tell of runs. What Penstock carries out itself only takes tags."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin_experiment(self, name: str, tags: Mapping[str, str], *, actor: str) -> Experiment:
        """Begin an experiment. Raises Conflict when the name is taken."""
        now = self._clock.now()
        with self._store.begin() as tx:
            made = experiments.begin(tx, name, now)
            tx.publish(_of(made, "experiment.begun", actor, now))
            set_tags(tx, f"experiment:{made.id}", tags)
        return made

    def change_experiment(
        self, experiment: str, *, actor: str, name: str = "", deleted: bool | None = None
    ) -> Experiment:
        """Give an experiment another name, delete or restore it.

        Raises NotFound, Conflict for a name that is taken, and NotAllowed for that of a pipeline.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            found = experiments.get(tx, experiment)
            if name and name != found.name and experiments.find(tx, check_key(name, "experiment")):
                raise Conflict(what=f"There is already an experiment {name!r}")
            gone = found.deleted if deleted is None else (now if deleted else None)
            changed = experiments.change(tx, found, now, name=name or found.name, deleted=gone)
            tx.publish(_of(changed, "experiment.changed", actor, now))
        return changed

    def open(self, experiment: str, *, actor: str, started: datetime | None, tags: Mapping[str, str]) -> Run:
        """Begin a run in an experiment. Raises NotFound, and Conflict for an experiment that was deleted."""
        now = self._clock.now()
        with self._store.begin() as tx:
            series = experiments.get(tx, experiment)
            if series.deleted:
                raise Conflict(what=f"The experiment {series.name} was deleted.", fix="Restore it first.")
            number = tx.mint(Run)
            run = Run(
                id=number,
                project="",
                pipeline=series.name,
                environment="",
                release="",
                firing="",
                graph=Graph(pipeline=series.name, target=""),
                params={},
                workspace=NOWHERE,
                as_of=started or now,
                created=started or now,
                started=started or now,
                status="open",
                actor=actor,
                experiment=series.id,
            )
            [event] = tx.publish(_told(run, "run.opened", actor, now, experiment=series.name))
            run = replace(run, event=event)
            tx.add(run)
            set_tags(tx, f"run:{number}", tags)
        return run

    def close(self, run: str, status: RunStatus, ended: datetime | None, *, actor: str) -> Run:
        """Take down how a run ended, or that it goes on (`open`). Raises NotFound and NotAllowed."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = told(tx, run)
            finished = None if status == "open" else ended or now
            if (found.status, found.finished) == (status, finished):
                return found
            [event] = tx.publish(
                _told(found, f"run.{'reopened' if status == 'open' else 'closed'}", actor, now, status=status)
            )
            found = replace(found, status=status, finished=finished, event=event)
            tx.put(found)
        return found

    def delete(self, run: str, *, actor: str, restore: bool = False) -> Run:
        """Let a run be seen no more, or again. Raises NotFound, and NotAllowed for one of Penstock's own."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = told(tx, run, deleted=True)
            if (found.deleted is None) == restore:
                return found
            [event] = tx.publish(_told(found, f"run.{'restored' if restore else 'deleted'}", actor, now))
            found = replace(found, deleted=None if restore else now, event=event)
            tx.put(found)
        return found

    def log(
        self,
        run: str,
        *,
        metrics: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add what was measured and set, all of it or nothing.

        Raises NotFound, NotAllowed, and InvalidValue for a parameter that has another value already.
        """
        with self._store.begin() as tx:
            if metrics or params:
                found = told(tx, run)
                if params:
                    _set(tx, found, params)
                tags = {**_measure(tx, run, metrics), **(tags or {})}
            else:
                present(tx, run)
            set_tags(tx, f"run:{run}", tags or {})

    def untag(self, run: str, key: str) -> None:
        """Remove a tag. Raises NotFound."""
        with self._store.begin() as tx:
            present(tx, run)
            drop_tag(tx, f"run:{run}", key)

    def used(self, run: str, data: Iterable[UsedData]) -> None:
        """Take down what a run used; the same again changes nothing. Raises NotFound and NotAllowed."""
        with self._store.begin() as tx:
            told(tx, run)
            for each in data:
                check_key(each.name, "data set")
                if not tx.count(UsedData, id=each.id):
                    tx.add(each)

    def attach(self, run: str, path: str, file: File) -> None:
        """Keep a file with a run. Raises NotFound, NotAllowed, and InvalidValue for what is no path."""
        with self._store.begin() as tx:
            told(tx, run)
            attach(tx, f"run:{run}", path, file, self._clock.now())

    def detach(self, run: str, path: str) -> None:
        """Remove a file or folder of a run. Raises NotFound and NotAllowed."""
        with self._store.begin() as tx:
            told(tx, run)
            detach(tx, f"run:{run}", path, self._clock.now())


def present(reader: Reader, run: str) -> Run:
    """A run that was not deleted. Raises NotFound and Conflict."""
    found = reader.get(Run, run)
    if found.deleted:
        raise Conflict(what=f"Run {run} was deleted.", fix="Restore it first.")
    return found


def told(reader: Reader, run: str, *, deleted: bool = False) -> Run:
    """A run that something else carries out. Raises NotFound, Conflict, and NotAllowed for any other."""
    found = reader.get(Run, run) if deleted else present(reader, run)
    if not found.told:
        raise NotAllowed(
            what=f"Run {run} is one that Penstock carries out: what it measured comes from its steps.",
            fix="Log inside its steps, or to a run of your own.",
        )
    return found


def _set(tx: Transaction, run: Run, params: Mapping[str, str]) -> None:
    for key, value in params.items():
        before = run.params.get(check_key(key, "parameter"))
        if before is not None and before != value:
            raise InvalidValue(
                what=f"The parameter {key} of run {run.id} cannot change",
                expected=repr(before),
                found=repr(value[:80]),
                fix="A parameter is what a run was started with; use a tag or a metric for what changes.",
            )
        check_text(key, value)
    if params.items() - run.params.items():
        tx.put(replace(run, params={**run.params, **params}))


def _measure(tx: Transaction, run: str, points: Sequence[Point]) -> dict[str, str]:
    """Add metrics, each once however often it is told; gives tags for those that were not numbers.

    No more is read than the last of each name, however many there are.
    """
    new: dict[str, Metric] = {}
    undefined: dict[str, str] = {}
    for point in points:
        check_key(point.name, "metric")
        if math.isnan(point.value):
            undefined[f"{UNDEFINED}{point.name}"] = f"not a number at {point.index}"
            continue
        metric = _metric(run, point)
        new[metric.id] = metric
    for (known,) in tx.pick(Metric, ("id",), id=tuple(new)) if new else ():
        del new[known]
    if new:
        _append(tx, run, new)
    return undefined


def _append(tx: Transaction, run: str, new: Mapping[str, Metric]) -> None:
    names = tuple(dict.fromkeys(metric.name for metric in new.values()))
    before = {metric.name: metric for metric in tx.find(Metric, run=run, name=names, final=True)}
    last = dict(before)
    for metric in new.values():
        if metric.name not in last or _place(metric) >= _place(last[metric.name]):
            last[metric.name] = metric
    tx.put(*(replace(metric, final=False) for name, metric in before.items() if last[name] is not metric))
    tx.add(*(replace(metric, final=last[metric.name] is metric) for metric in new.values()))


def _metric(run: str, point: Point) -> Metric:
    """Infinity is kept as the largest number, which no store confuses with another."""
    value = max(-sys.float_info.max, min(sys.float_info.max, point.value))
    if not LEAST <= point.index <= GREATEST:
        raise InvalidValue(expected="a count of 64 bits", found=str(point.index))
    moment = point.time.timestamp()
    return Metric(
        id=f"{run}//{point.name}/{point.index}@{moment:.3f}={value!r}",
        run=run,
        step="",
        name=point.name,
        value=value,
        index=point.index,
        time=point.time,
    )


def _place(metric: Metric) -> tuple[int, datetime, float]:
    return metric.index, metric.time, metric.value


def _told(run: Run, kind: str, actor: str, now: datetime, **evidence: Any) -> Event:
    return Event(
        kind=kind,
        subject=f"run:{run.id}",
        time=now,
        actor=actor,
        evidence=evidence,
        cause=run.event or None,
    )


def _of(experiment: Experiment, kind: str, actor: str, now: datetime) -> Event:
    return Event(
        kind=kind,
        subject=f"experiment:{experiment.id}",
        time=now,
        actor=actor,
        evidence={"name": experiment.name, "deleted": experiment.deleted is not None},
    )
