"""Projects are connected, commits seen, approved and merged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.revisions.service import Revisions
from penstock.revisions.types import Approval, Branch, Project, Revision
from penstock.testing.fakes import FixedClock, MemoryStore
from penstock.testing.forges import FakeForge

NOW = datetime(2013, 3, 1, tzinfo=UTC)


def project_files(approvals: int = 1, **files: bytes) -> dict[str, bytes]:
    staging = f'[environments.staging]\ndeploy = {{ on = "merge", approvals = {approvals} }}\n'
    return {"penstock.toml": f'[project]\nname = "flights"\n{staging}'.encode(), **files}


def green(_commit: str) -> bool:
    return True


def red(_commit: str) -> bool:
    return False


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def forge() -> FakeForge:
    return FakeForge()


@pytest.fixture
def revisions(store: MemoryStore, forge: FakeForge) -> Revisions:
    revisions = Revisions(store, forge, FixedClock(NOW))
    revisions.connect("flights", "/data", "ada")
    return revisions


def found(store: MemoryStore, kind: Any, **where: Any) -> list[Any]:
    with store.read() as reader:
        return list(reader.find(kind, **where))


def events(store: MemoryStore, **where: Any) -> list[Event]:
    with store.read() as reader:
        return reader.events(**where)


def test_connecting_again_changes_only_the_data_root(store: MemoryStore, revisions: Revisions) -> None:
    revisions.connect("flights", "/data", "ada")
    assert revisions.connect("flights", "/elsewhere", "grace").created == NOW
    assert [p.data_root for p in found(store, Project)] == ["/elsewhere"]
    assert [e.actor for e in events(store, kind="project.connected")] == ["ada", "grace"]


@pytest.mark.parametrize(("name", "root"), [("a b", "/data"), ("flights", "data")])
def test_an_impossible_project_leaves_nothing(
    store: MemoryStore, forge: FakeForge, name: str, root: str
) -> None:
    with pytest.raises(InvalidValue):
        Revisions(store, forge, FixedClock()).connect(name, root, "ada")
    assert found(store, Project) == []
    assert events(store) == []


def test_a_push_is_seen_once(store: MemoryStore, forge: FakeForge, revisions: Revisions) -> None:
    commit = forge.push("flights", "dev", project_files(), message="First")
    assert revisions.tick(NOW)
    assert not revisions.tick(NOW)
    [revision] = found(store, Revision)
    assert (revision.commit, revision.author, revision.message) == (commit, "Ada <ada@example.org>", "First")
    [branch] = found(store, Branch)
    assert (branch.name, branch.commit, branch.merged_from) == ("dev", commit, "")
    seen, moved = events(store)[1:]
    assert (moved.kind, moved.cause, branch.event) == ("branch.moved", seen.id, moved.id)


def test_a_deleted_branch_is_gone_until_it_is_pushed_again(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    forge.push("flights", "dev", project_files())
    forge.push("flights", "other", project_files())
    revisions.tick(NOW)
    [other] = found(store, Branch, name="other")
    forge.delete("flights", "other")
    assert revisions.tick(NOW)
    assert not revisions.tick(NOW)
    [gone] = events(store, kind="branch.deleted")
    assert (gone.subject, gone.evidence["merged"], gone.cause) == ("branch:other", False, other.event)
    assert [b.name for b in found(store, Branch, deleted=None)] == ["dev"]
    with pytest.raises(NotFound, match="no branch 'other'"):
        revisions.merge("flights", "other", "ada", green)
    forge.push("flights", "other", project_files())
    assert revisions.tick(NOW)
    [again] = found(store, Branch, name="other")
    assert (again.deleted, again.commit) == (None, other.commit)


def test_a_branch_is_merged_while_main_holds_its_newest_commit(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    for branch in ("one", "two"):
        forge.push("flights", branch, project_files(approvals=0, **{branch: b""}))
        assert revisions.tick(NOW)
        revisions.merge("flights", branch, "ada", green) if branch == "one" else None
    forge.push("flights", "one", project_files(approvals=0, one=b"more"))
    revisions.tick(NOW)
    assert [b.merged for b in found(store, Branch)] == [0, 0, 0]
    revisions.merge("flights", "one", "ada", green)
    [main] = found(store, Branch, name="main")
    assert {b.name: b.merged for b in found(store, Branch)} == {"one": main.event, "main": 0, "two": 0}


def test_a_commit_on_two_branches_is_one_revision(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    forge.push("flights", "dev", project_files())
    forge.push("flights", "other", project_files())
    revisions.tick(NOW)
    assert len(found(store, Revision)) == 1
    assert len(found(store, Branch)) == 2


@pytest.mark.parametrize("digits", [40, 10, 4])
def test_approving_twice_is_one_approval(
    store: MemoryStore, forge: FakeForge, revisions: Revisions, digits: int
) -> None:
    commit = forge.push("flights", "dev", project_files())
    first = revisions.approve("flights", commit[:digits], "grace")
    assert first.commit == commit
    assert revisions.approve("flights", "dev", "grace") == first
    assert len(found(store, Approval)) == 1


def test_what_cannot_be_approved_is_refused(forge: FakeForge, revisions: Revisions) -> None:
    forge.push("flights", "dev", project_files())
    with pytest.raises(NotFound, match="Did you mean `dev`"):
        revisions.approve("flights", "devv", "grace")
    with pytest.raises(NotFound):
        revisions.approve("other", "dev", "grace")
    with pytest.raises(NotFound):
        revisions.approve("flights", "", "grace")
    with pytest.raises(InvalidValue):
        revisions.approve("flights", "dev", " ")


def test_an_approved_green_commit_is_merged(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    commit = forge.push("flights", "dev", project_files())
    revisions.approve("flights", commit, "grace")
    main = revisions.merge("flights", "dev", "ada", green)
    assert (main.name, main.commit, main.merged_from, main.approvals) == ("main", commit, "dev", ("grace",))
    assert revisions.merge("flights", "dev", "ada", green) == main
    [asked] = events(store, kind="merge.asked")
    assert events(store, kind="branch.moved")[-1].cause == asked.id
    [dev] = found(store, Branch, name="dev")
    assert (asked.cause, asked.actor) == (dev.event, "ada")


def test_a_merge_is_refused_with_everything_that_is_missing(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    commit = forge.push("flights", "dev", project_files(approvals=2))
    revisions.approve("flights", commit, "grace")
    with pytest.raises(NotAllowed) as refused:
        revisions.merge("flights", "dev", "ada", red)
    assert str(refused.value) == (
        f"dev ({commit[:10]}) cannot be merged into main yet: found 1 of 2 approvals (grace) and no build "
        f"of it that passed. Approve it with: penstock approve {commit[:10]}. See penstock builds."
    )
    assert [head.branch for head in forge.heads("flights")] == ["dev"]
    assert events(store, kind="merge.asked") == []


def test_an_approval_is_of_one_commit_only(forge: FakeForge, revisions: Revisions) -> None:
    revisions.approve("flights", forge.push("flights", "dev", project_files()), "grace")
    forge.push("flights", "dev", project_files(new=b"later"))
    with pytest.raises(NotAllowed, match="0 of 1 approvals"):
        revisions.merge("flights", "dev", "ada", green)


def test_a_branch_cannot_lower_the_bar_for_its_own_merge(forge: FakeForge, revisions: Revisions) -> None:
    forge.push("flights", "dev", project_files())
    revisions.approve("flights", "dev", "grace")
    revisions.merge("flights", "dev", "ada", green)
    forge.push("flights", "dev", project_files(approvals=0))
    with pytest.raises(NotAllowed, match="0 of 1 approvals"):
        revisions.merge("flights", "dev", "ada", green)


def test_a_conflict_leaves_main_where_it_was(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    forge.push("flights", "dev", project_files(0))
    revisions.merge("flights", "dev", "ada", green)
    forge.push("flights", "left", project_files(0, notes=b"left"))
    forge.push("flights", "right", project_files(0, notes=b"right"))
    left = revisions.merge("flights", "left", "ada", green)
    with pytest.raises(Conflict, match="notes"):
        revisions.merge("flights", "right", "ada", green)
    assert found(store, Branch, name="main") == [left]


def test_what_cannot_be_merged_is_refused(forge: FakeForge, revisions: Revisions) -> None:
    forge.push("flights", "dev", project_files(0))
    revisions.merge("flights", "dev", "ada", green)
    with pytest.raises(NotFound, match="Did you mean `dev`"):
        revisions.merge("flights", "de", "ada", green)
    with pytest.raises(InvalidValue, match="into itself"):
        revisions.merge("flights", "main", "ada", green)


def test_a_merge_that_died_before_it_was_recorded_is_seen_with_its_approvals(
    store: MemoryStore, forge: FakeForge, revisions: Revisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = forge.push("flights", "dev", project_files())
    revisions.approve("flights", commit, "grace")
    merge = FakeForge.merge

    def merge_and_die(self: FakeForge, project: str, **asked: Any) -> str:
        merge(self, project, **asked)
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeForge, "merge", merge_and_die)
    with pytest.raises(KeyboardInterrupt):
        revisions.merge("flights", "dev", "ada", green)
    Revisions(store, forge, FixedClock(NOW)).tick(NOW)
    [main] = found(store, Branch, name="main")
    assert (main.commit, main.merged_from, main.approvals) == (commit, "dev", ("grace",))


@pytest.mark.parametrize("name", ["Ada", "ada", "ada@example.org", "Ada <ada@example.org>"])
def test_nobody_approves_their_own_work(forge: FakeForge, revisions: Revisions, name: str) -> None:
    forge.push("flights", "dev", project_files())
    with pytest.raises(NotAllowed, match="nobody approves their own work"):
        revisions.approve("flights", "dev", name)


def test_an_approval_is_withdrawn_when_the_branch_moves_and_does_not_come_back_with_it(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    first = forge.push("flights", "dev", project_files())
    revisions.approve("flights", "dev", "grace")
    forge.push("flights", "dev", project_files(new=b"later"))
    revisions.tick(NOW)
    [withdrawn] = events(store, kind="approval.withdrawn")
    assert withdrawn.subject == f"revision:{first}"
    forge._repository("flights").branches["dev"] = first
    with pytest.raises(NotAllowed, match="0 of 1 approvals"):
        revisions.merge("flights", "dev", "ada", green)
    revisions.approve("flights", "dev", "grace")
    assert revisions.merge("flights", "dev", "ada", green).approvals == ("grace",)


def test_an_approval_that_was_merged_is_not_withdrawn(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    forge.push("flights", "dev", project_files())
    revisions.approve("flights", "dev", "grace")
    revisions.merge("flights", "dev", "ada", green)
    forge.push("flights", "dev", project_files(new=b"later"))
    revisions.tick(NOW)
    assert events(store, kind="approval.withdrawn") == []


def test_a_move_of_main_that_no_merge_made_has_no_approvals(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    forge.push("flights", "dev", project_files())
    revisions.approve("flights", "dev", "grace")
    revisions.merge("flights", "dev", "ada", green)
    other = forge.push("flights", "other", project_files(new=b"smuggled"))
    forge._repository("flights").branches["main"] = other
    revisions.tick(NOW)
    [main] = found(store, Branch, name="main")
    assert (main.commit, main.approvals, main.merged_from) == (other, (), "")


def test_of_ten_pushes_in_a_moment_the_newest_is_a_head_and_none_is_lost(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    first = forge.push("flights", "dev", project_files())
    revisions.tick(NOW)
    pushed = [forge.push("flights", "dev", project_files(n=b"%d" % n)) for n in range(10)]
    assert revisions.tick(NOW)
    assert not revisions.tick(NOW)
    seen = {revision.commit: revision.superseded for revision in found(store, Revision)}
    assert seen == {first: "", **dict.fromkeys(pushed[:-1], pushed[-1]), pushed[-1]: ""}


def test_where_each_is_to_be_built_a_branch_goes_on_by_one_commit_at_a_time(
    store: MemoryStore, forge: FakeForge, revisions: Revisions
) -> None:
    each = project_files()["penstock.toml"].replace(b'name = "flights"', b'name = "flights"\nbuilds = "each"')
    forge.push("flights", "dev", {"penstock.toml": each})
    revisions.tick(NOW)
    pushed = [forge.push("flights", "dev", {"penstock.toml": each, "n": b"%d" % n}) for n in range(10)]
    stood = []
    while revisions.tick(NOW):
        stood += [branch.commit for branch in found(store, Branch)]
    assert stood == pushed
    assert {revision.superseded for revision in found(store, Revision)} == {""}
