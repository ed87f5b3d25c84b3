"""Every noun at its URL, for people and for programs, and who may ask."""

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from msgspec.structs import replace

from penstock.app import App
from penstock.app.api import ROUTES, call
from penstock.datasets.types import ColumnProfile, Profile
from penstock.monitoring.types import Moved, Window
from penstock.testing.delivery import Delivered

Web = TestClient[Litestar]
LISTS = [route.pattern for route in ROUTES if route.method == "GET" and "{" not in route.pattern]


@pytest.mark.parametrize("path", LISTS)
def test_a_noun_is_json_at_its_url_with_json_and_a_page_without(web: Web, app: App, path: str) -> None:
    as_json, as_page = web.get(f"{path}.json"), web.get(path)
    assert as_json.status_code == as_page.status_code == 200
    assert as_json.json().keys() == call(app, "GET", path).keys()
    assert as_page.headers["content-type"].startswith("text/html")
    assert f'href="{path}.json"' in as_page.text


def test_the_overview_is_a_page_and_json(web: Web) -> None:
    assert "No project is connected" in web.get("/").text
    assert web.get("/.json").json()["projects"] == []


def test_pages_need_no_other_host_and_no_script(web: Web) -> None:
    page = web.get("/")
    assert "<script" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_something_is_done_by_posting_json(web: Web, tmp_path: Path) -> None:
    answer = web.post("/projects", json={"name": "shop", "data_root": str(tmp_path)})
    assert answer.status_code == 200
    assert answer.json()["url"] == "/git/shop.git"
    assert [project["id"] for project in web.get("/projects.json").json()["items"]] == ["shop"]
    assert "shop" in web.get("/").text


def test_the_query_narrows_a_list(web: Web) -> None:
    assert web.get("/runs.json?project=shop&limit=5").json() == {"items": []}
    assert web.get("/runs.json?colour=red").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/runs/7.json", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("PUT", "/runs", 405, "invalid_value"),
    ],
)
def test_a_refusal_is_one_error_with_its_status(
    web: Web, method: str, path: str, status: int, code: str
) -> None:
    answer = web.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_browser_reads_a_refusal_as_a_page(web: Web) -> None:
    answer = web.get("/runs/7", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert "There is no run" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"name=shop", "application/x-www-form-urlencoded"),
        (b"{}", "text/plain"),
        (b"[1]", "application/json"),
        (b"{", "application/json"),
        (b'{"name": "\xed\xa0\x80"}', "application/json"),
        (b'{"a":' * 20_000, "application/json"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(web: Web, content: bytes, kind: str) -> None:
    answer = web.post("/projects", content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/runs.json?limit=x", None, "a whole number"),
        ("GET", "/runs.json?limit=1.5", None, "a whole number"),
        ("GET", "/snapshots.json?limit=-1", None, "a whole number from 0 up to 9223372036854775807"),
        ("GET", f"/events.json?after={10**30}", None, "a whole number up to 9223372036854775807"),
        ("POST", "/projects", {"name": 3, "data_root": "/"}, "a text"),
        ("POST", "/projects", {"name": "shop", "data_root": "/\0"}, "an absolute path"),
        ("POST", "/merge", {"branch": "dev", "project": {"a": 1}}, "a text"),
        ("POST", "/promote", {"what": "delay@\u00b2", "environment": "test"}, "a version such as delay@3"),
        ("POST", "/labels", {"model": "delay", "items": 3}, "a list of JSON objects"),
        ("POST", "/clock", {"to": "0001-01-01T00:00:00+23:59"}, "a moment such as 2013-03-01T00:00:00+00:00"),
        ("POST", "/settle", {"wait": None}, "a number"),
    ],
)
def test_a_field_of_another_type_is_refused(
    web: Web, method: str, path: str, body: object, expected: str
) -> None:
    answer = web.request(method, path, json=body)
    assert (answer.status_code, answer.json()["expected"]) == (400, expected)


@pytest.mark.parametrize("path", [f"/why/{10**30}.json", "/why/version:.json", f"/releases/{10**30}.json"])
def test_a_number_that_no_store_keeps_names_nothing(web: Web, path: str) -> None:
    assert web.get(path).status_code == 404


@pytest.mark.parametrize("host", ["penstock.example", "127.0.0.1.example:4747", ""])
@pytest.mark.parametrize("path", ["/", "/runs.json", "/git/shop.git/info/refs"])
def test_a_host_name_that_is_not_known_is_refused(web: Web, path: str, host: str) -> None:
    answer = web.get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "PENSTOCK_ALLOWED_HOSTS" in answer.json()["fix"]


@pytest.mark.parametrize("host", ["localhost:4747", "127.0.0.1", "[::1]:4747", "[::1]", "LOCALHOST"])
def test_loopback_names_are_known(web: Web, host: str) -> None:
    assert web.get("/health", headers={"Host": host}).text == "OK"


def test_the_setting_names_further_hosts(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.web import create_web

    monkeypatch.setenv("PENSTOCK_ALLOWED_HOSTS", "team.example, other.example")
    with TestClient(create_web(app), base_url="http://other.example:4747") as client:
        assert client.get("/health").status_code == 200


def test_git_programs_are_served_and_files_of_repositories_are_not(
    web: Web, app: App, tmp_path: Path
) -> None:
    web.post("/projects", json={"name": "shop", "data_root": str(tmp_path)})
    web.headers["Authorization"] = f"Bearer {app.tokens.create('ada', 'viewer', 'ada')[1]}"
    refs = web.get("/git/shop.git/info/refs?service=git-upload-pack")
    assert refs.status_code == 200
    assert refs.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    assert web.get("/git/shop.git/config").status_code == 404
    assert web.get("/git/none.git/info/refs?service=git-upload-pack").status_code == 404


def test_an_alarm_draws_what_moved(web: Web, app: App) -> None:
    alarmed(app)
    page = web.get("/alarms/1").text
    assert page.count("<rect") == 4
    assert "UA: 90.0% in window" in page
    assert "wind moved" in page
    assert web.get("/alarms/1.json").json()["shares"][0]["training"] == [0.5, 0.5, 0.0, 0.0]


def alarmed(app: App) -> None:
    """An alarm about a column of two carriers."""
    column = ColumnProfile(name="carrier", dtype="string", count=100, nulls=0, top={"UA": 50, "B6": 50})
    seen = replace(column, top={"UA": 90, "B6": 10})
    project = Delivered(app.store, app.blobs, app.clock)
    version, start = project.version(), app.clock.now()
    with app.store.begin() as tx:
        tx.put(replace(version, profile=Profile(rows=100, columns=(column,))))
        tx.add(
            Window(
                id="w",
                environment="production",
                model="delay",
                version=1,
                variant="champion",
                start=start,
                end=start,
                predictions=100,
                labelled=0,
                completeness=0,
                metrics={},
                drift={},
                profile=Profile(rows=100, columns=(seen,)),
                measured=start,
            ),
        )
    moved = Moved(column="carrier", distance=0.3, psi=0.9, chance=0.001, influence=0.5, how="UA rose")
    project.alarm(window="w", columns=(moved,))
