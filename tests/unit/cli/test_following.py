"""A build that is followed as soon as its commit was pushed."""

from typing import Any

import pytest

from penstock.cli import builds
from penstock.cli.face import Api
from penstock.core.errors import NotFound


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "POLL", 0)


def api_whose_build_comes_after(looks: int) -> Api:
    """Knows no build until it was asked so many times."""
    asked = 0

    def call(_method: str, path: str, _body: dict[str, Any]) -> Any:
        nonlocal asked
        asked += 1
        if asked <= looks:
            raise NotFound(what="There is no build 1")
        if path.endswith("/log"):
            return {"text": "" if asked > looks + 2 else "built", "next": 5, "ended": True}
        return {"stage": "", "tests": [], "status": "passed", "release": "a", "error": ""}

    return Api(call, lambda _path: iter(()))


def test_it_is_waited_for() -> None:
    api = api_whose_build_comes_after(2)
    assert list(builds._tests(api, "1")) == [{"status": "passed", "release": "a", "error": ""}]
    assert list(builds._pieces(api_whose_build_comes_after(2), "1", follow=True)) == [{"text": "built"}]


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "SOON", 0)
    with pytest.raises(NotFound, match="no build 1"):
        list(builds._tests(api_whose_build_comes_after(10**9), "1"))


def test_whoever_does_not_follow_is_told_at_once() -> None:
    with pytest.raises(NotFound, match="no build 1"):
        list(builds._pieces(api_whose_build_comes_after(1), "1", follow=False))
