"""NannyML: its calculator of drift by column, fitted on chunks of the reference of a window's size."""

from __future__ import annotations

import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml as nml  # noqa: E402 after the settings
import pandas as pd  # noqa: E402
from judging import Found, judge  # noqa: E402

Calculator = nml.UnivariateDriftCalculator


def learn(frame: pd.DataFrame, _days: int, window: int) -> Calculator:
    """Thresholds out of the reference's own chunks."""
    categories = [name for name in frame if name[0] == "c"]
    return Calculator(column_names=list(frame), treat_as_categorical=categories, chunk_size=window).fit(frame)


def look(calculator: Calculator, window: pd.DataFrame) -> Found:
    """One chunk."""
    found = calculator.calculate(window).filter(period="analysis").to_df().iloc[0]
    names = list(window)
    heights = [
        found[n, "jensen_shannon", "value"] / found[n, "jensen_shannon", "upper_threshold"] for n in names
    ]
    return [name for name in names if found[name, "jensen_shannon", "alert"]], float(max(heights))


if __name__ == "__main__":
    judge(pd.DataFrame, learn, look)
