"""What a promotion would change, before it is made."""

from __future__ import annotations

import msgspec

from penstock.deployments.releases import Releases
from penstock.pipelines.types import Node, Options, Parameter
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

replace = msgspec.structs.replace
LOCK = """
[[package]]
name = "polars"
version = "1.0"
[[package]]
name = "gone"
version = "2"
"""
AFTER = LOCK.replace("1.0", "1.1").replace("gone", "new")


def test_every_part_that_changes_is_named_and_nothing_else():
    store, blobs, clock = MemoryStore(), MemoryBlobs(), FixedClock()
    project, releases = Delivered(store, blobs, clock), Releases(store, blobs, clock)
    fit = Node(name="fit", kind="step", target="flights.pipeline:fit", code="a" * 64)
    old = replace(GRAPH, nodes=(fit, *GRAPH.nodes))
    new = replace(
        GRAPH,
        nodes=(
            replace(fit, code="b" * 64, options=Options(memory=1 << 30)),
            Node(name="evaluate", kind="step", target="flights.pipeline:evaluate", code="c" * 64),
        ),
        parameters=(Parameter(name="depth", type="int", default=5),),
    )
    gate = CONFIG.replace("roc_auc >= 0.6", "roc_auc >= 0.7").replace(
        'branch = "dev" }', 'branch = "dev" }\nserve = true'
    )
    with_lock(store, project.release("c1", CONFIG, old), blobs.put(LOCK.encode()), blobs.put(b"wheel"))
    project.move("dev", "c1")
    releases.tick(clock.now())
    with_lock(store, project.release("c2", gate, new), blobs.put(AFTER.encode()), blobs.put(b"bigger wheel"))
    plan = releases.plan("flights", "2", "test", clock.now())
    assert (plan.before, plan.after) == (1, 2)
    told = {(c.part, c.name): (c.before, c.after) for c in plan.changes}
    assert set(told) == {
        ("step", "train.fit"),
        ("step", "train.publish"),
        ("step", "train.evaluate"),
        ("parameter", "train.depth"),
        ("dependency", "polars"),
        ("dependency", "gone"),
        ("dependency", "new"),
        ("gate", "delay"),
        ("environment", "test"),
        ("wheel", "bytes"),
    }
    assert told["dependency", "polars"] == ("1.0", "1.1")
    assert told["dependency", "new"] == ("", "2")
    assert told["parameter", "train.depth"] == ("int = 3", "int = 5")
    assert told["wheel", "bytes"] == ("5", "12")
    assert "memory 1073741824" in told["step", "train.fit"][1]
    assert plan.against.startswith("Nothing is promoted to test")
    assert releases.plan("flights", "1", "test", clock.now()).changes == ()


OWN = """
[environments.production.models.delay]
gate = ["contract"]

[environments.production.triggers.train]
cooldown = "9d"

[environments.production.params.train]
depth = 7
"""


def test_only_what_holds_in_the_environment_is_told():
    store, blobs, clock = MemoryStore(), MemoryBlobs(), FixedClock()
    project, releases = Delivered(store, blobs, clock), Releases(store, blobs, clock)
    everywhere = CONFIG.replace(
        'on = "promote", after = "staging", successful_runs = 3', 'on = "push", branch = "dev"'
    )
    project.release("c1", everywhere)
    project.move("dev", "c1")
    releases.tick(clock.now())
    project.release("c2", everywhere + OWN)
    assert releases.plan("flights", "2", "test", clock.now()).changes == ()
    changes = releases.plan("flights", "2", "production", clock.now()).changes
    assert [(c.part, c.name, c.after) for c in changes] == [
        ("parameter", "train.depth", "int = 3, here 7"),
        ("gate", "delay", "contract; watched by roc_auc"),
        ("trigger", "train", changes[2].before.replace("2d", "9d")),
    ]


def with_lock(store: MemoryStore, release: object, lock: str, wheel: str) -> None:
    with store.begin() as tx:
        tx.put(replace(release, lock=lock, wheel=wheel))
