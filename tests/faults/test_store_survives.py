from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from penstock.adapters.storage import SqlStore, open_store
from penstock.core.errors import Conflict, Corrupt, InvalidValue, Unavailable
from penstock.lineage.service import Ledger
from penstock.lineage.types import Cursor
from penstock.runs.types import Run
from penstock.testing.contracts.examples import happened
from penstock.testing.postgres import PostgresServer

OPENED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from penstock.adapters.storage import open_store
from penstock.core.errors import StorageFailed
from penstock.core.events import Event
from penstock.lineage.types import Cursor, Setting
from penstock.runs.types import Run

where = sys.argv[1]
store = open_store(where if "://" in where else Path(where))
"""


def add_one(store: SqlStore) -> None:
    with store.begin() as tx:
        tx.add(Cursor(id=tx.mint(Run), position=0))
        tx.publish(happened())


def assert_whole(where: Path | str, count: int) -> None:
    """Each of `count` transactions is there with its noun and its event, and the store takes another."""
    store = open_store(where)
    with store.read() as reader:
        assert [c.id for c in reader.find(Cursor)] == [str(i + 1) for i in range(count)]
    assert Ledger(store).verify().count == count
    assert Ledger(store).verify().ok
    add_one(store)
    store.close()


def test_a_writer_that_is_killed_leaves_nothing_of_its_transaction(where: Path | str) -> None:
    code = (
        OPENED + "with store.begin() as tx:\n"
        "    for i in range(2000): tx.add(Cursor(id='half' + str(i), position=0))\n"
        "    tx.publish(Event(kind='half', subject='x', time=datetime.now(UTC)))\n"
        "    print('written', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"written\n"
        child.kill()
    assert_whole(where, 0)


def test_a_full_disk_takes_a_transaction_back_and_the_store_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    code = OPENED + (
        "with store.begin() as tx:\n"
        "    tx.add(Cursor(id=tx.mint(Run), position=0))\n"
        "    tx.publish(Event(kind='kept', subject='x', time=datetime.now(UTC)))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    with store.begin() as tx:\n"
        "        tx.publish(Event(kind='lost', subject='x', time=datetime.now(UTC)))\n"
        "        tx.add(*(Setting(id=str(i), value='x' * 100_000) for i in range(100)))\n"
        "except StorageFailed as failed:\n"
        "    print(failed)\n"
        "store.close()\n"
    )
    child = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert "could not be stored" in child.stdout
    assert_whole(path, 1)


def test_writers_in_several_processes_and_threads_lose_nothing(where: Path | str) -> None:
    open_store(where).close()
    code = OPENED + (
        "for _ in range(40):\n"
        "    with store.begin() as tx:\n"
        "        tx.add(Cursor(id=tx.mint(Run), position=0))\n"
        "        tx.publish(Event(kind='one', subject='x', time=datetime.now(UTC)))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, where]) for _ in range(2)]
    store = open_store(where)
    threads = [Thread(target=lambda: [add_one(store) for _ in range(20)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.wait() for child in children] == [0, 0]
    store.close()
    assert_whole(where, 140)


def test_a_damaged_file_is_told_plainly(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    open_store(path).close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(Corrupt, match="damaged"):
        open_store(path)


def test_a_transaction_that_a_restart_of_the_database_breaks_off_is_told_and_the_next_one_begins(
    postgres: PostgresServer,
) -> None:
    address = postgres.database()
    store = open_store(address)
    add_one(store)

    def write() -> None:
        with store.begin() as tx:
            tx.add(Cursor(id="half", position=0))
            postgres.stop("immediate")
            postgres.start()
            tx.publish(happened())

    def read() -> None:
        with store.read() as held:
            postgres.stop("fast")
            postgres.start()
            held.count(Cursor)

    for broken_off in (write, read):
        with pytest.raises(Unavailable, match="does not answer"):
            broken_off()
        add_one(store)
    store.close()
    assert_whole(address, 3)


def test_a_store_is_asked_again_until_its_database_is_up(postgres: PostgresServer) -> None:
    address = postgres.database()
    store = open_store(address)
    postgres.stop()
    writer = Thread(target=add_one, args=(store,))
    writer.start()
    postgres.start()
    writer.join()
    store.close()
    assert_whole(address, 1)


def test_a_database_that_is_not_there_or_cannot_keep_every_text_is_told_at_once(
    postgres: PostgresServer,
) -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        open_store(postgres.address("nowhere"))
    with pytest.raises(InvalidValue, match="encoding UTF8; found SQL_ASCII"):
        open_store(postgres.database("SQL_ASCII"))
    with pytest.raises(InvalidValue, match=r"expected postgresql://USER.*found an address of mysql"):
        open_store("mysql://me:secret@host/db")


def test_one_system_runs_on_a_store_also_after_its_database_was_restarted(postgres: PostgresServer) -> None:
    address = postgres.database()
    one, other = open_store(address), open_store(address)
    with one.sole():
        add_one(one)
        with pytest.raises(Conflict, match="Another Penstock already runs on this store"), other.sole():
            pass
        postgres.stop()
        postgres.start()
        add_one(one)
        with pytest.raises(Conflict, match="Another Penstock already runs on this store"), other.sole():
            pass
        postgres.stop()
        postgres.start()
        with other.sole(), pytest.raises(Conflict, match="Another Penstock already runs on this store"):
            add_one(one)
    with other.sole():
        add_one(other)
    one.close()
    other.close()
    assert_whole(address, 3)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:sec@ret@127.0.0.1:1/db",
        "postgresql://me:12/sec@127.0.0.1:1/db",
        "postgresql://me:12/ret@127.0.0.1/db",
        "postgresql://me:%ret@127.0.0.1:1/db",
        "postgresql://me:secret@127.0.0.1:1/db?sslmod=require",
    ],
)
def test_an_address_that_cannot_be_read_is_told_without_its_password(address: str) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: it is in the extra `postgres`")
    with pytest.raises(InvalidValue, match=r"found one that cannot be read\. Write @") as refused:
        open_store(address)
    assert not {"sec", "ret"} & set(re.findall("[a-z]+", str(refused.value)))
