"""Draws a project's pipelines and does the automatic tests on them, in the project's own environment.

`python -m penstock.adapters.builders.automatic PLAN SURVEY REPORT` writes the survey of the pipelines when
they are drawn, and a line of JSON for each test as it ends.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import warnings
from datetime import datetime
from pathlib import Path

import msgspec

from penstock.pipelines.survey import Survey, survey
from penstock.revisions.config import TestsConfig


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to test: the project in `folder`, on rows below `root` that were known at `as_of`."""

    folder: str
    root: str
    as_of: datetime
    config: TestsConfig


def work(plan: Plan, drawn: Path, report: Path) -> None:
    """Draw the pipelines and, if all can be drawn, do the tests."""
    found = survey(plan.folder)
    half = drawn.with_suffix(".new")
    half.write_bytes(msgspec.json.encode(found))
    half.rename(drawn)  # it is read as soon as it is there
    if not found.error and not any(drawing.error for drawing in found.drawings):
        _examine(plan, found, report)


def _examine(plan: Plan, found: Survey, report: Path) -> None:
    from penstock.adapters.blobs.folder import FolderBlobs
    from penstock.adapters.builders.bench import Bench
    from penstock.builds.automatic.examine import examine

    gc.freeze()  # all that is imported stays: to look through it for garbage takes a third of the time
    graphs = [drawing.graph for drawing in found.drawings if drawing.graph]
    with tempfile.TemporaryDirectory() as scratch, report.open("ab") as file:
        bench = Bench(FolderBlobs(Path(scratch)))
        for test in examine(graphs, plan.config, Path(plan.root), plan.as_of, bench):
            file.write(msgspec.json.encode(test) + b"\n")
            file.flush()
            print(test.outcome, test.name, f"{test.seconds:.1f} s", test.message, flush=True)  # noqa: T201 - the build's log


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # strange rows are asked on purpose
    work(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan), Path(sys.argv[2]), Path(sys.argv[3]))
