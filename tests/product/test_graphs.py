"""Every form of graph, on every executor and store, with every mishap, gives what plain Python gives."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.inline import InlineExecutor
from penstock.adapters.executors.pool import WorkerPool
from penstock.adapters.formats.values import read
from penstock.adapters.storage import SqlStore, open_store
from penstock.lineage.ports import Store
from penstock.pipelines.types import Graph
from penstock.runs.ports import Executor
from penstock.runs.service import Runs
from penstock.runs.types import Outcome, Run, StepRun, Task, Workspace
from penstock.runs.views import ACTIVE
from penstock.testing.fakes import FixedClock, MemoryStore

FOLDER = Path(__file__).parent / "projects" / "forms"
FORMS = (
    "chain",
    "diamond",
    "fan_out",
    "nothing",
    "nested",
    "taken",
    "otherwise",
    "optional",
    "retried",
    "broken",
)
EXECUTORS = ("inline", "local")
STORES = ("fake", "sqlite")
PLACES = (*itertools.product(EXECUTORS, STORES), ("inline", "postgresql"))
"""On PostgreSQL only with the executor that takes no time of its own."""
MISHAPS = ("none", "worker lost", "step error", "scheduler restarted")
PATIENCE = 30.0
_cases = itertools.count()


class Mishap:
    """An executor whose first outcome is another than it was: the worker died, or the step raised."""

    def __init__(self, inner: Executor, *, lost: bool) -> None:
        self._inner = inner
        self._lost = lost
        self.met: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """See `Executor.finished`."""
        return [self._spoiled(outcome) for outcome in self._inner.finished(timeout)]

    def _spoiled(self, outcome: Outcome) -> Outcome:
        if self.met:
            return outcome
        self.met.add(outcome.step_run)
        return Outcome(step_run=outcome.step_run, token=outcome.token, error="it went wrong", lost=self._lost)


class Forgetful:
    """An executor whose tasks are the business of whichever scheduler asks; it notes what was started."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self.started: list[Task] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        self.started.append(task)
        self._inner.start(task)


class Place:
    """A store and an executor, shared by all cases: each has keys of its own."""

    def __init__(self, store: Store, blobs: FolderBlobs, executor: Executor) -> None:
        self.store = store
        self.blobs = blobs
        self.executor = Forgetful(executor)
        self.clock = FixedClock()

    def carry_out(self, graph: Graph, mishap: str) -> tuple[Run, set[str]]:
        """A run to its end, and the step runs that met with the mishap; one that failed by it is retried."""
        spoils = Mishap(self.executor, lost=mishap == "worker lost")
        executor: Any = spoils if mishap in ("worker lost", "step error") else self.executor
        runs = Runs(self.store, self.blobs, executor, self.clock)
        folder = str(FOLDER)
        self.executor.started.clear()
        run = runs.submit(
            project="p",
            pipeline=graph.pipeline,
            environment="test",
            graph=graph,
            workspace=Workspace(
                python=sys.executable, folder=folder, data_root=folder, lock=f"case {next(_cases)}"
            ),
            params={},
        )
        if mishap == "scheduler restarted":
            runs.tick(self.clock.now())
            runs = Runs(self.store, self.blobs, self.executor, self.clock)
            assert runs.recover(lambda _: True)
            spoils.met = {
                task.step_run for task in self.executor.started if task.step_run.startswith(f"{run.id}/")
            }
        found = self._to_its_end(runs, run)
        if found.status == "failed" and "it went wrong" in found.error:
            runs.retry(run.id)
            found = self._to_its_end(runs, run)
        return found, spoils.met

    def _to_its_end(self, runs: Runs, run: Run) -> Run:
        while (found := self._ticked(runs, run)).status in ACTIVE:
            assert runs.wait(PATIENCE) or runs.tick(self.clock.now()), "nothing happens any more"
        return found

    def _ticked(self, runs: Runs, run: Run) -> Run:
        runs.tick(self.clock.now())
        return runs.seen(run.id)[0]

    def steps(self, run: Run) -> dict[str, StepRun]:
        with self.store.read() as reader:
            return {step.name: step for step in reader.find(StepRun, run=run.id)}

    def value(self, run: Run, graph: Graph) -> Any:
        """What the last node gave."""
        return read(self.steps(run)[graph.nodes[-1].name].outputs["result"], self.blobs)

    def recorded(self, run: Run) -> Counter[str]:
        """How often each step was recorded as finished."""
        with self.store.read() as reader:
            found = reader.events(kind="step.finished", subject=f"run:{run.id}")
        return Counter(event.evidence["step"] for event in found)


@pytest.fixture(scope="module")
def forms() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("forms.pipelines")
        for name in ("forms", "forms.pipelines"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def places(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str, str], Place]]:
    """`places(executor, store)`: what is shared by all cases of the two."""
    folder = tmp_path_factory.mktemp("product")
    blobs = FolderBlobs(folder / "blobs")
    pool = WorkerPool(size=2, logs=folder / "logs", blobs=folder / "blobs")
    executors: dict[str, Executor] = {
        "inline": InlineExecutor(logs=folder / "inline", blobs=blobs, size=2),
        "local": pool,
    }
    opened: list[SqlStore] = []

    def sql(where: Path | str) -> SqlStore:
        opened.append(open_store(where))
        return opened[-1]

    stores: dict[str, Callable[[], Store]] = {
        "fake": MemoryStore,
        "sqlite": lambda: sql(folder / "penstock.db"),
        "postgresql": lambda: sql(request.getfixturevalue("postgres").database()),
    }
    made = cache(lambda store: stores[store]())
    yield cache(lambda executor, store: Place(made(store), blobs, executors[executor]))
    pool.close()
    for store in opened:
        store.close()


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize(("executor", "store"), PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_a_graph_gives_what_plain_python_gives(
    form: str, executor: str, store: str, mishap: str, forms: Any, places: Callable[[str, str], Place]
) -> None:
    place, graph = places(executor, store), getattr(forms, form).draw()
    run, met = place.carry_out(graph, mishap)
    steps = place.steps(run)
    expected = plainly(forms, form)
    if isinstance(expected, ValueError):
        assert run.error.startswith(f"refuse failed: ValueError: {expected}")
        assert steps["add"].why == "skipped because refuse failed"
        assert steps["total-2"].status == "succeeded", "what does not need it goes on"
    else:
        assert (run.status, place.value(run, graph)) == ("succeeded", expected)
        assert {step.status for step in steps.values()} <= {"succeeded", "skipped"}
    done = [name for name, step in steps.items() if step.status == "succeeded"]
    assert place.recorded(run) == Counter(done), "each is recorded once"
    claims = Counter(task.step_run for task in place.executor.started)
    assert all(step.token == claims[step.id] for step in steps.values()), "each claim was given once"
    assert bool(met) == (mishap != "none")
    assert {step.id for step in steps.values() if step.token > 1} <= met, (
        "only what met with it is done again"
    )


def plainly(forms: Any, form: str) -> Any:
    """What the functions give where nothing is drawn, or the error that they raise."""
    if form == "nested":
        return forms.add(plainly(forms, "chain"), plainly(forms, "fan_out"))
    try:
        return getattr(forms, form).__wrapped__()
    except ValueError as error:
        return error
