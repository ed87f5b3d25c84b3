from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from serving_processes import answering

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.process import PredictorProcess
from penstock.core.errors import NotAllowed, Unavailable
from penstock.serving.encode import encode_request
from penstock.testing.contracts.prediction import plan
from penstock.testing.tiny_onnx import sigmoid_version

ROW = {"wind": [1.0], "carrier": ["UA"]}
BODY = encode_request(ROW)
INFER = "/v2/models/delay/infer"
SWAPS = int(os.environ.get("SWAPS", "20"))
"""Under load; SWAPS=1000 goes further."""


class Home:
    """A home with a running prediction process."""

    def __init__(self, folder: Path, processes: int = 1) -> None:
        self.blobs = FolderBlobs(folder / "blobs")
        self.process = PredictorProcess(folder, processes=processes)
        self.process.start()
        self.service = HttpPredictionService(lambda: self.process.url, service_key(folder))
        self.log = JsonlPredictionLog(folder / "predictions")

    def end(self) -> None:
        self.service.close()
        self.process.stop()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.end()


def test_swapping_under_load_fails_no_request_and_mixes_no_versions(home: Home) -> None:
    versions = [sigmoid_version(home.blobs, number) for number in (1, 2)]
    home.service.apply(plan(1, *versions))
    expected = {number: home.service.infer("delay", number, ROW, log=False).score[0] for number in (1, 2)}
    done = threading.Event()
    answers: list[tuple[int, int, float]] = []

    def keep_asking() -> None:
        with httpx.Client(base_url=home.process.url, trust_env=False) as client:
            while not done.is_set():
                response = client.post(INFER, content=BODY)
                told = response.json()
                answers.append(
                    (response.status_code, int(told["model_version"]), told["outputs"][0]["data"][0])
                )

    clients = [threading.Thread(target=keep_asking) for _ in range(4)]
    for client in clients:
        client.start()
    for turn in range(SWAPS):
        weight = 3 + turn / 100  # of something to load while requests come in
        newcomer = sigmoid_version(home.blobs, 3, weight=weight)
        home.service.apply(plan(1 + turn % 2, *versions, newcomer))
    done.set()
    for client in clients:
        client.join()
    assert {status for status, _, _ in answers} == {200}
    assert {number for _, number, _ in answers} == {1, 2}
    assert all(score == expected[number] for _, number, score in answers)
    home.service.flush()
    assert len(written_all(home)) == len(answers)


def written_all(home: Home) -> list[str]:
    return [
        record.ids[0] for segment in home.log.segments() for record in home.log.read(segment, 0, 1_000_000)[0]
    ]


def test_a_killed_process_comes_back_with_the_plan_and_what_was_flushed(home: Home) -> None:
    home.service.apply(plan(2, sigmoid_version(home.blobs, 1), sigmoid_version(home.blobs, 2)))
    kept = [home.service.infer("delay", 0, ROW).ids[0] for _ in range(50)]
    home.service.flush()
    lately = {home.service.infer("delay", 0, ROW).ids[0] for _ in range(50)}
    [killed] = answering(home.process)
    os.kill(killed, signal.SIGKILL)
    after = home.service.infer("delay", 0, ROW)  # waits for the process that takes its place
    assert after.version == 2
    assert answering(home.process) != [killed]
    home.service.flush()
    found = written_all(home)
    assert found[:50] == kept
    assert found[-1] == after.ids[0]
    assert set(found[50:-1]) <= lately


def test_a_service_whose_watching_process_is_killed_is_started_again_at_its_port(home: Home) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    given = [home.service.infer("delay", 0, ROW).ids[0] for _ in range(50)]
    url = home.process.url
    os.kill(home.process.pid, signal.SIGKILL)
    home.process.start()  # which waits for the others: they end as they should
    assert home.process.url == url
    after = home.service.infer("delay", 0, ROW)
    home.service.flush()
    assert written_all(home) == [*given, after.ids[0]]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, processes=2)
    yield home
    home.end()


def asked_anew(home: Home, times: int) -> list[tuple[int, int]]:
    """The versions that answer, and who, over new connections."""
    found = []
    for _ in range(times):
        told = httpx.post(home.process.url + INFER, content=BODY).json()
        found.append((int(told["model_version"]), told["outputs"][0]["data"][0]))
    return found


def test_several_processes_swap_together_and_are_as_one(pair: Home) -> None:
    versions = [sigmoid_version(pair.blobs, number) for number in (1, 2)]
    count = 0
    for turn in range(4):
        champion = 1 + turn % 2
        loaded = pair.service.apply(plan(champion, *versions))
        assert [each.ready for each in loaded] == [True, True]
        answers = asked_anew(pair, 12)
        assert {number for number, _ in answers} == {champion}
        count += len(answers)
    pair.service.flush()
    assert len(written_all(pair)) == count
    assert len(pair.log.segments()) == 2, "both have answered, each in a segment of its own"
    counters = pair.service.counters()
    assert len(counters) == 2
    served = [each for told in counters for each in told.served if each.version == 2]
    assert sum(each.rows for each in served) == count / 2


def test_of_several_processes_one_that_is_killed_is_replaced_and_has_the_plan(pair: Home) -> None:
    versions = [sigmoid_version(pair.blobs, number) for number in (1, 2)]
    pair.service.apply(plan(1, *versions))
    for killed in answering(pair.process):
        os.kill(killed, signal.SIGKILL)
        pair.service.apply(plan(2, *versions))  # also the one that is just being replaced
        assert {number for number, _ in asked_anew(pair, 8)} == {2}
        pair.service.apply(plan(1, *versions))
    assert len(answering(pair.process)) == 2


def test_stopping_loses_no_answer(home: Home) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    given = [home.service.infer("delay", 0, ROW).ids[0] for _ in range(100)]
    home.process.stop()
    assert written_all(home) == given


def test_sigterm_loses_no_answer(home: Home) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    given = home.service.infer("delay", 0, ROW).ids[0]
    os.kill(home.process.pid, signal.SIGTERM)
    home.process.stop()
    assert written_all(home) == [given]


@contextmanager
def left_alone(folder: Path, *more: str) -> Iterator[tuple[int, str]]:
    """A prediction process whose parent was killed: a file that tells its end, and where it answered."""
    code = (
        "import sys; from pathlib import Path\n"
        "from penstock.adapters.predictor.process import PredictorProcess\n"
        "process = PredictorProcess(Path(sys.argv[1]), outlives='outlives' in sys.argv)\n"
        "process.start(); print(process.pid, process.url, flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    ending = os.pidfd_open(int(pid))
    parent.kill()
    parent.communicate()
    try:
        yield ending, url.decode()
    finally:
        os.close(ending)


def ended(process: int, seconds: float = 20) -> bool:
    return bool(select.select([process], [], [], seconds)[0])


def test_the_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with left_alone(tmp_path) as (process, _):
        assert ended(process), "the prediction process outlived its parent"


def test_one_that_may_outlives_its_parent_until_the_next_one_of_its_home(home: Home, tmp_path: Path) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    home.process.stop()
    with left_alone(tmp_path, "outlives") as (process, url):
        service = HttpPredictionService(url, service_key(tmp_path))
        given = [service.infer("delay", 0, ROW).ids[0] for _ in range(3)]
        assert not ended(process, 2.5), "and goes on, whenever it looks"
        given += [service.infer("delay", 0, ROW).ids[0] for _ in range(3)]
        service.close()
        home.process.start()
        assert ended(process)
    given += [home.service.infer("delay", 0, ROW).ids[0]]
    home.process.stop()
    assert written_all(home) == given


def test_one_that_was_left_alone_ends_when_its_home_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with left_alone(folder, "outlives") as (process, _):
        shutil.rmtree(folder)
        assert ended(process)


def test_a_process_waits_until_the_last_one_of_its_home_has_ended(home: Home, tmp_path: Path) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    given = home.service.infer("delay", 0, ROW).ids[0]
    port = int(home.process.url.rpartition(":")[2])
    successor = PredictorProcess(tmp_path, port)
    with ThreadPoolExecutor() as threads:
        starting = threads.submit(successor.start)
        assert not wait([starting], 1.0).done, "it did not wait"
        home.process.stop()
        starting.result(60)
    assert written_all(home) == [given]
    assert home.service.infer("delay", 0, ROW).version == 1
    successor.stop()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} for predictions is taken.*--predict-port"):
            PredictorProcess(tmp_path, port).start()


def test_the_private_paths_want_the_key(home: Home) -> None:
    stranger = HttpPredictionService(home.process.url, "guess")
    with pytest.raises(NotAllowed):
        stranger.apply(plan(0))
    with pytest.raises(NotAllowed):
        stranger.flush()
    stranger.close()


def test_a_plan_that_cannot_be_kept_changes_nothing(home: Home, tmp_path: Path) -> None:
    home.service.apply(plan(1, sigmoid_version(home.blobs, 1)))
    before = (tmp_path / "serving" / "plan.json").read_bytes()
    response = httpx.post(
        f"{home.process.url}/-/plan",
        content=b'{"clock":null,"models":[{"name":"delay","environment":"production","champion":9,"versions":[]}]}',
        headers={"x-penstock-key": service_key(tmp_path)},
    )
    assert response.status_code == 404
    assert (tmp_path / "serving" / "plan.json").read_bytes() == before
    assert home.service.infer("delay", 0, ROW).version == 1


def test_a_model_whose_bytes_were_changed_is_not_loaded(home: Home) -> None:
    version = sigmoid_version(home.blobs, 1)
    Path(home.blobs.path(version.artifact)).chmod(0o644)
    Path(home.blobs.path(version.artifact)).write_bytes(b"something else")
    [told] = home.service.apply(plan(1, version))
    assert not told.ready
    assert told.error
    ready = httpx.get(f"{home.process.url}/v2/health/ready")
    assert (ready.status_code, msgspec.json.decode(ready.content)) == (503, {"ready": False})
