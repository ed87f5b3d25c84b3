"""The digest of a step's code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.pipelines import code_digest

FILES = {
    "mill/__init__.py": "",
    "mill/steps.py": "from mill import wheel\nfrom .deep.grain import sack\nimport json\ndef grind(): ...\n",
    "mill/wheel.py": "def turn():\n    from mill.water import flow\n    return flow\n",
    "mill/water.py": "import mill.steps\nflow = 1\n",
    "mill/deep/__init__.py": "size = 1\n",
    "mill/deep/grain.py": "from .. import wheel\nsack = 1\n",
    "mill/unused.py": "x = 1\n",
    "stones.py": "x = 1\n",
}


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("mill.steps")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mill"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["steps", "wheel", "water", "__init__", "deep/__init__", "deep/grain"])
def test_a_change_in_any_module_that_a_step_leads_to_changes_its_digest(mill: Path, name: str) -> None:
    before = code_digest("mill.steps:grind")
    with (mill / "mill" / f"{name}.py").open("a") as file:
        file.write("# changed\n")
    assert code_digest("mill.steps:grind") != before


@pytest.mark.parametrize("name", ["mill/unused.py", "stones.py"])
def test_a_change_elsewhere_does_not(mill: Path, name: str) -> None:
    before = code_digest("mill.steps:grind")
    (mill / name).write_text("x = 2\n")
    assert code_digest("mill.steps:grind") == before


def test_where_the_project_lies_does_not_matter(mill: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = code_digest("mill.steps:grind")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "here"
    mill.rename(elsewhere)
    sys.modules["mill.steps"].__file__ = str(elsewhere / "mill" / "steps.py")
    assert code_digest("mill.steps:grind") == before


def test_an_installed_package_counts_alone(mill: Path) -> None:
    site = mill / "site-packages"
    site.mkdir()
    (mill / "mill").rename(site / "mill")
    (site / "stones.py").write_text("x = 1\n")
    (site / "mill" / "water.py").write_text("import stones\n")
    sys.modules["mill.steps"].__file__ = str(site / "mill" / "steps.py")
    before = code_digest("mill.steps:grind")
    (site / "stones.py").write_text("x = 22\n")
    assert code_digest("mill.steps:grind") == before
