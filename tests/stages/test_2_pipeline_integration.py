"""Stage 2: a push is checked out clean, tested, drawn and packed, or refused with its reason."""

from pathlib import Path
from typing import Any

import pytest


def built(journey: Any, commit: str) -> dict[str, Any]:
    [build] = [b for b in journey.items("/builds", limit=0) if b["commit"] == commit]
    return dict(build)


def test_a_green_build_holds_every_test_and_makes_a_release(pushed: Any) -> None:
    build = built(pushed, pushed.commit())
    assert build["status"] == "passed", build["error"]
    assert {"project", "graph", "package", "automatic"} <= {test["suite"] for test in build["tests"]}
    release = pushed.system.get(f"/releases/{build['release'][:12]}")
    assert [graph["pipeline"] for graph in release["graphs"]] == ["train_returns"]
    assert all(release[part] for part in ("wheel", "lock", "config", "environment"))


@pytest.fixture
def branch(pushed: Any) -> Any:
    """A branch of its own to break, and the way back."""
    start = pushed.commit()
    pushed.git("checkout", "-q", "-b", "broken")
    yield pushed
    pushed.git("checkout", "-q", "-f", "dev")
    pushed.git("branch", "-D", "broken")
    pushed.push(":broken")
    assert pushed.commit() == start


def spoiled(journey: Any, message: str) -> dict[str, Any]:
    journey.git("commit", "-q", "-am", message)
    pushed = journey.push("+broken")
    assert pushed.returncode == 0, pushed.stderr
    journey.settle()
    return built(journey, journey.commit())


def test_a_push_whose_tests_fail_makes_no_release(branch: Any) -> None:
    test = Path(branch.folder, "tests", "test_data.py")
    test.write_text(test.read_text() + "\n\ndef test_that_fails():\n    assert 1 == 2\n")
    build = spoiled(branch, "Break a test")
    assert build["status"] == "failed"
    assert "test_that_fails" in build["error"]
    assert build["release"] == ""


def test_a_push_without_a_lock_is_refused_with_what_to_do(branch: Any) -> None:
    branch.git("rm", "-q", "uv.lock")
    build = spoiled(branch, "Lose the lock")
    assert build["status"] == "failed"
    assert "uv lock" in build["error"]


def test_a_push_that_is_empty_is_refused_in_one_sentence(branch: Any) -> None:
    branch.git("rm", "-q", "-r", ".")
    build = spoiled(branch, "Lose everything")
    assert build["status"] == "failed"
    assert "The commit is empty" in build["error"]


def test_main_takes_no_push(pushed: Any) -> None:
    refused = pushed.push("dev:main")
    assert refused.returncode != 0
    assert "main is protected" in refused.stderr
