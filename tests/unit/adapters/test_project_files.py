"""A checkout is looked through before anything of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.builders.project_files import check_files
from penstock.core.errors import InvalidProject

FILES = {
    "pyproject.toml": '[project]\ndependencies = ["Scikit_Learn>=1.7", "penstock"]\n'
    '[dependency-groups]\ndev = ["pytest>=8", { include-group = "more" }]\nmore = ["polars[all]"]\n',
    "penstock.toml": '[project]\nname = "p"\n[environments.e]\ndeploy = { on = "push", branch = "dev" }\n',
    "uv.lock": "".join(f'[[package]]\nname = "{name}"\n' for name in ("scikit-learn", "pytest", "polars")),
}


def write(folder: Path, **changed: str | None) -> Path:
    for name, text in {**FILES, **{k.replace("_", "."): v for k, v in changed.items()}}.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_complete_files_give_the_configuration(tmp_path: Path) -> None:
    assert check_files(write(tmp_path), "p").name == "p"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pyproject_toml": None}, "The commit has no pyproject.toml, which makes"),
        ({"penstock_toml": None, "uv_lock": None}, "no penstock.toml, which .* no uv.lock, which pins"),
        ({"penstock_toml": FILES["penstock.toml"].replace('"p"', '"q"')}, "expected 'p'; found 'q'"),
        ({"uv_lock": FILES["uv.lock"].replace("polars", "pandas")}, "it does not hold polars"),
        ({"uv_lock": FILES["uv.lock"].replace("pytest", "nose")}, "it does not hold pytest"),
        ({"pyproject_toml": "[project]", "uv_lock": ""}, "The tests cannot be run"),
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
        check_files(write(tmp_path, **changed), "p")


def test_an_empty_commit_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject, match="The commit is empty"):
        check_files(tmp_path, "p")
