"""No process of a build outlives it, however it ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.adapters.builders.processes import Processes, Stopped
from penstock.core.errors import Unavailable

PIDS = "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {wait!r}]); {tell}; {end}"
WAIT = "import signal; signal.pause()"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.close()


def program(pipe: Path, end: str) -> list[str]:
    """A program that starts another, tells the ids of both, and ends in a given way."""
    tell = f"open({str(pipe)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')"
    return [sys.executable, "-c", PIDS.format(wait=WAIT, tell=tell, end=end)]


def told(pipe: Path) -> list[int]:
    return [int(pid) for pid in pipe.read_text().split()]


def ends(pid: int) -> bool:
    """Whether the process ends, or has ended; waits for it."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    readable, _, _ = select.select([process], [], [], 60)
    os.close(process)
    return bool(readable)


def run(processes: Processes, command: list[str], folder: Path, timeout: float = 60) -> int:
    return processes.run(command, folder=folder, variables={}, log=folder / "log", timeout=timeout)


def in_background(
    processes: Processes, command: list[str], folder: Path
) -> tuple[threading.Thread, list[object]]:
    """Run a command in a thread; its status, or the error it raised, is put into the list."""
    result: list[object] = []

    def work() -> None:
        try:
            result.append(run(processes, command, folder))
        except Stopped as error:
            result.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    return thread, result


def ended(running: tuple[threading.Thread, list[object]]) -> object:
    thread, result = running
    thread.join(60)
    return result[0]


def test_the_status_and_the_output_are_kept(processes: Processes, tmp_path: Path) -> None:
    assert run(processes, [sys.executable, "-c", "print('hello'); raise SystemExit(7)"], tmp_path) == 7
    assert run(processes, [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], tmp_path) == -9
    assert "hello\n" in (tmp_path / "log").read_text()


def test_what_a_program_leaves_running_is_killed(processes: Processes, pipe: Path, tmp_path: Path) -> None:
    running = in_background(processes, program(pipe, "raise SystemExit(0)"), tmp_path)
    _, child = told(pipe)
    assert ended(running) == 0
    assert ends(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to a supervisor")
@pytest.mark.parametrize("how", ["ends", "closes"])
def test_what_leaves_its_group_is_killed_as_well(
    processes: Processes, pipe: Path, tmp_path: Path, how: str
) -> None:
    leaves = "start_new_session=True"
    command = program(pipe, "raise SystemExit(0)" if how == "ends" else "child.wait()")
    command[2] = command[2].replace("])", f"], {leaves})", 1)
    assert leaves in command[2]
    running = in_background(processes, command, tmp_path)
    _, child = told(pipe)
    if how == "closes":
        processes.close()
    ended(running)
    assert ends(child)


def test_a_program_has_limits(processes: Processes, tmp_path: Path) -> None:
    big = "open('big', 'wb').truncate(1 << 40)"
    assert run(processes, [sys.executable, "-c", big], tmp_path) != 0
    assert "File too large" in (tmp_path / "log").read_text()
    assert run(processes, [sys.executable, "-c", "bytearray(1 << 45)"], tmp_path) == 1
    assert "MemoryError" in (tmp_path / "log").read_text()


def test_cancelling_ends_what_writes_to_one_log(processes: Processes, pipe: Path, tmp_path: Path) -> None:
    running = in_background(processes, program(pipe, "child.wait()"), tmp_path)
    pids = told(pipe)
    processes.cancel(tmp_path / "log")
    assert ended(running) is Stopped
    assert all(ends(pid) for pid in pids)
    with pytest.raises(Stopped):
        run(processes, [sys.executable, "-c", ""], tmp_path)
    processes.allow(tmp_path / "log")
    assert run(processes, [sys.executable, "-c", ""], tmp_path) == 0


def test_a_program_that_is_not_there_is_told(processes: Processes, tmp_path: Path) -> None:
    assert run(processes, ["/nowhere/python"], tmp_path) == 127
    assert "/nowhere/python cannot be started: No such file" in (tmp_path / "log").read_text()


def test_a_program_that_hangs_is_killed(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="did not end within"):
        run(processes, [sys.executable, "-c", WAIT], tmp_path, timeout=0.2)
    assert not processes._running


def test_closing_kills_what_runs_and_refuses_what_comes(
    processes: Processes, pipe: Path, tmp_path: Path
) -> None:
    running = in_background(processes, program(pipe, "child.wait()"), tmp_path)
    pids = told(pipe)
    processes.close()
    assert ended(running) is Stopped
    assert all(ends(pid) for pid in pids)
    with pytest.raises(Stopped):
        run(processes, [sys.executable, "-c", ""], tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_program_dies_with_a_killed_parent(pipe: Path, tmp_path: Path) -> None:
    parent = f"""\
from pathlib import Path
from penstock.adapters.builders.processes import Processes
command = {program(pipe, "child.wait()")!r}
Processes().run(command, folder=Path({str(tmp_path)!r}), variables={{}}, log=Path("log"), timeout=60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path) as process:
        watched, left = told(pipe)
        process.kill()
    assert ends(watched)
    assert ends(left)
