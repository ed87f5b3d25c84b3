"""What every online store does."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.features.ports import OnlineStore
from penstock.features.records import encode_record, entity_key

KEY, OTHER = (entity_key(("shop",), (name,)) for name in ("a", "b"))


def record(event: int, known: int, value: int) -> bytes:
    """A record with one feature."""
    return encode_record(event, known, {"value": value})


def read(online: OnlineStore, keys: Sequence[bytes], views: Sequence[str]) -> list[list[bytes | None]]:
    """What is kept, in lists."""
    return [list(row) for row in online.read(keys, views)]


class OnlineContract:
    """Inherit, and give a fixture `online` that yields an empty store."""

    def test_records_come_back_by_key_and_view(self, online: OnlineStore) -> None:
        online.write("visits", [(KEY, record(1, 1, 1)), (OTHER, record(1, 1, 2))])
        online.write("sales", [(KEY, record(1, 1, 3))])
        assert read(online, [OTHER, KEY], ["sales", "visits"]) == [
            [None, record(1, 1, 2)],
            [record(1, 1, 3), record(1, 1, 1)],
        ]
        assert read(online, [KEY], ["sales"]) == [[record(1, 1, 3)]]

    def test_of_what_is_not_there_there_is_nothing(self, online: OnlineStore) -> None:
        assert read(online, [KEY, OTHER], ["visits"]) == [[None], [None]]
        assert read(online, [KEY], ["visits", "sales"]) == [[None, None]]
        assert read(online, [], ["visits"]) == []
        assert online.write("visits", []) == 0

    def test_an_older_event_never_replaces_a_newer_one(self, online: OnlineStore) -> None:
        online.write("visits", [(KEY, record(5, 6, 1))])
        assert online.write("visits", [(KEY, record(4, 9, 2)), (OTHER, record(4, 9, 2))]) == 1
        assert read(online, [KEY], ["visits"]) == [[record(5, 6, 1)]]

    def test_a_correction_that_was_known_later_wins_and_an_earlier_one_does_not(
        self, online: OnlineStore
    ) -> None:
        for known in (6, 8, 7):
            online.write("visits", [(KEY, record(5, known, known))])
        assert read(online, [KEY], ["visits"]) == [[record(5, 8, 8)]]

    def test_of_equal_times_the_last_wins_also_within_one_write(self, online: OnlineStore) -> None:
        online.write("visits", [(KEY, record(-5, -5, 1)), (KEY, record(-5, -5, 2))])
        assert read(online, [KEY], ["visits"]) == [[record(-5, -5, 2)]]

    def test_times_before_1970_are_older(self, online: OnlineStore) -> None:
        online.write("visits", [(KEY, record(-1, 5, 1)), (KEY, record(0, 0, 2)), (KEY, record(-9, 9, 3))])
        assert read(online, [KEY], ["visits"]) == [[record(0, 0, 2)]]

    def test_a_view_is_removed_part_by_part_and_others_stay(self, online: OnlineStore) -> None:
        keys = [entity_key(("n",), (n,)) for n in range(6_000)]
        for view in ("visits:1", "visits:2"):
            online.write(view, [(key, record(1, 1, 1)) for key in keys])
        online.write("visits:1", [(OTHER, record(1, 1, 1))])
        places = [online.remove("visits:1", "")]
        assert places[0], "it is not done at once"
        while places[-1]:
            places.append(online.remove("visits:1", places[-1]))
        assert read(online, [*keys, OTHER], ["visits:1", "visits:2"]) == [
            *[[None, record(1, 1, 1)]] * len(keys),
            [None, None],
        ]
        online.write("visits:1", [(KEY, record(0, 0, 2))])
        assert read(online, [KEY], ["visits:1"]) == [[record(0, 0, 2)]]

    def test_writing_the_same_again_changes_nothing(self, online: OnlineStore) -> None:
        rows = [(entity_key(("n",), (n,)), record(n, n, n)) for n in range(500)]
        assert online.write("visits", rows) == online.write("visits", rows) == 500
        assert read(online, [key for key, _ in rows], ["visits"]) == [[each] for _, each in rows]
