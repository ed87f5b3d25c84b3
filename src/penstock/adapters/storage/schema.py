"""The schema of a home: made for a new one, brought up to date for an old one, never touched in a newer."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.adapters.storage.engine import Engine
from penstock.adapters.storage.migrations import HEAD
from penstock.core.errors import Conflict, Corrupt
from penstock.lineage.types import Setting

_REVISION = "alembic_version"


def prepare(engine: Engine, settings: Sequence[Setting]) -> None:
    """Make the schema current; a new home is born with `settings`.

    Processes that open one home at once take turns. Raises Conflict if a newer Penstock made it
    and Corrupt if the file is a database of something else.
    """
    with engine.alone():
        found = _revision(engine)
        if found == HEAD:
            return
        if found > HEAD:
            raise Conflict(
                what="This is the store of a newer version of Penstock",
                expected=f"schema {HEAD} or older",
                found=f"schema {found} in {engine.name}",
                fix="Install the newer version, or use another home directory.",
            )
        from penstock.adapters.storage.creation import create, upgrade  # slow to import, seldom needed

        if found:
            upgrade(engine.url)
        else:
            create(engine.url, settings)


def _revision(engine: Engine) -> str:
    """The schema's revision, empty for a new home."""
    with engine.reading() as connection:
        tables = connection.tables()
        if not tables:
            return ""
        if _REVISION not in tables:
            raise Corrupt(
                what=f"{engine.name} is not a store of Penstock",
                found=f"a database with {', '.join(sorted(tables)[:5])}",
            )
        revision: str = connection.ask(f'SELECT "version_num" FROM "{_REVISION}"')[0][0]  # noqa: S608 a name
        return revision
