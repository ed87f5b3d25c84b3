"""Training rows held against what is expected of their source and of each feature view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from penstock.datasets.expectations import Expectations, check, refuse


def training_as_expected(settings: Mapping[str, Any], rows: pl.DataFrame) -> list[str]:
    """What of training rows is not as expected and only warns, for the settings of a `rows` node.

    A source was held against its expectations when it was read: here only its columns that are still there
    are asked, and the features all. Raises InvalidValue for errors.
    """
    source = settings["source"]
    named_by = (*source["key"], source["event_time"])
    warnings = []
    for name, given in settings.get("expectations", {}).items():
        expected = msgspec.convert(given, Expectations)
        whole = name != source["name"]
        asked = msgspec.structs.replace(expected, other_columns=True, rows=expected.rows if whole else 0)
        what = f"The training rows with the features of {name}" if whole else "The training rows"
        found = check(rows, asked, named_by=named_by, part=not whole)
        warnings += refuse(found, what, name)
    return [str(each) for each in warnings]
