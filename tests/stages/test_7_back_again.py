"""A second release goes all the way, past a hold, and back; what runs then is the first one's."""

import subprocess
from typing import Any

import pytest

from penstock.cli.demo.system import Refused


def there(journey: Any, environment: str = "production") -> dict[str, Any]:
    return next(e for e in journey.items("/environments") if e["environment"] == environment)


@pytest.fixture(scope="module")
def second(live: Any) -> Any:
    """A second release runs in staging often enough."""
    code = live.folder / "shop" / "pipeline.py"
    code.write_text(code.read_text() + "\n\nSECOND = True\n")
    git = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "commit", "-qam", "the second release"], cwd=live.folder, check=True)
    assert live.push("dev").returncode == 0
    live.settle()
    live.system.post(f"/revisions/{live.commit()}/approve", actor="grace")
    live.system.post("/merge", branch="dev", actor="grace")
    live.settle()
    for number in (2, 3):
        live.fire("staging", f"rehearsal {number}")
    return live


def test_rehearsals_on_the_same_rows_do_their_work_again(second: Any) -> None:
    runs = second.items("/runs", environment="staging")
    for run in runs[:3]:
        steps = second.system.get(f"/runs/{run['id']}")["steps"]
        assert not any(step["cached_from"] for step in steps)


def test_it_is_held_then_promoted_and_taken_back_for_good(second: Any) -> None:
    second.system.post("/holds", environment="production", why="the audit", actor="grace")
    assert there(second)["waits"] == "held by grace: the audit"
    with pytest.raises(Refused, match="held by grace"):
        second.system.post("/promote", what="2", environment="production", actor="katherine")
    plan = second.system.get("/releases/2/plan/production")
    assert {change["part"] for change in plan["changes"]} >= {"step"}
    second.system.post("/holds/lift", environment="production", actor="grace")
    second.system.post("/promote", what="2", environment="production", actor="katherine")
    second.settle()
    new = there(second)["release"]
    second.system.post("/rollback", what="shop", environment="production", to="1", actor="grace")
    second.settle()
    old = there(second)["release"]
    assert old == second.system.get("/releases/1")["id"] != new
    last = second.items("/runs", environment="production")[0]
    assert (last["release"], last["status"]) == (old, "succeeded")
    second.fire("production", "after the rollback")
    assert second.items("/runs", environment="production")[0]["release"] == old
    assert there(second)["release"] == old
    assert there(second, "test")["release"] == new
