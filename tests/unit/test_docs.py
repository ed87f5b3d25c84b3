"""What the documentation shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.commands import app

PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
CODE = "\n".join(text for language, text in BLOCKS if language == "python")
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]


def test_every_command_of_the_page_on_pipelines_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "bakery"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plan.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENSTOCK_SERVER", raising=False)
    assert len(COMMANDS) > 10
    for line in COMMANDS:
        command, _, refusal = line.partition(" # ")
        told = CliRunner().invoke(app, shlex.split(command)[1:])
        assert told.exit_code == bool(refusal), f"{command}: {told.output}"
        assert refusal.strip() in told.stderr, command
