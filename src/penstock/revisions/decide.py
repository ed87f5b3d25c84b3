"""Pure decisions of source control: which heads are new, and what stands against a merge."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.events import Event
from penstock.revisions.config import ProjectConfig
from penstock.revisions.types import Branch, Head

SHOWN = 10
"""Digits of a commit that are shown."""


def moved(known: Sequence[Branch], heads: Sequence[Head]) -> list[Head]:
    """The heads whose branch is new or stood elsewhere."""
    commits = {branch.name: branch.commit for branch in known}
    return [head for head in heads if commits.get(head.branch) != head.commit]


def gone(known: Sequence[Branch], heads: Sequence[Head]) -> list[Branch]:
    """The branches that have no head any more."""
    there = {head.branch for head in heads}
    return [branch for branch in known if branch.name not in there]


def same_person(actor: str, author: str) -> bool:
    """Whether a name is that of an author, who is written `Name <address>`."""
    name, _, address = author.rstrip(">").partition("<")
    address = address.strip()
    names = {author, name.strip(), address, address.partition("@")[0]}
    return actor.strip().casefold() in {known.casefold() for known in names if known}


def merge_of(head: Head, asked: Sequence[Event]) -> Event | None:
    """The merge that brought a head to its branch, of those that were asked for; None for a move without one.

    A server's merge leaves the commit itself there, or one that has it as its second parent.
    """
    brought = {head.commit, *head.parents[1:]}
    return next((event for event in reversed(asked) if event.evidence["commit"] in brought), None)


def approvals_needed(config: ProjectConfig, branch: str) -> int:
    """How many approvals a merge into `branch` needs: the most that any environment behind it asks for."""
    return max(
        (e.approvals for e in config.environments if e.on == "merge" and e.branch == branch), default=0
    )


def objections(
    commit: str, *, needed: int, approvals: Sequence[str], green: bool, link: str = ""
) -> list[tuple[str, str]]:
    """What stands against merging a commit: what was found, and what to do about it.

    `link` is where it is approved, empty for here.
    """
    against = []
    if len(approvals) < needed:
        by = f" ({', '.join(approvals)})" if approvals else ""
        against.append(
            (
                f"{len(approvals)} of {needed} approvals{by}",
                f"Approve it at {link}." if link else f"Approve it with: penstock approve {commit[:SHOWN]}.",
            )
        )
    if not green:
        against.append(("no build of it that passed", "See penstock builds."))
    return against
