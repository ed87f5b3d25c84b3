from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from penstock.adapters.storage import migrations, open_store
from penstock.adapters.storage.creation import altering
from penstock.adapters.storage.migrations.upgrade import upgrade
from penstock.adapters.storage.names import NAMES
from penstock.adapters.storage.tables import TABLES
from penstock.core.errors import Conflict, Corrupt
from penstock.lineage.types import Cursor, Setting
from penstock.testing.contracts.examples import Changed
from penstock.testing.postgres import PostgresServer

COLUMNS = """
SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef"


def schema(path: Path) -> dict[str, str]:
    """Every table and index with its columns, each as SQLite keeps it."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: re.sub(r"\s+", " ", sql) for name, sql in found}


def revision(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(found)


def run_sql(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()


def test_all_migrations_together_make_the_fresh_schema(tmp_path: Path) -> None:
    open_store(tmp_path / "fresh.db").close()
    with altering(f"sqlite:///{tmp_path}/migrated.db") as connection:
        upgrade(connection)
    fresh, migrated = schema(tmp_path / "fresh.db"), schema(tmp_path / "migrated.db")
    assert migrated == fresh
    assert revision(tmp_path / "migrated.db") == revision(tmp_path / "fresh.db")


def test_all_migrations_together_make_the_fresh_schema_on_postgresql(postgres: PostgresServer) -> None:
    fresh, migrated = postgres.database(), postgres.database()
    open_store(fresh).close()
    with altering(migrated.replace("postgresql://", "postgresql+psycopg://")) as connection:
        upgrade(connection)
    assert postgres.sql(fresh, COLUMNS)
    for question in (COLUMNS, INDEXES):
        assert postgres.sql(migrated, question) == postgres.sql(fresh, question)


def test_the_packaged_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_every_noun_has_a_table_of_its_own_name_and_every_name_a_noun() -> None:
    assert {kind.__name__: table.name for kind, table in TABLES.items()} | {"Event": "events"} == NAMES
    assert len(set(NAMES.values())) == len(NAMES)


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with suppress(Changed), altering(f"sqlite:///{tmp_path}/penstock.db") as connection:
        upgrade(connection)
        raise Changed
    assert schema(tmp_path / "penstock.db") == {}


def test_an_older_home_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "penstock.db"
    run_sql(path, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    run_sql(path, "INSERT INTO alembic_version VALUES ('0000')")
    ran: list[object] = []
    monkeypatch.setattr("penstock.adapters.storage.migrations.upgrade.upgrade", ran.append)
    open_store(path).close()
    assert len(ran) == 1


def test_the_home_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    open_store(path).close()
    run_sql(path, "UPDATE alembic_version SET version_num = '9999'")
    before = schema(path)
    with pytest.raises(Conflict, match="store of a newer version") as refused:
        open_store(path)
    assert "9999" in str(refused.value)
    assert schema(path) == before
    assert revision(path) == "9999"


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    run_sql(path, "CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(Corrupt, match="recipes"):
        open_store(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(Corrupt, match="damaged"):
        open_store(path)
    assert path.read_text().startswith("Dear diary")


def test_opening_a_home_imports_no_more_than_it_needs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from penstock.adapters.storage import open_store; "
        "open_store(Path(sys.argv[1])).close(); sys.exit(sys.argv[2] in sys.modules)"
    )
    for library in ("alembic", "sqlalchemy"):  # of a new home, then of a current one
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "penstock.db"), library], check=True)


def test_many_processes_can_open_a_new_store_at_once(where: Path | str) -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from penstock.adapters.storage import open_store; from penstock.core.events import Event\n"
        "from penstock.lineage.types import Cursor\n"
        "sys.stdin.read(1)\n"
        "where = sys.argv[1]; store = open_store(where if '://' in where else Path(where))\n"
        "with store.begin() as tx:\n"
        "    tx.add(Cursor(id=sys.argv[2], position=0))\n"
        "    tx.publish(Event(kind='opened', subject=sys.argv[2], time=datetime.now(UTC)))\n"
        "store.close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, where, str(i)], stdin=subprocess.PIPE) for i in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"!")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 4
    store = open_store(where)
    with store.read() as reader:
        assert [e.id for e in reader.events()] == [1, 2, 3, 4]
        assert reader.count(Cursor) == 4
        assert reader.count(Setting) == 1
    store.close()
