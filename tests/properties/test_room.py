"""What may start: never more than there is, nobody overtaken to his cost, nobody kept waiting for ever."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from penstock.pipelines.types import Graph, Options
from penstock.runs.room import Room, admitted, may_start
from penstock.runs.types import Run, Workspace

TOTAL = Room(cpus=4, gpus=1, memory=8)
OPTIONS = st.builds(
    Options,
    cpus=st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0, 5.0]),
    gpus=st.sampled_from([0.0, 0.0, 1.0]),
    memory=st.integers(0, 9),
)
WAITING = st.lists(OPTIONS, max_size=8)
SLOTS = st.integers(0, 8)


def left_beside(held: list[Options]) -> Room:
    left = TOTAL
    for options in held:
        left = left.less(options)
    return left


@st.composite
def fitting(draw: st.DrawFn) -> list[Options]:
    """Steps under way, which were let in one by one."""
    held: list[Options] = []
    for options in draw(WAITING):
        if left_beside(held).fits(options):
            held.append(options)
    return held


@given(fitting(), WAITING, SLOTS)
def test_no_more_starts_than_there_is_room_for(
    held: list[Options], waiting: list[Options], slots: int
) -> None:
    chosen = may_start((TOTAL,), held, waiting, slots)
    assert len(chosen) <= slots
    left = left_beside(held + [waiting[position] for position in chosen])
    assert min(left.cpus, left.gpus, left.memory) >= 0


@given(fitting(), WAITING, SLOTS)
def test_nobody_behind_is_the_reason_why_somebody_waits(
    held: list[Options], waiting: list[Options], slots: int
) -> None:
    chosen = may_start((TOTAL,), held, waiting, slots)
    for position, options in enumerate(waiting[:slots]):
        if position not in chosen:
            before = [waiting[other] for other in range(position) if TOTAL.fits(waiting[other])]
            assert not TOTAL.fits(options) or not left_beside(held + before).fits(options)


@given(WAITING)
def test_whoever_would_fit_alone_gets_his_turn(waiting: list[Options]) -> None:
    queue, rounds = list(waiting), 0
    while chosen := may_start((TOTAL,), (), queue, len(queue)):
        first = next(position for position, options in enumerate(queue) if TOTAL.fits(options))
        assert first in chosen
        queue = [options for position, options in enumerate(queue) if position not in chosen]
        rounds += 1
    assert rounds <= len(waiting)
    assert not any(TOTAL.fits(options) for options in queue)


@given(fitting(), WAITING, OPTIONS, SLOTS)
def test_who_comes_later_changes_nothing_for_those_before(
    held: list[Options], waiting: list[Options], late: Options, slots: int
) -> None:
    now = may_start((TOTAL,), held, waiting, slots)
    assert [p for p in may_start((TOTAL,), held, [*waiting, late], slots) if p < len(waiting)] == now


def run(number: int, status: str, concurrency: int) -> Run:
    return Run(
        id=str(number),
        project="p",
        pipeline="train",
        environment="test",
        release="",
        firing="",
        graph=Graph(pipeline="train", target="p:train", concurrency=concurrency),
        params={},
        workspace=Workspace(python="", folder="", data_root="", lock=""),
        as_of=datetime(2013, 1, 1, tzinfo=UTC),
        created=datetime(2013, 1, 1, tzinfo=UTC),
        status=status,  # type: ignore[arg-type]
    )


@given(st.lists(st.sampled_from(["queued", "running"]), max_size=8), st.integers(0, 4))
def test_runs_of_a_pipeline_wait_for_their_turn_in_order(statuses: list[str], concurrency: int) -> None:
    runs = [run(number, status, concurrency) for number, status in enumerate(statuses)]
    begun = {r.id for r in runs if r.status == "running"}
    waiting = [r.id for r in runs if r.status == "queued"]
    new = len(waiting) if not concurrency else max(0, concurrency - len(begun))
    assert admitted(runs) == begun | set(waiting[:new])
