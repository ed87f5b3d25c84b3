"""Challengers that fail in a real prediction process under load: no request does, and they go back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from serving_processes import answering

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.adapters.predictor.process import PredictorProcess
from penstock.adapters.storage.store import open_store
from penstock.deployments.releases import Releases
from penstock.deployments.rollouts import Rollouts
from penstock.deployments.types import Rollout
from penstock.lineage.service import Ledger
from penstock.models.service import Models
from penstock.models.types import Placement
from penstock.monitoring.service import Monitoring
from penstock.serving.encode import encode_request
from penstock.serving.types import Challenger
from penstock.testing.contracts.prediction import plan
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.fakes import FixedClock
from penstock.testing.prediction import SIGMOID_SIGNATURE
from penstock.testing.tiny_onnx import Fault, sigmoid_version

SERVING = (
    CONFIG.replace('branch = "dev" }', 'branch = "dev" }\nserve = true')
    + """
rollout = { canary = [50, 100], every = "10m", requests = 10, guard = [
  "error_rate <= 0.05", "p95 <= 100ms", "distance <= 0.9",
] }
"""
)
STORM = encode_request({"wind": [8.0], "carrier": ["UA"]})
GALE = {"rows": [{"wind": 8.0, "carrier": "UA"}, {"wind": 1.0, "carrier": "AA"}]}
PROGRAM = str(Path(__file__).with_name("rollout_program.py"))
PATIENCE = 60.0
"""Seconds that an answer may take: a process that ends is what breaks a connection sooner."""
ENOUGH = 400
"""Looks at a rollout that would have to be over: each comes after some answers."""


class World:
    """A control plane beside a real prediction process; the second version challenges the first."""

    def __init__(self, folder: Path, fault: Fault, memory: int = 0) -> None:
        self.store, self.blobs = open_store(folder / "penstock.db"), FolderBlobs(folder / "blobs")
        self.clock = FixedClock(datetime(2013, 3, 1, tzinfo=UTC))
        self.process = PredictorProcess(folder, memory=memory)
        self.process.start()
        self.service = HttpPredictionService(lambda: self.process.url, service_key(folder), folder / "blobs")
        self.log = JsonlPredictionLog(folder / "predictions")
        self.models = Models(self.store, self.blobs, self.clock, registers=lambda _project, _where: True)
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.project.release("c1", SERVING)
        self.project.move("dev", "c1")
        Releases(self.store, self.blobs, self.clock).tick(self.clock.now())
        self.start()
        self.train(1, "")
        self.train(2, fault)

    def start(self) -> None:
        """A control plane begins, with nothing in its memory."""
        labelled = Monitoring(self.store, self.blobs, self.log, self.clock)
        self.rollouts = Rollouts(
            self.store, self.blobs, self.service, self.models, self.clock, labelled=labelled
        )

    def train(self, number: int, fault: Fault) -> None:
        made = self.project.version(environment="test")
        real = sigmoid_version(self.blobs, number, fault=fault)
        with self.store.begin() as tx:
            tx.put(replace(made, artifact=real.artifact, examples=real.examples, signature=SIGMOID_SIGNATURE))
        self.settle()

    def settle(self) -> None:
        while self.rollouts.tick(self.clock.now()):
            pass

    def rollout(self) -> Rollout:
        with self.store.read() as reader:
            return reader.get(Rollout, "1")

    def end(self) -> None:
        self.service.close()
        self.process.stop()
        self.store.close()


@pytest.fixture
def world_with(tmp_path: Path) -> Iterator[Callable[[Fault], World]]:
    worlds: list[World] = []

    def make(fault: Fault) -> World:
        worlds.append(World(tmp_path, fault))
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()


class Asking(threading.Thread):
    """Asks the same again and again, each time with a key of its own, and keeps what was answered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.enough = threading.Event()
        self.answered = threading.Semaphore(0)
        self.answers: list[tuple[int, int, str, float]] = []
        self._url = url

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=PATIENCE, trust_env=False) as client:
            while not self.enough.is_set():
                told = client.post("/v2/models/delay/infer", content=STORM)
                body = told.json()
                said = (body["model_version"], body["parameters"]["variant"], body["outputs"][0]["data"][0])
                self.answers.append((told.status_code, int(said[0]), said[1], said[2]))
                self.answered.release()


@contextmanager
def load(world: World) -> Iterator[list[Asking]]:
    clients = [Asking(world.process.url) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.enough.set()
            client.join()


def answers(clients: list[Asking]) -> list[tuple[int, int, str, float]]:
    return [answer for client in clients for answer in client.answers]


@pytest.mark.parametrize(
    ("fault", "why"), [("nan", "no finite answer"), ("raises", "indices element"), ("slow", "p95")]
)
def test_a_challenger_that_fails_under_load_goes_back_and_no_request_fails(
    world_with: Callable[[Fault], World], fault: Fault, why: str
) -> None:
    world = world_with(fault)
    assert world.rollout().status == "running"
    with load(world) as clients:
        for _ in range(ENOUGH):
            clients[0].answered.acquire()
            world.rollouts.tick(world.clock.now())
            if world.rollout().ended:
                break
    assert world.rollout().status == "reverted"
    assert why in world.rollout().why
    found = answers(clients)
    assert {status for status, *_ in found} == {200}
    scores = {(version, score) for _, version, _, score in found}
    assert len(scores) == len({version for version, _ in scores}), "no answer mixes versions"
    variants = {variant for _, _, variant, _ in found}
    assert variants == ({"champion", "challenger"} if fault == "slow" else {"champion", "fallback"})
    told = httpx.post(f"{world.process.url}/v2/models/delay/infer", content=STORM).json()
    assert (told["model_version"], told["parameters"]["variant"]) == ("1", "champion")


def test_a_good_challenger_takes_over_under_load_and_keys_stay_with_their_version(
    world_with: Callable[[Fault], World],
) -> None:
    world = world_with("")
    url = f"{world.process.url}/v2/models/delay/infer"

    def who(key: str, **given: Any) -> str:
        headers = given or {"x-assignment-key": key}
        version: str = httpx.post(url, content=STORM, headers=headers).json()["model_version"]
        return version

    before = {str(key): who(str(key)) for key in range(40)}
    assert before == {key: who(key) for key in before}
    assert set(before.values()) == {"1", "2"}
    by_address = httpx.post(url, content=STORM, params={"assignment_key": "7"}).json()
    assert by_address["model_version"] == before["7"]
    with load(world) as clients:
        for _ in range(ENOUGH):
            clients[0].answered.acquire()
            world.rollouts.tick(world.clock.advance(timedelta(minutes=1)))
            if world.rollout().ended:
                break
    assert world.rollout().status == "promoted"
    found = answers(clients)
    assert {status for status, *_ in found} == {200}
    assert len({(version, score) for _, version, _, score in found}) == 2
    world.service.flush()
    logged = [r for segment in world.log.segments() for r in world.log.read(segment, 0, 10**6)[0]]
    assert len(logged) == len(found) + 81
    metrics = httpx.get(f"{world.process.url}/metrics").text
    assert 'variant="challenger",version="2"' in metrics


def test_it_goes_back_when_the_process_is_killed_and_on_when_only_the_control_plane_is(
    world_with: Callable[[Fault], World],
) -> None:
    world = world_with("")
    world.process.stop()
    world.process.start()
    world.start()
    world.rollouts.tick(world.clock.now())
    assert world.rollout().status == "running", "it ended as it should"
    for pid in answering(world.process):
        os.kill(pid, signal.SIGKILL)
    told = httpx.post(f"{world.process.url}/v2/models/delay/infer", content=STORM)
    assert told.status_code == 200
    world.settle()
    assert world.rollout().status == "reverted"
    assert "killed" in world.rollout().why
    assert world.service.infer("delay", 0, {"wind": [1.0], "carrier": ["UA"]}).version == 1


def test_control_planes_that_are_killed_again_and_again_lead_it_to_its_end(
    world_with: Callable[[Fault], World], tmp_path: Path
) -> None:
    world = world_with("")
    now, kills = world.clock.now().isoformat(), 0
    with load(world) as clients:
        while not world.rollout().ended and kills < ENOUGH:
            program = [sys.executable, PROGRAM, str(tmp_path), world.process.url, now]
            with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as control:
                assert control.stdout is not None
                for _ in range(5):
                    now = control.stdout.readline().split()[0]
                control.kill()
            kills += 1
    assert kills > 2, "each had only five looks"
    assert world.rollout().status == "promoted"
    found = answers(clients)
    assert {status for status, *_ in found} == {200}
    assert len({(version, score) for _, version, _, score in found}) == 2
    with world.store.read() as reader:
        assert reader.count(Placement, role="champion") == 1
        told = [event.kind for event in reader.events(subject="rollout:1")]
    assert told == ["rollout.started", "rollout.stepped", "rollout.promoted"]
    assert Ledger(world.store).verify().ok


def test_a_shadow_is_asked_beside_and_heard_by_nobody(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    versions = (sigmoid_version(blobs, 1), sigmoid_version(blobs, 2), sigmoid_version(blobs, 3, fault="nan"))
    process = PredictorProcess(tmp_path)
    process.start()
    service = HttpPredictionService(process.url, service_key(tmp_path))
    try:
        for number in (2, 3):
            shadow = Challenger(contest=f"test:{number}", number=number, variant="shadow")
            first = plan(1, *versions)
            service.apply(replace(first, models=(replace(first.models[0], challengers=(shadow,)),)))
            told = [httpx.post(f"{process.url}/predict/delay", json=GALE).json() for _ in range(20)]
            assert {(each["version"], each["variant"]) for each in told} == {(1, "champion")}
            while service.observed()[0].challenger.requests < 20:
                time.sleep(0.01)
    finally:
        process.stop()
        service.close()
    log = JsonlPredictionLog(tmp_path / "predictions")
    records = [r for segment in log.segments() for r in log.read(segment, 0, 1000)[0]]
    shadows = [r for r in records if r.variant == "shadow"]
    assert [r.version for r in shadows] == [2] * 20, "what had no finite answer is no answer"
    champions = {r.ids for r in records if r.variant == "champion"}
    assert {tuple(name.removesuffix("~shadow") for name in r.ids) for r in shadows} <= champions
