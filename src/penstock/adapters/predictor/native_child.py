"""A model answers by its own library: `python -m penstock.adapters.predictor.native_child`.

It is told a `Begin` on its standard input, then questions column by column, and gives a `Said` for each. It
ends with its input, as when its parent dies in whatever way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.formats.loading import load
from penstock.adapters.predictor.native import Begin, Said
from penstock.core.frames import read_frame, write_frame
from penstock.serving.ports import Runtime


def main() -> int:
    """Answer until nobody asks any more."""
    told = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the model's code prints is no answer
    runtime: Runtime | None = None
    try:
        while True:
            frame = read_frame(told, None)
            said = Said()
            try:
                if runtime is None:
                    begin = msgspec.msgpack.decode(frame, type=Begin)
                    runtime = load(begin.format, Path(begin.file).read_bytes(), begin.signature)
                else:
                    said = _said(runtime, msgspec.msgpack.decode(frame))
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                said = Said(error=f"{type(error).__name__}: {error}"[:500])
            write_frame(answers, msgspec.msgpack.encode(said))
    except (EOFError, BrokenPipeError):
        return 0


def _said(runtime: Runtime, columns: dict[str, list[Any]]) -> Said:
    score, label, probabilities = runtime.predict(columns)
    return Said(score, label, probabilities)


if __name__ == "__main__":
    sys.exit(main())
