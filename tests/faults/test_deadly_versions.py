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


class Supervised(World):
    """A world whose prediction process is started again when it died, as `penstock up` does."""

    deaths = 0

    def tick(self) -> bool:
        if not self.process.alive():
            self.process.start()
        try:
            return self.rollouts.tick(self.clock.now())
        except Unavailable:
            self.deaths += 1
            return True

    def settle(self) -> None:
        for _ in range(20):
            if not self.tick():
                return
        raise AssertionError("it never settles")


@pytest.mark.parametrize("fault", ["loading", "unseen"])
def test_a_version_that_kills_the_service_at_its_gate_is_refused(tmp_path: Path, fault: Fault) -> None:
    world = Supervised(tmp_path, fault)
    try:
        with world.store.read() as reader:
            report = reader.get(GateReport, "test:delay@2")
            placed = reader.get(Placement, "test:delay@2")
        [verdict] = [verdict for verdict in report.verdicts if not verdict.passed]
        assert placed.role == "rejected"
        assert "does not answer" in verdict.why
        assert verdict.evidence["times"] == DEATHS
        assert world.deaths <= DEATHS
        told = httpx.post(f"{world.process.url}/v2/models/delay/infer", content=STORM).json()
        assert told["model_version"] == "1"
    finally:
        world.end()


def test_a_challenger_that_kills_the_service_in_traffic_goes_back(tmp_path: Path) -> None:
    world = Supervised(tmp_path, "thousandth")
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
