"""All git hosts keep the contract: the fake, the built-in one, and copies of those that lie elsewhere."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.adapters.forges.builtin import BuiltinForge
from penstock.testing.contracts.forge import CopiedRepositories, OwnRepositories, Push
from penstock.testing.forges import FakeForge
from penstock.testing.git import Clone
from penstock.testing.host_server import REPOSITORY, TOKEN
from penstock.testing.hosts import GiteaStandIn, GitHubStandIn, GitLabStandIn, StandIn


class TestFakeForge(OwnRepositories):
    @pytest.fixture
    def forge(self) -> FakeForge:
        return FakeForge()

    @pytest.fixture
    def push(self, forge: FakeForge) -> Push:
        forge.create("flights", protected="main")

        def push(branch: str, files: dict[str, bytes], **who: Any) -> str:
            return forge.push("flights", branch, files, **who)

        return push


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "git"


class TestBuiltinForge(OwnRepositories):
    @pytest.fixture
    def forge(self, home: Path) -> BuiltinForge:
        return BuiltinForge(home)

    @pytest.fixture
    def push(self, forge: BuiltinForge, tmp_path_factory: pytest.TempPathFactory) -> Push:
        remote = forge.create("flights", protected="main")
        return Clone(tmp_path_factory.mktemp("person"), remote).push


class Copied(CopiedRepositories):
    @pytest.fixture
    def forge(self, home: Path) -> BuiltinForge:
        return BuiltinForge(home)

    @pytest.fixture
    def repository(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The bare repository elsewhere, as a path on this machine."""
        place = tmp_path_factory.mktemp("elsewhere") / "flights.git"
        subprocess.run(["git", "init", "--quiet", "--bare", str(place)], check=True)
        return place

    @pytest.fixture
    def elsewhere(self, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
        return Clone(tmp_path_factory.mktemp("person"), str(repository))

    @pytest.fixture
    def copy_of(self, home: Path) -> Callable[[], str]:
        return lambda: str(home / "flights.git")

    @pytest.fixture
    def push(self, forge: BuiltinForge, elsewhere: Clone, address: str, token: str) -> Push:
        forge.fetch("flights", address, token)

        def push(branch: str, files: dict[str, bytes], **who: Any) -> str:
            commit = elsewhere.push(branch, files, **who)
            forge.fetch("flights", address, token)
            return commit

        return push


class TestPolledPath(Copied):
    @pytest.fixture
    def address(self, repository: Path) -> str:
        return str(repository)


class OverHttp(Copied):
    stand_in: type[StandIn]

    @pytest.fixture
    def hosted(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
        with self.stand_in(tmp_path_factory.mktemp("hosted")) as hosted:
            yield hosted

    @pytest.fixture
    def repository(self, hosted: StandIn) -> Path:
        return hosted.repository

    @pytest.fixture
    def address(self, hosted: StandIn) -> str:
        return f"{hosted.url}/{REPOSITORY}.git"

    @pytest.fixture
    def token(self) -> str:
        return TOKEN


class TestGitHub(OverHttp):
    stand_in = GitHubStandIn


class TestGitLab(OverHttp):
    stand_in = GitLabStandIn


class TestGitea(OverHttp):
    stand_in = GiteaStandIn
