"""The words that users import."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import penstock

ROOT = Path(penstock.__file__).parent
LAZY = ["__init__.py", "pipelines/__init__.py", "datasets/__init__.py", "features/__init__.py"]


def test_no_public_word_hides_a_package() -> None:
    packages = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert not packages & set(penstock.__all__)


def test_page_one_needs_at_most_ten_words() -> None:
    first = (ROOT.parents[1] / "README.md").read_text()
    words = {
        word for word in penstock.__all__ if re.search(rf"^(from|import) .*\b{word}\b", first, re.MULTILINE)
    }
    assert len(words) <= 10
    assert len(penstock.__all__) <= 12


@pytest.mark.parametrize("file", LAZY)
def test_the_lazy_imports_are_those_that_type_checkers_see(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    (choice,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in choice.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    (found,) = (node for node in ast.walk(ast.Module(choice.orelse, [])) if isinstance(node, ast.Dict))
    exported = next(node for node in tree.body if isinstance(node, ast.Assign)).value
    assert ast.literal_eval(found) == seen
    assert sorted(seen) == sorted(ast.literal_eval(exported))


def test_importing_penstock_and_declaring_steps_imports_nothing_heavy() -> None:
    program = (
        "import sys, penstock; print(sorted({'msgspec', 'polars', 'numpy'} & set(sys.modules)));"
        "from penstock import files, feature_view, pipeline, step, training_rows;"
        "print(sorted({'polars', 'numpy', 'sqlalchemy', 'onnxruntime', 'litestar'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_an_unknown_word_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'penstock' has no attribute 'pipelin'"):
        _ = penstock.pipelin  # type: ignore[attr-defined]
