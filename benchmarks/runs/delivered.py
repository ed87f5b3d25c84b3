"""A system that serves: a project that was pushed, built, deployed and trained twice."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.frame.environments import Failed, penstock
from benchmarks.frame.measure import surroundings, timed
from benchmarks.runs.bench import Bench
from benchmarks.runs.servers import posted, up

MODEL = "returns"
PRODUCTION = "production"
WAITS = "wait"
"""A pipeline that is under way as long as it is told to."""
CONFIG = """\
[project]
name = "shop"

[environments.production]
deploy = { on = "push", branch = "dev" }

[models.returns]
gate = ["roc_auc >= 0.5"]
"""
WAITING = """

@step(cache=False)
def waited(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pipeline
def wait(seconds: float = 0.0):
    return waited(seconds)
"""
MINUTES = 600.0


@contextmanager
def deliver(bench: Bench) -> Iterator[httpx.Client]:
    """The project of `penstock new` in production, two versions of its model approved. Raises Failed."""
    folder = bench.folder / "delivered"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    project, env = _project(folder)
    with up(folder, folder / "home") as server, httpx.Client(base_url=server.url, timeout=MINUTES) as client:
        timed([penstock().program("penstock"), "connect", server.url], folder=project, env=env)
        timed(["git", "push", "--quiet", "penstock", "dev"], folder=project, env=env)
        posted(client, "/settle", {"wait": MINUTES})
        for rate in (0.1, 0.2):
            train = {
                "pipeline": "train_returns",
                "environment": PRODUCTION,
                "params": {"learning_rate": rate},
            }
            posted(client, "/triggers/fire", train)
            posted(client, "/settle", {"wait": MINUTES})
        roles = [version["stage"] for version in client.get("/versions.json").json()["items"]]
        if len(roles) < 2:
            raise Failed(
                f"two versions were to be approved, there are {roles}; {client.get('/status.json').text}"
            )
        yield client


def _project(folder: Path) -> tuple[Path, Mapping[str, str]]:
    env = surroundings(folder, {"UV_CACHE_DIR": _cache()})
    timed([penstock().program("penstock"), "new", "shop"], folder=folder, env=env)
    project = folder / "shop"
    timed([penstock().python, "-m", "shop.data", "data"], folder=project, env=env)
    (project / "penstock.toml").write_text(CONFIG, encoding="utf-8")
    pipelines = project / "shop" / "pipeline.py"
    text = pipelines.read_text(encoding="utf-8").replace("import polars", "import time\n\nimport polars", 1)
    pipelines.write_text(text + WAITING, encoding="utf-8")
    author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@penstock.invalid")
    timed(["git", *author, "commit", "--quiet", "--all", "--message", "Waits"], folder=project, env=env)
    return project, env


def _cache() -> str:
    return subprocess.run(
        [penstock().program("uv"), "cache", "dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
