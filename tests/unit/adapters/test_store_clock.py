from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.adapters.storage import StoreClock, open_store
from penstock.core.errors import Conflict, NotAllowed

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_virtual_time_stands_until_it_is_advanced_and_every_process_reads_it(tmp_path: Path) -> None:
    store = open_store(tmp_path / "penstock.db", virtual=MARCH)
    other = open_store(tmp_path / "penstock.db")
    clock, seen = StoreClock(store), StoreClock(other)
    assert clock.now() == seen.now() == seen.virtual_now() == MARCH
    clock.advance(MARCH + HOUR)
    clock.advance(MARCH + HOUR)
    assert seen.now() == MARCH + HOUR
    store.close()
    other.close()


def test_virtual_time_does_not_go_backwards(tmp_path: Path) -> None:
    store = open_store(tmp_path / "penstock.db", virtual=MARCH)
    clock = StoreClock(store)
    with pytest.raises(Conflict, match="backwards"):
        clock.advance(MARCH - HOUR)
    assert clock.now() == MARCH
    store.close()


def test_a_home_with_the_real_clock_keeps_it(tmp_path: Path) -> None:
    store = open_store(tmp_path / "penstock.db")
    clock = StoreClock(store)
    assert clock.virtual_now() is None
    assert datetime.now(UTC) - clock.now() < HOUR
    with pytest.raises(NotAllowed, match="machine's time"):
        clock.advance(datetime.now(UTC) + HOUR)
    with pytest.raises(NotAllowed, match="machine's time"):
        open_store(tmp_path / "penstock.db", virtual=MARCH)
    store.close()


def test_asking_for_virtual_time_again_does_not_set_it_back(tmp_path: Path) -> None:
    store = open_store(tmp_path / "penstock.db", virtual=MARCH)
    StoreClock(store).advance(MARCH + HOUR)
    again = open_store(tmp_path / "penstock.db", virtual=MARCH)
    assert StoreClock(again).now() == MARCH + HOUR
    store.close()
    again.close()
