"""What every store answers when it is asked for nouns by their fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from penstock.lineage.ports import Between, Store
from penstock.monitoring.types import Prediction
from penstock.testing.contracts.examples import NOON, firing, prediction
from penstock.triggers.types import Firing

HOUR = timedelta(hours=1)


class QuestionsContract:
    """Inherit, and give a fixture `store` that yields an empty store."""

    @pytest.fixture
    def full(self, store: Store) -> Store:
        """Four predictions: c, a, d, b, an hour apart; the truth of d and b is known."""
        with store.begin() as tx:
            tx.add(
                prediction("c", time=NOON),
                prediction("a", time=NOON + HOUR, version=2),
                prediction("d", time=NOON + 2 * HOUR, truth=0.0),
                prediction("b", time=NOON + 3 * HOUR, truth=1.0, version=2),
            )
        return store

    def test_only_some_fields_are_picked(self, full: Store) -> None:
        with full.read() as reader:
            assert reader.pick(Prediction, ("id", "truth"), order="-time", limit=3) == [
                ("b", 1.0),
                ("d", 0.0),
                ("a", None),
            ]
            assert reader.pick(Prediction, ("id",), version=2) == [("a",), ("b",)]
            many = tuple(f"{number}" for number in range(40_000))
            assert reader.pick(Prediction, ("truth",), order="-time", id=(*many, "a", "b")) == [
                (1.0,),
                (None,),
            ]

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ({}, "cadb"),
            ({"version": 2}, "ab"),
            ({"version": 2, "truth": None}, "a"),
            ({"truth": 0.0}, "d"),
            ({"id": ("b", "c", "x")}, "cb"),
            ({"id": ()}, ""),
            ({"truth": (1.0, None)}, "cab"),
            ({"truth": (None,)}, "ca"),
            ({"time": NOON + HOUR}, "a"),
            ({"time": (NOON, NOON + HOUR)}, "ca"),
            ({"time": Between(NOON + HOUR, NOON + 3 * HOUR)}, "ad"),
            ({"time": Between(NOON + HOUR)}, "adb"),
            ({"time": Between(end=NOON + HOUR)}, "c"),
            ({"truth": Between(0.0)}, "db"),
            ({"truth": Between()}, "cadb"),
            ({"version": 2, "time": Between(NOON + 2 * HOUR)}, "b"),
        ],
    )
    def test_nouns_are_found_by_value_set_span_or_absence(
        self, full: Store, where: dict[str, Any], found: str
    ) -> None:
        with full.read() as reader:
            assert "".join(p.id for p in reader.find(Prediction, **where)) == found
            assert reader.count(Prediction, **where) == len(found)

    @pytest.mark.parametrize(
        ("order", "found"),
        [
            ("id", "abcd"),
            ("-id", "dcba"),
            ("version", "cdab"),
            ("-version", "badc"),
            ("truth", "cadb"),
            ("-truth", "bdac"),
            ("-time", "bdac"),
        ],
    )
    def test_the_last_first_is_the_reverse_with_ties_in_order_of_arrival(
        self, full: Store, order: str, found: str
    ) -> None:
        with full.read() as reader:
            assert "".join(p.id for p in reader.find(Prediction, order=order)) == found
            assert "".join(p.id for p in reader.find(Prediction, order=order, limit=2)) == found[:2]

    @pytest.mark.parametrize("name", ["colour", "seq", "evidence", "events"])
    def test_a_field_that_cannot_be_searched_is_a_programming_error(self, store: Store, name: str) -> None:
        searched: dict[str, Any] = {name: Between()}
        with store.begin() as tx:
            tx.add(firing("1", "a"))
            with pytest.raises(TypeError, match=name):
                tx.find(Firing, **searched)
            with pytest.raises(TypeError, match=name):
                tx.find(Firing, order=name)
            with pytest.raises(TypeError, match=name):
                tx.count(Firing, **searched)

    @pytest.mark.parametrize("wanted", [["a"], {"a"}, b"a"])
    def test_a_value_that_no_field_has_is_a_programming_error(self, full: Store, wanted: Any) -> None:
        with full.read() as reader, pytest.raises(TypeError, match="id is asked for by"):
            reader.find(Prediction, id=wanted)

    def test_a_long_set_of_values_is_no_limit(self, full: Store) -> None:
        wanted = tuple(str(i) for i in range(70_000))
        with full.read() as reader:
            for order, ids in (("", "ad"), ("-time", "da"), ("version", "da"), ("-truth", "da")):
                found = reader.find(Prediction, id=("d", *wanted, "a", "d"), order=order)
                assert "".join(p.id for p in found) == ids
                assert reader.find(Prediction, id=("d", *wanted, "a"), order=order, limit=1) == found[:1]
            assert reader.count(Prediction, id=("d", *wanted, "a", "d")) == 2
