"""What is kept of the code in a person's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from penstock.adapters.executors.environment import packages, python_version
from penstock.adapters.forges.uncommitted import MOST, commit_and_changes


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the project in a folder of it."""
    folder = tmp_path / "all" / "flights"
    folder.mkdir(parents=True)
    git(tmp_path / "all", "init", "--quiet")
    (folder / "fit.py").write_text("rate = 0.1\n")
    (folder / ".gitignore").write_text("*.log\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_a_clean_folder_has_its_commit_and_no_changes(repository: Path) -> None:
    assert commit_and_changes(repository, repository / ".penstock") == (
        git(repository, "rev-parse", "HEAD"),
        "",
    )


def test_the_patch_brings_another_checkout_to_the_same_code(repository: Path, tmp_path: Path) -> None:
    (repository / "fit.py").write_text("rate = 0.3\n")
    (repository / "new.py").write_text("from fit import rate")
    (repository / "empty.py").touch()
    (repository / "größe.py").write_text("\n\nx = 'ü'\n")
    git(repository, "add", "empty.py")
    (repository / "noise.log").write_text("ignored")
    home = repository / ".penstock"
    home.mkdir()
    (home / "key").write_text("secret")
    commit, changes = commit_and_changes(repository, home)

    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(repository.parent), str(other))
    git(other, "checkout", "--quiet", commit)
    (tmp_path / "changes.patch").write_text(changes)
    git(other, "apply", "--directory=flights", str(tmp_path / "changes.patch"))
    for name in ("fit.py", "new.py", "empty.py", "größe.py"):
        assert (other / "flights" / name).read_text() == (repository / name).read_text()
    assert "secret" not in changes
    assert "ignored" not in changes


def test_data_are_named_and_not_kept(repository: Path) -> None:
    (repository / "rows.csv").write_bytes(b"1\n" * MOST)
    (repository / "model.bin").write_bytes(b"\xff\xfe\x00")
    (repository / "link.py").symlink_to("/nowhere")
    _, changes = commit_and_changes(repository, repository.parent)
    assert sorted(line.rpartition(" ")[2] for line in changes.splitlines()) == [
        "link.py",
        "model.bin",
        "rows.csv",
    ]
    assert all(line.startswith("# not kept") for line in changes.splitlines())


def test_without_a_repository_or_a_commit_there_is_nothing(tmp_path: Path) -> None:
    assert commit_and_changes(tmp_path, tmp_path) == ("", "")
    git(tmp_path, "init", "--quiet")
    assert commit_and_changes(tmp_path, tmp_path) == ("", "")


def test_the_environment_names_its_python_and_packages() -> None:
    assert python_version().startswith("3.")
    assert packages()["msgspec"][0].isdigit()
