"""A build at its URL while it runs and afterwards: report, log, JUnit XML; retrying and cancelling it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.app.api import call
from penstock.builds.types import Build, BuildStatus, TestCase

Web = TestClient[Litestar]
MARCH = datetime(2013, 3, 1, tzinfo=UTC)
REPORT = "<testsuites/>"


def kept(app: App, status: BuildStatus, **fields: Any) -> None:
    build = Build(
        id="1",
        project="shop",
        commit="1" * 40,
        branch="dev",
        created=MARCH,
        status=status,
        log="logs/builds/1.log",
        tests=(TestCase(name="tests/test_a.py::test_b", suite="project", outcome="running"),),
        **fields,
    )
    with app.store.begin() as tx:
        tx.add(build)


def test_a_running_build_shows_its_tests_and_looks_again(app: App, web: Web) -> None:
    kept(app, "running")
    page = web.get("/builds/1").text
    assert "tests/test_a.py::test_b" in page
    assert 'http-equiv="refresh"' in page


def test_a_build_that_ended_stays_as_it_is(app: App, web: Web) -> None:
    kept(app, "passed")
    assert 'http-equiv="refresh"' not in web.get("/builds/1").text


def test_a_log_is_read_by_whole_lines_while_it_is_written(app: App) -> None:
    kept(app, "running")
    log = app.home.folder / "logs" / "builds" / "1.log"
    assert call(app, "GET", "/builds/1/log") == {"text": "", "next": 0, "ended": False}
    log.parent.mkdir(parents=True)
    log.write_text("one\ntw")
    assert call(app, "GET", "/builds/1/log") == {"text": "one\n", "next": 4, "ended": False}
    log.write_text("one\ntwo\n")
    assert call(app, "GET", "/builds/1/log", {"after": "4"})["text"] == "two\n"
    log.write_text("one")  # it was begun again
    assert call(app, "GET", "/builds/1/log", {"after": "8"}) == {"text": "", "next": 3, "ended": False}


def test_the_log_of_a_build_that_ended_is_read_to_its_end(app: App) -> None:
    kept(app, "failed")
    log = app.home.folder / "logs" / "builds" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\nhalf")
    first = call(app, "GET", "/builds/1/log")
    assert (first["text"], first["ended"]) == ("one\nhalf", False)
    assert call(app, "GET", "/builds/1/log", {"after": str(first["next"])})["ended"]


def test_the_report_of_pytest_is_a_file_of_its_own(app: App, web: Web) -> None:
    kept(app, "passed", junit=app.blobs.put(REPORT.encode()))
    got = web.get("/builds/1/junit.xml")
    assert (got.text, got.headers["content-type"]) == (REPORT, "application/xml")
    assert "attachment" in got.headers["content-disposition"]


def test_a_build_without_a_report_says_so(app: App, web: Web) -> None:
    kept(app, "failed")
    got = web.get("/builds/1/junit.xml")
    assert (got.status_code, got.json()["what"]) == (404, "Build 1 has no report of pytest.")


@pytest.mark.parametrize(
    ("status", "verb", "after"), [("error", "retry", "queued"), ("queued", "cancel", "cancelled")]
)
def test_a_build_is_retried_and_cancelled(
    app: App, web: Web, status: BuildStatus, verb: str, after: str
) -> None:
    kept(app, status)
    assert web.post(f"/builds/1/{verb}", json={"actor": "ada"}).json()["status"] == after
    assert web.post(f"/builds/1/{verb}", json={}).status_code == 409
