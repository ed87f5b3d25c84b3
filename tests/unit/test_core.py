from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.clock import SystemClock
from penstock.core.digests import canonical, digest_bytes, digest_value
from penstock.core.durations import duration
from penstock.core.errors import Conflict, InvalidProject, InvalidValue, NotFound, PenstockError

UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Pair(msgspec.Struct):
    second: int
    first: int


def test_a_digest_is_sha256_in_hexadecimal() -> None:
    assert digest_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_order_of_keys_does_not_change_a_digest() -> None:
    assert digest_value({"a": 1, "b": {"c": 2, "d": 3}}) == digest_value({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_value(Pair(second=2, first=1)) == digest_value({"first": 1, "second": 2})
    assert digest_value([1, 2]) != digest_value([2, 1])


@given(json_values)
def test_a_value_that_was_stored_has_the_same_digest(value: object) -> None:
    assert digest_value(msgspec.json.decode(canonical(value))) == digest_value(value)


def test_a_value_that_is_no_data_has_no_digest() -> None:
    with pytest.raises(TypeError):
        digest_value({"step": object()})


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(list(UNITS))), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    seconds = sum(number * UNITS[unit] for number, unit in parts)
    assert duration("".join(f"{n}{u}" for n, u in parts)) == timedelta(seconds=seconds)
    assert duration(" ".join(f"{n}{u}" for n, u in parts)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "7 days", "-1d", "1.5h", "1h30", "7D", "٣d", "1 0m", "9" * 12 + "w", "9" * 5000 + "w"],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidValue, match='"10m"') as refused:
        duration(text)
    assert repr(text) in str(refused.value)


def test_an_error_says_what_was_expected_and_found_and_what_to_do() -> None:
    error = Conflict(what="The port is taken", expected="a free port", found="8420", fix="Choose another.")
    assert str(error) == "The port is taken: expected a free port; found 8420. Choose another."
    assert str(Conflict(what="The port is taken.", found="8420")) == "The port is taken: found 8420."
    assert (
        str(Conflict(what="The port is taken", fix="Choose another.")) == "The port is taken. Choose another."
    )
    assert str(Conflict(what="It ended", found="It broke.", fix="Mend it.")) == (
        "It ended: found It broke. Mend it."
    )
    assert str(NotFound()) == "There is no such thing here."
    assert error.as_dict() == {
        "code": "conflict",
        "error": str(error),
        "what": "The port is taken",
        "expected": "a free port",
        "found": "8420",
        "fix": "Choose another.",
    }


def kinds(root: type[PenstockError]) -> list[type[PenstockError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", kinds(PenstockError))
def test_every_kind_of_error_has_a_code_a_status_and_a_sentence(kind: type[PenstockError]) -> None:
    assert kind.code == kind.code.lower()
    assert 400 <= kind.status < 600
    assert str(kind()).endswith(".")


def test_codes_are_not_shared() -> None:
    codes = [kind.code for kind in kinds(PenstockError) if kind.__module__ == PenstockError.__module__]
    assert len(set(codes)) == len(codes)
    assert InvalidProject.status == InvalidValue.status


def test_the_machines_clock_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert abs(datetime.now(UTC) - SystemClock().now()) < timedelta(minutes=1)


def test_a_sentence_that_asks_ends_with_its_question_mark():
    assert (
        str(InvalidValue(what="There is no `x`. Did you mean `y`?")) == "There is no `x`. Did you mean `y`?"
    )


def test_what_was_found_ends_the_sentence_where_it_is_one() -> None:
    assert (
        str(InvalidValue(what="It fails", found="No route.", fix="Ask.")) == "It fails: found No route. Ask."
    )
    assert str(InvalidValue(what="It fails.", found="nothing", fix="Ask.")) == "It fails: found nothing. Ask."
