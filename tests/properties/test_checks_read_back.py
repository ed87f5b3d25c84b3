from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from penstock.checks import Check, parse
from penstock.checks.check import COMPARE

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
names = st.one_of(
    words,
    st.lists(words, min_size=2, max_size=3).map(".".join),
    st.builds("worst({}).{}".format, words, words),
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
checks = st.builds(
    Check, left=names, operator=st.sampled_from(list(COMPARE)), right=names | st.just(""), offset=numbers
)
facts = st.dictionaries(names, numbers)


@given(checks)
def test_a_check_reads_back_from_its_own_words(check: Check) -> None:
    assert parse(str(check)) == check


@given(checks, facts)
def test_an_answer_passes_only_when_the_numbers_do(check: Check, known: dict[str, float]) -> None:
    result = check.evaluate(known)
    if result.left is None or result.right is None:
        assert not result.passed or result.why == "there is no champion yet"
    else:
        assert result.passed == COMPARE[check.operator](result.left, result.right)
        assert result.left == known[check.left]


@given(checks, numbers)
def test_no_number_passes_two_opposite_checks(check: Check, left: float) -> None:
    opposite = {">=": "<", "<": ">=", "<=": ">", ">": "<=", "==": "!=", "!=": "=="}
    other = Check(left="x", operator=opposite[check.operator], offset=check.offset)  # type: ignore[arg-type]
    one = Check(left="x", operator=check.operator, offset=check.offset)
    assert one.evaluate({"x": left}).passed != other.evaluate({"x": left}).passed
    assert not one.evaluate({"x": math.nan}).passed
    assert not other.evaluate({"x": math.nan}).passed
