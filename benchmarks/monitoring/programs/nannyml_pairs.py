"""NannyML: what its principal components do not tell of rows, fitted on chunks of a window's size."""

from __future__ import annotations

import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml as nml  # noqa: E402 after the settings
import pandas as pd  # noqa: E402
from judging import Found, judge  # noqa: E402

Calculator = nml.DataReconstructionDriftCalculator
Known = tuple[Calculator, float]


def learn(frame: pd.DataFrame, _days: int, window: int) -> Known:
    """Thresholds out of the reference's own chunks, and the error that is usual in these."""
    calculator = Calculator(column_names=list(frame), chunk_size=window).fit(frame)
    usual = calculator.calculate(frame).filter(period="reference").to_df()
    return calculator, float(usual["reconstruction_error", "value"].mean())


def look(known: Known, window: pd.DataFrame) -> Found:
    """One chunk: how far its error is from the usual one, in parts of the way to its bound."""
    calculator, usual = known
    found = calculator.calculate(window).filter(period="analysis").to_df().iloc[0]
    error = {name: float(found["reconstruction_error", name]) for name in ("value", "upper_threshold")}
    height = abs(error["value"] - usual) / (error["upper_threshold"] - usual)
    return ["all"] if found["reconstruction_error", "alert"] else [], height


if __name__ == "__main__":
    judge(pd.DataFrame, learn, look)
