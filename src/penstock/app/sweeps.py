"""Carrying out sweeps from a folder, and going on with one that was stopped."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.adapters.executors.machine import ended
from penstock.adapters.search.tpe import OptunaSearch
from penstock.app.local import ENVIRONMENT, local_origin, project_name, with_sources
from penstock.app.ready import local_workspace
from penstock.app.workbench import Workbench
from penstock.checks.metrics import METRICS
from penstock.core.digests import digest_value
from penstock.core.errors import Conflict
from penstock.core.events import Event
from penstock.lineage.ports import Transaction
from penstock.runs.search import values_of
from penstock.runs.sweeps import Points, Sweep, carry_out, interrupted, pruned, space_of
from penstock.runs.types import Run, StepRun
from penstock.runs.views import ACTIVE


def sweep_target(
    bench: Workbench,
    target: str,
    folder: Path,
    given: Mapping[str, str],
    *,
    metric: str,
    minimize: bool,
    trials: int,
    parallel: int,
    on_trial: Callable[[Run], None],
) -> Sweep:
    """Search the parameters of a pipeline; gives the finished sweep.

    The same sweep of the same code that was stopped before its end goes on where it stood.
    An interrupt (Ctrl-C) cancels the trials under way and comes through; they are taken up again with it.
    Raises InvalidPipeline, InvalidValue, and Conflict when another process carries it out.
    """
    workspace = local_workspace(folder)
    graph = bench.executor.draw(workspace, target)
    origin = with_sources(bench, local_origin(bench, folder), workspace, graph)
    space, fixed = space_of(graph, given)
    known = METRICS.get(metric)
    wanted = Sweep(
        id="",
        project=project_name(folder),
        pipeline=graph.pipeline,
        target=target,
        space=space,
        fixed=fixed,
        metric=metric,
        maximize=not minimize and (known is None or known.greater_is_better),
        trials=trials,
        code=digest_value([[node.name, node.code] for node in graph.nodes]),
        created=bench.clock.now(),
        actor=bench.actor(""),
    )
    sweep = _begun(bench, wanted)
    with _held(bench, sweep):
        earlier = _trials(bench, sweep)
        bench.runs.recover(ended)
        _take_up(bench, sweep, earlier)

        def submit(params: dict[str, Any]) -> Run:
            return bench.runs.submit(
                project=sweep.project,
                pipeline=sweep.pipeline,
                environment=ENVIRONMENT,
                graph=graph,
                workspace=workspace,
                params=params,
                origin=origin,
                sweep=sweep.id,
                actor=sweep.actor,
            )

        try:
            carry_out(
                sweep,
                earlier,
                runs=bench.runs,
                search=OptunaSearch(space, maximize=sweep.maximize, seed=1000 * int(sweep.id) + len(earlier)),
                submit=submit,
                logged=lambda run: logged(bench, run, metric),
                result=lambda run: result(bench, run, metric),
                clock=bench.clock,
                parallel=parallel,
                on_trial=on_trial,
            )
        except KeyboardInterrupt:
            for run in _trials(bench, sweep):
                if run.status in ACTIVE:
                    bench.runs.cancel(run.id, actor=sweep.stop)
            raise
        return finish(bench, sweep)


def results(bench: Workbench, sweep: Sweep) -> list[dict[str, Any]]:
    """The trials of a sweep, the best first and those without a result last."""
    found = [
        {
            "run": run.id,
            "status": "pruned" if pruned(sweep, run) else run.status,
            "value": result(bench, run, sweep.metric),
            "params": run.params,
            "error": run.error,
        }
        for run in _trials(bench, sweep)
    ]
    sign = -1 if sweep.maximize else 1
    return sorted(found, key=lambda trial: (trial["value"] is None, sign * (trial["value"] or 0.0)))


def result(bench: Workbench, run: Run, metric: str) -> float | None:
    """A metric as a run that succeeded ended with it: the last value of the last step that has it."""
    if run.status != "succeeded":
        return None
    with bench.store.read() as reader:
        return values_of(reader, metric, [run.id]).get(run.id)


def logged(bench: Workbench, run: Run, metric: str) -> Points:
    """What the steps of a run have logged of a metric by now, also those that were taken from another run."""
    with bench.store.read() as reader:
        steps = reader.find(StepRun, run=run.id)
    points: dict[int, float] = {}
    for step in steps:
        lines, _ = bench.log_lines(step.cached_from or step.id, 0, 0)
        points |= {
            line["index"]: line["value"]
            for line in lines
            if line["stream"] == "metric" and line["name"] == metric
        }
    return sorted(points.items())


def _begun(bench: Workbench, wanted: Sweep) -> Sweep:
    """The sweep as it was begun before, else as it begins now."""
    with bench.store.begin() as tx:
        for found in tx.find(Sweep, project=wanted.project, target=wanted.target, status="running"):
            same = replace(wanted, id=found.id, created=found.created, actor=found.actor, trials=found.trials)
            if same == found:
                going_on = replace(found, trials=wanted.trials)
                tx.put(going_on)
                return going_on
        return started(tx, wanted)


def started(tx: Transaction, wanted: Sweep) -> Sweep:
    """The sweep as it begins now."""
    begun = replace(wanted, id=tx.mint(Sweep))
    tx.add(begun)
    told = {"target": begun.target, "metric": begun.metric, "trials": begun.trials}
    tx.publish(_event(begun, "sweep.started", begun.created, told))
    return begun


def finish(bench: Workbench, sweep: Sweep) -> Sweep:
    """The sweep is over: its best trial is told."""
    best = next((trial for trial in results(bench, sweep) if trial["value"] is not None), None)
    finished = replace(sweep, status="finished")
    with bench.store.begin() as tx:
        tx.put(finished)
        tx.publish(_event(finished, "sweep.finished", bench.clock.now(), {"best": best}))
    return finished


def _event(sweep: Sweep, kind: str, now: datetime, evidence: dict[str, Any]) -> Event:
    return Event(
        kind=kind,
        subject=f"sweep:{sweep.id}",
        time=now,
        actor=sweep.actor,
        project=sweep.project,
        evidence=evidence,
    )


def _trials(bench: Workbench, sweep: Sweep) -> list[Run]:
    with bench.store.read() as reader:
        return reader.find(Run, sweep=sweep.id)


def _take_up(bench: Workbench, sweep: Sweep, runs: Sequence[Run]) -> None:
    """Let the trials go on that were ended when the sweep was stopped."""
    for run in runs:
        if interrupted(sweep, run):
            with suppress(Conflict):  # what it had made is gone: it is a trial without a result
                bench.runs.retry(run.id, actor=sweep.actor)


@contextmanager
def _held(bench: Workbench, sweep: Sweep) -> Iterator[None]:
    """Hold a sweep for this process. Raises Conflict if another one carries it out."""
    folder = bench.home.folder / "sweeps"
    folder.mkdir(exist_ok=True)
    with (folder / f"{sweep.id}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                what=f"Another process already carries out sweep {sweep.id}.",
                fix="Wait for it, or search something else.",
            ) from None
        yield
