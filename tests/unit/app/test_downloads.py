"""What can be had of a release is downloaded, from the home and from a server, and is what was released."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient
from typer.testing import CliRunner, Result

from penstock.adapters.remote import RemoteApi
from penstock.app import App, open_app
from penstock.builds.types import Output, Release
from penstock.cli.commands import app as commands
from penstock.core.digests import digest_bytes
from penstock.core.errors import NotFound
from penstock.testing.delivery import Delivered
from penstock.web import create_web

PARTS = (b"#!/bin/sh\n", b"same for all " * 100_000, b"of this release")
WHOLE = b"".join(PARTS)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "home") as app:
        yield app


@pytest.fixture
def release(app: App) -> Release:
    """A release with an executable of several parts and an image, which lies elsewhere."""
    parts = tuple(app.blobs.put(part) for part in PARTS)
    digest = digest_bytes(WHOLE)
    executable = Output(name="executable", file="a.pyz", digest=digest, size=len(WHOLE), parts=parts)
    image = Output(name="image", file="localhost/a:1", digest="2" * 64)
    return Delivered(app.store, app.blobs, app.clock).release("1" * 40, outputs=(executable, image))


@pytest.fixture
def api(app: App) -> Iterator[RemoteApi]:
    """A client of the system's pages."""
    address = "http://127.0.0.1:4747"
    with TestClient(create_web(app), base_url=address) as web:
        yield RemoteApi(address, token=app.home.key(), transport=web._transport)


@pytest.fixture
def penstock(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the home with the release."""
    assert release.number == 1
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return lambda *words: CliRunner().invoke(commands, list(words), prog_name="penstock")


def test_a_server_sends_the_parts_as_one_file(api: RemoteApi, release: Release) -> None:
    assert b"".join(api.pieces(f"/releases/{release.id}/outputs/executable")) == WHOLE
    shown = api.call("GET", "/releases/1")
    assert [(o["name"], o["size"]) for o in shown["outputs"]] == [("executable", len(WHOLE)), ("image", 0)]
    assert b"".join(api.pieces(shown["outputs"][0]["download"])) == WHOLE


def test_the_page_of_a_release_leads_to_its_downloads(app: App, release: Release) -> None:
    with TestClient(create_web(app), base_url="http://127.0.0.1:4747") as web:
        web.headers["Authorization"] = f"Bearer {app.home.key()}"
        assert f'href="/releases/{release.id[:12]}/outputs/executable"' in web.get("/releases/1").text
        answer = web.get("/releases/1/outputs/executable")
    assert answer.headers["content-disposition"] == 'attachment; filename="a.pyz"'
    assert answer.headers["content-length"] == str(len(WHOLE))


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/releases/1/outputs/executables", "Did you mean `executable`?"),
        ("/releases/1/outputs/image", "pull localhost/a:1"),
        ("/releases/9/outputs/wheel", "9"),
    ],
)
def test_what_cannot_be_downloaded_is_refused_with_a_sentence(api: RemoteApi, path: str, said: str) -> None:
    with pytest.raises(NotFound, match=said.replace("?", r"\?")):
        list(api.pieces(path))


def test_get_writes_the_file_whole_and_executable(penstock: Callable[..., Result], tmp_path: Path) -> None:
    ended = penstock("releases", "get", "1", "executable", "--json")
    assert json.loads(ended.output)["digest"] == digest_bytes(WHOLE), ended.output
    assert (tmp_path / "a.pyz").read_bytes() == WHOLE
    assert (tmp_path / "a.pyz").stat().st_mode & 0o100
    assert penstock("releases", "get", "1", "executable", "-o", "b").exit_code == 0
    assert (tmp_path / "b").read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1", "exe"), "has no 'exe'"),
        (("1", "executable", "-o", "nowhere/b"), "nowhere/b cannot be written"),
    ],
)
def test_what_cannot_be_got_leaves_no_file(
    penstock: Callable[..., Result], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    before = {file.name for file in tmp_path.iterdir()}
    ended = penstock("releases", "get", *words)
    assert ended.exit_code == 1
    assert said in ended.output
    assert {file.name for file in tmp_path.iterdir()} == before


def test_show_lists_outputs_with_sizes(penstock: Callable[..., Result]) -> None:
    said = penstock("releases", "show", "1").output
    assert "executable" in said
    assert "1.3 MB" in said
    assert "penstock releases get 1 executable" in said
