"""From a webhook of each forge to an approved branch, through the whole system, against stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.builds.types import Build
from penstock.revisions.types import Branch, CommitStatus, Revision
from penstock.testing.git import Clone
from penstock.testing.host_server import REPOSITORY, TOKEN
from penstock.testing.hosts import (
    SECRET,
    GiteaStandIn,
    GitHubStandIn,
    GitLabStandIn,
    Merged,
    StandIn,
    Yes,
)

FILES = {
    "penstock.toml": b"[project]\nname = 'flights'\n[environments.test]\ndeploy = {on='push', branch='dev'}\n"
}
BODY = b'{"ref": "refs/heads/main", "after": "' + b"f" * 40 + b'"}'
Web = TestClient[Litestar]


@pytest.fixture(params=[GitHubStandIn, GitLabStandIn, GiteaStandIn], ids=["github", "gitlab", "gitea"])
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandIn]:
    with request.param(tmp_path / "forge") as forge:
        yield forge


@pytest.fixture
def clone(forge: StandIn, tmp_path: Path) -> Clone:
    (tmp_path / "person").mkdir()
    return Clone(tmp_path / "person", str(forge.repository))


@pytest.fixture
def connected(app: App, forge: StandIn, tmp_path: Path) -> App:
    app.upstreams.connect(
        "flights",
        str(tmp_path),
        "ada",
        forge=forge.kind,
        repository=REPOSITORY,
        url=forge.url,
        token=TOKEN,
        secret=SECRET,
    )
    return app


def pass_once(app: App) -> None:
    now = app.clock.now()
    app.upstreams.tick(now)
    app.revisions.tick(now)


def test_a_merge_at_the_forge_becomes_an_approved_branch_and_its_build_is_told(
    connected: App, web: Web, forge: StandIn, clone: Clone
) -> None:
    pass_once(connected)
    commit = clone.push("dev", FILES)
    clone.git("push", "--quiet", "origin", "dev:main")
    forge.requests = [Merged(7, "dev", commit, commit, approvals=[Yes("grace")])]
    headers = forge.webhook("push", BODY, "1")
    assert web.post("/hooks/flights", content=BODY, headers=headers).json() == {"new": True}
    assert web.post("/hooks/flights", content=BODY, headers=headers).json() == {"new": False}
    pass_once(connected)
    connected.upstreams.tick(connected.clock.now())
    with connected.store.read() as reader:
        main = reader.get(Branch, "flights:main")
        revision = reader.get(Revision, f"flights:{commit}")
    assert (main.commit, main.approvals, main.merged_from, main.waits) == (commit, ("grace",), "dev", "")
    assert revision.link.startswith(f"{forge.url}/{REPOSITORY}")
    assert revision.link in web.get("/revisions").text
    connected.builds._queue(connected.clock.now())
    connected.upstreams.tick(connected.clock.now())
    with connected.store.read() as reader:
        [build] = reader.find(Build)
        assert [status.sent for status in reader.find(CommitStatus)] == [True]
    [told] = forge.statuses
    assert (told["commit"], told["state"]) == (commit, "pending")
    assert told["target_url"].endswith(f"/builds/{build.id}")


def test_a_webhook_that_is_not_signed_is_a_403_and_leaves_nothing(
    connected: App, web: Web, forge: StandIn
) -> None:
    for headers in (forge.webhook("push", BODY, "1", "wrong"), {}):
        refused = web.post("/hooks/flights", content=BODY, headers=headers)
        assert refused.status_code == 403
        assert "not signed with the secret" in refused.json()["error"]
    assert web.post("/hooks/other", content=BODY).status_code == 404


def test_no_page_shows_a_secret(connected: App, web: Web) -> None:
    pass_once(connected)
    for path in ("/projects", "/upstreams", "/events", "/statuses", "/status", "/"):
        for page in (path, f"{path}.json"):
            told = web.get(page).text
            assert TOKEN not in told
            assert SECRET not in told
