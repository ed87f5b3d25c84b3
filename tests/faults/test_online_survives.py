"""Online values outlive the process that writes them, and the server that keeps them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import materializing_program
import pytest
from materializing_program import PART, PLACED, ROWS, Bench

from penstock.adapters.online.redis import RedisOnline
from penstock.core.errors import Unavailable
from penstock.features.records import encode_record, entity_key
from penstock.testing import redis

EVERY = list(range(0, ROWS, 7))


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_a_materialisation_that_is_killed_goes_on_where_it_was(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("redis_server").address if kind == "redis" else ""
    command = [sys.executable, materializing_program.__file__, str(tmp_path), address, "6"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    bench = Bench(tmp_path, address)
    assert bench.features.standing(PLACED).loaded == 5 * PART
    bench.settle()
    assert bench.there() == EVERY
    assert not bench.features.standing(PLACED).run
    bench.close()


def test_a_server_that_is_restarted_in_the_middle_loses_nothing(redis_server: redis.RedisServer) -> None:
    redis_server.empty()
    store = RedisOnline(redis_server.address)
    before = store.contents()
    keys = [entity_key(("n",), (n,)) for n in range(400)]
    restart = threading.Thread(target=lambda: (redis_server.kill(), redis_server.start()))
    for number, key in enumerate(keys):
        if number == 150:
            restart.start()
        assert store.write("visits", [(key, encode_record(1, 1, {"n": number}))]) == 1
        assert store.read([key], ["visits"]) == [[encode_record(1, 1, {"n": number})]]
    restart.join()
    assert all(record for [record] in store.read(keys, ["visits"]))
    assert store.contents() == before
    store.close()


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_two_that_materialise_at_once_write_what_one_would(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("redis_server").address if kind == "redis" else ""
    benches = [Bench(tmp_path, address) for _ in range(2)]
    benches[0].features.materialize("kiosk", "production", [], full=True, actor="ada")
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(bench.settle) for bench in benches]:
            done.result()
    assert [bench.there() for bench in benches] == [EVERY, EVERY]
    standing = benches[0].features.standing(PLACED)
    assert (standing.run, standing.error, standing.rows) == ("", "", ROWS)
    with benches[0].store.read() as reader:
        told = [event.kind for event in reader.events()]
    assert told == ["features.materialized"]
    for bench in benches:
        bench.close()


def test_who_cannot_wait_is_told_that_a_server_is_away_and_reads_again_when_it_is_back(
    redis_server: redis.RedisServer,
) -> None:
    redis_server.empty()
    writer, reader = RedisOnline(redis_server.address), RedisOnline(redis_server.address, patient=False)
    key, record = entity_key(("n",), (1,)), encode_record(1, 1, {"n": 1})
    writer.write("visits", [(key, record)])
    assert reader.read([key], ["visits"]) == [[record]]
    redis_server.kill()
    with pytest.raises(Unavailable, match=r"The online store cannot be read: .* tried again once the Redis"):
        reader.read([key], ["visits"])
    redis_server.start()
    assert reader.read([key], ["visits"]) == [[record]]
    writer.close()
    reader.close()


def test_a_server_that_forgets_is_filled_again(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="The client of Redis is not installed: it is in the extra `redis`")
    if redis.program() is None:
        pytest.skip("Redis is not installed")
    with redis.serving(logged=False) as server:
        bench = Bench(tmp_path, server.address)
        bench.materialize()
        server.kill()
        server.start()
        assert bench.there() == []
        bench.settle()
        assert bench.there() == EVERY
        bench.close()
    anew = Bench(tmp_path, "")  # and so is the file, when the system is started without the server
    anew.settle()
    assert anew.there() == EVERY
    anew.close()
