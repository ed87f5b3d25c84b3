from __future__ import annotations

import pytest

from penstock.checks import Check, parse, parse_all
from penstock.core.errors import InvalidValue

FACTS = {"roc_auc": 0.7, "champion.roc_auc": 0.704, "worst(carrier).roc_auc": 0.5, "errors": 0.0}


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("roc_auc >= 0.62", Check(left="roc_auc", operator=">=", offset=0.62)),
        ("  rmse<1e3 ", Check(left="rmse", operator="<", offset=1000.0)),
        ("bias > -.5", Check(left="bias", operator=">", offset=-0.5)),
        (
            "roc_auc >= champion.roc_auc - 0.005",
            Check(left="roc_auc", operator=">=", right="champion.roc_auc", offset=-0.005),
        ),
        ("mae <= champion.mae+2", Check(left="mae", operator="<=", right="champion.mae", offset=2.0)),
        ("low != high", Check(left="low", operator="!=", right="high")),
        (
            "worst( carrier ).roc_auc >= 0.55",
            Check(left="worst(carrier).roc_auc", operator=">=", offset=0.55),
        ),
    ],
)
def test_a_check_is_read(text: str, check: Check) -> None:
    assert parse(text) == check


@pytest.mark.parametrize(
    "text",
    [
        "",
        "roc_auc",
        "roc_auc >=",
        "roc_auc = 0.7",
        "roc_auc => 0.7",
        "0.7 <= roc_auc",
        "roc_auc >= 0.7 and mae < 3",
        "roc_auc >= 0.7 - 0.1",
        "roc_auc >= champion.roc_auc * 2",
        "roc_auc >= 1e999",
        "roc_auc >= champion.roc_auc - 1e999",
        "worst(carrier.roc_auc >= 0.5",
        "roc-auc >= 0.7",
        "roc_auc >= 0.7\nmae < 3",
    ],
)
def test_anything_else_is_refused_with_what_a_check_looks_like(text: str) -> None:
    with pytest.raises(InvalidValue, match="not a check") as refused:
        parse(text)
    assert repr(text) in refused.value.found
    assert "roc_auc >= 0.7" in refused.value.expected


@pytest.mark.parametrize(
    ("text", "passed", "why"),
    [
        ("roc_auc >= 0.62", True, "roc_auc 0.7 is >= 0.62"),
        ("roc_auc >= 0.71", False, "roc_auc 0.7 is not >= 0.71"),
        (
            "roc_auc >= champion.roc_auc - 0.005",
            True,
            "roc_auc 0.7 is >= 0.699 (champion.roc_auc - 0.005)",
        ),
        ("roc_auc >= champion.roc_auc", False, "roc_auc 0.7 is not >= 0.704 (champion.roc_auc)"),
        ("worst(carrier).roc_auc >= 0.55", False, "worst(carrier).roc_auc 0.5 is not >= 0.55"),
        ("errors == 0", True, "errors 0 is == 0"),
        ("errors != 0", False, "errors 0 is not != 0"),
        ("roc_auc > 0.7", False, "roc_auc 0.7 is not > 0.7"),
        ("roc_auc < 0.70001", True, "roc_auc 0.7 is < 0.70001"),
    ],
)
def test_the_answer_tells_both_numbers(text: str, passed: bool, why: str) -> None:
    result = parse(text).evaluate(FACTS)
    assert (result.passed, result.why, result.text) == (passed, why, text)
    assert result.left is not None
    assert result.right is not None


def test_without_a_champion_what_compares_with_it_passes() -> None:
    for text in ("roc_auc >= champion.roc_auc - 0.005", "champion.roc_auc >= 0.5"):
        result = parse(text).evaluate({"roc_auc": 0.7})
        assert (result.passed, result.why) == (True, "there is no champion yet")


@pytest.mark.parametrize(
    ("text", "facts", "missing"),
    [
        ("roc_auc >= 0.7", {}, "roc_auc was not measured; what was: nothing"),
        ("roc_auc >= 0.7", {"mae": 1.0, "roc_auc": float("nan")}, "roc_auc was not measured; what was: mae"),
        ("mae <= champion.mae", {"roc_auc": 0.7}, "mae was not measured; what was: roc_auc"),
        ("mae != champion.mae", {"mae": 1.0, "champion.mae": float("nan")}, "champion.mae was not measured"),
        ("mae <= champion.mea", {"mae": 1.0, "champion.mae": 2.0}, "champion.mea was not measured"),
        ("mae <= bound", {"mae": 1.0}, "bound was not measured"),
    ],
)
def test_what_was_not_measured_does_not_pass(text: str, facts: dict[str, float], missing: str) -> None:
    result = parse(text).evaluate(facts)
    assert not result.passed
    assert result.why.startswith(missing)


def test_a_gate_of_no_checks_is_refused() -> None:
    with pytest.raises(InvalidValue, match="empty gate"):
        parse_all([])
    assert [str(check) for check in parse_all(["mae < 3", "roc_auc >= 0.7"])] == ["mae < 3", "roc_auc >= 0.7"]
