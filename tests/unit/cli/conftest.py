"""Commands as a person types them, in a folder of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.cli.commands import app

Command = Callable[..., Result]


@pytest.fixture
def penstock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command with a home under the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENSTOCK_SERVER", raising=False)
    monkeypatch.setenv("PENSTOCK_ACTOR", "ada")

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), prog_name="penstock")

    return run
