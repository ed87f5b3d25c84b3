"""Stage 6: answers are held against the truth when it comes, and every fact can be traced back."""

from typing import Any

import pytest

from penstock.cli.demo.system import Refused


def test_windows_say_how_good_the_answers_were_and_how_much_is_known(watched: Any) -> None:
    windows = watched.items("/windows", model="returns", variant="champion")
    full = [window for window in windows if window["labelled"]]
    assert sum(window["predictions"] for window in windows) >= 1_000
    assert all(0.4 < window["completeness"] < 0.6 for window in full)
    assert all(0 < window["metrics"]["roc_auc"] < 1 for window in full)
    assert all(set(window["drift"]) >= {"price", "channel"} for window in full)


def test_a_label_for_an_unknown_prediction_refuses_the_whole_lot(watched: Any) -> None:
    known = next(o for o in watched.orders()[1::2])
    items = [{"prediction": known.id, "value": True}, {"prediction": "never-asked", "value": True}]
    with pytest.raises(Refused, match="never-asked"):
        watched.system.post("/labels", model="returns", items=items)


def test_what_answers_in_production_is_traced_back_to_the_commit(watched: Any) -> None:
    chain = watched.items("/why/returns@production")
    kinds = [event["kind"] for event in chain]
    assert "trigger.fired" in kinds
    assert kinds[-1] == "revision.seen"
    assert watched.commit() in str(chain[-1])


def test_the_ledger_proves_itself_whole(watched: Any) -> None:
    found = watched.system.get("/audit")
    assert found["ok"]
    assert found["count"] > 50
