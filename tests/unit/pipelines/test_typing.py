"""Type checkers see how a pipeline is wired."""

from __future__ import annotations

from pathlib import Path

from mypy import api

PROGRAM = """
from penstock.pipelines.authoring import pipeline, step

@step
def load(count: int) -> list[int]: return [count]

@step(retries=2)
def fit(rows: list[int], depth: int = 3) -> float: return 1.0

@pipeline
def train() -> object:
    fit(load("3"))
    fit(load(3), dept=4)
    fit(1.0)
    return load(fit(load(3)))
"""


def test_a_pipeline_that_is_wired_wrongly_does_not_type_check(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    out, _, _ = api.run([str(file), "--strict", "--no-error-summary", "--cache-dir=/dev/null"])
    lines = [line.partition("program.py:")[2] for line in out.splitlines() if ": error:" in line]
    assert [line.partition(":")[0] for line in lines] == ["12", "13", "14", "15"]
    assert 'has incompatible type "str"; expected "int"' in lines[0]
    assert 'Unexpected keyword argument "dept"' in lines[1]
