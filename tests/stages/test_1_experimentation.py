"""Stage 1: a pipeline runs from a folder, with no server, and what does not change is not done again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(project: Path, tmp_path: Path) -> Path:
    """A copy of the project to experiment in."""
    return shutil.copytree(project, tmp_path / "shop")


def penstock(folder: Path, *words: str) -> Any:
    environment = {**os.environ, "PENSTOCK_HOME": str(folder / ".penstock"), "PENSTOCK_SERVER": ""}
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", *words, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout or done.stderr)


def cached(run: dict[str, Any]) -> dict[str, bool]:
    return {step["name"]: bool(step["cached_from"]) for step in run["steps"]}


def test_only_what_changed_runs_again_and_the_run_says_why(folder: Path) -> None:
    first = penstock(folder, "run", "shop.pipeline:train_returns")
    assert first["status"] == "succeeded"
    assert not any(cached(first).values())

    again = penstock(folder, "run", "shop.pipeline:train_returns")
    assert all(cached(again)[name] for name in ("rows", "fit", "evaluate", "publish"))

    faster = penstock(folder, "run", "shop.pipeline:train_returns", "-p", "learning_rate=0.3")
    assert cached(faster)["rows"]
    assert not cached(faster)["fit"]
    [fit] = [step for step in faster["steps"] if step["name"] == "fit"]
    assert "learning_rate" in fit["why"]


def test_a_parameter_that_is_not_one_is_refused_before_anything_runs(folder: Path) -> None:
    refused = penstock(folder, "run", "shop.pipeline:train_returns", "-p", "learning_rat=0.3")
    assert "learning_rate" in refused["error"]
    assert penstock(folder, "runs").get("items", []) == []


def test_a_pipeline_that_raises_fails_in_one_sentence_and_registers_nothing(folder: Path) -> None:
    code = folder / "shop/pipeline.py"
    code.write_text(
        code.read_text().replace("    encode = ", '    raise ValueError("no oak today")\n    encode = ')
    )
    run = penstock(folder, "run", "shop.pipeline:train_returns")
    assert run["code"] == "step_failed"
    assert "no oak today" in run["error"]
    [failed] = penstock(folder, "runs")["items"]
    assert (failed["status"], failed["id"]) == ("failed", "1")
    assert penstock(folder, "models")["items"] == []
