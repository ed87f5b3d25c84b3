"""Online values outlive the process that writes them, and the server that keeps them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import materializing_program
import pytest
from materializing_program import PART, PLACED, ROWS, Bench

from penstock.adapters.online.redis import RedisOnline
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
        assert store.read([key], ["visits"]) == [{"visits": encode_record(1, 1, {"n": number})}]
    restart.join()
    assert all(store.read(keys, ["visits"]))
    assert store.contents() == before
    store.close()


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
