"""Real builds of a tiny project: git, uv and pytest do the work."""

from __future__ import annotations

import errno
import io
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import uv

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders import attempt, output
from penstock.adapters.builders.local import LocalBuilder
from penstock.builds.types import Build, Built, Release
from penstock.core.digests import digest_bytes
from penstock.testing.forges import FakeForge

Files = dict[str, bytes]
NOW = datetime(2013, 3, 1, tzinfo=UTC)
PATIENCE = 300.0
TINY = {
    "pyproject.toml": b"""\
[project]
name = "tiny"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
dev = ["pytest>=8.3"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"
""",
    "penstock.toml": b"""\
[project]
name = "tiny"
[environments.live]
deploy = { on = "push", branch = "dev" }
[builds]
executable = false
[[triggers]]
pipeline = "arithmetic"
environments = ["live"]
any = [{ schedule = "0 3 * * *" }]
""",
    "tiny/__init__.py": b'"""Tiny."""\n',
    "tiny/pipeline.py": b"""\
from penstock import pipeline, step


@step
def double(number: int) -> int:
    return 2 * number


@pipeline
def arithmetic(number: int = 3):
    return double(number)
""",
    "tests/test_tiny.py": b"""\
import os

from tiny.pipeline import double


def test_double():
    assert double(2) == 4


def test_surroundings():
    assert "PENSTOCK_TEST_SECRET" not in os.environ
    assert "UV_INDEX_PASSWORD" not in os.environ
    own = os.path.dirname(os.getcwd())
    assert {os.path.dirname(os.environ[name]) for name in ("HOME", "TMPDIR")} == {own}
    assert not {name for name in os.environ if name.startswith(("PENSTOCK", "GIT_", "SSH_"))}
    open("left-behind.txt", "w").close()
""",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A project that passes, with its lock; skipped where no package index answers."""
    folder = tmp_path_factory.mktemp("tiny")
    folder.joinpath("pyproject.toml").write_bytes(TINY["pyproject.toml"])
    locked = subprocess.run(
        [uv.find_uv_bin(), "lock", "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if locked.returncode != 0:
        pytest.skip(f"uv reaches no package index: {locked.stderr.strip()}")
    return {**TINY, "uv.lock": folder.joinpath("uv.lock").read_bytes()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def forge() -> FakeForge:
    forge = FakeForge()
    forge.create("tiny", protected="main")
    return forge


@pytest.fixture(scope="module")
def builder(home: Path, forge: FakeForge) -> Iterator[LocalBuilder]:
    builder = LocalBuilder(home, forge, FolderBlobs(home / "blobs"))
    yield builder
    builder.close()


def queued(forge: FakeForge, files: Files, key: str = "1") -> Build:
    commit = forge.push("tiny", "dev", files)
    log = f"logs/builds/{key}.log"
    return Build(id=key, project="tiny", commit=commit, branch="dev", created=NOW, token=1, log=log)


def built(builder: LocalBuilder, build: Build) -> Built:
    builder.start(build, "/nowhere")
    assert builder.free() == 0
    builder._threads[build.id].join(PATIENCE)
    [ended] = builder.finished()
    assert builder.free() == 1
    return ended


def release(build: Build, ended: Built) -> Release:
    fields = {name: getattr(ended, name) for name in ("wheel", "lock", "config", "environment", "graphs")}
    return Release(
        id="1" * 64, number=1, project="tiny", commit=build.commit, build="1", created=NOW, event=1, **fields
    )


@pytest.fixture(scope="module")
def green(builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files) -> tuple[Build, Built]:
    """The first build, started among settings that must not reach it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_TEST_SECRET", "1")
        patch.setenv("UV_INDEX_PASSWORD", "1")
        patch.setenv("PYTHONPATH", "/nowhere")
        patch.setenv("PENSTOCK_SECRETS_KEY", "1")
        patch.setenv("SSH_AUTH_SOCK", "/nowhere")
        build = queued(forge, tiny)
        ended = built(builder, build)
    assert ended.error == "", (home / build.log).read_text()
    return build, ended


def test_a_green_build_holds_all_that_a_release_needs(
    green: tuple[Build, Built], home: Path, tiny: Files
) -> None:
    build, ended = green
    assert [(t.suite, t.name) for t in ended.tests] == [
        ("files", "pyproject.toml, penstock.toml, uv.lock"),
        ("project", "tests/test_tiny.py::test_double"),
        ("project", "tests/test_tiny.py::test_surroundings"),
        ("package", "the wheel can be built"),
        ("graph", "tiny.pipeline:arithmetic can be drawn"),
        ("graph", "penstock.toml names what there is"),
        ("automatic", "end_to_end[arithmetic]"),
        ("package", "what can be had of the release can be made"),
    ]
    assert [t.outcome for t in ended.tests] == ["passed"] * 6 + ["skipped", "passed"]
    assert [graph.pipeline for graph in ended.graphs] == ["arithmetic"]
    assert (ended.lock, ended.config) == tuple(digest_bytes(tiny[f]) for f in ("uv.lock", "penstock.toml"))
    wheel = zipfile.ZipFile(io.BytesIO(FolderBlobs(home / "blobs").get(ended.wheel)))
    code = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert code == {"tiny/__init__.py", "tiny/pipeline.py"}
    assert "2 passed" in (home / build.log).read_text()
    assert not list((home / "builds").iterdir())


def test_building_a_commit_again_gives_the_same_in_the_same_environment(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files, green: tuple[Build, Built]
) -> None:
    _, first = green
    made = (home / "envs" / first.environment).stat().st_ino
    again = built(builder, queued(forge, tiny, "2"))
    fields = ("wheel", "lock", "config", "environment", "graphs", "error")
    assert [getattr(again, f) for f in fields] == [getattr(first, f) for f in fields]
    assert (home / "envs" / again.environment).stat().st_ino == made


def test_a_release_gets_its_environment_and_code_back_when_they_are_gone(
    builder: LocalBuilder, home: Path, tiny: Files, green: tuple[Build, Built]
) -> None:
    released = release(*green)
    first = builder.workspace(released, "/data")
    shutil.rmtree(home / "envs" / released.environment)
    shutil.rmtree(first.folder)
    again = builder.workspace(released, "/data")
    assert again == first
    assert (again.lock, again.data_root) == (released.lock, "/data")
    files = (file for file in Path(again.folder).rglob("*") if file.is_file())
    assert {file.relative_to(again.folder).as_posix(): file.read_bytes() for file in files} == tiny
    said = subprocess.run(
        [again.python, "-c", "import penstock, tiny.pipeline; print(penstock.__file__)"],
        cwd=again.folder,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stdout.startswith(str(home / "envs" / released.environment))
    shutil.rmtree(first.folder)
    builder.restore(released, "as versions know it")
    assert (home / "envs" / "as versions know it" / "bin" / "python").exists()
    assert Path(first.folder).exists()


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("tests/test_tiny.py", b"== 4", b"== 5", "1 of 2 tests failed: tests/test_tiny.py::test_double."),
        ("tests/test_tiny.py", b"import os", b"import os, gone", "1 of 1 tests failed: tests/test_tiny.py."),
        ("tests/test_tiny.py", b"def test_", b"def check_", "The project has no tests: pytest found none."),
        (
            "tests/test_tiny.py",
            b"assert double",
            b"os.kill(os.getpid(), 9)  #",
            "The tests were ended by signal 9 in tests/test_tiny.py::test_double.",
        ),
        ("tiny/pipeline.py", b"return double(number)", b"pass", "number"),
        ("tiny/pipeline.py", b"@pipeline", b"", "The project has no pipeline."),
        ("penstock.toml", b'"arithmetic"', b'"arithmetics"', "Did you mean `arithmetic`?"),
        ("penstock.toml", b"push", b"pull", "penstock.toml:4: 'on' has an impossible value"),
        ("pyproject.toml", b"hatchling.build", b"hatchling.gone", "The wheel cannot be built: found "),
    ],
)
def test_a_red_build_says_why_in_a_sentence(
    builder: LocalBuilder,
    forge: FakeForge,
    home: Path,
    tiny: Files,
    file: str,
    right: bytes,
    wrong: bytes,
    said: str,
) -> None:
    assert right in tiny[file]
    build = queued(forge, {**tiny, file: tiny[file].replace(right, wrong)})
    ended = built(builder, build)
    assert said in ended.error, (home / build.log).read_text()
    assert (ended.wheel, ended.graphs) == ("", ())
    assert not list((home / "builds").iterdir())


VIEW = b"""\
from penstock import feature_view, files

rows = files("data/rows", event_time="at", key="id")


def unused(number: int) -> int:
    if number > 3:
        return number
    return 0


@feature_view(entity="shop", source=rows)
def shops(rows):
    return rows.select("shop", "at")
"""


def test_a_module_of_features_that_the_tests_hardly_run_makes_a_build_red(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files
) -> None:
    imports = b"from tiny import features\n" + tiny["tests/test_tiny.py"]
    files = {**tiny, "tiny/features.py": VIEW, "tests/test_tiny.py": imports}
    asked = {"penstock.toml": tiny["penstock.toml"] + b"[tests]\ncoverage = 80\n"}
    ended = built(builder, queued(forge, {**files, **asked}))
    assert ended.error == (
        "The tests run 55 % of tiny/features.py, and [tests] coverage asks for 80 %: "
        "no test runs line 7-9, 14."
    ), log_of(home)
    assert [(m.file, m.percent, m.missing, m.features) for m in ended.coverage] == [
        ("tiny/features.py", 55, "7-9, 14", True),
        ("tiny/pipeline.py", 85, "11", False),
    ]
    tests = b"""
def test_features():
    assert [features.unused(n) for n in (3, 4)] == [0, 4]
    import polars
    features.shops.function(polars.DataFrame({"shop": [], "at": []}))
"""
    ended = built(builder, queued(forge, {**files, **asked, "tests/test_tiny.py": imports + tests}))
    assert ended.error == "", log_of(home)
    assert [(t.name, t.outcome) for t in ended.tests if t.suite == "coverage"] == [
        ("80 % of tiny/features.py", "passed")
    ]


def test_a_lock_that_cannot_be_installed_is_told_with_the_reason_and_leaves_no_environment(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files
) -> None:
    before = set((home / "envs").glob("*"))
    ended = built(
        builder, queued(forge, {**tiny, "uv.lock": tiny["uv.lock"].replace(b"sha256:", b"sha256:0")})
    )
    assert ended.error.startswith("The environment cannot be made from uv.lock: found ")
    assert set((home / "envs").glob("*")) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "The commit is empty."),
        ({"README.md": b"Hello"}, "The commit has no pyproject.toml"),
        ({name: data for name, data in TINY.items() if name != "uv.lock"}, "The commit has no uv.lock"),
    ],
)
def test_a_commit_without_a_project_is_told_at_once(
    builder: LocalBuilder, forge: FakeForge, files: Files, said: str
) -> None:
    assert built(builder, queued(forge, files)).error.startswith(said)


def test_an_unknown_commit_breaks_the_build_off(builder: LocalBuilder, forge: FakeForge) -> None:
    build = Build(id="9", project="tiny", commit="9" * 40, branch="dev", created=NOW, log="logs/builds/9.log")
    assert built(builder, build).error.startswith("The build broke off: tiny has no commit")


def test_a_build_is_told_while_what_it_made_is_still_being_removed(
    forge: FakeForge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: queue.SimpleQueue[None] = queue.SimpleQueue()
    slow, removals, remove = threading.Event(), [], shutil.rmtree

    def slowly(folder: Path, **options: bool) -> None:
        removals.append("begins")
        slow.wait(PATIENCE)
        remove(folder, **options)
        removals.append("ends")

    def ended() -> Built:
        while not (found := builder.finished()):
            woken.get(timeout=PATIENCE)
        return found[0]

    monkeypatch.setattr(shutil, "rmtree", slowly)
    builder = LocalBuilder(tmp_path, forge, FolderBlobs(tmp_path / "blobs"), wake=lambda: woken.put(None))
    build = Build(id="1", project="tiny", commit="9" * 40, branch="dev", created=NOW, log="logs/builds/1.log")
    builder.start(build, "/nowhere")
    assert ended().broken
    assert "ends" not in removals
    assert (builder.free(), builder.stages()) == (1, {})
    builder.start(build, "/nowhere")  # once more, in the same folder
    slow.set()
    assert ended().broken
    builder.close()
    assert removals == ["begins", "ends"] * 2
    assert not list((tmp_path / "builds").iterdir())


def test_closing_kills_what_the_tests_started_and_reports_nothing(
    forge: FakeForge, home: Path, tiny: Files, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waiting = f"""\
import os, signal, subprocess, sys

def test_waits():
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    with open({str(pipe)!r}, "w") as told:
        told.write(f"{{os.getpid()}} {{child.pid}}")
    signal.pause()
"""
    builder = LocalBuilder(home, forge, FolderBlobs(home / "blobs"))
    builder.start(queued(forge, {**tiny, "tests/test_tiny.py": waiting.encode()}), "/nowhere")
    with pipe.open() as told:
        pids = [int(pid) for pid in told.read().split()]
    builder.close()
    assert builder.finished() == []
    assert all(_ends(pid) for pid in pids)
    assert not list((home / "builds").iterdir())


def test_a_test_that_hangs_is_given_up_and_the_others_are_done(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files
) -> None:
    hangs = (
        b"import threading\ndef test_hangs():\n    threading.Event().wait()\ndef test_after():\n    pass\n"
    )
    limit = tiny["penstock.toml"] + b'[tests]\nlongest = "1s"\n'
    ended = built(builder, queued(forge, {**tiny, "tests/test_tiny.py": hangs, "penstock.toml": limit}))
    assert ended.error == "1 of 2 tests failed: tests/test_tiny.py::test_hangs.", log_of(home)
    hung, after = (test for test in ended.tests if test.suite == "project")
    assert (hung.outcome, after.outcome) == ("failed", "passed")
    assert "did not end within 1 seconds" in hung.message


def test_tests_that_cannot_be_interrupted_end_with_the_build(
    builder: LocalBuilder, forge: FakeForge, tiny: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = (
        b"import signal\ndef test_deaf():\n    signal.pthread_sigmask(0, range(1, 65))\n    signal.pause()\n"
    )
    pause = queued(forge, {**tiny, "tests/test_tiny.py": deaf})
    monkeypatch.setattr(attempt, "TIMEOUT", 12.0)
    ended = built(builder, pause)
    assert ended.error.startswith("The tests take too long: python did not end within 12 seconds.")
    assert "tests/test_tiny.py::test_deaf had begun." in ended.error
    assert not ended.broken


def test_endless_output_keeps_its_beginning_and_its_end(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files
) -> None:
    loud = b"""\
import os, sys

def test_loud(capfd):
    with capfd.disabled():
        for _ in range(100):
            os.write(1, b"x" * 999_999 + b"\\n")
"""
    ended = built(builder, queued(forge, {**tiny, "tests/test_tiny.py": loud}))
    assert ended.error == ""
    said = log_of(home)
    assert "test session starts" in said
    assert "the log has grown too long" in said
    assert "passed" in said
    assert len(said) < 4 * 1024 * 1024


def test_tests_are_told_while_they_run(
    builder: LocalBuilder, forge: FakeForge, tiny: Files, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waits = f"def test_first():\n    pass\n\ndef test_second():\n    open({str(pipe)!r}).read()\n"
    build = queued(forge, {**tiny, "tests/test_tiny.py": waits.encode()})
    builder.start(build, "/nowhere")
    with pipe.open("w"):  # opens when the second test does
        running = builder.tests()[build.id]
    assert [(t.name.partition("::")[2], t.outcome) for t in running if t.suite == "project"] == [
        ("test_first", "passed"),
        ("test_second", "running"),
    ]
    builder._threads[build.id].join(PATIENCE)
    [ended] = builder.finished()
    assert {t.outcome for t in ended.tests if t.suite == "project"} == {"passed"}
    assert builder.tests() == {}


def test_the_report_of_pytest_is_kept(green: tuple[Build, Built], home: Path) -> None:
    junit = FolderBlobs(home / "blobs").get(green[1].junit)
    assert b'tests="2"' in junit
    assert b"test_surroundings" in junit


def test_a_build_that_is_cancelled_ends_and_makes_room(
    builder: LocalBuilder, forge: FakeForge, home: Path, tiny: Files, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waits = f"def test_waits():\n    open({str(pipe)!r}).read()\n"
    build = queued(forge, {**tiny, "tests/test_tiny.py": waits.encode()})
    builder.start(build, "/nowhere")
    with pipe.open("w"):
        builder.cancel(build)
        builder._threads[build.id].join(PATIENCE)
    [ended] = builder.finished()
    assert ended.error == "It was cancelled."
    assert builder.free() == 1
    assert not list((home / "builds").iterdir())
    assert built(builder, queued(forge, tiny)).error == ""  # the same number, tried again


STRUCK = """\
import json, os, signal, sys
from pathlib import Path
import msgspec
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.local import LocalBuilder
from penstock.adapters.builders.processes import Processes
from penstock.builds.types import Build
from penstock.testing.forges import FakeForge

home, files, strike = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
start, put, points = Processes._start, FolderBlobs.put_file, []

def reach():
    points.append(1)
    if len(points) == strike:
        os.kill(os.getpid(), signal.SIGKILL)

def started(*given):
    process = start(*given)
    reach()
    return process

def stored(*given):
    reach()
    return put(*given)

Processes._start, FolderBlobs.put_file = started, stored
forge = FakeForge()
forge.create("tiny", protected="main")
commit = forge.push("tiny", "dev", {name: text.encode() for name, text in files.items()})
build = msgspec.convert(json.loads(sys.argv[4]), Build)
builder = LocalBuilder(home, forge, FolderBlobs(home / "blobs"))
builder.start(msgspec.structs.replace(build, commit=commit), "/nowhere")
builder._threads["1"].join()
[built] = builder.finished()
print(msgspec.json.encode(built).decode())
"""


def test_a_build_that_is_killed_at_any_point_ends_the_same_and_leaves_nothing(
    green: tuple[Build, Built], tiny: Files, tmp_path: Path
) -> None:
    build, undisturbed = green
    files = json.dumps({name: data.decode() for name, data in tiny.items()})
    told = json.dumps(msgspec.to_builtins(build))
    strikes = 0
    while True:
        strikes += 1
        command = [sys.executable, "-c", STRUCK, str(tmp_path), files, str(strikes), told]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert all(_ends(pid) for pid in _naming(tmp_path))
        if ran.returncode != -signal.SIGKILL:
            break
    assert ran.returncode == 0, ran.stderr
    ended = msgspec.json.decode(ran.stdout, type=Built)
    for name in ("wheel", "lock", "config", "environment", "graphs", "error", "broken"):
        assert getattr(ended, name) == getattr(undisturbed, name)
    assert [(t.name, t.outcome) for t in ended.tests] == [(t.name, t.outcome) for t in undisturbed.tests]
    assert strikes > 7  # three programs and four files at least, were the environment made at once
    assert not list((tmp_path / "builds").iterdir())
    assert [file.name for file in (tmp_path / "envs").iterdir()] == [ended.environment]


def _naming(folder: Path) -> list[int]:
    """The processes whose command line names a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def test_an_index_that_does_not_answer_breaks_the_build_off_and_is_not_the_projects_fault(
    forge: FakeForge, tmp_path: Path, tiny: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and closes none
        index = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        lock = re.sub(rb"https?://[^/\" ]+", index.encode(), tiny["uv.lock"])
        builder = LocalBuilder(tmp_path, forge, FolderBlobs(tmp_path / "blobs"))
        ended = built(builder, queued(forge, {**tiny, "uv.lock": lock}))
        builder.close()
    assert ended.broken
    assert ended.error.startswith("The build broke off: The environment cannot be made from uv.lock: found ")
    assert not list((tmp_path / "envs").iterdir())


def test_a_full_disk_breaks_the_build_off(
    forge: FakeForge, tmp_path: Path, tiny: Files, green: tuple[Build, Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = LocalBuilder(tmp_path, forge, FolderBlobs(tmp_path / "blobs"))
    monkeypatch.setattr(output.Output, "write", _full)
    ended = built(builder, queued(forge, tiny))
    builder.close()
    assert (ended.broken, ended.error) == (True, "The build broke off: [Errno 28] No space left on device")
    assert not list((tmp_path / "builds").iterdir())


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def log_of(home: Path, key: str = "1") -> str:
    return (home / "logs" / "builds" / f"{key}.log").read_text()


def _ends(pid: int) -> bool:
    """Whether the process ends, or has ended; waits for it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    readable, _, _ = select.select([process], [], [], 60)
    os.close(process)
    return bool(readable)
