"""The rooms, their captions and what may stand in them."""

import ast
import statistics
from pathlib import Path

import importlinter.cli
import pytest

import penstock

PACKAGE = Path(penstock.__file__).parent
ROOT = PACKAGE.parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
MAY_IMPORT_LATE = ("cli", "adapters")


def test_imports_keep_the_contracts() -> None:
    assert importlinter.cli.lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def caption(package: Path) -> str:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert docstring, f"{package} has no caption"
    return docstring.splitlines()[0]


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "adapters"], ids=["rooms", "adapters"])
def test_the_listing_in_architecture_md_is_what_the_rooms_say(folder: Path) -> None:
    rooms = {f"{room.parent.name}/": caption(room.parent) for room in folder.glob("*/__init__.py")}
    blocks = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1::2]
    listings = [dict(line.split(maxsplit=1) for line in block.strip().splitlines()) for block in blocks[:2]]
    assert rooms in listings


def test_files_are_short() -> None:
    lengths = sorted(len(file.read_text().splitlines()) for file in FILES)
    longest = max(FILES, key=lambda file: len(file.read_text().splitlines()))
    assert lengths[-1] <= 500, longest
    assert statistics.median(lengths) <= 150
    assert statistics.quantiles(lengths, n=10)[-1] <= 300


def test_no_module_is_named_for_what_it_is_not() -> None:
    assert not {file.stem for file in FILES} & {"utils", "helpers", "common", "base", "manager"}


def test_no_public_word_hides_a_package() -> None:
    assert not set(penstock.__all__) & {room.parent.name for room in PACKAGE.glob("*/__init__.py")}


def imported_late(file: Path) -> list[str]:
    functions = (
        n
        for n in ast.walk(ast.parse(file.read_text()))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    inside = (node for function in functions for node in ast.walk(function))
    return [f"{file}:{node.lineno}" for node in inside if isinstance(node, ast.Import | ast.ImportFrom)]


def test_imports_inside_functions_stand_only_in_commands_and_adapters() -> None:
    others = [file for file in FILES if file.relative_to(PACKAGE).parts[0] not in MAY_IMPORT_LATE]
    assert not [place for file in others for place in imported_late(file)]


def test_every_package_and_module_says_what_it_is() -> None:
    assert not [str(file) for file in FILES if not ast.get_docstring(ast.parse(file.read_text()))]
