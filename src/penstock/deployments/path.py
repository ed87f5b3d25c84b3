"""The path of promotion: which runs speak for a release, and whether they are enough."""

from __future__ import annotations

import msgspec

from penstock.builds.types import Release
from penstock.core.errors import InvalidValue, NotAllowed
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Reader
from penstock.pipelines.graph import coerce
from penstock.revisions.config import EnvironmentConfig, ProjectConfig
from penstock.runs.types import Run, StepRun


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of a release in an environment say for it: how many count, and why others do not."""

    counted: int
    others: dict[str, int]

    def __str__(self) -> str:
        beside = ", ".join(f"{number} {why}" for why, number in self.others.items())
        return f"{self.counted}" + (f" (and {beside}, which do not count)" if beside else "")


def record(reader: Reader, release: Release, config: ProjectConfig, environment: str) -> Record:
    """The runs of a release that succeeded in an environment since it arrived there, or last failed.

    A run counts if it had the parameters that the environment gives, did every step itself rather than
    take an earlier result, and never failed on its way. A run that failed with these parameters
    sets its pipeline back to none.
    """
    deployed = reader.find(
        Deployment, project=release.project, environment=environment, release=release.id, order="event"
    )
    if not deployed:
        return Record(counted=0, others={})
    usual = config.environment(environment).params
    streaks: dict[str, int] = {}
    others: dict[str, int] = {}
    found = reader.find(
        Run,
        project=release.project,
        environment=environment,
        release=release.id,
        status=("succeeded", "failed"),
    )
    pipelines = {graph.pipeline for graph in release.graphs}
    for run in found:
        if run.pipeline not in pipelines:  # it made online values of features
            continue
        if run.event <= deployed[0].event:
            why = "from before it was deployed"
        elif not _usual(run, usual.get(run.pipeline, {})):
            why = "with other parameters"
        elif run.status == "failed" or reader.events(subject=f"run:{run.id}", kind="run.failed", limit=1):
            others["before or at a failure"] = (
                others.get("before or at a failure", 0) + streaks.pop(run.pipeline, 0) + 1
            )
            continue
        elif _cached(reader, run):
            why = "from the cache"
        else:
            streaks[run.pipeline] = streaks.get(run.pipeline, 0) + 1
            continue
        others[why] = others.get(why, 0) + 1
    return Record(counted=sum(streaks.values()), others=others)


def require_path(reader: Reader, release: Release, rule: EnvironmentConfig, config: ProjectConfig) -> None:
    """Raises NotAllowed unless a release may be promoted by this rule."""
    name = f"release {release.number}"
    if rule.on != "promote":
        raise NotAllowed(
            what=f"Nothing is promoted to {rule.name}",
            found=f'deploy = {{ on = "{rule.on}", … }}',
            fix=f"{'A merge' if rule.on == 'merge' else 'A push'} to {rule.branch or rule.branches} brings "
            "a release there.",
        )
    if not reader.count(Deployment, project=release.project, environment=rule.after, release=release.id):
        raise NotAllowed(
            what=f"{name} cannot go to {rule.name} yet",
            expected=f"that it was deployed to {rule.after} first",
            found="that it never was",
            fix=f"Bring it to {rule.after}, and let it run there {rule.successful_runs} times.",
        )
    runs = record(reader, release, config, rule.after)
    if runs.counted < rule.successful_runs:
        raise NotAllowed(
            what=f"{name} cannot go to {rule.name} yet",
            expected=f"at least {rule.successful_runs} successful runs in {rule.after}",
            found=str(runs),
            fix=f"Start another with: penstock triggers fire PIPELINE --in {rule.after}",
        )


def _usual(run: Run, params: dict[str, object]) -> bool:
    try:
        return run.params == coerce(run.graph, params)
    except InvalidValue:
        return False


def _cached(reader: Reader, run: Run) -> bool:
    return any(step.cached_from for step in reader.find(StepRun, run=run.id, status="succeeded"))
