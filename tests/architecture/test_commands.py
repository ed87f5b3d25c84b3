"""Every command answers programs as well as people, and speaks of routes that there are."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from penstock.cli.commands import PARTS, app

GROUPS_THAT_ONLY_LEAD_ON = {"penstock", "penstock audit"}


def commands(group: TyperGroup, path: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


TREE = typer.main.get_command(app)
COMMANDS = dict(commands(TREE, "penstock"))


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in GROUPS_THAT_ONLY_LEAD_ON])
def test_a_command_has_json(path: str) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert "--json" in options


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_what_it_does_in_one_line(path: str) -> None:
    assert COMMANDS[path].help
    assert "\n" not in COMMANDS[path].help.strip()


@pytest.mark.parametrize("part", PARTS)
def test_a_module_registers_the_commands_that_are_looked_for_in_it(part: str) -> None:
    alone = typer.Typer(callback=lambda: None)
    import_module(f"penstock.cli.{part}").register(alone)
    assert set(typer.main.get_group(alone).commands) == set(PARTS[part])


def test_a_word_that_is_no_command_brings_the_one_that_was_meant() -> None:
    said = CliRunner().invoke(app, ["modles"])
    assert said.exit_code == 2
    assert "models" in said.output
