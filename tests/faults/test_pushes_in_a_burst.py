"""Pushes that come faster than builds end."""

from __future__ import annotations

from delivered import Tiny


def test_of_ten_pushes_in_a_moment_each_is_seen_and_the_newest_is_deployed(tiny: Tiny) -> None:
    pushed = [tiny.push("arithmetic", 0)]
    tiny.settle()
    pushed += [tiny.push("arithmetic", number) for number in range(1, 11)]
    tiny.settle()
    seen = tiny.rows("""SELECT "commit" FROM revisions ORDER BY event""")
    assert [commit for (commit,) in seen] == pushed
    built = tiny.rows("""SELECT "commit", status FROM builds ORDER BY event""")
    green = [commit for commit, status in built if status == "passed"]
    assert {status for _, status in built} <= {"passed", "superseded"}
    assert pushed[-1] in green
    told = tiny.rows("""SELECT "commit" FROM revisions WHERE superseded != ''""")
    assert {commit for (commit,) in told} == set(pushed) - set(green)
    there = tiny.rows("""SELECT "commit" FROM deployments WHERE environment = 'test' AND active""")
    assert there == [(pushed[-1],)]
    assert set(tiny.rows("SELECT status FROM runs")) == {("succeeded",)}
