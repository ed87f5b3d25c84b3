"""Stage 3: dev goes to test by itself, an approved merge to staging, a promotion to production."""

from typing import Any


def held(journey: Any) -> dict[str, str]:
    return {e["environment"]: e["release"] for e in journey.items("/environments")}


def test_a_push_to_dev_is_deployed_to_test_and_runs_there_once(pushed: Any) -> None:
    [first] = pushed.items("/deployments", environment="test")[-1:]
    assert first["commit"] == pushed.commit()
    [run] = pushed.items("/runs", environment="test")[-1:]
    assert run["status"] == "succeeded", run["error"]
    assert pushed.items("/firings", environment="test")[-1]["kind"] == "deployed"


def test_a_merge_takes_the_same_release_to_staging_and_names_who_approved_it(staged: Any) -> None:
    assert held(staged)["staging"] == held(staged)["test"]
    [main] = [branch for branch in staged.items("/branches") if branch["name"] == "main"]
    assert main["approvals"] == ["grace"]


def test_production_takes_it_only_after_three_successful_runs_in_staging(live: Any) -> None:
    runs = [run for run in live.items("/runs", environment="staging") if run["status"] == "succeeded"]
    assert len(runs) >= 3
    assert held(live)["production"] == held(live)["staging"]
    [deployment] = live.items("/deployments", environment="production")
    assert deployment["actor"] == "katherine"


def test_rehearsals_register_nothing(live: Any) -> None:
    environments = {version["environment"] for version in live.items("/versions", model="returns")}
    assert environments == {"production"}
