"""The demo's timetable: who asks when, and who tells what happened when."""

from penstock.cli.demo.replay import Timetable, frozen_ids
from penstock.cli.demo.stage import LIVE, STEP
from penstock.cli.demo.traffic import Flight

HOUR = 3600.0


def flight(name: str, departs: float, known: float, *, late: bool | None = False) -> Flight:
    start = LIVE.timestamp()
    return Flight(
        id=name, departs_at=start + departs * HOUR, known_at=start + known * HOUR, features={}, late=late
    )


def test_a_flight_asks_at_the_end_of_the_step_in_which_it_departs() -> None:
    table = Timetable([flight("a", 1, 3), flight("b", 8, 9), flight("c", 8.5, 9)])
    hours = STEP.total_seconds() / HOUR
    assert hours == 8
    assert [[f.id for f in table.asking[step]] for step in (1, 2)] == [["a", "b"], ["c"]]


def test_no_flight_tells_before_it_has_landed_or_in_the_step_in_which_it_asks() -> None:
    table = Timetable([flight("a", 1, 3, late=True), flight("b", 1, 40)])
    assert {step: [name for name, _ in told] for step, told in table.telling.items()} == {
        2: ["a", "frozen-1"],
        5: ["b", "frozen-1/1"],
    }


def test_a_flight_that_never_arrives_tells_nothing() -> None:
    assert not Timetable([flight("a", 1, 3, late=None)]).telling


def test_rows_of_the_frozen_version_are_named_as_the_prediction_service_names_them() -> None:
    assert frozen_ids(4, 3) == ["frozen-4", "frozen-4/1", "frozen-4/2"]
