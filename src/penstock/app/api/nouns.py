"""GET: what there is."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, brief, listed
from penstock.app.api.moments import moment
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.builds.types import Release
from penstock.deployments.releases import Waiting
from penstock.deployments.types import Deployment, GateReport, Hold, Swap
from penstock.models.types import Placement, Version
from penstock.monitoring.drift import shares
from penstock.monitoring.measure import scored, unsaid_of
from penstock.monitoring.slices import newest_slices
from penstock.monitoring.traffic import asked
from penstock.monitoring.types import Alarm, Reading, Traffic, Window
from penstock.revisions.config import parse_config
from penstock.revisions.types import AccessToken, Approval, Branch, CommitStatus, Project, Revision, Upstream
from penstock.runs.secrets import StepSecret
from penstock.triggers.types import Explanation, Firing, TriggerState

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/status")
def status(app: App) -> dict[str, Any]:
    """What runs, what is under way, and whether everything has had its consequences."""
    return app.status()


@route("GET", "/projects")
def projects(app: App, limit: int = LIMIT) -> Any:
    """Projects."""
    return listed(app, Project, "", limit)


@route("GET", "/revisions")
def revisions(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Revisions, the newest first."""
    return listed(app, Revision, "-seen", limit, project=project)


@route("GET", "/approvals")
def approvals(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Approvals, the newest first."""
    return listed(app, Approval, "-time", limit, project=project)


@route("GET", "/branches")
def branches(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Watched branches."""
    return listed(app, Branch, "", limit, project=project, deleted=None)


@route("GET", "/upstreams")
def upstreams(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Repositories outside that projects come from, and what each of them waits for."""
    return listed(app, Upstream, "", limit, id=project)


@route("GET", "/statuses")
def statuses(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """What outside forges are told of commits, and whether they were."""
    return listed(app, CommitStatus, "", limit, project=project)


@route("GET", "/tokens")
def tokens(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Access tokens and whom they belong to, without their digests."""
    found = listed(app, AccessToken, "", limit, project=project)["items"]
    return {"items": [without_digest(token) for token in found]}


@route("GET", "/releases")
def releases(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Releases, the newest first, without their graphs and outputs."""
    found = listed(app, Release, "-created", limit, project=project)["items"]
    return {"items": [brief(release, "graphs", "outputs") for release in found]}


@route("GET", "/releases/{ref}")
def release(app: App, ref: str) -> Any:
    """A release by its number or digest, with its outputs and the graphs of its pipelines."""
    found = app.releases.find(ref)
    outputs = [
        {
            **brief(output, "parts"),
            "download": f"/releases/{found.id[:12]}/outputs/{output.name}" if output.parts else "",
        }
        for output in found.outputs
    ]
    return {**msgspec.structs.asdict(found), "outputs": outputs}


@route("GET", "/releases/{ref}/plan/{environment}")
def plan(app: App, ref: str, environment: str, project: str = "") -> Any:
    """What promoting a release to an environment would change, and what stands against it."""
    return app.releases.plan(project, ref, environment, app.clock.now())


@route("GET", "/deployments")
def deployments(app: App, project: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """Releases that were placed in environments, the newest first."""
    return listed(app, Deployment, "-deployed", limit, project=project, environment=environment)


@route("GET", "/secrets")
def secrets(app: App, project: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """The names of the secrets of environments; what they are is told to steps only."""
    return listed(app, StepSecret, "", limit, project=project, environment=environment, removed=None)


@route("GET", "/holds")
def holds(app: App, project: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """Holds on environments, lifted ones too, the newest first."""
    return listed(app, Hold, "-since", limit, project=project, environment=environment)


@route("GET", "/environments")
def environments(app: App, project: str = "") -> Any:
    """The environments of a project's newest release, and what each of them holds."""
    with app.store.read() as reader:
        names = [project] if project else [name for (name,) in reader.pick(Project, ("id",))]
        newest = [r for name in names for r in reader.find(Release, project=name, order="-created", limit=1)]
        held = {(d.project, d.environment): d for d in reader.find(Deployment, active=True)}
        of = {where: deployment.branch for where, deployment in held.items() if deployment.branch}
        placed = reader.find(Placement, role="champion")
    waiting = {(w.project, w.environment): w for w in app.releases.waiting(app.clock.now())}
    items = []
    for latest in sorted(newest, key=lambda release: release.created, reverse=True):
        name = latest.project
        declared = parse_config(app.blobs.get(latest.config).decode()).environments
        ways: dict[str, tuple[str, str]] = {e.name: (e.on, e.branch) for e in declared if e.on != "branch"}
        ways |= {e: ("branch", of.get((p, e), "")) for p, e in (*of, *waiting) if p == name and e not in ways}
        for environment, (way, branch) in ways.items():
            deployment = held.get((name, environment))
            waits = waiting.get((name, environment))
            items.append(
                {
                    "project": name,
                    "environment": environment,
                    "deploy": way,
                    "branch": branch,
                    "release": deployment.release if deployment else "",
                    "deployed": deployment.deployed if deployment else None,
                    "waits": _told(waits),
                    "champions": [
                        f"{p.model}@{p.number}"
                        for p in placed
                        if (p.project, p.environment) == (name, environment)
                    ],
                }
            )
    return {"items": items}


@route("GET", "/models/{ref}/performance")
def performance(
    app: App,
    ref: str,
    *,
    metric: str,
    start: str = "",
    end: str = "",
    version: int | None = None,
    variant: str = "champion",
    environment: str = "",
    slice: str = "",  # noqa: A002 the word in the address
) -> Any:
    """A metric over a span of prediction time, or of a slice of it, from the labels that are known by now."""
    return app.monitoring.performance(
        ref,
        environment or app.rollouts.home_of(ref),
        metric,
        moment(start),
        moment(end),
        version=version,
        variant=variant,
        part=slice,
    )


@route("GET", "/models/{ref}/estimates")
def estimates(app: App, ref: str, limit: int = 1000) -> Any:
    """How estimates of a model's metrics came out once labels were known, over its newest windows."""
    return {"items": scored(listed(app, Window, "-start", limit, model=ref)["items"])}


@route("GET", "/models/{ref}/slices")
def slices(app: App, ref: str, limit: int = 1000) -> Any:
    """How many answers of a day belong to each slice that is declared, and how good they were.

    The day is the newest of which that is known, or else the newest.
    """
    windows = listed(app, Window, "-start", limit, model=ref, variant="champion")["items"]
    return {"items": newest_slices(windows)}


@route("GET", "/models/{ref}/unsaid")
def unsaid(app: App, ref: str, limit: int = 1000) -> Any:
    """Of what of a model's champions nothing is said, neither estimates nor alarms, and why."""
    return {"items": unsaid_of(listed(app, Window, "-start", limit, model=ref, variant="champion")["items"])}


@route("GET", "/windows")
def windows(app: App, model: str = "", variant: str = "", limit: int = 1000) -> Any:
    """Daily windows of monitoring, the newest first, without their profiles."""
    found = listed(app, Window, "-start", limit, model=model, variant=variant)["items"]
    with app.store.read() as reader:
        traffic = {each.id: asked([each]) for each in reader.find(Traffic, id=tuple(w.id for w in found))}
    return {"items": [{**brief(each, "profile"), "traffic": traffic.get(each.id)} for each in found]}


@route("GET", "/windows/{id}")
def window(app: App, id: str) -> Any:  # noqa: A002 the word in the address
    """A window, with what it told on each day on which labels came."""
    with app.store.read() as reader:
        found = reader.get(Window, id)
        readings = reader.find(Reading, window=id, order="time")
        traffic = reader.find(Traffic, id=id)
    told = asked(traffic) if traffic else None
    return {**brief(found, "profile"), "traffic": told, "readings": readings}


@route("GET", "/traffic")
def traffic(app: App, model: str = "", environment: str = "", limit: int = 1000) -> Any:
    """How versions were asked by the day, and in how many milliseconds answered, the newest first."""
    found = listed(app, Traffic, "-start", limit, model=model, environment=environment)["items"]
    return {
        "items": [
            {**brief(day, "times", "rows", "refused"), **msgspec.structs.asdict(asked([day]))}
            for day in found
        ]
    }


@route("GET", "/alarms")
def alarms(app: App, model: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """Alarms about drift, the newest first."""
    return listed(app, Alarm, "-raised", limit, model=model, environment=environment)


@route("GET", "/alarms/{id}")
def alarm(app: App, id: str) -> Any:  # noqa: A002 the word in the address
    """An alarm, with how the columns were in training and in the window in which it was raised."""
    with app.store.read() as reader:
        found = reader.get(Alarm, id)
        window, version = (
            reader.get(Window, found.window),
            reader.get(Version, f"{found.model}@{found.version}"),
        )
    return {**msgspec.structs.asdict(found), "shares": shares(version, window, found.columns)}


@route("GET", "/gates")
def gates(app: App, model: str = "", limit: int = LIMIT) -> Any:
    """Gate reports, the newest first."""
    return listed(app, GateReport, "-time", limit, model=model)


@route("GET", "/swaps")
def swaps(app: App, model: str = "", limit: int = LIMIT) -> Any:
    """Times at which the prediction service changed its champion, the newest first."""
    return listed(app, Swap, "-time", limit, model=model)


@route("GET", "/firings")
def firings(app: App, project: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """Firings of triggers, the newest first."""
    return listed(app, Firing, "-time", limit, project=project, environment=environment)


@route("GET", "/triggers")
def triggers(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Triggers and why each of them fired or did not when it was last looked at."""
    return listed(app, TriggerState, "", limit, project=project)


@route("GET", "/explanations")
def explanations(app: App, trigger: str = "", limit: int = LIMIT) -> Any:
    """Why triggers fired and why they did not, and for how long, the newest first."""
    return listed(app, Explanation, "-since", limit, trigger=trigger)


@route("GET", "/events")
def events(
    app: App, *, after: int = 0, limit: int = LIMIT, last: bool = False, kind: str = "", subject: str = ""
) -> Any:
    """Events of the ledger after an id, the oldest first; the first so many of them, or the last."""
    where = {name: value for name, value in (("kind", kind), ("subject", subject)) if value}
    with app.store.read() as reader:
        return {"items": reader.events(after=after, limit=limit, last=last, **where)}


@route("GET", "/why/{ref}")
def why(app: App, ref: str) -> Any:
    """The chain of causes that led to an event, a run, a version or a model's champion."""
    return {"items": app.why(ref)}


@route("GET", "/audit")
def audit(app: App) -> Any:
    """Whether the ledger's hash chain holds, or where it first breaks."""
    return app.ledger.verify()


def _told(waiting: Waiting | None) -> str:
    if waiting is None:
        return ""
    coming = f"release {waiting.release} waits: " if waiting.release else ""
    return f"{coming}{waiting.waits.removeprefix('is ')}"


def without_digest(token: AccessToken) -> dict[str, Any]:
    """What is told of a token."""
    return brief(token, "digest")
