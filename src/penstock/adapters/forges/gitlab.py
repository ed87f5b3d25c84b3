"""GitLab, on gitlab.com or one's own server (docs.gitlab.com, REST API version 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from penstock.adapters.forges.api import TIMEOUT, ForgeApi, as_documented, merging, no_request
from penstock.adapters.forges.signatures import hex_digest, same, standard
from penstock.core.errors import InvalidValue
from penstock.revisions.ports import Addresses, Issue, MergeRequest, Review
from penstock.revisions.types import CommitStatus, State, Upstream

PUBLIC = "https://gitlab.com"
_STATES: dict[State, str] = {"pending": "pending", "success": "success", "failure": "failed"}


class GitLab:
    """A `revisions.ports.Host`."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds, for each request."""
        self._timeout = timeout

    def addresses(self, repository: str, url: str) -> Addresses:
        """See `Host.addresses`."""
        web = (url or PUBLIC).rstrip("/")
        return Addresses(
            git=f"{web}/{repository}.git",
            api=f"{web}/api/v4/projects/{quote(repository, safe='')}",
            web=f"{web}/{repository}",
        )

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """See `Host.authentic`: a signing token (`whsec_…`) signs; a secret token is only sent along."""
        if secret.startswith("whsec_"):
            return standard(headers, body, secret, now)
        return same(headers.get("x-gitlab-token", ""), secret)

    def delivery(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        """See `Host.delivery`. Older versions number nothing that stays the same on a second try."""
        number = headers.get("webhook-id") or headers.get("idempotency-key") or hex_digest("", body)
        return number, headers.get("x-gitlab-event", "")

    def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
        """See `Host.review`."""
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            for request in api.every(f"/repository/commits/{commit}/merge_requests"):
                names = {request.get(name) for name in ("merge_commit_sha", "squash_commit_sha", "sha")}
                if request["state"] == "merged" and request["target_branch"] == into and commit in names:
                    return Review(
                        branch=request["source_branch"],
                        approvals=_approvals(api, request),
                        link=request["web_url"],
                    )
            return Review()

    def request(self, upstream: Upstream, token: str, branch: str, into: str) -> MergeRequest:
        """See `Merging.request`."""
        asked = {"state": "opened", "source_branch": branch, "target_branch": into}
        with as_documented(upstream.api):
            api = self._api(upstream, token)
            for request in api.every("/merge_requests", **asked):
                if (request["source_branch"], request["target_branch"]) == (branch, into):
                    return MergeRequest(
                        number=request["iid"],
                        head=request["sha"],
                        approvals=_approvals(api, request),
                        link=request["web_url"],
                    )
        raise no_request(upstream, branch, into)

    def merge(self, upstream: Upstream, token: str, request: MergeRequest) -> None:
        """See `Merging.merge`."""
        with merging(request.link):
            self._api(upstream, token).put(f"/merge_requests/{request.number}/merge", {"sha": request.head})

    def tell(self, upstream: Upstream, token: str, status: CommitStatus, link: str) -> None:
        """See `Host.tell`. GitLab refuses a state that it has already."""
        said = {
            "state": _STATES[status.state],
            "name": status.context,
            "description": status.description,
            "target_url": link,
        }
        try:
            self._api(upstream, token).post(f"/statuses/{status.commit}", said)
        except InvalidValue as error:
            if "Cannot transition status" not in error.found:
                raise

    def issues(self, upstream: Upstream, token: str, since: datetime) -> Iterator[Issue]:
        """See `Issuing.issues`."""
        with as_documented(upstream.api):
            for issue in self._api(upstream, token).every("/issues", created_after=since.isoformat()):
                yield Issue(link=issue["web_url"], text=issue["description"] or "")

    def open_issue(self, upstream: Upstream, token: str, title: str, text: str) -> str:
        """See `Issuing.open_issue`."""
        with as_documented(upstream.api):
            made = self._api(upstream, token).make("/issues", {"title": title, "description": text})
            return str(made["web_url"])

    def commit_link(self, upstream: Upstream, commit: str) -> str:
        """See `Host.commit_link`."""
        return f"{upstream.web}/-/commit/{commit}"

    def _api(self, upstream: Upstream, token: str) -> ForgeApi:
        return ForgeApi(upstream.api, {"PRIVATE-TOKEN": token} if token else {}, timeout=self._timeout)


def _approvals(api: ForgeApi, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Who approved what was merged: since its last push, as far as GitLab tells when they did.

    Where it does not, approvals count only if the project takes them back at each push.
    """
    path = f"/merge_requests/{request['iid']}"
    given = api.get(f"{path}/approvals").get("approved_by", [])
    others = [a for a in given if a["user"]["username"] != request["author"]["username"]]
    if others and all(approval.get("approved_at") for approval in others):
        pushed = max((_moment(v["created_at"]) for v in api.every(f"{path}/versions")), default=None)
        others = [a for a in others if pushed and _moment(a["approved_at"]) >= pushed]
    elif others and not api.get("/approvals").get("reset_approvals_on_push"):
        others = []
    return tuple(approval["user"]["username"] for approval in others)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
