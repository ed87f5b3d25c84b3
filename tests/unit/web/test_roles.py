"""Who may ask what: at this machine, from elsewhere, with which token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.app.api.roles import ROLES, admitted
from penstock.app.api.table import ROUTES
from penstock.core.errors import NotAllowed, NotAuthenticated
from penstock.models.types import Model
from penstock.web import create_web

Web = TestClient[Litestar]
Token = Callable[..., str]


@pytest.fixture
def token(app: App, tmp_path: Path) -> Token:
    """Makes a token of ada's for a role, in a system with two projects."""
    for name in ("flights", "shop"):
        app.revisions.connect(name, str(tmp_path), "ops")
    with app.store.begin() as tx:
        tx.add(Model(id="delay", project="flights", created=app.clock.now()))
    return lambda role, **more: app.tokens.create("ada", role, "ops", **more)[1]


@pytest.fixture
def elsewhere(app: App) -> Web:
    """A client from another machine, with nothing to show."""
    return TestClient(create_web(app), base_url="http://127.0.0.1:4747")


def test_each_route_says_who_may_ask_it() -> None:
    routes = {f"{route.method} {route.pattern}" for route in ROUTES}
    downloads = {"GET /", "GET /releases/{ref}/outputs/{name}", "GET /models/{ref}/serialized"}
    assert set(ROLES) == routes | downloads
    assert all("admin" in roles for roles in ROLES.values())


def test_at_this_machine_nobody_needs_a_token_until_there_is_one_or_the_system_is_opened(
    app: App, token: Token
) -> None:
    assert admitted(app, "", "GET", "/runs", {}, near=True) == {}
    with pytest.raises(NotAuthenticated, match="asks for an access token: in PENSTOCK_TOKEN"):
        admitted(app, "", "GET", "/runs", {}, near=False)
    app.host = "10.0.0.7"
    with pytest.raises(NotAuthenticated):
        admitted(app, "", "GET", "/runs", {}, near=True)
    app.host = "127.0.0.1"
    token("viewer")
    with pytest.raises(NotAuthenticated):
        admitted(app, "", "GET", "/runs", {}, near=True)
    assert admitted(app, app.home.key(), "POST", "/gc", {"yes": True}, near=True) == {"yes": True}


@pytest.mark.parametrize(
    ("role", "method", "path", "allowed"),
    [
        ("viewer", "GET", "/runs", True),
        ("viewer", "GET", "/tokens", False),
        ("viewer", "POST", "/triggers/fire", False),
        ("ml_expert", "POST", "/triggers/fire", True),
        ("ml_expert", "POST", "/promote", False),
        ("operator", "POST", "/promote", True),
        ("operator", "POST", "/projects", False),
        ("ml_expert", "POST", "/tests/start", True),
        ("ml_expert", "POST", "/tests/1/stop", True),
        ("viewer", "POST", "/tests/start", False),
        ("ml_expert", "POST", "/rollouts/abort", False),
        ("operator", "POST", "/rollouts/pause", True),
        ("admin", "POST", "/projects", True),
        ("service", "POST", "/labels", True),
        ("service", "GET", "/runs", False),
    ],
)
def test_a_role_may_do_what_the_table_says(
    app: App, token: Token, role: str, method: str, path: str, allowed: bool
) -> None:
    text = token(role)
    if allowed:
        assert admitted(app, text, method, path, {}, near=False).get("actor", "ada") == "ada"
    else:
        with pytest.raises(NotAllowed, match=f"The access token 1 does not allow {method} {path}"):
            admitted(app, text, method, path, {}, near=False)


def test_a_token_acts_in_the_name_of_whom_it_belongs_to(app: App, token: Token) -> None:
    text = token("ml_expert")
    with pytest.raises(NotAllowed, match="is ada's, who cannot act as grace"):
        admitted(app, text, "POST", "/revisions/dev/approve", {"actor": "grace"}, near=False)


@pytest.mark.parametrize(
    ("method", "path", "fields", "allowed"),
    [
        ("GET", "/runs", {}, True),
        ("GET", "/runs", {"project": "flights"}, False),
        ("GET", "/events", {}, False),
        ("GET", "/", {}, False),
        ("POST", "/promote", {"what": "delay@3", "environment": "production"}, False),
        ("POST", "/promote", {"what": "1", "environment": "production"}, True),
        ("POST", "/promote", {"what": "1", "environment": "production", "project": "flights"}, False),
        ("POST", "/rollback", {"what": "delay", "environment": "production"}, False),
        ("POST", "/gc", {}, False),
    ],
)
def test_a_token_of_a_project_is_good_for_that_alone(
    app: App, token: Token, method: str, path: str, fields: dict[str, str], allowed: bool
) -> None:
    text = token("operator", project="shop")
    if allowed:
        assert admitted(app, text, method, path, fields, near=False)["project"] == "shop"
    else:
        with pytest.raises(NotAllowed, match="only"):
            admitted(app, text, method, path, fields, near=False)


def test_a_token_of_an_environment_does_nothing_elsewhere(app: App, token: Token) -> None:
    text = token("operator", environment="staging")
    fields = {"what": "1", "environment": "staging", "project": "shop"}
    assert admitted(app, text, "POST", "/promote", fields, near=False)
    for wrong in ({**fields, "environment": "production"}, {"branch": "dev"}):
        path = "/promote" if "what" in wrong else "/merge"
        with pytest.raises(NotAllowed, match="for the environment staging only"):
            admitted(app, text, "POST", path, wrong, near=False)


def test_a_browser_is_asked_who_it_is_and_remembers(elsewhere: Web, token: Token) -> None:
    text = token("viewer")
    refused = elsewhere.get("/runs", headers={"Accept": "text/html"})
    assert refused.status_code == 401
    assert 'action="/login"' in refused.text
    assert elsewhere.get("/runs.json").json()["code"] == "not_authenticated"
    wrong = elsewhere.post("/login", data={"token": "penstock_1_no"}, follow_redirects=False)
    assert (wrong.status_code, wrong.cookies) == (401, {})
    given = elsewhere.post("/login", data={"token": text}, follow_redirects=False)
    assert given.status_code == 303
    said = given.headers["set-cookie"].lower()
    assert all(word in said for word in ("httponly", "samesite=strict", "path=/"))
    elsewhere.cookies.update(given.cookies)
    assert elsewhere.get("/runs").status_code == 200
    answer = elsewhere.post("/gc", json={})
    assert (answer.status_code, answer.json()["found"]) == (403, "viewer")
    assert elsewhere.get("/health").status_code == 200
