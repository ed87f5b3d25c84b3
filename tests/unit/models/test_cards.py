"""A model card gathers what is on record of a version, and says nothing where there is nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from penstock.datasets.types import Profile
from penstock.models.cards import EXAMPLES, card_of
from penstock.models.service import Models
from penstock.models.types import FILES, Entry, RoleChange, Signature
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

DAY = datetime(2026, 1, 1, tzinfo=UTC)
VERDICT = {
    "check": "roc_auc >= 0.6",
    "passed": True,
    "waived": "",
    "why": "it is 0.7",
    "evidence": {"rows": 9},
}
OLDER = {"environment": "test", "time": "2026-01-01T00:00:00Z", "quality": {}, "verdicts": [VERDICT]}
NEWER = {
    **OLDER,
    "environment": "production",
    "quality": {
        "rows": 100,
        "metrics": {
            "roc_auc": {"value": 0.72, "low": 0.7, "high": 0.74},
            "brier": {"value": 0.2, "low": 0, "high": 1},
        },
        "baseline": {"roc_auc": 0.5},
        "gains": {"roc_auc": {"gain": 0.02, "low": 0.01, "high": 0.03}},
        "reliability": [
            {"rows": 60, "answered": 0.2, "happened": 0.3},
            {"rows": 40, "answered": 0.6, "happened": 0.6},
        ],
        "slices": [
            {"slice": "carrier = UA", "columns": ["carrier"], "rows": 50, "metrics": {"roc_auc": 0.6}}
        ],
        "worst": [{"slice": "carrier = UA", "rows": 50, "loss": 0.7, "rest": 0.6, "chance": 0.01}],
    },
}


def entry() -> Entry:
    store, blobs, clock = MemoryStore(), MemoryBlobs(), FixedClock(DAY)
    Delivered(store, blobs, clock).version(auc=0.71)
    return Models(store, blobs, clock, registers=lambda _project, _where: True).show("delay@1")


def role(number: int) -> RoleChange:
    place = {"environment": "production", "model": "delay", "actor": "ops", "why": "it is better"}
    return RoleChange(id=str(number), number=number, role="champion", time=DAY, event=0, **place)


def test_a_card_takes_the_quality_of_the_newest_gate_and_the_verdicts_of_all() -> None:
    card = card_of(entry(), gates=[OLDER, NEWER, {**NEWER, "quality": {"rows": 7}}])
    assert card.measured_on == 100
    assert [(score.metric, score.recorded, score.holdout) for score in card.scores] == [
        ("roc_auc", 0.71, 0.72),
        ("brier", None, 0.2),
    ]
    best = card.scores[0]
    assert (best.low, best.high, best.constant, best.gain, best.gain_low, best.gain_high) == (
        *(0.7, 0.74, 0.5),
        *(0.02, 0.01, 0.03),
    )
    assert card.calibration_error is not None
    assert round(card.calibration_error, 3) == 0.06
    assert [each["rows"] for each in card.worst] == [50]
    assert [(each["environment"], each["why"]) for each in card.verdicts] == [
        ("test", "it is 0.7"),
        ("production", "it is 0.7"),
        ("production", "it is 0.7"),
    ]


def test_a_card_has_its_own_history_and_a_few_examples_and_its_days_in_order() -> None:
    days = [{"environment": "production", "start": f"2026-01-0{day}T00:00:00Z"} for day in (3, 1, 2)]
    examples = [{"inputs": {"wind": n}, "score": 0.1, "label": "False"} for n in range(9)]
    card = card_of(entry(), history=[role(1), role(2)], examples=examples, windows=days)
    assert [change.number for change in card.history] == [1]
    assert [each["inputs"]["wind"] for each in card.examples] == list(range(EXAMPLES))
    assert [each["start"][8:10] for each in card.windows] == ["01", "02", "03"]


def test_a_version_that_a_client_uploaded_has_a_card_too() -> None:
    uploaded = entry()
    version = replace(
        uploaded.version,
        format=FILES,
        signature=Signature(task="unknown", inputs=()),
        profile=Profile(rows=0, columns=()),
        training={"snapshots": []},
        governance={"actor": "ada", "run": ""},
        metadata={"source": "runs:/1/model"},
    )
    card = card_of(replace(uploaded, version=version))
    assert (card.task, card.inputs, card.scores[0].holdout, card.calibration_error) == (
        "unknown",
        (),
        None,
        None,
    )
    assert msgspec.json.decode(msgspec.json.encode(card))["governance"]["actor"] == "ada"
