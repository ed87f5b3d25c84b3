"""`penstock up` where it cannot be, and beside what a killed one has left."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock.app import open_app, up
from penstock.app.home import Home, Server
from penstock.app.loop import Loop
from penstock.core.errors import Conflict, Unavailable
from penstock.testing.postgres import PostgresServer


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def start(home: Home, port: int = 0, predict_port: int = 0) -> None:
    up.run(
        home.folder,
        port=port,
        predict_port=predict_port,
        make_web=lambda _: pytest.fail("it came up"),
        on_ready=lambda _: pytest.fail("it came up"),
    )


def someone() -> Server:
    """An announcement by a process that lives: this one."""
    return Server(url="http://127.0.0.1:1", predict_url="http://127.0.0.1:2", pid=os.getpid())


def test_a_home_that_is_held_is_left_to_its_owner(home: Home) -> None:
    with home.owned():
        home.announce(someone())
        with pytest.raises(Conflict, match=r"Another Penstock already runs on .*--home"):
            start(home)
        assert home.server() == someone()


def test_a_copy_of_a_home_is_refused_while_a_system_runs_on_its_store(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_STORE", postgres.database())
    with open_app(tmp_path / "first") as app, app.store.sole():
        shutil.copytree(tmp_path / "first", tmp_path / "copy")
        with pytest.raises(Conflict, match="Another Penstock already runs on this store"):
            start(Home(tmp_path / "copy"))


def test_a_port_that_is_taken_is_named_with_its_option(home: Home, taken: int) -> None:
    with pytest.raises(Conflict, match=rf"Port {taken} is taken.*--port"):
        start(home, port=taken)
    assert not home.database.exists(), "nothing was made for a system that did not start"
    assert not home.is_owned()


def test_a_port_for_predictions_that_is_taken_is_named_with_its_option(home: Home, taken: int) -> None:
    with pytest.raises(Unavailable, match=rf"Port {taken} for predictions is taken.*--predict-port"):
        start(home, predict_port=taken)
    assert home.server() is None
    assert not home.is_owned()


def test_what_a_killed_system_announced_does_not_count_though_its_process_id_lives_again(home: Home) -> None:
    home.announce(someone())
    assert home.server() is None
    with home.owned():
        assert home.server() is None, "the next owner has not said yet where it answers"


def test_whoever_waits_for_consequences_hears_that_the_system_ends_before(home: Home) -> None:
    with open_app(home.folder) as app, ThreadPoolExecutor() as threads:
        app.loop = Loop((("restless", lambda _: True),), app.clock.now, app.pace, app.carry)
        app.loop.start()
        waiting = threads.submit(app.settle, 60.0)
        app.loop.stop()
        with pytest.raises(Unavailable, match="stopping"):
            waiting.result(60)
