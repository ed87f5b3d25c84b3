"""How a user declares a source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from penstock.core.errors import InvalidValue
from penstock.datasets.types import Events, Source


def files(
    path: str,
    *,
    event_time: str,
    known_time: str = "",
    key: str | tuple[str, ...] | list[str] = (),
    name: str = "",
) -> Source:
    """Declare the rows under `path`: a file, a folder or a pattern of CSV, JSON lines or Parquet.

    `path` is relative to the project's data root. `event_time` names the column that says when a
    row happened and `known_time` the one that says when it became known, if that was later; times
    without a zone are UTC. `key` names the columns that identify a row. Nothing is read here.
    The source is called `name`, else after the last part of the path.
    Raises InvalidValue for a path that leaves the data root or gives no name.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise InvalidValue(
            what="The source's path is not inside the data root",
            expected="a path such as data/flights",
            found=repr(path),
            fix="Write it relative to the data root, so that every environment can have its own data.",
        )
    return _source(name or _name(pure), path, event_time, known_time, key)


def events(
    name: str, *, event_time: str, key: str | tuple[str, ...] | list[str], known_time: str = "arrived_at"
) -> Source:
    """Declare rows that programs push, batch by batch, to `POST /sources/NAME/events`.

    `event_time` names the column that says when a row happened, and `key` those that identify it: a row that
    is pushed again is not doubled. When it arrived is written to the column `known_time`, which nobody
    pushes.
    The rows lie in files under `events/NAME` of the data root. Raises InvalidValue.
    """
    if not key:
        raise InvalidValue(
            what=f"The events {name!r} have no key",
            fix="Name the columns that identify an event, key=: what is pushed twice is told by them.",
        )
    source = _source(name, f"events/{name}", event_time, known_time, key, kind=Events())
    if not known_time or known_time in {event_time, *source.key}:
        raise InvalidValue(
            what=f"The events {name!r} need a column for the time at which they arrive",
            expected="a name that is neither the event time nor a key",
            found=repr(known_time),
        )
    return source


def _source(
    name: str, path: str, event_time: str, known_time: str, key: str | Sequence[str], **more: Any
) -> Source:
    if not event_time:
        raise InvalidValue(
            what=f"The source {path!r} has no event time",
            fix="Name the column that says when a row happened: event_time=.",
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InvalidValue(
            what="The source has no usable name",
            expected="letters, digits and underscores",
            found=repr(name),
            fix="Give it one with name=.",
        )
    return Source(
        name=name,
        path=path,
        event_time=event_time,
        known_time=known_time,
        key=(key,) if isinstance(key, str) else tuple(key),
        **more,
    )


def _name(path: PurePosixPath) -> str:
    """`data/flights`, `data/flights.csv` and `data/flights/*.csv` are all `flights`."""
    parts = [part for part in path.parts if not set(part) & set("*?[")]
    return PurePosixPath(parts[-1]).name.split(".")[0].replace("-", "_") if parts else ""
