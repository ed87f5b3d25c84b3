"""Git programs at the running system: with and without tokens, near and from elsewhere."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from penstock.app import App
from penstock.testing.git import Clone
from penstock.web import create_web


@pytest.fixture
def server(app: App) -> Iterator[str]:
    app.revisions.connect("flights", "/data", "ada")
    web = create_web(app, hosts=["penstock.example"])
    running = uvicorn.Server(uvicorn.Config(web, port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=running.run)
    with httpx.Client() as _client:
        thread.start()
        while not running.started:
            threading.Event().wait(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"
        running.should_exit = True
        thread.join()


@pytest.fixture
def person(tmp_path: Path) -> Path:
    folder = tmp_path / "person"
    folder.mkdir()
    return folder


def test_a_push_needs_a_token_as_soon_as_there_is_one(app: App, server: str, person: Path) -> None:
    clone = Clone(person, f"http://{server}/git/flights.git")
    clone.push("dev", {"a": b"1"})
    _, viewer = app.tokens.create("vera", "viewer", "ops")
    commit = clone.git("commit", "--quiet", "--allow-empty", "--message=x").stdout
    refused = clone.git("push", "origin", "dev", check=False)
    assert refused.returncode != 0, commit
    clone.git("remote", "set-url", "origin", f"http://anyone:{viewer}@{server}/git/flights.git")
    clone.git("fetch", "origin")
    refused = clone.git("push", "origin", "dev", check=False)
    assert "The access token 1 does not allow changes" in refused.stderr
    _, expert = app.tokens.create("ada", "ml_expert", "ops", project="flights")
    clone.git("remote", "set-url", "origin", f"http://anyone:{expert}@{server}/git/flights.git")
    clone.push("dev", {"a": b"2"})


@pytest.mark.parametrize("header", [{"Host": "penstock.example"}, {"X-Forwarded-For": "10.0.0.7"}])
def test_from_elsewhere_a_token_is_always_needed(app: App, server: str, header: dict[str, str]) -> None:
    url = f"http://{server}/git/flights.git/info/refs"
    for service in ("git-upload-pack", "git-receive-pack"):
        asked = httpx.get(url, params={"service": service}, headers=header)
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
    made = httpx.post(f"http://{server}/tokens", json={"owner": "me", "role": "admin"}, headers=header)
    assert made.status_code == 403
    _, text = app.tokens.create("ada", "ml_expert", "ops")
    basic = "Basic " + base64.b64encode(f"x:{text}".encode()).decode()
    for given in (basic, f"Bearer {text}"):
        found = httpx.get(
            url, params={"service": "git-receive-pack"}, headers=header | {"Authorization": given}
        )
        assert found.status_code == 200
    wrong = httpx.get(url, headers=header | {"Authorization": "Basic !"})
    assert wrong.status_code == 401


def test_the_list_of_tokens_tells_no_digest(app: App, server: str) -> None:
    made = httpx.post(f"http://{server}/tokens", json={"owner": "ada", "role": "viewer"}).json()
    assert made["token"].startswith("penstock_1_")
    at_home = {"Authorization": f"Bearer {app.home.key()}"}
    for path in ("/tokens.json", "/events.json", "/tokens"):
        told = httpx.get(f"http://{server}{path}", headers=at_home).text
        assert '"digest":' not in told or path == "/events.json"
        assert made["token"].split("_", 2)[2] not in told
