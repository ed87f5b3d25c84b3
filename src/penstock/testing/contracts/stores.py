"""What every store does with nouns: keeps them, all of a transaction or nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta, timezone
from threading import Event as Signal
from threading import Thread

import msgspec
import pytest

from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.lineage.ports import Store
from penstock.monitoring.types import Prediction
from penstock.runs.types import Run, StepRun
from penstock.testing.contracts.examples import NOON, Changed, firing, happened, prediction
from penstock.triggers.types import Firing


class StoreContract:
    """Inherit, and give a fixture `store` that yields an empty store."""

    def test_a_noun_comes_back_as_it_was_stored(self, store: Store) -> None:
        stored = firing(
            "1", "a", evidence={"low": [0.5, None]}, events=(3, 4), time=NOON + timedelta(microseconds=7)
        )
        with store.begin() as tx:
            tx.add(stored)
            assert tx.get(Firing, "1") == stored
        with store.read() as reader:
            assert reader.get(Firing, "1") == stored

    def test_a_time_comes_back_in_utc(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a", time=NOON.astimezone(timezone(timedelta(hours=-5)))))
            found = tx.get(Prediction, "a").time
        assert found == NOON
        assert found.utcoffset() == timedelta(0)

    def test_a_time_without_a_zone_is_a_programming_error(self, store: Store) -> None:
        with store.begin() as tx, pytest.raises(TypeError, match="zone"):
            tx.add(prediction("a", time=NOON.replace(tzinfo=None)))

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_a_number_that_is_none_is_refused(self, store: Store, number: float) -> None:
        with store.begin() as tx:
            with pytest.raises(InvalidValue):
                tx.add(prediction("a", score=number))
            with pytest.raises(InvalidValue):
                tx.add(prediction("b", truth=number))
            assert tx.count(Prediction) == 0

    def test_what_is_not_there_is_named(self, store: Store) -> None:
        with store.read() as reader, pytest.raises(NotFound, match="no step run 7/fit"):
            reader.get(StepRun, "7/fit")

    def test_an_id_is_given_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a", score=0.1))
        with store.begin() as tx:
            with pytest.raises(Conflict, match="prediction"):
                tx.add(prediction("a", score=0.2))
            assert tx.get(Prediction, "a").score == 0.1

    def test_a_unique_field_is_taken_once(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(firing("1", "monday"), firing("2", "tuesday"))
            with pytest.raises(Conflict):
                tx.add(firing("3", "monday"))
            with pytest.raises(Conflict):
                tx.put(firing("2", "monday"))
            assert [f.slot for f in tx.find(Firing)] == ["monday", "tuesday"]

    def test_of_several_nouns_all_are_added_or_none(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(firing("1", "a"))
            with pytest.raises(Conflict):
                tx.add(prediction("p"), firing("2", "b"), firing("1", "c"))
            with pytest.raises(Conflict):
                tx.add(prediction("p"), prediction("p"))
            assert [f.id for f in tx.find(Firing)] == ["1"]
            assert tx.count(Prediction) == 0

    def test_of_several_nouns_all_are_replaced_or_none(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a"), prediction("b"))
            with pytest.raises(NotFound, match="prediction c"):
                tx.put(prediction("a", truth=1.0), prediction("c", truth=1.0))
            assert tx.count(Prediction, truth=None) == 2

    def test_replacing_changes_everything_but_the_place_in_the_order(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a"), prediction("b"))
            changed = msgspec.structs.replace(prediction("a"), truth=1.0, truth_known=NOON, label="late")
            tx.put(changed)
        with store.read() as reader:
            assert reader.find(Prediction) == [changed, prediction("b")]

    def test_whether_anybody_has_written_is_seen(self, store: Store) -> None:
        before = store.written()
        with store.read() as reader:
            reader.count(Prediction)
        assert store.written() == before
        with store.begin() as tx:
            tx.add(prediction("a"))
        assert before is None or store.written() != before

    def test_nothing_to_write_is_fine(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add()
            tx.put()
            assert tx.publish() == []

    def test_an_exception_takes_everything_back(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a"))
        with suppress(Changed), store.begin() as tx:
            tx.put(prediction("a", truth=1.0))
            tx.add(prediction("b"))
            tx.publish(happened())
            raise Changed
        with store.read() as reader:
            assert reader.find(Prediction) == [prediction("a")]
            assert reader.events() == []

    def test_a_reader_sees_the_moment_it_was_opened(self, store: Store) -> None:
        with store.begin() as tx:
            tx.add(prediction("a"))
        with store.read() as before:
            with store.begin() as tx:
                tx.add(prediction("b"))
            assert before.count(Prediction) == 1
        with store.read() as after:
            assert after.count(Prediction) == 2

    def test_numbers_are_minted_per_kind_and_never_twice(self, store: Store) -> None:
        with store.begin() as tx:
            assert [tx.mint(Run), tx.mint(Run), tx.mint(Firing)] == ["1", "2", "1"]
        with store.begin() as tx:
            assert tx.mint(Run) == "3"

    def test_a_second_transaction_in_a_thread_is_a_programming_error(self, store: Store) -> None:
        with store.begin(), pytest.raises(RuntimeError, match="already"), store.begin():
            pass
        with store.begin() as tx:
            tx.add(prediction("a"))

    def test_who_cannot_rule_out_that_others_wrote_in_between_says_so(self, store: Store) -> None:
        turns = []
        for name in "ab":
            with store.begin() as tx:
                tx.add(prediction(name))
                turns.append(tx.turn)
        with suppress(Changed), store.begin() as tx:
            raise Changed
        with store.begin() as tx:
            turns.append(tx.turn)
        assert turns[1] > turns[0]
        assert turns[2] > turns[1] + 1

    def test_writers_take_turns(self, store: Store) -> None:
        started = Signal()
        seen: list[int] = []

        def second() -> None:
            started.set()
            with store.begin() as tx:
                seen.append(tx.count(Prediction))

        with store.begin() as tx:
            thread = Thread(target=second)
            thread.start()
            started.wait()
            tx.add(prediction("a"))
        thread.join()
        assert seen == [1]
