"""Whole tables checked against what a model takes: rows that do not fit are told apart, with the reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.types import Column
from penstock.models.types import Signature

KINDS: dict[str, Any] = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}
"""The types of columns as a model takes them."""
_WANTED = {"float": "a number", "int": "a whole number", "bool": "true or false", "string": "a text"}
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_LARGEST = 3.4028234e38
"""The largest number that a model computes with."""


class Misfit(NamedTuple):
    """A row that the model is not asked: `row` from 0, and what is wrong with which column."""

    row: int
    column: str
    value: Any
    why: str


def require_columns(names: list[str], signature: Signature, path: str, found: Collection[str] = ()) -> None:
    """Raises InvalidValue unless a table has all that a model takes, but for what is `found` otherwise."""
    missing = [column.name for column in signature.inputs if column.name not in {*names, *found}]
    if missing:
        raise InvalidValue(
            what=f"{path} lacks columns of the model",
            expected=", ".join(column.name for column in signature.inputs),
            found=f"no {', '.join(missing)}",
            fix=meant(missing[0], names),
        )


def fitting(rows: pl.DataFrame, signature: Signature) -> tuple[dict[str, pl.Series], list[Misfit]]:
    """The columns that the model takes, in its types, and the first misfit of each row that has one.

    Values of rows with a misfit are null. An empty text is null, and so is not-a-number.
    """
    columns: dict[str, pl.Series] = {}
    misfits: dict[int, Misfit] = {}
    for column in signature.inputs:
        given = rows[column.name]
        made = _made(given, column)
        lost = given.is_not_null() & made.is_null()
        if given.dtype == pl.String:
            lost &= given != ""
        if column.dtype == "float":
            lost &= ~given.cast(pl.Float64, strict=False).is_nan().fill_null(value=False)
        for row in lost.arg_true():
            why = f"expected {_WANTED[column.dtype]}"
            misfits.setdefault(row, Misfit(row, column.name, given[row], why))
        if not column.nullable:
            for row in (made.is_null() & ~lost).arg_true():
                misfits.setdefault(row, Misfit(row, column.name, None, "the value is missing"))
        columns[column.name] = made
    return columns, [misfits[row] for row in sorted(misfits)]


def _made(given: pl.Series, column: Column) -> pl.Series:
    """The column in the model's type; what cannot be that is null."""
    wanted = KINDS[column.dtype]
    if given.dtype in {pl.Categorical, pl.Enum}:
        given = given.cast(pl.String)
    match column.dtype:
        case "string":
            text = given if given.dtype == pl.String else given.cast(pl.String, strict=False)
            return text.replace("", None)
        case "bool" if given.dtype != pl.Boolean:
            texts = given.cast(pl.String, strict=False).str.to_lowercase()
            return texts.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
        case "int" if given.dtype.is_float() or given.dtype == pl.String:
            number = given.cast(pl.Float64, strict=False)
            whole = number.is_finite() & (number == number.floor())
            exact = given.cast(pl.Int64, strict=False)
            return exact.fill_null(number.cast(pl.Int64, strict=False)).zip_with(
                whole.fill_null(value=False), pl.Series([None], dtype=pl.Int64)
            )
        case "float":
            number = given.cast(pl.Float64, strict=False).fill_nan(None)
            return number.zip_with(
                (number.abs() < _LARGEST).fill_null(value=False), pl.Series([None], dtype=pl.Float64)
            )
    return given.cast(wanted, strict=False)
