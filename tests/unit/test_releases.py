"""Releases on their way: push, reviewed merge, promotion, and back."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from penstock.core.errors import Conflict, InvalidProject, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.deployments.holds import Holds
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment
from penstock.revisions.config import parse_config
from penstock.runs.types import Run, StepRun, Workspace
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore


class World:
    def __init__(self) -> None:
        self.store, self.blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock()
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.releases = Releases(self.store, self.blobs, self.clock)

    def tick(self) -> bool:
        return self.releases.tick(self.clock.advance(timedelta(minutes=1)))

    def there(self, environment: str) -> str:
        with self.store.read() as reader:
            active = reader.find(Deployment, environment=environment, active=True)
        assert len(active) <= 1
        return active[0].commit if active else ""

    def run(
        self,
        environment: str,
        release: str,
        status: str = "succeeded",
        *,
        depth: int = 3,
        cached: str = "",
        failures: int = 0,
    ) -> None:
        """A run that has ended; `cached` names the step run that its only step was taken from."""
        with self.store.begin() as tx:
            number = tx.mint(Run)
            told = Event(kind="run.failed", subject=f"run:{number}", time=self.clock.now())
            tx.publish(*[told] * failures)
            step = StepRun(id=f"{number}/publish", run=number, name="publish", status=status)
            tx.add(
                msgspec.structs.replace(step, cached_from=cached),
                Run(
                    id=number,
                    project="flights",
                    pipeline="train",
                    environment=environment,
                    release=release,
                    firing="",
                    graph=GRAPH,
                    params={"depth": depth},
                    event=tx.publish(msgspec.structs.replace(told, kind="run.queued"))[0],
                    workspace=Workspace(python="", folder="", data_root="", lock=""),
                    as_of=self.clock.now(),
                    created=self.clock.now(),
                    status=status,
                ),
            )

    def in_staging(self, commit: str = "c1"):
        release = self.project.release(commit)
        self.project.move("main", commit, ("grace",))
        self.tick()
        return release


@pytest.fixture
def world() -> World:
    return World()


def test_a_push_brings_its_release_to_the_environment_of_the_branch_and_nowhere_else(world: World):
    world.project.move("dev", "c1")
    assert not world.tick(), "nothing is green yet"
    world.project.release("c1")
    assert world.tick()
    assert [world.there(name) for name in ("test", "staging", "production")] == ["c1", "", ""]
    assert not world.tick()


def test_a_later_push_takes_the_place_of_the_earlier(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    assert world.there("test") == "c2"
    with world.store.read() as reader:
        assert [d.active for d in reader.find(Deployment)] == [False, True]


def test_a_merge_takes_the_same_release_on_once_it_is_approved(world: World):
    release = world.project.release("c1")
    world.project.move("dev", "c1")
    world.tick()
    world.project.move("main", "c1")
    assert not world.tick(), "nobody has approved"
    world.project.move("main", "c1", ("grace",))
    assert world.tick()
    with world.store.read() as reader:
        assert {d.environment: d.release for d in reader.find(Deployment)} == {
            "test": release.id,
            "staging": release.id,
        }


def test_production_is_refused_before_the_release_was_in_staging(world: World):
    release = world.project.release("c1")
    with pytest.raises(NotAllowed, match="deployed to staging first"):
        world.releases.promote("flights", "1", "production", "katherine")
    assert release.number == 1


def test_production_is_refused_before_enough_runs_of_that_release_succeeded(world: World):
    release = world.in_staging()
    for status in ("failed", "succeeded", "succeeded", "queued"):
        world.run("staging", release.id, status)
    world.run("test", release.id)
    world.run("staging", "another release")
    with pytest.raises(
        NotAllowed, match="expected at least 3 successful runs in staging; found 2"
    ) as refusal:
        world.releases.promote("flights", release.id[:12], "production", "katherine")
    assert "penstock triggers fire" in refusal.value.fix
    assert not world.there("production")
    world.run("staging", release.id)
    deployment = world.releases.promote("flights", release.id[:12], "production", "katherine")
    assert (deployment.actor, world.there("production")) == ("katherine", "c1")


def test_promoting_what_is_there_already_changes_nothing(world: World):
    release = world.in_staging()
    for _ in range(3):
        world.run("staging", release.id)
    first = world.releases.promote("flights", "1", "production", "katherine")
    assert world.releases.promote("flights", "1", "production", "dorothy") == first


def test_nothing_is_promoted_to_an_environment_with_another_rule(world: World):
    world.in_staging()
    with pytest.raises(NotAllowed, match="Nothing is promoted to staging"):
        world.releases.promote("flights", "1", "staging", "katherine")
    with pytest.raises(NotFound, match="no environment 'prod'"):
        world.releases.promote("flights", "1", "prod", "katherine")


def test_a_rollback_brings_the_release_before_and_no_tick_undoes_it(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    assert world.releases.rollback("flights", "test", "katherine").commit == "c1"
    assert not world.tick()
    assert world.there("test") == "c1"
    world.project.release("c3")
    world.project.move("dev", "c3")
    world.tick()
    assert world.there("test") == "c3", "the next push is followed again"


def test_moving_a_branch_back_deploys_the_old_release_again(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    world.project.move("dev", "c1")
    assert world.tick()
    assert world.there("test") == "c1"


def test_there_is_nothing_to_roll_back_to_at_first(world: World):
    with pytest.raises(Conflict, match="no earlier release"):
        world.releases.rollback("flights", "test", "katherine")


def test_each_release_brings_its_own_rules(world: World):
    world.project.release("c1", CONFIG.replace('branch = "dev"', 'branch = "trunk"'))
    world.project.move("dev", "c1")
    assert not world.tick()
    world.project.move("trunk", "c1")
    assert world.tick()
    assert world.there("test") == "c1"


def test_a_deployment_is_told_in_the_ledger_with_its_cause(world: World):
    release = world.in_staging()
    with world.store.read() as reader:
        [event] = reader.events(kind="release.deployed")
        [moved] = reader.events(kind="branch.moved")
    assert (event.subject, event.cause) == (f"release:{release.id}", moved.id)
    assert event.evidence["why"] == "merged to main, approved by grace"


def test_a_release_is_found_by_number_or_by_the_beginning_of_its_digest(world: World):
    release = world.project.release("c1")
    assert world.releases.find("1") == world.releases.find(release.id[:6].upper()) == release
    for ref in ("2", release.id[:5], "nothing"):
        with pytest.raises(NotFound):
            world.releases.find(ref)


def test_a_number_that_two_projects_have_is_refused_by_name(world: World):
    world.project.release("c1")
    world.project.project = "trains"
    world.project.release("c1")
    with pytest.raises(InvalidValue, match=r"flights release 1 .* trains release 1"):
        world.releases.find("1")
    assert world.releases.find("1", "trains").project == "trains"


def push(world: World, *commits: str, config: str = CONFIG, branch: str = "dev") -> None:
    for commit in commits:
        world.project.release(commit, config)
        world.project.move(branch, commit)
        world.tick()


def test_a_rollback_goes_to_any_release_that_was_there_and_a_second_one_further_back(world: World):
    push(world, "c1", "c2", "c3", "c4")
    assert world.releases.rollback("flights", "test", "katherine").commit == "c3"
    assert world.releases.rollback("flights", "test", "katherine").commit == "c2", "not forth to c4 again"
    assert world.releases.rollback("flights", "test", "katherine", to="4").commit == "c4"
    assert world.releases.rollback("flights", "test", "katherine", to="1").commit == "c1"
    with pytest.raises(Conflict, match="no earlier release"):
        world.releases.rollback("flights", "test", "katherine")
    assert not world.tick()


def test_a_rollback_to_a_release_that_never_was_there_is_refused(world: World):
    push(world, "c1", "c2")
    world.project.release("c3")
    with pytest.raises(NotFound, match="Release 3 of flights never was in test"):
        world.releases.rollback("flights", "test", "katherine", to="3")
    assert world.releases.rollback("flights", "test", "katherine", to="2").kind == "push", "it is there"


def test_after_a_rollback_another_build_of_the_same_commit_is_not_deployed_again(world: World):
    push(world, "c1", "c2")
    world.releases.rollback("flights", "test", "katherine")
    again = world.project.release("c3")
    with world.store.begin() as tx:
        tx.put(msgspec.structs.replace(again, commit="c2"))
    assert not world.tick()
    assert world.there("test") == "c1"


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([{"cached": "1/publish"}] * 3, "3 from the cache"),
        ([{"depth": 9}] * 3, "3 with other parameters"),
        ([{}, {}, {"status": "failed"}], "3 before or at a failure"),
        ([{}, {}, {"failures": 1}], "3 before or at a failure"),
    ],
)
def test_runs_that_prove_nothing_do_not_count(world: World, runs: list[dict], why: str):
    release = world.in_staging()
    for run in runs:
        world.run("staging", release.id, **run)
    with pytest.raises(NotAllowed, match=rf"found 0 \(and {why}, which do not count\)"):
        world.releases.promote("flights", "1", "production", "katherine")
    for _ in range(3):
        world.run("staging", release.id)
    world.run("staging", release.id, "failed", depth=9)
    assert world.releases.promote("flights", "1", "production", "katherine").active


def test_runs_from_before_the_deployment_do_not_count(world: World):
    release = world.project.release("c1")
    for _ in range(3):
        world.run("staging", release.id)
    world.project.move("main", "c1", ("grace",))
    world.tick()
    with pytest.raises(NotAllowed, match="3 from before it was deployed"):
        world.releases.promote("flights", "1", "production", "katherine")


def test_the_parameters_that_count_are_those_of_the_environment(world: World):
    config = CONFIG.replace(
        "[environments.production]",
        "[environments.staging.params.train]\ndepth = 9\n\n[environments.production]",
    )
    world.project.release("c1", config)
    world.project.move("main", "c1", ("grace",))
    world.tick()
    with world.store.read() as reader:
        key = reader.find(Deployment)[0].release
    for depth in (3, 9, 9, 9):
        world.run("staging", key, depth=depth)
    assert world.releases.promote("flights", "1", "production", "katherine").active


def frozen_config(spans: str, environment: str = "test") -> str:
    return CONFIG.replace(
        f"[environments.{environment}]", f"[environments.{environment}]\nfreeze = [{spans}]"
    )


WEEKEND = '{ from = "Fri 16:00", until = "Mon 06:00", why = "nobody is here" }'


def test_what_is_frozen_waits_with_its_reason_and_only_the_newest_goes_out(world: World):
    config = frozen_config(WEEKEND)
    world.clock.advance(timedelta(days=(4 - world.clock.now().weekday()) % 7))  # a Friday
    world.clock.advance(timedelta(hours=17) - timedelta(hours=world.clock.now().hour))
    push(world, "c1", "c2", config=config)
    assert world.there("test") == ""
    [waiting] = world.releases.waiting(world.clock.now())
    assert (waiting.environment, waiting.release) == ("test", 2)
    assert "is frozen until Monday " in waiting.waits
    assert waiting.waits.endswith(" 06:00 UTC (nobody is here)")
    world.clock.advance(timedelta(days=2, hours=14))
    assert world.tick()
    with world.store.read() as reader:
        assert [d.commit for d in reader.find(Deployment)] == ["c2"]
    assert world.releases.waiting(world.clock.now()) == []


def test_a_release_cannot_thaw_its_own_way(world: World):
    day = world.clock.now().date()
    span = f'{{ from = "{day}", until = "{day + timedelta(days=30)}" }}'
    push(world, "c1")
    world.clock.advance(timedelta(days=-1))
    push(world, "c2", config=frozen_config(span))
    assert world.there("test") == "c2"
    world.clock.advance(timedelta(days=2))
    push(world, "c3")
    assert world.there("test") == "c2", "what is there says that it is frozen"
    assert world.releases.rollback("flights", "test", "katherine").commit == "c1", "back is not forth"


@pytest.mark.parametrize(
    ("span", "sentence"),
    [
        ('{ from = "Fri 16:00", until = "2026-01-01" }', "weekly or dated"),
        ('{ from = "Fri 16:00", until = "Fri 16:00" }', "'until' is not after 'from'"),
        (
            '{ from = "Fryday 16:00", until = "Mon 06:00" }',
            r"penstock.toml:\d+: 'from' has an impossible value",
        ),
        ('{ from = "2026-01-02", until = "2026-01-01" }', "'until' is not after 'from'"),
        ('{ from = "Fri 16:00" }', "lacks the key 'until'"),
        ('{ from = "Fri 16:00", to = "Mon 06:00" }', "'to' is not a key"),
    ],
)
def test_an_impossible_freeze_is_refused_with_its_line(span: str, sentence: str):
    with pytest.raises(InvalidProject, match=sentence):
        parse_config(frozen_config(span))


def test_a_hold_stops_everything_until_it_is_lifted(world: World):
    holds = Holds(world.store, world.blobs, world.clock)
    with pytest.raises(NotFound, match="no release yet"):
        holds.hold("flights", "test", "exams", "grace")
    push(world, "c1", "c2")
    holds.hold("flights", "test", "exams", "grace")
    push(world, "c3", "c4")
    with pytest.raises(NotAllowed, match="test is held by grace: exams"):
        world.releases.rollback("flights", "test", "katherine")
    with pytest.raises(Conflict, match="already"):
        holds.hold("flights", "test", "more exams", "dorothy")
    assert world.there("test") == "c2"
    assert [w.waits for w in world.releases.waiting(world.clock.now())] == ["is held by grace: exams"]
    holds.unhold("flights", "test", "grace")
    assert world.tick()
    assert world.there("test") == "c4"
    with pytest.raises(NotFound, match="no hold on test"):
        holds.unhold("flights", "test", "grace")


def test_a_held_environment_takes_no_promotion(world: World):
    release = world.in_staging()
    for _ in range(3):
        world.run("staging", release.id)
    Holds(world.store, world.blobs, world.clock).hold("flights", "production", "audit", "grace")
    with pytest.raises(NotAllowed, match="production is held by grace: audit"):
        world.releases.promote("flights", "1", "production", "katherine")


def test_a_second_project_with_the_same_model_is_told_so_before_it_is_deployed(world: World):
    push(world, "c1")
    world.project.project = "trains"
    push(world, "t1")
    assert world.there("test") == "c1"
    [waiting] = world.releases.waiting(world.clock.now())
    assert waiting.waits == (
        "cannot take release 1: it publishes the model delay, and that name belongs to the project flights. "
        "Publish it under another name"
    )
