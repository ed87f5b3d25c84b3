"""The examples of docs/testing.md are tests that pass, and its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from penstock.revisions.config import AUTOMATIC, parse_config

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "testing.md").read_text()
PROJECT = '[project]\nname = "flights"\n[environments.test]\ndeploy = { on = "push", branch = "dev" }\n'


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_passes_in_the_project_that_it_is_written_for(tmp_path: Path) -> None:
    [example] = blocks("python")
    tests = tmp_path / "tests"
    tests.mkdir()
    flights = ROOT / "examples" / "flights"
    tests.joinpath("conftest.py").write_text((flights / "tests" / "conftest.py").read_text())
    tests.joinpath("test_weather.py").write_text(example)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        str(tests),
    ]
    surroundings = os.environ | {"PYTHONPATH": str(flights), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=300, check=False
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_every_automatic_test_is_in_the_table() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(AUTOMATIC)


def test_the_settings_are_valid() -> None:
    [settings] = blocks("toml")
    config = parse_config(PROJECT + settings).tests
    assert (config.rows, config.sample, config.waive[0].of) == (2000, "tests/sample", "origin_weather")


def test_every_fixture_is_in_the_table() -> None:
    source = (ROOT / "src" / "penstock" / "testing" / "plugin.py").read_text()
    assert sorted(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE)) == sorted(
        re.findall(r"@pytest.fixture\ndef (\w+)", source)
    )
