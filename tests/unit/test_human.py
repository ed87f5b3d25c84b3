"""Values as people read them."""

import pytest

from penstock.core.human import human


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (0.123456, "0.1235"),
        (12, "12"),
        ("2013-03-01T06:00:00Z", "2013-03-01 06:00"),
        ("2013-03-01T06:00:07.250000+00:00", "2013-03-01 06:00:07"),
        ("2013-03-01T06:00:00+02:00", "2013-03-01 04:00"),
        ("2013-03-01", "2013-03-01"),
        ("0123456789" * 4, "012345678901"),
        ("release:" + "0123456789abcdef" * 4, "release:0123456789ab"),
        (["a", "b"], "a, b"),
        ({"roc_auc": 0.7, "rows": 3}, "roc_auc 0.7, rows 3"),
    ],
)
def test_a_value_in_one_line(value: object, text: str) -> None:
    assert human(value) == text
