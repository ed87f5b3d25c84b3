"""What every `revisions.ports.Host` must do: subclass `HostContract`, give it a host and a stand-in."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.core.errors import Busy, Conflict, NotAllowed, NotFound, PenstockError, Unavailable
from penstock.revisions.ports import Host, Review
from penstock.revisions.types import CommitStatus, Upstream
from penstock.testing.host_server import REPOSITORY, TOKEN
from penstock.testing.hosts import SECRET, Merged, StandIn, Yes

HEAD, COMMIT, OLDER = "a" * 40, "b" * 40, "c" * 40
BODY = '{"ref": "refs/heads/main", "name": "\N{SNOWMAN}"}'.encode()


def upstream_at(host: Host, forge: StandIn) -> Upstream:
    """The repository of a stand-in, as connecting it keeps it."""
    found = host.addresses(REPOSITORY, forge.url)
    return Upstream(
        id="flights",
        forge=forge.kind,
        repository=REPOSITORY,
        address=found.git,
        api=found.api,
        web=found.web,
    )


def status(state: str = "success") -> CommitStatus:
    """A status of COMMIT."""
    about = {"id": "1", "project": "flights", "commit": COMMIT, "context": "penstock/flights"}
    return CommitStatus(**about, state=state, description="12 tests passed", path="/builds/1")  # type: ignore[arg-type]


class HostContract:
    """The stand-in holds one repository; the host gives its requests half a second each."""

    secrets: tuple[str, ...] = (SECRET,)

    @pytest.fixture
    @abstractmethod
    def forge(self) -> StandIn:
        """A stand-in that answers."""

    @pytest.fixture
    @abstractmethod
    def host(self) -> Host:
        """The host that speaks with it, patient for half a second."""

    @pytest.fixture
    def upstream(self, host: Host, forge: StandIn) -> Upstream:
        return upstream_at(host, forge)

    def reviewed(self, host: Host, upstream: Upstream) -> Review:
        return host.review(upstream, TOKEN, COMMIT, "main")

    def test_a_webhook_is_known_by_its_signature(self, host: Host, forge: StandIn) -> None:
        for secret in self.secrets:
            headers = forge.webhook("push", BODY, "1", secret)
            assert host.authentic(headers, BODY, secret, time.time())
            assert not host.authentic(headers, BODY, "another", time.time())
            assert not host.authentic({}, BODY, secret, time.time())
            spoiled = {name: f"{value}\N{SNOWMAN}" for name, value in headers.items()}
            assert not host.authentic(spoiled, BODY, secret, time.time())

    def test_a_webhook_keeps_its_number_when_it_is_sent_again(self, host: Host, forge: StandIn) -> None:
        number, _ = host.delivery(forge.webhook("push", BODY, "1"), BODY)
        assert host.delivery(forge.webhook("push", BODY, "1"), BODY) == (number, "push")
        assert host.delivery(forge.webhook("push", BODY, "2"), BODY)[0] != number
        assert host.delivery({}, BODY)[0] == host.delivery({}, BODY)[0] != host.delivery({}, b"other")[0]

    def test_a_merge_with_an_approval_is_told_with_who_gave_it(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        others = Merged(number=1, branch="other", head=OLDER, commit=OLDER, approvals=[Yes("eve")])
        forge.requests = [others, Merged(2, "dev", HEAD, COMMIT, approvals=[Yes("grace"), Yes("linus")])]
        review = self.reviewed(host, upstream)
        assert (review.branch, review.approvals) == ("dev", ("grace", "linus"))
        assert review.link.startswith(f"{forge.url}/{REPOSITORY}/")
        assert review.link.endswith("/2")

    @pytest.mark.parametrize(
        "request_",
        [
            None,
            Merged(2, "dev", HEAD, COMMIT, merged=False, approvals=[Yes("grace")]),
            Merged(2, "dev", HEAD, COMMIT, into="release", approvals=[Yes("grace")]),
        ],
        ids=["none", "open", "elsewhere"],
    )
    def test_a_commit_that_no_merge_brought_has_no_review(
        self, host: Host, forge: StandIn, upstream: Upstream, request_: Merged | None
    ) -> None:
        forge.requests = [request_] if request_ else []
        assert self.reviewed(host, upstream) == Review()

    @pytest.mark.parametrize(
        "given",
        [
            Yes("ada"),
            Yes("grace", commit=OLDER),
            Yes("grace", dismissed=True),
            Yes("grace", comment=True),
            Yes("stranger", insider=False),
        ],
        ids=["by its author", "of an older commit", "taken back", "only a comment", "by an outsider"],
    )
    def test_an_approval_that_is_none_does_not_count(
        self, host: Host, forge: StandIn, upstream: Upstream, given: Yes
    ) -> None:
        forge.requests = [Merged(2, "dev", HEAD, COMMIT, approvals=[given])]
        review = self.reviewed(host, upstream)
        assert (review.branch, review.approvals) == ("dev", ())

    def test_every_page_is_read(self, host: Host, forge: StandIn, upstream: Upstream) -> None:
        names = [f"reviewer-{number}" for number in range(7)]
        forge.requests = [Merged(2, "dev", HEAD, COMMIT, approvals=[Yes(name) for name in names])]
        assert self.reviewed(host, upstream).approvals == tuple(names)

    def opened(self, forge: StandIn, *approvals: Yes) -> None:
        """The stand-in has three open requests, over two pages: the last is that of dev into main."""
        forge.requests = [
            Merged(1, "other", OLDER, "", merged=False, approvals=[Yes("eve")]),
            Merged(2, "dev", OLDER, "", into="release", merged=False),
            Merged(3, "dev", HEAD, COMMIT, merged=False, approvals=list(approvals)),
        ]

    def test_an_open_request_is_found_and_merged_with_its_approvals(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        self.opened(forge, Yes("grace"), Yes("ada"), Yes("linus", commit=OLDER))
        request = host.request(upstream, TOKEN, "dev", "main")
        assert (request.number, request.head, request.approvals) == (3, HEAD, ("grace",))
        assert request.link.endswith("/3")
        host.merge(upstream, TOKEN, request)
        assert [each.merged for each in forge.requests] == [False, False, True]
        assert self.reviewed(host, upstream).approvals == ("grace",)
        with pytest.raises(NotFound, match="no open request to merge dev into main"):
            host.request(upstream, TOKEN, "dev", "main")

    def test_what_a_forge_does_not_merge_is_told_with_its_reason(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        self.opened(forge)
        request = host.request(upstream, TOKEN, "dev", "main")
        forge.refuses = "Merge commits are not allowed on this repository."
        with pytest.raises(Conflict, match="/3 cannot be merged: found Merge commits are not allowed"):
            host.merge(upstream, TOKEN, request)
        forge.refuses, forge.requests[2].head = "", OLDER
        with pytest.raises(Conflict, match="Head branch was modified"):
            host.merge(upstream, TOKEN, request)
        assert not any(each.merged for each in forge.requests)

    def test_a_forge_that_wants_rest_says_for_how_long(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 100)}
        for code, said, least in (
            (429, {"Retry-After": "7"}, 7),
            (403, {"Retry-After": "9"}, 9),
            (403, reset, 90),
            (503, {"Retry-After": "5"}, 5),
            (429, {}, 1),
        ):
            forge.trouble = [(code, said)]
            with pytest.raises(Busy) as busy:
                host.tell(upstream, TOKEN, status(), "")
            assert least <= busy.value.seconds <= 3600

    @pytest.mark.parametrize("code", [500, 502, 503, 504])
    def test_a_forge_that_is_broken_is_unavailable(
        self, host: Host, forge: StandIn, upstream: Upstream, code: int
    ) -> None:
        forge.requests = [Merged(2, "dev", HEAD, COMMIT, approvals=[Yes("grace")])]
        forge.trouble = [(code, {})]
        with pytest.raises(Unavailable, match=str(code)):
            self.reviewed(host, upstream)
        assert self.reviewed(host, upstream).approvals == ("grace",)

    def test_a_forge_that_is_slow_is_given_up(self, host: Host, forge: StandIn, upstream: Upstream) -> None:
        forge.stuck = threading.Event()
        with pytest.raises(Unavailable, match="in time"):
            self.reviewed(host, upstream)

    def test_a_forge_that_is_gone_is_unavailable(self, host: Host, forge: StandIn) -> None:
        gone = upstream_at(host, forge)
        gone = Upstream(id="x", forge=gone.forge, repository="", address="", api="http://127.0.0.1:9/api")
        with pytest.raises(Unavailable, match="cannot be reached"):
            self.reviewed(host, gone)

    def test_a_wrong_token_is_told_without_the_token(self, host: Host, upstream: Upstream) -> None:
        for duty in (
            lambda: host.review(upstream, "wrong-token", COMMIT, "main"),
            lambda: host.tell(upstream, "wrong-token", status(), ""),
        ):
            with pytest.raises(NotAllowed) as refused:
                duty()
            assert "wrong-token" not in str(refused.value)

    def test_a_token_is_never_shown_to_another_host(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        forge.requests = [Merged(2, "dev", HEAD, COMMIT, approvals=[Yes(str(number)) for number in range(5)])]
        forge.elsewhere = "http://localhost:9"
        with pytest.raises(Unavailable, match="another host"):
            self.reviewed(host, upstream)

    def test_an_answer_that_is_not_as_documented_is_no_review(
        self, host: Host, forge: StandIn, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: tuple[Any, ...] = (
            {"message": "hello"},
            [{}],
            [1],
            "yes",
            [{"state": "merged", "merged_at": "1"}],
        )
        for nonsense in said:
            monkeypatch.setattr(forge, "answer", lambda _path, said=nonsense: said)
            try:
                found = self.reviewed(host, upstream)
            except PenstockError:
                continue
            assert found.approvals == ()

    def test_a_status_is_told_with_its_link_and_again_without_harm(
        self, host: Host, forge: StandIn, upstream: Upstream
    ) -> None:
        for state in ("pending", "failure", "success", "success"):
            host.tell(upstream, TOKEN, status(state), "https://penstock.example/builds/1")
        assert {said["commit"] for said in forge.statuses} == {COMMIT}
        last = forge.statuses[-1]
        assert last["state"] == "success"
        assert last["target_url"] == "https://penstock.example/builds/1"
        assert "penstock/flights" in last.values()

    def test_a_commit_has_a_page(self, host: Host, upstream: Upstream) -> None:
        link = host.commit_link(upstream, COMMIT)
        assert link.startswith(upstream.web)
        assert link.endswith(COMMIT)

    def test_an_issue_is_opened_and_found_again(self, host: Host, forge: StandIn, upstream: Upstream) -> None:
        long_ago = datetime(2013, 1, 1, tzinfo=UTC)
        assert list(host.issues(upstream, TOKEN, long_ago)) == []
        links = [host.open_issue(upstream, TOKEN, f"Drift {number}", f"mark {number}") for number in range(3)]
        assert links[2] == f"{forge.url}/{REPOSITORY}/issues/3"
        forge.issues.append({**forge.issues[-1], forge.words[1]: None})
        found = list(host.issues(upstream, TOKEN, long_ago))
        assert [issue.text for issue in found] == ["mark 2", "mark 1", "mark 0", ""]
        assert [issue.link for issue in found][:3] == links[::-1]
        with pytest.raises(NotAllowed):
            host.open_issue(upstream, "wrong-token", "Drift", "mark")
