"""Looks for what was done before: results to take again, and the run to compare with."""

from __future__ import annotations

from penstock.lineage.ports import Blobs, Reader
from penstock.runs.decide import Progress
from penstock.runs.keys import Ingredients
from penstock.runs.lists import intact
from penstock.runs.types import Run, StepRun


def find_hit(reader: Reader, blobs: Blobs, key: str) -> StepRun | None:
    """The newest success with this cache key; None unless its outputs are all there and verify."""
    found = reader.find(StepRun, key=key, status="succeeded", order="-finished", limit=1) if key else []
    there = found and all(
        intact(artifact, blobs) for artifact in (*found[0].outputs.values(), *found[0].figures.values())
    )
    return found[0] if there else None


def ingredients_before(before: Progress | None, step: str) -> Ingredients | None:
    """What the result of a step depended on in an earlier run, None if it has none there."""
    done = before is not None and step in before.steps and before.succeeded(step)
    return before.ingredients_of(step) if before and done else None


def previous(reader: Reader, run: Run) -> Progress | None:
    """The last run of the same project and pipeline that succeeded, with its steps."""
    found = reader.find(
        Run, project=run.project, pipeline=run.pipeline, status="succeeded", order="-finished", limit=1
    )
    return Progress(found[0], reader.find(StepRun, run=found[0].id), run.as_of) if found else None
