"""Versions that kill the process that serves them are refused, or taken back, after some deaths."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from test_challengers import STORM, Asking, World

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.core.errors import Unavailable
from penstock.deployments.swaps import DEATHS
from penstock.deployments.types import GateReport
from penstock.models.types import Placement
from penstock.testing.tiny_onnx import Fault, sigmoid_version


@pytest.fixture(autouse=True)
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("deadly")))


class Patient(World):
    """A world whose control plane tries again where the prediction service fails it, as always."""

    failures = 0

    def settle(self) -> None:
        for _ in range(20):
            try:
                if not self.rollouts.tick(self.clock.now()):
                    return
            except Unavailable:
                self.failures += 1
        raise AssertionError("it never settles")


@pytest.mark.parametrize(
    ("fault", "check", "failures"), [("loading", "loads", DEATHS - 1), ("unseen", "contract", 0)]
)
def test_a_version_that_kills_its_process_at_its_gate_is_refused(
    tmp_path: Path, fault: Fault, check: str, failures: int
) -> None:
    world = Patient(tmp_path, fault)
    try:
        with world.store.read() as reader:
            report = reader.get(GateReport, "test:delay@2")
            placed = reader.get(Placement, "test:delay@2")
        [verdict] = [verdict for verdict in report.verdicts if not verdict.passed]
        assert (verdict.check, placed.role, world.failures) == (check, "rejected", failures)
        assert "does not answer" in verdict.why
        told = httpx.post(f"{world.process.url}/v2/models/delay/infer", content=STORM).json()
        assert told["model_version"] == "1"
    finally:
        world.end()


@pytest.mark.parametrize(
    ("fault", "answers", "logged"),
    [("thousandth", 1000, "another takes"), ("hangs", 60, "sitecustomize"), ("hog", 60, "holds")],
)
def test_a_challenger_that_takes_its_process_from_traffic_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, answers: int, logged: str
) -> None:
    if fault == "hangs":  # the others are not to be ended for what takes long on a machine with much to do
        monkeypatch.setenv("DEADLY_SILENT", "5")
    world = Patient(tmp_path, fault, memory=350_000_000)
    try:
        assert world.rollout().status == "running"
        client = Asking(world.process.url)
        with pytest.raises(httpx.TransportError):
            client.run()
        assert {status for status, *_ in client.answers} == {200}
        assert len(client.answers) > answers, "the challenger has half of them"
        world.settle()
        assert world.rollout().status == "reverted"
        assert "killed" in world.rollout().why
        assert logged in (tmp_path / "logs" / "predictor.log").read_text()
    finally:
        world.end()


def test_a_version_that_wants_all_the_memory_is_refused_before_it_is_loaded_beside_others(
    tmp_path: Path,
) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    service = HttpPredictionService("http://nobody.invalid", "key", tmp_path / "blobs")
    probe = service.probe(sigmoid_version(blobs, 2, fault="hoards"))
    assert "memory" in probe.error
    service.close()
