"""Which role may ask what: one line for each route. What is not here, nobody may ask with a token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from penstock.app.api.table import ROUTES
from penstock.app.wiring import App
from penstock.builds.types import Build
from penstock.core.errors import NotAllowed
from penstock.deployments.types import ProductionTest, Rollout
from penstock.models.types import Model
from penstock.revisions.types import AccessToken
from penstock.runs.types import Run

ADMIN = frozenset({"admin"})
OPERATE = ADMIN | {"operator"}
WORK = OPERATE | {"ml_expert"}
READ = WORK | {"viewer"}
SERVE = READ | {"service"}
TELL = WORK | {"service"}

ROLES: dict[str, frozenset[str]] = {
    "GET /": READ,
    "GET /status": SERVE,
    "GET /openapi": SERVE,
    "GET /projects": READ,
    "GET /revisions": READ,
    "GET /approvals": READ,
    "GET /branches": READ,
    "GET /upstreams": READ,
    "GET /statuses": READ,
    "GET /tokens": OPERATE,
    "GET /releases": READ,
    "GET /releases/{ref}": READ,
    "GET /releases/{ref}/plan/{environment}": READ,
    "GET /releases/{ref}/outputs/{name}": READ,
    "GET /models/{ref}/home": READ,
    "GET /models/{ref}/serialized": READ,
    "GET /deployments": READ,
    "GET /secrets": OPERATE,
    "GET /holds": READ,
    "GET /environments": READ,
    "GET /models": SERVE,
    "GET /models/{ref}": SERVE,
    "GET /models/{ref}/history": READ,
    "GET /models/{ref}/champions": READ,
    "GET /models/{ref}/compare": READ,
    "GET /models/{ref}/examples": READ,
    "GET /models/{ref}/card": READ,
    "GET /models/{ref}/performance": READ,
    "GET /models/{ref}/estimates": READ,
    "GET /models/{ref}/slices": READ,
    "GET /models/{ref}/unsaid": READ,
    "GET /versions": READ,
    "GET /traffic": READ,
    "GET /windows": READ,
    "GET /windows/{id}": READ,
    "GET /alarms": READ,
    "GET /alarms/{id}": READ,
    "GET /gates": READ,
    "GET /swaps": READ,
    "GET /rollouts": READ,
    "GET /tests": READ,
    "GET /tests/{id}": READ,
    "GET /rollouts/{id}": READ,
    "GET /firings": READ,
    "GET /triggers": READ,
    "GET /explanations": READ,
    "GET /snapshots": READ,
    "GET /snapshots/{id}": READ,
    "GET /snapshots/{id}/sketch": READ,
    "GET /actions": READ,
    "POST /triggers/signal": TELL,
    "GET /channels": READ,
    "POST /channels/{name}/test": OPERATE,
    "GET /features": READ,
    "GET /features/{view}": READ,
    "GET /skews": READ,
    "GET /skews/{id}": READ,
    "GET /features/{view}/values": SERVE,
    "POST /get-online-features": SERVE,
    "POST /write-to-online-store": SERVE,
    "POST /push": TELL,
    "POST /sources/{name}/events": TELL,
    "GET /events": READ,
    "GET /why/{ref}": READ,
    "GET /audit": READ,
    "GET /builds": READ,
    "GET /builds/{id}": READ,
    "GET /builds/{id}/log": READ,
    "GET /builds/{id}/junit": READ,
    "GET /runs": READ,
    "GET /runs/{id}": READ,
    "GET /runs/{id}/logs": READ,
    "GET /runs/{id}/figures": READ,
    "GET /runs/{id}/outputs/{step}/{name}": READ,
    "GET /compare/{runs}": READ,
    "GET /sweeps": READ,
    "GET /sweeps/{id}": READ,
    "POST /projects": ADMIN,
    "POST /tokens": ADMIN,
    "POST /tokens/{id}/revoke": ADMIN,
    "POST /revisions/{ref}/approve": WORK,
    "POST /merge": WORK,
    "POST /builds/{id}/retry": WORK,
    "POST /builds/{id}/cancel": WORK,
    "POST /runs/{id}/retry": WORK,
    "POST /runs/{id}/cancel": WORK,
    "POST /triggers/fire": WORK,
    "POST /features/materialize": WORK,
    "POST /tests/start": WORK,
    "POST /tests/{id}/stop": WORK,
    "POST /labels": TELL,
    "POST /imports": WORK,
    "POST /imports/pieces": WORK,
    "POST /models/{ref}/tag": WORK,
    "POST /models/{ref}/archive": OPERATE,
    "POST /models/{ref}/restore": OPERATE,
    "POST /models/{ref}/protect": OPERATE,
    "POST /models/{ref}/sign": OPERATE,
    "POST /models/{ref}/waive": OPERATE,
    "POST /models/{ref}/unprotect": OPERATE,
    "POST /triggers/pause": OPERATE,
    "POST /triggers/resume": OPERATE,
    "POST /promote": OPERATE,
    "POST /rollback": OPERATE,
    "POST /rollouts/pause": OPERATE,
    "POST /rollouts/resume": OPERATE,
    "POST /rollouts/abort": OPERATE,
    "POST /holds": OPERATE,
    "POST /holds/lift": OPERATE,
    "POST /secrets": OPERATE,
    "POST /secrets/remove": OPERATE,
    "POST /clock": OPERATE,
    "POST /settle": WORK,
    "POST /gc": OPERATE,
}
_DOWNLOAD, _SERIALIZED = "/releases/{ref}/outputs/{name}", "/models/{ref}/serialized"
_NUMBERED: dict[str, Any] = {"runs": Run, "builds": Build, "rollouts": Rollout, "tests": ProductionTest}
"""Nouns of a project that are asked for by their number."""


def admitted(
    app: App, text: str, method: str, path: str, fields: Mapping[str, Any], *, near: bool
) -> dict[str, Any]:
    """The fields of a call that may be made with the token `text`, in the name of whom it belongs to.

    Somebody `near`, at this machine, needs no token as long as none was made and the system is not opened
    to the network; who can read the home shows its key. Raises NotAuthenticated or NotAllowed.
    """
    given = dict(fields)
    if is_key(app, text):
        return given
    if near and not text and not app.exposed and not app.tokens.any():
        return given
    token = app.tokens.holder(text)
    pattern, parts = _pattern(method, path)
    allowed = ROLES.get(f"{method} {pattern}", frozenset())
    if token.role not in allowed:
        raise NotAllowed(
            what=f"The access token {token.id} does not allow {method} {path}",
            expected=f"one of the roles {', '.join(sorted(allowed)) or 'that there are not'}",
            found=token.role,
        )
    takes = ROUTES.fields(method, path)
    if "actor" in takes:
        if given.get("actor", token.actor) != token.actor:
            raise NotAllowed(
                what=f"The access token {token.id} is {token.actor}'s, who cannot act as {given['actor']}."
            )
        given["actor"] = token.actor
    if token.project:
        _within(app, token, pattern, given | parts)
        if "project" in takes:
            given["project"] = token.project
    elsewhere = token.environment and _environment(app, pattern, given | parts) != token.environment
    if method == "POST" and elsewhere:
        raise NotAllowed(
            what=f"The access token {token.id} is for the environment {token.environment} only.",
            fix="Ask for that environment, or with another token.",
        )
    return given


def let_in(app: App, text: str, project: str, *, write: bool, near: bool) -> str:
    """Who a git program or a client of another protocol is, empty for nobody in particular.

    It needs a token where a call does; see `admitted`, and `AccessTokens.admit` for what it then may.
    """
    if is_key(app, text):
        return ""
    return app.tokens.admit(text, project, write=write, near=near and not app.exposed)


def is_key(app: App, text: str) -> bool:
    """Whether this is the key of the home, which only who can read that can show."""
    return bool(text) and hmac.compare_digest(text.encode(), app.home.key().encode())


def _pattern(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The pattern of the route that answers a path, and the path's parts."""
    if path == "/":
        return path, {}
    ends = path.strip("/").split("/")
    if method == "GET" and len(ends) == 4 and (ends[0], ends[2]) == ("releases", "outputs"):
        return _DOWNLOAD, {"ref": ends[1], "name": ends[3]}
    if method == "GET" and len(ends) == 3 and (ends[0], ends[2]) == ("models", "serialized"):
        return _SERIALIZED, {"ref": ends[1]}
    return ROUTES.pattern(method, path)


def _within(app: App, token: AccessToken, pattern: str, fields: Mapping[str, Any]) -> None:
    """Raises NotAllowed unless a call is about the project of the token, and nothing else."""
    if _project(app, token.project, pattern, fields) != token.project:
        raise NotAllowed(
            what=f"The access token {token.id} is for the project {token.project} only.",
            fix="Ask for that project, or with a token for all of them.",
        )


def _project(app: App, own: str, pattern: str, fields: Mapping[str, Any]) -> str:
    """Which project a call is about: `own` where it may be said, empty where that cannot be told."""
    kind = pattern.split("/")[1]
    what = str(fields.get("id") or fields.get("ref") or fields.get("what") or "")
    model = str(fields.get("model") or "")
    if kind in {"models", "rollback"} or (kind == "promote" and "@" in what):
        model = what.partition("@")[0]
    if pattern == "/tests/start":
        model = str(fields.get("version") or "").partition("@")[0]
    with app.store.read() as reader:
        if kind == "models" and "," in what:  # several side by side
            names = tuple(name.partition("@")[0] for name in what.split(","))
            owners = {each.project for each in reader.find(Model, id=names)}
            return owners.pop() if len(owners) == 1 else ""
        if kind in _NUMBERED and what:  # one that there is not is told so
            return next((each.project for each in reader.find(_NUMBERED[kind], id=what)), own)
        if model and not (kind == "rollback" and model == own):
            return "".join(each.project for each in reader.find(Model, id=model))
    if kind == "releases" and what:
        return app.releases.find(what).project
    named = any("project" in ROUTES.fields(verb, pattern) for verb in ("GET", "POST"))
    return str(fields.get("project") or own) if named else ""


def _environment(app: App, pattern: str, fields: Mapping[str, Any]) -> str:
    """Which environment a verb is about, empty where it is not about one."""
    kind = pattern.split("/")[1]
    if kind in _NUMBERED and "{id}" in pattern:
        with app.store.read() as reader:
            found = reader.find(_NUMBERED[kind], id=str(fields.get("id")))
            return "".join(getattr(each, "environment", "") for each in found)
    return str(fields.get("environment") or "")
