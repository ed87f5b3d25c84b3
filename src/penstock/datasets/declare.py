"""How a user declares a source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from penstock.core.errors import InvalidValue
from penstock.core.words import require_texts, texts
from penstock.datasets.places import is_secret, without_password
from penstock.datasets.types import WRITTEN, Delta, Events, Objects, Predictions, Source, Sql

_SCHEMES = ("s3", "gs", "az", "https", "http")


def files(
    path: str,
    *,
    event_time: str = "",
    known_time: str = "",
    key: str | tuple[str, ...] | list[str] = (),
    name: str = "",
) -> Source:
    """Declare the rows under `path`: a file, a folder or a pattern of CSV, JSON lines or Parquet.

    `path` is relative to the project's data root, or an address: `s3://`, `gs://`, `az://` or `https://`.
    `event_time` names the column that says when a row happened and `known_time` the one that says when it
    became known, if that was later; times without a zone are UTC. Rows that do not say when they happened
    count from the time at which their file was written: models are trained on them, but no feature view is
    made of them. `key` names the columns that identify a row. Nothing is read here.
    The source is called `name`, else after the last part of the path.
    Raises InvalidValue for a path that leaves the data root or gives no name.
    """
    require_texts("files(...)", path=path, event_time=event_time, known_time=known_time, name=name)
    event_time = event_time or known_time or WRITTEN
    if "://" in path:
        return _remote(path, name, event_time, known_time, key)
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


def sql(
    url: str,
    *,
    table: str = "",
    query: str = "",
    event_time: str,
    known_time: str = "",
    watermark: str = "",
    key: str | tuple[str, ...] | list[str] = (),
    name: str = "",
) -> Source:
    """Declare the rows of a database: of a `table` (or `schema.table`, or a view), or of a `query`.

    `url` is an address such as `postgresql://HOST/DATABASE` or `sqlite:///shop.db`, which is relative to the
    data root; or the name of a secret that holds one, such as `WAREHOUSE_URL`. With a `watermark`, a column
    that only grows, such as a number or the time of the last change, a run reads what is new since
    the run before. The source is called `name`, else after the table. Nothing is read here.
    Raises InvalidValue.
    """
    if bool(table) == bool(query):
        raise InvalidValue(
            what=f"The source {name or table or url!r} needs a table or a query",
            expected="one of table= and query=",
            found="both" if table else "neither",
        )
    named = name or table.rpartition(".")[2]
    if "://" not in url and not is_secret(url):
        raise InvalidValue(
            what=f"The source {named} has no address",
            expected="postgresql://HOST/DATABASE or the like, or the name of a secret such as WAREHOUSE_URL",
            found=repr(url),
        )
    address = without_password(named, url)
    kind = Sql(url=address, table=table, query=query, watermark=watermark)
    return _source(named, named, event_time, known_time, key, kind=kind)


def delta(
    path: str,
    *,
    version: int | None = None,
    event_time: str,
    known_time: str = "",
    key: str | tuple[str, ...] | list[str] = (),
    name: str = "",
) -> Source:
    """Declare the rows of the Delta table at `path`, in the data root or an object store, at a `version`.

    Without one it is the newest when a pipeline reads it. Nothing is read here. Raises InvalidValue.
    """
    pure = PurePosixPath(path.partition("://")[2] or path)
    if not path or ("://" not in path and (pure.is_absolute() or ".." in pure.parts)):
        raise InvalidValue(
            what="The path of the Delta table is not inside the data root",
            expected="a path such as data/orders, or an address such as s3://bucket/orders",
            found=repr(path),
        )
    if version is not None and version < 0:
        raise InvalidValue(expected="a version of the Delta table, from 0", found=str(version))
    named = name or _name(pure)
    kind = Delta(url=without_password(named, path), version=version)
    return _source(named, named, event_time, known_time, key, kind=kind)


def predictions(model: str, *, environment: str = "", name: str = "") -> Source:
    """Declare what a model answered and what really happened: rows to train on as they were served.

    There is a row for each answer whose label is known, with the inputs as the prediction log has them and
    the label by the name that it had in training; `prediction` is its id, `answered_at` its time and
    `told_at` when its label was last told. Answers are those of the run's environment unless one is named.
    The source is called `name`, else `MODEL_predictions`. Nothing is read here. Raises InvalidValue.
    """
    named = name or f"{model.replace('-', '_')}_predictions"
    kind = Predictions(model=model, environment=environment)
    return _source(named, named, "answered_at", "told_at", "prediction", kind=kind)


def _remote(url: str, name: str, event_time: str, known_time: str, key: str | Sequence[str]) -> Source:
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise InvalidValue(
            what="Files cannot be read from such an address",
            expected=", ".join(f"{each}://" for each in _SCHEMES),
            found=f"{scheme}://",
        )
    if scheme.startswith("http") and set(rest) & set("*?["):
        raise InvalidValue(
            what="At an HTTP address there is one file, whose name has no pattern",
            found=repr(url),
        )
    named = name or _name(PurePosixPath(rest))
    kind = Objects(url=without_password(named, url))
    return _source(named, named, event_time, known_time, key, kind=kind)


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
        key=texts(f"the source {name}", "key", key),
        **more,
    )


def _name(path: PurePosixPath) -> str:
    """`data/flights`, `data/flights.csv` and `data/flights/*.csv` are all `flights`."""
    parts = [part for part in path.parts if not set(part) & set("*?[")]
    return PurePosixPath(parts[-1]).name.split(".")[0].replace("-", "_") if parts else ""
