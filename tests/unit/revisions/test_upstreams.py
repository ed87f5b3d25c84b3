# ruff: noqa: ARG002 - the signatures of the port
"""Repositories elsewhere: webhooks that are believed or not, lost or late, and forges that are down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.adapters.secrets.keyfile import KeyFile
from penstock.core.errors import Busy, Conflict, Corrupt, InvalidValue, NotAllowed, NotFound, Unavailable
from penstock.deployments.decide import arrives
from penstock.lineage.secrets import Secrets
from penstock.lineage.types import Secret
from penstock.revisions.config import EnvironmentConfig
from penstock.revisions.looking import EVERY, FIRST, LONGEST, rest
from penstock.revisions.merging import MergeRequests
from penstock.revisions.ports import Addresses, MergeRequest, Review
from penstock.revisions.service import Revisions
from penstock.revisions.statuses import tell
from penstock.revisions.types import Branch, CommitStatus, Delivery, Project, Revision, Upstream
from penstock.revisions.upstreams import Upstreams
from penstock.testing.fakes import FixedClock, MemoryStore
from penstock.testing.forges import FakeForge

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILES = {
    "penstock.toml": b'[project]\nname = "flights"\n[environments.test]\ndeploy = {on="push", branch="dev"}\n'
}
STAGING = EnvironmentConfig(name="staging", on="merge", branch="main", approvals=1)
TOKEN, SECRET = "the-token-of-the-forge", "the-secret-of-webhooks"


class Host:
    """A forge that says what it is told to say, or fails."""

    def __init__(self) -> None:
        self.said: Review | Exception = Review()
        self.fails: Exception | None = None
        self.told: list[tuple[str, str, str]] = []
        self.asked = 0
        self.open: MergeRequest | None = None
        self.merges: Callable[[], object] = lambda: None

    def addresses(self, repository: str, url: str) -> Addresses:
        return Addresses(git=repository, api=f"api:{repository}", web=f"https://forge.example/{repository}")

    def authentic(self, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
        return headers.get("secret") == secret

    def delivery(self, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
        return headers["number"], "push"

    def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
        assert token == TOKEN
        self.asked += 1
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def request(self, upstream: Upstream, token: str, branch: str, into: str) -> MergeRequest:
        if self.open is None:
            raise NotFound(what=f"There is no open request to merge {branch}.")
        return self.open

    def merge(self, upstream: Upstream, token: str, request: MergeRequest) -> None:
        assert (token, request) == (TOKEN, self.open)
        self.merges()

    def tell(self, upstream: Upstream, token: str, status: CommitStatus, link: str) -> None:
        if self.fails:
            raise self.fails
        self.told.append((status.commit, status.state, link))

    def commit_link(self, upstream: Upstream, commit: str) -> str:
        return f"{upstream.web}/commit/{commit}"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.forge, self.there, self.host = MemoryStore(), FakeForge(), FakeForge(), Host()
        self.machine = FixedClock(NOW)
        self.there.create("elsewhere", protected="main")
        self.forge.elsewhere["team/flights"] = self.there
        self.revive()

    def revive(self) -> None:
        """What a process has that starts on the same store."""
        hosts, secrets = {"fake": self.host}, Secrets(KeyFile(self.folder / "secrets.key"))
        requests = MergeRequests(self.store, hosts, secrets, machine=self.machine)
        self.revisions = Revisions(self.store, self.forge, FixedClock(NOW), hosts, requests)
        self.upstreams = Upstreams(
            self.store,
            self.forge,
            hosts,
            secrets,
            FixedClock(NOW),
            address=lambda: "http://penstock.example/",
            machine=self.machine,
        )

    def connect(self, forge: str = "fake", **said: str) -> Project:
        asked = {"repository": "team/flights", "token": TOKEN, "secret": SECRET} | said
        return self.upstreams.connect("flights", "/data", "ada", forge=forge, **asked)

    def knock(self, number: str, secret: str = SECRET) -> bool:
        return self.upstreams.receive("flights", {"secret": secret, "number": number}, b"{}")

    def push(self, **files: bytes) -> str:
        return self.there.push("elsewhere", "dev", {**FILES, **files})

    def merge(self, commit: str) -> str:
        return self.there.merge("elsewhere", commit=commit, into="main", actor="ada", message="Merge")

    def tick(self, seconds: float = 0.0) -> None:
        self.machine.set(self.machine.now() + timedelta(seconds=seconds))
        self.upstreams.tick(NOW)
        self.revisions.tick(NOW)

    def find(self, kind: Any, **where: Any) -> list[Any]:
        with self.store.read() as reader:
            return list(reader.find(kind, **where))

    def branch(self, name: str) -> Branch:
        [branch] = self.find(Branch, name=name)
        return branch

    @property
    def upstream(self) -> Upstream:
        [upstream] = self.find(Upstream)
        return upstream


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def lag(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the looks."""
    looks: list[str] = []
    fetch = FakeForge.fetch

    def counted(self: FakeForge, project: str, address: str, token: str) -> None:
        looks.append(token)
        fetch(self, project, address, token)

    monkeypatch.setattr(FakeForge, "fetch", counted)
    return looks


def test_a_push_elsewhere_is_a_revision_with_its_page(world: World) -> None:
    world.connect()
    commit = world.push()
    world.tick()
    [revision] = world.find(Revision)
    assert (revision.commit, revision.link) == (commit, f"https://forge.example/team/flights/commit/{commit}")


def test_secrets_are_sealed_and_nowhere_else(world: World) -> None:
    world.connect()
    with world.store.read() as reader:
        everything = [reader.find(kind) for kind in (Project, Upstream, Secret)] + [reader.events()]
    kept = msgspec.json.encode(everything).decode()
    assert TOKEN not in kept
    assert SECRET not in kept
    assert (world.folder / "secrets.key").stat().st_mode & 0o777 == 0o600
    (world.folder / "secrets.key").unlink()
    with pytest.raises(Corrupt):
        world.knock("1")


def test_a_secret_under_another_name_is_not_opened(tmp_path: Path) -> None:
    seal = KeyFile(tmp_path / "key")
    assert seal.open("a", seal.close("a", "text")) == "text"
    for spoiled in (seal.close("b", "text"), "", "?", "AAAA"):
        with pytest.raises(Corrupt):
            seal.open("a", spoiled)


def test_what_cannot_be_connected_leaves_nothing(world: World) -> None:
    for said in (
        {"forge": "githup"},
        {"repository": "../etc"},
        {"repository": "team/gone"},
        {"url": "ftp://x"},
        {"forge": "git", "repository": "https://ada:pw@example.org/x.git"},
        {"forge": "git", "repository": "ext::sh -c true"},
        {"forge": "git", "repository": "--upload-pack=true"},
        {"folder": "../x"},
    ):
        with pytest.raises((InvalidValue, Unavailable)):
            world.connect(**said)
    assert [world.find(kind) for kind in (Project, Upstream, Secret)] == [[], [], []]
    world.revisions.connect("flights", "/data", "ada")
    with pytest.raises(Conflict):
        world.connect()


def test_a_webhook_is_a_knock_and_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.connect()
    world.tick()
    looks = lag(world, monkeypatch)
    assert world.knock("1")
    world.tick(1)
    world.tick(1)
    assert not world.knock("1")  # sent again, or replayed
    world.tick(1)
    assert looks == [TOKEN]
    assert len(world.find(Delivery)) == 1


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_forged_webhook_is_refused_and_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    world.connect()
    world.tick()
    looks = lag(world, monkeypatch)
    with pytest.raises(NotAllowed):
        world.knock("1", secret)
    world.tick(1)
    assert looks == []
    assert world.find(Delivery) == []
    with pytest.raises(NotFound):
        world.upstreams.receive("unknown", {}, b"")


def test_without_a_secret_no_webhook_is_believed(world: World) -> None:
    world.connect(secret="")
    for secret in ("", SECRET):
        with pytest.raises(NotAllowed):
            world.knock("1", secret)


def test_a_knock_during_a_look_is_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.connect()
    fetch = FakeForge.fetch
    pushed: list[str] = []

    def pushed_meanwhile(self: FakeForge, *asked: str) -> None:
        fetch(self, *asked)
        self._repositories["flights"] = msgspec.structs.replace(  # what was fetched does not change by itself
            self._repositories["flights"], branches=dict(self._repositories["flights"].branches)
        )
        if not pushed:
            pushed.append(world.push())
            world.machine.set(world.machine.now() + timedelta(seconds=1))
            world.knock("1")

    monkeypatch.setattr(FakeForge, "fetch", pushed_meanwhile)
    world.tick()
    assert world.find(Revision) == []
    world.tick(1)
    assert [revision.commit for revision in world.find(Revision)] == pushed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.lists(
        st.one_of(
            st.just("push"),
            st.just("down"),
            st.just("up"),
            st.just("die"),
            st.integers(1, 4),
            st.just("forged"),
            st.floats(0.1, 40.0),
        ),
        max_size=20,
    )
)
def test_whatever_becomes_of_webhooks_every_push_is_seen_in_the_end(tmp_path: Path, story: list[Any]) -> None:
    world = World(tmp_path)
    world.connect()
    pushed = [world.push()]
    world.tick()
    for what in story:
        if what == "push":
            pushed.append(world.push(n=b"%d" % len(pushed)))
        elif what in {"down", "up"}:
            world.forge.elsewhere = {"team/flights": world.there} if what == "up" else {}
        elif what == "die":
            world.revive()
        elif what == "forged":
            with pytest.raises(NotAllowed):
                world.knock("9", "wrong")
        elif isinstance(what, int):
            world.knock(str(what))
        else:
            world.tick(what)
    world.forge.elsewhere = {"team/flights": world.there}
    world.tick(LONGEST.total_seconds())
    world.tick(EVERY.total_seconds())
    assert {revision.commit for revision in world.find(Revision)} == set(pushed)
    assert [branch.commit for branch in world.find(Branch)] == pushed[-1:]


def test_nothing_is_promoted_before_the_forge_has_said_who_approved_it(world: World) -> None:
    world.connect()
    commit = world.merge(world.push())
    world.host.said = Unavailable(what="forge.example does not answer in time.")
    world.tick()
    world.tick()
    main = world.branch("main")
    assert main.waits == "fake did not say who approved it: forge.example does not answer in time."
    assert not arrives(STAGING, main, [])
    asked = world.host.asked
    world.tick()
    assert world.host.asked == asked  # it is left alone for a while
    world.host.said = Review(branch="dev", approvals=("grace",), link="https://forge.example/pull/1")
    world.tick(FIRST.total_seconds())
    main = world.branch("main")
    assert (main.commit, main.approvals, main.merged_from, main.waits) == (commit, ("grace",), "dev", "")
    assert arrives(STAGING, main, [])
    asked = world.host.asked
    world.tick(LONGEST.total_seconds())
    assert world.host.asked == asked
    with world.store.read() as reader:
        [event] = reader.events(kind="branch.reviewed")
    assert (main.event, event.evidence["approvals"]) == (event.id, ["grace"])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Review(), "no merged request brought"),
        (Review(branch="dev", link="https://forge.example/pull/1"), "nobody approved what https"),
    ],
)
def test_an_unapproved_move_of_main_goes_nowhere_and_says_why(world: World, said: Review, why: str) -> None:
    world.connect()
    world.merge(world.push())
    world.host.said = said
    world.tick()
    world.tick()
    main = world.branch("main")
    assert why in main.waits
    assert not arrives(STAGING, main, [])


def test_an_answer_about_a_commit_that_main_has_left_is_dropped(world: World) -> None:
    world.connect()
    world.merge(world.push())
    world.tick()

    class Late(Host):
        def review(self, upstream: Upstream, token: str, commit: str, into: str) -> Review:
            world.merge(world.push(later=b"1"))
            world.revisions.tick(NOW)
            return Review(branch="dev", approvals=("grace",))

    world.upstreams._hosts = {"fake": Late()}
    world.upstreams.tick(NOW)
    main = world.branch("main")
    assert main.approvals == ()
    assert main.waits


def test_a_project_that_is_reviewed_elsewhere_is_not_approved_or_merged_here(world: World) -> None:
    world.connect()
    world.push()
    world.tick()
    with pytest.raises(NotAllowed, match=r"reviewed at https://forge\.example"):
        world.revisions.approve("flights", "dev", "grace")


def test_what_only_git_knows_is_merged_elsewhere(world: World) -> None:
    world.forge.elsewhere["/srv/flights.git"] = world.there
    world.connect("git", repository="/srv/flights.git")
    world.push()
    world.tick()
    with pytest.raises(NotAllowed, match="merged where it comes from"):
        world.revisions.merge("flights", "dev", "ada", lambda _commit: True)


MERGED = {"penstock.toml": FILES["penstock.toml"] + b'[environments.staging]\ndeploy = {on = "merge"}\n'}


def test_a_merge_is_done_at_the_forge_and_believed_when_it_says_so(world: World) -> None:
    world.connect()
    commit = world.push(**MERGED)
    world.tick()
    merge = partial(world.revisions.merge, "flights", "dev", "katherine")
    with pytest.raises(NotFound, match="no open request"):
        merge(lambda _commit: True)
    link = "https://forge.example/7"
    world.host.open = MergeRequest(number=7, head=commit, link=link)
    with pytest.raises(
        NotAllowed, match=r"0 of 1 approvals and no build .* Approve it at https://forge\.example/7"
    ):
        merge(lambda _commit: False)
    world.host.open = MergeRequest(number=7, head="f" * 40, approvals=("grace",), link=link)
    with pytest.raises(Conflict, match="dev has moved on at fake"):
        merge(lambda _commit: True)
    world.host.open = MergeRequest(number=7, head=commit, approvals=("grace",), link=link)
    world.host.merges = lambda: world.merge(commit)
    world.host.said = Unavailable(what="The forge is down.")
    merge(lambda _commit: True)
    world.tick()
    main = world.branch("main")
    assert (main.commit, main.approvals, arrives(STAGING, main, [])) == (commit, (), False)
    world.host.said = Review(branch="dev", approvals=("grace",), link=link)
    world.tick(LONGEST.total_seconds())
    assert arrives(STAGING, world.branch("main"), [])
    with world.store.read() as reader:
        [asked] = reader.events(kind="merge.asked")
        assert [event.actor for event in reader.events(subject="branch:main", kind="branch.moved")] == [
            asked.actor
        ]


def test_where_only_git_is_spoken_approvals_are_given_here(world: World) -> None:
    world.forge.elsewhere["/srv/flights.git"] = world.there
    world.connect("git", repository="/srv/flights.git")
    world.merge(world.push())
    world.tick()
    assert not arrives(STAGING, world.branch("main"), [])
    world.revisions.approve("flights", "main", "grace")
    assert world.branch("main").approvals == ("grace",)
    assert arrives(STAGING, world.branch("main"), [])
    world.merge(world.push(more=b"1"))
    world.tick(EVERY.total_seconds())
    assert world.branch("main").approvals == ()


def told(world: World, state: Any) -> None:
    with world.store.begin() as tx:
        tell(tx, "flights", "c" * 40, state=state, description="", path="/builds/1")


def test_a_status_is_told_until_the_forge_has_taken_it_also_after_a_kill(world: World) -> None:
    world.connect()
    told(world, "pending")
    world.host.fails = Busy(what="later", seconds=100)
    world.tick()
    world.revive()
    world.host.fails = None
    world.tick(99)
    assert world.host.told == []
    world.tick(1)
    assert world.host.told == [("c" * 40, "pending", "http://penstock.example/builds/1")]
    world.tick(1000)
    told(world, "pending")
    world.tick(1000)
    assert len(world.host.told) == 1
    told(world, "success")
    world.tick()
    assert [state for _, state, _ in world.host.told] == ["pending", "success"]


def test_what_changed_while_it_was_told_is_told_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.connect()
    told(world, "pending")
    first = Host.tell

    def slowly(self: Host, *said: Any) -> None:
        first(self, *said)
        if len(self.told) == 1:
            told(world, "success")

    monkeypatch.setattr(Host, "tell", slowly)
    world.tick()
    world.tick()
    assert [state for _, state, _ in world.host.told] == ["pending", "success"]


def test_a_project_of_ones_own_tells_nobody(world: World) -> None:
    world.revisions.connect("flights", "/data", "ada")
    told(world, "success")
    assert world.find(CommitStatus) == []


def test_rests_grow_to_an_hour_and_are_as_long_as_asked() -> None:
    rests = [rest(failures) for failures in range(1, 40)]
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (FIRST, LONGEST)
    assert rest(1, 600.0) == timedelta(seconds=600)
