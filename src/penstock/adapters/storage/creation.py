"""Making and changing the schema, with SQLAlchemy: slow to import, and needed only then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    insert,
)
from sqlalchemy import event as signals
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from penstock.adapters.storage import sqlite
from penstock.adapters.storage.migrations import HEAD
from penstock.adapters.storage.tables import TABLES, metadata
from penstock.lineage.types import Setting

_REVISION = Table(  # as Alembic makes it
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(url: str, settings: Sequence[Setting]) -> None:
    """Make every table, and the home's first settings."""
    # A test holds that this is what all migrations together make; it takes a hundredth of their time.
    with altering(url) as connection:
        metadata.create_all(connection)
        _REVISION.create(connection)
        connection.execute(insert(_REVISION), {"version_num": HEAD})
        for setting in settings:
            connection.execute(insert(TABLES[Setting]), {"id": setting.id, "value": setting.value})


def upgrade(url: str) -> None:
    """Run the migrations that an older home lacks."""
    from penstock.adapters.storage.migrations.upgrade import upgrade  # Alembic is slower still

    with altering(url) as connection:
        upgrade(connection)


@contextmanager
def altering(url: str) -> Iterator[Connection]:
    """A connection that is the only writer; all that is done to the schema is kept, or nothing."""
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        signals.listen(engine, "connect", _prepare)
        signals.listen(engine, "begin", _begin)
        plainly = sqlite.plainly
    else:
        from penstock.adapters.storage import postgres  # its driver is an extra

        signals.listen(engine, "begin", lambda connection: connection.exec_driver_sql(postgres.ALONE))
        plainly = postgres.plainly
    with plainly():
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise error.orig or error from error


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    sqlite.prepare(connection)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
