"""Models that only their own library answers, each in a child process: it is killed, misled, left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from penstock.adapters.formats.skops_files import as_skops
from penstock.adapters.isolation.plain import PlainProcess
from penstock.adapters.isolation.program import Program, Start
from penstock.adapters.predictor.native import ChildRuntime
from penstock.core.errors import Corrupt, InvalidRequest, Unavailable
from penstock.datasets.types import Column
from penstock.models.types import Signature

SIGNATURE = Signature(
    task="binary", inputs=(Column(name="wind", dtype="float", nullable=True),), classes=("false", "true")
)
ROWS = {"wind": [0.0, 4.0, 9.0]}
RULES = """\
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Rule(ClassifierMixin, BaseEstimator):
    classes_ = np.array([False, True])
    feature_names_in_ = np.array(["wind"])

    def predict_proba(self, rows):
        chance = rows["wind"].to_numpy() / 10
        return np.column_stack([1 - chance, chance])

    def predict(self, rows):
        return self.predict_proba(rows)[:, 1] > 0.5
"""
PARENT = """\
import sys
from pathlib import Path
import msgspec
from penstock.adapters.predictor.native import ChildRuntime
from penstock.models.types import Signature

signature = msgspec.json.decode(sys.argv[3], type=Signature)
runtime = ChildRuntime(Path(sys.argv[1]), Path(sys.argv[2]), "skops", signature)
print(runtime.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def model() -> object:
    wind = np.arange(10.0)
    fitted = make_pipeline(SplineTransformer(), LogisticRegression())
    return fitted.fit(pl.DataFrame({"wind": wind}), wind > 5)


@pytest.fixture
def file(model: object, tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(as_skops(model))
    return path


def test_a_child_answers_as_the_model_and_another_one_when_it_was_killed(model: object, file: Path) -> None:
    runtime = ChildRuntime(Path(sys.executable), file, "skops", SIGNATURE)
    expected = model.predict_proba(pl.DataFrame(ROWS))[:, 1].tolist()  # type: ignore[attr-defined]
    score, label, probabilities = runtime.predict(ROWS)
    assert (score, label) == (expected, ["false", "false", "true"])
    assert [each[1] for each in probabilities] == expected
    first = runtime.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert runtime.predict(ROWS)[0] == expected
    assert runtime.pid != first
    with pytest.raises(InvalidRequest, match="The model fails on these values"):
        runtime.predict({"wind": [None]})
    assert runtime.predict(ROWS)[0] == expected


def test_a_child_ends_with_whoever_began_it(file: Path) -> None:
    import msgspec

    command = [
        sys.executable,
        "-c",
        PARENT,
        sys.executable,
        str(file),
        msgspec.json.encode(SIGNATURE).decode(),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        pidfd = os.pidfd_open(child)
        parent.kill()
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED) if _is_ours(child) else _awaited(pidfd)
    assert ended
    os.close(pidfd)


def test_a_pickle_finds_the_code_of_its_project_in_its_child_alone(tmp_path: Path) -> None:
    (tmp_path / "odd_rules.py").write_text(RULES)
    make = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import odd_rules, pickle; "
    write = "sys.stdout.buffer.write(pickle.dumps(odd_rules.Rule()))"
    pickled = subprocess.run([sys.executable, "-c", make + write], stdout=subprocess.PIPE, check=True).stdout
    file = tmp_path / "model"
    file.write_bytes(pickled)
    runtime = ChildRuntime(Path(sys.executable), file, "unsafe_pickle", SIGNATURE, str(tmp_path))
    assert runtime.predict(ROWS)[:2] == ([0.0, 0.4, 0.9], ["false", "false", "true"])
    assert "odd_rules" not in sys.modules


class Shutting(PlainProcess):
    """An isolation that says that it shuts programs in, and keeps what it was asked to start."""

    shuts = True

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.programs: list[Program] = []

    @contextmanager
    def enclosed(self, program: Program) -> Iterator[Start]:
        self.programs.append(program)
        with super().enclosed(program) as start:
            yield start


def test_an_isolated_child_is_given_its_model_and_environment_alone_and_leaves_nothing(
    model: object, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_WEBHOOK_SECRET", "sesame")
    isolation = Shutting(file.parent)
    runtime = ChildRuntime(Path(sys.executable), file, "skops", SIGNATURE, isolation=isolation)
    expected = model.predict_proba(pl.DataFrame(ROWS))[:, 1].tolist()  # type: ignore[attr-defined]
    assert runtime.predict(ROWS)[0] == expected
    [program] = isolation.programs
    assert program.reads == [Path(sys.executable).parent.parent, file]
    assert list(file.parent.joinpath("work").iterdir()) == program.writes
    assert "PENSTOCK_WEBHOOK_SECRET" not in program.variables
    [child] = Path(f"/proc/{runtime.pid}/task/{runtime.pid}/children").read_text().split()
    assert b"sesame" not in Path(f"/proc/{child}/environ").read_bytes()
    assert runtime.memory > 10 * 1024**2, "that of the child, not of its supervisor"
    with closing(runtime):
        os.kill(int(child), signal.SIGKILL)
        with suppress(Unavailable):  # as long as its supervisor has not seen that it died
            runtime.predict(ROWS)
        assert runtime.predict(ROWS)[0] == expected
    assert not list(file.parent.joinpath("work").iterdir())


def test_what_cannot_be_loaded_says_so(file: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="environment in which the model is served is gone"):
        ChildRuntime(tmp_path / "envs" / "gone" / "bin" / "python", file, "skops", SIGNATURE)
    file.write_bytes(b"PK nothing of the kind")
    with pytest.raises(Corrupt, match="does not load in its own environment"):
        ChildRuntime(Path(sys.executable), file, "skops", SIGNATURE)


def _is_ours(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())


def _awaited(pidfd: int) -> bool:
    """Whether a process that is not ours ends within a while."""
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(30_000))
