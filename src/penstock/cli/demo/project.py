"""The demo's project: a clone of the example with data of its own, and the flights that will ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.demo.stage import LIVE
from penstock.cli.demo.traffic import Flight
from penstock.core.errors import NotFound, StepFailed

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@flights.example",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@flights.example",
    "GIT_AUTHOR_DATE": "2013-02-25T12:00:00+00:00",  # the same commit, and so the same release, every time
    "GIT_COMMITTER_DATE": "2013-02-25T12:00:00+00:00",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}

POLICIES = ("never", "quarterly", "own")
"""Policies that the year is lived through again with: few, since each training takes seconds."""
UNTIL = datetime(2013, 12, 31, tzinfo=UTC)
REQUESTS = 10_000


class Requests(msgspec.Struct, frozen=True):
    """The flights in order of departure, and the datatype of each feature on the wire."""

    datatypes: dict[str, str]
    flights: list[Flight]


class Project:
    """A git repository made from the example."""

    def __init__(self, example: Path, folder: Path) -> None:
        self.example = example
        self.folder = folder

    def prepare(self) -> None:
        """Copy the example and commit it on `dev`, as its author would; does nothing the second time."""
        if not (self.example / "penstock.toml").exists():
            raise NotFound(
                what=f"There is no example project at {self.example}.",
                fix="Run the demo in a clone of Penstock, or name the project with --project.",
            )
        if (self.folder / ".git").exists():
            return
        made = self.folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(
            self.example, made, ignore=shutil.ignore_patterns("data", ".venv", "__pycache__", ".*_cache")
        )
        for words in (["init", "-q", "-b", "dev"], ["add", "-A"], ["commit", "-qm", "Predict late arrivals"]):
            self._run(["git", *words], made)
        made.rename(self.folder)

    def data(self) -> None:
        """Write the flights and the weather of 2013 as Parquet files, where the sources look for them."""
        self._run([sys.executable, "-m", "flights.data", "data"], self.folder)

    def requests(self, every: int) -> Requests:
        """Every n-th flight from March on, with its features as they were known at its departure."""
        path = self.folder / "data" / f"requests-{every}.json"
        if not path.exists():
            self._run([sys.executable, "-m", "flights.requests", "data", str(path), str(every)], self.folder)
        return msgspec.json.decode(path.read_bytes(), type=Requests)

    def simulate(self, home: Path) -> dict[str, Any]:
        """What other policies of retraining would have done; trainings are kept under the home."""
        days = ("--from", f"{LIVE:%Y-%m-%d}", "--to", f"{UNTIL:%Y-%m-%d}", "--every", "7d")
        policies = [word for name in POLICIES for word in ("--policy", name)]
        more = ("--requests", str(REQUESTS), "--home", str(home), "--json")
        words = [sys.executable, "-m", "penstock.cli", "simulate", *days, *policies, *more]
        told: dict[str, Any] = msgspec.json.decode(self._run(words, self.folder))
        return told

    def push(self, url: str) -> None:
        """Push `dev` over smart HTTP."""
        self._run(["git", "push", "-q", url, "dev"], self.folder)

    def commit(self) -> str:
        """The commit that `dev` points to."""
        return self._run(["git", "rev-parse", "dev"], self.folder).strip()

    def _run(self, words: list[str], folder: Path) -> str:
        environment: dict[str, Any] = {**os.environ, **AUTHOR}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepFailed(
                what=f"{' '.join(words)} failed.", found=(done.stderr or done.stdout).strip()[-500:]
            )
        return done.stdout
