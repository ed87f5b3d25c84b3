"""Stories of triggers: call the tick, change the world, call it again."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.errors import Busy, InvalidProject, InvalidValue, NotFound
from penstock.datasets.types import Arrived, Level, Source
from penstock.deployments.releases import Releases
from penstock.deployments.types import GateReport
from penstock.lineage.ports import Transaction
from penstock.models.types import Version
from penstock.monitoring.estimates import Estimator
from penstock.monitoring.ingest import window_of
from penstock.monitoring.types import Alarm, Prediction, Skew, Sliced, Window
from penstock.pipelines.types import Graph, Node
from penstock.revisions.config import parse_config
from penstock.revisions.types import Project
from penstock.runs.service import Runs
from penstock.runs.types import Artifact, Run, StepRun, Workspace
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.triggers.service import Triggers
from penstock.triggers.types import Explanation, Firing, TriggerState

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
ON_PUSH = CONFIG.replace(
    'deploy = { on = "promote", after = "staging", successful_runs = 3 }',
    'deploy = { on = "push", branch = "live" }\nserve = true',
)


OWN = """
[environments.production.triggers.train]
cooldown = "3d"
"""


SOURCE = {"name": "flights", "path": "data", "event_time": "at"}
READING = replace(
    GRAPH,
    nodes=(
        Node(name="flights.snapshot", kind="snapshot", outputs=("rows",), settings={"source": SOURCE}),
        *GRAPH.nodes,
    ),
)


LOGGED = {"type": "predictions", "model": "delay"}
ROWS = Node(name="rows", kind="rows", outputs=("train",), settings={"span": "365d", "holdout": "14d"})
TRAINING = replace(READING, nodes=(READING.nodes[0], ROWS, *GRAPH.nodes))


def training(since: str) -> str:
    """A trigger that says what its runs train on."""
    asked = f'{{ drift = "relation", false_alarms = "1 per 90d" }},\n]\nsince = "{since}"'
    return ON_PUSH.replace(']\ncooldown = "2d"', asked)


class Rows:
    """A source whose rows are known at these times."""

    def __init__(self) -> None:
        self.known: list[datetime] = []
        self.version: int | None = None

    def since(
        self, source: Source, data_root: str | Path, before: Level | datetime | None, as_of: datetime
    ) -> Arrived:
        assert (source.name, data_root) == ("flights", "/data")
        assert not isinstance(before, Level)
        known = [time for time in self.known if time <= as_of and (before is None or time > before)]
        newest = max(known, default=None)
        size, parts = 1000 * len(known), len(known) // 10
        return Arrived(
            rows=len(known),
            bytes=size,
            partitions=parts,
            newest=newest,
            changed=bool(known),
            version=self.version,
        )


class World:
    """A release in production, whose first run is over."""

    def __init__(self, config: str = ON_PUSH, graph: Graph = READING) -> None:
        self.store, self.blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock(NOON)
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.releases = Releases(self.store, self.blobs, self.clock)
        self.arrivals = Rows()
        self.made_in = ""
        self.triggers = self.again()
        with self.store.begin() as tx:
            tx.add(Project(id="flights", created=NOON, data_root="/data", protected="main"))
        self.project.release("c1", config, graph)
        self.project.move("live", "c1")
        self.releases.tick(NOON)

    def again(self) -> Triggers:
        """Triggers as they are after the process was killed."""
        runs = Runs(self.store, self.blobs, FakeExecutor(), self.clock)
        return Triggers(
            self.store,
            self.blobs,
            runs,
            self.clock,
            workspace_of=self.workspace,
            arrivals=self.arrivals,
            secrets=lambda _project, _environment: {},
        )

    def workspace(self, release: Release, environment: str) -> Workspace:
        if environment == self.made_in:
            raise Busy(what="It is made anew.")
        return Workspace(python="python", folder=release.id, data_root=environment, lock="")

    def settled(self) -> World:
        self.tick()
        self.project.finish()
        self.tick()
        return self

    def tick(self, **after: float) -> list[Firing]:
        """Tick some time later; gives the firings that it made."""
        known = len(self.firings())
        self.triggers.tick(self.clock.advance(timedelta(**after)))
        return self.firings()[known:]

    def firings(self) -> list[Firing]:
        with self.store.read() as reader:
            return reader.find(Firing)

    def runs(self) -> list[Run]:
        with self.store.read() as reader:
            return reader.find(Run)

    def ask(self, why: str = "", priority: int | None = None, **params: Any) -> None:
        self.triggers.request("flights", "production", "train", params, "katherine", why, priority)

    def explanation(self) -> str:
        return self.triggers.explain("flights", "production", "train").explanation

    def champion(self, auc: float = 0.8) -> None:
        self.project.lead(self.project.version(auc=auc))

    def predictions(
        self, count: int, version: int = 1, right: float = 0.6, labelled: bool = True, part: str = ""
    ) -> None:
        """Predictions of now, all in a slice, a share `right` of them ranked well, the rest upside down."""
        now = self.clock.now()
        with self.store.begin() as tx:
            for index in range(count):
                truth = float(index % 2)
                well = index % 100 < right * 100
                tx.add(
                    Prediction(
                        id=tx.mint(Prediction),
                        model="delay",
                        environment="production",
                        version=version,
                        variant="champion",
                        time=now,
                        score=0.2 + 0.6 * (truth if well else 1 - truth),
                        label="",
                        truth=truth if labelled else None,
                        truth_known=now if labelled else None,
                        slices=(part,) if part else (),
                    )
                )
            self.counted(tx, version)

    def correct(self, right: float) -> None:
        """Tell the truth of all predictions anew, so that a share `right` of them was ranked well."""
        with self.store.begin() as tx:
            for index, each in enumerate(tx.find(Prediction)):
                above = float(each.score > 0.5)
                well = index // 2 % 100 < right * 100
                truth = above if well else 1 - above
                tx.put(replace(each, truth=truth, truth_known=self.clock.now()))
            for version in {each.version for each in tx.find(Prediction)}:
                self.counted(tx, version)

    @staticmethod
    def counted(tx: Transaction, version: int) -> None:
        """Keep the windows of a version as its predictions are."""
        of: dict[datetime, list[Prediction]] = defaultdict(list)
        for each in tx.find(Prediction, version=version):
            of[each.time.replace(hour=0, minute=0)].append(each)
        for predictions in of.values():
            window = window_of(predictions[0])
            [before] = tx.find(Window, id=window.id) or [window]
            parts = Counter(name for each in predictions for name in each.slices)
            told = Counter(name for each in predictions for name in each.slices if each.truth is not None)
            slices = (Sliced(slice=n, predictions=parts[n], labelled=told[n]) for n in sorted(parts))
            labelled = sum(each.truth is not None for each in predictions)
            (tx.put if tx.count(Window, id=window.id) else tx.add)(
                replace(
                    window,
                    predictions=len(predictions),
                    labelled=labelled,
                    completeness=labelled / len(predictions),
                    slices=tuple(slices),
                    tellings=before.tellings + 1,
                )
            )

    def learnt(self, chances: tuple[float, ...]) -> None:
        """What the holdout of version 1 taught of scores from 0.2 to 0.8."""
        known = Estimator(rows=5000, scores=(0.2, 0.8), chances=chances)
        with self.store.begin() as tx:
            kept = self.blobs.put(msgspec.json.encode(known))
            tx.put(replace(tx.get(Version, "delay@1"), estimator=kept))


@pytest.fixture
def world() -> World:
    return World()


def test_a_release_that_arrives_runs_once(world: World):
    [firing] = world.tick()
    assert (firing.kind, firing.slot) == ("deployed", "deployed:1:train")
    assert firing.why == "release 1 arrived in production: pushed to live"
    [run] = world.runs()
    assert (run.id, run.firing, run.environment) == (firing.run, firing.id, "production")
    assert run.release == world.releases.find("1").id
    world.project.finish()
    assert world.tick(minutes=1) == []


@pytest.mark.parametrize(("made_in", "other"), [("test", "production"), ("production", "test")])
def test_while_a_workspace_is_made_other_triggers_fire_and_this_one_once_it_is_there(
    world: World, made_in: str, other: str
):
    world.project.move("dev", "c1")
    world.releases.tick(NOON)
    world.made_in = made_in
    for _ in range(2):
        with pytest.raises(Busy):
            world.tick(minutes=1)
    assert [firing.environment for firing in world.firings()] == [other]
    world.made_in = ""
    [firing] = world.tick(minutes=1)
    assert firing.environment == made_in


def test_the_run_is_caused_by_the_firing_and_the_firing_by_the_deployment(world: World):
    world.tick()
    with world.store.read() as reader:
        chain = [reader.events(kind=kind)[0] for kind in ("run.queued", "trigger.fired", "release.deployed")]
    assert [chain[0].cause, chain[1].cause] == [chain[1].id, chain[2].id]


def test_an_environment_may_leave_its_pipelines_alone():
    world = World(ON_PUSH.replace("serve = true", "serve = true\nrun = false"))
    assert world.tick() == []


def test_an_idle_tick_writes_nothing(world: World):
    world.settled()
    with world.store.read() as reader:
        before = reader.find(TriggerState), reader.events()
    assert not world.triggers.tick(world.clock.advance(timedelta(minutes=1)))
    with world.store.read() as reader:
        assert (reader.find(TriggerState), reader.events()) == before


def test_a_schedule_fires_at_its_time_and_once(world: World):
    world.settled()
    assert world.tick(hours=14, minutes=59) == []
    [firing] = world.tick(minutes=1)
    assert (firing.kind, firing.time) == ("schedule", datetime(2013, 3, 2, 3, tzinfo=UTC))
    world.project.finish()
    assert world.tick(minutes=1) == []
    assert "next at 2013-03-03 03:00" in world.explanation()


def test_missed_slots_become_one_firing_of_the_newest(world: World):
    world.settled()
    [firing] = world.tick(days=5)
    assert firing.evidence["at"] == "2013-03-06T03:00:00+00:00"
    world.project.finish()
    assert world.tick(minutes=1) == []


def test_missed_slots_are_left_out_where_the_schedule_says_skip():
    world = World(ON_PUSH.replace('"0 3 * * *"', '"0 3 * * *", missed = "skip"')).settled()
    assert world.tick(days=5) == []
    assert "was missed" in world.explanation()
    assert [f.kind for f in world.tick(hours=15, minutes=5)] == ["schedule"]


def test_slots_before_the_release_arrived_never_fire():
    world = World(ON_PUSH.replace("0 3 * * *", "0 11 * * *"))
    assert [f.kind for f in world.tick()] == ["deployed"]


def test_a_request_starts_a_run_with_its_parameters(world: World):
    world.settled()
    world.ask("for the auditor", depth=5)
    [firing] = world.tick()
    assert (firing.kind, firing.why) == ("on_demand", "for the auditor")
    run = world.runs()[-1]
    assert (run.params, run.actor) == ({"depth": 5}, "katherine")
    world.project.finish()
    assert world.tick() == []


def test_a_request_for_what_is_not_there_is_refused_and_leaves_nothing(world: World):
    with pytest.raises(NotFound, match="no pipeline 'trian'"):
        world.triggers.request("flights", "production", "trian", {}, "katherine")
    with pytest.raises(NotFound, match="No release of flights is in staging"):
        world.triggers.request("flights", "staging", "train", {}, "katherine")
    with pytest.raises(InvalidValue, match="depht"):
        world.ask(depht=1)
    world.settled()
    assert len(world.firings()) == 1


def test_reasons_wait_while_a_run_is_under_way(world: World):
    world.tick()
    world.ask("now")
    assert world.tick(minutes=1) == []
    assert world.explanation() == "waits for run 1: now"
    world.project.finish()
    assert [f.kind for f in world.tick(minutes=1)] == ["on_demand"]


def test_simultaneous_reasons_become_one_firing_that_lists_them_all(world: World):
    world.settled()
    world.ask("first")
    world.ask("second")
    [firing] = world.tick(hours=15)
    assert firing.kind == "on_demand"
    assert firing.why == "first; second; the schedule 0 3 * * * came to 2013-03-02 03:00"
    assert [told["kind"] for told in firing.evidence["reasons"]] == ["on_demand", "on_demand", "schedule"]
    assert len(firing.events) == 3
    world.project.finish()
    assert world.tick(minutes=1) == [], "each of them has been used up"


def test_requests_with_other_parameters_get_runs_of_their_own(world: World):
    world.settled()
    for depth in (2, 3, 2):
        world.ask(depth=depth)
    world.tick()
    world.project.finish()
    world.tick()
    world.project.finish()
    assert world.tick() == []
    assert [run.params["depth"] for run in world.runs()] == [3, 2, 3]


@pytest.mark.parametrize(
    ("since", "rows", "why"),
    [
        ("60d", {"span": "60d"}, "trains on rows of the last 60d"),
        ("ever", {"span": ""}, "trains on all rows there are"),
        ("change", {"span": "365d"}, "trains on what the pipeline says, since no change is known"),
    ],
)
def test_a_trigger_says_what_its_runs_train_on(since: str, rows: dict[str, str], why: str) -> None:
    world = World(training(since), TRAINING).settled()
    [run] = world.runs()
    assert {key: run.graph.nodes[1].settings[key] for key in rows} == rows
    assert world.firings()[0].why.endswith(f"; {why}")


def test_no_change_is_meant_where_nothing_tells_of_one() -> None:
    with pytest.raises(InvalidProject, match="no condition here tells of a change, so nobody knows"):
        parse_config(ON_PUSH.replace('cooldown = "2d"', 'since = "change"'))
    with pytest.raises(InvalidProject, match="'since'"):
        parse_config(ON_PUSH.replace('cooldown = "2d"', 'since = "yesterday"'))


def test_since_the_change_is_since_the_newest_that_has_not_gone_by() -> None:
    world = World(training("change"), TRAINING).settled()
    world.champion()
    changed = NOON - timedelta(days=40)
    for days, back in ((40, False), (50, False), (20, True)):
        since = NOON - timedelta(days=days)
        world.project.alarm(what="relation", since=since, ended=NOON if back else None, back=back)
    world.project.alarm(what="inputs", since=NOON)
    [firing] = world.tick(hours=1)
    told = "trains on rows since 2013-01-20, when the change of alarm 1 began, or on twice the holdout if"
    assert told in firing.why
    assert firing.evidence["trains_on"] == {"since": changed.isoformat(), "alarm": "1"}
    settings = world.runs()[-1].graph.nodes[1].settings
    assert (settings["since"], settings["span"]) == (changed.isoformat(), "365d")


def test_worse_performance_fires_and_tells_the_numbers():
    world = World(ON_PUSH.replace('cooldown = "2d"', "")).settled()
    world.champion(auc=0.8)
    world.tick(minutes=1)
    world.predictions(400, right=0.7)
    [firing] = world.tick(hours=1)
    assert firing.kind == "worse"
    assert firing.why == "roc_auc was 0.700 over 7 days (400 labels), 0.100 below the 0.800 of version 1"
    assert firing.evidence["low"] < 0.7 < firing.evidence["high"]


def test_worse_performance_of_a_slice_is_held_against_what_its_gate_measured_there() -> None:
    asked = 'worse = "roc_auc", slice = "carrier = UA"'
    config = ON_PUSH.replace('cooldown = "2d"', "").replace('worse = "roc_auc"', asked)
    world = World(config).settled()
    world.champion(auc=0.8)
    world.predictions(400, right=0.9, part="carrier = B6")
    world.predictions(60, right=0.5, part="carrier = UA")
    assert world.tick(hours=1) == []
    assert "roc_auc of carrier = UA: version 1 has none on record to compare with" in world.explanation()
    parts = [{"slice": "carrier = UA", "columns": ["carrier"], "rows": 70, "metrics": {"roc_auc": 0.75}}]
    report = GateReport(
        id="production:delay@1",
        environment="production",
        model="delay",
        number=1,
        artifact="",
        time=world.clock.now(),
        outcome="passed",
        verdicts=(),
        event=1,
        quality={"slices": parts},
    )
    with world.store.begin() as tx:
        tx.add(report)
    assert world.tick(hours=1) == []
    assert "roc_auc of carrier = UA: 60 of 100 labels needed over 7 days" in world.explanation()
    world.predictions(300, right=0.6, part="carrier = UA")
    [firing] = world.tick(hours=1)
    assert firing.why.startswith("roc_auc of carrier = UA was 0.639 over 7 days (360 labels), 0.111 below")


def test_worse_performance_waits_for_labels_and_says_how_many_are_missing(world: World):
    world.settled()
    world.champion(auc=0.8)
    world.predictions(99, right=0.5)
    world.predictions(500, labelled=False)
    assert world.tick(hours=1) == []
    assert "99 of 100 labels needed over 7 days of version 1" in world.explanation()


def test_a_corrected_label_is_seen_though_their_number_stays() -> None:
    world = World(ON_PUSH.replace('cooldown = "2d"', "")).settled()
    world.champion(auc=0.8)
    world.predictions(400, right=0.9)
    assert world.tick(hours=1) == []
    for right in (0.77, 0.6):  # the last ones while the clock stands still
        world.correct(right)
        fired = world.tick()
    [firing] = fired
    assert firing.why.startswith("roc_auc was 0.600 over 7 days (400 labels), 0.200 below")


ESTIMATED = (
    ON_PUSH.replace('cooldown = "2d"', "")
    .replace('{ schedule = "0 3 * * *" },', "")
    .replace("labels = 100", "labels = 100, sure = true, estimated = true")
)


def test_until_labels_come_the_estimate_speaks_where_the_condition_says_so() -> None:
    world = World(ESTIMATED).settled()
    world.champion(auc=0.8)
    world.learnt(chances=(0.49, 0.51))
    world.tick(hours=12)
    world.predictions(400, labelled=False)
    assert world.tick(hours=1) == []
    told = "0 of 100 labels needed over 7 days of version 1; nor is it estimated: that takes 200 answers"
    assert told in world.explanation(), "the day is not over"
    [firing] = world.tick(days=1)
    assert firing.why.startswith("roc_auc is estimated at 0.5")
    assert "over the days of 7 days that are over (0 of 100 labels)" in firing.why
    assert (firing.evidence["estimated"], firing.evidence["labels"]) == (True, 0)
    assert firing.evidence["high"] < 0.75
    world.correct(0.9)
    world.project.finish()
    assert world.tick(days=1) == [], "labels are heard before estimates"
    assert "roc_auc was 0.900 over 7 days (400 labels)" in world.explanation()


def test_a_span_that_is_shorter_than_labels_take_is_said_to_be() -> None:
    world = World(ESTIMATED).settled()
    world.champion(auc=0.8)
    world.predictions(50)
    world.predictions(400, labelled=False)
    world.tick(days=9)
    assert "labels have come for answers until 2013-03-01 only, so `over` is shorter" in world.explanation()


def test_a_loss_that_is_small_enough_does_not_fire(world: World):
    world.settled()
    world.champion(auc=0.8)
    world.predictions(400, right=0.76)
    assert world.tick(hours=1) == []
    assert "0.040 below the 0.800 of version 1; it takes 0.050 to fire" in world.explanation()


def test_only_what_the_champion_answered_since_it_took_over_counts(world: World):
    world.settled()
    world.champion(auc=0.8)
    world.predictions(400, version=1, right=0.5)
    world.clock.advance(timedelta(minutes=1))
    world.champion(auc=0.8)
    assert world.tick(minutes=1) == []
    assert "0 of 100 labels" in world.explanation()


def test_a_cooldown_holds_back_worse_but_neither_the_schedule_nor_a_person(world: World):
    world.settled()
    world.champion(auc=0.8)
    world.ask()
    world.tick(hours=1)
    world.project.finish()
    world.predictions(400, right=0.5)
    assert world.tick(hours=1) == []
    assert "cooling down until 2013-03-03 13:00" in world.explanation()
    assert [f.kind for f in world.tick(hours=13)] == ["schedule"]
    world.project.finish()
    world.ask()
    assert [f.kind for f in world.tick(minutes=1)] == ["on_demand"]


def test_after_the_cooldown_a_reason_that_lasts_fires_again():
    world = World(ON_PUSH.replace('{ schedule = "0 3 * * *" },', "")).settled()
    world.champion(auc=0.8)
    world.predictions(400, right=0.5)
    assert world.tick(hours=1) == [], "the run at arrival started less than two days ago"
    assert [f.kind for f in world.tick(days=2)] == ["worse"]
    world.project.finish()
    assert world.tick(days=1) == []
    assert [f.kind for f in world.tick(days=1)] == ["worse"]


def test_what_the_environment_says_of_its_trigger_holds_there():
    world = World(ON_PUSH + OWN).settled()
    world.champion(auc=0.8)
    world.ask()
    world.tick(hours=1)
    world.project.finish()
    world.predictions(400, right=0.5)
    assert world.tick(hours=1) == []
    assert "cooling down until 2013-03-04 13:00" in world.explanation()


def test_a_paused_trigger_hears_only_requests_and_forgets_what_passed_meanwhile(world: World):
    world.settled()
    world.triggers.pause("flights", "production", "train", "katherine")
    assert world.tick(days=1) == []
    assert world.explanation().startswith("paused")
    world.ask()
    assert [f.kind for f in world.tick()] == ["on_demand"]
    world.project.finish()
    world.triggers.resume("flights", "production", "train", "katherine")
    assert world.tick(minutes=1) == []
    assert [f.kind for f in world.tick(days=1)] == ["schedule"]


def test_a_release_that_was_replaced_before_it_ran_never_runs(world: World):
    world.project.release("c2", ON_PUSH)
    world.project.move("live", "c2")
    world.releases.tick(world.clock.now())
    [firing] = world.tick()
    assert firing.slot == "deployed:2:train"
    world.project.finish()
    assert world.tick() == []


@pytest.mark.parametrize(("asked", "priority"), [([None], 100), ([7, None, 3], 7), ([None, 200], 200)])
def test_a_run_on_demand_has_the_highest_priority_asked_for(asked: list[int | None], priority: int) -> None:
    world = World().settled()
    for each in asked:
        world.ask(priority=each)
    world.tick(hours=1)
    assert world.runs()[-1].priority == priority


def conditions(text: str, more: str = "") -> str:
    """The configuration with other conditions."""
    start, end = ON_PUSH.index("any = ["), ON_PUSH.index("[models.delay]")
    return ON_PUSH[:start] + text + f"\n{more}\n" + ON_PUSH[end:]


def read_by(world: World, **about: int) -> None:
    """The newest run has read the source, of which its snapshot says something."""
    with world.store.begin() as tx:
        run = tx.find(Run)[-1]
        step = tx.get(StepRun, f"{run.id}/flights.snapshot")
        rows = Artifact(digest="", format="arrow", size=0, meta=about)
        tx.put(replace(step, status="succeeded", outputs={"rows": rows}))


ROWS = 'any = [{ new_rows = 100, source = "flights", settle = "10m" }]'


def test_new_rows_fire_when_enough_have_come_since_the_last_run_read_them() -> None:
    world = World(conditions(ROWS))
    world.arrivals.known = [NOON - timedelta(minutes=1)] * 500
    world.tick()
    read_by(world)
    world.project.finish()
    assert world.tick(hours=1) == []
    assert "0 new rows of flights since it was read as of 2013-03-01 12:00" in world.explanation()
    world.arrivals.known += [world.clock.now()] * 100
    assert world.tick(minutes=9) == []
    assert "they still come" in world.explanation()
    [firing] = world.tick(minutes=1)
    assert (firing.kind, firing.evidence["rows"]) == ("new_rows", 100)
    assert firing.why.startswith("100 new rows of flights since")
    world.project.finish("failed")
    assert world.tick(days=1) == [], "the run failed before it read: not again for the same rows"
    world.arrivals.known += [world.clock.now()] * 100
    assert [f.evidence["rows"] for f in world.tick(days=1)] == [200]


def test_a_run_of_the_past_read_nothing_that_is_new() -> None:
    world = World(conditions(ROWS))
    world.arrivals.known = [NOON - timedelta(minutes=1)] * 500
    world.tick()
    read_by(world)
    world.project.finish()
    with world.store.begin() as tx:
        [run] = tx.find(Run)
        past = replace(
            run, id=tx.mint(Run), as_of=NOON - timedelta(days=30), created=NOON + timedelta(minutes=1)
        )
        step = tx.get(StepRun, f"{run.id}/flights.snapshot")
        tx.add(past, replace(step, id=f"{past.id}/flights.snapshot", run=past.id))
    assert world.tick(hours=1) == []
    assert "0 new rows of flights since it was read as of 2013-03-01 12:00" in world.explanation()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ('new_bytes = "100KB"', "100 KB new of flights"),
        ("new_partitions = 10", "10 new partitions of flights"),
    ],
)
def test_bytes_and_partitions_fire_as_rows_do(asked: str, words: str) -> None:
    world = World(conditions(f'any = [{{ {asked}, source = "flights" }}]')).settled()
    world.arrivals.known = [NOON] * 99
    assert world.tick(hours=1) == []
    assert "to fire" in world.explanation()
    world.arrivals.known = [NOON] * 100
    [firing] = world.tick(hours=1)
    assert (firing.kind, words in firing.why) == (asked.split(maxsplit=1)[0], True)


def test_new_versions_are_counted_from_the_one_that_was_read() -> None:
    world = World(conditions('any = [{ new_versions = 2, source = "flights" }]')).settled()
    assert "flights is no Delta table, and has no versions" in world.explanation()
    world.arrivals.version = 0
    assert world.tick(hours=1) == []
    assert "1 new versions of flights and no run has read it yet: it has version 0" in world.explanation()
    world.arrivals.version = 1
    [firing] = world.tick(hours=1)
    assert (firing.kind, firing.evidence["versions"]) == ("new_versions", 2)
    read_by(world, version=1)
    world.project.finish()
    world.arrivals.version = 2
    assert world.tick(hours=1) == []
    assert "it has version 2; it takes 2 to fire" in world.explanation()
    world.arrivals.version = 3
    assert [firing.evidence["versions"] for firing in world.tick(hours=1)] == [2]
    read_by(world, version=3)
    world.project.finish()
    world.arrivals.version = 1  # the table was made anew
    assert [firing.evidence["versions"] for firing in world.tick(hours=1)] == [2]


def test_twice_as_many_rows_do_not_wait_until_no_more_come() -> None:
    world = World(conditions(ROWS))
    world.arrivals.known = [NOON] * 200
    [firing] = world.tick()
    assert "200 new rows of flights and no run has read it yet" in firing.why


def test_all_conditions_must_hold_together_and_a_slot_stays_come_until_it_is_used() -> None:
    together = 'all = [{ schedule = "0 3 * * *" }, { new_rows = 100, source = "flights" }]'
    world = World(conditions(together)).settled()
    assert world.tick(days=1) == []
    assert "all of 2 conditions must hold: 0 new rows of flights" in world.explanation()
    assert "(the schedule 0 3 * * * came to 2013-03-02 03:00 does hold)" in world.explanation()
    world.arrivals.known = [world.clock.now()] * 100
    [firing] = world.tick(hours=1)
    assert [told["kind"] for told in firing.evidence["reasons"]] == ["schedule", "new_rows"]
    world.project.finish()
    assert world.tick(hours=1) == []


def test_a_budget_and_quiet_hours_hold_back_what_nobody_asked_for() -> None:
    bounds = """at_most = "2 per 7d"\nquiet = { from = "22:00", until = "06:00" }"""
    world = World(conditions('any = [{ schedule = "0 * * * *" }]', bounds)).settled()
    for _ in range(2):
        assert [f.kind for f in world.tick(hours=1)] == ["schedule"]
        world.project.finish()
    assert world.tick(hours=1) == []
    assert "as often as it may (2 of 2 in 7 days), until 2013-03-08 13:00" in world.explanation()
    world.ask()
    assert [f.kind for f in world.tick()] == ["on_demand"]
    world.project.finish()
    world.clock.set(datetime(2013, 3, 9, 23, tzinfo=UTC))
    assert world.tick() == []
    assert "it is quiet until 06:00" in world.explanation()
    [firing] = world.tick(hours=7)
    assert firing.evidence["at"] == "2013-03-10T06:00:00+00:00"


def test_a_schedule_follows_the_clock_of_its_zone_through_a_change_of_the_clock() -> None:
    zone = 'zone = "America/New_York"'
    world = World(conditions('any = [{ schedule = "30 2 * * *" }]', zone)).settled()
    world.clock.set(datetime(2013, 3, 9, 8, tzinfo=UTC))
    at = []
    for _ in range(60):
        at += [firing.evidence["at"] for firing in world.tick(hours=1)]
        world.project.finish()
    assert at == ["2013-03-09T07:30:00+00:00", "2013-03-10T07:00:00+00:00", "2013-03-11T06:30:00+00:00"]
    assert "America/New_York" in world.explanation()


def test_a_thousand_requests_at_once_are_one_run_that_lists_them_all(world: World) -> None:
    world.settled()
    for number in range(1000):
        world.ask(f"event {number}")
    [firing] = world.tick()
    assert len(firing.events) == len(firing.evidence["reasons"]) == 1000
    assert firing.why.endswith("event 9; and 990 more")
    world.project.finish()
    assert world.tick() == []
    assert len(world.runs()) == 2


def test_what_was_decided_is_kept_for_every_look_in_few_rows(world: World) -> None:
    world.settled()
    world.champion(auc=0.8)
    for _ in range(14):
        world.tick(hours=1)
        world.predictions(3, labelled=True)
    world.tick(hours=1)
    with world.store.read() as reader:
        told = reader.find(Explanation)
    assert [(row.firing, row.explanation[:12]) for row in told] == [
        ("1", "fired: relea"),
        ("", "schedule 0 3"),
        ("", "schedule 0 3"),
        ("2", "fired: the s"),
    ]
    assert "no champion yet" in told[1].explanation
    assert "42 of 100 labels" not in told[2].explanation
    assert "39 of 100 labels" in told[2].explanation, "the numbers are the last"
    assert (told[2].looks, told[2].until - told[2].since) == (14, timedelta(hours=13))


DRIFT = 'any = [{ drift = "inputs", false_alarms = "1 per 90d" }]'


def test_an_alarm_about_the_champion_starts_a_run_that_it_caused() -> None:
    world = World(conditions(DRIFT, 'cooldown = "2d"')).settled()
    world.champion()
    assert world.tick(days=2) == []
    assert "drift of inputs: no alarm about version 1" in world.explanation()
    world.project.alarm(what="outputs")
    assert world.tick() == []
    world.project.alarm()
    world.triggers = world.again()
    [firing] = world.tick()
    assert (firing.kind, firing.evidence["alarms"]) == ("drift", ["2"])
    with world.store.read() as reader:
        [alarm] = reader.find(Alarm, what="inputs")
        assert firing.events == (alarm.event,)
        assert [e.cause for e in reader.events(kind="trigger.fired")][-1] == alarm.event
    world.project.finish("failed")
    world.triggers = world.again()
    assert world.tick(days=3) == [], "the alarm has had its run"
    with world.store.begin() as tx:
        tx.put(replace(tx.get(Alarm, "2"), last=world.clock.now(), windows=2))
    assert [f.kind for f in world.tick()] == ["drift"], "it lasts, and the run changed nothing"
    world.project.finish()
    world.champion()
    assert world.tick(days=3) == []
    assert "no alarm about version 2" in world.explanation()


def compared(world: World, view: str, day: datetime, skew: float | None, version: int = 1) -> None:
    """What was read of a view on a day has been compared, or could not be."""
    with world.store.begin() as tx:
        told = tx.mint(Skew)
        tx.add(
            Skew(
                id=told,
                window="w",
                project="flights",
                environment="production",
                model="delay",
                version=version,
                view=view,
                start=day,
                end=day + timedelta(days=1),
                lookups=400,
                rows=400,
                skew=skew,
                stale=None if skew is None else 0.1,
                measured=world.clock.now(),
                event=int(told),
            )
        )


def test_skew_of_what_is_read_online_fires_once_for_each_day() -> None:
    world = World(conditions('any = [{ skew = "skew > 1%", view = "footfall" }]')).settled()
    assert "skew > 1% of footfall: there is no champion yet" in world.explanation()
    world.champion()
    assert world.tick() == []
    assert "nothing that version 1 read online was compared yet" in world.explanation()
    compared(world, "footfall", NOON, 0.01)
    compared(world, "weather", NOON, 0.9)
    assert world.tick() == []
    assert "on 2013-03-01 was 1 % of footfall; it takes skew > 1% to fire" in world.explanation()
    compared(world, "footfall", NOON + timedelta(days=1), 0.021)
    compared(world, "footfall", NOON + timedelta(days=2), None)
    [firing] = world.tick()
    assert (firing.kind, firing.events) == ("skew", (3,))
    assert firing.why.endswith("on 2013-03-02 was 2.1 % of footfall, which is skew > 1%")
    world.project.finish()
    assert world.tick(days=1) == []
    assert "it has fired for this already" in world.explanation()
    compared(world, "footfall", NOON + timedelta(days=3), 0.5)
    world.champion()
    assert world.tick() == [], "it was another version"
    compared(world, "footfall", NOON + timedelta(days=3), 0.5, version=2)
    assert [firing.kind for firing in world.tick()] == ["skew"]


def test_labelled_answers_are_counted_as_new_rows() -> None:
    source = {"name": "served", "path": "served", "event_time": "answered_at", "kind": LOGGED}
    snapshot = replace(READING.nodes[0], settings={"source": source})
    graph = replace(READING, nodes=(snapshot, *GRAPH.nodes))
    world = World(conditions('any = [{ new_rows = 100, source = "served" }]'), graph).settled()
    world.predictions(99)
    world.predictions(50, labelled=False)
    assert world.tick(hours=1) == []
    assert "99 new rows of served and no run has read it yet; it takes 100 to fire" in world.explanation()
    world.predictions(1)
    [firing] = world.tick(hours=1)
    assert (firing.kind, firing.evidence["rows"]) == ("new_rows", 100)
    read_by(world)
    world.project.finish()
    assert world.tick(hours=1) == []
    assert "0 new rows of served since it was read as of" in world.explanation()
    world.correct(right=1)  # of all 150, which tells labels of 50 for the first time
    assert [firing.evidence["rows"] for firing in world.tick(hours=1)] == [150]
