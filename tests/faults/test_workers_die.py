"""Real workers that raise, hang, die and are killed: every run still ends, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.pool import WorkerPool
from penstock.pipelines.types import Graph, Node, Options, Output
from penstock.runs.drive import run_to_end
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun, Workspace
from penstock.testing.fakes import FixedClock, MemoryStore

STEPS = '''
import ctypes, logging, os, signal, subprocess, sys, time, warnings
from pathlib import Path

from penstock import Metrics, log, step

HERE = Path(__file__).parent

@step
def one() -> int:
    return 1

@step
def stubborn() -> str:
    """Hangs the first time; afterwards it does its work."""
    told = HERE / "worker"
    if told.exists():
        return "done"
    told.write_text(str(os.getpid()))
    time.sleep(600)

@step
def hang() -> None:
    child = subprocess.Popen(["sleep", "600"])
    (HERE / "pids.part").write_text(f"{os.getpid()} {child.pid}")
    (HERE / "pids.part").rename(HERE / "pids")
    time.sleep(600)

@step
def scatter() -> None:
    """A grandchild in a session of its own, whose parent has gone."""
    program = (
        "import subprocess as s; quiet = dict(stdout=-3, stderr=-3, start_new_session=True); "
        "print(s.Popen(['sleep', '600'], **quiet).pid)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (HERE / "pids.part").write_text(f"{os.getpid()} {told.stdout}")
    (HERE / "pids.part").rename(HERE / "pids")
    time.sleep(600)

@step
def devour() -> int:
    return len(bytearray(os.urandom(1) * 300_000_000)) + time.sleep(600)

@step
def devour_in_a_child() -> None:
    subprocess.run([sys.executable, "-c", "b = bytearray(b'x' * 300_000_000); import time; time.sleep(600)"])

@step
def refuse() -> None:
    raise ValueError("no rows since Monday")

@step
def generate():
    return (number for number in range(3))

@step
def not_a_number() -> dict:
    return {"loss": float("nan")}

@step
def devoured() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@step
def leave() -> None:
    sys.exit("enough")

@step
def vanish() -> None:
    os._exit(3)

@step
def talk() -> Metrics:
    print("to", "stdout")
    print("to stderr", file=sys.stderr)
    warnings.warn("careful", stacklevel=1)
    logging.getLogger("flights").warning("logged")
    os.write(1, b"from C\\n")
    log.metric("loss", 0.5, step=3)
    print("unfinished", end="")
    return Metrics(roc_auc=0.7)
'''


def line(text: str) -> int:
    """Where the steps first say this."""
    return STEPS[: STEPS.index(text)].count("\n") + 1


class House:
    """Runs on real workers, for a project with the steps above."""

    def __init__(self, folder: Path, size: int = 1) -> None:
        self.folder = folder
        self.package = folder / "project" / "mishaps"
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").touch()
        (self.package / "steps.py").write_text(STEPS)
        self.store = MemoryStore()
        self.clock = FixedClock()
        self.pool = WorkerPool(size=size, logs=folder / "logs", blobs=folder / "blobs")
        self.runs = Runs(self.store, FolderBlobs(folder / "blobs"), self.pool, self.clock)

    def workspace(self, python: str = sys.executable) -> Workspace:
        folder = str(self.package.parent)
        return Workspace(python=python, folder=folder, data_root=folder, lock="")

    def submit(self, step: str, options: Options | None = None, workspace: Workspace | None = None) -> Run:
        node = Node(name=step, kind="step", target=f"mishaps.steps:{step}", options=options or Options())
        after = Node(name="after", kind="step", target="mishaps.steps:one", inputs={"x": Output(step)})
        return self.runs.submit(
            project="p",
            pipeline=step,
            environment="test",
            graph=Graph(pipeline=step, target="p:p", nodes=(node, after) if step == "refuse" else (node,)),
            workspace=workspace or self.workspace(),
            params={},
        )

    def end(self, run: Run) -> Run:
        return run_to_end(self.runs, run.id, self.clock)

    def step(self, run: Run, name: str) -> StepRun:
        with self.store.read() as reader:
            return reader.get(StepRun, f"{run.id}/{name}")

    def log(self, run: Run, step: str) -> list[tuple[str, str]]:
        lines = (self.folder / "logs" / run.id / f"{step}.jsonl").read_bytes().splitlines()
        return [(line["stream"], line["text"]) for line in map(msgspec.json.decode, lines)]

    def until(self, happened: Callable[[], bool]) -> None:
        """Let the workers work until something can be seen."""
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, "it did not happen"
            self.runs.tick(self.clock.now())
            self.runs.wait(0.02)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.pool.close()


def test_a_step_whose_worker_is_killed_runs_again_and_completes(house: House) -> None:
    run = house.submit("stubborn")
    told = house.package / "worker"
    house.until(lambda: told.exists() and bool(told.read_text()))
    os.kill(int(told.read_text()), signal.SIGKILL)
    assert house.end(run).status == "succeeded"
    step = house.step(run, "stubborn")
    assert (step.attempt, step.losses, step.errors) == (2, 1, 0)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (
            "refuse",
            f"refuse failed: ValueError: no rows since Monday (mishaps/steps.py, line {line('raise')})",
        ),
        ("leave", f"leave failed: SystemExit: enough (mishaps/steps.py, line {line('sys.exit')})"),
        ("devoured", "devoured failed: killed by the operating system (signal 9), perhaps out of memory"),
        ("vanish", "vanish failed: its process ended with exit code 3 and no result"),
    ],
)
def test_a_step_that_fails_fails_its_run_in_one_sentence(house: House, step: str, error: str) -> None:
    run = house.end(house.submit(step))
    assert (run.status, run.error) == ("failed", error)
    assert house.log(run, step), "what happened is in its log"


def test_what_comes_after_a_failed_step_is_skipped(house: House) -> None:
    run = house.end(house.submit("refuse"))
    assert house.step(run, "after").why == "skipped because refuse failed"


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            "generate",
            "generate failed: It returned a value of the type generator, which cannot be kept between",
        ),
        ("not_a_number", "not_a_number failed: It returned, under 'loss', nan, which JSON cannot keep."),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused_with_its_type(house: House, step: str, sentence: str) -> None:
    assert house.end(house.submit(step)).error.startswith(sentence)


def test_a_step_that_hangs_is_ended_at_its_timeout_with_all_that_it_started(house: House) -> None:
    run = house.end(house.submit("hang", Options(timeout=0.5)))
    assert run.error == "hang failed: it took longer than its timeout of 0.5 s"
    assert_gone(house.package / "pids")


def test_a_cancelled_step_is_ended_with_all_that_it_started(house: House) -> None:
    run = house.submit("hang")
    house.until((house.package / "pids").exists)
    house.runs.cancel(run.id)
    house.until(lambda: house.pool.free() == 1)
    assert_gone(house.package / "pids")
    assert house.end(house.submit("one")).status == "succeeded"


@pytest.mark.parametrize("step", ["hang", "scatter"])
def test_nothing_of_a_cancelled_step_is_left_after_two_seconds(house: House, step: str) -> None:
    run = house.submit(step)
    house.until((house.package / "pids").exists)
    began = time.monotonic()
    house.runs.cancel(run.id)
    house.until(lambda: house.pool.free() == 1)
    assert_gone(house.package / "pids")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("step", ["devour", "devour_in_a_child"])
def test_a_step_that_needs_more_memory_than_it_declared_is_ended(house: House, step: str) -> None:
    run = house.end(house.submit(step, Options(memory=200_000_000)))
    assert run.error == f"{step} failed: needed more than its 200 MB"
    assert house.end(house.submit("one", Options(memory=200_000_000))).status == "succeeded"


def test_an_idle_worker_is_retired_after_a_while(tmp_path: Path) -> None:
    pool = WorkerPool(size=1, logs=tmp_path / "logs", blobs=tmp_path / "blobs", patience=0)
    house = House(tmp_path)
    house.pool.close()
    house.runs = Runs(house.store, FolderBlobs(tmp_path / "blobs"), pool, house.clock)
    assert house.end(house.submit("one")).status == "succeeded"
    house.runs.tick(house.clock.now())
    assert workers(house) == []


def test_closing_the_pool_ends_what_runs(house: House) -> None:
    house.submit("hang")
    house.until((house.package / "pids").exists)
    house.pool.close()
    assert_gone(house.package / "pids")


@pytest.mark.parametrize("step", ["hang", "scatter"])
def test_no_worker_outlives_a_process_that_is_killed(tmp_path: Path, step: str) -> None:
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from {Path(__file__).stem} import House
house = House(Path({str(tmp_path)!r}), size=2)
house.submit({step!r}); house.submit("one")
while True:
    house.runs.tick(house.clock.now())
    house.runs.wait(0.02)
"""
    pids = tmp_path / "project" / "mishaps" / "pids"
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        try:
            wait_until(lambda: pids.exists() or parent.poll() is not None)
        finally:
            parent.kill()
    assert_gone(pids)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "cannot start: No such file or directory"),
        ("echo some noise >&2; echo the interpreter is broken >&2; exit 1", "the interpreter is broken"),
    ],
)
def test_an_environment_that_cannot_start_says_why(house: House, script: str | None, reason: str) -> None:
    python = house.folder / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    run = house.end(house.submit("one", workspace=house.workspace(str(python))))
    assert run.error.startswith(f"one failed: the environment {python} cannot start")
    assert reason in run.error


def test_code_that_was_changed_is_not_run_as_it_was(house: House) -> None:
    def result(run: Run) -> bytes:
        house.end(run)
        return FolderBlobs(house.folder / "blobs").get(house.step(run, "one").outputs["result"].digest)

    uncached = Options(cache=False)
    assert result(house.submit("one", uncached)) == b"1"
    (house.package / "steps.py").write_text(STEPS.replace("return 1", "return 1000"))
    assert result(house.submit("one", uncached)) == b"1000"


def test_an_idle_worker_of_other_code_makes_room(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.pool.close()
    for home in (house, other, house):
        run = house.submit("one", Options(cache=False), home.workspace())
        assert house.end(run).status == "succeeded"
    assert len(workers(house)) == 1


def test_everything_that_a_step_says_is_in_its_log(house: House) -> None:
    run = house.submit("talk")
    assert house.end(run).status == "succeeded"
    lines = house.log(run, "talk")
    assert ("stdout", "to stdout") in lines
    assert ("stderr", "to stderr") in lines
    assert any(stream == "warning" and "careful" in text for stream, text in lines)
    assert ("stderr", "logged") in lines
    assert ("stderr", "from C") in lines
    assert ("metric", "loss = 0.5") in lines
    assert ("stdout", "unfinished") in lines


def test_a_log_that_cannot_be_written_fails_the_step_and_says_so(house: House) -> None:
    run = house.submit("talk")
    (house.folder / "logs").mkdir()
    (house.folder / "logs" / run.id).write_text("not a folder")
    assert house.end(run).error.startswith("talk failed: its log cannot be kept: ")


def workers(house: House) -> list[int]:
    """The processes whose command line names the project's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"penstock.adapters.executors.worker" in command and str(house.folder).encode() in command:
            found.append(int(entry.name))
    return found


def assert_gone(pids: Path) -> None:
    """The processes that a file names end, and soon."""
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        os.sched_yield()
