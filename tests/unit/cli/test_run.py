"""`penstock run` from anywhere in a project, and when it is interrupted."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import Result

from penstock.cli.progress import elements_of, status_of
from penstock.runs.types import StepRun

Command = Callable[..., Result]
CONFIG = """
[project]
name = "shop"
[environments.test]
deploy = { on = "push", branch = "dev" }
"""
CODE = """
import os, signal, time
from penstock import pipeline, step

@step
def one() -> int:
    return 1

@step(cache=False)
def interrupts() -> int:
    os.kill(int(os.environ["TO_INTERRUPT"]), signal.SIGNAL)
    time.sleep(600)
    return 1

@pipeline
def count():
    return one()

@pipeline
def waits():
    return interrupts()
"""
ASKS = """
import os
os.environ["TO_INTERRUPT"] = str(os.getpid())
from penstock.cli import main
main()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project called otherwise than its folder."""
    (tmp_path / "penstock.toml").write_text(CONFIG)
    (tmp_path / "interrupted").mkdir()
    (tmp_path / "interrupted" / "__init__.py").write_text("")
    return tmp_path


def test_from_a_folder_inside_it_is_the_project_that_runs(
    penstock: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "interrupted" / "work.py").write_text(CODE)
    monkeypatch.chdir(project / "interrupted")
    monkeypatch.delenv("PENSTOCK_HOME")
    told = penstock("run", "interrupted.work:count", "--json")
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["project"] == "shop", "its name is that of penstock.toml"
    assert (project / ".penstock" / "penstock.db").exists()
    assert not (project / "interrupted" / ".penstock").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_cancels_the_run(penstock: Command, project: Path, name: str) -> None:
    (project / "interrupted" / "work.py").write_text(CODE.replace("signal.SIGNAL", f"signal.{name}"))
    command = [sys.executable, "-c", ASKS, "run", "interrupted.work:waits"]
    ended = subprocess.run(
        command, cwd=project, env={**os.environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Run 1 is cancelled by ada.")
    shown = json.loads(penstock("run", "show", "1", "--json").stdout)
    assert shown["status"] == "cancelled"
    assert [step["lease"] for step in shown["steps"]] == [None]


def test_a_home_that_cannot_be_made_is_refused_in_a_sentence(penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = penstock("run", "a.b:c", "--home", str(tmp_path / "file"))
    assert told.exit_code == 1
    assert "cannot be a home" in told.stderr


def test_a_step_over_a_list_has_one_line_while_it_runs() -> None:
    fit = StepRun(id="1/fit", run="1", name="fit")
    parts = [
        StepRun(id=f"1/fit[{place}]", run="1", name=f"fit[{place}]", status=status)
        for place, status in enumerate(("succeeded", "running", "waiting"))
    ]
    assert elements_of([fit, *parts]) == {"fit": parts}
    assert status_of(fit, parts) == "1 of 3 elements"
    assert status_of(replace(fit, status="succeeded"), parts) == "succeeded"
    assert status_of(replace(parts[0], cached_from="7/fit[0]"), []) == "cached from 7/fit[0]"


def test_the_time_that_a_run_shows_leads_back_to_it(penstock: Command, project: Path) -> None:
    (project / "interrupted" / "work.py").write_text(CODE)
    first = json.loads(penstock("run", "interrupted.work:count", "--json").stdout)
    shown = penstock("run", "show", first["id"]).stdout
    [time] = re.findall(r"as of\s+(\S+)", shown)
    again = penstock("run", "interrupted.work:count", "--as-of", time, "--json")
    assert json.loads(again.stdout)["as_of"] == first["as_of"]
    by_data = penstock("run", "interrupted.work:count", "--as-of", first["as_of"], "--json")
    planned = penstock("run", "interrupted.work:count", "--as-of", time, "--plan").stdout
    assert f"→ penstock run interrupted.work:count --as-of {first['as_of'][:26]}" in " ".join(planned.split())
    assert json.loads(by_data.stdout)["as_of"] == first["as_of"]


@pytest.mark.parametrize("more", [(), ("--plan",), ("--explain", "one")])
@pytest.mark.parametrize(
    ("time", "sentence"), [("May", "expected a time such as"), ("2999-01-01", "has not come yet")]
)
def test_a_time_that_cannot_be_is_refused(
    penstock: Command, project: Path, time: str, sentence: str, more: tuple[str, ...]
) -> None:
    (project / "interrupted" / "work.py").write_text(CODE)
    told = penstock("run", "interrupted.work:count", "--as-of", time, *more)
    assert told.exit_code != 0
    assert sentence in " ".join(told.stderr.split())
