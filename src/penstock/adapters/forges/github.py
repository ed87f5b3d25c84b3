"""GitHub, on github.com or one's own server (docs.github.com, REST API version 2022-11-28)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from penstock.adapters.forges.api import TIMEOUT, ForgeApi, as_documented, merging, no_request
from penstock.adapters.forges.signatures import hex_digest, same
from penstock.revisions.ports import Addresses, Issue, MergeRequest, Review
from penstock.revisions.types import CommitStatus, Upstream

PUBLIC = "https://github.com"
INSIDERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""Whose approval counts: on a public repository anybody at all may approve."""
LONGEST = 140
"""Characters of a status's description."""


class GitHub:
    """A `revisions.ports.Host`."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds, for each request."""
        self._timeout = timeout

    def addresses(self, repository: str, url: str) -> Addresses:
        """See `Host.addresses`."""
        web = (url or PUBLIC).rstrip("/")
        api = "https://api.github.com" if web == PUBLIC else f"{web}/api/v3"
        return Addresses(
            git=f"{web}/{repository}.git", api=f"{api}/repos/{repository}", web=f"{web}/{repository}"
        )

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:  # noqa: ARG002 no time is signed
        """See `Host.authentic`: `X-Hub-Signature-256`."""
        return same(headers.get("x-hub-signature-256", ""), f"sha256={hex_digest(secret, body)}")

    def delivery(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        """See `Host.delivery`."""
        return headers.get("x-github-delivery", "") or hex_digest("", body), headers.get("x-github-event", "")

    def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
        """See `Host.review`."""
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            for pull in api.every(f"/commits/{commit}/pulls"):
                brought = commit in {pull.get("merge_commit_sha"), pull["head"]["sha"]}
                if pull.get("merged_at") and pull["base"]["ref"] == into and brought:
                    reviews = api.every(f"/pulls/{pull['number']}/reviews")
                    return Review(
                        branch=pull["head"]["ref"],
                        approvals=_approvals(pull, list(reviews)),
                        link=pull["html_url"],
                    )
            return Review()

    def request(self, upstream: Upstream, token: str, branch: str, into: str) -> MergeRequest:
        """See `Merging.request`."""
        owner = upstream.repository.partition("/")[0]
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            for pull in api.every("/pulls", state="open", head=f"{owner}:{branch}", base=into):
                if (pull["head"]["ref"], pull["base"]["ref"]) == (branch, into):
                    reviews = api.every(f"/pulls/{pull['number']}/reviews")
                    return MergeRequest(
                        number=pull["number"],
                        head=pull["head"]["sha"],
                        approvals=_approvals(pull, list(reviews)),
                        link=pull["html_url"],
                    )
        raise no_request(upstream, branch, into)

    def merge(self, upstream: Upstream, token: str, request: MergeRequest) -> None:
        """See `Merging.merge`: by a merge commit."""
        said = {"sha": request.head, "merge_method": "merge"}
        with merging(request.link):
            self._api(upstream, token).put(f"/pulls/{request.number}/merge", said)

    def tell(self, upstream: Upstream, token: str, status: CommitStatus, link: str) -> None:
        """See `Host.tell`."""
        said = {"state": status.state, "description": status.description[:LONGEST], "context": status.context}
        self._api(upstream, token).post(
            f"/statuses/{status.commit}", said | ({"target_url": link} if link else {})
        )

    def issues(self, upstream: Upstream, token: str, since: datetime) -> Iterator[Issue]:
        """See `Issuing.issues`."""
        asked = {"state": "all", "since": since.isoformat()}
        with as_documented(upstream.api):
            for issue in self._api(upstream, token).every("/issues", **asked):
                yield Issue(link=issue["html_url"], text=issue["body"] or "")

    def open_issue(self, upstream: Upstream, token: str, title: str, text: str) -> str:
        """See `Issuing.open_issue`."""
        with as_documented(upstream.api):
            made = self._api(upstream, token).make("/issues", {"title": title, "body": text})
            return str(made["html_url"])

    def commit_link(self, upstream: Upstream, commit: str) -> str:
        """See `Host.commit_link`."""
        return f"{upstream.web}/commit/{commit}"

    def _api(self, upstream: Upstream, token: str) -> ForgeApi:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        return ForgeApi(
            upstream.api,
            headers | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=self._timeout,
        )


def _approvals(pull: Mapping[str, Any], reviews: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Whose last word on the commit that was merged is an approval. Comments are no last word."""
    last: dict[str, Mapping[str, Any]] = {}
    for review in reviews:  # in the order in which they were given
        if review["state"] != "COMMENTED" and review.get("user"):
            last[review["user"]["login"]] = review
    author = (pull.get("user") or {}).get("login")
    return tuple(
        name
        for name, review in last.items()
        if review["state"] == "APPROVED"
        and review.get("commit_id") == pull["head"]["sha"]
        and review.get("author_association") in INSIDERS
        and name != author
    )
