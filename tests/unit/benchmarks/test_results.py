"""The frame of the benchmarks: what is kept, and when a bar is met."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest

from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Contender, Samples, surroundings, take_turns
from benchmarks.frame.results import Bar, Results


def test_contenders_take_turns_and_the_warm_up_does_not_count():
    told = []

    def once(name: str) -> Callable[[int], float]:
        return lambda seed: told.append((name, seed)) or float(len(told))

    found = take_turns(
        [Contender(name=name, once=once(name), rounds=rounds) for name, rounds in (("a", 2), ("b", 1))],
        lambda _text: None,
    )
    assert [name for name, _ in told] == ["a", "b", "a", "b", "a"]
    assert found["a"].values == [3, 5]
    assert found["b"].values == [4]
    assert told[0][1] != told[2][1], "a round must not find what the one before has cached"


def test_who_fails_is_left_out_and_the_others_go_on():
    def fails(_seed: int) -> Never:
        raise Failed("no wheel for this machine")

    contenders = [Contender(name="a", once=fails), Contender(name="b", once=lambda _seed: 1.0)]
    found = take_turns(contenders, lambda _text: None)
    assert found["a"].error == "no wheel for this machine"
    assert found["a"].median is None
    assert len(found["b"].values) == 5


def test_who_stumbles_once_is_asked_again():
    answers = iter([1.0, Failed("a busy machine"), 2.0, 3.0])

    def once(_seed: int) -> float:
        answer = next(answers)
        if isinstance(answer, Failed):
            raise answer
        return answer

    found = take_turns([Contender(name="a", once=once, rounds=2)], lambda _text: None)
    assert found["a"].values == [2, 3]
    assert found["a"].median == 2.5


def test_a_peer_that_failed_stays_in_the_table_with_the_reason(tmp_path: Path):
    results = Results("area", "make bench-area", tmp_path)
    results.add("chain", "s", Samples(values=[1, 2, 9]), Samples(error="no wheel"), "Peer", bar=Bar(times=10))
    [row] = json.loads((tmp_path / "area.json").read_bytes())
    assert (row["ours"], row["peer"], row["ratio"], row["met"]) == (2, None, None, None)
    assert "no wheel" in row["note"]


def test_measuring_a_part_again_keeps_the_rest(tmp_path: Path):
    for value in (1.0, 2.0):
        results = Results("area", "", tmp_path, keep=True)
        results.add("chain", "s", Samples(values=[value]))
    results.add("fan", "s", Samples(values=[3.0]))
    again = Results("area", "", tmp_path, keep=True)
    assert [(row.name, row.ours) for row in again.rows] == [("chain", 2), ("fan", 3)]
    assert Results("area", "", tmp_path).rows == []


@pytest.mark.parametrize(
    ("bar", "met", "text"),
    [
        (Bar(times=10), True, "≥ 10 times better"),
        (Bar(times=11), False, "≥ 11 times better"),
        (Bar(at_most=2), True, "≤ 2 s"),
        (Bar(at_most=1.9), False, "≤ 1.9 s"),
    ],
)
def test_a_bar_is_met_by_the_ratio_of_medians_or_by_the_median(
    tmp_path: Path, bar: Bar, met: bool, text: str
):
    row = Results("area", "", tmp_path).add(
        "chain", "s", Samples(values=[1, 2, 9]), Samples(values=[19, 20, 21]), "Peer", bar=bar
    )
    assert row.ratio == 10
    assert (row.met, row.bar) == (met, text)


def test_a_bar_below_one_allows_to_be_so_much_worse_than_a_limit(tmp_path: Path):
    results = Results("area", "", tmp_path)
    four = Bar(times=1 / 4)
    assert results.add("step", "ms", Samples(values=[4]), Samples(values=[1]), "prototype", bar=four).met
    assert not results.add("step", "ms", Samples(values=[5]), Samples(values=[1]), "prototype", bar=four).met
    assert four.text("ms") == "≤ 4 times as much"


def test_measured_processes_keep_their_byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PENSTOCK_HOME", "elsewhere")
    env = surroundings(tmp_path, {"TOOL_HOME": "here"})
    assert not {"PYTHONDONTWRITEBYTECODE", "PENSTOCK_HOME"} & set(env)
    assert (env["HOME"], env["TOOL_HOME"]) == (str(tmp_path), "here")
