"""The isolations: a plain process, another user of the machine, a container."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from penstock.adapters.builders.processes import Processes
from penstock.adapters.isolation.choice import open_isolation
from penstock.adapters.isolation.container import Container
from penstock.adapters.isolation.limits import limits
from penstock.adapters.isolation.program import Isolation, Program
from penstock.core.errors import InvalidValue, PenstockError, Unavailable

HERE = (
    "podman --runtime runc --cgroup-manager=cgroupfs run --network=host"
    " --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
)
"""What podman needs where it may set up neither networks nor control groups."""
PYTHON = sys.executable
SEEN = """
for path in "$@"; do
    if cat "$path" >/dev/null 2>&1; then echo "reads $path"; fi
    if (echo more >>"$path") 2>/dev/null; then echo "writes $path"; fi
done
"""
TREE = """
sleep 600 &
setsid sleep 601 &
echo begun >"$1"
wait
"""
PARENT = """
import sys
from pathlib import Path
from penstock.adapters.builders.processes import Processes
from penstock.adapters.isolation.choice import open_isolation
home, how, place, *command = sys.argv[1:]
Processes(open_isolation(how, Path(home))).run(
    command, folder=Path(place), variables={"PATH": "/usr/bin:/bin"}, log=Path(home, "logs", "log"),
    timeout=600, writes=[Path(place)],
)
"""


class IsolationContract:
    """Inherit, and give a fixture `how` with what an operator says, and `isolation` of the home `home`."""

    @pytest.fixture
    def home(self) -> Iterator[Path]:
        """A home that holds what no program of a project is to see, where every user could go to."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            yield self.furnished(Path(folder, "home"))

    def furnished(self, home: Path) -> Path:
        """The folders and files of a home."""
        for folder in ("logs", "envs", "git"):
            (home / folder).mkdir(parents=True)
        for name in ("penstock.db", "penstock.db-wal", "secrets.key", "server.json"):
            (home / name).write_text("secret")
        return home

    @pytest.fixture
    def place(self, isolation: Isolation) -> Iterator[Path]:
        """A folder that programs may write to, of a home that is shut."""
        isolation.prove()
        with isolation.place() as place:
            yield place

    def test_it_proves_itself_twice(self, isolation: Isolation) -> None:
        isolation.prove()
        isolation.prove()

    def test_status_and_output_are_the_programs(self, isolation: Isolation, home: Path, place: Path) -> None:
        assert said(isolation, home, place, ["sh", "-c", "echo hello; exit 7"]) == (7, ["hello"])
        assert said(isolation, home, place, ["sh", "-c", "kill -9 $$"])[0] == -9
        assert said(isolation, home, place, ["/nowhere/python"])[0] == 127

    def test_it_starts_in_its_folder_and_may_write_there(
        self, isolation: Isolation, home: Path, place: Path
    ) -> None:
        assert said(isolation, home, place, ["sh", "-c", "pwd; echo made >here"]) == (0, [str(place)])
        assert (place / "here").read_text() == "made\n"
        assert (place / "here").stat().st_uid == os.geteuid()

    def test_it_has_the_variables_that_it_is_given_and_no_others(
        self, isolation: Isolation, home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OUR_PASSWORD", "ours")
        given = {"PATH": "/usr/bin:/bin", "HOME": str(place), "INDEX_PASSWORD": "two\nlines"}
        command = ["sh", "-c", 'echo "$HOME $OUR_PASSWORD $INDEX_PASSWORD"']
        assert said(isolation, home, place, command, variables=given) == (0, [f"{place}  two", "lines"])

    def test_it_has_limits(self, isolation: Isolation, home: Path, place: Path) -> None:
        assert said(isolation, home, place, ["sh", "-c", "ulimit -c"]) == (0, ["0"])
        status, _ = said(isolation, home, place, ["truncate", "-s", "1T", str(place / "big")])
        assert status != 0

    def test_it_reads_what_it_may_read_and_the_rest_of_the_home_is_shut(
        self, isolation: Isolation, home: Path, place: Path
    ) -> None:
        env = home / "envs" / "1"
        env.mkdir()
        (env / "module.py").write_text("code")
        shut = [home / name for name in ("penstock.db", "penstock.db-wal", "secrets.key", "server.json")]
        command = ["sh", "-c", SEEN, "sh", *map(str, (env / "module.py", *shut))]
        _, seen = said(isolation, home, place, command, reads=[env, home.parent])
        if isolation.shuts:
            assert [line for line in seen if line.startswith("reads")] == [f"reads {env / 'module.py'}"]
            assert (env / "module.py").read_text() == "code"
            assert {file.read_text() for file in shut} == {"secret"}
        else:
            assert f"reads {home / 'secrets.key'}" in seen

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
    def test_nothing_is_left_when_the_system_is_killed(self, how: str, home: Path, place: Path) -> None:
        os.mkfifo(place / "begun")
        pipe = os.open(place / "begun", os.O_RDWR)
        command = ["sh", "-c", TREE, "sh", str(place / "begun")]
        parent = [PYTHON, "-c", PARENT, str(home), how, str(place), *command]
        with subprocess.Popen(parent) as process:
            assert select.select([pipe], [], [], 60)[0], "the program began"
            watched = processes_of(process.pid)
            assert len(watched) >= 4, "a supervisor, a shell and two that sleep"
            process.kill()
        os.close(pipe)
        assert all(ends(pid) for pid in watched)

    def test_what_takes_too_long_is_ended(self, isolation: Isolation, home: Path, place: Path) -> None:
        with pytest.raises(Unavailable, match="did not end within"):
            said(isolation, home, place, ["sleep", "600"], timeout=1)

    def test_a_worker_can_be_spoken_with(self, isolation: Isolation, place: Path) -> None:
        program = Program(
            command=["cat"],
            folder=place,
            variables={"PATH": "/usr/bin:/bin"},
            writes=[place],
            limits=limits(60),
        )
        with isolation.enclosed(program) as start:
            process = start.launch(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert process.communicate(b"\0\r\n\xff", timeout=60)[0] == b"\0\r\n\xff"


def said(
    isolation: Isolation,
    home: Path,
    place: Path,
    command: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    reads: Sequence[Path] = (),
    timeout: float = 60,
) -> tuple[int, list[str]]:
    """The status of a program, and the lines that it printed."""
    log = home / "logs" / "said"
    log.unlink(missing_ok=True)
    status = Processes(isolation).run(
        command,
        folder=place,
        variables=variables or {"PATH": "/usr/bin:/bin"},
        log=log,
        timeout=timeout,
        writes=[place],
        reads=reads,
    )
    return status, log.read_text().partition(" ".join(command) + "\n")[2].splitlines()


def processes_of(pid: int) -> list[int]:
    """All that a process has started, directly or not, wherever it has gone; not itself."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found[1:]


def ends(pid: int) -> bool:
    """Whether a process ends, or has ended; waits for it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    readable, _, _ = select.select([process], [], [], 60)
    os.close(process)
    return bool(readable)


def other_user() -> tuple[str, str]:
    """A user of this machine that is not root and owns nothing, and a Python that it can start."""
    if os.geteuid() != 0:
        pytest.skip("only root can start programs as another user")
    name = next(name for name in ("nobody", "daemon") if name in {user.pw_name for user in pwd.getpwall()})
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        with suppress(PermissionError):
            subprocess.run([python, "-c", ""], user=name, capture_output=True, check=True, cwd="/")
            return name, python
    pytest.skip(f"{name} can start no Python of this machine")


@cache
def container_words() -> str:
    """How podman starts containers here: as it is, or with what it needs in a machine that is one itself."""
    if sys.platform != "linux" or not shutil.which("podman"):
        pytest.skip("podman is not installed")
    with tempfile.TemporaryDirectory() as home:
        said = ""
        for words in ("podman run", HERE):
            try:
                open_isolation(words, Path(home)).prove()
            except PenstockError as error:
                said = str(error)
            else:
                return words
    pytest.skip(said)


class TestPlainProcess(IsolationContract):
    @pytest.fixture
    def how(self) -> str:
        return "none"

    @pytest.fixture
    def isolation(self, how: str, home: Path) -> Isolation:
        return open_isolation(how, home)


class TestOtherUser(TestPlainProcess):
    @pytest.fixture
    def how(self, monkeypatch: pytest.MonkeyPatch) -> str:
        name, python = other_user()
        monkeypatch.setattr(sys, "executable", python)
        return f"user:{name}"


class TestContainer(TestPlainProcess):
    @pytest.fixture
    def how(self, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("STORAGE_DRIVER", os.environ.get("STORAGE_DRIVER", "vfs"))
        return container_words()

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
    def test_nothing_is_left_when_the_system_is_killed(self, how: str, home: Path, place: Path) -> None:
        super().test_nothing_is_left_when_the_system_is_killed(how, home, place)
        container = Container(home, how)
        assert container._ask("ps", "--all", "--quiet", "--filter", f"label={container._label}") == ""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nobody", "expected none, user:NAME, podman, docker"),
        ("user:root", "another user, and that other is not root"),
        ("user:there-is-none-such", "useradd --system --no-create-home there-is-none-such"),
        ("podman --network=host", 'such as "podman run --network=host"'),
        ('podman run --name "x', "The container's options cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, how: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        open_isolation(how, tmp_path)


def test_an_engine_that_is_not_there_or_does_not_start_containers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "podman"
    broken.write_text("#!/bin/sh\necho no runtime >&2\nexit 125\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(
        PenstockError, match=r'found no runtime. Try `podman --x run`, .* "podman run OPTIONS"'
    ):
        open_isolation("podman --x run", tmp_path).prove()
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(PenstockError, match="Install podman, or start the system with another --isolation"):
        open_isolation("podman", tmp_path).prove()
