"""Evidently: each column by the test that it chooses itself, as its preset for drift does.

The whole preset, which draws every column as well, is asked for where time is measured.
"""

from __future__ import annotations

import sys
import warnings

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset
from judging import Found, judge

warnings.filterwarnings("ignore")


def kind(name: str) -> ColumnType:
    """What a column holds."""
    return ColumnType.Numerical if name[0] == "n" else ColumnType.Categorical


def learn(rows: pd.DataFrame, _days: int, _window: int) -> pd.DataFrame:
    """It keeps the rows themselves."""
    return rows


def look(reference: pd.DataFrame, window: pd.DataFrame) -> Found:
    """Every column by its test: a distance, or the chance of it where rows are few."""
    moved, heights = [], []
    for name in window.columns:
        test = get_stattest(reference[name], window[name], kind(name), None)
        found = test(reference[name], window[name], kind(name), None)
        if found.drifted:
            moved.append(name)
        by_chance = test.display_name.endswith("p_value")
        score, bound = float(found.drift_score), float(found.actual_threshold)
        heights.append(bound / max(score, 1e-300) if by_chance else score / bound)
    return moved, max(heights)


def preset(reference: pd.DataFrame, window: pd.DataFrame) -> Found:
    """The preset for drift, as its documentation has it."""
    columns = DataDefinition(
        numerical_columns=[name for name in window if name[0] == "n"],
        categorical_columns=[name for name in window if name[0] == "c"],
    )
    whole = [Dataset.from_pandas(frame, data_definition=columns) for frame in (window, reference)]
    Report([DataDriftPreset()]).run(*whole).dict()
    return [], 0.0


if __name__ == "__main__":
    judge(pd.DataFrame, learn, preset if "preset" in sys.argv else look)
