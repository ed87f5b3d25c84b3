"""A worker, the scheduler or both are killed at every named point of a step: the end is as if nothing was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from striking import POINTS, STEP, VICTIMS

from penstock.adapters.executors.steplog import read_lines
from penstock.adapters.storage.store import open_store
from penstock.app.home import Home
from penstock.lineage.service import Ledger
from penstock.runs.types import Run, StepRun

CODE = f"""
import os, subprocess, sys, uuid

from penstock import choose, each, pipeline, step

sys.path.append({str(Path(__file__).parent)!r})
import striking

striking.attend_worker()

def act(name):
    token = uuid.uuid4().hex
    striking.begin(name)
    print("did", token)
    with (striking.HOME / "effects").open("ab", buffering=0) as effects:
        effects.write(f"{{name}} {{token}}\\n".encode())
    if name == striking.STEP:
        if not os.environ.get("STRIKE", "").endswith("both"):
            subprocess.Popen(["sleep", "600"], start_new_session=True)
        striking.reach("effect")

@step
def numbers(count: int) -> list[int]:
    act("numbers")
    return list(range(1, count + 1))

@step
def square(number: int) -> int:
    act(f"square[{{number - 1}}]")
    return number * number

@step
def total(values: list[int]) -> int:
    act("total")
    return sum(values)

@step
def large(value: int) -> bool:
    act("large")
    return value > 10

@step
def praise(value: int) -> str:
    act("praise")
    return f"{{value}} is large"

@pipeline
def struck(count: int = 3):
    value = total(each(square, number=numbers(count)))
    return choose(large(value), praise(value), None)
"""
TARGET = "strikes.pipeline:struck"
STRIKING = str(Path(__file__).with_name("striking.py"))
PATIENCE = 240.0

Outputs = dict[str, tuple[str, dict[str, str]]]
"""Of each step, its status and the digests of its outputs."""


class Case:
    """A home of its own for the project that all share."""

    def __init__(self, home: Path, project: Path, strike: str = "") -> None:
        self.home = Home(home)
        self.home.make()
        self._project = project
        self.strike = strike

    def start(self, *words: str, strike: str = "") -> subprocess.Popen[bytes]:
        """`penstock` on this home, where it is told to be struck."""
        program = [STRIKING] if strike else ["-m", "penstock.cli"]
        with (self.home.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, *program, *words],
                cwd=self._project,
                env={**os.environ, "PENSTOCK_HOME": str(self.home.folder), "STRIKE": strike},
                stdout=said,
                stderr=said,
            )

    def penstock(self, *words: str, strike: str = "") -> int:
        """The exit code of a command."""
        with self.start(*words, strike=strike) as process:
            return process.wait(PATIENCE)

    def stored(self, run: str = "1") -> tuple[Run, list[StepRun]]:
        store = open_store(self.home.database)
        try:
            with store.read() as reader:
                return reader.get(Run, run), reader.find(StepRun, run=run)
        finally:
            store.close()

    def outputs(self, run: str = "1") -> Outputs:
        _, steps = self.stored(run)
        return {s.name: (s.status, {name: a.digest for name, a in s.outputs.items()}) for s in steps}

    def effects(self) -> list[list[str]]:
        """The steps that did their work, each with a word of its own."""
        return [line.split() for line in (self.home.folder / "effects").read_text().splitlines()]

    def told(self, kind: str, run: str) -> list[dict[str, Any]]:
        """The evidence of the events of a run of one kind; the ledger is whole."""
        store = open_store(self.home.database)
        try:
            assert Ledger(store).verify().ok
            with store.read() as reader:
                return [event.evidence for event in reader.events(kind=kind, subject=f"run:{run}")]
        finally:
            store.close()

    def logged(self) -> str:
        """All that the steps of all runs have logged."""
        logs = self.home.logs / "runs"
        steps = [f"{file.parent.name}/{file.stem}" for file in logs.glob("*/*.jsonl")]
        return " ".join(line["text"] for step in steps for line in read_lines(logs, step)[0])

    def left(self) -> list[int]:
        """The processes that belong to this case and have not ended."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_ours(entry)]

    def _is_ours(self, entry: Path) -> bool:
        ours = f"PENSTOCK_HOME={self.home.folder}".encode()
        try:
            return ours in (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or somebody else's
            return False

    def check(self, undisturbed: Outputs, number: str = "1") -> None:
        """A run came to its end as if nothing had happened, and nothing is left of what happened."""
        run, steps = self.stored(number)
        assert run.status == "succeeded"
        assert self.outputs(number) == undisturbed
        succeeded = [name for name, (status, _) in undisturbed.items() if status == "succeeded"]
        finished = Counter(told["step"] for told in self.told("step.finished", number))
        assert finished == Counter(succeeded), "each is recorded once"
        requeued = [told for run in sorted({"1", number}) for told in self.told("step.requeued", run)]
        waited = [told for told in requeued if "in time" in told["why"]]
        assert not waited, "nobody waits for the lease of a process that has ended"
        did = Counter(name for name, _ in self.effects())
        assert set(did) == {step.name for step in steps if step.name not in ("square", "choose")}
        if number == "1":
            assert all(did[step.name] <= step.token for step in steps), "a claim works at most once"
        if self.strike.startswith("event published"):
            assert did[STEP] == 1, "what was recorded is not done again"
        logged = self.logged()
        assert all(token in logged for _, token in self.effects()), "what was printed is there"
        until(lambda: not self.left())


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / "strikes"
    package = folder / "strikes"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipeline.py").write_text(CODE)
    return folder


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The twin to which nothing happens."""
    twin = Case(tmp_path_factory.mktemp("undisturbed"), project)
    assert twin.penstock("run", TARGET) == 0
    assert Counter(name for name, _ in twin.effects()).most_common(1)[0][1] == 1
    twin.check(twin.outputs())
    return twin.outputs()


@pytest.mark.parametrize("point", POINTS)
def test_a_run_that_is_struck_comes_to_the_same_end(
    point: str, undisturbed: Outputs, project: Path, tmp_path: Path
) -> None:
    def strike(victim: str) -> Case:
        case = Case(tmp_path / victim, project, f"{point}/{victim}")
        code = case.penstock("run", TARGET, strike=case.strike)
        assert (case.home.folder / "struck").exists()
        assert code == (0 if victim == "worker" else -signal.SIGKILL)
        until(lambda: not case.left())
        if victim == "both":
            assert case.penstock("run", TARGET) == 0
        if victim == "scheduler":
            assert case.penstock("retry", "1") == 0
        return case

    with ThreadPoolExecutor(len(VICTIMS)) as threads:
        for case in threads.map(strike, VICTIMS):
            case.check(undisturbed, "2" if case.strike.endswith("both") else "1")


def test_a_system_that_is_struck_goes_on_with_a_run_that_somebody_left(
    undisturbed: Outputs, project: Path, tmp_path: Path
) -> None:
    up = ("up", "--port", "0", "--predict-port", "0")

    def strike(point: str) -> Case:
        case = Case(tmp_path / point, project, f"{point}/scheduler")
        assert case.penstock("run", TARGET, strike="start/both") == -signal.SIGKILL
        (case.home.folder / "struck").unlink()
        assert case.penstock(*up, strike=case.strike) == -signal.SIGKILL
        with case.start(*up) as going_on:
            until(lambda: case.stored()[0].status == "succeeded")
            going_on.send_signal(signal.SIGINT)
        return case

    with ThreadPoolExecutor(3) as threads:
        for case in threads.map(strike, ("start", "artifact written", "result recorded")):
            case.check(undisturbed)
