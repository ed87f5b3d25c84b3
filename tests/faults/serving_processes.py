"""The processes of a prediction service."""

from __future__ import annotations

from pathlib import Path

from penstock.adapters.predictor.process import PredictorProcess


def answering(process: PredictorProcess) -> list[int]:
    """Those that answer, which another one watches."""
    pid = process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
