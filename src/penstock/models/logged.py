"""Logged models: files of a model as a client stored them with a run, before anybody has judged them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.core.events import Event
from penstock.lineage.attachments import File, attach, detach
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.lineage.tags import check_key, check_text, drop_tag, set_tags
from penstock.runs import experiments

PREFIX = "m-"
"""What begins the id of a logged model, by which clients know it from a name in the registry."""

Status = Literal["pending", "ready", "failed"]


class Measurement(msgspec.Struct, frozen=True):
    """A number that a client measured of a logged model, in a run and on data of that name."""

    name: str
    value: float
    time: datetime
    index: int
    run: str = ""
    data: str = ""
    digest: str = ""


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as a client stored it. `id` is `m-` and a number; its files are attachments of `logged:id`.

    `run` is where it was made, empty for none, at that run's own count `step`; `kind` is the client's word.
    """

    id: str
    experiment: str
    run: str
    name: str
    kind: str
    status: Status
    params: dict[str, str]
    metrics: tuple[Measurement, ...] = ()
    step: int = 0
    created: datetime
    changed: datetime
    deleted: datetime | None = None


class LoggedModels:
    """Takes down the models that clients log."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin(
        self,
        experiment: str,
        *,
        run: str,
        name: str,
        kind: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        actor: str,
    ) -> LoggedModel:
        """Begin a logged model, whose files come next. Raises NotFound."""
        now = self._clock.now()
        with self._store.begin() as tx:
            experiments.get(tx, experiment)
            key = f"{PREFIX}{tx.mint(LoggedModel)}"
            model = LoggedModel(
                id=key,
                experiment=experiment,
                run=run,
                name=name or key,
                kind=kind,
                status="pending",
                params=_checked(params),
                created=now,
                changed=now,
            )
            tx.publish(
                Event(
                    kind="model.logged",
                    subject=subject(key),
                    time=now,
                    actor=actor,
                    evidence={"name": model.name, "run": run},
                )
            )
            tx.add(model)
            set_tags(tx, subject(key), tags)
        return model

    def change(self, model: str, **changes: Any) -> LoggedModel:
        """Keep a logged model with another `status` or `step`, or `params` beside those it has.

        Raises NotFound, and InvalidValue for a parameter that has another value.
        """
        with self._store.begin() as tx:
            found = present(tx, model)
            params = _checked(changes.pop("params", {}))
            clash = [key for key in params if found.params.get(key, params[key]) != params[key]]
            if clash:
                raise InvalidValue(
                    what=f"The parameter {clash[0]} of {model} cannot change",
                    expected=repr(found.params[clash[0]]),
                    found=repr(params[clash[0]]),
                )
            found = replace(found, params={**found.params, **params}, changed=self._clock.now(), **changes)
            tx.put(found)
        return found

    def made_by(self, run: str, models: Mapping[str, int]) -> None:
        """Take down that a run made models, each at the run's own count. Raises NotFound."""
        with self._store.begin() as tx:
            for model, step in models.items():
                found = present(tx, model)
                tx.put(replace(found, run=found.run or run, step=step, changed=self._clock.now()))

    def measure(self, measured: Sequence[tuple[str, Measurement]]) -> None:
        """Add what was measured of models; the same again changes nothing. Raises NotFound."""
        with self._store.begin() as tx:
            for model, measurement in measured:
                found = present(tx, model)
                if measurement not in found.metrics:
                    tx.put(replace(found, metrics=(*found.metrics, measurement)))

    def delete(self, model: str) -> None:
        """Let a logged model be seen no more. Raises NotFound."""
        with self._store.begin() as tx:
            tx.put(replace(present(tx, model), deleted=self._clock.now()))

    def tag(self, model: str, tags: Mapping[str, str]) -> None:
        """Attach texts. Raises NotFound."""
        with self._store.begin() as tx:
            present(tx, model)
            set_tags(tx, subject(model), tags)

    def untag(self, model: str, key: str) -> None:
        """Remove a tag. Raises NotFound."""
        with self._store.begin() as tx:
            present(tx, model)
            drop_tag(tx, subject(model), key)

    def attach(self, model: str, path: str, file: File) -> None:
        """Keep a file with a logged model that is not finished. Raises NotFound and Conflict."""
        with self._store.begin() as tx:
            _unfinished(tx, model)
            attach(tx, subject(model), path, file, self._clock.now())

    def detach(self, model: str, path: str) -> None:
        """Remove a file or folder of a logged model that is not finished. Raises NotFound and Conflict."""
        with self._store.begin() as tx:
            _unfinished(tx, model)
            detach(tx, subject(model), path, self._clock.now())


def subject(model: str) -> str:
    """What the files and tags of a logged model are attached to."""
    return f"logged:{model}"


def present(reader: Reader, model: str) -> LoggedModel:
    """A logged model that was not deleted. Raises NotFound."""
    found = reader.get(LoggedModel, model)
    if found.deleted:
        raise NotFound(what=f"The logged model {model} was deleted.")
    return found


def _unfinished(tx: Transaction, model: str) -> None:
    if present(tx, model).status == "ready":
        raise Conflict(
            what=f"The logged model {model} is finished: its files do not change any more.",
            fix="Log another model.",
        )


def _checked(params: Mapping[str, str]) -> dict[str, str]:
    return {check_key(key, "parameter"): check_text(key, value) for key, value in params.items()}
