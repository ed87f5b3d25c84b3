"""Looks for what was done before: results to take again, and the run to compare with."""

from __future__ import annotations

from typing import NamedTuple

from penstock.core.digests import digest_value
from penstock.core.errors import Corrupt, NotFound
from penstock.datasets.places import snapshot_id
from penstock.datasets.types import Snapshot
from penstock.lineage.ports import Blobs, Reader
from penstock.pipelines.types import Node
from penstock.runs.decide import Progress, as_of
from penstock.runs.keys import Ingredients
from penstock.runs.lists import NAMING, intact, read_list
from penstock.runs.types import Artifact, Run, StepRun

DECLARED = "declared"
"""The value of a snapshot's task that is the digest of what is asked: a source, and where it lies."""
PAST = "past"
"""The value of a snapshot's task that says that it is asked as of a time before its run."""
TAKEN = "taken"
"""The value of a snapshot's task that is an earlier one which answers the same question."""
KEPT = "kept"
"""The fact of a snapshot's artifact that names what it leaves for the next one."""
VERSION = "version"
"""The fact of a snapshot's artifact that says which version of a table was read."""
RUNS_BACK = 20
"""Runs that are looked through: failed ones may not have come to a source."""


class Hit(NamedTuple):
    """The newest success with a cache key, None unless it can be taken; and `spoiled`, why it cannot."""

    step: StepRun | None = None
    spoiled: str = ""


def find_hit(reader: Reader, blobs: Blobs, key: str) -> Hit:
    """Look for the result with this cache key; all of its bytes have to be there and verify."""
    found = reader.find(StepRun, key=key, status="succeeded", order="-finished", limit=1) if key else []
    if not found:
        return Hit()
    kept = [*found[0].outputs.values(), *found[0].figures.values(), *found[0].files.values()]
    wrong = next((artifact for artifact in kept if not intact(artifact, blobs)), None)
    if wrong is None:
        return Hit(found[0])
    return Hit(spoiled=f"its result of run {found[0].run} is {_spoiled(wrong, blobs)}")


def _spoiled(artifact: Artifact, blobs: Blobs) -> str:
    """What has become of an artifact that is not intact, or of the first such part of a list."""
    try:
        data = blobs.get(artifact.digest)
    except NotFound:
        return "gone"
    except Corrupt:
        return "damaged"
    parts = read_list(data) if artifact.format in NAMING else []
    return next((_spoiled(part, blobs) for part in parts if not intact(part, blobs)), "gone")


def ingredients_before(before: Progress | None, step: str) -> Ingredients | None:
    """What the result of a step depended on in an earlier run, None if it has none there."""
    done = before is not None and step in before.steps and before.succeeded(step)
    return before.ingredients_of(step) if before and done else None


def read_before(reader: Reader, run: Run, node: str) -> str:
    """What the last run of its pipeline and environment that read a source kept of it; empty for nothing."""
    where = {"project": run.project, "environment": run.environment, "pipeline": run.pipeline}
    for earlier in reader.find(Run, **where, order="-created", limit=RUNS_BACK):
        for step in reader.find(StepRun, id=f"{earlier.id}/{node}", status="succeeded"):
            kept: str = next(iter(step.outputs.values())).meta.get(KEPT, "")
            return kept
    return ""


def declared(run: Run, node: Node) -> str:
    """The digest of what a snapshot asks: a source as it is declared, and where it lies.

    What one environment's password opens, or its models answered, is not what another's is.
    """
    source = node.settings["source"]
    own = bool(node.options.secrets) or source.get("kind", {}).get("type") == "predictions"
    return digest_value([source, run.workspace.data_root, [run.project, run.environment] if own else []])


def kept_as_of(reader: Reader, blobs: Blobs, run: Run, node: Node) -> Snapshot | None:
    """The snapshot that answers the question of a node of exactly its time, if it is of the past, was asked
    before, and all its bytes are there and verify.
    """
    moment, name = as_of(run, node), node.settings["source"]["name"]
    if moment >= run.created:
        return None
    asked = declared(run, node)
    for kept in reader.find(Snapshot, source=name, as_of=moment):
        named = (kept.digest, kept.profile, kept.quarantine)
        if kept.id == snapshot_id(name, moment, kept.digest, asked) and all(
            map(blobs.has, filter(None, named))
        ):
            return kept
    return None


def previous(reader: Reader, run: Run) -> Progress | None:
    """The last run of the same project and pipeline that succeeded, with its steps."""
    found = reader.find(
        Run, project=run.project, pipeline=run.pipeline, status="succeeded", order="-finished", limit=1
    )
    return Progress(found[0], reader.find(StepRun, run=found[0].id), run.as_of) if found else None
