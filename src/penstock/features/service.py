"""Materialisation: the newest values of feature views are computed, and brought to the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Busy, Corrupt, InvalidValue, NotFound, PenstockError
from penstock.core.events import Event
from penstock.datasets.columns import column_type
from penstock.datasets.types import Column
from penstock.features.decide import due, left, needed, refilled, removable
from penstock.features.latest import EVENT, KNOWN, rows_to_keep
from penstock.features.named import named_view
from penstock.features.ports import Computed, OnlineStore, Work
from penstock.features.pushed import pushed_rows
from penstock.features.reading import view_online
from penstock.features.records import decode_record, entity_key, of_feature, values_at
from penstock.features.types import Materialization, Placed
from penstock.features.windows import types_of
from penstock.lineage.ports import Blobs, Reader, Store, Transaction

AT_ONCE = 20_000
"""Rows that one tick brings to the online store: it goes on from there after a crash, too."""


class Features:
    """The online values of the feature views that are deployed."""

    def __init__(self, store: Store, blobs: Blobs, online: OnlineStore, work: Work, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._online = online
        self._work = work
        self._clock = clock
        self._loading: tuple[str, pl.DataFrame] = ("", pl.DataFrame())
        self._removing: dict[str, str] = {}

    def tick(self, now: datetime) -> bool:
        """Start what is due, bring what was computed to the online store and remove from it what nobody has
        needed for long, part by part.
        """
        with self._store.read() as reader:
            views = self._work.views(reader)
            wanted = {placed.id for placed in views}
            idle = [state for state in reader.find(Materialization) if state.id not in wanted]
        contents = self._online.contents() if views else ""
        changed = [self._consider(placed, contents, now) for placed in views]
        changed += [
            self._leave(state, now) for state in idle if left(state, now) != state or removable(state)
        ]
        return any(changed)

    def materialize(
        self, project: str, environment: str, views: Sequence[str], *, full: bool, actor: str
    ) -> list[Materialization]:
        """Ask for the newest values of some views, or of all, in an environment, in every version of them.

        Only rows that differ from those of the last time are written, or with `full` all of them.
        Raises NotFound for a view that is not there.
        """
        found = self.placed(project, environment)
        if not found:
            raise NotFound(
                what=f"No feature view of {project} is in {environment}.",
                fix="Deploy a release whose pipelines train on one: penstock environments.",
            )
        for name in views:
            named_view(name, found, environment)
        chosen = [each for each in found if not views or each.view.name in views]
        with self._store.begin() as tx:
            asked = [replace(_state(tx, each), asked=True, full=full, actor=actor) for each in chosen]
            for state in asked:
                _keep(tx, state)
        return asked

    def placed(self, project: str = "", environment: str = "") -> list[Placed]:
        """The views that are needed, of one project and environment or of all."""
        with self._store.read() as reader:
            views = self._work.views(reader)
        return [
            each for each in views if project in {"", each.project} and environment in {"", each.environment}
        ]

    def standing(self, placed: Placed) -> Materialization:
        """How far the online values of a view are."""
        with self._store.read() as reader:
            return _state(reader, placed)

    def standings(self, reader: Reader) -> list[tuple[Placed, Materialization]]:
        """The views that are needed, each with how far its online values are."""
        known = {state.id: state for state in reader.find(Materialization)}
        return [
            (placed, known.get(placed.id) or _state(reader, placed)) for placed in self._work.views(reader)
        ]

    def values(self, placed: Placed, entity: dict[str, str]) -> dict[str, Any]:
        """The online values of one entity, whose columns are given as text.

        `{"event", "known", "age" (seconds), "features": {name: {"value", "status"}}}`; times are None where
        nothing is there. Raises InvalidValue for other columns than those of the entity.
        """
        state, view, now = self.standing(placed), placed.view, self._clock.now()
        if state.as_of is None:
            raise NotFound(
                what=f"{view.name} has no online values in {placed.environment} yet.",
                fix=f"penstock features materialize {view.name} --in {placed.environment}",
            )
        if set(entity) != set(view.entity):
            raise InvalidValue(
                what=f"The feature view {view.name} is asked by its entity",
                expected=" ".join(f"{name}=VALUE" for name in view.entity),
                found=", ".join(entity) or "nothing",
            )
        key = entity_key(view.entity, [_typed(column, entity[column.name]) for column in state.entity])
        [[data]] = self._online.read([key], [placed.id])
        record = None if data is None else decode_record(data)
        reading = view_online(placed, state)
        stands, counts = values_at(reading, record, now)
        return {
            "event": record.event if record else None,
            "known": record.known if record else None,
            "age": (now - record.event).total_seconds() if record else None,
            "features": {
                name: {"value": counts.get(name), "status": of_feature(stands, counts, name)}
                for name in reading.features
            },
        }

    def write(self, placed: Placed, columns: Mapping[str, Sequence[Any]]) -> int:
        """Keep rows of a view that somebody else has made, given column by column; gives how many were kept.

        They are known from now on. A row that is older than what is there changes nothing.
        Raises NotFound before the first materialisation, and InvalidValue for columns that do not fit.
        """
        state, now = self.standing(placed), self._clock.now()
        if state.as_of is None:
            raise NotFound(
                what=f"Nobody knows yet which features {placed.view.name} has in {placed.environment}.",
                fix=f"penstock features materialize {placed.view.name} --in {placed.environment}",
            )
        return self._online.write(placed.id, pushed_rows(placed.view, state, columns, now))

    def _consider(self, placed: Placed, contents: str, now: datetime) -> bool:
        with self._store.read() as reader:
            state = refilled(needed(_state(reader, placed)), contents)
        if not state.run:
            if not due(state, placed.view, now) or (not state.asked and self._work.waits(placed)):
                return False
            return self._begin(placed, contents, now)
        computed = self._work.outcome(state.run)
        if computed is None:
            return False
        if computed.error:
            return self._end(placed, replace(state, error=computed.error, actor="penstock"), now)
        try:
            return self._load(placed, state, computed, now)
        except (NotFound, Corrupt) as error:  # what the run made is gone
            return self._end(placed, replace(state, error=str(error), actor="penstock"), now)

    def _begin(self, placed: Placed, contents: str, now: datetime) -> bool:
        try:
            start = self._work.ready(placed)
        except Busy:
            raise
        except PenstockError as error:
            state = refilled(needed(self.standing(placed)), contents)
            return self._end(placed, replace(state, asked=False, error=str(error)), now)
        with self._store.begin() as tx:
            state = refilled(needed(_state(tx, placed)), contents)
            if state.run or not due(state, placed.view, now):
                return True
            _keep(tx, replace(state, run=start(tx, state.actor), asked=False, loaded=0, rows=0))
        return True

    def _leave(self, state: Materialization, now: datetime) -> bool:
        """Get on with values that nobody needs: nobody comes to need them while one who writes looks."""
        with self._store.begin() as tx:
            state = tx.get(Materialization, state.id)
            if state.id in {placed.id for placed in self._work.views(tx)}:
                return True
            if not removable(state):
                _keep(tx, left(state, now))
                return True
            place = self._online.remove(state.id, self._removing.pop(state.id, ""))
            if place:
                self._removing[state.id] = place
                return True
            _keep(tx, replace(state, contents="", event=_told(tx, state, "removed", now, {})))
        return True

    def _load(self, placed: Placed, state: Materialization, computed: Computed, now: datetime) -> bool:
        """Write the next rows; the last of them end the materialisation."""
        table = self._changed(state, computed.table)
        part = table[state.loaded : state.loaded + AT_ONCE]
        self._online.write(placed.id, rows_to_keep(placed.view.entity, part))
        going = replace(state, loaded=state.loaded + part.height, rows=table.height)
        if going.loaded < table.height:
            with self._store.begin() as tx:
                if refilled(_state(tx, placed), state.contents) == state:
                    _keep(tx, going)
            return True
        entity = tuple(_column(name, table.schema[name]) for name in placed.view.entity)
        kinds = types_of(placed.view.aggregates, table.schema) if placed.view.aggregates else table.schema
        aside = {*placed.view.entity, EVENT, KNOWN}
        features = tuple(_column(name, kind) for name, kind in kinds.items() if name not in aside)
        done = replace(going, as_of=computed.as_of, table=computed.table, entity=entity, features=features)
        self._loading = ("", pl.DataFrame())
        return self._end(placed, replace(done, full=False, error="", actor="penstock"), now)

    def _changed(self, state: Materialization, digest: str) -> pl.DataFrame:
        """The rows that are to be written; asked again for the next part, they are the same."""
        loading = f"{state.run} into {state.contents}"
        if self._loading[0] != loading:
            table = pl.read_ipc(self._blobs.path(digest))
            if state.table and not state.full:
                table = _differing(table, self._blobs, state.table)
            self._loading = (loading, table)
        return self._loading[1]

    def _end(self, placed: Placed, ended: Materialization, now: datetime) -> bool:
        """Tell what became of a run, unless another process has: that may have begun a new one since."""
        word = "failed" if ended.error else "materialized"
        more = {"run": ended.run, "as_of": ended.as_of, "rows": ended.rows, "error": ended.error}
        with self._store.begin() as tx:
            there = _state(tx, placed)
            if (there.run, there.finished) == (ended.run, ended.finished):
                asked = ended.asked or (bool(ended.run) and there.asked)
                event = _told(tx, ended, word, now, more)
                _keep(tx, replace(ended, run="", asked=asked, finished=now, event=event))
        return True


def _differing(table: pl.DataFrame, blobs: Blobs, before: str) -> pl.DataFrame:
    """The rows that are not in the table of the last time; all where that is gone or differs."""
    try:
        known = pl.read_ipc(blobs.path(before))
    except (NotFound, Corrupt):
        return table
    if known.schema != table.schema:
        return table
    return table.join(known, on=table.columns, how="anti", nulls_equal=True, maintain_order="left")


def _state(reader: Reader, placed: Placed) -> Materialization:
    """How far it is. One that is new is asked for where another version of the view is there."""
    project, environment, view = placed.project, placed.environment, placed.view.name
    known = reader.find(Materialization, project=project, environment=environment, view=view)
    for state in known:
        if state.id == placed.id:
            return state
    return Materialization(
        id=placed.id,
        project=project,
        environment=environment,
        view=view,
        version=placed.version,
        asked=any(state.as_of for state in known),
    )


def _keep(tx: Transaction, state: Materialization) -> None:
    (tx.put if tx.count(Materialization, id=state.id) else tx.add)(state)


def _told(tx: Transaction, state: Materialization, word: str, now: datetime, more: dict[str, Any]) -> int:
    """Tell the ledger what became of values."""
    evidence = {"environment": state.environment, **more}
    told = Event(
        kind=f"features.{word}",
        subject=f"features:{state.id}",
        time=now,
        project=state.project,
        evidence=evidence,
    )
    return tx.publish(told)[0]


def _column(name: str, kind: pl.DataType) -> Column:
    return Column(name=name, dtype=column_type(kind), nullable=True)


def _typed(column: Column, text: str) -> Any:
    """A text as a value of an entity's column. Raises InvalidValue."""
    if column.dtype == "int" and text.removeprefix("-").isdecimal():
        return int(text)
    if column.dtype == "bool" and text in {"true", "false"}:
        return text == "true"
    if column.dtype == "string":
        return text
    kinds = {"int": "a whole number", "bool": "true or false"}
    raise InvalidValue(
        what=f"`{column.name}` has an impossible value", expected=kinds[column.dtype], found=repr(text)
    )
