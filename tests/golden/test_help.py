"""The help of every command."""

from collections.abc import Callable, Iterator

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from penstock.cli.commands import app

PLAIN = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}


def paths(group: TyperGroup) -> Iterator[list[str]]:
    yield []
    for name, command in sorted(group.commands.items()):
        inside = paths(command) if isinstance(command, TyperGroup) else [[]]
        yield from ([name, *rest] for rest in inside)


@pytest.mark.parametrize(
    "path", list(paths(get_command(app))), ids=lambda path: "-".join(["penstock", *path])
)
def test_help_is_as_it_was(
    path: list[str], golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PENSTOCK_HOME", "PENSTOCK_SERVER"):
        monkeypatch.delenv(name, raising=False)
    told = CliRunner().invoke(app, [*path, "--help"], env=PLAIN, prog_name="penstock")
    assert told.exit_code == 0
    lines = (line.rstrip() for line in told.output.splitlines())
    golden(f"help/{'-'.join(['penstock', *path])}.txt", "\n".join(lines) + "\n")
