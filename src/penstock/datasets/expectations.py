"""Expectations: what the rows of a table are expected to be, and which of them are not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import polars as pl

from penstock.core.clock import moment_of
from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type
from penstock.datasets.mending import shown
from penstock.datasets.sketches import HASHES, ColumnSketch, Sketch

Severity = Literal["error", "warn"]
SHOWN = 3
"""Rows of a violation that are shown."""
TOLD = 10
"""Violations that a refusal tells of."""
Bound = float | int | str


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a column is expected to hold: each rule that is given has to hold, but those in `warn` only warn.

    `type` is a word of `datasets.types.Column`, and whole numbers are numbers. `nulls` is the largest share
    of rows without a value. `at_least` and `at_most` bound numbers, or times written as ISO 8601 text.
    `finite` asks for no infinite value, `unique` for no value twice, `one_of` for these values, `matches` for
    text that the whole regular expression fits. A rule of numbers, times or text asks for such a column too.
    """

    type: str = ""
    nulls: float | None = None
    at_least: Bound | None = None
    at_most: Bound | None = None
    finite: bool = False
    unique: bool = False
    one_of: tuple[str | int | float | bool, ...] = ()
    matches: str = ""
    warn: tuple[str, ...] = ()


class Expectations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a table is expected to be: `rows` of it at least, and its columns, beside which there may be
    `other_columns`. What is not so is an error, or with `severity` only a warning. `serving` says what
    becomes of requests for predictions with values that the rules of their columns rule out. Of `hidden`
    columns no value is shown as an example.
    """

    severity: Severity = "error"
    rows: int = 0
    other_columns: bool = True
    serving: Literal["count", "refuse"] = "count"
    hidden: tuple[str, ...] = ()
    columns: dict[str, Rules] = {}


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation that does not hold: of which column (none: of the table), by which rule, in how many of
    so many rows, and some of these as text.
    """

    column: str
    rule: str
    severity: Severity
    count: int
    rows: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In one line, such as `delay: at_least 0, but 3 of 200 rows are not, such as -7 (id 12)`."""
        where = f"`{self.column}` " if self.column else ""
        such = f", such as {'; '.join(self.examples)}" if self.examples else ""
        often = f" in {self.count:,} of {self.rows:,} rows" if self.rows else ""
        return f"{where}{self.rule}: not so{often}{such}"


class _Asked(NamedTuple):
    """A rule of a column that there is: its name, its words, which rows break it, and how many may."""

    name: str
    words: str
    broken: pl.Expr
    allowed: float = 0.0


def check(
    table: pl.DataFrame | pl.LazyFrame,
    expected: Expectations,
    *,
    sketch: Sketch | None = None,
    named_by: tuple[str, ...] = (),
    part: bool = False,
) -> list[Violation]:
    """What of a table is not as expected: exact, in a pass more, which is saved where the sketch says enough.

    Examples tell the columns `named_by` too, and nothing of `hidden` ones. Of a `part` of a table's columns
    and rows nothing is asked that only the whole can answer: columns that are not there, how many rows,
    shares of nulls and values twice.
    """
    lazy = table.lazy()
    schema = lazy.collect_schema()
    about = {column.name: column for column in sketch.columns} if sketch else {}
    found = [] if part else list(_of_table(expected, schema))
    wrong = {
        name: misfit
        for name, rules in expected.columns.items()
        if name in schema
        and (misfit := _misfit(rules, column_type(schema[name])))
        and not _empty(about.get(name), schema[name])
    }
    asked = [
        (name, rules, each)
        for name, rules in expected.columns.items()
        if name in schema and name not in wrong
        for each in _asked(name, rules, schema[name], part=part)
        if not (name in about and _proven(each.name, rules, about[name]))
    ]
    shown_by = [name for name in named_by if name in schema and name not in expected.hidden]
    height = sketch.rows if sketch else None
    counts: list[int] = []
    if asked or height is None:
        sums = [each.broken.sum().alias(str(place)) for place, (_, _, each) in enumerate(asked)]
        *counts, height = lazy.select(*sums, pl.len().alias("rows")).collect(engine="streaming").row(0)
    found += [
        Violation(
            column=name,
            rule=f"type {kind}",
            severity=_severity(expected, expected.columns[name], rule),
            count=height,
            rows=height,
            examples=(f"{column_type(schema[name])} instead",),
        )
        for name, (rule, kind) in wrong.items()
    ]
    if not part and height < expected.rows:
        words = f"rows {expected.rows}"
        found.append(Violation(column="", rule=words, severity=expected.severity, count=height, rows=height))
    for (name, rules, each), count in zip(asked, counts, strict=True):
        if count > each.allowed * height:
            found.append(
                Violation(
                    column=name,
                    rule=each.words,
                    severity=_severity(expected, rules, each.name),
                    count=count,
                    rows=height,
                    examples=() if name in expected.hidden else _examples(lazy, name, each, shown_by),
                )
            )
    return found


def refuse(found: Sequence[Violation], what: str, name: str) -> list[Violation]:
    """Give the violations that only warn. Raises InvalidValue for those that are errors."""
    errors = [each for each in found if each.severity == "error"]
    if not errors:
        return list(found)
    more = f"; and {len(errors) - TOLD} more" if len(errors) > TOLD else ""
    raise InvalidValue(
        what=f"{what} are not as expected",
        found="; ".join(map(str, errors[:TOLD])) + more,
        fix=f"Mend the rows, or expect something else in expectations/{name}.toml.",
    )


def hiding(expected: Expectations, columns: Iterable[str]) -> Expectations:
    """The expectations with more columns of which no value is shown."""
    return msgspec.structs.replace(expected, hidden=tuple(sorted({*expected.hidden, *columns})))


def rules_in(expected: Expectations) -> int:
    """How many rules there are."""
    nothing = msgspec.structs.asdict(Rules())
    own: int = sum(
        value != nothing[name]
        for rules in expected.columns.values()
        for name, value in msgspec.structs.asdict(rules).items()
        if name != "warn"
    )
    return own + (expected.rows > 0) + (not expected.other_columns)


def _severity(expected: Expectations, rules: Rules, name: str) -> Severity:
    return "warn" if name in rules.warn else expected.severity


def _of_table(expected: Expectations, schema: Mapping[str, pl.DataType]) -> Iterator[Violation]:
    for name, rules in expected.columns.items():
        if name not in schema:
            severity = _severity(expected, rules, "type")
            yield Violation(column=name, rule="is a column", severity=severity, count=0, rows=0)
    more = [name for name in schema if name not in expected.columns]
    if more and not expected.other_columns:
        named = ", ".join(f"`{name}`" for name in more[:SHOWN])
        rule = "other_columns false"
        yield Violation(column="", rule=rule, severity=expected.severity, count=0, rows=0, examples=(named,))


def types_asked(rules: Rules) -> Iterator[tuple[str, str]]:
    """Each rule that asks for a type of column, and which."""
    if rules.type:
        yield "type", rules.type
    for name, bound in (("at_least", rules.at_least), ("at_most", rules.at_most)):
        if bound is not None:
            yield name, "time" if isinstance(bound, str) else "float"
    if rules.finite:
        yield "finite", "float"
    if rules.matches:
        yield "matches", "string"


def _misfit(rules: Rules, kind: str) -> tuple[str, str] | None:
    """The first rule that asks for another type of column than this, and for which."""
    fitting = {kind, "float"} if kind == "int" else {kind}
    return next((asked for asked in types_asked(rules) if asked[1] not in fitting), None)


def _empty(column: ColumnSketch | None, dtype: pl.DataType) -> bool:
    """Whether a column has no value at all, so that nobody knows its type."""
    return dtype == pl.Null or (column is not None and not column.count + column.odd)


def _asked(name: str, rules: Rules, dtype: pl.DataType, *, part: bool) -> Iterator[_Asked]:
    kind = column_type(dtype)
    column = _exactly(name)
    if rules.nulls is not None and (not part or not rules.nulls):
        yield _Asked("nulls", f"nulls {rules.nulls:g}", column.is_null(), rules.nulls)
    if rules.finite and kind == "float":
        yield _Asked("finite", "finite true", ~column.is_finite())
    if rules.at_least is not None and (bound := _bound(rules.at_least, dtype)) is not None:
        yield _Asked("at_least", f"at_least {rules.at_least}", column < bound)
    if rules.at_most is not None and (bound := _bound(rules.at_most, dtype)) is not None:
        yield _Asked("at_most", f"at_most {rules.at_most}", column > bound)
    if rules.one_of:
        few = ", ".join(_text(value) for value in rules.one_of[:SHOWN])
        more = ", …" if len(rules.one_of) > SHOWN else ""
        yield _Asked("one_of", f"one_of [{few}{more}]", ~_listed(column, rules.one_of, kind))
    if rules.matches and kind == "string":
        fits = column.cast(pl.String).str.contains(f"^(?:{rules.matches})$")
        yield _Asked("matches", f"matches {rules.matches!r}", ~fits)
    if rules.unique and not part:
        yield _Asked("unique", "unique true", column.is_duplicated() & column.is_not_null())


def _listed(column: pl.Expr, values: Sequence[Any], kind: str) -> pl.Expr:
    """Whether each value is one of a list, in which numbers are the same whole or not."""
    if kind not in {"int", "float"}:
        return column.cast(pl.String).is_in([_text(value) for value in values])
    numbers = [value for value in values if isinstance(value, int | float)]
    if kind == "int":
        return column.cast(pl.Int128).is_in(
            pl.Series([int(n) for n in numbers if n == n // 1], dtype=pl.Int128).implode()
        )
    return column.cast(pl.Float64).is_in(pl.Series(numbers, dtype=pl.Float64).implode())


def _bound(bound: Bound, dtype: pl.DataType) -> Any:
    """The bound as a value that compares with a column; None where the two cannot be compared."""
    kind = column_type(dtype)
    if isinstance(bound, str):
        return moment_of(bound, zoned=bool(getattr(dtype, "time_zone", None))) if kind == "time" else None
    return bound if kind in {"int", "float"} else None


def _proven(rule: str, rules: Rules, column: ColumnSketch) -> bool:
    """Whether a sketch says for sure that a rule of numbers, text or nulls holds."""
    holds = {
        "nulls": lambda: column.nulls <= (rules.nulls or 0.0) * column.rows,
        "finite": lambda: not column.odd,
        "at_least": lambda: not column.odd and column.low >= _number(rules.at_least, math.inf),
        "at_most": lambda: not column.odd and column.high <= _number(rules.at_most, -math.inf),
        "one_of": lambda: (
            column.dtype in {"string", "bool"}
            and column.exact
            and column.top.keys() <= {_text(value) for value in rules.one_of}
        ),
        "matches": lambda: column.exact and all(re.fullmatch(rules.matches, text) for text in column.top),
        "unique": lambda: column.distinct == column.count < HASHES,
    }
    return bool(holds[rule]())


def _number(bound: Bound | None, otherwise: float) -> float:
    """A bound that is a number; of a time nothing is proved."""
    return otherwise if bound is None or isinstance(bound, str) else bound


def _examples(table: pl.LazyFrame, name: str, asked: _Asked, named_by: Sequence[str]) -> tuple[str, ...]:
    named_by = [each for each in named_by if each != name]
    columns = [_exactly(each) for each in dict.fromkeys([name, *named_by])]
    rows = table.filter(asked.broken).select(columns).head(SHOWN).collect()
    return tuple(
        _told(row[name])
        + (f" ({', '.join(f'{by} {_told(row[by])}' for by in named_by)})" if named_by else "")
        for row in rows.iter_rows(named=True)
    )


def _told(value: Any) -> str:
    return "null" if value is None else shown(repr(value) if isinstance(value, str) else _text(value))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _exactly(name: str) -> pl.Expr:
    """The column of this name, also where it would be a pattern to Polars."""
    return pl.col(f"^{re.escape(name)}$" if name.startswith("^") or name == "*" else name)
