"""What is kept when a branch is seen to stand elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from penstock.core.events import Event
from penstock.lineage.ports import Reader, Transaction
from penstock.revisions.decide import merge_of
from penstock.revisions.types import Approval, Branch, Head, Project, Revision, Upstream


@dataclass(frozen=True)
class Elsewhere:
    """A repository outside from which commits come: their pages, and whether its forge knows approvals."""

    upstream: Upstream
    link: Callable[[str], str]
    reviews: bool


def record(
    tx: Transaction,
    project: Project,
    head: Head,
    now: datetime,
    *,
    passed: Sequence[Head] = (),
    elsewhere: Elsewhere | None = None,
) -> None:
    """Keep the revision if it is new, and where the branch stands now.

    The branch `passed` other commits on its way, which the head supersedes.
    """
    for earlier in passed:
        at = replace(earlier, branch=head.branch)
        _seen(tx, project, at, now, elsewhere, superseded=head.commit)
    revision = _seen(tx, project, head, now, elsewhere)
    key = f"{project.id}:{head.branch}"
    before = next(iter(tx.find(Branch, id=key)), None)
    protected = head.branch == project.protected
    merge = merge_of(head, tx.events(kind="merge.asked", project=project.id)) if protected else None
    [event] = tx.publish(
        Event(
            kind="branch.moved",
            subject=f"branch:{head.branch}",
            time=now,
            actor=merge.actor if merge else revision.author,
            project=project.id,
            evidence={
                "commit": head.commit,
                "before": before.commit if before and not before.deleted else "",
            },
            cause=merge.id if merge else revision.event,
        )
    )
    branch = Branch(
        id=key,
        project=project.id,
        name=head.branch,
        commit=head.commit,
        moved=now,
        event=event,
        merged_from=merge.evidence["branch"] if merge else "",
        approvals=tuple(merge.evidence["approvals"]) if merge else (),
    )
    if protected and elsewhere:
        branch = _from_elsewhere(tx, branch, elsewhere)
    if before:
        tx.put(branch)
    else:
        tx.add(branch)
    if before and not protected:
        _withdraw(tx, before, event, now)
    if before and protected:
        brought = {commit for each in (head, *passed) for commit in (each.commit, *each.parents[1:])}
        for other in tx.find(Branch, project=project.id, deleted=None, commit=tuple(sorted(brought))):
            if other.name != head.branch:
                tx.put(replace(other, merged=event))


def forget(tx: Transaction, branch: Branch, now: datetime) -> None:
    """Mark a branch that its forge has no more; what was made of its commits stays."""
    [event] = tx.publish(
        Event(
            kind="branch.deleted",
            subject=f"branch:{branch.name}",
            time=now,
            project=branch.project,
            evidence={"commit": branch.commit, "merged": branch.merged > 0},
            cause=branch.event,
        )
    )
    tx.put(replace(branch, deleted=now, event=event))


def _from_elsewhere(tx: Transaction, branch: Branch, elsewhere: Elsewhere) -> Branch:
    """A protected branch that was moved elsewhere: its forge is asked how, or approvals given here count."""
    if elsewhere.reviews:
        tx.put(replace(tx.get(Upstream, branch.project), asked=0, ask_after=None))
        waits = f"{elsewhere.upstream.forge} has not said yet who approved it"
        return replace(branch, approvals=(), waits=waits)  # also where the merge was asked for here
    return replace(branch, approvals=approvals_of(tx, branch.project, branch.commit))


def approvals_of(tx: Reader, project: str, commit: str) -> tuple[str, ...]:
    """Who said yes to a commit and did not lose it to a later one."""
    given = tx.find(Approval, project=project, commit=commit)
    return tuple(approval.actor for approval in given if approval.withdrawn is None)


def _withdraw(tx: Transaction, before: Branch, moved: int, now: datetime) -> None:
    """Take back the approvals of a commit that its branch has left before it was merged."""
    if any(
        branch.commit == before.commit for branch in tx.find(Branch, project=before.project, deleted=None)
    ):
        return
    asked = tx.events(kind="merge.asked", project=before.project)
    if any(event.evidence["commit"] == before.commit for event in asked):
        return
    for approval in tx.find(Approval, project=before.project, commit=before.commit):
        if approval.withdrawn:
            continue
        [event] = tx.publish(
            Event(
                kind="approval.withdrawn",
                subject=f"revision:{before.commit}",
                time=now,
                project=before.project,
                evidence={"actor": approval.actor, "branch": before.name},
                cause=moved,
            )
        )
        tx.put(replace(approval, withdrawn=now, event=event))


def supersede(tx: Transaction, project: str, commit: str, by: str) -> None:
    """Tell of a revision that it is not built, as the branch has moved on to another commit."""
    for revision in tx.find(Revision, id=f"{project}:{commit}"):
        tx.put(replace(revision, superseded=by))


def _seen(
    tx: Transaction,
    project: Project,
    head: Head,
    now: datetime,
    elsewhere: Elsewhere | None,
    *,
    superseded: str = "",
) -> Revision:
    key = f"{project.id}:{head.commit}"
    known = tx.find(Revision, id=key)
    if known:
        if known[0].superseded and not superseded:  # a branch has come back to it
            tx.put(replace(known[0], superseded=""))
        return known[0]
    evidence = {"branch": head.branch, "message": head.message}
    [event] = tx.publish(
        Event(
            kind="revision.seen",
            subject=f"revision:{head.commit}",
            time=now,
            actor=head.author,
            project=project.id,
            evidence=evidence | ({"superseded": superseded} if superseded else {}),
        )
    )
    revision = Revision(
        id=key,
        project=project.id,
        commit=head.commit,
        branch=head.branch,
        author=head.author,
        message=head.message,
        seen=now,
        event=event,
        link=elsewhere.link(head.commit) if elsewhere else "",
        superseded=superseded,
    )
    tx.add(revision)
    return revision
