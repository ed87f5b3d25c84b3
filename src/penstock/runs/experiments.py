"""Experiments: named series of runs, of one pipeline or of what something else carries out."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from penstock.core.errors import Conflict, NotAllowed, NotFound
from penstock.lineage.ports import Reader, Transaction
from penstock.lineage.tags import check_key


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A series of runs. `id` is a number; `name` is unique.

    That of a pipeline is called `project/pipeline` and has its `project`; any other is a client's own, which
    may rename and delete it.
    """

    unique: ClassVar[tuple[str, ...]] = ("name",)

    id: str
    name: str
    project: str
    created: datetime
    changed: datetime
    deleted: datetime | None = None


FIRST = "0"
"""The experiment of clients that name none. It is there before anybody has used it."""


def of_pipeline(tx: Transaction, project: str, pipeline: str, now: datetime) -> str:
    """The experiment of a pipeline, begun with its first run."""
    name = f"{project}/{pipeline}"
    found = tx.pick(Experiment, ("id", "project"), name=name)
    if not found:
        return begin(tx, name, now, project=project).id
    [(number, owner)] = found
    if not owner:  # a client had begun one of this name
        tx.put(replace(tx.get(Experiment, number), project=project))
    return str(number)


def begin(tx: Transaction, name: str, now: datetime, *, project: str = "") -> Experiment:
    """Begin an experiment. Raises Conflict when the name is taken, and InvalidValue for what is no name."""
    check_key(name, "experiment")
    if find(tx, name):
        raise Conflict(what=f"There is already an experiment {name!r}")
    made = Experiment(id=tx.mint(Experiment), name=name, project=project, created=now, changed=now)
    tx.add(made)
    return made


def get(reader: Reader, number: str) -> Experiment:
    """The experiment with a number. Raises NotFound."""
    found = reader.find(Experiment, id=number)
    if found:
        return found[0]
    if number == FIRST:
        return _first()
    raise NotFound(what=f"There is no experiment {number}")


def find(reader: Reader, name: str) -> Experiment | None:
    """The experiment with a name, None if there is none."""
    found = reader.find(Experiment, name=name)
    if not found and name == "Default" and not reader.count(Experiment, id=FIRST):
        return _first()
    return found[0] if found else None


def everyone(reader: Reader) -> list[Experiment]:
    """Every experiment, the one that was begun last first."""
    found = reader.find(Experiment, order="-created")
    return found if any(each.id == FIRST for each in found) else [*found, _first()]


def change(tx: Transaction, found: Experiment, now: datetime, **changes: object) -> Experiment:
    """Keep an experiment with changes of its own. Raises NotAllowed for that of a pipeline."""
    if found.project:
        raise NotAllowed(
            what=f"The experiment {found.name} is that of a pipeline, which gives it its name and its runs.",
            fix="Log to an experiment of your own.",
        )
    changed: Experiment = replace(found, changed=now, **changes)
    (tx.put if tx.count(Experiment, id=found.id) else tx.add)(changed)
    return changed


def _first() -> Experiment:
    begun = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return Experiment(id=FIRST, name="Default", project="", created=begun, changed=begun)
