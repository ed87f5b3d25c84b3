"""The table [tests]: settings of the automatic tests and what may fail."""

from __future__ import annotations

import pytest

from penstock.core.errors import InvalidProject
from penstock.revisions.config import TestsConfig, Waiver, parse_config

PROJECT = (
    '[project]\nname = "flights"\n[environments.test]\ndeploy = { on = "push", branch = "dev" }\n[tests]\n'
)


def test_without_the_table_everything_is_tested() -> None:
    assert parse_config(PROJECT).tests == TestsConfig(rows=2000, sample="", waive=())


def test_a_waiver_has_a_test_and_a_reason() -> None:
    config = parse_config(PROJECT + 'waive = [{ test = "unused", of = "weather", reason = "Soon." }]').tests
    assert config.waive == (Waiver(test="unused", of="weather", reason="Soon."),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('waive = [{ test = "no_futur", reason = "x" }]', "Did you mean 'no_future'?"),
        ('waive = [{ test = "unused" }]', r"lacks the key 'reason'"),
        (
            'waive = [{ test = "unused", reason = " " }]',
            "penstock.toml:6: the waiver of 'unused' gives no reason",
        ),
        ("row = 5", "Did you mean 'rows'?"),
        ("rows = 5", "at least 200"),
        ('sample = "../elsewhere"', "'sample' leaves the project"),
    ],
)
def test_mistakes_are_told_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(InvalidProject, match=said.replace("?", r"\?")):
        parse_config(PROJECT + text)
