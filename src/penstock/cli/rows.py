"""What people hand to commands: parameters as `k=v`, rows as JSON or CSV files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.core.clock import moment_of
from penstock.core.errors import InvalidValue, NotFound


def parameters(given: Sequence[str] | None) -> dict[str, str]:
    """Parameters written as `k=v`. Raises InvalidValue for one without a name or a value."""
    pairs = [text.partition("=") for text in given or ()]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise InvalidValue(
                expected="a parameter written as name=value", found=repr(name + equals + value)
            )
    return {name: value for name, _, value in pairs}


def moment(text: str) -> datetime | None:
    """A time, UTC where it has no zone; none where nothing is written. Raises InvalidValue."""
    try:
        return moment_of(text) if text else None
    except ValueError:
        raise InvalidValue(
            expected="a time such as 2024-03-01 or 2024-03-01T12:00:00+00:00; without a zone it is UTC",
            found=repr(text),
        ) from None


def read_parameters(path: Path) -> dict[str, Any]:
    """Parameters of a TOML file, one `name = value` each. Raises NotFound and InvalidValue."""
    import tomllib

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(what=f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidValue(expected=f"{path} to be TOML", found=str(error)) from error
    return found


def as_toml(params: Mapping[str, Any]) -> str:
    """Parameters as the TOML that `read_parameters` reads; one without a value is left out."""
    given = {name: value for name, value in params.items() if value is not None}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file with a header (every value text), a JSON list of objects, or JSON lines.

    Raises NotFound and InvalidValue.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotFound(what=f"{path} cannot be read: {error.strerror}.") from error
    rows = list(csv.DictReader(text.splitlines())) if path.suffix == ".csv" else _json_rows(path, text)
    if not rows or any(None in row or None in row.values() for row in rows if path.suffix == ".csv"):
        raise InvalidValue(
            expected=f"{path} to hold at least one row, each with every column", found="none or others"
        )
    return rows


def _json_rows(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        value = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.splitlines()]
        )
    except ValueError as error:
        raise InvalidValue(expected=f"{path} to be JSON or CSV", found=str(error)) from error
    if not all(isinstance(row, dict) for row in value):
        raise InvalidValue(expected=f"{path} to hold objects, one per row", found=type(value[0]).__name__)
    return value


def as_wanted(rows: Sequence[Mapping[str, Any]], datatypes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of rows the columns of `datatypes`; text from CSV becomes the numbers that they ask for.

    Raises InvalidValue naming the column and row.
    """
    return [
        {
            name: _typed(value, datatypes[name], name, number)
            for name, value in row.items()
            if name in datatypes
        }
        for number, row in enumerate(rows, 1)
    ]


def _typed(value: Any, datatype: str, name: str, number: int) -> Any:
    if not isinstance(value, str) or datatype == "BYTES":
        return value
    if not value:
        return None
    try:
        if datatype == "BOOL":
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        return float(value) if datatype.startswith("FP") else int(value)
    except (KeyError, ValueError):
        raise InvalidValue(
            expected=f"{datatype} in the column {name}, row {number}", found=repr(value)
        ) from None
