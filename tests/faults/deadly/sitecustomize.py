"""Models that kill their process, as broken native code does; Python reads this where PYTHONPATH says so.

What they do is the description of their graph: see `penstock.testing.tiny_onnx.Fault`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from penstock.adapters.formats.onnx import OnnxRuntime
from penstock.adapters.predictor import fleet, tallies
from penstock.adapters.predictor.tallies import PROVEN
from penstock.deployments.edges import UNSEEN

_asked = count(1)
STORM = 8.0
_held: list[bytes] = []
_predict = OnnxRuntime.predict


def _late(fault: str, asked: int) -> None:
    """What shows only after requests that went well: a challenger is asked in the loop by then."""
    if fault == "thousandth" and asked >= 1000:
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hangs" and asked >= PROVEN * 3:
        time.sleep(3600)
    if fault == "hog" and asked == PROVEN * 3:
        _held.append(b"held" * 100_000_000)


def _deadly(self: OnnxRuntime, columns: Mapping[str, Sequence[Any]]) -> Any:
    fault = self._session.get_modelmeta().description
    if fault in {"thousandth", "hangs", "hog"} and columns["wind"][0] == STORM:
        _late(fault, next(_asked))
    elif fault == "loading" or (fault == "unseen" and UNSEEN in columns["carrier"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return _predict(self, columns)


if "penstock.adapters.predictor" in sys.orig_argv:
    OnnxRuntime.predict = _deadly  # type: ignore[method-assign]
    fleet.SILENT = float(os.environ.get("DEADLY_SILENT", fleet.SILENT))
    tallies.QUICK = 10.0  # also on a machine with much to do
