"""NannyML: CBPE of two metrics, all answers in one chunk."""

from __future__ import annotations

import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")

import nannyml as nml  # noqa: E402 after the settings
import pandas as pd  # noqa: E402
from answers import Numbers, estimate  # noqa: E402

METRICS = ("roc_auc", "accuracy")


def table(score: Numbers) -> pd.DataFrame:
    """Answers as it wants them."""
    return pd.DataFrame({"score": score, "said": (score > 0.5).astype(int)})


def learn(score: Numbers, truth: Numbers) -> nml.CBPE:
    """Its calibration."""
    known = nml.CBPE(
        metrics=list(METRICS), y_pred_proba="score", y_pred="said", y_true="truth",
        problem_type="classification_binary", chunk_number=1,
    )  # fmt: skip
    return known.fit(table(score).assign(truth=truth.astype(int)))


def tell(known: nml.CBPE, score: Numbers) -> dict[str, float]:
    """A window of answers."""
    found = known.estimate(table(score)).filter(period="analysis").to_df().iloc[0]
    return {name: float(found[name, "value"]) for name in METRICS}


if __name__ == "__main__":
    estimate(learn, tell)
