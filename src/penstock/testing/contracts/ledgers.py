"""What every store does with events: seals them in order, each chained to the one before."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta, timezone
from typing import Any

import pytest

from penstock.lineage.chain import digest_of
from penstock.lineage.ports import Between, Store
from penstock.lineage.service import Ledger
from penstock.testing.contracts.examples import NOON, Changed, happened


class LedgerContract:
    """Inherit, and give a fixture `store` that yields an empty store."""

    def test_events_are_numbered_and_chained(self, store: Store) -> None:
        with store.begin() as tx:
            assert tx.publish(happened("a"), happened("b", cause=1)) == [1, 2]
        with store.begin() as tx:
            assert tx.publish(happened("c")) == [3]
        with store.read() as reader:
            first, second, third = reader.events()
        assert (first.previous, second.previous, third.previous) == ("", first.digest, second.digest)
        assert [e.digest for e in (first, second, third)] == [digest_of(e) for e in (first, second, third)]
        assert [e.kind for e in (first, second, third)] == ["a", "b", "c"]
        assert second.cause == 1

    def test_an_event_comes_back_with_the_digest_it_was_sealed_with(self, store: Store) -> None:
        evidence = {"z": (1, 2.5), "a": {"nested": None, "when": NOON}, "text": "ünï"}
        elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        with store.begin() as tx:
            tx.publish(happened(evidence=evidence, time=elsewhere, actor="ann", project="flights"))
        with store.read() as reader:
            (event,) = reader.events()
        assert event.evidence == {
            "z": [1, 2.5],
            "a": {"nested": None, "when": "2013-03-01T12:00:00Z"},
            "text": "ünï",
        }
        assert digest_of(event) == event.digest
        assert Ledger(store).verify().ok

    def test_events_are_found_after_an_id_and_by_their_fields(self, store: Store) -> None:
        with store.begin() as tx:
            tx.publish(*(happened("even" if i % 2 == 0 else "odd", minutes=i) for i in range(6)))
        with store.read() as reader:
            assert [e.id for e in reader.events(after=4)] == [5, 6]
            assert [e.id for e in reader.events(after=1, limit=2)] == [2, 3]
            assert [e.id for e in reader.events(after=2, kind="even")] == [3, 5]
            assert [
                e.id for e in reader.events(kind=("odd",), time=Between(NOON + timedelta(minutes=2)))
            ] == [4, 6]
            for name in ("evidence", "id", "colour"):
                searched: dict[str, Any] = {name: 1}
                with pytest.raises(TypeError, match=name):
                    reader.events(**searched)

    def test_a_number_of_an_event_that_was_rolled_back_is_given_again(self, store: Store) -> None:
        with suppress(Changed), store.begin() as tx:
            tx.publish(happened("lost"))
            raise Changed
        with store.begin() as tx:
            assert tx.publish(happened("kept")) == [1]
        assert Ledger(store).verify().count == 1

    def test_the_last_events_are_found_without_those_before(self, store: Store) -> None:
        with store.begin() as tx:
            tx.publish(*(happened("even" if i % 2 == 0 else "odd", minutes=i) for i in range(6)))
        with store.read() as reader:
            assert [e.id for e in reader.events(limit=2, last=True)] == [5, 6]
            assert [e.id for e in reader.events(limit=2, last=True, kind="even")] == [3, 5]
            assert [e.id for e in reader.events(after=5, limit=3, last=True)] == [6]

    def test_causes_lead_back_to_the_root(self, store: Store) -> None:
        with store.begin() as tx:
            tx.publish(
                happened("commit"), happened("other"), happened("build", cause=1), happened("run", cause=3)
            )
        assert [e.kind for e in Ledger(store).why(4)] == ["run", "build", "commit"]
