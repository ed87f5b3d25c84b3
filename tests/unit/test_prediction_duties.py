"""Several processes follow plans as one, and what they counted is told as of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.adapters.online.sqlite import SqliteOnline
from penstock.adapters.predictor.contests import Contests
from penstock.adapters.predictor.duties import Duties
from penstock.adapters.predictor.endless import Endless
from penstock.adapters.predictor.kept import PlanFile, read_plan
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.metrics import Metrics
from penstock.adapters.predictor.table import Table
from penstock.adapters.predictor.tallies import SAMPLE, Tallying, merged
from penstock.core.errors import StorageFailed
from penstock.serving.types import Answer, Holder, Offer, Plan, ServedModel, ServedVersion
from penstock.testing.contracts.prediction import NOON, plan
from penstock.testing.fakes import MemoryBlobs
from penstock.testing.tiny_onnx import sigmoid_version


class Process:
    """A process of a service, whose blobs may lack something."""

    def __init__(self, folder: Path) -> None:
        self.blobs = MemoryBlobs()
        self.table = Table(self.blobs, PlanFile(folder), SqliteOnline(folder / "online.db"))
        self.log = LogWriter(folder / "predictions")
        endless = Endless()
        contests = Contests(self.log.append, endless)
        self.duties = Duties(self.table, self.log, contests, Metrics(), endless=endless, key="key")

    @property
    def champion(self) -> int:
        return self.table.state.models["delay"].champion


class Both:
    """A process beside another one, in place of `Peers`."""

    def __init__(self, first: Process, second: Process) -> None:
        self.processes = (first, second)
        first.duties._peers = self  # type: ignore[assignment]

    def every(
        self,
        duty: str,
        own: Callable[[], Any],
        read: Callable[[bytes], Any],
        given: object = None,
        *,
        warily: bool = False,  # noqa: ARG002
    ) -> list[Any]:
        return [own(), read(self.processes[1].duties.own(duty, msgspec.json.encode(given)))]

    def version(self, number: int) -> ServedVersion:
        """A version that both can load."""
        sigmoid_version(self.processes[0].blobs, number)
        return sigmoid_version(self.processes[1].blobs, number)


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(Process(tmp_path), Process(tmp_path))


def test_a_champion_that_one_process_cannot_load_is_nobodys(both: Both, tmp_path: Path) -> None:
    first, second = both.processes
    old = both.version(1)
    new = sigmoid_version(first.blobs, 2)
    first.duties.follow(plan(1, old))
    told = {each.number: each for each in first.duties.follow(plan(2, old, new))}
    assert (first.champion, second.champion) == (1, 1)
    assert (told[1].ready, told[2].ready) == (True, False)
    assert told[2].error
    both.version(2)
    first.duties.follow(plan(2, old, new))
    assert (first.champion, second.champion) == (2, 2)
    assert PlanFile(tmp_path).load().models[0].champion == 2


def test_a_plan_that_cannot_be_kept_is_followed_by_nobody(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [both.version(number) for number in (1, 2)]
    first, second = both.processes
    first.duties.follow(plan(1, *versions))

    def full(*_: object) -> None:
        raise StorageFailed

    monkeypatch.setattr(PlanFile, "save", full)
    with pytest.raises(StorageFailed):
        first.duties.follow(plan(2, *versions))
    assert (first.champion, second.champion) == (1, 1)


def test_a_plan_of_which_only_the_time_is_new_is_not_written_again(both: Both, tmp_path: Path) -> None:
    versions = [both.version(number) for number in (1, 2)]
    first, second = both.processes
    first.duties.follow(plan(1, *versions))
    written = (tmp_path / "serving" / "plan.json").stat()
    for later in (NOON + timedelta(hours=1, microseconds=1), NOON + timedelta(days=1), NOON):
        wanted = replace(plan(1, *versions), clock=later)
        first.duties.follow(wanted)
        assert [each.table.state.now() for each in (first, second)] == [later, later]
        assert PlanFile(tmp_path).load() == wanted, "and so after a restart"
    assert (tmp_path / "serving" / "plan.json").stat() == written
    wanted = replace(plan(2, *versions), clock=NOON - timedelta(days=1))
    first.duties.follow(wanted)
    assert PlanFile(tmp_path).load() == wanted
    real = replace(wanted, clock=None)
    first.duties.follow(real)
    assert PlanFile(tmp_path).load() == real


def test_a_time_that_the_disk_lost_is_that_of_the_plan(tmp_path: Path) -> None:
    kept = PlanFile(tmp_path)
    kept.save(plan(1))
    kept.save_clock(NOON + timedelta(hours=1))
    (tmp_path / "serving" / "clock").write_bytes(bytes(32))
    assert kept.load() == plan(1)


def test_samples_of_several_processes_give_each_its_part() -> None:
    tallies = [Tallying(2), Tallying(2)]
    about: dict[str, Any] = {"model": "delay", "version": 2, "variant": "challenger", "label": ("x",)}
    for tally, count in zip(tallies, (3000, 1000), strict=True):
        for at in range(count):
            answer = Answer(ids=("a",), score=(float(count),), **about)
            tally.answered(answer, 0.001 + at * 1e-6, classes=True)
    tallies[1].failed("it broke", 9.0)
    told = merged([tally.counted() for tally in tallies]).tally()
    assert (told.requests, told.errors, told.why, told.labels) == (4001, 1, "it broke", {"x": 4000})
    assert told.max == 9000.0
    assert len(told.scores) == SAMPLE
    assert told.scores.count(3000.0) == SAMPLE * 3 / 4
    assert told.p50 == pytest.approx(2, rel=0.06)


def test_versions_of_one_signature_hold_it_once_in_a_plan_that_was_read() -> None:
    blobs = MemoryBlobs()
    whole = plan(1, sigmoid_version(blobs, 1), sigmoid_version(blobs, 2))
    found = read_plan(msgspec.json.encode(whole), {})
    first, second = found.models[0].versions
    assert found == whole
    assert first.signature is second.signature


def test_what_a_plan_leaves_as_it_was_is_not_made_anew(tmp_path: Path) -> None:
    process = Process(tmp_path)
    old, new, idle = (sigmoid_version(process.blobs, number, resident=number < 3) for number in (1, 2, 3))
    about: dict[str, Any] = {"environment": "production", "champion": 1}
    models = [
        ServedModel(name="swaps", versions=(old, new), **about),
        ServedModel(name="stays", versions=(old,), **about),
        ServedModel(name="waits", versions=(idle,), **{**about, "champion": 0}),
    ]
    process.duties.follow(Plan(clock=None, models=tuple(models)))
    before = process.table.state
    models[0] = replace(models[0], champion=2)
    sent = msgspec.json.encode(Plan(clock=None, models=tuple(models)))
    process.duties.follow(process.duties.read(sent))
    after = process.table.state
    assert after.models == {model.name: model for model in models}
    for name in ("stays", "waits"):
        assert after.models[name] is before.models[name]
    assert after.live["stays", 1] is before.live["stays", 1]
    assert after.pens["stays"] is before.pens["stays"]
    assert after.pens["swaps"].place[1] == 2
    assert after.models["swaps"].versions[0].signature is before.models["swaps"].versions[0].signature


def test_a_pen_and_a_version_follow_what_their_model_logs(tmp_path: Path) -> None:
    process = Process(tmp_path)
    first = plan(1, sigmoid_version(process.blobs, 1))
    process.duties.follow(first)
    process.duties.follow(replace(first, models=(replace(first.models[0], log_share=0, redact=("wind",)),)))
    state = process.table.state
    assert (state.live["delay", 1].log_share, state.live["delay", 1].redact) == (0, ("wind",))
    assert not state.pens["delay"].logged


def test_a_plan_is_kept_as_it_is(tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    model = plan(1, sigmoid_version(blobs, 1)).models[0]
    holder = Holder(token="[1]", digest="]", project='"models":[')
    for models in ((), (model,), (model, replace(model, name="[", champion=0))):
        whole = Plan(clock=NOON, models=models, offer=Offer(holders=(holder,), open=True))
        PlanFile(tmp_path).save(whole)
        assert PlanFile(tmp_path).load() == whole
