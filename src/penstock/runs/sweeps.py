"""Sweeps: runs of one pipeline with other parameters each, in search of the best metric."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.core.clock import Clock
from penstock.core.errors import InvalidValue
from penstock.pipelines.graph import coerce
from penstock.pipelines.types import Graph
from penstock.runs.ports import Axis, Choice, Range, Search
from penstock.runs.service import Runs
from penstock.runs.types import Run
from penstock.runs.views import ACTIVE

PATIENCE = 0.5
"""Seconds to wait for a task before what the trials under way have logged is looked at."""

_RANGE = re.compile(r"(?P<low>[^,]+?)\.\.(?P<high>[^,:]+)(?P<log>:log)?")

Points = Sequence[tuple[int, float]]
"""A metric by the count of the step that logged it."""


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """A search for the parameters with the best `metric`; its trials are the runs that name it.

    `fixed` are parameters that are the same in every trial, `code` the digest of the graph that is run:
    a sweep that was stopped goes on only with the same code.
    """

    id: str
    project: str
    pipeline: str
    target: str
    space: dict[str, Axis]
    fixed: dict[str, Any]
    metric: str
    maximize: bool
    trials: int
    code: str
    created: datetime
    actor: str
    status: Literal["running", "finished"] = "running"

    @property
    def name(self) -> str:
        """As which it cancels the trials that it gives up."""
        return f"sweep {self.id}"

    @property
    def stop(self) -> str:
        """As which its trials are cancelled when it is stopped before its end."""
        return f"the stop of sweep {self.id}"


def space_of(graph: Graph, given: Mapping[str, str]) -> tuple[dict[str, Axis], dict[str, Any]]:
    """What is searched and what is fixed, of parameters such as `0.01..0.3:log`, `3,5,7` or `0.1`.

    Raises InvalidValue for what is none of these or does not fit the pipeline, and when nothing is searched.
    """
    spelled = {name: _alternatives(text) for name, text in given.items()}
    first = {name: texts[0] for name, texts in spelled.items()}
    values = {
        name: [coerce(graph, first | {name: text})[name] for text in texts] for name, texts in spelled.items()
    }
    space: dict[str, Axis] = {}
    for name, found in values.items():
        if _RANGE.fullmatch(given[name]):
            space[name] = _range(name, given[name], found)
        elif len(found) > 1:
            space[name] = Choice(tuple(found))
    if not space:
        raise InvalidValue(
            expected="a parameter to search, such as -p rate=0.01..0.3:log or -p depth=3,5,7",
            found=", ".join(f"{name}={text}" for name, text in given.items()) or "none",
        )
    return space, {name: found[0] for name, found in values.items() if name not in space}


def pruned(sweep: Sweep, run: Run) -> bool:
    """Whether a trial was given up because it did worse than others at the same point."""
    return run.status == "cancelled" and run.error == f"cancelled by {sweep.name}"


def interrupted(sweep: Sweep, run: Run) -> bool:
    """Whether a trial was ended because its sweep was stopped; it is taken up again with it."""
    return run.status == "cancelled" and run.error == f"cancelled by {sweep.stop}"


def carry_out(
    sweep: Sweep,
    earlier: Sequence[Run],
    *,
    runs: Runs,
    search: Search,
    submit: Callable[[dict[str, Any]], Run],
    logged: Callable[[Run], Points],
    result: Callable[[Run], float | None],
    clock: Clock,
    parallel: int,
    on_trial: Callable[[Run], None],
) -> None:
    """Run trials, `parallel` at a time, until there are as many as the sweep wants.

    `earlier` are its trials so far, with which it goes on; `submit` starts a run with parameters;
    `logged` tells what one has logged by now and `result` how it ended, None without success.
    `on_trial` is told of each trial that has ended.
    """
    under_way = {
        run.id: search.suggest({name: run.params[name] for name in sweep.space})[0] for run in earlier
    }
    asked, given_up = len(earlier), set[str]()
    while True:
        while len(under_way) < parallel and asked < sweep.trials:
            trial, params = search.suggest()
            under_way[submit({**sweep.fixed, **params}).id] = trial
            asked += 1
        if not under_way:
            return
        runs.tick(clock.now())
        for number, trial in list(under_way.items()):
            run, _ = runs.seen(number)
            hopeless = [search.hopeless(trial, index, value) for index, value in logged(run)]
            if run.status not in ACTIVE:
                search.tell(trial, result(run), pruned=pruned(sweep, run))
                del under_way[number]
                on_trial(run)
            elif any(hopeless) and number not in given_up:
                given_up.add(number)
                runs.cancel(number, actor=sweep.name)
        runs.wait(PATIENCE if under_way else 0)


def _alternatives(text: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    return [found["low"], found["high"]] if found else text.split(",")


def _range(name: str, text: str, ends: Sequence[Any]) -> Range:
    low, high = ends
    log = text.endswith(":log")
    if any(isinstance(end, bool | str) for end in ends) or low >= high or (log and low <= 0):
        raise InvalidValue(
            expected=f"{name} to be a range of numbers, the lower first, above 0 with :log", found=text
        )
    return Range(low=low, high=high, log=log, whole=isinstance(low, int))
