"""Stage 4: runs start when they should, once for each reason."""

from datetime import UTC, datetime
from typing import Any

SUNDAY = datetime(2025, 4, 20, 12, tzinfo=UTC)
MONDAY = datetime(2025, 4, 21, 4, tzinfo=UTC)


def fired(journey: Any, kind: str) -> list[dict[str, Any]]:
    return [f for f in journey.items("/firings", environment="production", limit=0) if f["kind"] == kind]


def test_the_weekly_schedule_fires_once_however_often_it_is_looked_at(watched: Any) -> None:
    watched.advance(SUNDAY)
    before = len(fired(watched, "schedule"))
    watched.advance(MONDAY)
    for _ in range(3):
        watched.settle()
    firings = fired(watched, "schedule")
    assert len(firings) == before + 1
    assert "0 3 * * 1" in firings[0]["why"]
    assert watched.system.get(f"/runs/{firings[0]['run']}")["status"] == "succeeded"


def test_a_run_on_demand_says_who_wanted_it_and_why(live: Any) -> None:
    live.system.post(
        "/triggers/fire", pipeline="train_returns", environment="production", why="a new shop", actor="ada"
    )
    live.settle()
    assert any("a new shop" in firing["why"] for firing in fired(live, "on_demand"))


def test_every_trigger_says_why_it_did_not_fire(live: Any) -> None:
    assert all(trigger["explanation"] for trigger in live.items("/triggers"))
