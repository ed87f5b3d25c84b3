"""`penstock check` reads the file, draws in another process, and never imports the project itself."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Command = Callable[..., Result]
CONFIG = """
[project]
name = "shop"
[environments.test]
deploy = { on = "push", branch = "dev" }
"""
CODE = """
from penstock import pipeline, step

print("imported")

@step
def one() -> int:
    return 1

@step
def two(number: int) -> int:
    return number + 1

@pipeline
def count():
    return two(one())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one pipeline."""
    (tmp_path / "penstock.toml").write_text(CONFIG)
    (tmp_path / "checked").mkdir()
    (tmp_path / "checked" / "__init__.py").write_text("")
    (tmp_path / "checked" / "work.py").write_text(CODE)
    return tmp_path


def test_it_shows_environments_and_pipelines(penstock: Command, project: Path) -> None:
    told = penstock("check", "--json")
    assert told.exit_code == 0, told.stderr
    data = json.loads(told.stdout)
    assert data["pipelines"] == [
        {"pipeline": "count", "target": "checked.work:count", "steps": ["one", "two"]}
    ]
    assert [environment["environment"] for environment in data["environments"]] == ["test"]
    assert "shop can be delivered." in penstock("check").stdout


def test_it_imports_nothing_of_the_project(penstock: Command, project: Path) -> None:
    penstock("check", str(project))
    assert "checked" not in sys.modules


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_like_it", "nothing_like_it"),
        (
            "from penstock import pipeline\n\n@pipeline\ndef count():\n    raise ValueError('no luck')\n",
            "no luck",
        ),
        ("import os\nos._exit(7)", "exit status 7"),
    ],
)
def test_a_pipeline_that_cannot_be_drawn_is_one_sentence(
    penstock: Command, project: Path, code: str, said: str
) -> None:
    (project / "checked" / "work.py").write_text(code)
    told = penstock("check")
    assert told.exit_code == 1
    assert said in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_wrong_key_is_named_with_file_and_line(penstock: Command, project: Path) -> None:
    (project / "penstock.toml").write_text(CONFIG.replace("branch", "brunch"))
    told = penstock("check")
    assert told.exit_code == 1
    assert "penstock.toml" in told.stderr
    assert "branch" in told.stderr


def test_a_trigger_of_a_pipeline_that_is_not_there_is_refused(penstock: Command, project: Path) -> None:
    trigger = (
        '[[triggers]]\npipeline = "cuont"\nenvironments = ["test"]\nany = [{ schedule = "0 3 * * *" }]\n'
    )
    (project / "penstock.toml").write_text(CONFIG + trigger)
    told = penstock("check")
    assert told.exit_code == 1
    assert "cuont" in told.stderr


def test_a_project_without_a_pipeline_cannot_be_delivered(penstock: Command, project: Path) -> None:
    (project / "checked" / "work.py").write_text("")
    assert "no pipeline" in penstock("check").stderr
