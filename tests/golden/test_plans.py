"""What a run would do, as a person reads it, before and after there was one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.commands import app

SHAPES = Path(__file__).parent / "projects" / "shapes"
JUDGE = "shapes.pipeline:judge"
Command = Callable[..., str]


@pytest.fixture
def penstock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in a copy of the project of shapes."""
    monkeypatch.chdir(shutil.copytree(SHAPES, tmp_path / "shapes"))
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENSTOCK_SERVER", raising=False)

    def run(*words: str) -> str:
        return CliRunner().invoke(app, list(words), prog_name="penstock").output

    return run


def test_a_plan_says_what_would_run_what_is_cached_and_why(
    penstock: Command, golden: Callable[[str, str], None]
) -> None:
    def planned(*words: str) -> str:
        text = penstock("run", JUDGE, *words, "--plan")
        return "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"

    golden("plans/before.txt", planned())
    assert json.loads(penstock("run", JUDGE, "--json"))["status"] == "succeeded"
    golden("plans/after.txt", planned())
    golden("plans/longer.txt", planned("-p", "count=5"))
    golden("plans/quiet.txt", planned("-p", "quiet=true"))
    golden("plans/higher.txt", penstock("run", JUDGE, "-p", "bound=20", "--explain", "exceeds"))

    assert json.loads(penstock("runs", "--json"))["items"][0]["id"] == "1"  # nothing was run for a plan
    lines = penstock("logs", "1", "spread.total").splitlines()
    assert [line.partition(" | ")[2] for line in lines if "part" in line] == [
        f"a part of {number}" for number in range(4)
    ]
    assert penstock("logs", "1", "spread.total[2]").splitlines()[-1] == "spread.total[2] | a part of 2"
    assert "no step exeeds. Did you mean `exceeds`?" in penstock("run", JUDGE, "--explain", "exeeds")
