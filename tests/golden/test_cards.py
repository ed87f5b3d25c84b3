"""A model card as people read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.app.cards.html import card_file
from penstock.app.cards.markdown import card_markdown
from penstock.datasets.profiles import prior_of
from penstock.deployments.quality import assess
from penstock.models.cards import card_of
from penstock.models.types import Entry, Model, Placement, RoleChange, Version
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

DAY = datetime(2026, 1, 1, tzinfo=UTC)
SAID = {
    "actor": "train on a schedule",
    "author": "Ada <ada@airline.example>",
    "approvals": ["grace"],
    "commit": "c" * 40,
    "release": "d" * 64,
    "intended_use": "Warn travellers | the evening before",
    "risk": "limited",
    "owners": ["ops@airline.example"],
}
SNAPSHOT = {
    "source": "flights",
    "rows": 200,
    "quarantined": 2,
    "first": "2025-01-01T00:00:00Z",
    "last": "2025-12-31T00:00:00Z",
    "as_of": "2026-01-01T00:00:00Z",
    "digest": "e" * 64,
}
VERDICTS = (
    ("roc_auc >= 0.6", True, "", "roc_auc is 0.71"),
    ("p99 <= 20ms", False, "grace until March", "p99 is 30 ms"),
)


def registered() -> Version:
    made = Delivered(MemoryStore(), MemoryBlobs(), FixedClock(DAY)).version(
        auc=0.71, expires=DAY + timedelta(days=90)
    )
    return replace(
        made,
        location="blobs/ab/abc",
        training={
            "as_of": "2026-01-01T00:00:00Z",
            "rows": 200,
            "snapshots": [SNAPSHOT],
            "features": {"weather": "f" * 64},
        },
        prior=prior_of(pl.Series(["False"] * 150 + ["True"] * 50)),
        governance=SAID,
        metadata={"params": {"depth": 3}},
        parity={"rows": 200, "max_difference": 1e-7},
        dependencies={"scikit-learn": "1.7.0", "numpy": "2.3.0"},
    )


def quality(version: Version) -> dict[str, object]:
    """What a gate measures where the carrier B6 is answered the wrong way round."""
    rows = pl.DataFrame({"wind": [float(n % 10) for n in range(400)], "carrier": ["UA"] * 300 + ["B6"] * 100})
    late = [float(n % 10 > 6) for n in range(400)]
    answered = [0.8 * (t if n < 300 else 1 - t) + 0.1 for n, t in enumerate(late)]
    truth, score = pl.Series(late).to_numpy(), pl.Series(answered).to_numpy()
    told: dict[str, object] = msgspec.to_builtins(
        assess(version, rows, late, (truth, score), (truth, score / 2 + 0.2))
    )
    return told


def card() -> dict[str, object]:
    version = registered()
    one = {
        "environment": "production",
        "model": "delay",
        "number": 1,
        "actor": "ops",
        "why": "it passed",
        "event": 0,
    }
    place = Placement(id="p", project="flights", role="champion", since=DAY, **one)
    verdicts = [dict(zip(("check", "passed", "waived", "why"), verdict, strict=True)) for verdict in VERDICTS]
    when = {"environment": "production", "time": "2026-01-02T00:00:00Z"}
    windows = [
        {
            "environment": "production",
            "start": f"2026-01-0{day}T00:00:00Z",
            "metrics": {"roc_auc": 0.7 - day / 100},
        }
        for day in (2, 3, 4)
    ]
    found: dict[str, object] = msgspec.to_builtins(
        card_of(
            Entry(
                model=Model(id="delay", project="flights", created=DAY),
                version=version,
                stage="production",
                placements=(place,),
            ),
            tags={"team": "ops"},
            gates=[{**when, "verdicts": verdicts, "quality": quality(version)}],
            sign_offs=[{**when, "actor": "grace", "why": "slices are fine"}],
            waivers=[
                {
                    "environment": "production",
                    "check": "p99 <= 20ms",
                    "actor": "grace",
                    "why": "new machines come",
                }
                | {"since": "2026-01-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
            ],
            runtime={
                "predictions": 300,
                "labelled": 200,
                "metrics": {"roc_auc": 0.66},
                "drift": {"wind": 0.02},
            },
            windows=windows,
            examples=[{"inputs": {"wind": 3.0, "carrier": "UA"}, "score": 0.125, "label": "False"}],
            history=[RoleChange(id="1", role="champion", time=DAY, **one)],
        )
    )
    return found


def test_a_card_reads_as_kept(golden: Callable[[str, str], None]) -> None:
    golden("card.md", card_markdown(card()))


def test_a_file_of_a_card_needs_nothing_else_and_has_its_plots() -> None:
    page = card_file(card())
    captions = (
        "labels in training",
        "wind in training",
        "carrier in training",
        "happened, by what was answered",
    )
    for caption in (*captions, "roc_auc by day in production, 2026-01-02 to 2026-01-04"):
        assert caption in page
    assert page.count("<svg") == 5
    assert "script" not in page
    assert "src=" not in page
