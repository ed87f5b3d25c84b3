"""What outside forges are to be told of commits: written with the change that it tells of, sent later."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.lineage.ports import Transaction
from penstock.revisions.types import CommitStatus, State, Upstream

GIT = "git"
"""The kind of an upstream whose host only speaks git."""


def tell(tx: Transaction, project: str, commit: str, *, state: State, description: str, path: str) -> None:
    """Let the forge that a project comes from be told of a commit; a project without one tells nobody.

    `path` is the page of this system that shows more.
    """
    if not any(upstream.forge != GIT for upstream in tx.find(Upstream, id=project)):
        return
    context = f"penstock/{project}"
    status = CommitStatus(
        id=f"{project}:{commit}:{context}",
        project=project,
        commit=commit,
        context=context,
        state=state,
        description=description,
        path=path,
    )
    if not (known := tx.find(CommitStatus, id=status.id)):
        tx.add(status)
    elif replace(known[0], sent=False, attempts=0, not_before=None, problem="") != status:
        tx.put(status)
