"""What is kept when a branch is seen to stand elsewhere."""

from __future__ import annotations

from datetime import datetime

from penstock.core.events import Event
from penstock.lineage.ports import Transaction
from penstock.revisions.types import Branch, Head, Project, Revision


def record(tx: Transaction, project: Project, head: Head, now: datetime) -> None:
    """Keep the revision if it is new, and where the branch stands now."""
    revision = _seen(tx, project, head, now)
    asked = tx.events(kind="merge.asked", project=project.id) if head.branch == project.protected else []
    merge = asked[-1] if asked else None
    key = f"{project.id}:{head.branch}"
    before = tx.find(Branch, id=key)
    [event] = tx.publish(
        Event(
            kind="branch.moved",
            subject=f"branch:{head.branch}",
            time=now,
            actor=merge.actor if merge else revision.author,
            project=project.id,
            evidence={"commit": head.commit, "before": before[0].commit if before else ""},
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
    if before:
        tx.put(branch)
    else:
        tx.add(branch)


def _seen(tx: Transaction, project: Project, head: Head, now: datetime) -> Revision:
    key = f"{project.id}:{head.commit}"
    known = tx.find(Revision, id=key)
    if known:
        return known[0]
    [event] = tx.publish(
        Event(
            kind="revision.seen",
            subject=f"revision:{head.commit}",
            time=now,
            actor=head.author,
            project=project.id,
            evidence={"branch": head.branch, "message": head.message},
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
    )
    tx.add(revision)
    return revision
