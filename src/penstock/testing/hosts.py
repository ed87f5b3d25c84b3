"""Local stand-ins of GitHub, GitLab and Gitea: real HTTP servers that answer as these document it.

They hold one repository, `team/flights`, which git reaches over smart HTTP with the token. What they say
was written from the documentation of each. `trouble` and `stuck` make them fail as real ones do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from penstock.testing.git import isolated
from penstock.testing.host_server import REPOSITORY, TOKEN, handler_of
from penstock.testing.serving import Serving

SECRET = "It's a secret"  # noqa: S105 a made-up one


@dataclass
class Yes:
    """An approval at the forge: of the commit that was merged unless `commit` is another."""

    user: str
    commit: str = ""
    insider: bool = True
    dismissed: bool = False
    comment: bool = False


@dataclass
class Merged:
    """A request that was merged (or not)."""

    number: int
    branch: str
    head: str
    commit: str
    into: str = "main"
    author: str = "ada"
    merged: bool = True
    approvals: list[Yes] = field(default_factory=list)


class StandIn(Serving):
    """A forge in this process: start it with `with`, ask for `url`."""

    kind: ClassVar[str] = ""
    merges: ClassVar[str] = "pulls"
    """What the API calls requests."""
    words: ClassVar[tuple[str, str]] = ("html_url", "body")
    """What the API calls the address of an issue, and its text."""
    page = 2
    """Items of a page, however many were asked for."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets the repository."""
        self.repository = folder / f"{REPOSITORY}.git"
        self.repository.parent.mkdir(parents=True)
        subprocess.run(
            ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.repository)],
            env=isolated(),
            check=True,
        )
        self.requests: list[Merged] = []
        self.statuses: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.trouble: list[tuple[int, dict[str, str]]] = []
        self.elsewhere = ""
        self.refuses = ""
        self.asked: list[str] = []
        super().__init__(handler_of(self))
        self.url = f"http://{self.host}"

    def webhook(self, kind: str, body: bytes, number: str, secret: str = SECRET) -> dict[str, str]:
        """The headers with which a webhook is sent, their names in lower case."""
        raise NotImplementedError

    def knows(self, headers: dict[str, str]) -> bool:
        """Whether a request shows the token as this forge takes it."""
        raise NotImplementedError

    def answer(self, path: str) -> Any:
        """What there is at a path of the API; None for nothing."""
        raise NotImplementedError

    def kept(self, path: str) -> Any:
        """What there is at a path of the API, issues too; None for nothing."""
        return self.issues if path.endswith(f"{REPOSITORY}/issues") else self.answer(path)

    def told(self, path: str, body: dict[str, Any]) -> bool | str | dict[str, Any]:
        """Keep a status or an issue, or merge a request.

        Gives whether the path is for that, why it is refused, or what was made.
        """
        if path.endswith(f"{REPOSITORY}/issues"):
            link, text = self.words
            made = {link: f"{self.url}/{REPOSITORY}/issues/{len(self.issues) + 1}", **body}
            self.issues.insert(0, {text: None, **made})
            return made
        if found := re.fullmatch(r".*/statuses/([0-9a-f]{40})", path):
            self.statuses.append({"commit": found[1], **body})
        elif found := re.fullmatch(rf".*/{self.merges}/(\d+)/merge", path):
            request = self.numbered(found[1])
            if self.refuses or request.head not in body.values():
                return self.refuses or "Head branch was modified"
            request.merged = True
        return bool(found)

    def opened(self) -> list[Merged]:
        """The requests that are open."""
        return [request for request in self.requests if not request.merged]

    def of(self, commit: str) -> list[Merged]:
        """The requests that a commit belongs to."""
        return [r for r in self.requests if commit in {r.commit, r.head}]

    def numbered(self, number: str) -> Merged:
        """The request of a number."""
        return next(r for r in self.requests if r.number == int(number))


def signed(secret: str, body: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class GitHubStandIn(StandIn):
    """As docs.github.com describes a server of one's own."""

    kind = "github"

    def webhook(self, kind: str, body: bytes, number: str, secret: str = SECRET) -> dict[str, str]:
        """See `StandIn.webhook`."""
        signature = f"sha256={signed(secret, body)}"
        return {"x-github-event": kind, "x-github-delivery": number, "x-hub-signature-256": signature}

    def knows(self, headers: dict[str, str]) -> bool:
        """See `StandIn.knows`."""
        return headers.get("authorization") == f"Bearer {TOKEN}"

    def answer(self, path: str) -> Any:
        """See `StandIn.answer`."""
        base = f"/api/v3/repos/{REPOSITORY}"
        if path == f"{base}/pulls":
            return [self._pull(request) for request in self.opened()]
        if found := re.fullmatch(rf"{base}/commits/(\w+)/pulls", path):
            return [self._pull(request) for request in self.of(found[1])]
        if found := re.fullmatch(rf"{base}/pulls/(\d+)/reviews", path):
            request = self.numbered(found[1])
            return [
                {
                    "user": {"login": yes.user},
                    "state": "COMMENTED" if yes.comment else "DISMISSED" if yes.dismissed else "APPROVED",
                    "commit_id": yes.commit or request.head,
                    "author_association": "MEMBER" if yes.insider else "NONE",
                }
                for yes in request.approvals
            ]
        return None

    def _pull(self, request: Merged) -> dict[str, Any]:
        return {
            "number": request.number,
            "html_url": f"{self.url}/{REPOSITORY}/pull/{request.number}",
            "merged_at": "2026-03-01T12:00:00Z" if request.merged else None,
            "merge_commit_sha": request.commit,
            "base": {"ref": request.into},
            "head": {"ref": request.branch, "sha": request.head},
            "user": {"login": request.author},
        }


class GiteaStandIn(StandIn):
    """As the description of Gitea's API says, which Forgejo shares."""

    kind = "gitea"

    def webhook(self, kind: str, body: bytes, number: str, secret: str = SECRET) -> dict[str, str]:
        """See `StandIn.webhook`."""
        return {"x-gitea-event": kind, "x-gitea-delivery": number, "x-gitea-signature": signed(secret, body)}

    def knows(self, headers: dict[str, str]) -> bool:
        """See `StandIn.knows`."""
        return headers.get("authorization") == f"token {TOKEN}"

    def answer(self, path: str) -> Any:
        """See `StandIn.answer`."""
        base = f"/api/v1/repos/{REPOSITORY}"
        if path == f"{base}/pulls":
            return [self._pull(request) for request in self.opened()]
        if found := re.fullmatch(rf"{base}/commits/(\w+)/pull", path):
            return next((self._pull(request) for request in self.of(found[1])), None)
        if found := re.fullmatch(rf"{base}/pulls/(\d+)/reviews", path):
            request = self.numbered(found[1])
            return [
                {
                    "user": {"login": yes.user},
                    "state": "COMMENT" if yes.comment else "APPROVED",
                    "commit_id": yes.commit or request.head,
                    "stale": bool(yes.commit),
                    "official": yes.insider,
                    "dismissed": yes.dismissed,
                }
                for yes in request.approvals
            ]
        return None

    def _pull(self, request: Merged) -> dict[str, Any]:
        return {
            "number": request.number,
            "html_url": f"{self.url}/{REPOSITORY}/pulls/{request.number}",
            "merged": request.merged,
            "merge_commit_sha": request.commit if request.merged else None,
            "base": {"ref": request.into},
            "head": {"ref": request.branch, "sha": request.head},
            "user": {"login": request.author},
        }


class GitLabStandIn(StandIn):
    """As docs.gitlab.com describes it. An approval of another commit was given before the last push."""

    kind = "gitlab"
    merges = "merge_requests"
    words = ("web_url", "description")

    def webhook(self, kind: str, body: bytes, number: str, secret: str = SECRET) -> dict[str, str]:
        """See `StandIn.webhook`; a secret that begins with `whsec_` signs."""
        headers = {"x-gitlab-event": kind, "idempotency-key": number}
        if not secret.startswith("whsec_"):
            return headers | {"x-gitlab-token": secret}
        moment = str(int(time.time()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(digest).decode()}"
        return headers | {
            "webhook-id": number,
            "webhook-timestamp": moment,
            "webhook-signature": signature,
        }

    def knows(self, headers: dict[str, str]) -> bool:
        """See `StandIn.knows`."""
        return headers.get("private-token") == TOKEN

    def answer(self, path: str) -> Any:
        """See `StandIn.answer`."""
        base = f"/api/v4/projects/{REPOSITORY}"
        if path == f"{base}/merge_requests":
            return [self._request(request) for request in self.opened()]
        if found := re.fullmatch(rf"{base}/repository/commits/(\w+)/merge_requests", path):
            return [self._request(request) for request in self.of(found[1])]
        if re.fullmatch(rf"{base}/merge_requests/\d+/versions", path):
            return [{"created_at": f"2026-03-01T{hour}:00:00.000Z"} for hour in (11, 10, "09")]
        if found := re.fullmatch(rf"{base}/merge_requests/(\d+)/approvals", path):
            given = [y for y in self.numbered(found[1]).approvals if not (y.dismissed or y.comment)]
            return {
                "approved_by": [
                    {
                        "user": {"username": yes.user},
                        "approved_at": f"2026-03-01T{'10' if yes.commit else '11'}:30:00.000Z",
                    }
                    for yes in given
                    if yes.insider  # GitLab lets nobody else approve
                ]
            }
        return None

    def _request(self, request: Merged) -> dict[str, Any]:
        return {
            "iid": request.number,
            "web_url": f"{self.url}/{REPOSITORY}/-/merge_requests/{request.number}",
            "state": "merged" if request.merged else "opened",
            "merge_commit_sha": request.commit if request.merged else None,
            "squash_commit_sha": None,
            "sha": request.head,
            "source_branch": request.branch,
            "target_branch": request.into,
            "author": {"username": request.author},
        }
