"""What source control needs from git hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from penstock.revisions.types import CommitStatus, Head, Upstream


class Forge(Protocol):
    """Holds the repositories of projects, its own and copies of those that lie elsewhere."""

    def create(self, project: str, *, protected: str, within: str = "") -> str:
        """Make an empty repository (or find it) and give the path to push to.

        With `within`, the project lives in the repository of that other project.
        """
        ...

    def fetch(self, project: str, address: str, token: str) -> None:
        """Make the copy of a repository elsewhere what that is now; one that is new is made.

        Raises Unavailable when it cannot be had, and Conflict where the project has its own repository.
        """
        ...

    def heads(self, project: str) -> Sequence[Head]:
        """The newest commit of every branch, in the order of their names."""
        ...

    def between(self, project: str, before: str, after: str) -> Sequence[Head]:
        """Commits that a branch went through from `before` to `after`, the oldest first, without these two.

        Of many only the newest hundred; none where one of the two is not there.
        """
        ...

    def changed(self, project: str, before: str, after: str) -> Sequence[str]:
        """The paths of the files that differ between two commits. Raises NotFound for an unknown commit."""
        ...

    def merge(self, project: str, *, commit: str, into: str, actor: str, message: str) -> str:
        """Merge a commit into a branch and give the commit that `into` then points to.

        Moves `into` forward without a new commit where that is possible; makes it if there is none;
        leaves it alone when it already holds the commit. Raises NotFound for an unknown commit,
        NotAllowed for a copy. Raises Conflict, naming the files, when the two do not merge.
        """
        ...

    def read(self, project: str, commit: str, path: str) -> bytes:
        """A file of a commit. Raises NotFound when there is no such commit or file."""
        ...

    def checkout(self, project: str, commit: str, folder: str) -> None:
        """Write the clean tree of a commit, without its history, into an empty folder.

        Raises NotFound for an unknown commit, and InvalidProject for one that holds a submodule, a
        symbolic link that leads out of it, or a name that is not UTF-8.
        """
        ...


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where git, programs and people find a repository."""

    git: str
    api: str
    web: str


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """How a commit came to a branch: the request that was merged, and who approved just what was merged.

    `branch` is empty when no merged request brought it there. The author's own approval is left out.
    """

    branch: str = ""
    approvals: tuple[str, ...] = ()
    link: str = ""


class MergeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An open request to merge a branch: the commit that it would merge, and who approved just that.

    The author's own approval is left out.
    """

    number: int
    head: str
    approvals: tuple[str, ...] = ()
    link: str = ""


class Merging(Protocol):
    """How an outside forge is asked to merge. Raises as `Host`."""

    def request(self, upstream: Upstream, token: str, branch: str, into: str) -> MergeRequest:
        """The open request to merge a branch into another. Raises NotFound when there is none."""
        ...

    def merge(self, upstream: Upstream, token: str, request: MergeRequest) -> None:
        """Merge a request, if its branch still is where it was seen.

        Raises Conflict where the forge does not merge it, with its reason.
        """
        ...


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue: where it is found, and what it says."""

    link: str
    text: str


class Issuing(Protocol):
    """How an outside forge keeps issues. Raises as `Host`."""

    def issues(self, upstream: Upstream, token: str, since: datetime) -> Iterable[Issue]:
        """Issues, also closed ones, that were opened or changed since then."""
        ...

    def open_issue(self, upstream: Upstream, token: str, title: str, text: str) -> str:
        """Open an issue; gives its address."""
        ...


class Host(Merging, Issuing, Protocol):
    """How an outside forge speaks beside git. Raises Busy, Unavailable, NotAllowed or NotFound."""

    def addresses(self, repository: str, url: str) -> Addresses:
        """Where a repository is found on the forge at `url`, or on the public one."""
        ...

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        """Whether a webhook was signed with the secret; `now` is in seconds since 1970."""
        ...

    def delivery(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        """The number of a webhook and its kind. Names of headers are in lower case."""
        ...

    def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
        """How a commit came to the branch `into`, asked of the forge itself."""
        ...

    def tell(self, upstream: Upstream, token: str, status: CommitStatus, link: str) -> None:
        """Show a status at a commit; telling it again changes nothing."""
        ...

    def commit_link(self, upstream: Upstream, commit: str) -> str:
        """The page of a commit."""
        ...
