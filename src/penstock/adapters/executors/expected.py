"""Training rows held against what is expected of their source and of each feature view."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from penstock.datasets.expectation_files import as_data
from penstock.datasets.expectations import Expectations, check, hiding, refuse, rules_in
from penstock.datasets.types import Source
from penstock.serving.outside import HIDDEN, REFUSE


def evidence(settings: Mapping[str, Any], inputs: Collection[str], warnings: Sequence[str]) -> dict[str, Any]:
    """What a version keeps of this: the rules of its inputs, how many rules there were and what only warned.

    Empty where nothing is expected.
    """
    given = {
        name: msgspec.convert(each, Expectations) for name, each in settings.get("expectations", {}).items()
    }
    if not given:
        return {}
    hidden = {name for expected in given.values() for name in expected.hidden} | _personal(settings)
    columns = {
        name: {
            **rules,
            REFUSE: expected.serving == "refuse",
            **({HIDDEN: True} if name in hidden else {}),
        }
        for expected in given.values()
        for name, rules in as_data(expected)["columns"].items()
        if name in inputs
    }
    asked = sum(map(rules_in, given.values()))
    return {"columns": columns, "asked": asked, "unexpected": list(warnings)}


def training_as_expected(settings: Mapping[str, Any], rows: pl.LazyFrame) -> list[str]:
    """What of training rows is not as expected and only warns, for the settings of a `rows` node.

    A source was held against its expectations when it was read: here only its columns that are still there
    are asked, and the features all. Of what tells of people or is redacted no examples are given. Raises
    InvalidValue for errors.
    """
    source = msgspec.convert(settings["source"], Source)
    warnings = []
    for name, given in settings.get("expectations", {}).items():
        expected = hiding(msgspec.convert(given, Expectations), _personal(settings))
        whole = name != source.name
        asked = msgspec.structs.replace(expected, other_columns=True, rows=expected.rows if whole else 0)
        what = f"The training rows with the features of {name}" if whole else "The training rows"
        warnings += refuse(check(rows, asked, named_by=source.named_by, part=not whole), what, name)
    return [str(each) for each in warnings]


def _personal(settings: Mapping[str, Any]) -> set[str]:
    """The columns of the views of a `rows` node that tell of people."""
    return {column for view in settings.get("views", ()) for column in view.get("pii", ())}
