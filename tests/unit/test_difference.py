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
        "successful_runs = 3", "successful_runs = 5"
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
        ("environment", "production"),
        ("wheel", "bytes"),
    }
    assert told["dependency", "polars"] == ("1.0", "1.1")
    assert told["dependency", "new"] == ("", "2")
    assert told["parameter", "train.depth"] == ("int = 3", "int = 5")
    assert told["wheel", "bytes"] == ("5", "12")
    assert "memory 1073741824" in told["step", "train.fit"][1]
    assert plan.against.startswith("Nothing is promoted to test")
    assert releases.plan("flights", "1", "test", clock.now()).changes == ()


def with_lock(store: MemoryStore, release: object, lock: str, wheel: str) -> None:
    with store.begin() as tx:
        tx.put(replace(release, lock=lock, wheel=wheel))
