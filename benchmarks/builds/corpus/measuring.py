"""Asks plain pytest and the automatic tests about one project of the corpus."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.builds.corpus.projects import Bug, write

AS_OF = datetime(2024, 9, 1, tzinfo=UTC)
PRELOADED = [
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "skops.io",
    "skl2onnx",
    "pytest",
]
"""Modules that are slow to import; none of them starts a thread."""


def measured(item: tuple[str, Bug, str, Path, Path]) -> dict[str, Any]:
    """Write a project below a folder and test it both ways; to be called once in a process."""
    name, bug, kind, home, scratch = item
    folder = write(bug, Path(tempfile.mkdtemp(dir=scratch)) / name, home)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.import_module(f"{bug.base}.data").lay_out(folder)
    failed, seconds = automatic(folder)
    return {
        "name": name,
        "kind": kind,
        "held_out": bug.held_out,
        "round": bug.round,
        "title": bug.title,
        "detected_by": sorted(failed),
        "plain_pytest_detected": not plain(folder),
        "seconds": round(seconds, 1),
        "sentences": failed,
    }


def automatic(folder: Path) -> tuple[dict[str, str], float]:
    """The automatic tests that fail, as a build does them, and the seconds that all of them took."""
    from penstock.adapters.builders.automatic import Plan, work
    from penstock.adapters.builders.report import Told
    from penstock.pipelines.survey import Survey
    from penstock.revisions.config import parse_config

    config = parse_config((folder / "penstock.toml").read_text()).tests
    plan = Plan(folder=str(folder), root=str(folder), as_of=AS_OF, config=config)
    drawn, report = folder / "survey.json", folder / "tests.jsonl"
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        work(plan, drawn, report)
    survey = msgspec.json.decode(drawn.read_bytes(), type=Survey)
    errors = [survey.error, *(drawing.error for drawing in survey.drawings)]
    tests = Told(report).ended()
    failed = {test.name: test.message for test in tests if test.outcome == "failed"}
    if any(errors):
        failed["graph"] = " ".join(errors)
    return failed, sum(test.seconds for test in tests)


def plain(folder: Path) -> bool:
    """Whether the project's own tests pass."""
    import pytest

    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", os.devnull, str(folder / "tests")]
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.main(options) == 0
