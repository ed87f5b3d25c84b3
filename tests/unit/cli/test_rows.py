"""Rows and parameters as people write them."""

from pathlib import Path

import pytest

from penstock.cli.rows import as_wanted, parameters, read_rows
from penstock.core.errors import InvalidValue, NotFound


def written(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "hour,carrier\n5,UA\n6,AA\n"),
        ("rows.json", '[{"hour": 5, "carrier": "UA"},\n {"hour": 6, "carrier": "AA"}]'),
        ("rows.jsonl", '{"hour": 5, "carrier": "UA"}\n{"hour": 6, "carrier": "AA"}\n'),
    ],
)
def test_csv_json_and_json_lines_give_the_same_rows(tmp_path: Path, name: str, text: str) -> None:
    rows = read_rows(written(tmp_path, name, text))
    wanted = as_wanted(rows, {"hour": "INT64", "carrier": "BYTES"})
    assert wanted == [{"hour": 5, "carrier": "UA"}, {"hour": 6, "carrier": "AA"}]


def test_an_empty_cell_of_csv_is_null_but_an_empty_text_stays(tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path, "rows.csv", "gust,carrier\n,\n"))
    assert as_wanted(rows, {"gust": "FP64", "carrier": "BYTES"}) == [{"gust": None, "carrier": ""}]


@pytest.mark.parametrize(("text", "found"), [("yes", "'yes'"), ("2", "'2'")])
def test_a_cell_that_is_no_boolean_is_refused_with_its_row(text: str, found: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        as_wanted([{"late": "true"}, {"late": text}], {"late": "BOOL"})
    assert "row 2" in refused.value.expected
    assert refused.value.found == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "hour,carrier\n"),
        ("rows.csv", "hour,carrier\n5\n"),
        ("rows.csv", "hour,carrier\n5,UA,more\n"),
        ("rows.json", "[5, 6]"),
        ("rows.json", "[]"),
        ("rows.json", '{"hour": '),
    ],
)
def test_files_that_hold_no_rows_are_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InvalidValue):
        read_rows(written(tmp_path, name, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.csv"):
        read_rows(tmp_path / "none.csv")


def test_columns_that_nobody_asked_for_are_left_out() -> None:
    assert as_wanted([{"hour": 5, "note": "late"}], {"hour": "INT64", "carrier": "BYTES"}) == [{"hour": 5}]


def test_parameters_are_name_equals_value() -> None:
    assert parameters(["learning_rate=0.2", "note=a=b"]) == {"learning_rate": "0.2", "note": "a=b"}
    assert parameters(None) == {}


@pytest.mark.parametrize("text", ["learning_rate", "=0.2", "learning_rate="])
def test_parameters_without_name_or_value_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="name=value"):
        parameters([text])
