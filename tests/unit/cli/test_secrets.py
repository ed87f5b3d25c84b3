"""Secrets of environments: steps have them, and nothing else ever shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.app.home import Home
from penstock.app.workbench import Workbench
from penstock.cli.commands import app
from penstock.runs.drive import run_to_end
from penstock.runs.types import StepRun, Workspace

Command = Callable[..., Result]
CONFIG = """
[project]
name = "shop"
[environments.test]
deploy = { on = "push", branch = "dev" }
"""
CODE = """
import os, subprocess, sys
from penstock import log, pipeline, step

SEEN = []

@step(secrets=["DB_PASSWORD"])
def fetch(fail: bool = False, die: bool = False) -> int:
    password = os.environ["DB_PASSWORD"]
    SEEN.append(password)
    print("connecting with", password)
    os.write(2, f"from C: {password}\\n".encode())
    subprocess.run([sys.executable, "-c", "import os; print(os.environ['DB_PASSWORD'])"], check=True)
    log.param("dsn", f"postgres://shop:{password}@db")
    if die:
        os.abort()
    if fail:
        raise ValueError(f"cannot log in with {password}")
    return len(set(SEEN))

@step(cache=False)
def after(seen: int) -> str:
    return os.environ.get("DB_PASSWORD", "") + str(seen)

@pipeline
def load(fail: bool = False, die: bool = False):
    return after(fetch(fail, die))
"""
VALUE = "correct horse battery staple"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text(CONFIG)
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "__init__.py").write_text("")
    (tmp_path / "vault" / "loads.py").write_text(CODE)
    return tmp_path


def give(value: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["secrets", "set", *words], input=value, prog_name="penstock")


def anywhere(folder: Path, text: str) -> list[Path]:
    return [f for f in folder.rglob("*") if f.is_file() and text.encode() in f.read_bytes()]


@pytest.mark.usefixtures("project")
def test_a_missing_secret_refuses_before_the_run_starts_and_says_how_to_set_it(penstock: Command):
    refused = penstock("run", "vault.loads:load")
    assert refused.exit_code == 1
    assert "development of shop lacks the secret DB_PASSWORD" in refused.stderr
    assert "penstock secrets set DB_PASSWORD --in development --project shop" in refused.stderr
    assert json.loads(penstock("runs", "--json").stdout)["items"] == []
    assert penstock("run", "vault.loads:load", "--plan").exit_code == 0


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("how", ["", "fail=true", "die=true"])
def test_a_step_has_it_and_it_is_shown_nowhere(penstock: Command, tmp_path: Path, how: str):
    told = give(f"{VALUE}\n", "DB_PASSWORD", "--in", "development", "--json")
    ran = penstock("run", "vault.loads:load", *(["-p", how] if how else []))
    assert ran.exit_code == bool(how), ran.output
    log = penstock("logs", "1", "fetch")
    assert "connecting with ***" in log.stdout
    assert "from C: ***" in log.stdout
    assert "postgres://shop:***@db" in log.stdout
    listed = penstock("secrets", "--json")
    assert [item["name"] for item in json.loads(listed.stdout)["items"]] == ["DB_PASSWORD"]
    shown = [told, ran, log, listed, penstock("runs", "--json"), penstock("run", "show", "1")]
    assert not any(VALUE in result.output for result in shown)
    assert anywhere(tmp_path, VALUE) == []
    if how.startswith("fail"):
        assert "cannot log in with ***" in ran.stderr


@pytest.mark.usefixtures("project")
def test_a_removed_secret_is_missing_again_and_its_bytes_are_replaced(penstock: Command):
    give(VALUE, "DB_PASSWORD", "--in", "development")
    assert penstock("secrets", "remove", "DB_PASSWORD", "--in", "development").exit_code == 0
    assert penstock("secrets", "remove", "DB_PASSWORD", "--in", "development").exit_code == 1
    assert penstock("run", "vault.loads:load").exit_code == 1


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "value"), [("db_password", VALUE), ("PATH", VALUE), ("PENSTOCK_HOME", VALUE), ("PIN", "123")]
)
def test_what_no_step_could_have_is_refused(penstock: Command, name: str, value: str):
    give(VALUE, "FIRST", "--in", "development")
    refused = give(value, name, "--in", "development")
    assert refused.exit_code == 1
    assert value not in refused.stderr
    [kept] = json.loads(penstock("secrets", "--json").stdout)["items"]
    assert kept["name"] == "FIRST"


def test_a_warm_process_that_knows_the_secret_of_one_environment_never_works_for_another(
    project: Path, tmp_path: Path
):
    import sys

    bench = Workbench(Home(tmp_path / "own"))
    try:
        where = Workspace(python=sys.executable, folder=str(project), data_root=str(project), lock="")
        graph = bench.executor.draw(where, "vault.loads:load")
        for environment in ("staging", "production"):
            bench.step_secrets.set("shop", environment, "DB_PASSWORD", f"{VALUE} {environment}", "ada")
            run = bench.runs.submit(
                project="shop",
                pipeline="load",
                environment=environment,
                graph=graph,
                workspace=where,
                params={},
            )
            run_to_end(bench.runs, run.id, bench.clock, lambda *_: None)
        with bench.store.read() as reader:
            steps = reader.find(StepRun, name="after")
        assert [json.loads(bench.blobs.get(s.outputs["result"].digest)) for s in steps] == ["1", "1"]
    finally:
        bench.close()
