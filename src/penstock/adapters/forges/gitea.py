"""Gitea and Forgejo (their Swagger description of API version 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from penstock.adapters.forges.api import PER_PAGE, TIMEOUT, ForgeApi, as_documented, merging, no_request
from penstock.adapters.forges.signatures import hex_digest, same
from penstock.core.errors import InvalidValue, NotFound
from penstock.revisions.ports import Addresses, Issue, MergeRequest, Review
from penstock.revisions.types import CommitStatus, Upstream


class Gitea:
    """A `revisions.ports.Host`."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds, for each request."""
        self._timeout = timeout

    def addresses(self, repository: str, url: str) -> Addresses:
        """See `Host.addresses`. Raises InvalidValue without an URL: there is no public one."""
        if not url:
            raise InvalidValue(what="Which Gitea or Forgejo?", fix="Name its address with --forge-url.")
        web = url.rstrip("/")
        return Addresses(
            git=f"{web}/{repository}.git", api=f"{web}/api/v1/repos/{repository}", web=f"{web}/{repository}"
        )

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:  # noqa: ARG002 no time is signed
        """See `Host.authentic`: `X-Forgejo-Signature` or `X-Gitea-Signature`."""
        given = headers.get("x-forgejo-signature") or headers.get("x-gitea-signature", "")
        return same(given, hex_digest(secret, body))

    def delivery(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        """See `Host.delivery`."""
        number = headers.get("x-forgejo-delivery") or headers.get("x-gitea-delivery") or hex_digest("", body)
        return number, headers.get("x-forgejo-event") or headers.get("x-gitea-event", "")

    def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
        """See `Host.review`. Only official reviews count: those of people who may decide."""
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            try:
                pull = api.get(f"/commits/{commit}/pull")
            except NotFound:
                return Review()
            head = pull["head"]["sha"]
            if not pull.get("merged") or pull["base"]["ref"] != into:
                return Review()
            if commit not in {pull.get("merge_commit_sha"), head}:
                return Review()
            approvals = _approvals(api, pull)
            return Review(branch=pull["head"]["ref"], approvals=approvals, link=pull["html_url"])

    def request(self, upstream: Upstream, token: str, branch: str, into: str) -> MergeRequest:
        """See `Merging.request`."""
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            for pull in api.every("/pulls", state="open", limit=PER_PAGE):
                if (pull["head"]["ref"], pull["base"]["ref"]) == (branch, into):
                    return MergeRequest(
                        number=pull["number"],
                        head=pull["head"]["sha"],
                        approvals=_approvals(api, pull),
                        link=pull["html_url"],
                    )
        raise no_request(upstream, branch, into)

    def merge(self, upstream: Upstream, token: str, request: MergeRequest) -> None:
        """See `Merging.merge`: by a merge commit."""
        said = {"Do": "merge", "head_commit_id": request.head}
        with merging(request.link):
            self._api(upstream, token).post(f"/pulls/{request.number}/merge", said)

    def tell(self, upstream: Upstream, token: str, status: CommitStatus, link: str) -> None:
        """See `Host.tell`."""
        said = {"state": status.state, "description": status.description, "context": status.context}
        self._api(upstream, token).post(f"/statuses/{status.commit}", said | {"target_url": link})

    def issues(self, upstream: Upstream, token: str, since: datetime) -> Iterator[Issue]:
        """See `Issuing.issues`."""
        asked: dict[str, str | int] = {"state": "all", "type": "issues", "since": since.isoformat()}
        with as_documented(upstream.api):
            for issue in self._api(upstream, token).every("/issues", limit=PER_PAGE, **asked):
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
        return ForgeApi(
            upstream.api, {"Authorization": f"token {token}"} if token else {}, timeout=self._timeout
        )


def _approvals(api: ForgeApi, pull: Mapping[str, Any]) -> tuple[str, ...]:
    """Whose last word on the newest commit is an official approval."""
    last = {}
    for review in api.every(f"/pulls/{pull['number']}/reviews", limit=PER_PAGE):
        if review["state"] in {"APPROVED", "REQUEST_CHANGES"} and review.get("user"):
            last[review["user"]["login"]] = review
    return tuple(
        name
        for name, review in last.items()
        if review["state"] == "APPROVED"
        and review.get("official")
        and not (review.get("stale") or review.get("dismissed"))
        and review.get("commit_id") == pull["head"]["sha"]
        and name != pull["user"]["login"]
    )
