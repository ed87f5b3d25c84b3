"""The refusals of `penstock new`, and what its template holds; the whole journey is a stage test."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from penstock.cli.new import make, make_project
from penstock.core.errors import Conflict, InvalidValue, Unavailable
from penstock.revisions.config import parse_config

NO_LOCK = Unavailable(what="The package index cannot be reached.")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was made without asking the package index."""
    monkeypatch.setattr(make, "lock", lambda _folder: None)
    return make_project("my-shop", tmp_path)


@pytest.mark.parametrize(
    "name", ["", "Shop", "1shop", "my shop", "../shop", "json", "class", "polars", "penstock"]
)
def test_a_bad_name_is_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue):
        make_project(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine").write_text("mine")
    with pytest.raises(Conflict, match="already there"):
        make_project("shop", tmp_path)
    assert (tmp_path / "shop" / "mine").read_text() == "mine"


def test_nothing_is_left_when_dependencies_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> None:
        raise NO_LOCK

    monkeypatch.setattr(make, "lock", fail)
    with pytest.raises(Unavailable):
        make_project("shop", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_and_the_package_are_filled_in_everywhere(made: Path) -> None:
    files = [
        file for file in made.rglob("*") if file.is_file() and ".git" not in file.relative_to(made).parts
    ]
    assert (made / "my_shop" / "pipeline.py") in files
    assert not [file for file in files if file.suffix == ".tmpl" or "$" in file.read_text()]
    assert tomllib.loads((made / "pyproject.toml").read_text())["project"]["name"] == "my-shop"
    for file in made.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")


def test_its_penstock_toml_has_three_environments_and_a_gate(made: Path) -> None:
    config = parse_config((made / "penstock.toml").read_text())
    assert [(e.name, e.on, e.serve) for e in config.environments] == [
        ("test", "push", False),
        ("staging", "merge", False),
        ("production", "promote", True),
    ]
    assert "contract" in config.models["returns"].gate


def test_its_first_commit_is_on_dev_and_leaves_data_out(made: Path) -> None:
    assert (made / ".git" / "HEAD").read_text().strip() == "ref: refs/heads/dev"
    assert {"data/", "/events/"} <= set((made / ".gitignore").read_text().splitlines())


def test_its_tests_find_the_package_without_an_installation(made: Path) -> None:
    pytest_itself = str(Path(sys.executable).with_name("pytest"))
    done = subprocess.run(
        [pytest_itself, "--collect-only", "-q"], cwd=made, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
