"""The schema of a home: made for a new one, brought up to date for an old one, never touched in a newer."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from penstock.adapters.storage.engine import reading, writing
from penstock.adapters.storage.migrations import HEAD
from penstock.adapters.storage.tables import TABLES, metadata
from penstock.core.errors import Conflict, Corrupt
from penstock.lineage.types import Setting

_REVISION = Table(  # as Alembic makes it
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def prepare(engine: Engine, path: Path, settings: Sequence[Setting]) -> None:
    """Make the schema current; a new home is born with `settings`.

    Processes that open one home at once take turns. Raises Conflict if a newer Penstock made it
    and Corrupt if the file is a database of something else.
    """
    with _alone(path):
        with reading(engine) as connection:
            found = _revision(connection, path)
        if found == HEAD:
            return
        if found > HEAD:
            raise Conflict(
                what="This is the home directory of a newer version of Penstock",
                expected=f"schema {HEAD} or older",
                found=f"schema {found} in {path}",
                fix="Install the newer version, or use another home directory.",
            )
        with writing(engine) as connection:
            if found:
                _upgrade(connection)
            else:
                _create(connection, settings)


def _revision(connection: Connection, path: Path) -> str:
    """The schema's revision, empty for a new home."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return ""
    if _REVISION.name not in tables:
        raise Corrupt(
            what=f"{path} is not a store of Penstock", found=f"a database with {', '.join(tables[:5])}"
        )
    revision: str = connection.execute(select(_REVISION.c.version_num)).scalar_one()
    return revision


def _create(connection: Connection, settings: Sequence[Setting]) -> None:
    # A test holds that this is what all migrations together make; it takes a hundredth of their time.
    metadata.create_all(connection)
    _REVISION.create(connection)
    connection.execute(insert(_REVISION), {"version_num": HEAD})
    for setting in settings:
        connection.execute(insert(TABLES[Setting]), {"id": setting.id, "value": setting.value})


def _upgrade(connection: Connection) -> None:
    from penstock.adapters.storage.migrations.upgrade import upgrade  # Alembic is slow to import

    upgrade(connection)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}-open").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
