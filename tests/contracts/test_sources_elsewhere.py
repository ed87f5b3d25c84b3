"""What holds of every source that lies elsewhere: in databases, Delta tables and object stores, all real."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import obstore
import polars as pl
import pytest
from msgspec.structs import replace
from obstore.store import S3Store

from penstock import files
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.sources import database
from penstock.adapters.sources.arrivals import Everywhere
from penstock.adapters.sources.bring import at_hand
from penstock.adapters.sources.increments import Increments
from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.datasets import delta, read, sql, take_snapshot
from penstock.datasets.places import addressed
from penstock.datasets.types import Source
from penstock.runs.earlier import KEPT, VERSION
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.postgres import PostgresServer

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rows(first: int, last: int) -> pl.DataFrame:
    """Orders of numbers, one a minute from noon."""
    numbers = pl.int_range(first, last, eager=True)
    moment = pl.lit(NOON).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"id": numbers}).with_columns(
        at=moment + pl.duration(minutes=pl.col("id")), price=numbers * 0.5, name=pl.format("n{}", "id")
    )


class Elsewhere:
    """Inherit, and give fixtures `source` and `add`, which adds rows to what is at first empty."""

    def test_a_snapshot_is_that_of_files(
        self, source: Source, add: Callable[[pl.DataFrame], None], tmp_path: Path
    ) -> None:
        add(rows(0, 30))
        add(rows(30, 50))
        (tmp_path / "same").mkdir()
        rows(0, 50).write_parquet(tmp_path / "same/rows.parquet")
        blobs = MemoryBlobs()
        as_of = NOON + timedelta(minutes=40)
        with at_hand(source, str(tmp_path), {}) as (there, root):
            taken = take_snapshot(there, root, as_of, blobs)
        same = take_snapshot(files("same", event_time="at", key="id"), tmp_path, as_of, blobs)
        assert (taken.rows, taken.digest) == (41, same.digest)
        assert (taken.source, taken.first, taken.last) == (source.name, NOON, as_of)

    def test_a_trigger_sees_what_has_arrived(
        self, source: Source, add: Callable[[pl.DataFrame], None], tmp_path: Path
    ) -> None:
        add(rows(0, 10))
        arrivals, later = Everywhere(), NOON + 2 * HOUR
        assert arrivals.since(source, tmp_path, None, later).rows == 10
        add(rows(70, 73))
        found = arrivals.since(source, tmp_path, NOON + HOUR, later)
        assert (found.rows, found.newest) == (3, NOON + timedelta(minutes=72))
        assert arrivals.since(source, tmp_path, NOON + HOUR, NOON + HOUR).rows == 0
        arrivals.close()

    def test_a_build_reads_a_sample_or_says_that_there_is_none(self, source: Source, tmp_path: Path) -> None:
        sample = tmp_path / "sample"
        sample.mkdir()
        with pytest.raises(NotFound, match=f"no sample of the source {source.name}, which lies elsewhere"):
            read(source, sample, NOON)
        rows(0, 3).write_parquet(sample / f"{source.name}.parquet")
        assert read(source, sample, NOON + HOUR).collect().height == 3


class Growing(Elsewhere):
    """What holds of databases besides, where a watermark is given; `do` does something to the table."""

    def taken(
        self, source: Source, root: Path, blobs: FolderBlobs, before: str, minutes: int
    ) -> tuple[pl.DataFrame, Increments]:
        increments = Increments(blobs, before, NOON + timedelta(minutes=minutes))
        with at_hand(source, str(root), {}, increments) as (there, folder):
            snapshot = take_snapshot(there, folder, NOON + timedelta(minutes=minutes), blobs)
        return pl.read_ipc(blobs.path(snapshot.digest)), increments

    def test_only_what_is_new_is_read_and_earlier_times_are_as_they_were(
        self,
        source: Source,
        add: Callable[[pl.DataFrame], None],
        do: Callable[[str], None],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        source = replace(source, kind=replace(source.kind, watermark="id"))
        blobs = FolderBlobs(tmp_path / "blobs")
        add(rows(0, 30))
        first, one = self.taken(source, tmp_path, blobs, "", 20)
        add(rows(30, 50))
        brought: list[int] = []
        write = database._write
        monkeypatch.setattr(
            database,
            "_write",
            lambda names, part, path: brought.append(len(part)) or write(names, part, path),
        )
        second, two = self.taken(source, tmp_path, blobs, one.meta[KEPT], 60)
        assert (first.height, second.height, brought) == (21, 50, [20])
        same, three = self.taken(source, tmp_path, blobs, two.meta[KEPT], 61)
        assert (same.height, brought, three.meta) == (50, [20], three.meta)
        dated = replace(source, known_time="at")
        _, kept = self.taken(dated, tmp_path, blobs, "", 20)
        _, kept = self.taken(dated, tmp_path, blobs, kept.meta[KEPT], 60)
        between, left = self.taken(dated, tmp_path, blobs, kept.meta[KEPT], 40)
        assert (between.height, left.meta) == (41, kept.meta), "rows say when they were known"
        brought.clear()
        do("UPDATE orders SET price = 7 WHERE id < 9")
        earlier, _ = self.taken(source, tmp_path, blobs, three.meta[KEPT], 20)
        assert earlier.equals(first)
        for change, told in (
            ("DELETE FROM orders WHERE id = 10", "it shrank from 50 rows to 49"),
            (
                "INSERT INTO orders SELECT -1, at, price, name FROM orders WHERE id = 3",
                "1 rows came in below",
            ),
            ("DELETE FROM orders WHERE id > 40", "its watermark went back from 49 to 40"),
        ):
            do(change)
            _, three = self.taken(source, tmp_path, blobs, three.meta[KEPT], 62)
            assert told in three.told[0]
            assert "read anew" in three.told[0]
        assert not self.taken(source, tmp_path, blobs, three.meta[KEPT], 63)[1].told

    def test_a_table_with_corrections_beside_what_they_correct_is_not_read_anew_for_ever(
        self,
        source: Source,
        add: Callable[[pl.DataFrame], None],
        do: Callable[[str], None],
        tmp_path: Path,
    ) -> None:
        source = replace(source, key=("at",), kind=replace(source.kind, watermark="id"))
        blobs = FolderBlobs(tmp_path / "blobs")
        add(rows(0, 30))
        told, before = [], ""
        corrections = "INSERT INTO orders SELECT id + {}, at, 7, name FROM orders WHERE id < 5"
        for minutes in range(60, 66):
            _, increments = self.taken(source, tmp_path, blobs, before, minutes)
            before = increments.meta[KEPT]
            told.append(len(increments.told))
            if minutes in {60, 64}:
                do(corrections.format(10 * minutes))
        assert told == [0, 0, 1, 0, 0, 0]


class TestSqlite(Growing):
    @pytest.fixture
    def do(self, tmp_path: Path) -> Callable[[str], None]:
        def do(statement: str) -> None:
            with sqlite3.connect(tmp_path / "shop.db") as connection:
                connection.execute(statement)
            connection.close()

        return do

    @pytest.fixture
    def source(self) -> Source:
        return sql("sqlite:///shop.db", table="orders", event_time="at", key="id")

    @pytest.fixture
    def add(self, tmp_path: Path) -> Callable[[pl.DataFrame], None]:
        def add(more: pl.DataFrame) -> None:
            with sqlite3.connect(tmp_path / "shop.db") as connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS orders (id INT, at TEXT, price REAL, name TEXT)"
                )
                shown = more.with_columns(pl.col("at").dt.to_string("iso")).iter_rows()
                connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", shown)
            connection.close()

        return add

    def test_a_query_selects(self, add: Callable[[pl.DataFrame], None], tmp_path: Path) -> None:
        add(rows(0, 30))
        cheap = sql(
            "sqlite:///shop.db",
            query="SELECT id, at FROM orders WHERE price < 5 AND name NOT LIKE '%:b' -- all the cheap",
            event_time="at",
            name="cheap",
        )
        with at_hand(cheap, str(tmp_path), {}) as (there, root):
            found = read(there, root, NOON + HOUR).collect()
        assert (found.columns, found.height) == (["id", "at"], 10)

    def test_what_cannot_be_read(self, add: Callable[[pl.DataFrame], None], tmp_path: Path) -> None:
        def reading(source: Source) -> None:
            with at_hand(source, str(tmp_path), {}):
                pass

        with pytest.raises(NotFound, match="The database of the source orders is not there"):
            reading(sql("sqlite:///shop.db", table="orders", event_time="at"))
        add(rows(0, 1))
        with pytest.raises(NotFound, match=r"has no table 'order'\. Did you mean"):
            reading(sql("sqlite:///shop.db", table="order", event_time="at"))
        wrong = sql("sqlite:///shop.db", query="SELECT * FROM nowhere", event_time="at", name="orders")
        with pytest.raises((InvalidValue, Unavailable), match="no such table: nowhere"):
            reading(wrong)
        with pytest.raises(NotFound, match="needs the secret SHOP_URL"):
            reading(sql("SHOP_URL", table="orders", event_time="at"))
        with pytest.raises(InvalidValue, match="names no database that can be reached"):
            reading(addressed(sql("SHOP_URL", table="orders", event_time="at"), {"SHOP_URL": "nothing"}))


class TestPostgres(Growing):
    @pytest.fixture
    def do(self, postgres: PostgresServer, database: str) -> Callable[[str], None]:
        return lambda statement: postgres.sql(database, statement) and None

    @pytest.fixture
    def source(self, database: str) -> Source:
        secret = sql("SHOP_URL", table="orders", event_time="at", key="id")
        return addressed(secret, {"SHOP_URL": database})

    @pytest.fixture
    def database(self, postgres: PostgresServer) -> str:
        return postgres.database()

    @pytest.fixture
    def add(self, postgres: PostgresServer, database: str) -> Callable[[pl.DataFrame], None]:
        def add(more: pl.DataFrame) -> None:
            values = ", ".join(f"({i}, '{at.isoformat()}', {p}, '{n}')" for i, at, p, n in more.iter_rows())
            columns = "id bigint, at timestamptz, price numeric, name text"
            postgres.sql(database, f"CREATE TABLE IF NOT EXISTS orders ({columns})")
            postgres.sql(database, f"INSERT INTO orders VALUES {values}")  # noqa: S608 - numbers of ours

        return add


class TestDelta(Elsewhere):
    @pytest.fixture
    def source(self) -> Source:
        pytest.importorskip("deltalake", reason="deltalake is not installed: it is in the extra `delta`")
        return delta("lake/orders", event_time="at", key="id")

    @pytest.fixture
    def add(self, tmp_path: Path) -> Callable[[pl.DataFrame], None]:
        return lambda more: more.write_delta(str(tmp_path / "lake/orders"), mode="append")

    def test_a_version_is_read_as_it_was(
        self, add: Callable[[pl.DataFrame], None], source: Source, tmp_path: Path
    ) -> None:
        with pytest.raises(NotFound, match="has no Delta table"), at_hand(source, str(tmp_path), {}):
            pass
        add(rows(0, 10))
        add(rows(10, 30))
        for version, height in ((0, 10), (1, 30)):
            declared = delta("lake/orders", version=version, event_time="at")
            increments = Increments(FolderBlobs(tmp_path / "blobs"), "", NOON)
            with at_hand(declared, str(tmp_path), {}, increments) as (there, root):
                assert read(there, root, NOON + HOUR).collect().height == height
            assert increments.meta == {VERSION: version}
        arrivals = Everywhere()
        assert arrivals.since(source, tmp_path, NOON + HOUR, NOON + HOUR).version == 1
        arrivals.close()
        with (
            pytest.raises(InvalidValue, match="version 7"),
            at_hand(delta("lake/orders", version=7, event_time="at"), str(tmp_path), {}),
        ):
            pass

    def test_of_the_past_it_is_the_version_that_was_the_newest_then(
        self, add: Callable[[pl.DataFrame], None], source: Source, tmp_path: Path
    ) -> None:
        add(rows(0, 10))
        add(rows(10, 30))
        for version, moment in enumerate((NOON, NOON + HOUR)):
            log = tmp_path / f"lake/orders/_delta_log/{version:020}.json"
            made = f'"timestamp":{moment.timestamp() * 1000:.0f}'
            log.write_text(re.sub(r'"timestamp":\d+', made, log.read_text()))
        for past, height in (
            (NOON + HOUR / 2, 10),
            (NOON + HOUR, 30),
            (NOON - HOUR, 30),  # before there was a table: its rows say when they were known
        ):
            with at_hand(source, str(tmp_path), {}, past=past) as (there, root):
                assert read(there, root, NOON + HOUR).collect().height == height
        pinned = delta("lake/orders", version=1, event_time="at")
        with at_hand(pinned, str(tmp_path), {}, past=NOON) as (there, root):
            assert read(there, root, NOON + HOUR).collect().height == 30


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server of this file's own."""
    pytest.importorskip("moto", reason="moto is not installed")
    quiet = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "moto.server", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=quiet) as server:
        assert server.stderr
        address = next(line.split()[-1] for line in server.stderr if "Running on http" in line)
        yield address
        server.kill()


class InBucket(Elsewhere):
    """What is in a bucket of the S3 server, by whatever scheme it is read."""

    @pytest.fixture
    def add(self, s3: str, tmp_path: Path) -> Callable[[pl.DataFrame], None]:
        httpx.put(f"{s3}/orders").raise_for_status()
        store = S3Store(
            "orders",
            endpoint=s3,
            region="us-east-1",
            access_key_id="a",
            secret_access_key="b",
            client_options={"allow_http": True, "default_headers": {"x-amz-acl": "public-read"}},
        )

        def add(more: pl.DataFrame) -> None:
            path = tmp_path / f"{more['id'][0]:04d}.parquet"
            more.write_parquet(path)
            obstore.put(store, f"{tmp_path.name}/{path.name}", path)
            obstore.put(store, f"{tmp_path.name}/_temporary/{path.name}", b"half")

        return add


class TestGoogle(InBucket):
    """Google's stores are listed and read as S3 is, so the same server answers."""

    @pytest.fixture
    def source(self, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
        empty = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        key = {"gcs_base_url": s3, "disable_oauth": True, **empty}
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(key))
        return files(f"gs://orders/{tmp_path.name}/", name="orders", event_time="at", key="id")


class TestS3(InBucket):
    @pytest.fixture
    def source(self, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
        settings = {
            "AWS_ENDPOINT_URL": s3,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return files(f"s3://orders/{tmp_path.name}/*.parquet", name="orders", event_time="at", key="id")

    def test_folders_above_all_objects_tell_nothing(
        self, source: Source, add: Callable[[pl.DataFrame], None], tmp_path: Path
    ) -> None:
        add(rows(0, 10))
        add(rows(10, 20))
        arrivals = Everywhere()
        assert arrivals.since(source, tmp_path, None, NOON + HOUR).partitions == 2
        arrivals.close()
        below = f"{tmp_path.name}/_kept/orders.parquet"
        obstore.put(S3Store("orders"), below, tmp_path / "0000.parquet")
        with at_hand(files(f"s3://orders/{below}", event_time="at"), str(tmp_path), {}) as (there, root):
            assert read(there, root, NOON + HOUR).collect().height == 10

    @pytest.mark.usefixtures("source")
    def test_what_is_not_there(self, tmp_path: Path) -> None:
        nothing = files("s3://orders/nothing/", event_time="at")
        with pytest.raises((NotFound, Unavailable), match="nothing"), at_hand(nothing, str(tmp_path), {}):
            pass


@pytest.mark.parametrize(
    ("url", "variable", "value", "said"),
    [
        ("gs://orders/", "GOOGLE_APPLICATION_CREDENTIALS", "nowhere", "by environment variables: GOOGLE_APP"),
        ("az://orders/", "AZURE_STORAGE_ACCOUNT_NAME", "", "by environment variables: AZURE_STORAGE_ACC"),
    ],
)
def test_what_a_scheme_is_reached_by_is_told(
    url: str, variable: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value:
        monkeypatch.setenv(variable, value)
    else:
        monkeypatch.delenv(variable, raising=False)
    source = files(url, name="orders", event_time="at")
    with pytest.raises(Unavailable, match=said), at_hand(source, str(tmp_path), {}):
        pass


def test_declarations_that_cannot_be() -> None:
    with pytest.raises(InvalidValue, match="holds a password"):
        sql("postgresql://ada:secret@here/shop", table="orders", event_time="at")
    with pytest.raises(InvalidValue, match=r"needs a table or a query: .* found neither"):
        sql("SHOP_URL", event_time="at", name="orders")
    with pytest.raises(InvalidValue, match="has no address"):
        sql("shop.db", table="orders", event_time="at")
    with pytest.raises(InvalidValue, match="Files cannot be read from such an address: expected s3://"):
        files("ftp://here/orders.csv", event_time="at")
    with pytest.raises(InvalidValue, match="has no pattern"):
        files("https://here/*.csv", event_time="at")
    with pytest.raises(InvalidValue, match="not inside the data root"):
        delta("../orders", event_time="at")
