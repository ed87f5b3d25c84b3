"""What holds for every shelf: a slow machine is no counterexample, Ray starts once, files go side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from penstock.adapters.storage import SqlStore, open_store
from penstock.testing import redis
from penstock.testing.postgres import PostgresServer, programs, serving

settings.register_profile("penstock", deadline=None, print_blob=True)
settings.load_profile("penstock")

TOGETHER = ("stages", "unit/outputs")
"""Folders whose files share what is dear to make, so that one process takes them all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """When processes share the work, one takes a whole file, a folder `TOGETHER`, all with Ray."""
    here = Path(__file__).parent
    for item in items:
        file = item.path.relative_to(here).as_posix()
        group = next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)
        with_ray = any(name.startswith("ray_") for name in getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("ray" if with_ray else group))


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Ray cluster of two nodes with one CPU each, on this machine, with an empty cache of its own."""
    pytest.importorskip("ray", reason="Ray is not installed: it is in the extra `ray`")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        cluster = Cluster()
        try:
            add_node(cluster, num_cpus=1, include_dashboard=False)
            add_node(cluster, num_cpus=1)
            yield cluster
        finally:
            cluster.shutdown()


def add_node(cluster: Any, **given: Any) -> Any:
    """Add a node to a cluster; Ray gives up one that is not there after 30 s, as when the machine is busy."""
    for last in (False, False, True):
        try:
            return cluster.add_node(**given)
        except Exception:
            if last:
                raise
    raise AssertionError


@pytest.fixture
def ray_node(ray_cluster: Any) -> Callable[[], Any]:
    """Adds a node with two CPUs, more than any of the others has."""
    return lambda: add_node(ray_cluster, num_cpus=2)


@pytest.fixture(scope="module")
def ray_address(ray_cluster: Any) -> str:
    """What a person says to have steps run on that cluster."""
    return f"ray://{ray_cluster.address}"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[redis.RedisServer]:
    """A Redis server for the tests of a file."""
    pytest.importorskip("redis", reason="The client of Redis is not installed: it is in the extra `redis`")
    if redis.program() is None:
        pytest.skip("Redis is not installed")
    with redis.serving() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process; each makes a database of its own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: it is in the extra `postgres`")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with serving() as server:
        yield server


@pytest.fixture
def on_postgres(postgres: PostgresServer) -> Callable[..., None]:
    """`on_postgres(machine, examples=, steps=)`: a state machine whose `empty` store is in PostgreSQL."""

    def run(machine: Any, *, examples: int, steps: int) -> None:
        class OnPostgres(machine):  # type: ignore[misc]
            def empty(self) -> SqlStore:
                self.address = postgres.database()
                self.sql = open_store(self.address)
                return self.sql

            def teardown(self) -> None:
                super().teardown()
                self.sql.close()
                postgres.drop(self.address)

        run_state_machine_as_test(
            OnPostgres, settings=settings(max_examples=examples, stateful_step_count=steps)
        )

    return run


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be, on each engine: a file that is not there yet, or an empty database."""
    if request.param == "sqlite":
        return tmp_path / "penstock.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()
