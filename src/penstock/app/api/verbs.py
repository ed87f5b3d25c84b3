"""POST: what can be done."""

from __future__ import annotations

from typing import Any

from penstock.app.api.moments import moment
from penstock.app.api.nouns import without_digest
from penstock.app.api.routes import Routes
from penstock.app.gc import Gc
from penstock.app.wiring import App
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue

ROUTES = Routes()
route = ROUTES.route


@route("POST", "/projects")
def connect(
    app: App,
    name: str,
    data_root: str,
    *,
    actor: str = "",
    repository: str = "",
    folder: str = "",
    forge: str = "",
    url: str = "",
    token: str = "",
    secret: str = "",
) -> Any:
    """Register a project; gives the repository to push to, or the path for the webhooks of its forge."""
    who = app.actor(actor)
    if forge:
        outside = app.upstreams.connect(
            name,
            data_root,
            who,
            forge=forge,
            repository=repository,
            url=url,
            token=token,
            secret=secret,
            folder=folder,
        )
        return app.poked({"project": outside, "hooks": f"/hooks/{name}"})
    project = app.revisions.connect(name, data_root, who, repository=repository, folder=folder)
    return {"project": project, "path": str(app.home.git / f"{name}.git"), "url": f"/git/{name}.git"}


@route("POST", "/revisions/{ref}/approve")
def approve(app: App, ref: str, project: str = "", actor: str = "") -> Any:
    """Approve a revision."""
    return app.poked(app.revisions.approve(app.project(project), ref, app.actor(actor)))


@route("POST", "/merge")
def merge(app: App, branch: str, project: str = "", actor: str = "") -> Any:
    """Merge a branch into the protected branch, once it is approved and its build is green."""
    return app.poked(app.merge(app.project(project), branch, app.actor(actor)))


@route("POST", "/tokens")
def create_token(
    app: App,
    owner: str,
    *,
    role: str,
    project: str = "",
    environment: str = "",
    expires: str = "",
    actor: str = "",
) -> Any:
    """Make an access token; it is in this answer and nowhere else."""
    who = app.actor(actor)
    token, text = app.tokens.create(
        owner, role, who, project=project, environment=environment, expires=expires
    )
    return app.poked({**without_digest(token), "token": text})


@route("POST", "/tokens/{id}/revoke")
def revoke_token(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """Let an access token be worth nothing from now on."""
    return app.poked(without_digest(app.tokens.revoke(id, app.actor(actor))))


@route("POST", "/promote")
def promote(app: App, what: str, environment: str, project: str = "", actor: str = "") -> Any:
    """Promote a release (number or digest) or a model version (`delay@3`) to an environment."""
    if "@" in what:
        model, _, number = what.partition("@")
        if not number.isdecimal():
            raise InvalidValue(expected="a version such as delay@3", found=what)
        return app.poked(app.rollouts.promote(model, int(number), environment, app.actor(actor)))
    return app.poked(app.releases.promote(app.project(project), what, environment, app.actor(actor)))


@route("POST", "/rollback")
def rollback(app: App, what: str, environment: str, to: str = "", actor: str = "") -> Any:
    """Put the previous version of a model back at once; of a project the previous or any earlier release."""
    return app.poked(app.rollback(what, environment, app.actor(actor), to))


@route("POST", "/secrets")
def set_secret(
    app: App, *, environment: str, name: str, value: str, project: str = "", actor: str = ""
) -> Any:
    """Keep a secret of an environment for the steps that name it."""
    where = app.place(project, environment)
    return app.poked(app.step_secrets.set(*where, name, value, app.actor(actor)))


@route("POST", "/secrets/remove")
def remove_secret(app: App, *, environment: str, name: str, project: str = "", actor: str = "") -> Any:
    """Forget a secret of an environment."""
    return app.step_secrets.remove(project or app.project(""), environment, name, app.actor(actor))


@route("POST", "/holds")
def hold(app: App, environment: str, why: str, project: str = "", actor: str = "") -> Any:
    """Let nothing be deployed to an environment until that is lifted."""
    return app.poked(app.holds.hold(app.project(project), environment, why, app.actor(actor)))


@route("POST", "/holds/lift")
def unhold(app: App, environment: str, project: str = "", actor: str = "") -> Any:
    """Lift the hold on an environment."""
    return app.poked(app.holds.unhold(app.project(project), environment, app.actor(actor)))


@route("POST", "/triggers/fire")
def fire(
    app: App,
    *,
    pipeline: str,
    environment: str,
    project: str = "",
    params: dict[str, Any] | None = None,
    why: str = "",
    priority: int | None = None,
    actor: str = "",
) -> Any:
    """Ask for a run on demand."""
    who = app.actor(actor)
    asked = app.triggers.request(
        app.project(project), environment, pipeline, params or {}, who, why or f"asked by {who}", priority
    )
    return app.poked(asked)


@route("POST", "/triggers/pause")
def pause(app: App, pipeline: str, environment: str, project: str = "", actor: str = "") -> Any:
    """Stop a trigger from firing until it is resumed."""
    return app.poked(app.triggers.pause(app.project(project), environment, pipeline, app.actor(actor)))


@route("POST", "/triggers/resume")
def resume(app: App, pipeline: str, environment: str, project: str = "", actor: str = "") -> Any:
    """Let a paused trigger fire again."""
    return app.poked(app.triggers.resume(app.project(project), environment, pipeline, app.actor(actor)))


@route("POST", "/labels")
def labels(app: App, model: str, items: list[dict[str, Any]]) -> Any:
    """Tell what really happened: `{"prediction": id, "value": truth}` each; all are taken or none."""
    app.predictions_durable()
    return app.poked(app.monitoring.label(model, items))


@route("POST", "/clock")
def clock(app: App, to: str, wait: float = 0.0) -> Any:
    """Advance a virtual clock, once everything so far has had its consequences; then wait for those of that.

    Each wait takes up to `wait` seconds.
    """
    target = moment(to)
    if target is None:
        raise InvalidValue(expected="a moment to advance to", found="nothing")
    app.predictions_durable()
    app.settle(wait)
    app.advance(target)
    return app.settle(wait)


@route("POST", "/settle")
def settle(app: App, wait: float = 60.0) -> Any:
    """Wait (up to `wait` seconds) until everything so far has had all its consequences."""
    app.predictions_durable()
    return app.settle(wait)


@route("POST", "/gc")
def gc(app: App, keep: str = "30d", *, yes: bool = False) -> Any:
    """Remove what nothing names and no run of the last `keep` needs; without `yes`, only say what."""
    work = Gc(app, keep=duration(keep))
    return {"removed": yes, "items": work.sweep() if yes else work.plan()}


@route("POST", "/runs/{id}/cancel")
def cancel(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """Stop a run and every process of it."""
    return app.poked(app.runs.cancel(id, actor=app.actor(actor)))


@route("POST", "/runs/{id}/retry")
def retry(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """Run again what failed in a run; what succeeded is taken from before."""
    return app.poked(app.runs.retry(id, actor=app.actor(actor)))
