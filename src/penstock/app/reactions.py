"""Actions that this system does itself, or at a forge: issues, rollbacks and sweeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from penstock.adapters.search.tpe import OptunaSearch
from penstock.app.local import ENVIRONMENT
from penstock.app.sweeps import finish, result, started
from penstock.app.workbench import Workbench
from penstock.builds.types import Release
from penstock.core.digests import digest_value
from penstock.deployments.rollouts import Rollouts
from penstock.pipelines.types import Graph
from penstock.revisions.issues import Issues
from penstock.runs.sweeps import Sweep, space_of
from penstock.runs.types import Run, Workspace
from penstock.runs.views import ACTIVE
from penstock.triggers.notices import Notices
from penstock.triggers.outbox import Perform
from penstock.triggers.types import Action, What

SKEW = timedelta(days=1)
"""By how much the clocks of forges may differ from the one of this system."""


class Reactions:
    """Does actions. Each may be asked for again, and then finds what it did before."""

    def __init__(
        self,
        bench: Workbench,
        rollouts: Rollouts,
        issues: Issues,
        notices: Notices,
        workspace_of: Callable[[Release, str], Workspace],
    ) -> None:
        self._bench = bench
        self._rollouts = rollouts
        self._issues = issues
        self._notices = notices
        self._workspace_of = workspace_of

    @property
    def performs(self) -> dict[What, Perform]:
        """How each kind of action is done."""
        return {
            "notify": self._notices.perform,
            "issue": self._issue,
            "rollback": self._rollback,
            "sweep": self._sweep,
        }

    def _issue(self, action: Action) -> str:
        said = self._notices.message(action)
        since = action.made - SKEW
        return self._issues.open(action.project, said.title, said.text, mark=action.delivery, since=since)

    def _rollback(self, action: Action) -> str:
        placed = self._rollouts.rollback(
            action.target,
            action.environment,
            f"trigger {action.firing}",
            instead_of=action.details["version"],
            cause=action.cause,
        )
        return f"{placed.model}@{placed.number} answers again"

    def _sweep(self, action: Action) -> str | None:
        """Let as many trials run as there should be; they are experiments, outside of any environment."""
        with self._bench.store.read() as reader:
            release = reader.get(Release, action.details["release"])
        graph = next(each for each in release.graphs if each.pipeline == action.target)
        sweep = self._begun(action, graph)
        with self._bench.store.read() as reader:
            trials = reader.find(Run, sweep=sweep.id)
        active = [run for run in trials if run.status in ACTIVE]
        room = min(action.details["parallel"] - len(active), sweep.trials - len(trials))
        if sweep.status == "running" and room > 0:
            workspace = self._workspace_of(release, action.environment)
            for params in self._suggested(sweep, trials, room):
                self._bench.runs.submit(
                    project=sweep.project,
                    pipeline=sweep.pipeline,
                    environment=ENVIRONMENT,
                    graph=graph,
                    workspace=workspace,
                    params=sweep.fixed | params,
                    release=release.id,
                    sweep=sweep.id,
                    actor=sweep.actor,
                    cause=action.cause,
                )
            return None
        if active:
            return None
        if sweep.status == "running":
            finish(self._bench, sweep)
        return f"sweep {sweep.id}, {len(trials)} trials: /sweeps/{sweep.id}"

    def _begun(self, action: Action, graph: Graph) -> Sweep:
        wanted, actor = action.details, f"trigger {action.firing}"
        space, fixed = space_of(graph, wanted["params"])
        with self._bench.store.begin() as tx:
            begun = tx.find(Sweep, project=action.project, actor=actor)
            return (
                begun[0]
                if begun
                else started(
                    tx,
                    Sweep(
                        id="",
                        project=action.project,
                        pipeline=graph.pipeline,
                        target=graph.target,
                        space=space,
                        fixed=fixed,
                        metric=wanted["metric"],
                        maximize=not wanted["minimize"],
                        trials=wanted["trials"],
                        code=digest_value([[node.name, node.code] for node in graph.nodes]),
                        created=self._bench.clock.now(),
                        actor=actor,
                    ),
                )
            )

    def _suggested(self, sweep: Sweep, trials: list[Run], wanted: int) -> list[dict[str, object]]:
        """The next parameters to try, after what came of those before."""
        search = OptunaSearch(sweep.space, maximize=sweep.maximize, seed=1000 * int(sweep.id) + len(trials))
        for run in trials:
            trial, _ = search.suggest({name: run.params[name] for name in sweep.space})
            if run.status not in ACTIVE:
                search.tell(trial, result(self._bench, run, sweep.metric), pruned=False)
        return [search.suggest()[1] for _ in range(wanted)]
