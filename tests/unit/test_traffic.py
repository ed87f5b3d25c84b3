"""How versions were asked by the day, added up from counters that begin anew with each process."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.lineage.ports import Store
from penstock.models.types import Placement
from penstock.monitoring.traffic import EVERY, Watch, asked, increase
from penstock.monitoring.types import Traffic
from penstock.serving.types import TIMES, Counters, Served
from penstock.testing.fakes import MemoryStore
from penstock.testing.prediction import FakePredictionService

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Counting(FakePredictionService):
    """Has counted what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Counters] = []

    def counters(self) -> list[Counters]:
        self._require_up()
        return self.told


def served(*times: int, version: int = 1, variant: str = "champion") -> Served:
    counts = (*times, *(0 for _ in range(len(TIMES) + 1 - len(times))))
    return Served(
        model="delay",
        version=version,
        variant=variant,
        environment="production",
        rows=2 * sum(times),
        times=counts,
    )


def counters(process: str, *each: Served, refused: int = 0) -> Counters:
    wrong = (("delay", 400, refused),) if refused else ()
    return Counters(process=process, served=each, refused=wrong)


@pytest.fixture
def store() -> Store:
    store = MemoryStore()
    with store.begin() as tx:
        tx.add(
            Placement(
                id="production:delay@1",
                environment="production",
                project="flights",
                model="delay",
                number=1,
                role="champion",
                since=NOON,
                actor="ada",
                why="",
                event=0,
            )
        )
    return store


@pytest.fixture
def service() -> Counting:
    return Counting()


@pytest.fixture
def watch(store: Store, service: Counting) -> Watch:
    return Watch(store, service)


def days(store: Store) -> dict[str, Traffic]:
    with store.read() as reader:
        return {each.id.rpartition(":")[2]: each for each in reader.find(Traffic, order="id")}


def test_each_day_has_what_was_counted_on_it(store: Store, service: Counting, watch: Watch) -> None:
    service.told = [counters("a", served(3, 1))]
    watch.look(NOON)
    watch.look(NOON)
    service.told = [counters("a", served(5, 1), refused=2)]
    watch.look(NOON + timedelta(days=1))
    first, second = days(store).values()
    assert (sum(first.times), first.rows, first.refused) == (4, 8, {})
    assert (sum(second.times), second.rows, second.refused) == (2, 4, {"400": 2})


def test_a_process_that_was_replaced_counts_on(store: Store, service: Counting, watch: Watch) -> None:
    service.told = [counters("a", served(3)), counters("b", served(10))]
    watch.look(NOON)
    service.told = [counters("a", served(4)), counters("c", served(1))]
    watch.look(NOON)
    [day] = days(store).values()
    assert sum(day.times) == 3 + 10 + 1 + 1


def test_another_control_process_goes_on_where_the_last_one_was(store: Store, service: Counting) -> None:
    service.told = [counters("a", served(3), refused=1)]
    Watch(store, service).look(NOON)
    service.told = [counters("a", served(5), refused=1)]
    Watch(store, service).look(NOON)
    [day] = days(store).values()
    assert (sum(day.times), day.refused) == (5, {"400": 1})


def test_what_was_told_earlier_is_not_taken_for_newer(store: Store) -> None:
    class Overtaken(Counting):
        """Counts on, and is looked at by somebody else, before its first answer arrives."""

        other: threading.Thread | None = None

        def counters(self) -> list[Counters]:
            told = self.told
            if self.other is None:
                self.told = [counters("a", served(3), refused=3)]
                self.other = threading.Thread(target=watch.look, args=(NOON,))
                self.other.start()
                self.other.join(0.1)  # it has to wait; if it need not, it is done by then
            return told

    service = Overtaken()
    service.told = [counters("a", served(1), refused=1)]
    watch = Watch(store, service)
    watch.look(NOON)
    assert service.other
    service.other.join()
    watch.look(NOON)
    [day] = days(store).values()
    assert (sum(day.times), day.refused) == (3, {"400": 3})


def test_versions_and_variants_are_kept_apart(store: Store, service: Counting, watch: Watch) -> None:
    service.told = [counters("a", served(3), served(1, version=2, variant="shadow"))]
    watch.look(NOON)
    with store.read() as reader:
        assert [each.id for each in reader.find(Traffic, order="id")] == [
            "production:delay@1:champion:2026-03-01",
            "production:delay@2:shadow:2026-03-01",
        ]
    assert watch.asked("delay", 3) is None
    found = watch.asked("delay", 2)
    assert found
    assert (found.requests, found.rows) == (1, 2)


def test_a_service_that_is_down_is_asked_again_later(store: Store, service: Counting) -> None:
    elapsed = [0.0]
    watch = Watch(store, service, lambda: elapsed[0])
    service.down = True
    service.told = [counters("a", served(3))]
    assert not watch.tick(NOON)
    service.down = False
    watch.tick(NOON)
    assert days(store) == {}, "it was asked a moment ago"
    elapsed[0] += EVERY
    watch.tick(NOON)
    assert [sum(day.times) for day in days(store).values()] == [3]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_increases_add_up_to_what_was_counted(steps: list[int]) -> None:
    before, total = None, 0
    for step in steps:
        after = counters("a", served(total + step), refused=total + step)
        grown = increase(before, after)
        assert sum(sum(each.times) for each in grown.served) == step
        assert sum(count for _model, _status, count in grown.refused) == step
        before, total = after, total + step


def test_quantiles_lie_on_the_line_through_their_bucket() -> None:
    def day(*times: int) -> Traffic:
        return Traffic(
            id="", environment="", model="", version=1, variant="", start=NOON, rows=0,
            times=served(*times).times,
        )  # fmt: skip

    found = asked([day(50, 40), day(0, 0, 10)])
    assert found.requests == 100
    assert found.p50 == pytest.approx(0.5)
    assert found.p95 == pytest.approx(1.75)
    assert asked([day(*[0] * len(TIMES), 9)]).p99 == 5000
    assert asked([day()]).p50 == 0
