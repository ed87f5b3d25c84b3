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
        ("Ada <ada@shop.example>", "Ada"),
        ("/envs/" + "ab" * 32 + "/bin", "/envs/" + "ab" * 32 + "/bin"),
        ({"train": {"rows": 3}, "holdout": {"rows": 1}}, "train, holdout"),
        (["a", "b"], "a, b"),
        ([{"check": "roc_auc >= 0.6"}, {"check": "contract"}], "2 of them"),
        ({"roc_auc": 0.7, "rows": 3}, "roc_auc 0.7, rows 3"),
    ],
)
def test_a_value_in_one_line(value: object, text: str) -> None:
    assert human(value) == text
