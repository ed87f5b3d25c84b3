"""All forges outside keep the contract, each against a stand-in of its API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.forges.gitea import Gitea
from penstock.adapters.forges.github import GitHub
from penstock.adapters.forges.gitlab import GitLab
from penstock.adapters.forges.signatures import WINDOW, hex_digest
from penstock.testing.contracts.hosts import BODY, COMMIT, HEAD, HostContract, upstream_at
from penstock.testing.host_server import TOKEN
from penstock.testing.hosts import (
    SECRET,
    GiteaStandIn,
    GitHubStandIn,
    GitLabStandIn,
    Merged,
    StandIn,
    Yes,
)

SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()


class TestGitHub(HostContract):
    @pytest.fixture
    def forge(self, tmp_path: Path) -> Iterator[StandIn]:
        with GitHubStandIn(tmp_path) as forge:
            yield forge

    @pytest.fixture
    def host(self) -> GitHub:
        return GitHub(timeout=0.5)

    def test_the_documented_example_of_a_signature(self) -> None:
        """From docs.github.com, Validating webhook deliveries."""
        digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        body, secret = b"Hello, World!", "It's a Secret to Everybody"
        assert hex_digest(secret, body) == digest
        assert GitHub().authentic({"x-hub-signature-256": f"sha256={digest}"}, body, secret, 0.0)

    def test_the_public_one_is_known(self) -> None:
        found = GitHub().addresses("team/flights", "")
        assert (found.git, found.api) == (
            "https://github.com/team/flights.git",
            "https://api.github.com/repos/team/flights",
        )


class TestGitLab(HostContract):
    secrets = (SECRET, SIGNING)

    @pytest.fixture
    def forge(self, tmp_path: Path) -> Iterator[StandIn]:
        with GitLabStandIn(tmp_path) as forge:
            yield forge

    @pytest.fixture
    def host(self) -> GitLab:
        return GitLab(timeout=0.5)

    def test_a_signature_is_good_for_its_body_and_for_five_minutes(self, forge: StandIn) -> None:
        headers = forge.webhook("Push Hook", BODY, "1", SIGNING)
        now = time.time()
        assert not GitLab().authentic(headers, BODY + b" ", SIGNING, now)
        assert not GitLab().authentic(headers, BODY, SIGNING, now + WINDOW + 5)
        assert not GitLab().authentic(headers | {"webhook-id": "2"}, BODY, SIGNING, now)
        both = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
        assert GitLab().authentic(both, BODY, SIGNING, now)

    @pytest.mark.parametrize("taken_back", [True, False])
    def test_without_times_approvals_count_only_if_a_push_takes_them_back(
        self, forge: StandIn, monkeypatch: pytest.MonkeyPatch, taken_back: bool
    ) -> None:
        answer = forge.answer

        def older(path: str) -> object:
            if path.endswith("flights/approvals"):
                return {"reset_approvals_on_push": taken_back}
            found = answer(path)
            for approval in found.get("approved_by", []) if isinstance(found, dict) else []:
                del approval["approved_at"]
            return found

        monkeypatch.setattr(forge, "answer", older)
        forge.requests = [Merged(2, "dev", HEAD, COMMIT, approvals=[Yes("grace")])]
        review = GitLab().review(upstream_at(GitLab(), forge), TOKEN, COMMIT, "main")
        assert review.approvals == (("grace",) if taken_back else ())


class TestGitea(HostContract):
    @pytest.fixture
    def forge(self, tmp_path: Path) -> Iterator[StandIn]:
        with GiteaStandIn(tmp_path) as forge:
            yield forge

    @pytest.fixture
    def host(self) -> Gitea:
        return Gitea(timeout=0.5)

    def test_forgejo_signs_under_its_own_name(self, forge: StandIn) -> None:
        headers = forge.webhook("push", BODY, "1")
        renamed = {name.replace("gitea", "forgejo"): value for name, value in headers.items()}
        assert Gitea().authentic(renamed, BODY, SECRET, 0.0)
        assert Gitea().delivery(renamed, BODY) == ("1", "push")
