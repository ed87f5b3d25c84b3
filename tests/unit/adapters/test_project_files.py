"""A checkout is looked through before anything of it is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.interpreters import asked, interpreter
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.project_files import check_files
from penstock.core.errors import InvalidProject

FILES = {
    "pyproject.toml": '[project]\ndependencies = ["Scikit_Learn>=1.7", "penstock"]\n'
    '[dependency-groups]\ndev = ["pytest>=8", { include-group = "more" }]\nmore = ["polars[all]"]\n',
    "penstock.toml": '[project]\nname = "p"\n[environments.e]\ndeploy = { on = "push", branch = "dev" }\n',
    "uv.lock": "".join(f'[[package]]\nname = "{name}"\n' for name in ("scikit-learn", "pytest", "polars")),
}


def whole(folder: Path) -> Checkout:
    """A project that is all of its repository."""
    return Checkout(folder, folder)


def write(folder: Path, **changed: str | None) -> Path:
    for name, text in {**FILES, **{k.replace("_", "."): v for k, v in changed.items()}}.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_complete_files_give_the_configuration(tmp_path: Path) -> None:
    assert check_files(whole(write(tmp_path)), "p").name == "p"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pyproject_toml": None}, "The commit has no pyproject.toml, which makes"),
        ({"penstock_toml": None, "uv_lock": None}, "no penstock.toml, which .* no uv.lock, which pins"),
        ({"penstock_toml": FILES["penstock.toml"].replace('"p"', '"q"')}, "expected 'p'; found 'q'"),
        ({"uv_lock": FILES["uv.lock"].replace("polars", "pandas")}, "it does not hold polars"),
        ({"uv_lock": FILES["uv.lock"].replace("pytest", "nose")}, "it does not hold pytest"),
        ({"pyproject_toml": "[project]", "uv_lock": '[[package]]\nname = "p"'}, "The tests cannot be run"),
        ({"uv_lock": ""}, "uv.lock is not a lock that uv wrote"),
        ({"uv_lock": "package = 3"}, "uv.lock is not a lock that uv wrote"),
        (
            {"uv_lock": FILES["uv.lock"].replace('learn"', 'learn"\nversion = "1.5"')},
            "holds Scikit_Learn 1.5, asked",
        ),
        ({"pyproject_toml": '[project]\ndependencies = ["pytest >"]'}, "which is no requirement"),
        ({"uv_lock": FILES["uv.lock"] + 'source = { directory = "../beside" }'}, "which leaves the commit"),
        ({"uv_lock": FILES["uv.lock"] + 'source = { path = "/etc/a.whl" }'}, "which leaves the commit"),
        ({"uv_lock": "[["}, "uv.lock is not a TOML document"),
        ({"pyproject_toml": "project"}, "pyproject.toml is not a TOML document"),
        (
            {"penstock_toml": "\udcff".encode("utf-8", "replace").decode()},
            "penstock.toml is not a TOML document",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, changed: dict[str, str | None], said: str) -> None:
    with pytest.raises(InvalidProject, match=said):
        check_files(whole(write(tmp_path, **changed)), "p")


def test_an_empty_commit_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject, match="The commit is empty"):
        check_files(whole(tmp_path), "p")


def test_a_package_beside_the_project_is_taken_from_the_same_commit(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    lock = FILES["uv.lock"] + 'source = { directory = "../beside" }'
    folder = write(tmp_path / "project", uv_lock=lock)
    assert check_files(Checkout(folder, tmp_path), "p").name == "p"


@pytest.mark.parametrize(
    ("requires", "pinned", "wanted"),
    [
        (">=3.11", None, ""),
        (">=3.11", ".".join(map(str, sys.version_info[:2])), ""),
        (">=3.11", "3.99\n", "3.99"),
        ("<3.10", None, "<3.10"),
    ],
)
def test_the_python_that_is_asked_for_is_this_one_where_it_fits(
    tmp_path: Path, requires: str, pinned: str | None, wanted: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\nrequires-python = "{requires}"\n')
    if pinned:
        (tmp_path / ".python-version").write_text(pinned)
    assert asked(whole(tmp_path)) == wanted


def test_a_python_that_cannot_be_had_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = "<2.0"\n')
    with pytest.raises(InvalidProject, match=r"asks for Python <2\.0; here runs 3"):
        interpreter(whole(tmp_path), Packages(Processes()))
