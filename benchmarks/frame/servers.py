"""Servers that are started for a measurement: their answers and their memory."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import msgspec

from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import end_group

READY = 120.0
GRACE = 20.0
STEADY = 20
"""Answers in a row, each on a connection of its own, so that every worker of a server is up."""


class Server(msgspec.Struct, frozen=True):
    """A server that answers."""

    url: str
    pid: int


@contextlib.contextmanager
def serving(
    command: Callable[[int], Sequence[str]],
    *,
    folder: Path,
    env: Mapping[str, str],
    log: Path,
    health: str = "/health",
) -> Iterator[Server]:
    """Start a server on a free port, wait until its health is OK, and end it with all its processes.

    Raises Failed when it does not come up.
    """
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(port), cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url + health, process, log)
        yield Server(url, process.pid)
    finally:
        go_on(process.pid)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        end_group(process)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if all(httpx.get(url).status_code == 200 for _ in range(STEADY)):
                return
        time.sleep(0.1)
    raise Failed(f"no answer from {url}: " + " ".join(log.read_text(errors="replace").split())[-300:])


def free_port() -> int:
    """A port that no one has taken."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def resident(pid: int) -> tuple[float, int]:
    """Megabytes that a process and its descendants hold, each page shared by k processes counted in each for
    one k-th (PSS), so that no page counts twice; how many they are.
    """
    members = family(pid)
    return sum(_pss(member) for member in members) / 1e6, len(members)


def family(pid: int) -> list[int]:
    """A process and its descendants, each behind its parent."""
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    parents = {int(entry.name): _parent(entry) for entry in entries}
    members = [pid]
    while more := [child for child, parent in parents.items() if parent in members and child not in members]:
        members += more
    return members


def pause(pid: int) -> None:
    """Stop a process and its descendants where they are: what is not asked takes no processor."""
    _signal(family(pid), signal.SIGSTOP)


def go_on(pid: int) -> None:
    """Let them go on, children first: a parent that looks after them finds them alive."""
    _signal(reversed(family(pid)), signal.SIGCONT)


def _signal(members: Iterable[int], number: signal.Signals) -> None:
    for member in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, number)


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
