"""Pure decisions about repositories outside: when to look, to ask and to try again, and what was found."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from penstock.core.errors import InvalidValue
from penstock.revisions.ports import Review
from penstock.revisions.types import Upstream

EVERY = timedelta(seconds=30)
"""Between two looks that nothing asked for: the longest that a push whose webhook was lost goes unseen."""
FIRST, LONGEST = timedelta(seconds=5), timedelta(hours=1)
"""Rests after the first failure and after many."""
_GIT = re.compile(r"(https?|ssh|file)://[^\s]+|/[^\s]+|[\w.-]+@[\w.-]+:[^\s]+")
_NAMED = re.compile(r"[\w.-]+(/[\w.-]+)+")


def due(upstream: Upstream, now: datetime) -> bool:
    """Whether it is time to look: after a knock that no look has seen, or a while; not during a rest."""
    if upstream.not_before and now < upstream.not_before:
        return False
    if upstream.looked is None or (upstream.knocked and upstream.knocked >= upstream.looked):
        return True
    return now - upstream.looked >= EVERY


def rest(failures: int, asked: float = 0.0) -> timedelta:
    """How long to leave something alone after so many failures; longer if it `asked` for more seconds."""
    grown = FIRST * 2 ** min(failures - 1, 20) if failures else timedelta()
    return max(min(grown, LONGEST), timedelta(seconds=asked))


def objection(review: Review, commit: str, into: str) -> str:
    """What is missing from a review, as a sentence; empty when nothing is."""
    if not review.branch:
        return f"no merged request brought {commit[:10]} to {into}"
    if not review.approvals:
        return f"nobody approved what {review.link} merged, or only its author"
    return ""


def check_address(address: str) -> str:
    """The address of a git repository, itself. Raises InvalidValue; a password in it is refused."""
    if not _GIT.fullmatch(address):
        raise InvalidValue(
            what="This cannot be the address of a repository",
            expected="https://…, ssh://…, user@host:path, or the absolute path of one on this machine",
            found=repr(address),
        )
    if re.match(r"https?://[^/]*@", address):
        raise InvalidValue(
            what="The address of a repository is shown to everyone, and this one holds a name or password.",
            fix="Leave it out, and give it in PENSTOCK_FORGE_TOKEN.",
        )
    return address


def check_repository(repository: str, url: str) -> None:
    """Raises InvalidValue unless this names a repository at a forge, such as `owner/name`, and its URL."""
    if not _NAMED.fullmatch(repository) or ".." in repository:
        raise InvalidValue(
            what="This cannot be the name of a repository", expected="owner/name", found=repr(repository)
        )
    if url and (not re.fullmatch(r"https?://[^\s@?#]+", url)):
        raise InvalidValue(
            what="This cannot be the address of a forge",
            expected="such as https://git.example.org",
            found=repr(url),
        )
