"""Expectations as a file of the project: inferred from rows that are good, written, and read again."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from penstock.core.clock import moment_of
from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.expectations import Expectations, Rules, hiding, types_asked
from penstock.datasets.sketches import ColumnSketch, Sketch

FOLDER = "expectations"
"""Where in a project the files lie, each called after its source or feature view."""
CATEGORIES = 50
"""Different values of a text column up to which they are listed."""
ENOUGH = 20
"""Rows for each of them that it takes to list them."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST = 1 << 63


def inferred(sketch: Sketch, key: tuple[str, ...] = (), hidden: Collection[str] = ()) -> Expectations:
    """What rows like these are: rules that all of them keep, with room where others may go further.

    Types, missing values where there was none, infinite values and a key of one column are errors. Ranges,
    with half their width more on both sides but not below 0 where nothing was, and lists of values only warn:
    a new extreme is no error until somebody says so. Of `hidden` columns no rule tells values.
    """
    return Expectations(
        rows=1,
        columns={
            column.name: _rules(column, unique=(column.name,) == key, told=column.name not in hidden)
            for column in sketch.columns
            if column.dtype != "other" and column.count
        },
    )


def _rules(column: ColumnSketch, *, unique: bool, told: bool) -> Rules:
    rules: dict[str, Any] = {"type": column.dtype, "unique": unique}
    share = column.nulls / column.rows
    rules["nulls"] = 0.0 if not share else min(1.0, _rounded(2 * share, up=True))
    warn = ["nulls"] if share else []
    if column.dtype in {"int", "float"}:
        rules["finite"] = column.dtype == "float" and not column.odd
        room = (column.high - column.low) / 2
        if told and math.isfinite(room) and room > 0:
            low = 0.0 if column.low >= 0 else _rounded(column.low - room, up=False)
            bounds = (low, _rounded(column.high + room, up=True))
            whole = column.dtype == "int"
            rules["at_least"], rules["at_most"] = (int(bound) if whole else bound for bound in bounds)
            warn += ["at_least", "at_most"]
    listed = column.exact and len(column.top) <= CATEGORIES and column.count >= ENOUGH * len(column.top)
    if told and column.dtype == "string" and listed:
        rules["one_of"] = tuple(sorted(column.top))
        warn.append("one_of")
    return Rules(**rules, warn=tuple(warn))


def _rounded(value: float, *, up: bool) -> float:
    """Two digits of a number, not nearer to 0 than rounding up or down allows."""
    if not value:
        return 0.0
    scale = 10.0 ** (1 - math.floor(math.log10(abs(value))))
    if not math.isfinite(scale) or not scale:
        return value
    return float((math.ceil if up else math.floor)(round(value * scale, 6)) / scale)


def as_toml(expected: Expectations, source: str, said: str) -> str:
    """Expectations as the text of a file; `said` tells where they come from."""
    lines = [
        f"# What rows of {source} are expected to be. {said}",
        "# Yours to tighten: what a column's `warn` does not name stops a run. See docs/datasets.md.",
        "",
        f'severity = "{expected.severity}"',
        f"rows = {expected.rows}",
        f"other_columns = {str(expected.other_columns).lower()}",
    ]
    for name, rules in expected.columns.items():
        lines += ["", f"[columns.{_key(name)}]", *_lines(rules)]
    return "\n".join(lines) + "\n"


def _lines(rules: Rules) -> Iterator[str]:
    given = msgspec.structs.asdict(rules)
    empty = msgspec.structs.asdict(Rules())
    for name, value in given.items():
        if value != empty[name] or (name == "nulls" and value is not None):
            yield f"{name} = {_value(value)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # as TOML has it


def parsed(text: str, file: str) -> Expectations:
    """The expectations of a file. Raises InvalidValue that names the file and what is wrong in it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue(what=f"{file} is no TOML", found=str(error)) from error
    try:
        expected = msgspec.convert(_plain(data), Expectations)
    except msgspec.ValidationError as error:
        unknown = re.search(r"unknown field `(.+?)`", str(error))
        among = Rules.__struct_fields__ if "columns" in str(error) else Expectations.__struct_fields__
        fix = meant(unknown[1], among) if unknown else ""
        what = f"{file}{_column(data)} is not understood"
        raise InvalidValue(what=what, found=str(error).partition(" - at `$.columns")[0], fix=fix) from error
    for name, rules in expected.columns.items():
        _refuse_impossible(f"{file}, column `{name}`", rules)
    return expected


def _column(data: Mapping[str, Any]) -> str:
    """Which column of a file that is not understood has rules that are not, if any."""
    for name, rules in dict(data.get("columns", {})).items():
        try:
            msgspec.convert(_plain(rules), Rules)
        except msgspec.ValidationError:
            return f", column `{name}`,"
    return ""


def _refuse_impossible(where: str, rules: Rules) -> None:
    types = {"", "float", "int", "bool", "string", "time"}
    names = [each for each in Rules.__struct_fields__ if each != "warn"]
    if rules.type not in types:
        raise InvalidValue(what=f"{where}: no such type {rules.type!r}.", fix=meant(rules.type, types - {""}))
    if wrong := [each for each in rules.warn if each not in names]:
        raise InvalidValue(what=f"{where}: `warn` names no rule {wrong[0]!r}.", fix=meant(wrong[0], names))
    if rules.nulls is not None and not 0 <= rules.nulls <= 1:
        raise InvalidValue(what=f"{where}: `nulls` is a share", expected="0 to 1", found=f"{rules.nulls}")
    for value in (rules.at_least, rules.at_most, *rules.one_of):
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            what = f"{where}: a whole number is larger than any column holds"
            raise InvalidValue(what=what, expected="64 bits", found=str(value))
    for bound in (rules.at_least, rules.at_most):
        try:
            moment_of(bound) if isinstance(bound, str) else int(bound or 0)
        except (ValueError, OverflowError):
            what = f"{where}: a bound is no number and no time"
            raise InvalidValue(what=what, found=repr(bound)) from None
    asked = list(types_asked(rules))
    if len({"float" if kind == "int" else kind for _, kind in asked}) > 1:
        raise InvalidValue(
            what=f"{where}: no column can hold to all of its rules",
            expected="rules of one type",
            found=", ".join(f"`{name}` of {kind}" for name, kind in asked),
        )
    try:
        re.compile(rules.matches)
        pl.select(pl.lit("").str.contains(rules.matches))
    except (re.error, pl.exceptions.ComputeError) as error:
        what = f"{where}: `matches` is no regular expression that Polars and Python both know"
        said = re.findall("error: (.+)", str(error))[-1:] or [str(error)]
        raise InvalidValue(what=what, found=said[0]) from error


def read_file(path: Path, file: str) -> Expectations:
    """The expectations of the file at a path, called `file` in what is wrong in it. Raises InvalidValue."""
    try:
        return parsed(path.read_text(encoding="utf-8"), file)
    except UnicodeDecodeError as error:
        what = f"{file} is no text"
        raise InvalidValue(what=what, expected="UTF-8", found=f"byte {error.start} is none of it") from error


def of_project(folder: Path, hidden: Collection[str] = ()) -> dict[str, Expectations]:
    """What a project expects, by the names of its sources and feature views; of `hidden` columns no value is
    shown. Raises InvalidValue.
    """
    return {
        file.stem: hiding(read_file(file, f"{FOLDER}/{file.name}"), hidden)
        for file in sorted((folder / FOLDER).glob("*.toml"))
    }


def as_data(expected: Expectations) -> dict[str, Any]:
    """Expectations as JSON gives them back, without what asks nothing."""
    data: dict[str, Any] = msgspec.to_builtins(expected)
    empty = msgspec.to_builtins(Rules())
    columns = {
        name: {rule: value for rule, value in rules.items() if value != empty[rule]}
        for name, rules in data["columns"].items()
    }
    hidden = list(data.pop("hidden"))
    return {**data, **({"hidden": hidden} if hidden else {}), "columns": columns}


def _plain(value: Any) -> Any:
    """TOML's dates and times as text."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, datetime | date) else value
