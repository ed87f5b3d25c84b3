from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from redis.connection import AbstractConnection

from penstock.adapters.online import redis as redis_online
from penstock.adapters.online.choice import open_online
from penstock.adapters.online.redis import RedisOnline
from penstock.adapters.online.sqlite import SqliteOnline
from penstock.core.errors import InvalidValue, NotAllowed, StorageFailed, Unavailable
from penstock.features.records import entity_key
from penstock.testing.contracts import OnlineContract
from penstock.testing.contracts.online import KEY, OTHER, record
from penstock.testing.redis import RedisServer


class TestSqliteOnline(OnlineContract):
    @pytest.fixture
    def online(self, tmp_path: Path) -> Iterator[SqliteOnline]:
        store = SqliteOnline(tmp_path / "online.db")
        yield store
        store.close()

    def test_a_new_file_has_other_contents(self, online: SqliteOnline, tmp_path: Path) -> None:
        assert online.contents() == online.contents()
        other = SqliteOnline(tmp_path / "other.db")
        assert other.contents() != online.contents()
        other.close()

    def test_another_process_sees_what_was_written(self, online: SqliteOnline, tmp_path: Path) -> None:
        online.write("visits", [(KEY, record(1, 1, 1))])
        other = SqliteOnline(tmp_path / "online.db")
        other.write("visits", [(KEY, record(2, 2, 2))])
        other.close()
        assert online.read([KEY], ["visits"]) == [(record(2, 2, 2),)]

    @pytest.mark.parametrize("keys", [[KEY], [KEY, OTHER]])
    def test_who_has_read_holds_nobody_up(
        self, online: SqliteOnline, tmp_path: Path, keys: list[bytes]
    ) -> None:
        online.write("visits", [(KEY, record(1, 1, 1))])
        online.read(keys, ["visits"])
        with closing(apsw.Connection(str(tmp_path / "online.db"))) as other:
            [(waits, _, _)] = other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not waits
        online.write("visits", [(KEY, record(2, 2, 2))])
        assert online.read(keys, ["visits"])[0] == (record(2, 2, 2),)

    def test_a_file_that_is_none_is_told_in_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "online.db").write_bytes(b"nothing of the kind" * 100)
        torn = SqliteOnline(tmp_path / "online.db")
        for read in (lambda: torn.read([KEY], ["visits"]), torn.contents):
            with pytest.raises(Unavailable, match="cannot be read: found file is not a database"):
                read()
        with pytest.raises(StorageFailed, match="cannot be written: found file is not a database"):
            torn.write("visits", [(KEY, record(1, 1, 1))])


class TestRedisOnline(OnlineContract):
    @pytest.fixture
    def online(self, redis_server: RedisServer) -> Iterator[RedisOnline]:
        redis_server.empty()
        store = RedisOnline(redis_server.address)
        yield store
        store.close()

    def test_many_entities_are_one_round_trip(
        self, online: RedisOnline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [(entity_key(("n",), (n,)), record(n, n, n)) for n in range(50)]
        online.write("visits", rows)
        sent: list[object] = []
        send = AbstractConnection.send_packed_command
        monkeypatch.setattr(
            AbstractConnection,
            "send_packed_command",
            lambda *given, **more: sent.append(1) or send(*given, **more),
        )
        assert len(online.read([key for key, _ in rows], ["visits", "sales"])) == 50
        assert len(sent) == 1


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidValue, match="cannot be kept there: expected an address such as redis://"):
        open_online("memcached://here", tmp_path / "online.db")
    with pytest.raises(InvalidValue, match="no address of a Redis server"):
        open_online("redis://here:many", tmp_path / "online.db")
    for told in ("redis://here:6379/names", "redis://:12/secret@here:6379/0"):
        with pytest.raises(InvalidValue, match="Write @, :, /") as refused:
            open_online(told, tmp_path / "online.db")
        assert "secret" not in str(refused.value)
    monkeypatch.setattr(redis_online, "TRIES", 0)
    away = open_online(f"unix://{tmp_path}/none.sock", tmp_path / "online.db")
    with pytest.raises(Unavailable, match="The online store cannot be read"):
        away.read([KEY], ["visits"])
    away.close()


@pytest.mark.parametrize("wrong", ["password=wrong-secret", "db=99"])
def test_a_server_that_refuses_us_is_told_before_anything_starts(
    redis_server: RedisServer, tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(NotAllowed, match="The Redis server refuses") as refused:
        open_online(f"{redis_server.address}?{wrong}", tmp_path / "online.db")
    assert "secret" not in str(refused.value)
