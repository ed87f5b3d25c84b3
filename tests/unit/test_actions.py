"""What triggers lead to besides runs, and who is told of what: decided at once, done in its own time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from penstock.core.clock import SystemClock
from penstock.core.errors import Busy, Conflict, InvalidProject, Unavailable
from penstock.core.events import Event
from penstock.datasets.arrivals import Levels
from penstock.deployments.releases import Releases
from penstock.revisions.config import parse_config
from penstock.runs.service import Runs
from penstock.runs.types import Run, Workspace
from penstock.testing.delivery import Delivered
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryReader, MemoryStore
from penstock.triggers.outbox import ENOUGH, Outbox
from penstock.triggers.service import Triggers
from penstock.triggers.subscriptions import Subscriptions
from penstock.triggers.types import Action, Firing

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
TOML = """
[project]
name = "flights"

[environments.production]
deploy = { on = "push", branch = "live" }
run = false

[[triggers]]
pipeline = "train"
environments = ["production"]
any = [
  { schedule = "0 3 * * *" },
  { drift = "inputs", false_alarms = "1 per 90d", then = ["notify", "issue", "rollback"] },
]
cooldown = "2d"

[notify.team]
webhook = "TEAM_HOOK"
sign = "TEAM_KEY"
events = ["build.failed", "gate.*"]
environments = ["production"]

[notify.oncall]
apprise = "ONCALL"
events = ["build.failed"]
"""


class World:
    """A release in production with a champion, and everything that acts on it."""

    def __init__(self, config: str = TOML) -> None:
        self.store, self.blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock(NOON)
        self.machine = FixedClock(NOON)
        self.done: list[Action] = []
        self.trouble: list[Exception] = []
        project = self.project = Delivered(self.store, self.blobs, self.clock)
        project.release("c1", config)
        project.move("live", "c1")
        Releases(self.store, self.blobs, self.clock).tick(NOON)
        project.lead(project.version())
        self.triggers = Triggers(
            self.store,
            self.blobs,
            Runs(self.store, self.blobs, FakeExecutor(), self.clock),
            self.clock,
            workspace_of=lambda _release, _where: Workspace(python="", folder="", data_root="", lock=""),
            arrivals=Levels(),
            secrets=lambda _project, _environment: {},
        )
        self.again()

    def again(self) -> None:
        """As after the process was killed."""
        performs = dict.fromkeys(("notify", "issue", "rollback", "sweep"), self.perform)
        self.outbox = Outbox(self.store, performs, machine=self.machine)
        self.subscriptions = Subscriptions(self.store, self.blobs)

    def perform(self, action: Action) -> str:
        if self.trouble:
            raise self.trouble.pop(0)
        self.done.append(action)
        return "done"

    def happen(self, kind: str, **evidence: str) -> None:
        with self.store.begin() as tx:
            tx.publish(
                Event(kind=kind, subject="build:1", time=NOON, project="flights", evidence=dict(evidence))
            )

    def tick(self, **after: float) -> None:
        self.triggers.tick(self.clock.advance(timedelta(**after)))

    def actions(self) -> list[Action]:
        with self.store.read() as reader:
            return reader.find(Action)

    def told(self) -> list[str]:
        """Which channels are told, of what event."""
        with self.store.read() as reader:
            kinds = {event.id: event.kind for event in reader.events()}
            return [f"{a.target}: {kinds[a.cause]}" for a in reader.find(Action, firing="")]


def test_an_alarm_leads_to_what_its_condition_says_and_the_schedule_to_a_run():
    world = World()
    world.project.alarm()
    world.tick()
    world.tick(hours=15)
    with world.store.read() as reader:
        firings, runs = reader.find(Firing), reader.find(Run)
    assert [(f.kind, f.then, bool(f.run)) for f in firings] == [
        ("drift", ("notify", "issue", "rollback"), False),
        ("schedule", ("run",), True),
    ]
    assert len(runs) == 1
    found = {(a.what, a.target): a for a in world.actions()}
    assert [*found] == [("notify", "team"), ("notify", "oncall"), ("issue", "flights"), ("rollback", "delay")]
    assert found["rollback", "delay"].details == {"version": 1}
    assert found["notify", "team"].details == {"kind": "webhook", "address": "TEAM_HOOK", "sign": "TEAM_KEY"}
    assert {a.cause for a in found.values()} == {firings[0].event}
    assert len({a.delivery for a in found.values()}) == 4


def test_each_action_is_tried_until_it_is_done_and_then_no_more():
    world = World()
    world.project.alarm()
    world.tick()
    world.trouble = [Unavailable(what="no answer"), Busy(seconds=100.0)]
    world.outbox.tick(NOON)
    failed = {a.target: a for a in world.actions() if a.problem}
    assert len(failed) == 2
    assert sorted((a.not_before - NOON).seconds for a in failed.values() if a.not_before) == [5, 100]
    assert len(world.done) == 2, "others do not wait"
    world.again()
    world.outbox.tick(NOON)
    assert len(world.done) == 2, "a rest outlives the process"
    world.machine.advance(timedelta(seconds=100))
    world.outbox.tick(NOON)
    world.outbox.tick(NOON)
    assert sorted(a.target for a in world.done) == ["delay", "flights", "oncall", "team"]
    assert {a.status for a in world.actions()} == {"done"}


def test_what_is_refused_for_good_is_given_up_at_once_and_what_never_answers_after_many_times():
    world = World()
    world.project.alarm()
    world.tick()
    world.trouble = [Conflict(what="no issues here")]
    world.outbox.tick(NOON)
    [gone] = [a for a in world.actions() if a.status != "done"]
    assert (gone.status, gone.attempts, gone.problem) == ("given_up", 1, "no issues here.")
    world.happen("build.failed", environment="production")
    world.subscriptions.tick(NOON)
    world.trouble = [Unavailable(what="no answer") for _ in range(2 * ENOUGH)]
    for _ in range(ENOUGH):
        world.outbox.tick(NOON)
        world.machine.advance(timedelta(hours=1))
    assert {a.attempts for a in world.actions() if a.problem == "no answer."} == {ENOUGH}
    assert not [a for a in world.actions() if a.status == "waiting"]


def test_what_nobody_foresaw_counts_too_and_is_told_by_its_name_only():
    world = World()
    world.project.alarm()
    world.tick()
    world.trouble = [KeyError("https://secret")]
    world.outbox.tick(NOON)
    [failed] = [a for a in world.actions() if a.status == "waiting"]
    assert (failed.attempts, failed.not_before) == (1, NOON + timedelta(seconds=5))
    assert "KeyError" in failed.problem
    assert "secret" not in failed.problem


def test_one_that_is_done_while_the_store_is_read_is_not_done_again(monkeypatch: pytest.MonkeyPatch):
    world = World()
    world.project.alarm()
    world.tick()
    begun: list[Callable[[], None]] = []
    outbox = Outbox(
        world.store,
        dict.fromkeys(("notify", "issue", "rollback", "sweep"), world.perform),
        submit=begun.append,
        machine=world.machine,
    )
    outbox.tick(NOON)
    read = world.store.read

    @contextmanager
    def and_meanwhile() -> Iterator[MemoryReader]:
        with read() as reader:
            while begun:
                begun.pop()()
            yield reader

    monkeypatch.setattr(world.store, "read", and_meanwhile)
    outbox.tick(NOON)
    assert len(world.done) == 4
    assert begun == []


def test_one_that_does_not_answer_holds_back_its_own_in_their_order_and_nobody_else():
    world = World()
    for _ in range(3):
        world.happen("build.failed", environment="production")
    world.subscriptions.tick(NOON)
    held = replace(world.actions()[0], not_before=SystemClock().now() + timedelta(days=9999))
    with world.store.begin() as tx:
        tx.put(held)
    world.outbox.tick(NOON)
    assert {a.target for a in world.done} == {"oncall"} != {held.target}
    assert [a.cause for a in world.done] == sorted(a.cause for a in world.done)


def test_channels_are_told_of_what_they_subscribe_to_once_also_after_a_kill():
    world = World()
    world.happen("build.failed", environment="test")
    world.happen("build.failed")
    world.happen("gate.failed", environment="production")
    world.happen("run.failed", environment="production")
    while world.subscriptions.tick(NOON):
        pass
    assert world.told() == ["oncall: build.failed", "oncall: build.failed", "team: gate.failed"]
    world.again()
    while world.subscriptions.tick(NOON):
        pass
    assert len(world.told()) == 3


def test_only_what_happens_after_a_release_is_told_as_it_says():
    world = World(TOML.replace("[notify.oncall]", "[notify.other]"))
    world.happen("build.failed")
    Delivered(world.store, world.blobs, world.clock).release("c2", TOML.replace("oncall", "try"))
    world.happen("build.failed")
    world.subscriptions.tick(NOON)
    assert world.told() == ["other: build.failed"] * 2, "a release that is not deployed says nothing"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('webhook = "TEAM_HOOK"', 'webhook = "https://hook"', "names the secret and does not hold it"),
        ('apprise = "ONCALL"', 'webhook = "A"\napprise = "B"', "a channel has one address"),
        ('apprise = "ONCALL"', 'apprise = "A"\nsign = "B"', "only what is sent to a webhook is signed"),
        ('"build.failed", "gate.*"', '"build.faild"', "Did you mean 'build.failed'"),
        ('"build.failed", "gate.*"', '"weather.*"', "events are about alarm"),
        ('{ schedule = "0 3 * * *" }', '{ schedule = "0 3 * * *", then = "rollback" }', "no reason to roll"),
        ("any = [", 'any = [\n  { schedule = "0 3 * * *", then = "notify" },', "stands in `any` twice"),
        (
            'cooldown = "2d"',
            'all = [{ drift = "inputs", false_alarms = "1 per 90d" }, { schedule = "0 4 * * *" }]',
            "stands in `any` too",
        ),
        (
            'cooldown = "2d"',
            'all = [{ drift = "labels", false_alarms = "1 per 30d" }, { schedule = "0 4 * * *" }]',
            "state different rates of false alarms",
        ),
        ('"issue", "rollback"]', '"sweep"]', "starts a sweep and does not say of what"),
        ('"issue", "rollback"]', '"isue"]', "Did you mean 'issue'"),
        ('cooldown = "2d"', 'sweep = { metric = "x" }', "no sweep is started"),
        ('cooldown = "2d"', 'notify = ["teem"]', "Did you mean 'team'"),
        ('then = ["notify", "issue", "rollback"]', "then = []", "'then'"),
    ],
)  # fmt: skip
def test_mistakes_about_actions_are_told(before: str, after: str, words: str):
    assert before in TOML
    with pytest.raises(InvalidProject, match=words):
        parse_config(TOML.replace(before, after))


def test_together_too_they_must_be_about_the_champion_to_roll_back():
    hours = (
        'any = [{ drift = "outputs", false_alarms = "1 per 90d" }]\nall = [{ schedule = "0 3 * * *" }, %s]'
    )
    config = TOML[: TOML.index("any = [")] + hours + '\nthen = "rollback"'
    with pytest.raises(InvalidProject, match="no condition here says anything about the champion"):
        parse_config(config % '{ new_rows = 5, source = "flights" }')
    parse_config(config % '{ drift = "inputs", false_alarms = "1 per 90d" }')


def test_who_notifies_needs_a_channel():
    with pytest.raises(InvalidProject, match="there is no channel to notify"):
        parse_config(TOML[: TOML.index("[notify.team]")])
