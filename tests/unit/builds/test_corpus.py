"""A few bugs of the corpus are found, and their clean twins raise no alarm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.builds.corpus.projects import bugs, twins, write

ROOT = Path(__file__).parents[3]
FOUND_BY = {
    "swapped_classes": "honest_metrics[fraud]",
    "division_by_zero": "finite[oven_load]",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out = tmp_path_factory.mktemp("corpus") / "results.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.builds.corpus",
        "demand",
        "fraud",
        *FOUND_BY,
        "--out",
        str(out),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line["name"]: line["detected_by"] for line in json.loads(out.read_text())}


def test_bugs_are_found_by_the_test_that_asks_for_them(measured: dict[str, list[str]]) -> None:
    assert {name: FOUND_BY[name] in measured[name] for name in FOUND_BY} == dict.fromkeys(FOUND_BY, True)


def test_clean_twins_raise_no_alarm(measured: dict[str, list[str]]) -> None:
    assert measured["demand"] == measured["fraud"] == []


@pytest.mark.parametrize("name", [*bugs(), *twins()])
def test_every_project_of_the_corpus_can_be_written(name: str, tmp_path: Path) -> None:
    written = write((bugs() | twins())[name], tmp_path / name)
    for file in written.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
