"""Origins that are computed of the other columns of a row, in training and when a model is asked alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.columns import column_type
from penstock.features.types import Computed, Origins

FEW = 16
"""Rows of a training set that are computed alone, to see that a feature is made of its own row."""
_TYPES = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}
"""The types of values on the wire: whatever a source has, these are computed with."""


def read_computed(texts: Mapping[str, str]) -> tuple[Computed, ...]:
    """The features by their names, and the columns that they are made of. Raises InvalidValue."""
    return tuple(
        Computed(name=name, text=text, of=tuple(dict.fromkeys(_expression(name, text).meta.root_names())))
        for name, text in texts.items()
    )


def compute(rows: pl.DataFrame, features: Sequence[Computed]) -> pl.DataFrame:
    """A column per feature for n rows that have the columns which it is made of.

    A number that is not finite is null. Raises InvalidValue for what Polars cannot do with these columns.
    """
    names = dict.fromkeys(name for each in features for name in each.of)
    given = rows.select(
        pl.int_range(pl.len()).alias(_ROW),
        *(pl.col(name).cast(_TYPES[column_type(rows.schema[name])]) for name in names),
    )
    made = []
    for each in features:
        try:
            column = given.with_columns(_expression(each.name, each.text).alias(_MADE)).get_column(_MADE)
        except pl.exceptions.PolarsError as error:
            raise InvalidValue(
                what=f"The computed feature `{each.name}` fails",
                found=f"{str(error).splitlines()[0]} in {each.text!r}",
            ) from error
        if column.dtype.is_float():
            column = column.set(~column.is_finite(), None)
        kind = _TYPES.get(column_type(column.dtype))
        if kind is None:
            raise InvalidValue(
                what=f"The computed feature `{each.name}` cannot be an input of a model",
                expected="a number, boolean or text",
                found=f"{column.dtype} from {each.text!r}",
            )
        made.append(column.cast(kind).alias(each.name))
    return pl.DataFrame(made)


def compute_values(columns: Mapping[str, Sequence[Any]], rows: int, origins: Origins) -> dict[str, list[Any]]:
    """The computed features of n rows of a request, column by column. Raises InvalidValue as `compute`."""
    kinds = {column.name: _TYPES[column.dtype] for column in origins.made_of}
    table = pl.DataFrame([pl.Series(name, columns[name], kind) for name, kind in kinds.items()])
    if not kinds:
        table = pl.DataFrame({_ROW: range(rows)})
    return compute(table, origins.computed).to_dict(as_series=False)


def with_computed(rows: pl.DataFrame, texts: Mapping[str, str]) -> pl.DataFrame:
    """The rows of a training set with computed features.

    Raises InvalidValue for one that is called as a column is, is made of columns that are not there or that
    no request could hold, or is made of other rows than its own, which a request would not have.
    """
    features = read_computed(texts)
    for each in features:
        if each.name in rows.columns:
            raise InvalidValue(
                what=f"The computed feature `{each.name}` is called as a column of the rows is.",
                fix="Call it otherwise.",
            )
        for name in each.of:
            if name not in rows.columns:
                raise InvalidValue(
                    what=f"The computed feature `{each.name}` is made of `{name}`, which the rows lack.",
                    fix=meant(name, rows.columns),
                )
            if column_type(rows.schema[name]) not in _TYPES:
                raise InvalidValue(
                    what=f"The computed feature `{each.name}` is made of `{name}`, which no request can hold",
                    expected="a column of numbers, booleans or texts",
                    found=str(rows.schema[name]),
                    fix="Make a number or text of it in the source or a view.",
                )
    made = compute(rows, features)
    places = [index * rows.height // FEW for index in range(FEW)] if rows.height > FEW else range(rows.height)
    for place in places:
        alone = compute(rows[place : place + 1], features)
        for each in features:
            if not made[each.name][place : place + 1].equals(alone[each.name]):
                raise InvalidValue(
                    what=f"The computed feature `{each.name}` is made of other rows than its own",
                    expected=f"{alone[each.name][0]}, as row {place} alone has",
                    found=str(made[each.name][place]),
                    fix="Leave sums, ranks and windows to feature views.",
                )
    return rows.hstack(made)


_MADE, _ROW = "penstock.made", "penstock.row"


@lru_cache(1024)
def _expression(name: str, text: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what=f"The computed feature `{name}` cannot be read",
            expected='an SQL expression such as "fare / distance"',
            found=str(error).splitlines()[0],
        ) from error
