"""Stories of rollouts: a version is judged, takes over, is rolled back; the service dies and comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.core.errors import Conflict, NotAllowed, NotFound, Unavailable
from penstock.datasets.types import Column
from penstock.deployments.decide import Facts, difference
from penstock.deployments.gather import ROWS
from penstock.deployments.releases import Releases
from penstock.deployments.rollouts import Rollouts
from penstock.deployments.swaps import DEATHS
from penstock.deployments.tryouts import Submit, at_once
from penstock.deployments.types import GateReport, Swap
from penstock.features.types import Materialization, OnlineView, Origins, online_id
from penstock.models.service import Models
from penstock.models.types import Placement, Version
from penstock.runs.types import Run, Workspace
from penstock.serving.answers import Examples
from penstock.serving.types import Answer, Plan, Probe
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.prediction import FakeLabels, FakePredictionService

CONFIG_ON_PUSH = CONFIG.replace(
    'deploy = { on = "promote", after = "staging", successful_runs = 3 }',
    'deploy = { on = "push", branch = "live" }\nserve = true',
)
HOLDOUT = pl.DataFrame(
    {
        "wind": [float(n % 10) for n in range(400)],
        "carrier": ["UA", "B6"] * 200,
        "late": [n % 10 >= 5 for n in range(400)],
    }
)
INPUTS = {"wind": [1.0, 9.0], "carrier": ["UA", "B6"]}


def good(row: Any) -> float:
    return (row["wind"] or 0.0) / 10


def poor(row: Any) -> float:
    return ((row["wind"] or 0.0) * 7 % 10) / 10


def examples(score: Callable[[Any], float]) -> dict[str, Any]:
    scores = [score(dict(zip(INPUTS, row, strict=True))) for row in zip(*INPUTS.values(), strict=True)]
    return {"inputs": INPUTS, "score": scores, "label": [str(value > 0.5) for value in scores]}


class ByRow:
    """A model whose score of a row is what a function says."""

    def __init__(self, score: Callable[[Any], float]) -> None:
        self.score = score

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        score = [self.score(row) for row in rows]
        return score, [str(value > 0.5) for value in score], [[1 - value, value] for value in score]


class World:
    """A release in production, which serves; no version yet."""

    def __init__(self, config: str = CONFIG_ON_PUSH) -> None:
        self.store, self.blobs = MemoryStore(), MemoryBlobs()
        self.clock = FixedClock(datetime(2013, 3, 1, tzinfo=UTC))
        self.scores: dict[int, Callable[[Any], float]] = {}
        self.service = FakePredictionService(lambda version: ByRow(self.scores[version.number]))
        self.virtual: datetime | None = None
        self.submit: Submit = at_once
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.labels = FakeLabels()
        self.models = Models(self.store, self.blobs, self.clock, registers=lambda _project, _where: True)
        self.start()
        self.project.release("c1", config)
        self.project.move("live", "c1")
        Releases(self.store, self.blobs, self.clock).tick(self.clock.now())

    def start(self) -> None:
        """A control plane begins, with nothing in its memory."""
        self.rollouts = Rollouts(
            self.store,
            self.blobs,
            self.service,
            self.models,
            self.clock,
            labelled=self.labels,
            virtual_now=lambda: self.virtual,
            submit=self.submit,
        )

    def train(self, score: Callable[[Any], float] = good, auc: float = 1.0, **fields: Any) -> Version:
        fields = {"examples": examples(score), "holdout": HOLDOUT} | fields
        version = self.project.version(auc=auc, **fields)
        self.scores[version.number] = score
        return version

    def tick(self) -> bool:
        return self.rollouts.tick(self.clock.advance(timedelta(minutes=1)))

    def settle(self) -> None:
        for _ in range(10):
            if not self.tick():
                return
        raise AssertionError("it never settles")

    def answering(self) -> int:
        """The version that answers for the model's URL."""
        return self.service.infer("delay", 0, INPUTS).version

    def forget(self) -> None:
        """The prediction process dies and has lost its plan."""
        self.service.apply(Plan(clock=None, models=()))

    def roles(self, environment: str = "production") -> list[str]:
        with self.store.read() as reader:
            return [p.role for p in reader.find(Placement, environment=environment)]

    def swaps(self) -> list[tuple[int, int]]:
        with self.store.read() as reader:
            return [(s.before, s.after) for s in reader.find(Swap)]

    def report(self, number: int) -> GateReport:
        with self.store.read() as reader:
            return reader.get(GateReport, f"production:delay@{number}")

    def verdict(self, number: int, check: str) -> Any:
        return next(v for v in self.report(number).verdicts if v.check.startswith(check))


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_version_passes_its_gate_and_answers(world: World):
    world.train()
    world.settle()
    assert world.roles() == ["champion"]
    assert world.answering() == 1
    assert world.swaps() == [(0, 1)]
    assert world.verdict(1, "roc_auc >= champion").why == "there is no champion yet"
    assert not world.tick()


def test_a_better_version_takes_over_and_the_one_before_stays_loaded(world: World):
    for _ in range(3):
        world.train()
        world.settle()
    assert world.roles() == ["retired", "previous", "champion"]
    assert world.swaps() == [(0, 1), (1, 2), (2, 3)]
    [model] = world.service.plan.models
    assert [(v.number, v.resident) for v in model.versions] == [(1, False), (2, True), (3, True)]


def test_each_swap_is_caused_by_its_gate_and_that_by_the_version(world: World):
    world.train()
    world.settle()
    with world.store.read() as reader:
        chain = [
            reader.events(kind=kind)[0]
            for kind in ("model.live", "version.placed", "gate.passed", "version.registered")
        ]
    assert [event.cause for event in chain[:-1]] == [event.id for event in chain[1:]]


def test_the_champion_is_measured_on_the_rows_of_the_candidate(world: World):
    world.train(poor, auc=0.99)
    world.settle()
    world.train(good, auc=0.75)
    world.settle()
    verdict = world.verdict(2, "roc_auc >= champion")
    assert verdict.passed, "what the champion scored long ago on other rows does not count"
    assert verdict.evidence["right"] < 0.75
    assert (
        "measured through the prediction service on 400 holdout rows" in verdict.evidence["champion_source"]
    )
    assert verdict.evidence["service"]["roc_auc"] == 1.0


def test_a_version_that_is_worse_than_the_champion_is_rejected_and_never_served(world: World):
    world.train(good, auc=0.8)
    world.settle()
    world.train(poor, auc=0.7)
    world.settle()
    assert world.roles() == ["champion", "rejected"]
    assert world.report(2).outcome == "failed"
    assert world.answering() == 1
    [model] = world.service.plan.models
    assert [v.number for v in model.versions] == [1], "the trial is over"
    with pytest.raises(NotAllowed, match="did not pass the gate of production"):
        world.rollouts.promote("delay", 2, "production", "katherine")


def test_a_version_that_answers_otherwise_than_recorded_is_rejected(world: World):
    version = world.train(good)
    world.scores[version.number] = lambda row: good(row) + 0.002
    world.settle()
    verdict = world.verdict(1, "contract")
    assert not verdict.passed
    assert verdict.evidence["max_difference"] == pytest.approx(0.002)
    assert verdict.evidence["examples"] == 2


def test_a_regression_is_held_to_its_scores_and_not_to_how_they_are_rounded():
    recorded = Examples(inputs={"wind": [1.0]}, score=[1234.5649], label=["1234.56"])
    answer = Answer(
        ids=("a",), model="m", version=1, variant="direct", score=(1234.5651,), label=("1234.57",)
    )
    assert difference(recorded, answer, classes=True).labels_differ == 1
    assert difference(recorded, answer, classes=False).labels_differ == 0
    assert difference(recorded, answer, classes=False).max_difference == pytest.approx(1.6e-7, rel=0.1)


def test_a_version_without_recorded_examples_cannot_prove_its_contract(world: World):
    world.train(examples=None)
    world.settle()
    assert world.verdict(1, "contract").why == "no examples were recorded"
    assert world.roles() == ["rejected"]


def test_a_version_that_does_not_load_is_rejected_and_the_champion_goes_on(world: World):
    world.train()
    world.settle()
    world.service.broken[world.train().artifact] = "its file is damaged"
    world.settle()
    assert world.roles() == ["champion", "rejected"]
    assert "its file is damaged" in world.verdict(2, "loads").why
    assert world.answering() == 1


def test_an_empty_gate_is_not_a_passed_gate():
    world = World(CONFIG_ON_PUSH[: CONFIG_ON_PUSH.index("[models.delay]")])
    world.train()
    world.settle()
    assert world.roles() == ["rejected"]
    assert "An empty gate is not a passed gate. Add [models.delay]" in world.verdict(1, "gate").why


def test_a_gate_of_the_environments_own_judges_there():
    world = World(CONFIG_ON_PUSH + '[environments.production.models.delay]\ngate = ["roc_auc >= 0.99"]\n')
    world.train(good, auc=0.8)
    world.settle()
    assert world.roles() == ["rejected"]
    assert "0.99" in world.verdict(1, "roc_auc >= 0.99").why


def test_a_champion_that_cannot_answer_these_rows_is_compared_by_its_record(world: World):
    world.train(good, auc=0.8)
    world.settle()
    world.train(good, auc=0.795, holdout=HOLDOUT.drop("carrier"))
    world.settle()
    verdict = world.verdict(2, "roc_auc >= champion")
    assert verdict.passed
    assert verdict.evidence["right"] == pytest.approx(0.79)
    assert "needs carrier, which these rows lack" in verdict.evidence["champion_source"]


def test_of_a_long_holdout_labelled_rows_are_evenly_taken_without_holding_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    long = pl.concat([HOLDOUT] * (ROWS // 100)).with_row_index("number")
    long = long.with_columns(late=pl.when(pl.col("number") % 3 > 0).then("late"), wind=pl.col("number") / 1.0)
    labelled = long.drop_nulls("late")["wind"]
    asked, read = [], []

    def score(row: Any) -> float:
        asked.append(row["wind"])
        return (row["wind"] or 0.0) % 10 / 10

    world.train(score)
    world.settle()
    version = world.train(score, holdout=long)
    file, get = world.blobs.path(version.holdout), world.blobs.get
    monkeypatch.setattr(world.blobs, "path", {version.holdout: file}.__getitem__)
    monkeypatch.setattr(world.blobs, "get", lambda digest: read.append(digest) or get(digest))
    world.settle()
    verdict = world.verdict(2, "roc_auc >= champion")
    assert (verdict.evidence["measured"], verdict.evidence["holdout"]) == (ROWS, len(labelled))
    assert f"on {ROWS} holdout rows of {len(labelled)}, evenly taken" in verdict.evidence["champion_source"]
    assert asked[-ROWS:] == labelled[np.linspace(0, len(labelled) - 1, ROWS).astype(int)].to_list()
    assert version.examples in read
    assert version.holdout not in read


def test_nothing_is_decided_while_the_prediction_service_is_down(world: World):
    world.train()
    world.service.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            world.tick()
    assert world.roles() == []
    world.service.down = False
    world.settle()
    assert world.roles() == ["champion"]


def test_a_version_of_which_the_service_dies_is_refused_after_so_many_deaths(world: World):
    def deadly(row: Any) -> float:
        if row["wind"] == 5:
            raise Unavailable(what="The prediction service does not answer")
        return good(row)

    world.train(deadly)
    for _ in range(DEATHS - 1):
        with pytest.raises(Unavailable):
            world.tick()
        world.service.down = True
        with pytest.raises(Unavailable):
            world.tick()  # of this the version is not guilty
        world.service.down = False
    world.settle()
    [verdict] = world.report(1).verdicts
    assert (verdict.passed, verdict.evidence["times"]) == (False, DEATHS)
    assert "failed 3 times while it was tried" in verdict.why


def test_a_service_that_lost_its_plan_is_given_it_again(world: World):
    world.train()
    world.settle()
    world.forget()
    assert world.tick()
    assert world.answering() == 1
    assert world.swaps() == [(0, 1)], "it is the same champion"


def test_a_control_plane_that_begins_again_decides_nothing_twice(world: World):
    world.train()
    world.settle()
    world.start()
    world.settle()
    assert (world.roles(), world.swaps()) == (["champion"], [(0, 1)])


def test_a_champion_that_no_longer_loads_is_told_and_tried_again(world: World):
    version = world.train()
    world.settle()
    world.service.broken[version.artifact] = "its file is damaged"
    world.forget()
    with pytest.raises(Unavailable, match=r"does not serve the champion delay@1: found its file is damaged"):
        world.tick()
    world.service.broken.clear()
    world.settle()
    assert world.answering() == 1


def test_a_rollback_puts_the_previous_champion_back_at_once(world: World):
    for _ in range(2):
        world.train()
        world.settle()
    placement = world.rollouts.rollback("delay", "production", "katherine")
    assert (placement.number, placement.role, placement.actor) == (1, "champion", "katherine")
    world.settle()
    assert world.roles() == ["champion", "previous"]
    assert world.swaps()[-1] == (2, 1)
    world.rollouts.rollback("delay", "production", "katherine")
    world.settle()
    assert world.answering() == 2


def test_a_rollback_that_is_asked_for_twice_because_of_one_version_goes_back_once(world: World):
    for _ in range(2):
        world.train()
        world.settle()
    world.rollouts.rollback("delay", "production", "trigger 7", instead_of=2)
    with pytest.raises(Conflict, match="delay@2 was not taken back in production: another answers"):
        world.rollouts.rollback("delay", "production", "trigger 7", instead_of=2)
    world.settle()
    assert world.answering() == 1


def test_there_is_nothing_to_roll_back_to_at_first(world: World):
    world.train()
    world.settle()
    with pytest.raises(Conflict, match="no previous champion"):
        world.rollouts.rollback("delay", "production", "katherine")


def test_a_retired_version_may_be_promoted_again_without_another_gate(world: World):
    for _ in range(3):
        world.train()
        world.settle()
    assert world.rollouts.promote("delay", 1, "production", "katherine").role == "champion"
    world.settle()
    assert world.roles() == ["champion", "retired", "previous"]
    assert world.swaps()[-1] == (3, 1)


def test_a_version_from_elsewhere_is_proposed_and_has_to_pass_the_gate(world: World):
    world.train(environment="development")
    world.settle()
    assert world.roles() == []
    assert world.rollouts.promote("delay", 1, "production", "katherine").role == "candidate"
    world.settle()
    assert world.roles() == ["champion"]
    with world.store.read() as reader:
        assert reader.events(kind="gate.passed")[0].cause == reader.events(kind="version.placed")[0].id


def test_no_version_goes_where_models_do_not_serve(world: World):
    world.train(environment="development")
    for environment in ("test", "nowhere"):
        with pytest.raises(NotAllowed, match="No model of flights serves in"):
            world.rollouts.promote("delay", 1, environment, "katherine")
    with pytest.raises(NotFound):
        world.rollouts.promote("delay", 9, "production", "katherine")


def test_the_virtual_time_travels_with_the_plan(world: World):
    world.train()
    world.settle()
    assert world.service.plan.clock is None
    world.virtual = datetime(2013, 4, 1, tzinfo=UTC)
    world.rollouts.push()
    assert world.service.plan.clock == world.virtual
    world.settle()
    assert not world.tick()


def test_the_home_of_a_model_is_where_its_path_ends():
    world = World(CONFIG_ON_PUSH.replace('branch = "dev" }', 'branch = "live" }\nserve = true'))
    with pytest.raises(NotFound, match="no champion anywhere"):
        world.rollouts.home_of("delay")
    world.train(environment="test")
    world.settle()
    assert world.rollouts.home_of("delay") == "test"
    world.train(environment="production")
    world.settle()
    assert world.rollouts.home_of("delay") == "production"
    assert world.answering() == 2, "the last environment leads the model's URL"
    assert [m.environment for m in world.service.plan.models] == ["production", "test"]


def test_a_candidate_is_judged_again_when_the_champion_changes_meanwhile(world: World):
    for _ in range(2):
        world.train()
        world.settle()
    world.train()
    judging = world.service.apply

    def rolled_back_meanwhile(plan: Plan) -> Any:
        world.service.apply = judging  # type: ignore[method-assign]
        world.rollouts.rollback("delay", "production", "katherine")
        return judging(plan)

    world.service.apply = rolled_back_meanwhile  # type: ignore[method-assign]
    world.tick()
    assert world.roles() == ["champion", "previous"]
    world.settle()
    assert world.verdict(3, "roc_auc >= champion").evidence["champion"] == 1
    assert world.roles() == ["previous", "retired", "champion"]


LOADED = 'gate = ["infrastructure", "load: 200/s for 3s, p99 <= 20ms, errors == 0"]'


def loaded() -> World:
    """A world whose gate asks for a load and a look at the infrastructure."""
    return World(re.sub(r"gate = \[[^]]*\]", LOADED, CONFIG_ON_PUSH))


def verdicts(world: World, number: int) -> dict[str, str]:
    with world.store.read() as reader:
        report = reader.get(GateReport, f"production:delay@{number}")
    return {v.check.partition(":")[0]: v.why if not v.passed else "passed" for v in report.verdicts}


def test_a_version_that_fits_and_keeps_up_goes_live() -> None:
    world = loaded()
    world.train()
    world.settle()
    assert world.service.loads == [("delay", 1, 200.0, 3.0)]
    assert verdicts(world, 1) == {"infrastructure": "passed", "load": "passed", "baseline": "passed"}
    assert world.answering() == 1


def test_a_version_that_is_too_slow_does_not() -> None:
    world = loaded()
    world.train()
    world.settle()
    world.service.report = msgspec.structs.replace(world.service.report, p99=21.0)
    world.train()
    world.settle()
    assert "p99 21 is not <= 20" in verdicts(world, 2)["load"]
    assert (world.answering(), world.roles()) == (1, ["champion", "rejected"])


def test_a_version_that_has_no_room_is_not_loaded_beside_the_others() -> None:
    world = loaded()
    world.train()
    world.settle()
    world.train()
    world.service.probe = lambda _: Probe(memory=3_000_000, available=2_000_000)  # type: ignore[method-assign]
    world.service.load = None  # type: ignore[method-assign,assignment]
    world.settle()
    assert verdicts(world, 2) == {"infrastructure": "it takes 3 MB and there are 2 MB"}
    assert world.answering() == 1


def test_a_tryout_goes_on_beside_everything_else() -> None:
    world, under_way = loaded(), []

    def begin(work: Callable[[], Facts]) -> Future[Facts]:
        future: Future[Facts] = Future()
        under_way.append((future, work))
        return future

    world.train()
    world.settle()
    world.submit = begin
    world.start()
    world.train()
    for _ in range(3):
        world.tick()
    assert (world.answering(), world.roles(), len(under_way)) == (1, ["champion"], 1)
    assert world.rollouts.trying
    [(future, work)] = under_way
    future.set_result(work())
    assert not world.rollouts.trying
    world.tick()
    assert (world.answering(), world.roles(), len(under_way)) == (2, ["previous", "champion"], 1)


def test_what_is_being_tried_stays_loaded_while_plans_are_followed() -> None:
    world = loaded()
    world.train()
    world.settle()
    asked: list[bool] = []

    def during(work: Callable[[], Facts]) -> Future[Facts]:
        load = world.service.load

        def look(*asks: Any) -> Any:
            world.rollouts.push()
            asked.append(any(loaded.number == 2 and loaded.ready for loaded in world.service.loaded()))
            return load(*asks)

        world.service.load = look  # type: ignore[method-assign]
        return at_once(work)

    world.submit = during
    world.start()
    world.train()
    world.settle()
    assert asked == [True]
    assert world.answering() == 2


def test_a_version_waits_for_the_features_that_requests_need_not_give_and_says_so(world: World):
    world.train()
    world.settle()
    run = Run(
        id="2", project="flights", pipeline="train", environment="production", release="r", firing="",
        graph=GRAPH, params={}, workspace=Workspace(python="", folder="", data_root="", lock=""),
        as_of=world.clock.now(), created=world.clock.now(),
    )  # fmt: skip
    new = Materialization(
        id=online_id("flights", "production", "weather", "new"), project="flights", environment="production",
        view="weather", version="new",
    )  # fmt: skip
    old = replace(
        new, id=online_id("flights", "production", "weather", "old"), version="old", as_of=run.as_of
    )
    with world.store.begin() as tx:
        tx.add(run, new, old)
    view = OnlineView(
        name="weather", version="new", entity=(Column(name="origin", dtype="string"),), features=()
    )
    version = world.train()
    with world.store.begin() as tx:
        tx.put(replace(version, training={"origins": msgspec.to_builtins(Origins(views=(view,)))}))
    world.settle()
    assert (world.roles(), world.answering()) == (["champion", "candidate"], 1)
    with world.store.read() as reader:
        [placed] = reader.find(Placement, number=2)
        assert placed.why.startswith("waits for online values of weather as it was trained on")
        assert ("production", 2) in [(where, each.number) for where, each in world.rollouts.readers(reader)]
    with world.store.begin() as tx:
        tx.put(replace(new, as_of=run.as_of))
    world.settle()
    assert (world.roles(), world.answering()) == (["previous", "champion"], 2)
    [model] = world.service.plan.models
    assert [[view.id for view in version.origins.views] for version in model.versions] == [[], [new.id]]
