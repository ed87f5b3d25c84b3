"""`--on`: where steps run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Command = Callable[..., Result]
CODE = """
from penstock import pipeline, step

@step
def six() -> int:
    return 6

@step
def looked_at(value: int) -> int:
    answer = value * 7
    breakpoint()
    return answer

@step
def shown(value: int) -> int:
    print("seen by whoever runs it")
    return value

@pipeline
def debugged():
    return looked_at(six())

@pipeline
def printed():
    return shown(six())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "placed").mkdir()
    (tmp_path / "placed" / "__init__.py").write_text("")
    (tmp_path / "placed" / "work.py").write_text(CODE)
    return tmp_path


def run(project: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.cli", "run", *words]
    home = {"PENSTOCK_HOME": str(project / "home")}
    return subprocess.run(
        command,
        cwd=project,
        env={**os.environ, **home},
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_step_that_runs_inline_stops_in_the_debugger(project: Path) -> None:
    told = run(project, "placed.work:debugged", "--on", "inline", "--json", said="p answer\nanswer = 43\nc\n")
    assert told.returncode == 0, told.stderr
    assert "(Pdb) 42" in told.stderr
    assert json.loads(told.stdout)["status"] == "succeeded"
    blob = json.loads(told.stdout)["steps"][1]["outputs"]["result"]["digest"]
    assert (project / "home" / "blobs" / blob[:2] / blob[2:]).read_bytes() == b"43"


def test_what_a_step_prints_inline_is_seen_at_once_and_is_in_its_log(project: Path) -> None:
    told = run(project, "placed.work:printed", "--on", "inline", "--json")
    assert "seen by whoever runs it" in told.stderr
    assert json.loads(told.stdout)["status"] == "succeeded"
    assert "seen by whoever runs it" in (project / "home/logs/runs/1/shown.jsonl").read_text()


def test_what_ran_inline_is_cached_for_workers(project: Path) -> None:
    assert run(project, "placed.work:printed", "--on", "inline").returncode == 0
    steps = json.loads(run(project, "placed.work:printed", "--json").stdout)["steps"]
    assert [step["cached_from"] for step in steps] == ["1/six", "1/shown"]


@pytest.mark.parametrize("where", ["here", "ray://", "rays://a:1", ""])
def test_a_place_that_is_none_is_refused(penstock: Command, where: str) -> None:
    told = penstock("run", "a.b:c", "--on", where)
    assert told.exit_code == 1
    assert told.stderr == (
        f"Steps cannot run there: expected inline, local, ray or ray://HOST:PORT; found {where!r}.\n"
    )


def test_a_server_runs_nothing_inline(penstock: Command) -> None:
    told = penstock("up", "--on", "inline")
    assert told.exit_code == 1
    assert told.stderr.startswith("A server never runs a project's code in its own process: expected local")


def test_the_room_of_a_cluster_is_not_said_here(penstock: Command) -> None:
    told = penstock("up", "--on", "ray", "--cpus", "2", "--port", "0")
    assert told.exit_code == 1
    assert told.stderr.startswith("How much steps may need on a cluster is said to Ray: expected no --cpus")


def test_without_ray_the_sentence_says_how_to_get_it(
    penstock: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [name for name in sys.modules if name.startswith("penstock.adapters.executors.ray")]:
        monkeypatch.delitem(sys.modules, name)
    told = penstock("run", "a.b:c", "--on", "ray")
    assert told.exit_code == 1
    assert told.stderr == "To run steps on Ray it must be installed. pip install 'penstock[ray]'\n"


@pytest.mark.parametrize(
    ("address", "found"), [("127.0.0.1:1", "Connection refused"), ("abc", "abc, which is not HOST:PORT")]
)
def test_a_cluster_that_does_not_answer_is_named(penstock: Command, address: str, found: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: it is in the extra `ray`")
    told = penstock("run", "a.b:c", "--on", f"ray://{address}")
    assert told.exit_code == 1
    assert told.stderr.startswith(f"The Ray cluster at {address} cannot be joined: expected the address that")
    assert found in told.stderr
