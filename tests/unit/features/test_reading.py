from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.datasets.types import Column
from penstock.features.reading import Wanted, read_online, together
from penstock.features.records import encode_record, entity_key
from penstock.features.types import OnlineView

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def view(name: str, dtype: str) -> OnlineView:
    entity = (Column(name="shop", dtype=dtype),)
    return OnlineView(id=name, name=name, entity=entity, features=("sales", "visits"))


@pytest.fixture
def online(tmp_path: Path) -> Any:
    store = SqliteOnline(tmp_path / "online.db")
    yield store
    store.close()


def test_views_whose_entities_have_one_name_and_two_types_are_asked_each_in_its_own(
    online: SqliteOnline,
) -> None:
    for name, shop in (("numbered", 5), ("named", "5")):
        online.write(name, [(entity_key(["shop"], [shop]), encode_record(1, 1, {"sales": name}))])
    wanted = together([Wanted(view("numbered", "int"), "sales"), Wanted(view("named", "string"), "sales")])
    found = read_online(online, wanted, {"shop": ["5"]}, NOW)
    assert [each.values for each in found] == [["numbered"], ["named"]]


def test_a_feature_that_a_record_was_kept_without_has_no_moment_either(online: SqliteOnline) -> None:
    for shop, values in (("a", {"sales": 1}), ("b", {"sales": 2, "visits": 3}), ("c", {"sales": None})):
        online.write("named", [(entity_key(["shop"], [shop]), encode_record(0, 0, values))])
    named, then = view("named", "string"), datetime(1970, 1, 1, tzinfo=UTC)
    wanted = together([Wanted(named, "visits"), Wanted(named, "sales")])
    visits, sales = read_online(online, wanted, {"shop": ["a", "b", "c", "d"]}, NOW)
    assert visits.values == [None, 3, None, None]
    assert visits.statuses == ["NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"]
    assert visits.events == [None, then, None, None]
    assert sales.statuses == ["PRESENT", "PRESENT", "NULL_VALUE", "NOT_FOUND"]
    assert sales.events == [then, then, then, None]


def test_of_no_entities_there_are_no_values(online: SqliteOnline) -> None:
    named = view("named", "string")
    wanted = together([Wanted(named, "sales"), Wanted(named, "visits")])
    assert [each.values for each in read_online(online, wanted, {"shop": []}, NOW)] == [[], []]
