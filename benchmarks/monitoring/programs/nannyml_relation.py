"""NannyML: realised performance by its calculator, fitted on chunks of the reference of a window's size."""

from __future__ import annotations

import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml as nml  # noqa: E402 after the settings
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from relations import Answered, Found, judge  # noqa: E402

METRICS = ("roc_auc", "accuracy")
Calculator = nml.PerformanceCalculator
Known = tuple[Calculator, dict[str, float]]


def table(rows: Answered) -> pd.DataFrame:
    """Answers as it wants them."""
    return pd.DataFrame(
        {"score": rows.score, "said": (rows.score > 0.5).astype(int), "truth": rows.truth.astype(int)}
    )


def learn(days: list[Answered], window: int) -> Known:
    """Thresholds out of the reference's own chunks, and what is usual in these."""
    calculator = Calculator(
        metrics=list(METRICS), y_pred_proba="score", y_pred="said", y_true="truth",
        problem_type="classification_binary", chunk_size=window,
    )  # fmt: skip
    rows = pd.concat([table(day) for day in days], ignore_index=True)
    calculator.fit(rows)
    usual = calculator.calculate(rows).filter(period="reference").to_df()
    return calculator, {name: float(np.mean(usual[name, "value"])) for name in METRICS}


def look(known: Known, window: Answered) -> Found:
    """One chunk: how far each metric is below what is usual, in parts of the way to its bound."""
    calculator, usual = known
    found = calculator.calculate(table(window)).filter(period="analysis").to_df().iloc[0]
    heights = [
        (usual[name] - found[name, "value"]) / (usual[name] - found[name, "lower_threshold"])
        for name in METRICS
    ]
    return any(bool(found[name, "alert"]) for name in METRICS), float(max(heights))


if __name__ == "__main__":
    judge(learn, look)
