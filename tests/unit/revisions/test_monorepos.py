"""Several projects in one repository: each sees what it is made of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from penstock.builds.service import Builds
from penstock.builds.types import Build
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.revisions.service import Revisions
from penstock.revisions.types import Branch
from penstock.testing.builders import FakeBuilder
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.forges import FakeForge

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STAGING = '[environments.staging]\ndeploy = { on = "merge", approvals = 1 }\n'
DEPENDS = 'depends = ["schemas", "Makefile"]\n'


def entry(name: str, source: str, *needs: str, **more: str) -> str:
    """What a lock says of a package."""
    text = f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ {source} }}\ndependencies = ['
    text += "".join(f'{{ name = "{need}" }}, ' for need in needs) + "]\n"
    return text + "".join(f"{key} = {value}\n" for key, value in more.items())


OWN = [
    entry("flights", 'editable = "."', "shared"),
    entry("shared", 'editable = "../libs/shared"', "deep"),
    entry("deep", 'directory = "../libs/deep"'),
]
WORKSPACE = {
    "shop": entry(
        "shop", 'editable = "shop"', "six", **{"dev-dependencies": '{ dev = [{ name = "near" }] }'}
    ),
    "near": entry("near", 'virtual = "libs/near"'),
    "six": entry("six", 'registry = "https://index.example"'),
    "other": entry("other", 'editable = "other"', "tea"),
    "tea": entry("tea", 'registry = "https://index.example"'),
}
BASE = {
    "flights/penstock.toml": f'[project]\nname = "flights"\n{DEPENDS}{STAGING}'.encode(),
    "flights/uv.lock": "".join(OWN).encode(),
    "shop/penstock.toml": f'[project]\nname = "shop"\n{STAGING}'.encode(),
    "pyproject.toml": b'[tool.uv.workspace]\nmembers = ["shop", "other", "libs/near"]\n',
    "uv.lock": "".join(WORKSPACE.values()).encode(),
}


class World:
    def __init__(self) -> None:
        self.store, self.forge = MemoryStore(), FakeForge()
        self.revisions = Revisions(self.store, self.forge, FixedClock(NOW))
        self.builds = Builds(self.store, MemoryBlobs(), FakeBuilder(room=9))
        self.revisions.connect("flights", "/data", "ada", folder="flights")
        self.revisions.connect("shop", "/data", "ada", repository="flights", folder="shop")
        self.files = dict(BASE)

    def push(self, **files: bytes) -> list[str]:
        """Push these files too; gives the projects that are built for it."""
        self.files |= {name.replace("__", "/"): data for name, data in files.items()}
        commit = self.forge.push("shop", "dev", self.files)
        self.revisions.tick(NOW)
        self.builds.tick(NOW)
        with self.store.read() as reader:
            built = reader.find(Build, commit=commit)
        assert all(build.folder == build.project for build in built)
        return sorted(build.project for build in built)


@pytest.fixture
def world() -> World:
    world = World()
    assert world.push() == ["flights", "shop"]
    return world


@pytest.mark.parametrize(
    ("path", "projects"),
    [
        ("flights__model.py", ["flights"]),
        ("schemas__rows.sql", ["flights"]),
        ("Makefile", ["flights"]),
        ("libs__shared__a.py", ["flights"]),
        ("libs__deep__a.py", ["flights"]),
        ("libs__near__a.py", ["shop"]),
        ("shop__model.py", ["shop"]),
        ("other__a.py", []),
        ("flights-docs__a.md", []),
        ("README.md", []),
    ],
)
def test_a_project_is_built_when_what_it_is_made_of_changed(
    world: World, path: str, projects: list[str]
) -> None:
    """The shop is a member of a workspace; flights has a lock of its own."""
    assert world.push(**{path: b"1"}) == projects


@pytest.mark.parametrize(
    ("member", "projects"), [("tea", []), ("other", []), ("six", ["shop"]), ("near", ["shop"]), ("shop", [])]
)
def test_a_lock_of_many_concerns_whom_the_packages_concern(
    world: World, member: str, projects: list[str]
) -> None:
    """A version of its own is no reason: it stands in the project's folder as well."""
    newer = WORKSPACE | {member: WORKSPACE[member].replace('version = "1"', 'version = "2"')}
    assert world.push(**{"uv.lock": "".join(newer.values()).encode()}) == projects


@pytest.mark.parametrize(
    ("added", "projects"),
    [(b"[tool.black]\n", []), (b'[tool.uv]\nconstraint-dependencies = ["six<2"]\n', ["shop"])],
)
def test_settings_at_the_root_of_a_workspace_concern_its_members(
    world: World, added: bytes, projects: list[str]
) -> None:
    assert world.push(**{"pyproject.toml": BASE["pyproject.toml"] + added}) == projects


def test_without_a_lock_everything_concerns_a_project(world: World) -> None:
    del world.files["flights/uv.lock"]
    assert world.push() == ["flights"]
    assert world.push(README=b"1") == ["flights"]


def test_what_was_passed_over_is_not_looked_at_again_and_is_part_of_the_next_difference(
    world: World,
) -> None:
    assert world.push(README=b"1") == []
    assert world.push(README=b"2") == []
    assert world.push(flights__model=b"1") == ["flights"]
    with world.store.read() as reader:
        heads = {b.project: b.commit for b in reader.find(Branch, name="dev")}
    assert heads["flights"] != heads["shop"]
    assert world.push(README=b"3", shop__model=b"1") == ["shop"]


def test_a_broken_project_is_built_to_be_told_so(world: World) -> None:
    assert world.push(**{"flights__penstock.toml": b"["}) == ["flights"]
    assert world.push(README=b"1") == ["flights"]


def test_what_another_project_merged_is_reviewed_by_its_own_approvals(world: World) -> None:
    world.revisions.approve("shop", "dev", "grace")
    world.revisions.merge("shop", "dev", "ada", lambda _commit: True)
    world.revisions.tick(NOW)
    with world.store.read() as reader:
        mains = {b.project: b.approvals for b in reader.find(Branch, name="main")}
    assert mains == {"shop": ("grace",), "flights": ()}
    world.revisions.approve("flights", "main", "linus")
    with world.store.read() as reader:
        assert reader.get(Branch, "flights:main").approvals == ("linus",)


def test_a_project_stays_where_it_is(world: World) -> None:
    with pytest.raises(Conflict):
        world.revisions.connect("shop", "/data", "ada", folder="shop")
    with pytest.raises(NotFound):
        world.revisions.connect("third", "/data", "ada", repository="unknown")
    for folder in ("../x", "/x", "a//b", ".", "a/.git"):
        with pytest.raises(InvalidValue):
            world.revisions.connect("third", "/data", "ada", repository="flights", folder=folder)
