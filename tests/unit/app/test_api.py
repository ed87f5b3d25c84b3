"""The table of routes answers with data, or refuses in one sentence."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import penstock
from penstock.app import App, open_app
from penstock.app.api import ROUTES, call
from penstock.app.api.routes import Route
from penstock.app.loop import Loop
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.testing.delivery import Delivered
from penstock.web.pages import page

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "home", virtual=START) as opened:
        yield opened


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "GET" and "{" not in r.pattern], ids=lambda r: r.pattern
)
def test_every_list_of_an_empty_home_is_empty(app: App, route: Route) -> None:
    answer = call(app, "GET", route.pattern)
    assert answer.get("items", []) == []


def test_every_route_says_what_it_is_for() -> None:
    assert all(route.summary.endswith(".") for route in ROUTES)


def test_an_unknown_path_and_an_unknown_field_are_refused(app: App) -> None:
    with pytest.raises(NotFound, match="There is no GET /nothing"):
        call(app, "GET", "/nothing")
    with pytest.raises(InvalidValue, match="colour"):
        call(app, "GET", "/runs", {"colour": "red"})
    with pytest.raises(InvalidValue, match="expected the field name"):
        call(app, "POST", "/projects", {"data_root": "/data"})


def test_the_loop_that_tells_the_prediction_service_of_tokens_is_woken_when_one_comes_or_goes(
    app: App,
) -> None:
    woken: list[str] = []

    class Woken(Loop):
        def poke(self) -> None:
            woken.append("woken")

    app.loop = Woken([], app.clock.now, lambda: None, lambda _: False)
    token = call(app, "POST", "/tokens", {"owner": "ada", "role": "service"})
    call(app, "POST", f"/tokens/{token['id']}/revoke")
    app.loop = None
    assert woken == ["woken"] * 2


def test_a_virtual_clock_goes_forward_only(app: App) -> None:
    assert call(app, "POST", "/clock", {"to": "2025-02-01T00:00:00+00:00"})["now"].startswith("2025-02-01")
    with pytest.raises((Conflict, InvalidValue, NotAllowed)):
        call(app, "POST", "/clock", {"to": "2025-01-15T00:00:00+00:00"})
    with pytest.raises(InvalidValue, match="expected a moment"):
        call(app, "POST", "/clock", {"to": "tomorrow"})


def test_a_home_with_the_machines_clock_refuses_to_be_advanced(tmp_path: Path) -> None:
    with open_app(tmp_path / "real") as app, pytest.raises(NotAllowed):
        call(app, "POST", "/clock", {"to": "2999-01-01T00:00:00+00:00"})


def test_the_only_project_need_not_be_named(app: App, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No project is connected"):
        app.project("")
    for name in ("shop", "flights"):
        call(app, "POST", "/projects", {"name": name, "data_root": str(tmp_path)})
        assert app.project(name) == name
    with pytest.raises(InvalidValue, match="shop, flights"):
        app.project("")


def test_python_sees_the_same_nouns(app: App, tmp_path: Path) -> None:
    call(app, "POST", "/projects", {"name": "shop", "data_root": str(tmp_path)})
    connection = penstock.connect(home=tmp_path / "home")
    assert [project["id"] for project in connection.get("/projects")["items"]] == ["shop"]
    assert list(connection.models) == []
    with pytest.raises(KeyError, match="delay"):
        connection.models["delay"]


def test_a_home_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no Penstock home"), open_app(tmp_path / "no", create=False):
        pass
    assert not (tmp_path / "no").exists()


PREVIEWS = """
[project]
name = "flights"

[environments.preview]
deploy = { on = "branch", branches = "feature/*" }
"""


def test_a_preview_is_listed_while_git_has_its_branch(app: App, tmp_path: Path) -> None:
    call(app, "POST", "/projects", {"name": "flights", "data_root": str(tmp_path)})
    work, host = tmp_path / "work", app.home.git / "flights.git"
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (
        ("init", "-q", str(work)),
        ("-C", str(work), *who, "commit", "-q", "--allow-empty", "-m", "Work"),
        ("-C", str(work), "push", "-q", str(host), "HEAD:refs/heads/feature/x"),
    ):
        subprocess.run(("git", *words), check=True)
    assert app.revisions.tick(START)
    [branch] = call(app, "GET", "/branches")["items"]
    Delivered(app.store, app.blobs, app.clock).release(branch["commit"], PREVIEWS)
    assert app.releases.tick(START)
    [there] = call(app, "GET", "/environments")["items"]
    assert (there["environment"], there["deploy"], there["branch"]) == ("preview-x", "branch", "feature/x")
    assert "preview-x" in page("/environments", {}, {"items": [there]})
    assert app.place("flights", "preview-x") == ("flights", "preview-x")
    call(app, "POST", "/holds", {"environment": "preview-x", "why": "comparing"})
    [held] = call(app, "GET", "/environments")["items"]
    assert "comparing" in held["waits"]

    subprocess.run(("git", "-C", work, "push", "-q", host, ":feature/x"), check=True)
    assert app.revisions.tick(START)
    assert app.releases.tick(START)
    assert not app.revisions.tick(START)
    assert not app.releases.tick(START)
    assert call(app, "GET", "/branches")["items"] == []
    assert call(app, "GET", "/environments")["items"] == []
    [past] = call(app, "GET", "/deployments", {"environment": "preview-x"})["items"]
    assert not past["active"]
