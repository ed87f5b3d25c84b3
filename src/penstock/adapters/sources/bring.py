"""Sources that lie elsewhere, as files for as long as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import msgspec

from penstock.adapters.sources.increments import Increments
from penstock.datasets.places import addressed
from penstock.datasets.types import Delta, Objects, Source, Sql
from penstock.runs.earlier import VERSION

_KINDS: dict[type, str] = {Sql: "database", Delta: "delta", Objects: "objects"}


class Origin(Protocol):
    """How rows of a kind of source are brought here: a module of this package."""

    def state(self, source: Source, data_root: Path) -> str:
        """What is another whenever rows have come or gone. Raises NotFound, InvalidValue and Unavailable."""
        ...

    def bring(self, source: Source, data_root: Path, folder: Path, columns: Sequence[str]) -> int | None:
        """Write the rows to files in a folder, and where columns are named only these. Raises as `state`.

        Gives the version of the table that they are of, where it has versions.
        """
        ...


def origin_of(source: Source) -> Origin | None:
    """Who brings the rows of a source; nobody where it is read from files of the data root."""
    name = _KINDS.get(type(source.kind))
    return cast(Origin, import_module(f"penstock.adapters.sources.{name}")) if name else None


@contextmanager
def at_hand(
    source: Source,
    data_root: str,
    secrets: Mapping[str, str],
    increments: Increments | None = None,
    logged: str = "",
    *,
    past: datetime | None = None,
) -> Iterator[tuple[Source, str]]:
    """A source as files, and the data root that they are under. Raises as `Origin`.

    With `increments`, what earlier runs kept of a source with a watermark is not read again, and the version
    of a table is told there; `logged` is the file with the rows of a source of predictions. Of a `past` time
    a table with versions is that which was the newest then.
    """
    if logged:
        with tempfile.TemporaryDirectory(prefix="penstock-source-") as folder:
            Path(folder, "answers.parquet").symlink_to(logged)
            yield as_files(source), folder
        return
    origin = origin_of(source)
    if origin is None:
        yield source, data_root
        return
    with tempfile.TemporaryDirectory(prefix="penstock-source-") as folder:
        if increments and isinstance(source.kind, Sql) and source.kind.watermark:
            increments.bring(addressed(source, secrets), Path(data_root), Path(folder))
        else:
            meant = addressed(source, secrets)
            if past and isinstance(source.kind, Delta):
                from penstock.adapters.sources.delta import as_it_was  # for such tables only

                meant = as_it_was(meant, Path(data_root), past)
            version = origin.bring(meant, Path(data_root), Path(folder), ())
            if increments and version is not None:
                increments.meta = {VERSION: version}
        yield as_files(source), folder


def as_files(source: Source) -> Source:
    """The source of the files that were brought."""
    return msgspec.structs.replace(source, path=".", kind=msgspec.UNSET)
