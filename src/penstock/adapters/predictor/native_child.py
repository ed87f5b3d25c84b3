"""A model answers by its own library: `python -m penstock.adapters.predictor.native_child`.

It is told a `Begin` on its standard input, then questions column by column, and gives a `Said` for each. It
ends with its input, as when its parent dies in whatever way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from msgspec.structs import replace

from penstock.adapters.formats.loading import load
from penstock.adapters.predictor.native import Ask, Begin, Said, resident
from penstock.core.channel import Channel
from penstock.pipelines.loading import make_importable
from penstock.serving.ports import Runtime


def main() -> int:
    """Answer until nobody asks any more."""
    channel = Channel[Begin | Ask](0, os.dup(1), Begin | Ask)
    os.dup2(2, 1)  # what the model's code prints is no answer
    runtime: Runtime | None = None
    try:
        while (message := channel.receive()) is not None:
            said = Said()
            try:
                if isinstance(message, Begin):
                    runtime = _begun(message)
                elif runtime is not None:
                    said = Said(*runtime.predict(message.columns))
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                said = Said(error=f"{type(error).__name__}: {error}"[:500])
            channel.send(replace(said, memory=resident()))
    except (EOFError, BrokenPipeError):
        pass
    return 0


def _begun(begin: Begin) -> Runtime:
    if begin.code:
        make_importable(begin.code)
    return load(begin.format, Path(begin.file).read_bytes(), begin.signature, pickles=True)


if __name__ == "__main__":
    sys.exit(main())
