"""Versions that kill the process that serves them are refused, or taken back, after some deaths."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from test_challengers import STORM, Asking, World

from penstock.core.errors import Unavailable
from penstock.deployments.swaps import DEATHS
from penstock.deployments.types import GateReport
from penstock.models.types import Placement
from penstock.testing.tiny_onnx import Fault


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


def test_a_challenger_that_kills_its_process_in_traffic_goes_back(tmp_path: Path) -> None:
    world = Patient(tmp_path, "thousandth")
    try:
        assert world.rollout().status == "running"
        client = Asking(world.process.url)
        with pytest.raises(httpx.TransportError):
            client.run()
        assert {status for status, *_ in client.answers} == {200}
        assert len(client.answers) > 1000, "the challenger has half of them"
        world.settle()
        assert world.rollout().status == "reverted"
        assert "killed" in world.rollout().why
    finally:
        world.end()
