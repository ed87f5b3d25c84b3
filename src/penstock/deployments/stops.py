"""What stands in the way of a release, whatever has been proved of it: holds, freezes, names."""

from __future__ import annotations

from datetime import datetime

from penstock.builds.types import Release
from penstock.deployments.environments import Environments, Held
from penstock.deployments.holds import hold_on, sentence
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Reader
from penstock.models.types import Model
from penstock.revisions.config import EnvironmentConfig, frozen


def stop(
    reader: Reader, environments: Environments, release: Release, rule: EnvironmentConfig, now: datetime
) -> str:
    """Why a release may not go to an environment now, to follow the environment's name; empty if it may.

    It is frozen while the release that is there or the one that comes says so: nothing thaws itself.
    """
    there = environments.find(reader, release.project, rule.name)
    return closed(reader, there, rule, release.project, now) or _taken(reader, release)


def closed(reader: Reader, there: Held | None, rule: EnvironmentConfig, project: str, now: datetime) -> str:
    """Why nothing new may go to an environment now; empty if it may."""
    if hold := hold_on(reader, project, rule.name):
        return f"is {sentence(hold)}"
    found = frozen((*rule.freeze, *(there.rule.freeze if there else ())), now)
    return f"is {found}" if found else ""


def _taken(reader: Reader, release: Release) -> str:
    """Names of models that another project has: versions, champions and addresses go by them."""
    for model in models_of(release):
        known = reader.find(Model, id=model)
        owners = [known[0].project] if known else _publishers(reader, model, release.project)
        if owners and owners[0] != release.project:
            whose = f"the project {owners[0]}" if owners[0] else "clients"
            return (
                f"cannot take release {release.number}: it publishes the model {model}, and that name "
                f"belongs to {whose}. Publish it under another name"
            )
    return ""


def _publishers(reader: Reader, model: str, project: str) -> list[str]:
    """Other projects that have a release in an environment which publishes this model."""
    others = {d.release for d in reader.find(Deployment, active=True) if d.project != project}
    found = (reader.get(Release, key) for key in sorted(others))
    return [release.project for release in found if model in models_of(release)]


def models_of(release: Release) -> list[str]:
    """The models that a release publishes."""
    nodes = (node for graph in release.graphs for node in graph.nodes if node.kind == "publish")
    return list(dict.fromkeys(str(node.settings["model"]) for node in nodes))
