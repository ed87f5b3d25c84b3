"""A command that a message advises is one that there is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import penstock
from penstock.cli.commands import app

PACKAGE = Path(penstock.__file__).parent
ROOT = PACKAGE.parents[1]
ADVISED = re.compile(
    r"(?<!push )(?<!from )(?<!remote )\bpenstock((?: [a-z]+\b(?![:.@/]))+)((?:[^`\n.,;]*? --?[a-z][a-z-]*)*)"
)


def sentences() -> Iterator[tuple[str, str]]:
    """Texts of the code and commands of the documents, each with where it stands."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value
    for file in [*ROOT.glob("*.md"), *PACKAGE.rglob("*.md.tmpl")]:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line.startswith("penstock ") or "`penstock " in line:
                yield f"{file.relative_to(ROOT)}:{number}", line


def advised() -> Iterator[tuple[str, list[str], list[str]]]:
    for place, text in sentences():
        for match in ADVISED.finditer(text):
            yield place, match[1].split(), re.findall(r"(?<= )--?[a-z][a-z-]*", match[2])


@pytest.mark.parametrize(("place", "words", "options"), list(advised()))
def test_the_command_is_there_with_its_options(place: str, words: list[str], options: list[str]) -> None:
    command: TyperCommand | TyperGroup = get_command(app)
    depth = 0
    while isinstance(command, TyperGroup) and depth < len(words) and words[depth] in command.commands:
        command = command.commands[words[depth]]
        depth += 1
    assert depth, f"{place}: there is no penstock {words[0]}"
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(options) <= known, f"{place}: penstock {' '.join(words)} has no {set(options) - known}"
