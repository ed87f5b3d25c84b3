"""What can be done on pages, by forms that no other site can send."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.builds.types import Build
from penstock.web.buttons import Button, buttons

HERE = "http://127.0.0.1:4747"
Web = TestClient[Litestar]


@pytest.fixture
def queued(app: App) -> Build:
    """A build that nobody has begun."""
    build = Build(id="1", project="flights", commit="c" * 40, branch="dev", created=app.clock.now())
    app.revisions.connect("flights", str(app.home.folder), "ada")
    with app.store.begin() as tx:
        tx.add(build)
    return build


def status(app: App) -> str:
    with app.store.read() as reader:
        return reader.get(Build, "1").status


def press(web: Web, path: str, origin: str = HERE) -> tuple[int, str]:
    """The code and the text or place to go on of a button that was pressed."""
    headers = {
        "Origin": origin,
        "Referer": f"{origin}/builds?project=flights",
        "Accept": "text/html",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = web.post(path, headers=headers, follow_redirects=False)
    return answer.status_code, answer.headers.get("location") or answer.text


def test_a_button_does_what_its_command_does_and_leads_back(web: Web, app: App, queued: Build) -> None:
    assert '<form method="post" action="/builds/1/cancel">' in web.get("/builds").text
    assert '<form method="post" action="/builds/1/cancel">' in web.get("/builds/1").text
    assert press(web, "/builds/1/cancel") == (303, "/builds?project=flights")
    assert status(app) == "cancelled"
    assert 'action="/builds/1/retry"' in web.get("/builds").text


def test_what_is_refused_is_told_as_a_page(web: Web, queued: Build) -> None:
    code, told = press(web, "/builds/1/retry")
    assert code == 409
    assert "<!doctype html>" in told
    assert "Build 1" in told


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://evil.example", "null"])
def test_the_forms_of_others_do_nothing(web: Web, app: App, queued: Build, origin: str) -> None:
    code, told = press(web, "/builds/1/cancel", origin)
    assert code == 403
    assert "This form is of no page of this system" in told
    assert status(app) == "queued"


def test_a_form_without_an_origin_is_none_of_a_browser(web: Web) -> None:
    answer = web.post("/builds/1/cancel", data={"actor": "ada"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")


def test_nobody_is_led_elsewhere(web: Web, queued: Build) -> None:
    headers = {"Origin": HERE, "Referer": "https://evil.example/builds"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = web.post("/builds/1/cancel", headers={**headers, **form}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_pages_stand_in_no_frame_of_others(web: Web) -> None:
    assert "frame-ancestors 'none'" in web.get("/").headers["content-security-policy"]


RUN = {"id": "7", "status": "running"}


@pytest.mark.parametrize(
    ("place", "row", "paths"),
    [
        ("/runs", RUN, ["/runs/7/cancel"]),
        ("/runs", {**RUN, "status": "failed"}, ["/runs/7/retry"]),
        ("/runs", {**RUN, "status": "succeeded"}, []),
        ("/builds", {**RUN, "status": "queued"}, ["/builds/7/cancel"]),
        ("/builds", {**RUN, "status": "error"}, ["/builds/7/retry"]),
        ("/builds", {**RUN, "status": "passed"}, []),
        ("/tests", RUN, ["/tests/7/stop"]),
        ("/tests", {**RUN, "status": "ended"}, []),
        ("/events", {"id": 1}, []),
    ],
)
def test_only_what_can_be_done_has_a_button(place: str, row: dict[str, str], paths: list[str]) -> None:
    assert [button.path for button in buttons(place, row)] == paths


def test_a_release_is_promoted_where_its_project_says_so() -> None:
    places = [
        {"project": "flights", "environment": "production"},
        {"project": "shop", "environment": "production"},
    ]
    [button] = buttons("/releases", {"number": 3, "project": "flights"}, places)
    assert button == Button(
        label="promote to production",
        path="/promote",
        fields={"what": "3", "environment": "production", "project": "flights"},
        asked="Promote release 3 to production?",
    )


def test_each_button_calls_a_verb_that_takes_its_fields() -> None:
    from penstock.app.api import ROUTES

    row = {
        "id": "7", "status": "running", "project": "flights", "pipeline": "train", "environment": "staging",
        "paused": False, "commit": "c1", "name": "dev", "merged_from": "", "model": "delay", "number": 2,
        "champion": 1, "role": "champion",
    }  # fmt: skip
    places = ("/triggers", "/runs", "/builds", "/branches", "/releases", "/rollouts", "/tests", "placements")
    changed = (row, {**row, "status": "failed", "paused": True}, {**row, "status": "paused"})
    found = [
        button
        for place in places
        for each in changed
        for button in buttons(place, each, [{"project": "flights", "environment": "production"}])
    ]
    assert len({button.path for button in found}) == 15
    for button in found:
        assert set(button.fields) <= ROUTES.fields("POST", button.path), button.path
